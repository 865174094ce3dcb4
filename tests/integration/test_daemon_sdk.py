"""A client that nobody here wrote: the public device SDK for Node obtains a module's token through the socket."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, Iterator

import pytest

from support.device import Device, running_device
from support.engine import Engine
from support.module_image import Module

SDK = Path(__file__).with_name("sdk")
INSIDE_SDK = "/sdk"


@pytest.fixture(scope="module")
def device(engine: Engine) -> Iterator[Device]:
    with running_device(engine) as one:
        yield one
        assert one.emulator.admin.violations() == []


@pytest.fixture(scope="module")
def sensor(device: Device) -> Module:
    """A module that has the SDK in its container."""
    assert (SDK / "node_modules").is_dir(), "run `npm ci` in tests/integration/sdk; tests/run does"
    reply = device.agent.manage("POST", "/identities/", {"moduleId": "nodeModule", "managedBy": "IotEdge"})
    module = device.modules.run("nodeModule", mounts={str(SDK): f"{INSIDE_SDK}:ro"})
    module.generation = reply.json()["generationId"]
    return module


def run_sdk(module: Module, **changed: str) -> dict[str, Any]:
    """Runs the SDK program in the module's container with the environment that edgeAgent gives."""
    node = shutil.which("node")
    assert node == "/usr/bin/node", "containers see what is in /usr"
    return dict(json.loads(module.node(f"{INSIDE_SDK}/token.js", **changed)))


def test_sdk_obtains_a_token_that_the_hub_accepts(device: Device, sensor: Module) -> None:
    answer = run_sdk(sensor)
    assert "token" in answer, answer
    verdict = device.verdict(answer["token"])
    assert verdict["accepted"], verdict
    assert str(verdict["resource"]).endswith("/modules/nodemodule")


def test_sdk_gets_the_trust_bundle(device: Device, sensor: Module) -> None:
    bundle = run_sdk(sensor)["bundle"]
    assert bundle == device.daemon.ask("GET", "/trust-bundle").json()["certificate"]
    assert bundle.startswith(Path(device.emulator.ca).read_text())


def test_sdk_is_refused_as_another_module(sensor: Module) -> None:
    answer = run_sdk(sensor, IOTEDGE_MODULEID="edgeAgent")
    assert "token" not in answer
    assert "404" in str(answer["status"]) or "NotFound" in answer["error"] or "not found" in answer["error"].lower()


def test_lock_file_pins_without_addresses() -> None:
    text = (SDK / "package-lock.json").read_text()
    assert "://" not in text and "resolved" not in text
    lock = json.loads(text)
    package = json.loads((SDK / "package.json").read_text())
    wanted = {**package["dependencies"], **package["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    packages = {path: entry for path, entry in lock["packages"].items() if path}
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
