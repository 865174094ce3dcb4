"""Clocks that are wrong: nothing is signed by them, the log says what is waited for, and it goes on by itself."""

from __future__ import annotations

import hashlib
import time
from typing import Iterator

import pytest

from support.daemon import Daemon
from support.device import Site, ended, running_site
from support.wall_clock import set_clock

DAY_S = 86400


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site() as one:
        yield one


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    """Provisioned by symmetric key and stopped; asks DPS and hub at its next start."""
    one = site.daemon()
    enrolled = site.admin.enroll_key(site.name())
    one.use_dps_key(site.name())
    one.config["provisioning"]["attestation"]["symmetric_key"] = enrolled["primary_key"]
    with ended(one):
        site.wait_accepted(one.start)
        one.wait_log("hub holds the current keys")
        assert one.stop() == 0
        one.clear_log()
        one.forget_module_keys()
        site.admin.clear_journal()
        yield one
    site.calm()
    site.check_manners()


def write_last_known(daemon: Daemon, seconds: int) -> None:
    body = f"edged clock 1\n{seconds}"
    digest = hashlib.sha256(body.encode()).hexdigest()
    (daemon.state / "clock").write_text(f"{digest}\n{body}\n")
    (daemon.state / "clock").chmod(0o600)


def tokens(site: Site) -> list[int]:
    """Expiry of every token that DPS and hub were shown."""
    return [r["token"]["se"] for r in site.admin.journal("requests") if "token" in r]


def test_no_token_in_1970(site: Site, daemon: Daemon) -> None:
    set_clock(daemon, "@1970-01-01 00:05:00")
    daemon.start()
    daemon.wait_log("Using the saved identity")
    said = daemon.wait_log("Provisioning waits for the clock: (.*)").group(1)
    assert "1970-01-01" in said and "time service" in said, said
    time.sleep(2)
    assert tokens(site) == []
    assert daemon.log_count("waits for the clock") == 1
    assert daemon.ask("GET", "/trust-bundle").status == 200
    # The time service has set it.
    assert daemon.stop() == 0
    daemon.env = {}
    site.wait_accepted(daemon.start)


def test_first_start_in_1970(site: Site, daemon: Daemon) -> None:
    """Without any state: the release's own date is what is known."""
    (daemon.state / "clock").unlink()
    set_clock(daemon, "@1970-01-01 00:05:00")
    daemon.start()
    daemon.wait_log("Provisioning waits for the clock")
    assert tokens(site) == []


def test_clock_behind_the_last_known_time(site: Site, daemon: Daemon) -> None:
    write_last_known(daemon, int(time.time()) + DAY_S)
    daemon.start()
    said = daemon.wait_log("Provisioning waits for the clock: (.*)").group(1)
    assert time.strftime("%Y-%m-%d", time.gmtime(time.time() + DAY_S)) in said
    time.sleep(1)
    assert tokens(site) == []


def test_last_known_time_too_late_is_mended_by_a_verified_peer(site: Site) -> None:
    """The first request of a device with a TPM needs no token, and its answer tells the time."""
    site.admin.reset()
    daemon = site.daemon()
    with ended(daemon):
        daemon.enroll()
        site.wait_accepted(daemon.start)
        daemon.wait_log("hub holds the current keys")
        assert daemon.stop() == 0
        write_last_known(daemon, int(time.time()) + DAY_S)
        daemon.forget_module_keys()
        site.wait_accepted(daemon.start)
    site.check_manners()


@pytest.mark.parametrize("hours", [-3, 3])
def test_clock_wrong_by_hours(site: Site, daemon: Daemon, hours: int) -> None:
    """The refusal's date corrects it: the token that follows is accepted."""
    (daemon.state / "clock").unlink()
    site.admin.change_settings(clock_offset=-hours * 3600)
    site.wait_accepted(daemon.start)
    now = time.time() - hours * 3600
    assert all(now < t < now + 2 * DAY_S for t in tokens(site)[-1:])
    daemon.wait_log("hub holds the current keys")


def test_clock_far_ahead_at_start(site: Site, daemon: Daemon) -> None:
    """As with a wrong date set by hand; certificates of the cloud are not valid then, and no token goes out."""
    set_clock(daemon, "+4000d")
    daemon.start()
    daemon.wait_log("Provisioning failed: .*certificate has expired")
    time.sleep(1)
    assert tokens(site) == []
    assert daemon.stop() == 0
    daemon.env = {}
    daemon.clear_log()
    daemon.start()
    daemon.wait_log("Using the saved identity")
