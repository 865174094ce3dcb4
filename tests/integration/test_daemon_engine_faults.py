"""A real engine that fails in the middle of what changes a module: no answer, a wrong one, one that gets lost."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any, Callable, Iterator, Optional

import pytest

from support import process
from support.daemon import MGMT_VERSION, Reply, call
from support.device import Device, whole_device
from support.engine import IMAGE, Engine
from support.mock import EngineProxy
from support.registry import Registry

NAME = "victim"
KINDS = ("status", "drop", "lost", "garbage", "truncate", "chunk")
QUICK = ("status", "drop", "lost", "truncate")  # for what is tried again after a pause


class Place:
    """A device whose daemon reaches the engine through a proxy; nothing else does."""

    def __init__(self, device: Device, proxy: EngineProxy) -> None:
        self.device, self.proxy, self.engine = device, proxy, device.engine
        self.agent = device.agent

    def spec(self, image: str = IMAGE, pull: bool = False, **env: str) -> dict[str, Any]:
        return {
            "name": NAME, "type": "docker", "imagePullPolicy": "On-Create" if pull else "Never",
            "config": {"settings": {"image": image, "createOptions": {
                "Cmd": ["/bin/busybox", "sleep", "3600"], "StopSignal": "SIGKILL", "HostConfig": {"NetworkMode": "none"}}},
                "env": [{"key": key, "value": value} for key, value in env.items()]},
        }

    def call(self, method: str, path: str, body: Any = None, query: str = "") -> Reply:
        """As edgeAgent."""
        return call(self.agent.mgmt, method, f"{path}?api-version={MGMT_VERSION}{query}", body, timeout_s=120)

    def names(self) -> list[str]:
        """Of all containers, ours and not, but for edgeAgent's."""
        found = [name.lstrip("/") for one in self.engine.call("GET", "/containers/json?all=true") for name in one["Names"]]
        return sorted(name for name in found if name != "edgeAgent")

    def truth(self) -> Any:
        return self.engine.call("GET", f"/containers/{NAME}/json")

    def is_running(self) -> bool:
        return bool(self.truth()["State"]["Running"])

    def make(self) -> None:
        """The module, newly made and running."""
        if NAME in self.names():
            self.engine.call("DELETE", f"/containers/{NAME}?force=true")
        assert self.call("POST", "/modules", self.spec()).status == 201
        assert self.call("POST", f"/modules/{NAME}/start").status == 204


@pytest.fixture(scope="module")
def place(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    engine.clear()
    proxy = EngineProxy(tmp_path_factory.mktemp("p") / "e.sock", engine.socket)
    proxy.start()
    with whole_device(engine) as device:
        device.daemon.config["moby_runtime"]["uri"] = f"unix://{proxy.socket}"
        device.start()
        yield Place(device, proxy)
        proxy.faults.clear()
    proxy.stop()
    engine.clear()


@pytest.fixture(autouse=True)
def _calm(place: Place) -> Iterator[None]:
    yield
    place.proxy.faults.clear()


STEPS = {
    "look": r"^/containers/victim/json",
    "image": r"^/images/.*json",
    "create": r"^POST /containers/create",
    "remove": r"^DELETE /containers/",
    "rename": r"^POST /containers/[^/]+/rename",
    "start": r"^POST /containers/[^/]+/start",
}


@pytest.mark.parametrize("step", list(STEPS))
def test_update_with_a_fault(place: Place, step: str) -> None:
    """Whatever goes wrong at whatever step, the old module is there or the new one, whole, and the call can be made again."""
    place.make()
    for kind in KINDS if step in ("look", "image") else QUICK:
        place.proxy.fail(STEPS[step], kind, times=1)
        before = place.truth()["Id"]
        reply = place.call("PUT", f"/modules/{NAME}", place.spec(K=kind), "&start=true")
        place.proxy.faults.clear()
        assert place.names() == [NAME], (kind, reply)
        truth = place.truth()
        assert reply.status in (200, 404, 500, 503), (kind, reply)
        if reply.status == 200:
            assert f"K={kind}" in truth["Config"]["Env"] and truth["Id"] != before and truth["State"]["Running"], kind
        else:
            assert reply.message, kind
            if step not in ("rename", "start"):  # there the old one has gone, and the new one waits for its start
                assert truth["Id"] == before and truth["State"]["Running"], (kind, reply)
        assert place.call("PUT", f"/modules/{NAME}", place.spec(K="again"), "&start=true").status == 200, kind
        assert place.names() == [NAME] and place.is_running(), kind


ACTS: dict[str, tuple[str, str, str, Callable[[Place], bool]]] = {
    "create": ("POST", "/modules", r"^POST /containers/create", lambda place: place.names() == [NAME]),
    "start": ("POST", f"/modules/{NAME}/start", r"^POST /containers/[^/]+/start", Place.is_running),
    "restart": ("POST", f"/modules/{NAME}/restart", r"^POST /containers/[^/]+/restart", Place.is_running),
    "stop": ("POST", f"/modules/{NAME}/stop", r"^POST /containers/[^/]+/stop", lambda place: not place.is_running()),
    "delete": ("DELETE", f"/modules/{NAME}", r"^DELETE /containers/", lambda place: place.names() == []),
}


def test_acts_with_a_fault(place: Place) -> None:
    """Each can be made again, however the first attempt ended, and ends where it was to."""
    for kind in KINDS:
        if NAME in place.names():
            place.engine.call("DELETE", f"/containers/{NAME}?force=true")
        for act, (method, path, step, is_done) in ACTS.items():
            place.proxy.fail(step, kind, times=1)
            body: Optional[dict[str, Any]] = place.spec() if act == "create" else None
            first = place.call(method, path, body)
            assert first.status in (201, 204, 404, 409, 500, 503), (act, kind, first)
            place.proxy.faults.clear()
            again = place.call(method, path, body)
            there = {"create": (201, 409), "delete": (204, 404)}.get(act, (204,))
            assert again.status in there, (act, kind, first, again)
            assert is_done(place), (act, kind)


def in_background(act: Callable[[], Reply]) -> tuple[threading.Thread, list[Reply]]:
    answers: list[Reply] = []
    thread = threading.Thread(target=lambda: answers.append(act()))
    thread.start()
    return thread, answers


def test_engine_restarts_in_the_middle_of_a_pull(place: Place, make_registry: Callable[..., Registry]) -> None:
    """The module runs on meanwhile, and the next attempt succeeds."""
    image = make_registry().push(place.engine, IMAGE, "sensor", "1")
    place.make()
    before = place.truth()
    place.proxy.fail("^POST /images/create.*sensor", "stall", times=1, body='{"status":"Downloading","id":"0a"}')
    wish = place.spec(f"{image}:1", pull=True)
    thread, answers = in_background(lambda: place.call("PUT", f"/modules/{NAME}", wish, "&start=true"))
    process.wait_until(lambda: any(re.search("/images/create.*sensor", one) for one in place.proxy.requests), "the pull has begun")
    place.proxy.stop()
    place.proxy.start()
    thread.join(60)
    assert answers and answers[0].status in (500, 503) and answers[0].message, answers
    after = place.truth()
    assert (after["Id"], after["State"]) == (before["Id"], before["State"])

    def is_updated() -> bool:
        return place.call("PUT", f"/modules/{NAME}", wish, "&start=true").status == 200

    process.wait_until(is_updated, "the engine is found again", 30)
    assert place.truth()["Config"]["Image"] == f"{image}:1" and place.is_running()


def test_an_engine_that_hangs(place: Place) -> None:
    """Whoever asked learns of it in time, others do not wait, and nothing has changed."""
    place.make()
    before = place.truth()["Id"]
    place.proxy.fail(STEPS["look"], "hang")
    begun = time.monotonic()
    waiting = [in_background(lambda: place.call("PUT", f"/modules/{NAME}", place.spec())),
               in_background(lambda: place.call("GET", f"/modules/{NAME}"))]
    while time.monotonic() - begun < 2:
        at = time.monotonic()
        assert place.agent.sign(b"text").status == 200
        assert time.monotonic() - at < 1
    for thread, answers in waiting:
        thread.join(30)
        assert answers[0].status in (500, 503, 504) and answers[0].message, answers
    assert time.monotonic() - begun < 20
    place.proxy.faults.clear()
    place.proxy.stop()  # what hangs there goes with it
    place.proxy.start()
    process.wait_until(lambda: place.call("GET", f"/modules/{NAME}").status == 200, "the engine is found again", 30)
    assert place.truth()["Id"] == before and place.is_running()


def test_answers_that_are_too_long_or_nonsense(place: Place) -> None:
    """Of a module's inspection: refused, nothing is changed, and the next call is served."""
    place.make()
    before = place.truth()["Id"]
    for kind, body in (("oversize", None), ("body", "[]"), ("body", '{"Id":7}'), ("body", '{"Id":"' + "a" * 64 + '"}')):
        place.proxy.fail(STEPS["look"], kind, body=body)
        for method, path, wish in (("PUT", f"/modules/{NAME}", place.spec()), ("DELETE", f"/modules/{NAME}", None),
                                   ("POST", f"/modules/{NAME}/stop", None)):
            reply = place.call(method, path, wish)
            assert reply.status in (404, 500, 503) and reply.message, (kind, body, reply)
        place.proxy.faults.clear()
        assert place.truth()["Id"] == before and place.is_running()
    assert json.loads(place.call("GET", f"/modules/{NAME}").body)["status"]["runtimeStatus"]["status"] == "running"
