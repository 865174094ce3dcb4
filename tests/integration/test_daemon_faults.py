"""What goes wrong around the daemon - the cloud, the TPM, the disk - and what it then says and does."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from support import process
from support.daemon import Daemon
from support.device import Device, running_device
from support.emulator import Emulator
from support.engine import Engine
from support.swtpm import Swtpm
from support.tpm2 import Tpm2

FAILED = r"Provisioning failed: (.*); trying again in (\d+) s"
SOON_S, RARELY_S = (0, 12), (25, 130)  # a first try again: for what heals by itself, and for what somebody must mend
NOT_USABLE, ANOTHER_KEY = "is not usable", "made for another"


class Cloud:
    """One TPM and one cloud for many daemons, each with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.swtpm = Swtpm(folder / "tpm")
        self.emulator = Emulator(folder / "emulator")
        self.swtpm.start()
        self.emulator.start()
        self.admin = self.emulator.admin
        self.admin.change_settings(retry_after=1)
        self.made = 0
        self.endorsement_key = ""

    def daemon(self) -> Daemon:
        self.made += 1
        return Daemon(self.folder / f"daemon{self.made}", self.emulator, self.swtpm.tcti)

    def enrolled_daemon(self) -> Daemon:
        """Under a name of its own, so that no Retry-After given to another counts for it."""
        one = self.daemon()
        name = f"device-{self.made}"
        for old in self.admin.enrollments():
            self.admin.remove_enrollment(old["registration_id"])
        self.admin.enroll(self.endorsement_key, registration_id=name)
        one.config["provisioning"]["attestation"]["registration_id"] = name
        return one

    def close(self) -> None:
        self.emulator.stop()
        self.swtpm.stop()


@pytest.fixture(scope="module")
def shared() -> Iterator[Cloud]:
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    cloud = Cloud(folder)
    try:
        cloud.daemon().enroll()
        cloud.endorsement_key = cloud.admin.enrollments()[0]["endorsement_key"]
        yield cloud
    finally:
        cloud.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stranger(shared: Cloud) -> Iterator[Daemon]:
    """A daemon without any state, enrolled; not running."""
    shared.admin.clear_faults()
    shared.admin.clear_journal()
    one = shared.enrolled_daemon()
    yield one
    code = one.stop()
    shared.admin.clear_faults()
    assert code == 0, one.log_text()[-4000:]
    assert shared.admin.violations() == []


def failure(daemon: Daemon) -> tuple[str, int]:
    """The reason that is told once, and the seconds to the next try."""
    found = daemon.wait_log(FAILED, 20)
    time.sleep(0.3)  # long enough for a client that hammers
    assert daemon.log_count(FAILED) == 1, daemon.log_text()
    return found.group(1), int(found.group(2))


# step, kind, details, what the log says, when it tries again, requests to DPS until then
DPS_FAULTS: list[tuple[str, str, dict[str, Any], str, tuple[int, int], int]] = [
    ("dps.register.first", "status", {"status": 401}, "not enrolled.*iotedge tpm info", RARELY_S, 1),
    ("dps.register.first", "status", {"status": 403}, "IP filter", RARELY_S, 1),
    ("dps.register.first", "status", {"status": 404}, "scope_id", RARELY_S, 1),
    ("dps.register.first", "status", {"status": 409}, "in progress", SOON_S, 1),
    ("dps.register.first", "status", {"status": 429, "retry_after": 17}, "throttling", (17, 156), 1),
    ("dps.register.first", "status", {"status": 500}, "fault of its own", SOON_S, 1),
    ("dps.register.first", "status", {"status": 503, "retry_after": 20}, "fault of its own", (20, 183), 1),
    ("dps.register.first", "status", {"status": 302}, f"{NOT_USABLE}.*proxy", SOON_S, 1),
    ("dps.register.first", "truncated-json", {}, f"{NOT_USABLE}.*malformed JSON", SOON_S, 1),
    ("dps.register.first", "oversized-json", {"size": 2000000}, "longer than 65536 bytes", SOON_S, 1),
    ("dps.register.first", "close-middle", {}, "in the middle of its answer", SOON_S, 1),
    ("dps.register.challenge", "no-key", {}, "not enrolled", RARELY_S, 1),
    ("dps.register.challenge", "wrong-srk", {}, f"activating the challenge.*{ANOTHER_KEY}", SOON_S, 1),
    *[("dps.register.challenge", "corrupt-field", {"field": field},
       f"activating the challenge.*{ANOTHER_KEY}", SOON_S, 1) for field in (1, 3, 5)],
    ("dps.register.second", "status", {"status": 401}, "proof was refused.*clock", RARELY_S, 3),
    ("dps.register.second", "status", {"status": 429, "retry_after": 19}, "throttling", (19, 174), 2),
    ("dps.operation", "failed", {}, "allocation policy", RARELY_S, 3),
    ("dps.operation", "disabled", {}, "is disabled: enable it", RARELY_S, 3),
    ("dps.operation", "status", {"status": 404}, "no longer known", SOON_S, 3),
    ("dps.assigned", "no-key", {}, "no device key.*not of type TPM", RARELY_S, 4),
    ("dps.assigned", "wrong-srk", {}, f"importing the device key.*{ANOTHER_KEY}", SOON_S, 4),
    ("dps.assigned", "corrupt-field", {"field": 4}, f"importing the device key.*{ANOTHER_KEY}", SOON_S, 4),
]


@pytest.mark.parametrize("step,kind,details,text,wait_s,requests", DPS_FAULTS,
                         ids=[f"{f[0]}-{f[1]}-{'-'.join(str(v) for v in f[2].values())}" for f in DPS_FAULTS])
def test_fault_of_the_provisioning_service(shared: Cloud, stranger: Daemon, step: str, kind: str, details: dict[str, Any],
                                           text: str, wait_s: tuple[int, int], requests: int) -> None:
    shared.admin.set_fault(step, kind, times=1000, **details)
    stranger.start()
    reason, seconds = failure(stranger)
    assert re.search(text, reason), reason
    assert wait_s[0] <= seconds <= wait_s[1], (reason, seconds)
    sent = [r for r in shared.admin.journal("requests") if any(s.startswith("dps.") for s in r["steps"])]
    assert len(sent) == requests, sent
    assert shared.admin.journal("early") == []
    assert stranger.ask("GET", "/trust-bundle").status == 200


@pytest.mark.parametrize("step,kind,details", [
    ("dps.register.first", "content-type", {}),
    ("dps.register.challenge", "field6-length", {"length": 40}),
    ("dps.register.challenge", "no-field6", {}),
    ("dps.assigned", "padded-private", {}),
    ("dps.operation", "unassigned", {}),
    ("dps.register.second", "delay", {"seconds": 2}),
])
def test_oddities_are_put_up_with(shared: Cloud, stranger: Daemon, step: str, kind: str, details: dict[str, Any]) -> None:
    shared.admin.set_fault(step, kind, **details)
    stranger.start()
    stranger.wait_log("hub holds the current keys", 20)
    assert stranger.log_count(FAILED) == 0
    assert shared.admin.journal("early") == []


def test_passing_fault_heals_by_itself(shared: Cloud, stranger: Daemon) -> None:
    shared.admin.set_fault("dps.register.first", "status", status=429, retry_after=3)
    stranger.start()
    stranger.wait_log("hub holds the current keys", 30)
    assert stranger.log_count(FAILED) == 1
    assert shared.admin.journal("early") == []


def test_not_enrolled_device_tells_what_to_do(shared: Cloud, stranger: Daemon) -> None:
    stranger.config["provisioning"]["attestation"]["registration_id"] = "somebody-else"
    stranger.start()
    reason, seconds = failure(stranger)
    assert "'somebody-else'" in reason and "iotedge tpm info" in reason
    assert seconds >= RARELY_S[0]


HUB_FAULTS: list[tuple[str, str, dict[str, Any], str]] = [
    ("hub.list", "status", {"status": 401}, "refused device.*clock"),
    ("hub.list", "status", {"status": 403}, "refused device.*IP filter"),
    ("hub.list", "status", {"status": 404}, "not registered with hub"),
    ("hub.list", "status", {"status": 429, "retry_after": 11}, "is throttling"),
    ("hub.list", "status", {"status": 500}, "fault of its own"),
    ("hub.list", "truncated-json", {}, f"{NOT_USABLE}.*malformed JSON"),
    ("hub.list", "oversized-json", {"size": 5000000}, "longer than 524288 bytes"),
    ("hub.list", "close-middle", {}, "in the middle of its answer"),
    ("hub.update", "status", {"status": 400}, "Could not register the keys of module '.edgeAgent'"),
]


@pytest.mark.parametrize("step,kind,details,text", HUB_FAULTS,
                         ids=[f"{f[0]}-{f[1]}-{'-'.join(str(v) for v in f[2].values())}" for f in HUB_FAULTS])
def test_fault_of_the_hub(shared: Cloud, stranger: Daemon, step: str, kind: str, details: dict[str, Any],
                          text: str) -> None:
    """The assignment is kept, whatever the hub says at first."""
    shared.admin.set_fault(step, kind, times=1000, **details)
    stranger.start()
    stranger.wait_log("Assigned to hub", 20)
    stranger.wait_log(text, 20)
    time.sleep(0.5)
    assert shared.admin.count("hub.list") <= 2
    assert shared.admin.count("dps.register.first") == 1
    assert shared.admin.journal("early") == []
    assert stranger.is_running()


@pytest.mark.parametrize("certificate,text", [("expired", "expired"), ("untrusted", "certificate|trust")])
def test_server_that_cannot_be_trusted(shared: Cloud, make_emulator: Callable[..., Emulator], certificate: str,
                                       text: str) -> None:
    emulator = make_emulator("--certificate", certificate)
    daemon = Daemon(shared.folder / f"daemon-{certificate}", emulator, shared.swtpm.tcti)
    daemon.start()
    reason, _ = failure(daemon)
    assert re.search(text, reason), reason
    assert emulator.admin.count("dps.register.first") == 0
    assert daemon.stop() == 0


def test_cloud_silent_at_start_does_not_hold_up_the_sockets(shared: Cloud, stranger: Daemon) -> None:
    shared.emulator.pause()
    try:
        started = time.monotonic()
        stranger.start()
        assert stranger.ask("GET", "/trust-bundle").status == 200
        assert time.monotonic() - started < 5
        started = time.monotonic()
        assert stranger.stop() == 0
        assert time.monotonic() - started < 5, "a request in flight does not hold up the end"
    finally:
        shared.emulator.resume()


# The TPM


@pytest.fixture(scope="module")
def device(engine: Engine) -> Iterator[Device]:
    with running_device(engine) as one:
        yield one


class Backup:
    """State of a provisioned device, to be put back after each test."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.tpm, self.home = device.daemon.folder / "good-tpm", device.daemon.folder / "good-home"
        self.cloud = device.daemon.folder / "good-cloud"
        self.places = ((self.tpm, device.swtpm.state), (self.home, device.daemon.home),
                       (self.cloud, device.emulator.state))
        device.daemon.stop()
        sockets = shutil.ignore_patterns("*.sock")
        self._between(lambda: [shutil.copytree(place, copy, ignore=sockets) for copy, place in self.places])

    def _between(self, act: Callable[[], object]) -> None:
        """While neither TPM nor cloud writes."""
        self.device.swtpm.stop()
        self.device.emulator.stop()
        act()
        self.device.swtpm.start()
        self.device.emulator.start()

    def restore(self) -> None:
        device = self.device
        device.daemon.kill()

        def put_back() -> None:
            for copy, place in self.places:
                shutil.rmtree(place)
                shutil.copytree(copy, place)

        self._between(put_back)
        device.emulator.admin.change_settings(polls=0, retry_after=1)
        device.daemon.clear_log()


@pytest.fixture(scope="module")
def backup(device: Device) -> Backup:
    device.module("tempSensor")
    # Starting must not change what the hub knows, or the copy would be out of date.
    device.daemon.config["provisioning"]["always_reprovision_on_startup"] = False
    return Backup(device)


@pytest.fixture
def saved(device: Device, backup: Backup) -> Iterator[Device]:
    """A provisioned device, stopped, as it was saved; it registers only when it must."""
    backup.restore()
    device.daemon.config["provisioning"]["always_reprovision_on_startup"] = False
    yield device
    code = device.daemon.stop()
    device.emulator.admin.clear_faults()
    assert code == 0, device.daemon.log_text()[-4000:]
    assert device.emulator.admin.violations() == []


def identities_status(device: Device) -> int:
    return device.agent.manage("GET", "/identities").status


def sensor(device: Device) -> Any:
    return next(m for m in device.modules._modules if m.container.name == "tempSensor")


def pins(daemon: Daemon) -> bytes:
    return (daemon.home / "edged" / "keys" / "pins").read_bytes()


def test_tpm_away_at_the_first_start(saved: Device) -> None:
    """Serves what it can, says why not the rest, and goes on by itself when the TPM is there."""
    saved.swtpm.stop()
    shutil.rmtree(saved.daemon.home)
    saved.daemon.start()
    saved.daemon.wait_log("no TPM answers")
    reply = saved.agent.manage("GET", "/identities")
    assert reply.status == 503
    assert "The device has no identity yet" in reply.message and "TPM" in reply.message
    assert int(reply.headers["retry-after"]) >= 1
    assert sensor(saved).sign(b"text").status == 503
    assert saved.daemon.ask("GET", "/trust-bundle").status == 200
    saved.swtpm.start()
    process.wait_until(lambda: identities_status(saved) == 200, "the device is provisioned", 40)
    assert sensor(saved).sign(b"text").status == 200


def test_tpm_away_with_a_saved_identity(saved: Device) -> None:
    saved.daemon.start()
    before = sensor(saved).sign(b"text")
    assert before.status == 200
    saved.daemon.stop()
    saved.swtpm.stop()
    saved.daemon.start()
    saved.daemon.wait_log("Using the saved identity")
    reply = sensor(saved).sign(b"text")
    assert reply.status == 503
    assert reply.headers.get("retry-after")
    saved.swtpm.start()

    def signs() -> bool:
        return bool(sensor(saved).sign(b"text").status == 200)

    process.wait_until(signs, "the module signs again", 20)
    assert sensor(saved).sign(b"text").json() == before.json()


def test_tpm_restarts_under_the_running_daemon(saved: Device) -> None:
    """As after a reset of the TPM: sessions and loaded keys are gone, the daemon makes them anew."""
    saved.daemon.start()
    before = sensor(saved).sign(b"text").json()
    saved.swtpm.kill()
    saved.swtpm.start()

    def cold() -> int:
        return int(sensor(saved).sign(b"text", generation="4711").status)

    process.wait_until(lambda: cold() == 200, "a key that was not cached is derived", 20)
    assert sensor(saved).sign(b"text").json() == before
    assert identities_status(saved) == 200


@pytest.mark.parametrize("replaced", [False, True], ids=["cleared", "replaced"])
def test_another_tpm_is_named_and_not_taken_for_ours(saved: Device, replaced: bool) -> None:
    before = pins(saved.daemon)
    if replaced:
        saved.swtpm.stop()
        shutil.rmtree(saved.swtpm.state)
        saved.swtpm.state.mkdir()
        saved.swtpm.start()
    else:
        Tpm2(saved.swtpm.tcti, saved.daemon.folder / "tools").run("clear", "-c", "p")
    for _ in range(2):
        saved.daemon.clear_log()
        saved.daemon.start()
        saved.daemon.wait_log("this is another TPM" if replaced else "the TPM was cleared")
        saved.daemon.wait_log("iotedge tpm accept-change")
        time.sleep(1)
        assert saved.daemon.is_running()
        # It says so a few times a minute at most.
        assert saved.daemon.log_count("another TPM|was cleared") <= 4, saved.daemon.log_text()
        assert sensor(saved).sign(b"text").status >= 500
        assert saved.daemon.stop() == 0
        assert pins(saved.daemon) == before
    assert saved.emulator.admin.count("dps.register.first") == 0


def test_cleared_tpm_is_accepted_when_told(saved: Device) -> None:
    """The operator's answer: the pins are moved away, the device registers again, and its modules get new keys."""
    Tpm2(saved.swtpm.tcti, saved.daemon.folder / "tools").run("clear", "-c", "p")
    keys = saved.daemon.home / "edged" / "keys"
    (keys / "pins").rename(keys / "pins.old")
    # A cleared TPM has another endorsement key only if its seed was changed, so the enrollment still fits.
    saved.daemon.start()
    process.wait_until(lambda: saved.verdict(sensor(saved).token())["accepted"]
                       if identities_status(saved) == 200 and sensor(saved).sign(b"x").status == 200 else False,
                       "the module's new key is with the hub", 40)


# The disk


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", ["provisioning", "keys/generation", "keys/module-root", "keys/identity", "keys/pins"])
def test_damaged_file_is_set_aside_and_the_device_recovers(saved: Device, name: str) -> None:
    folder = saved.daemon.home / "edged"
    path = next(folder.glob(f"{name}*"))
    damage(path)
    damaged = path.read_bytes()
    # The count of generations is looked at when a new one is made.
    saved.daemon.config["provisioning"]["always_reprovision_on_startup"] = name == "keys/generation"
    saved.daemon.start()
    process.wait_until(lambda: identities_status(saved) == 200, "the device works again", 40)
    process.wait_until(lambda: bool(saved.verdict(sensor(saved).token())["accepted"]), "its module too", 20)
    if name == "keys/generation":
        saved.daemon.wait_log("Assigned to hub")
    kept = list(path.parent.glob(f"{path.name}.damaged-*"))
    assert [one.read_bytes() for one in kept] == [damaged]


@pytest.mark.parametrize("name", ["provisioning", "keys/identity", "keys/module-root"])
@pytest.mark.parametrize("size", [0, 1, 100])
def test_truncated_file_is_set_aside_and_the_device_recovers(saved: Device, name: str, size: int) -> None:
    path = next((saved.daemon.home / "edged").glob(f"{name}*"))
    path.write_bytes(path.read_bytes()[:size])
    saved.daemon.start()
    process.wait_until(lambda: identities_status(saved) == 200, "the device works again", 40)


def test_file_open_to_others_is_refused_by_name(saved: Device) -> None:
    path = next((saved.daemon.home / "edged" / "keys").glob("identity*"))
    path.chmod(0o644)
    saved.daemon.start()
    saved.daemon.wait_log(f"{path.name}.*(open to others|mode 0?644)")
    assert saved.daemon.is_running()


def test_full_disk_keeps_the_identity(saved: Device) -> None:
    """No room for anything new: the saved identity goes on, and what could not be written is said."""
    home = saved.daemon.home
    before = {path.name: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    copy = home.parent / "home-copy"
    shutil.move(str(home), str(copy))
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(home)], check=True)
    try:
        shutil.copytree(copy, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
        with (home / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
            while True:
                filler.write(bytes(4096))
        saved.daemon.config["provisioning"]["always_reprovision_on_startup"] = True
        saved.daemon.start()
        saved.daemon.wait_log("(?i)no space left")
        assert sensor(saved).sign(b"text").status == 200
        (home / "filler").unlink()
        after = {path.name: path.read_bytes() for path in home.rglob("*") if path.is_file()}
        for name in ("provisioning", "module-root", "pins"):
            assert after[name] == before[name]
        # Room again: it mends itself.
        process.wait_until(lambda: identities_status(saved) == 200, "the device registers again", 40)
        assert saved.daemon.stop() == 0
    finally:
        saved.daemon.kill()
        subprocess.run(["umount", "-l", str(home)], check=True)
        shutil.rmtree(copy)
