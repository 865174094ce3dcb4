"""The container of edgeAgent stays what it is, unless config.yaml says something else of it than before."""

from __future__ import annotations

import re
from typing import Any, Iterator

import pytest

from support import process
from support.device import Device, whole_device
from support.engine import IMAGE, OURS, Container, Engine, EngineError

LABEL = "net.azure-devices.edge.edged.spec"


@pytest.fixture
def device(engine: Engine) -> Iterator[Device]:
    """Provisioned, the daemon stopped, no edgeAgent."""
    engine.clear()
    with whole_device(engine) as one:
        one.start_daemon()
        assert one.daemon.stop() == 0
        one.daemon.use_agent(IMAGE, {"Cmd": ["/bin/busybox", "sleep", "3600"], "StopSignal": "SIGKILL"})
        yield one
    engine.clear()


def make_agent(device: Device, *more: str) -> Container:
    """As an earlier daemon or edgeAgent itself makes it, so without our label; not started."""
    record = device.emulator.admin.devices()[0]
    env = [f"IOTEDGE_IOTHUBHOSTNAME={record['hub']}", f"IOTEDGE_DEVICEID={record['deviceId']}",
           f"IOTEDGE_MODULEGENERATIONID={device.module_record('$edgeAgent')['generationId']}", *more]
    binds = {str(device.daemon.sockets): "/run/iotedge"}
    return device.engine.run("edgeAgent", OURS, binds, start=False, Env=env, StopSignal="SIGKILL")


def told(device: Device) -> dict[str, Any]:
    """What the engine says of edgeAgent; empty for none."""
    try:
        return dict(device.engine.call("GET", "/containers/edgeAgent/json"))
    except EngineError:
        return {}


def record(device: Device) -> str:
    """What the daemon has noted of it."""
    file = device.daemon.state / "edge-agent"
    return file.read_text() if file.exists() else ""


def brought_up(device: Device) -> dict[str, Any]:
    """A run of the daemon that finds edgeAgent stopped: what it is then, and what is noted of it."""
    device.daemon.start()
    process.wait_until(lambda: told(device).get("State", {}).get("Running", False), "edgeAgent runs")
    process.wait_until(lambda: re.search(r"\n[0-9a-f]{64}\n", record(device)), "edgeAgent is on record")
    assert device.daemon.stop() == 0
    device.engine.call("POST", "/containers/edgeAgent/kill")
    return told(device)


def test_edge_agent_is_kept(device: Device) -> None:
    """Taken over from an earlier daemon, then made by itself, then by us."""
    earlier = make_agent(device)
    assert brought_up(device)["Id"] == earlier.id
    noted = record(device)
    earlier.remove()
    deployed = make_agent(device, "X=deployed")
    assert brought_up(device)["Id"] == deployed.id
    device.daemon.config["hostname"] = "TEST-device"  # the same in other letters
    assert brought_up(device)["Id"] == deployed.id and record(device) == noted
    device.daemon.config["agent"]["env"] = {"X": "configured"}
    ours = brought_up(device)
    assert ours["Id"] != deployed.id and "X=configured" in ours["Config"]["Env"]
    process.wait_until(lambda: ours["Config"]["Labels"][LABEL] in record(device), "the new one is on record")
    assert record(device) != noted
    assert brought_up(device)["Id"] == ours["Id"]
    assert device.emulator.admin.violations() == []
