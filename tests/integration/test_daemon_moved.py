"""A device that is given to another hub: its containers go, but not before the new hub has accepted it. Registering again
at the same hub leaves them alone."""

from __future__ import annotations

import subprocess
from typing import Iterator

import pytest

from support import process
from support.daemon import IOTEDGE
from support.device import Device, running_device
from support.engine import Engine

OWNED = '/containers/json?all=true&filters={"label":["net.azure-devices.edge.owner"]}'


@pytest.fixture
def device(engine: Engine) -> Iterator[Device]:
    with running_device(engine) as one:
        yield one


def owned(device: Device) -> set[str]:
    return {c["Id"] for c in device.engine.call("GET", OWNED)}


def restart(device: Device) -> None:
    """Registers at once: the tests' configuration spreads nothing, and the pause between two registrations is over."""
    device.daemon.restart()
    device.daemon.wait_log("Assigned to hub")


def test_containers_survive_another_registration_at_the_same_hub(device: Device) -> None:
    device.module("tempSensor")
    before = owned(device)
    assert len(before) == 2
    listed = device.emulator.admin.count("hub.list", 200)
    restart(device)
    process.wait_until(lambda: device.emulator.admin.count("hub.list", 200) > listed, "the hub accepts the new key")
    assert device.daemon.log_count("former identity") == 0
    assert owned(device) == before


def test_containers_go_when_the_new_hub_has_accepted_the_device(device: Device) -> None:
    admin = device.emulator.admin
    device.module("tempSensor")
    before = owned(device)
    registration = admin.enrollments()[0]["registration_id"]
    admin.change_enrollment(registration, hub=device.emulator.second_hub_host)
    admin.set_fault("hub.list", "status", status=503, times=1000)
    restart(device)
    device.daemon.wait_log("The device was moved")
    device.daemon.wait_log("Could not bring the module keys")
    assert owned(device) == before  # the new hub has not said anything yet
    admin.clear_faults()
    process.wait_until(lambda: owned(device) == set(), "the containers of the former identity are removed", 60)
    device.daemon.wait_log("2 containers of the former identity are removed")
    listed = subprocess.run([str(IOTEDGE), "status", "-c", str(device.daemon.config_file)], capture_output=True, text=True,
                            timeout=30, check=True)
    assert device.emulator.second_hub_host in listed.stdout
