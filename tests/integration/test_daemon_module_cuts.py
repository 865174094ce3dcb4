"""The daemon or its engine is killed at a step of a change of a module: before the engine hears of it, or when it has done
it and nobody was told. Afterwards no module is lost or there twice, and the change can be made again.

EDGE_KILL_POINTS=all kills the engine at every step instead of a sample.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from support import process
from support.device import Device
from support.engine import IMAGE, Container, Engine, EngineError
from support.mock import EngineCut
from support.module_image import AGENT, INSIDE_AGENT, INSIDE_RELAY, INSIDE_SOCKETS, MODULE_IMAGE

ALL_POINTS = os.environ.get("EDGE_KILL_POINTS") == "all"
CUT_S, HEAL_S = 20.0, 40.0
SUFFIX = ".edged-next"
OPTIONS = {"HostConfig": {"NetworkMode": "none"}, "Cmd": ["/bin/busybox", "sleep", "3600"], "StopSignal": "SIGKILL"}


def spec(name: str, image: str = IMAGE, **options: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "docker",
        "imagePullPolicy": "Never",
        "config": {"settings": {"image": image, "createOptions": {**OPTIONS, **options}}, "env": []},
    }


class Rig:
    """A device whose daemon reaches the engine by a proxy."""

    def __init__(self, folder: Path) -> None:
        self.engine = Engine(folder / "engine")
        self.engine.start()
        self.engine.load_image()
        self.cut = EngineCut(folder / "cut.sock", self.engine.socket)
        self.cut.start()
        self.device = Device(folder, self.engine)
        self.device.daemon.config["moby_runtime"]["uri"] = f"unix://{self.cut.socket}"
        self.device.start()

    def close(self) -> None:
        try:
            self.device.close()
        finally:
            self.cut.stop()
            self.engine.close()

    def names(self) -> list[str]:
        found = [name for c in self.engine.call("GET", "/containers/json?all=true") for name in c["Names"]]
        return [name.lstrip("/") for name in found if name != "/edgeAgent"]

    def state(self, name: str) -> dict[str, Any]:
        return dict(self.engine.call("GET", f"/containers/{name}/json"))

    def manage(self, method: str, path: str, body: Any = None) -> int:
        return self.device.agent.manage(method, path, body).status

    def try_it(self, method: str, path: str, body: Any) -> None:
        try:
            self.manage(method, path, body)
        except (OSError, ValueError):
            pass  # who was asked, or asks, has gone

    def cut_at(self, step: int, after: bool, act: Any, request: tuple[str, str, Any]) -> None:
        """Makes a change that is cut off at that step, which it must come to."""
        self.cut.arm(step, after, act)
        thread = threading.Thread(target=self.try_it, args=request)
        thread.start()
        assert self.cut.is_cut.wait(CUT_S), self.cut.steps
        thread.join(CUT_S)
        self.cut.record()

    def restart_daemon(self) -> None:
        self.device.daemon.start()

    def kill_daemon(self) -> None:
        self.device.daemon.kill()

    def restart_engine(self) -> None:
        """What ran has ended with it."""
        self.engine.start()
        self.device.agent.container.start()
        self.device.agent.wait_ready()
        process.wait_until(self.is_served, "edgeAgent is known as such", HEAL_S)

    def is_served(self) -> bool:
        try:
            return self.manage("GET", "/modules") == 200
        except (OSError, ValueError):
            return False

    def is_whole(self) -> bool:
        return not any(name.endswith(SUFFIX) for name in self.names())


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    one = Rig(folder)
    try:
        yield one
    except BaseException:
        print(one.device.daemon.log_text()[-6000:])
        raise
    finally:
        one.close()
        shutil.rmtree(folder, ignore_errors=True)


CREATE = ("POST", "/modules", spec("victim"))
UPDATE = ("PUT", "/modules/victim", spec("victim", Env=["CHANGED=1"]))
REMOVE = ("DELETE", "/modules/victim", None)


def steps_of(rig: Rig, request: tuple[str, str, Any]) -> int:
    rig.cut.record()
    assert rig.manage(*request) in (200, 201, 204)
    return len(rig.cut.steps)


def check_created(rig: Rig) -> None:
    expected = 409 if "victim" in rig.names() else 201
    assert rig.manage(*CREATE) == expected
    assert rig.names() == ["victim"]


def check_updated(rig: Rig) -> None:
    process.wait_until(rig.is_whole, "what was left is settled", HEAL_S)
    assert rig.names() == ["victim"]
    assert rig.manage(*UPDATE) == 200
    assert rig.names() == ["victim"]
    assert "CHANGED=1" in rig.state("victim")["Config"]["Env"]


def check_removed(rig: Rig) -> None:
    expected = 204 if "victim" in rig.names() else 404
    assert rig.manage(*REMOVE) == expected
    assert rig.names() == []


def ensure(rig: Rig, there: bool) -> None:
    """Runs, when it is to be there."""
    if ("victim" in rig.names()) != there:
        assert rig.manage(*(CREATE if there else REMOVE)) in (201, 204)
    if there:
        assert rig.manage("POST", "/modules/victim/start") == 204


CHANGES = [(CREATE, False, check_created), (UPDATE, True, check_updated), (REMOVE, True, check_removed)]


def test_daemon_is_killed_at_every_step(rig: Rig) -> None:
    for request, there_before, check in CHANGES:
        ensure(rig, there_before)
        count = steps_of(rig, request)
        assert count == (3 if request is UPDATE else 1), rig.cut.steps
        for step in range(1, count + 1):
            for after in (False, True):
                ensure(rig, there_before)
                rig.cut_at(step, after, rig.kill_daemon, request)
                rig.restart_daemon()
                check(rig)
    assert rig.device.daemon.log_count("an interrupted replacement was brought to its end") == 2
    assert rig.device.daemon.log_count("what an interrupted replacement had left was removed") == 2


def test_a_module_that_takes_its_time_to_stop(rig: Rig) -> None:
    """A day, and it heeds no signal: nobody who wants it replaced or removed waits for that."""
    stubborn = ("POST", "/modules", spec("victim", StopSignal="SIGTERM", StopTimeout=86400))
    for request, status in ((UPDATE, 200), (REMOVE, 204)):
        ensure(rig, False)
        assert rig.manage(*stubborn) == 201
        assert rig.manage("POST", "/modules/victim/start") == 204
        stopping = threading.Thread(target=rig.try_it, args=("POST", "/modules/victim/stop", None))
        rig.cut.record()
        stopping.start()
        process.wait_until(lambda: len(rig.cut.steps) == 1, "the engine is told")
        began = time.monotonic()
        assert rig.manage(*request) == status
        stopping.join(CUT_S)
        assert not stopping.is_alive() and time.monotonic() - began < CUT_S
        assert rig.names() == (["victim"] if request is UPDATE else [])


def test_edge_agent_is_killed_with_the_daemon_while_it_replaces_itself(rig: Rig) -> None:
    """The old one is gone, the new one has not got its name, and nobody is left who knew."""
    wish = spec("edgeAgent", MODULE_IMAGE, Cmd=["/usr/bin/python3", INSIDE_AGENT, "relay", INSIDE_RELAY, "edgeAgent"],
                Tty=True, HostConfig={"NetworkMode": "none", "Binds": [
                    "/usr:/usr:ro", f"{AGENT}:{INSIDE_AGENT}:ro", f"{rig.device.daemon.sockets}:{INSIDE_SOCKETS}",
                    f"{rig.device.modules.relay}:{INSIDE_RELAY}"]})
    before = rig.state("edgeAgent")["Id"]
    rig.cut_at(3, False, rig.kill_daemon, ("PUT", "/modules/edgeAgent", wish))
    with pytest.raises(EngineError):
        rig.state("edgeAgent")
    rig.restart_daemon()

    def is_back() -> bool:
        try:
            return bool(rig.state("edgeAgent")["Id"] != before)
        except EngineError:
            return False

    process.wait_until(is_back, "edgeAgent is back")
    rig.device.agent.container = Container(rig.engine, "edgeAgent", "edgeAgent")
    rig.device.agent.container.start()
    process.wait_until(rig.is_served, "the new edgeAgent is known as such")


def test_engine_is_killed_at_steps(rig: Rig) -> None:
    sample = [(UPDATE, 2, True), (UPDATE, 3, False), (REMOVE, 1, False)]
    points = [(request, step, after) for request, count in ((CREATE, 1), (UPDATE, 3), (REMOVE, 1))
              for step in range(1, count + 1) for after in (False, True)]
    for request, step, after in points if ALL_POINTS else sample:
        _, there_before, check = next(change for change in CHANGES if change[0] is request)
        ensure(rig, there_before)
        rig.cut_at(step, after, rig.engine.kill, request)
        rig.restart_engine()
        check(rig)
