"""Runs edge_agent.py as the container edgeAgent of a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import process
from .device import Device
from .engine import OURS, Container
from .module_image import INSIDE_SOCKETS, MODULE_IMAGE

INSIDE_PROGRAM, INSIDE_FOLDER = "/program", "/relay"
COMMAND = ["/usr/bin/python3", f"{INSIDE_PROGRAM}/edge_agent.py", INSIDE_FOLDER]


def options(device: Device) -> dict[str, Any]:
    """createOptions of its container."""
    return {
        "Cmd": COMMAND,
        "StopSignal": "SIGKILL",  # a first process heeds no other by itself
        "HostConfig": {"NetworkMode": "none", "Binds": [
            "/usr:/usr:ro", f"{Path(__file__).parent}:{INSIDE_PROGRAM}:ro", f"{device.daemon.sockets}:{INSIDE_SOCKETS}",
            f"{device.modules.relay}:{INSIDE_FOLDER}"]},
    }


def wish(device: Device) -> dict[str, Any]:
    """What it asks for when it replaces itself."""
    return {"image": MODULE_IMAGE, "policy": "Never", "options": options(device)}


class AgentHost:
    """`wishes`: see edge_agent.py."""

    def __init__(self, device: Device, wishes: dict[str, Any]) -> None:
        self.device = device
        self.folder = device.modules.relay
        (self.folder / "wishes.json").write_text(json.dumps(wishes))

    def environment(self) -> dict[str, str]:
        """What the daemon gives it."""
        record = self.device.emulator.admin.devices()[0]
        return {
            "IOTEDGE_MANAGEMENTURI": f"unix://{INSIDE_SOCKETS}/mgmt.sock", "IOTEDGE_WORKLOADURI": f"unix://{INSIDE_SOCKETS}/work.sock",
            "IOTEDGE_APIVERSION": "2020-07-07", "IOTEDGE_DEVICEID": record["deviceId"], "IOTEDGE_MODULEID": "$edgeAgent",
            "IOTEDGE_IOTHUBHOSTNAME": record["hub"],
            "IOTEDGE_MODULEGENERATIONID": self.device.module_record("$edgeAgent")["generationId"],
        }

    def run(self) -> Container:
        """Creates and starts the container, as the daemon would."""
        engine = self.device.engine
        body = {"Image": MODULE_IMAGE, "Labels": OURS, **options(self.device),
                "Env": [f"{name}={value}" for name, value in self.environment().items()]}
        created = engine.call("POST", "/containers/create?name=edgeAgent", body)
        container = Container(engine, created["Id"], "edgeAgent")
        container.start()
        return container

    def wait_end(self, timeout_s: float = 90.0) -> str:
        """How its life ended: "ok", or what went wrong."""
        ended = self.folder / "ended"
        process.wait_until(ended.exists, "edgeAgent has done what it was to do", timeout_s)
        return ended.read_text()

    def calls(self) -> list[list[Any]]:
        """What it called, and the status of each answer."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def token(self) -> str:
        """The last one that it made."""
        return (self.folder / "token").read_text()
