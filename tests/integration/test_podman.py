"""The daemon's Engine client on Podman's socket."""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Callable

import pytest

from support import process
from support.engine import IMAGE, OURS, Engine
from support.podman import Podman
from support.probe import Watch, probe
from support.registry import Registry, credentials

BODY = json.dumps({
    "Image": IMAGE,
    "Cmd": ["/bin/sh", "-c", "echo one; echo two >&2; trap 'exit 0' TERM; while :; do sleep 0.1; done"],
    "Labels": OURS,
    "Env": ["K=V"],
    "HostConfig": {"NetworkMode": "none"},
})


@pytest.fixture
def registry(make_registry: Callable[..., Registry]) -> Registry:
    """A registry with a password."""
    return make_registry(locked=True)


@pytest.fixture
def podman(make_engine: Callable[..., Engine], registry: Registry) -> Engine:
    """A running Podman with the image support.engine.IMAGE."""
    one = make_engine(Podman, registry.host)
    one.load_image()
    return one


def act(podman: Engine, *what: str) -> dict[str, Any]:
    """The last answer of one run."""
    return probe(podman.socket, *what)[-1]


def test_life_of_a_module(podman: Engine) -> None:
    assert act(podman, "create", "mod-a", BODY)["code"] == "ok"
    assert act(podman, "create", "mod-a", BODY)["code"] == "conflict"
    assert act(podman, "create", "mod-b", BODY.replace(IMAGE, "127.0.0.1:1/none:1"))["code"] == "not_found"
    with Watch(podman.socket) as watch:
        watch.expect("connected", "")
        for _ in range(2):
            assert act(podman, "start", "mod-a")["code"] == "ok"
        module = act(podman, "module", "mod-a")
        assert module["state"] == "running" and module["labels"] == OURS and "K=V" in module["env"]
        watch.expect("started", module["id"])
        (listed,) = act(podman, "list")["containers"]
        assert (listed["name"], listed["owned"], listed["running"]) == ("mod-a", True, True)
        pid = act(podman, "inspect", "mod-a")["containers"][0]["pid"]
        assert pid in act(podman, "top", "mod-a")["pids"]
        process.wait_until(lambda: act(podman, "logs", "mod-a")["bytes"] == 24, "the module has written")
        frames = b"".join(base64.b64decode(a["data"]) for a in probe(podman.socket, "logs", "mod-a") if "data" in a)
        assert frames == b"\1\0\0\0\0\0\0\4one\n" + b"\2\0\0\0\0\0\0\4two\n"
        assert "cpu_stats" in json.loads(act(podman, "stats", "mod-a")["json"])
        assert act(podman, "restart", "mod-a")["code"] == "ok"
        assert act(podman, "inspect", "mod-a")["containers"][0]["pid"] not in (0, pid)
        for _ in range(2):
            assert act(podman, "stop", "mod-a", "5")["code"] == "ok"
        assert act(podman, "stats", "mod-a")["code"] == "conflict"
        assert act(podman, "image-remove", IMAGE)["code"] == "conflict"
        assert act(podman, "remove", "mod-a")["code"] == "ok"
    for what in ("start", "stop", "restart", "remove", "module", "logs"):
        assert act(podman, what, "mod-a")["code"] == "not_found", what


def test_a_container_takes_the_place_of_another(podman: Engine) -> None:
    """As an update does it."""
    assert act(podman, "create", "mod-a", BODY)["code"] == "ok"
    assert act(podman, "create", "mod-a.edged-next", BODY)["code"] == "ok"
    assert [m["name"] for m in act(podman, "modules")["modules"]] == ["mod-a"]
    assert act(podman, "module", "mod-a.edged-next")["code"] == "not_found"
    assert act(podman, "rename", "mod-a.edged-next", "mod-a")["code"] == "conflict"
    assert act(podman, "remove", "mod-a")["code"] == "ok"
    with Watch(podman.socket) as watch:
        watch.expect("connected", "")
        assert act(podman, "rename", "mod-a.edged-next", "mod-a")["code"] == "ok"
        assert act(podman, "rename", "mod-a.edged-next", "mod-a")["code"] == "not_found"
        assert act(podman, "start", "mod-a")["code"] == "ok"
    assert [m["name"] for m in act(podman, "modules")["modules"]] == ["mod-a"]


def test_image_as_it_was_asked_for(podman: Engine) -> None:
    body = json.loads(BODY)
    body["Labels"] = {**OURS, "net.azure-devices.edge.original-image": IMAGE}
    assert act(podman, "create", "mod-a", json.dumps(body))["code"] == "ok"
    assert act(podman, "create", "mod-b", BODY)["code"] == "ok"
    images = {m["name"]: m["image"] for m in act(podman, "modules")["modules"]}
    assert images["mod-a"] == IMAGE != images["mod-b"]
    assert act(podman, "module", "mod-a")["image"] == IMAGE


def test_others_are_left_alone(podman: Engine) -> None:
    other = podman.run("other")
    for what in ("start", "stop", "restart", "remove", "logs", "module"):
        assert act(podman, what, "other")["code"] == "not_found"
    assert podman.call("GET", f"/containers/{other.id}/json")["State"]["Running"]


def test_pull_with_a_password(podman: Engine, registry: Registry, engine: Engine) -> None:
    name = registry.push(engine, IMAGE, "secret/module", "1", "latest")
    for wrong in ((), (credentials(password="wrong"),)):
        assert act(podman, "pull", f"{name}:1", *wrong)["code"] == "denied"
    assert act(podman, "pull", name, credentials())["code"] == "ok"
    assert f"{name}:latest" in act(podman, "image", name)["tags"]
    assert act(podman, "image", f"{name}:1")["code"] == "not_found"
    assert act(podman, "pull", f"{name}:2", credentials())["code"] == "not_found"
    assert act(podman, "image-remove", f"{name}:latest")["code"] == "ok"
    assert act(podman, "image-remove", f"{name}:latest")["code"] == "ok"


def test_service_restarts(podman: Engine) -> None:
    """Modules outlive it, and it is found again."""
    assert act(podman, "create", "mod-a", BODY)["code"] == "ok"
    assert act(podman, "start", "mod-a")["code"] == "ok"
    podman.stop()
    assert act(podman, "module", "mod-a")["code"] == "network"
    podman.start()
    time.sleep(0.1)
    assert act(podman, "module", "mod-a")["state"] == "running"
