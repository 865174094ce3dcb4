"""A device from its configuration on: it provisions itself, brings up edgeAgent, which deploys modules; and what these live through.

Nothing is done for the daemon here: edgeAgent's container is its own doing, modules are edgeAgent's.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from support import edge_agent_host, process
from support.daemon import RECOVERY_S
from support.device import Device, whole_device
from support.edge_agent_host import INSIDE_FOLDER, INSIDE_PROGRAM, AgentHost
from support.engine import Engine, EngineError
from support.module_image import MODULE_IMAGE, load_module_image

MODULES = ("sensor", "filter")


class World:
    """The device, and what its modules have written down."""

    def __init__(self, device: Device, engine: Engine) -> None:
        self.device, self.daemon, self.engine = device, device.daemon, engine
        self.folder = device.modules.relay
        self.deployed = self.folder / "deployed"  # edgeAgent makes it when it has come up
        binds = ["/usr:/usr:ro", f"{Path(edge_agent_host.__file__).parent}:{INSIDE_PROGRAM}:ro", f"{self.folder}:{INSIDE_FOLDER}"]
        self.options: dict[str, Any] = {"StopSignal": "SIGKILL", "HostConfig": {"NetworkMode": "none", "Binds": binds}}
        self.agent = AgentHost(device, {"modules": {name: self._wish(name) for name in MODULES}})

    def _wish(self, name: str) -> dict[str, Any]:
        command = ["/usr/bin/python3", f"{INSIDE_PROGRAM}/signing_module.py", f"{INSIDE_FOLDER}/{name}.signs"]
        return {"image": MODULE_IMAGE, "policy": "Never", "options": {**self.options, "Cmd": command}}

    def configure(self) -> None:
        self.daemon.config["agent"] = {
            "name": "edgeAgent", "type": "docker", "imagePullPolicy": "never", "env": {"FROM_CONFIG": "1"},
            "config": {"image": MODULE_IMAGE, "createOptions": {**self.options, "Cmd": edge_agent_host.COMMAND}},
        }

    def truth(self, name: str) -> Any:
        return self.engine.call("GET", f"/containers/{name}/json")

    def lives(self, *names: str) -> list[tuple[str, str]]:
        """Which containers these are, and since when they run."""
        return [(truth["Id"], truth["State"]["StartedAt"]) for truth in (self.truth(name) for name in names)]

    def signs(self, name: str) -> list[list[Any]]:
        """When the module asked, what it was answered, and the signature."""
        file = self.folder / f"{name}.signs"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("]")]

    def signed_after(self, name: str, at: float) -> bool:
        return any(when > at and status == 200 for when, status, _ in self.signs(name))

    def wait_signing(self, at: float, timeout_s: float) -> None:
        for name in MODULES:
            process.wait_until(lambda name=name: self.signed_after(name, at), f"{name} signs", timeout_s)  # type: ignore[misc]

    def refused_after(self, at: float) -> list[list[Any]]:
        return [one for name in MODULES for one in self.signs(name) if one[0] > at and one[1] != 200]

    def settle(self) -> None:
        """After a start: the daemon knows who it is, and has had the time to do what it should not."""
        self.daemon.wait_assigned()
        time.sleep(1.0)

    def is_running(self, name: str) -> bool:
        try:
            return bool(self.truth(name)["State"]["Running"])
        except EngineError:
            return False


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engine = Engine(tmp_path_factory.mktemp("e"))
    engine.start()
    try:
        load_module_image(engine)
        with whole_device(engine, managed=True) as device:
            device.emulator.admin.change_settings(polls=0, retry_after=1)
            one = World(device, engine)
            one.configure()
            device.daemon.enroll()
            device.daemon.start()
            yield one
    finally:
        engine.close()


def test_device_comes_up(world: World) -> None:
    """From a blank TPM and an engine without containers to modules that the hub accepts."""
    process.wait_until(world.deployed.exists, "edgeAgent has deployed", 60)
    world.wait_signing(0, 20)
    record = world.device.emulator.admin.devices()[0]
    env = set(world.truth("edgeAgent")["Config"]["Env"])
    assert {f"IOTEDGE_DEVICEID={record['deviceId']}", f"IOTEDGE_IOTHUBHOSTNAME={record['hub']}", "IOTEDGE_MODULEID=$edgeAgent",
            "FROM_CONFIG=1"} <= env
    assert world.device.verdict(world.agent.token())["accepted"]
    assert all(isinstance(status, str) or status < 400 for _, status in world.agent.calls())
    for name in (*MODULES, "edgeAgent"):
        (bind,) = [bind for bind in world.truth(name)["HostConfig"]["Binds"] if bind.startswith(f"{world.daemon.home}/mnt/")]
        assert bind.startswith(f"{world.daemon.module_socket(name)}:")
    assert world.device.emulator.admin.violations() == []


@pytest.mark.parametrize("way", ["kill", "stop", "config"])
def test_modules_outlive_the_daemon(world: World, way: str) -> None:
    """Killed, stopped in order, started with another configuration that does not concern them: they go on, and so does edgeAgent."""
    before = world.lives(*MODULES, "edgeAgent")
    digests = {name: world.signs(name)[-1][2] for name in MODULES}
    if way == "kill":
        world.daemon.kill()
    else:
        assert world.daemon.stop() == 0
    if way == "config":
        world.daemon.config["hsm"] = {"derived_key_ttl": 60}
    world.daemon.clear_log()
    time.sleep(0.3)
    at = time.time()
    world.daemon.launch()
    world.wait_signing(at, RECOVERY_S)
    world.settle()
    assert world.lives(*MODULES, "edgeAgent") == before
    assert {name: world.signs(name)[-1][2] for name in MODULES} == digests
    assert world.refused_after(at + RECOVERY_S) == []


def test_edge_agent_is_started_again(world: World) -> None:
    """And does not touch what runs."""
    modules, before = world.lives(*MODULES), world.lives("edgeAgent")
    world.deployed.unlink()
    world.engine.call("POST", "/containers/edgeAgent/kill")
    process.wait_until(lambda: world.is_running("edgeAgent") and world.lives("edgeAgent") != before, "edgeAgent runs again", 20)
    process.wait_until(world.deployed.exists, "edgeAgent has come up", 20)
    assert world.lives("edgeAgent")[0][0] == before[0][0]
    assert world.lives(*MODULES) == modules


def test_what_edge_agent_made_of_itself_stays(world: World) -> None:
    """Its own update is its deployment's wish: the daemon's next start leaves it alone."""
    settings = {"image": MODULE_IMAGE, "createOptions": {**world.options, "Cmd": edge_agent_host.COMMAND}}
    truth = world.truth("edgeAgent")
    settings["createOptions"]["HostConfig"] = {"NetworkMode": "none", "Binds": truth["HostConfig"]["Binds"]}
    env = dict(one.split("=", 1) for one in truth["Config"]["Env"])
    spec = {"name": "edgeAgent", "type": "docker", "imagePullPolicy": "Never", "config": {
        "settings": settings, "env": [{"key": key, "value": value} for key, value in {**env, "DEPLOYED": "1"}.items()]}}
    (world.folder / "update.json").write_text(json.dumps(spec))
    mgmt = env["IOTEDGE_MANAGEMENTURI"].removeprefix("unix://")
    script = (f"curl -sS -X PUT -d @{INSIDE_FOLDER}/update.json --unix-socket {mgmt} "
              "'http://x/modules/edgeAgent?api-version=2020-07-07&start=true'")
    body = {"Cmd": ["/usr/bin/sh", "-c", script]}
    world.deployed.unlink()
    created = world.engine.call("POST", f"/containers/{truth['Id']}/exec", body)["Id"]
    world.engine.call("POST", f"/exec/{created}/start", {"Detach": True})

    def is_replaced() -> bool:
        return world.is_running("edgeAgent") and "DEPLOYED=1" in world.truth("edgeAgent")["Config"]["Env"]

    process.wait_until(is_replaced, "edgeAgent has replaced itself", 30)
    process.wait_until(world.deployed.exists, "edgeAgent has come up", 20)  # a restart in the middle of that would end it
    before = world.lives(*MODULES, "edgeAgent")
    world.daemon.restart()
    world.settle()
    assert world.lives(*MODULES, "edgeAgent") == before


def test_engine_is_killed(world: World) -> None:
    """Here all containers end with it. The daemon brings back edgeAgent, and edgeAgent its modules."""
    before = {name: world.lives(name) for name in (*MODULES, "edgeAgent")}
    world.engine.kill()
    time.sleep(0.5)
    world.engine.start()
    for name, life in before.items():
        process.wait_until(lambda name=name, life=life: world.is_running(name) and world.lives(name) != life,  # type: ignore[misc]
                           f"{name} runs again", 60)
    world.wait_signing(time.time(), 20)
    names = sorted(name for one in world.engine.call("GET", "/containers/json?all=true") for name in one["Names"])
    assert names == sorted(f"/{name}" for name in (*MODULES, "edgeAgent"))


def test_new_configuration_of_edge_agent(world: World) -> None:
    """Changes its container, and no other."""
    modules, before = world.lives(*MODULES), world.lives("edgeAgent")
    world.daemon.config["agent"]["env"]["FROM_CONFIG"] = "2"
    world.daemon.restart()

    def is_changed() -> bool:
        return world.is_running("edgeAgent") and "FROM_CONFIG=2" in world.truth("edgeAgent")["Config"]["Env"]

    process.wait_until(is_changed, "edgeAgent has what the configuration says", 30)
    assert world.lives("edgeAgent")[0][0] != before[0][0]
    assert world.lives(*MODULES) == modules
