"""Power cuts: the daemon is killed at every step of a registration, and the machine loses its power with it. What
starts again must have an identity that its hub accepts, and must serve modules even without the cloud.

EDGE_KILL_POINTS=all tries every single step instead of a sample.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from support import process
from support.daemon import Daemon
from support.device import Device, Site, ended, running_device, running_site
from support.engine import Engine
from support.module_image import Module
from support.tpm2 import Tpm2

ALL_POINTS = os.environ.get("EDGE_KILL_POINTS") == "all"
SAMPLE_FILE, SAMPLE_SOCKET = 11, 5
RECOVERY_S = 40.0
OUR_HANDLES = {"0x81010001", "0x81000001", "0x81000100"}
TEXT = b"what is signed"


class Rig:
    """A device whose power can fail."""

    def __init__(self, device: Device, sensor: Module) -> None:
        self.device = device
        self.daemon = device.daemon
        self.admin = device.emulator.admin
        self.sensor = sensor
        self.digest = sensor.sign(TEXT).json()
        self.tools = Tpm2(device.swtpm.tcti, device.daemon.folder / "tools")
        self.blank_tpm = device.daemon.folder / "blank-tpm"

    def cut_power(self) -> None:
        """What the TPM had in memory is lost with the machine."""
        self.daemon.kill()
        self.device.swtpm.kill()
        self.device.swtpm.start()

    def become_new(self) -> None:
        """Back to a machine that was enrolled and never registered."""
        self.daemon.kill()
        self.device.swtpm.stop()
        shutil.rmtree(self.device.swtpm.state)
        shutil.copytree(self.blank_tpm, self.device.swtpm.state)
        self.device.swtpm.start()
        shutil.rmtree(self.daemon.home)
        self.daemon.home.mkdir()

    def identity_works(self) -> bool:
        return self.device.agent.manage("GET", "/identities").status == 200

    def module_works(self) -> bool:
        reply = self.sensor.sign(TEXT)
        return reply.status == 200 and bool(self.device.verdict(self.sensor.token())["accepted"])

    def check_offline(self) -> None:
        """Serves and signs as before while the cloud does not answer."""
        self.daemon.clear_log()
        self.device.emulator.pause()
        try:
            self.daemon.start()
            self.daemon.wait_log("Using the saved identity", 10)
            reply = self.sensor.sign(TEXT)
            assert (reply.status, reply.json()) == (200, self.digest), self.daemon.log_text()
            assert self.daemon.stop() == 0
        finally:
            self.device.emulator.resume()

    def check_online(self) -> None:
        """Comes to an identity that the hub accepts, and leaves nothing behind."""
        self.daemon.clear_log()
        self.daemon.start()
        process.wait_until(self.identity_works, "the hub accepts the device", RECOVERY_S)
        self.check_whole()

    def check_whole(self) -> None:
        """After an orderly stop the TPM holds what belongs there, and the state folder no torn files."""
        assert self.daemon.stop() == 0, self.daemon.log_text()[-3000:]
        held = set(self.capability("handles-persistent"))
        assert held <= OUR_HANDLES, held
        assert self.capability("handles-transient") == []
        assert self.capability("handles-loaded-session") == []
        assert "set aside" not in self.daemon.log_text() and "damaged" not in self.daemon.log_text()
        assert [path for path in self.daemon.home.rglob("*.tmp")] == []
        assert self.admin.violations() == []

    def capability(self, name: str) -> list[str]:
        lines = self.tools.run("getcap", name).decode().split()
        return [word.lower() for word in lines if word.startswith("0x")]

    def run_into(self, step: int, log: Path | None = None) -> bool:
        """Runs a registration with a kill at a step; False when it never came to that step."""
        self.daemon.clear_log()
        before = self.admin.count("hub.list", 200)
        self.daemon.launch_until_kill_point(step, log)
        deadline = time.monotonic() + RECOVERY_S
        while self.daemon.is_running():
            assert time.monotonic() < deadline, self.daemon.log_text()[-3000:]
            if self.admin.count("hub.list", 200) > before and "Assigned to hub" in self.daemon.log_text():
                time.sleep(0.1)  # what follows the hub's answer: retire the old key, refresh the handle
                break
            time.sleep(0.02)
        code = self.daemon.stop()
        assert code in (0, -signal.SIGKILL), self.daemon.log_text()[-3000:]
        return code != 0


@pytest.fixture(scope="module")
def rig(engine: Engine) -> Iterator[Rig]:
    with running_device(engine) as device:
        sensor = device.module("tempSensor")
        one = Rig(device, sensor)
        device.daemon.stop()
        device.swtpm.stop()
        # The seeds stay, so the enrollment does; everything else goes.
        shutil.copytree(device.swtpm.state, one.blank_tpm)
        device.swtpm.start()
        for handle in sorted(OUR_HANDLES & set(one.capability("handles-persistent"))):
            one.tools.run("evictcontrol", "-Q", "-C", "o", "-c", handle)
        device.swtpm.stop()
        shutil.rmtree(one.blank_tpm)
        shutil.copytree(device.swtpm.state, one.blank_tpm)
        device.swtpm.start()
        yield one


@pytest.fixture
def provisioned(rig: Rig) -> Iterator[Rig]:
    """Provisioned, stopped, and registers again at each start."""
    rig.admin.clear_faults()
    rig.daemon.kill()
    rig.daemon.config["provisioning"]["always_reprovision_on_startup"] = True
    rig.become_new()
    rig.check_online()
    # The root is a new one too, and the hub is told.
    rig.daemon.start()
    process.wait_until(rig.module_works, "the hub has the keys of the new root", RECOVERY_S)
    rig.digest = rig.sensor.sign(TEXT).json()
    rig.check_whole()
    yield rig
    rig.admin.clear_faults()
    rig.daemon.kill()


@pytest.fixture
def new(rig: Rig) -> Iterator[Rig]:
    """Enrolled, never registered."""
    rig.admin.clear_faults()
    rig.daemon.config["provisioning"]["always_reprovision_on_startup"] = False
    rig.become_new()
    yield rig
    rig.admin.clear_faults()
    rig.daemon.kill()


def spread(items: list[int], count: int) -> list[int]:
    """`count` of them, evenly, the first and last included."""
    if ALL_POINTS or len(items) <= count:
        return items
    return sorted({items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)})


def choose(log: Path) -> list[int]:
    """The steps to kill at, of those that a registration took: changes of files first, and bytes sent."""
    steps = [line.split(" ", 2) for line in log.read_text().splitlines()]
    sent = [int(s[0]) for s in steps if s[2] == "socket"]
    files = [int(s[0]) for s in steps if s[2] != "socket"]
    print(f"{len(files)} changes of files and {len(sent)} sends in one registration")
    return sorted(spread(files, SAMPLE_FILE) + spread(sent, SAMPLE_SOCKET))


def test_kill_at_the_steps_of_a_first_registration(new: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    log = new.daemon.folder / "steps-new"
    assert not new.run_into(0, log)
    new.check_whole()
    hit = 0
    points = choose(log)
    for point in points:
        new.become_new()
        if new.run_into(point):
            hit += 1
            new.cut_power()
            new.check_online()
    with capsys.disabled():
        print(f"\nfirst registration: killed at {hit} of {len(points)} chosen steps")
    assert hit >= len(points) * 0.8 and hit > 0


def test_kill_at_the_steps_of_another_registration(provisioned: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    rig = provisioned
    log = rig.daemon.folder / "steps-again"
    assert not rig.run_into(0, log)
    rig.check_whole()
    hit = 0
    points = choose(log)
    for point in points:
        if rig.run_into(point):
            hit += 1
            rig.cut_power()
            rig.check_offline()
            rig.check_online()
    with capsys.disabled():
        print(f"\nanother registration: killed at {hit} of {len(points)} chosen steps")
    assert hit >= len(points) * 0.8 and hit > 0
    rig.daemon.start()
    process.wait_until(rig.identity_works, "the hub accepts the device", RECOVERY_S)
    assert rig.module_works() and rig.sensor.sign(TEXT).json() == rig.digest


# The service's view: it has done its part of a step, and the device dies before it hears of it.
STEPS = ["dps.register.first", "dps.register.second", "dps.operation", "dps.assigned", "hub.list"]


@pytest.mark.parametrize("step", STEPS)
def test_kill_while_the_service_works(provisioned: Rig, step: str) -> None:
    rig = provisioned
    rig.admin.change_settings(polls=1)
    try:
        fired = sum(f["fired"] for f in rig.admin.faults())
        rig.admin.set_fault(step, "delay", seconds=60)
        rig.daemon.start()
        process.wait_until(lambda: sum(f["fired"] for f in rig.admin.faults()) > fired, f"held at {step}", 20)
        rig.cut_power()
        rig.admin.clear_faults()
        rig.check_offline()
        rig.check_online()
    finally:
        rig.admin.change_settings(polls=0)


@pytest.mark.parametrize("kind", ["close-before", "close-middle", "truncated-json"])
def test_assignment_is_lost_on_the_way(provisioned: Rig, kind: str) -> None:
    """The hub has the new key, the device never got it: the old one is dead. Power fails, too."""
    rig = provisioned
    # A closed connection is tried a second time by the client.
    rig.admin.set_fault("dps.assigned", kind, times=2 if kind == "close-before" else 1)
    rig.daemon.start()
    process.wait_until(lambda: "Provisioning failed" in rig.daemon.log_text(), "the failure is told", 20)
    reply = rig.sensor.sign(TEXT)
    assert (reply.status, reply.json()) == (200, rig.digest)
    rig.cut_power()
    rig.check_offline()
    rig.check_online()


def test_saved_identity_whose_key_is_dead_heals_without_being_told(provisioned: Rig) -> None:
    """Killed between the assignment and its arrival, and not set to register at each start: the first refusal of
    the hub makes it register again."""
    rig = provisioned
    rig.admin.set_fault("dps.assigned", "truncated-json")
    rig.daemon.start()
    process.wait_until(lambda: "Provisioning failed" in rig.daemon.log_text(), "the failure is told", 20)
    rig.cut_power()
    rig.daemon.config["provisioning"]["always_reprovision_on_startup"] = False
    rig.check_online()


# A key that an operator gave: it must not get lost on its way from config.yaml into the key store


def by_string(site: Site, daemon: Daemon) -> bytes:
    key = os.urandom(32)
    site.admin.create_device(site.name(), primary_key=base64.b64encode(key).decode(), edge=True)
    daemon.use_connection_string(site.admin.connection_string(site.name()))
    return key


def by_key(site: Site, daemon: Daemon) -> bytes:
    key = os.urandom(32)
    site.admin.enroll_key(site.name(), base64.b64encode(key).decode())
    daemon.use_dps_key(site.name(), key)
    return key


def delete_key(site: Site, daemon: Daemon) -> None:
    """As the log says that it can be."""
    if daemon.config["provisioning"]["source"] == "manual":
        daemon.use_manual(method="tpm", iothub_hostname=site.emulator.hub_host, device_id=site.name())
    else:
        daemon.use_dps_key(site.name())


def run_until(site: Site, daemon: Daemon, step: int, log: Path | None = None) -> bool:
    """Runs a first start with a kill at a step; False when it never came to that step."""
    before = site.admin.count("hub.list", 200)
    daemon.launch_until_kill_point(step, log)
    deadline = time.monotonic() + RECOVERY_S
    while daemon.is_running():
        assert time.monotonic() < deadline, daemon.log_text()[-3000:]
        if site.admin.count("hub.list", 200) > before and "hub holds the current keys" in daemon.log_text():
            time.sleep(0.1)
            break
        time.sleep(0.02)
    code = daemon.stop()
    assert code in (0, -signal.SIGKILL), daemon.log_text()[-3000:]
    return code != 0


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site() as one:
        yield one


@pytest.mark.parametrize("give", [by_string, by_key], ids=["connection-string", "dps-key"])
def test_kill_while_a_key_is_imported(site: Site, give: Callable[[Site, Daemon], bytes],
                                      capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the step: the next start imports it once, works, and works without the key in the file. A start that
    has said that the key can be deleted has it safe."""
    first = site.daemon()
    with ended(first):
        give(site, first)
        log = first.folder / "steps"
        assert not run_until(site, first, 0, log)
    points = choose(log)
    hit = 0
    for point in points:
        daemon = site.daemon()
        with ended(daemon):
            give(site, daemon)
            hit += run_until(site, daemon, point)
            site.swtpm.kill()
            site.swtpm.start()
            if "can be deleted from the file" in daemon.log_text():
                delete_key(site, daemon)
            daemon.forget_module_keys()
            daemon.clear_log()
            site.wait_accepted(daemon.start, RECOVERY_S)
            delete_key(site, daemon)
            site.wait_accepted(daemon.restart_to_list, RECOVERY_S)
            assert len(list((daemon.state / "keys").glob("identity*"))) == 1
            assert "damaged" not in daemon.log_text()
            assert list(daemon.home.rglob("*.tmp")) == []
        assert site.admin.violations() == []
    with capsys.disabled():
        print(f"\nimport of a key: killed at {hit} of {len(points)} chosen steps")
    assert hit >= len(points) * 0.8 and hit > 0


# A disk that fills up at a step, and stays full


def runs_into_full_disk(daemon: Daemon, step: int, is_new: bool) -> None:
    """Registers, as far as that goes without room. Only a device that cannot even make its state folder gives up."""
    daemon.launch_until_full(step)
    told = re.compile("Assigned to hub|Provisioning failed|rying again")
    deadline = time.monotonic() + RECOVERY_S
    while daemon.is_running() and not told.search(daemon.log_text()):
        assert time.monotonic() < deadline, daemon.log_text()[-3000:]
        time.sleep(0.02)
    time.sleep(0.3)  # what follows the answer: retire the old key, refresh the handle
    if is_new and not daemon.is_running():
        assert daemon.stop() == 1 and "cannot open directory" in daemon.log_text()
        return
    assert daemon.is_running(), daemon.log_text()[-3000:]
    daemon.kill()


@pytest.mark.parametrize("state", ["saved", "none"])
def test_disk_full_from_a_step_on(site: Site, state: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A device with a TPM registers: whatever does not fit any more, the identity it had stays, and with room it goes
    on."""
    daemon = site.daemon()
    with ended(daemon):
        daemon.use_dps(method="tpm")
        site.admin.reset()
        daemon.enroll()
        if state == "saved":
            site.wait_accepted(daemon.start)
            assert daemon.stop() == 0
        log = daemon.folder / "steps"
        blank = daemon.folder / "blank"
        shutil.copytree(daemon.home, blank, ignore=shutil.ignore_patterns("*.sock"))
        assert not run_until(site, daemon, 0, log)
        files = [int(s[0]) for s in (line.split(" ", 2) for line in log.read_text().splitlines()) if s[2] != "socket"]
        points = spread(files, SAMPLE_FILE)
        for point in points:
            if state == "none":
                shutil.rmtree(daemon.home)
                shutil.copytree(blank, daemon.home)
            daemon.clear_log()
            runs_into_full_disk(daemon, point, state == "none")
            if state == "saved":
                site.emulator.pause()
                daemon.clear_log()
                daemon.start()
                daemon.wait_log("Using the saved identity")
                daemon.kill()
                site.emulator.resume()
            daemon.clear_log()
            site.wait_accepted(daemon.start)
            assert daemon.stop() == 0
        site.calm()
        with capsys.disabled():
            print(f"\ndisk full, {state}: {len(points)} of {len(files)} steps tried")
