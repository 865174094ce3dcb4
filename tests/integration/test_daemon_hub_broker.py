"""A module of the public device SDK, created from its environment, talks to edgeHub over MQTT and TLS. edgeHub is a
broker in its own container with certificates from the daemon; it knows modules by the keys that the hub holds."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Iterator

import pytest

from support import process
from support.device import Device, running_device
from support.device_certs import self_signed
from support.engine import Engine
from support.module_image import INSIDE_RELAY, Module

SDK = Path(__file__).with_name("sdk")
INSIDE_SDK = "/sdk"
NAMED, NUMBERED, FOREIGN = "127.0.0.1", "127.0.0.2", "127.0.0.3"
HOSTS = f"{NAMED} test-device other-device\n{FOREIGN} foreign-device\n"


class Hub:
    """edgeHub's container with the broker; `events` is its journal."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.folder = device.modules.relay
        self.hosts = self.folder / "hosts"
        self.hosts.write_text(HOSTS)
        self.mounts = {str(SDK): f"{INSIDE_SDK}:ro", str(self.hosts): "/etc/hosts:ro"}
        listed = device.agent.manage("GET", "/identities/").json()["identities"]
        self.module = device.modules.run("edgeHub", mounts=self.mounts)
        self.module.generation = next(i["generationId"] for i in listed if i["moduleId"] == "$edgeHub")

    def client(self, name: str) -> Module:
        """A module with an identity, in the network of edgeHub."""
        reply = self.device.agent.manage("POST", "/identities/", {"moduleId": name, "managedBy": "IotEdge"})
        network = {"NetworkMode": f"container:{self.module.container.id}"}
        module = self.device.modules.run(name, mounts=self.mounts, host_config=network)
        module.generation = reply.json()["generationId"]
        return module

    def start(self, *names: str) -> None:
        """The broker; `names` are of the modules that it knows."""
        foreign = self_signed("foreign-device")
        settings = {
            "servers": [
                {"address": NAMED, "commonName": "test-device"},
                {"address": NUMBERED, "commonName": NUMBERED},
                {"address": FOREIGN, "cert": foreign.cert_pem, "key": foreign.key_pem},
            ],
            "keys": {**{name: self.device.module_keys(name)["primaryKey"] for name in names},
                     "stranger": base64.b64encode(bytes(range(32))).decode()},
        }
        (self.folder / "hub.json").write_text(json.dumps(settings))
        env = self.module.environment()
        self.module.spawn("/usr/bin/node", f"{INSIDE_SDK}/edge_hub.js", f"{INSIDE_RELAY}/hub.json",
                          f"{INSIDE_RELAY}/journal", **env)

        def listens() -> bool:
            assert not self.events("failed"), self.events("failed")
            return len(self.events("listens")) == len(settings["servers"])

        process.wait_until(listens, "the broker listens", 30)

    def events(self, kind: str) -> list[dict[str, Any]]:
        journal = self.folder / "journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == kind]


@pytest.fixture(scope="module")
def device(engine: Engine) -> Iterator[Device]:
    with running_device(engine) as one:
        yield one
        assert one.emulator.admin.violations() == []


@pytest.fixture(scope="module")
def hub(device: Device) -> Hub:
    return Hub(device)


@pytest.fixture(scope="module")
def sensor(hub: Hub) -> Module:
    """A module that the broker knows; the broker runs."""
    module = hub.client("tempSensor")
    hub.start("tempSensor")
    return module


def send(module: Module, gateway: str, text: str) -> dict[str, Any]:
    return dict(json.loads(module.node(f"{INSIDE_SDK}/module.js", text, IOTEDGE_GATEWAYHOSTNAME=gateway)))


@pytest.mark.parametrize("gateway", ["test-device", NUMBERED])
def test_message_arrives(hub: Hub, sensor: Module, gateway: str) -> None:
    """The SDK has checked the name, or the address, against our bundle; the broker the password."""
    text = f"21.5 degrees by {gateway}"
    assert send(sensor, gateway, text) == {"sent": text}
    client = f"{sensor.environment()['IOTEDGE_DEVICEID']}/tempSensor"
    login = hub.events("login")[-1]
    assert (login["client"], login["reason"]) == (client, "")
    process.wait_until(lambda: any(m["text"] == text for m in hub.events("message")), "the broker has the message")
    message = hub.events("message")[-1]
    assert (message["client"], message["text"]) == (client, text)
    assert message["topic"].startswith(f"devices/{client.replace('/', '/modules/')}/messages/events/")


def test_wrong_host_name_is_refused(hub: Hub, sensor: Module) -> None:
    """The same address under a name that the certificate has not."""
    logins = len(hub.events("login"))
    answer = send(sensor, "other-device", "nothing")
    assert "sent" not in answer and "altnames" in answer["error"], answer
    assert len(hub.events("login")) == logins


def test_foreign_certificate_is_refused(hub: Hub, sensor: Module) -> None:
    logins = len(hub.events("login"))
    answer = send(sensor, "foreign-device", "nothing")
    assert "sent" not in answer and "certificate" in answer["error"].lower(), answer
    assert len(hub.events("login")) == logins


def test_module_whose_key_the_broker_has_not(hub: Hub, sensor: Module) -> None:
    """The broker does look at passwords."""
    stranger = hub.client("stranger")
    answer = send(stranger, "test-device", "nothing")
    assert "sent" not in answer, answer
    assert hub.events("login")[-1]["client"].endswith("/stranger")
    assert hub.events("login")[-1]["reason"] == "signature"
    assert not any(m["text"] == "nothing" for m in hub.events("message"))
    stranger.remove()
