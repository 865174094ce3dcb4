"""edgeAgent's own order of calls, made from inside its container by a program that is as strict on the wire as it is."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest

from support import edge_agent_host
from support.device import Device, whole_device
from support.edge_agent_host import AgentHost
from support.engine import IMAGE, Engine
from support.podman import Podman
from support.registry import PASSWORD, USER, Registry

TICK = "while :; do echo tick; echo tock >&2; /bin/busybox sleep 0.2; done"


@pytest.fixture
def registry(make_registry: Callable[..., Registry]) -> Registry:
    return make_registry(locked=True)


@pytest.fixture(params=["docker", "podman"])
def device(request: pytest.FixtureRequest, clean: Engine, registry: Registry,
           make_engine: Callable[..., Engine]) -> Iterator[Device]:
    """Provisioned, without edgeAgent, on either engine."""
    with whole_device(make_engine(Podman, registry.host) if request.param == "podman" else clean) as one:
        one.daemon.config["provisioning"]["dynamic_reprovisioning"] = True
        one.start_daemon()
        yield one


def wishes(image: str) -> dict[str, Any]:
    """Of a deployment: a module that is changed later, and one that fails at once."""
    auth = {"username": USER, "password": PASSWORD, "serveraddress": image.split("/", maxsplit=1)[0]}
    quiet = {"HostConfig": {"NetworkMode": "none"}, "StopSignal": "SIGKILL"}
    ticking = {**quiet, "Cmd": ["/bin/sh", "-c", TICK]}
    return {
        "sensor": {"image": f"{image}:1", "auth": auth, "options": ticking},
        "sensor2": {"image": f"{image}:2", "auth": auth, "options": {**ticking, "Env": ["CHANGED=1"]}},
        "loser": {"image": f"{image}:1", "auth": auth, "options": {**quiet, "Cmd": ["/bin/sh", "-c", "exit 3"]}, "then": "failed"},
    }


ADDED = ["POST /identities/", "POST /modules/{}/prepareupdate", "POST /modules", "POST /modules/{}/start"]
CHANGED = ["PUT /identities/{}", "POST /modules/{}/prepareupdate", "POST /modules/{}/stop", "PUT /modules/{}", "POST /modules/{}/start"]
REMOVED = ["POST /modules/{}/stop", "DELETE /modules/{}", "DELETE /identities/{}"]
START = ["GET /systeminfo", "GET /trust-bundle", "GET /identities/"]


def of(name: str, calls: list[str]) -> list[str]:
    return [call.format(name) for call in calls]


def test_life_of_edge_agent(device: Device, engine: Engine, registry: Registry) -> None:
    """Start, new module, logs, changed module, failed module, its own update, removed modules, provisioning."""
    image = registry.push(engine, IMAGE, "fleet/sensor", "1", "2")
    agent = AgentHost(device, {**wishes(image), "edgeAgent": edge_agent_host.wish(device)})
    before = agent.run()
    assert agent.wait_end() == "ok"
    calls = [call for call in agent.calls() if call != ["GET /modules", 200]]
    order = [what for what, _ in calls]
    assert order == [
        "start", *START, "POST sign", *of("sensor", ADDED), *of("loser", ADDED), "POST encrypt", "GET /modules/sensor/logs",
        *of("sensor", CHANGED), "POST /modules/loser/start", "POST /modules/loser/restart",
        "POST /modules/edgeAgent/prepareupdate", "PUT /modules/edgeAgent",
        "start", *START[:2], "POST decrypt", START[2], "POST sign", *of("loser", REMOVED), "POST /device/reprovision",
        "GET /systeminfo/resources", *of("sensor", REMOVED)]
    assert device.verdict(agent.token())["accepted"]
    assert PASSWORD not in device.daemon.log_text()
    truth = device.engine.call("GET", "/containers/edgeAgent/json")
    assert truth["Id"] != before.id and truth["State"]["Running"] and "VERSION=2" in truth["Config"]["Env"]
    names = [name for one in device.engine.call("GET", "/containers/json?all=true") for name in one["Names"]]
    assert [name.lstrip("/") for name in names] == ["edgeAgent"]
    modules = [module["moduleId"] for module in device.emulator.admin.devices()[0]["modules"]]
    assert sorted(modules) == ["$edgeAgent", "$edgeHub"]
    assert device.emulator.admin.violations() == []
    device.daemon.wait_log("Asking for the assignment.* edgeAgent asked for it")
