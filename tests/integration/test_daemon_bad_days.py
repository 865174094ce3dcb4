"""Days on which something is wrong: the cloud is away or talks nonsense, the hub does not know the device any more, the
state folder is damaged, full or read-only. The device keeps the identity it has, and says what is wrong."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from support import process
from support.daemon import IOTEDGE, Daemon
from support.device import Site, ended, running_site
from support.engine import Engine
from support.module_image import ModuleHost, load_module_image

FAILED = r"Provisioning failed: (.*); trying again in (\d+) s"
REGISTER = "dps.register.second"  # a device with a symmetric key brings its token at once


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site() as one:
        yield one


def new_device(site: Site, **values: Any) -> Daemon:
    """Enrolled by symmetric key under a name of its own."""
    daemon = site.daemon()
    site.admin.enroll_key(site.name(), **values)
    own = next(e for e in site.admin.enrollments() if e["registration_id"] == site.name())
    daemon.use_dps_key(site.name())
    daemon.config["provisioning"]["attestation"]["symmetric_key"] = own["primary_key"]
    return daemon


@pytest.fixture
def stranger(site: Site) -> Iterator[Daemon]:
    """Enrolled, not running, without any state."""
    with ended(new_device(site)) as one:
        yield one
    site.calm()
    site.check_manners()


def provision(site: Site, daemon: Daemon) -> None:
    site.wait_accepted(daemon.start)
    daemon.wait_log("hub holds the current keys")
    assert daemon.stop() == 0
    daemon.clear_log()


@pytest.fixture
def saved(site: Site, stranger: Daemon) -> Daemon:
    """Provisioned and stopped; asks the DPS at its next start."""
    provision(site, stranger)
    return stranger


@pytest.fixture(scope="module")
def veteran(site: Site) -> Iterator[Daemon]:
    """Provisioned once for many tests."""
    with ended(new_device(site)) as one:
        provision(site, one)
        yield one


@pytest.fixture
def old(site: Site, veteran: Daemon) -> Iterator[Daemon]:
    """As `saved`, the device of the tests before."""
    site.calm()
    time.sleep(1)  # the Retry-After of a poll: a start that forgets pauses would not honour it
    site.admin.clear_journal()
    veteran.clear_log()
    yield veteran
    site.calm()
    try:
        assert veteran.stop() == 0
        site.check_manners()
    except BaseException:
        print(veteran.log_text()[-6000:])
        raise
    finally:
        veteran.kill()


def status(daemon: Daemon) -> dict[str, Any]:
    done = subprocess.run([str(IOTEDGE), "status", "--json", "-c", str(daemon.config_file)], capture_output=True, text=True,
                          timeout=30)
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def failure(daemon: Daemon) -> tuple[str, int]:
    """The reason, told once, and the seconds to the next try."""
    found = daemon.wait_log(FAILED, 20)
    return found.group(1), int(found.group(2))


def still_serves(daemon: Daemon) -> None:
    assert "Using the saved identity" in daemon.log_text()
    assert daemon.ask("GET", "/trust-bundle").status == 200
    assert daemon.is_running()


# A cloud that is away or talks nonsense


@pytest.mark.parametrize("away", ["silent", "down"])
def test_saved_identity_serves_without_the_cloud(site: Site, saved: Daemon, away: str) -> None:
    site.emulator.pause() if away == "silent" else site.emulator.stop()
    try:
        begin = time.monotonic()
        saved.start()
        saved.wait_log("Using the saved identity")
        assert time.monotonic() - begin < 5
        still_serves(saved)
        if away == "down":
            failure(saved)
        told = status(saved)
        assert (told["identity"]["deviceId"], told["identity"]["hub"]) == (site.name(), site.emulator.hub_host)
    finally:
        site.emulator.resume() if away == "silent" else site.emulator.start()


def test_no_identity_and_no_cloud_waits_for_ever(site: Site, stranger: Daemon) -> None:
    site.admin.set_fault("dps.register", "status", status=503, times=1000)
    stranger.start()
    failure(stranger)
    time.sleep(3)
    assert stranger.is_running()
    assert site.admin.count("dps.register") <= 3
    assert stranger.ask("GET", "/trust-bundle").status == 200


# step, kind, details, what the log says
ODD_ANSWERS: list[tuple[str, str, dict[str, Any], str]] = [
    (REGISTER, "status", {"status": 500}, "fault of its own"),
    (REGISTER, "truncated-json", {}, "malformed JSON"),
    (REGISTER, "oversized-json", {"size": 10_000_000}, "longer than 65536 bytes"),
    ("dps.operation", "disabled", {}, "is disabled"),
    ("dps.operation", "failed", {}, "allocation policy"),
    ("dps.operation", "oversized-json", {"size": 10_000_000}, "longer than 65536 bytes"),
    ("dps.assigned", "truncated-json", {}, "malformed JSON"),
    ("dps.assigned", "close-middle", {}, "in the middle of its answer"),
]


@pytest.mark.parametrize("step,kind,details,text", ODD_ANSWERS,
                         ids=[f"{a[0]}-{a[1]}-{'-'.join(str(v) for v in a[2].values())}" for a in ODD_ANSWERS])
def test_odd_answer_leaves_the_saved_identity(site: Site, old: Daemon, step: str, kind: str, details: dict[str, Any],
                                              text: str) -> None:
    site.admin.set_fault(step, kind, times=1000, **details)
    old.start()
    reason, seconds = failure(old)
    assert re.search(text, reason), reason
    assert seconds >= 1
    still_serves(old)
    assert old.log_count(FAILED) == 1


@pytest.mark.parametrize("step", [REGISTER, "dps.assigned"])
def test_wrong_content_type_is_put_up_with(site: Site, old: Daemon, step: str) -> None:
    site.admin.set_fault(step, "content-type")
    old.start()
    site.emulator.wait_count("dps.assigned", 1, 200)
    assert old.log_count(FAILED) == 0


def test_answer_that_takes_minutes_holds_nothing_up(site: Site, old: Daemon) -> None:
    site.admin.set_fault(REGISTER, "trickle", seconds=300)
    old.start()
    site.emulator.wait_fired(REGISTER)
    still_serves(old)
    begin = time.monotonic()
    assert old.stop() == 0
    assert time.monotonic() - begin < 5


def test_unassigned_for_ever_is_asked_patiently(site: Site, old: Daemon) -> None:
    site.admin.set_fault("dps.operation", "unassigned", times=1000)
    old.start()
    site.emulator.wait_count("dps.operation", 3)
    still_serves(old)
    site.admin.clear_faults()
    site.emulator.wait_count("dps.assigned", 1, 200)


@pytest.mark.parametrize("certificate,tls,text", [("wrong-name", "modern", "name|match"), ("expired", "modern", "expired"),
                                                  ("untrusted", "modern", "certificate|trust"), ("good", "1.1", "TLS|version|protocol")])
def test_server_that_must_not_be_trusted(site: Site, old: Daemon, certificate: str, tls: str, text: str) -> None:
    site.admin.set_tls(certificate=certificate, tls=tls)
    old.start()
    reason, _ = failure(old)
    assert re.search(text, reason), reason
    assert site.admin.count("dps.register") == 0
    still_serves(old)


def test_reset_at_any_byte_of_an_answer(site: Site, old: Daemon) -> None:
    """Whether the answer was whole or not: the saved identity goes on, and the device registers later."""
    whole = 0
    for offset in [0, 1, 60, 300, 600, 2000]:
        site.admin.clear_journal()
        site.admin.set_fault("dps.assigned", "reset", offset=offset, times=2)
        old.clear_log()
        old.start()
        process.wait_until(lambda: old.log_count(FAILED) > 0 or "assignment is what it was" in old.log_text(),
                           "the answer is judged")
        whole += "assignment is what it was" in old.log_text()
        still_serves(old)
        assert old.stop() == 0
        site.admin.clear_faults()
        site.check_manners()
    assert whole <= 3
    old.clear_log()
    old.start()
    site.emulator.wait_count("dps.assigned", 1, 200)
    old.wait_log("assignment is what it was")


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_retry_after_holds_over_power_cuts(site: Site, stranger: Daemon, as_date: bool) -> None:
    stranger.keeps_pauses = True
    site.admin.set_fault("dps.register", "status", status=429, retry_after=3, retry_after_date=as_date)
    stranger.start()
    begin = time.monotonic()
    failure(stranger)
    process.wait_until(lambda: b"asked to wait" in (stranger.state / "contact").read_bytes(), "the pause is kept")
    for _ in range(3):
        stranger.kill()
        stranger.start()
    process.wait_until(lambda: site.admin.count("dps.assigned", 200) > 0, "registers", 75)
    assert time.monotonic() - begin >= 2
    assert site.admin.count("dps.register") == 2


@pytest.mark.parametrize("state", ["saved", "none"])
def test_restart_loop_does_not_hammer(site: Site, stranger: Daemon, state: str) -> None:
    if state == "saved":
        provision(site, stranger)
        (stranger.state / "contact").unlink()
    stranger.keeps_pauses = True
    site.admin.set_fault("dps.register", "status", status=500, times=1000)
    before = site.admin.count("dps.register")
    stranger.start()
    process.wait_until(lambda: site.admin.count("dps.register") > before, "the first start asks")
    process.wait_until((stranger.state / "contact").exists, "the pause is kept")
    stranger.kill()
    for _ in range(5):
        stranger.start()
        time.sleep(0.3)
        stranger.kill()
    assert site.admin.count("dps.register") - before <= 3


# A hub that has changed its mind


def restart_to_list(site: Site, daemon: Daemon, timeout_s: float = 20) -> None:
    """Asks only the hub, as long as that is content."""
    daemon.config["provisioning"]["always_reprovision_on_startup"] = False
    daemon.forget_module_keys()
    site.wait_accepted(daemon.start, timeout_s)


def forget_at_hub(site: Site) -> None:
    site.admin.delete_device(site.emulator.hub_host, site.name())


def change_key_at_hub(site: Site) -> None:
    site.admin.change_device(site.emulator.hub_host, site.name(), rotate="both")


@pytest.mark.parametrize("change", [forget_at_hub, change_key_at_hub], ids=["unknown", "credential"])
def test_hub_that_refuses_makes_the_device_register(site: Site, saved: Daemon, change: Callable[[Site], None]) -> None:
    change(site)
    before = site.admin.count("dps.assigned", 200)
    restart_to_list(site, saved)
    assert site.admin.count("dps.assigned", 200) == before + 1
    saved.wait_log("The hub refuses the device, the assignment will be asked for")
    saved.wait_log("hub holds the current keys")


def test_device_that_is_disabled_at_the_hub_asks_rarely(site: Site, saved: Daemon) -> None:
    site.admin.change_device(site.emulator.hub_host, site.name(), enabled=False)
    before = site.admin.count("dps.assigned", 200)
    saved.config["provisioning"]["always_reprovision_on_startup"] = False
    saved.forget_module_keys()
    saved.start()
    saved.wait_log("The hub refuses the device")
    process.wait_until(lambda: site.admin.count("dps.assigned", 200) > before, "asks the DPS", 20)
    time.sleep(2)
    assert site.admin.count("dps.assigned", 200) == before + 1
    assert site.admin.count("hub.list") <= 6
    still_serves(saved)
    assert saved.stop() == 0
    saved.clear_log()
    site.admin.change_device(site.emulator.hub_host, site.name(), enabled=True)
    restart_to_list(site, saved)


def test_device_is_moved_to_another_hub(site: Site, saved: Daemon) -> None:
    second = site.emulator.second_hub_host
    site.admin.change_enrollment(site.name(), hub=second)
    site.wait_accepted(saved.start)
    saved.wait_log(f"The device was moved: hub '?{second}")
    saved.wait_log("hub holds the current keys")
    device = site.admin.device(site.name())
    assert device is not None and device["hub"] == second
    assert status(saved)["identity"]["hub"] == second


def test_identity_stays_until_the_new_hub_has_accepted_the_next(site: Site, stranger: Daemon) -> None:
    """A provisioner names a hub that does not know the device: what works goes on."""
    first, second = site.emulator.hub_host, site.emulator.second_hub_host
    key = site.admin.create_device(site.name(), edge=True)["authentication"]["symmetricKey"]["primaryKey"]
    site.admin.set_external(site.name(), first, key=key)
    stranger.use_external(site.emulator.external_url)
    stranger.config["provisioning"]["always_reprovision_on_startup"] = True
    provision(site, stranger)
    site.admin.set_external(site.name(), second, key=key)
    site.wait_accepted(stranger.start, 40)
    stranger.wait_log("The hub refuses the new identity: trying the previous one")
    stranger.wait_log("The hub accepts the previous identity and not the new one: it stays")
    assert stranger.stop() == 0
    stranger.clear_log()
    stranger.config["provisioning"]["always_reprovision_on_startup"] = False
    stranger.forget_module_keys()
    site.wait_accepted(stranger.start)
    assert status(stranger)["identity"]["hub"] == first


def test_another_registration_id_is_another_device(site: Site, saved: Daemon) -> None:
    name = f"{site.name()}-again"
    site.admin.enroll_key(name)
    key = next(e["primary_key"] for e in site.admin.enrollments() if e["registration_id"] == name)
    saved.config["provisioning"]["attestation"].update(registration_id=name, symmetric_key=key)
    saved.config["provisioning"]["always_reprovision_on_startup"] = False
    site.wait_accepted(saved.start)
    saved.wait_log(f"Assigned to hub .* as device '?{name}")


def test_another_connection_string_is_another_device(site: Site, saved: Daemon) -> None:
    """From the DPS to a string, too."""
    for name in (f"{site.name()}-a", f"{site.name()}-b"):
        site.admin.create_device(name, edge=True)
        saved.use_connection_string(site.admin.connection_string(name))
        site.wait_accepted(saved.start)
        saved.wait_log(f"Assigned to hub .* as device '?{name}")
        saved.wait_log("hub holds the current keys")
        assert saved.stop() == 0
        saved.clear_log()


# The disk


def damage(path: Path) -> bytes:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(bytes(content))
    return bytes(content)


@pytest.mark.parametrize("name", ["provisioning", "contact", "reconciled", "clock"])
def test_damaged_state_is_set_aside(site: Site, saved: Daemon, name: str) -> None:
    saved.keeps_pauses = True
    damaged = damage(saved.state / name)
    if name != "reconciled":
        saved.forget_module_keys()
    site.wait_accepted(saved.start)
    kept = list(saved.state.glob(f"{name}.damaged-*"))
    assert [path.read_bytes() for path in kept] == [damaged]
    assert kept[0].name in saved.log_text()


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_read_only_state_folder(site: Site, saved: Daemon) -> None:
    saved.forget_module_keys()
    saved.keeps_pauses = True  # it cannot be otherwise
    with mounted(saved.home, "--bind", str(saved.home)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(saved.home)], check=True)
        site.wait_accepted(saved.start)
        still_serves(saved)
        saved.wait_log("(?i)read-only")
        assert saved.stop() == 0


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    return filler


def test_full_disk_keeps_the_identity(site: Site, stranger: Daemon) -> None:
    """Full while a device with a TPM registers again: what it has stays valid, and with room it goes on."""
    stranger.use_dps(method="tpm")
    with mounted(stranger.home, "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs"):
        site.admin.reset()
        stranger.enroll()
        provision(site, stranger)
        before = {p.name: p.read_bytes() for p in stranger.state.rglob("*") if p.is_file()}
        filler = fill(stranger.home)
        stranger.forget_module_keys()
        stranger.start()
        stranger.wait_log("(?i)no space left")
        still_serves(stranger)
        time.sleep(1)
        stranger.kill()
        site.emulator.pause()
        stranger.clear_log()
        stranger.start()
        stranger.wait_log("Using the saved identity")
        still_serves(stranger)
        after = {p.name: p.read_bytes() for p in stranger.state.rglob("*") if p.is_file()}
        for name in ("provisioning", "pins", *[n for n in before if n.startswith("module-root")]):
            assert after[name] == before[name]
        site.emulator.resume()
        stranger.kill()
        filler.unlink()
        stranger.clear_log()
        site.wait_accepted(stranger.start)
        assert stranger.stop() == 0


# What a module is told


def test_module_of_a_device_without_identity_is_told_to_come_back(site: Site, engine: Engine) -> None:
    load_module_image(engine)
    with ended(site.daemon(engine)) as daemon:
        modules = ModuleHost(engine, daemon)
        try:
            site.admin.set_fault("dps.register", "status", status=503, times=1000)
            daemon.use_dps_key("nobody-yet", b"k" * 32)
            daemon.start()
            failure(daemon)
            module = modules.run("tempSensor")
            agent = modules.run("edgeAgent")
            for reply in (module.sign(b"text"), agent.manage("GET", "/identities")):
                assert reply.status == 503
                assert "no identity yet" in reply.message, reply.message
                assert int(reply.headers["retry-after"]) >= 1
        finally:
            modules.close()
    site.calm()
