"""What an operator is told and given over the management socket, by the command and by the routes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import subprocess
import time
from typing import Any
from urllib.parse import quote, unquote

from support.daemon import IOTEDGE, Daemon
from support.tpm2 import Tpm2

KEY = base64.b64encode(bytes(range(0x40, 0x60))).decode()


def iotedge(daemon: Daemon, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs the command with the daemon's configuration."""
    return subprocess.run([str(IOTEDGE), *words, "-c", str(daemon.config_file)], input=stdin, capture_output=True,
                          text=True, timeout=180)


def good(daemon: Daemon, *words: str, stdin: str = "") -> str:
    done = iotedge(daemon, *words, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def status(daemon: Daemon) -> dict[str, Any]:
    return dict(json.loads(good(daemon, "status", "--json")))


def test_status_of_a_provisioned_device(daemon: Daemon) -> None:
    daemon.enroll()
    daemon.start()
    daemon.wait_assigned()
    daemon.wait_log("hub holds the current keys")
    report = status(daemon)
    assert report["running"] is True
    assert report["identity"]["proven"] is True
    assert report["identity"]["credential"] == "tpm"
    assert report["identity"]["hub"] and report["identity"]["deviceId"]
    assert report["provisioning"]["mode"] == "dps.tpm"
    assert report["provisioning"]["state"] == "assigned"
    assert report["provisioning"]["registrationId"]
    assert report["keyStore"]["backend"] == "tpm" and report["keyStore"]["state"] == "ready"
    assert report["clock"]["state"] in ("plausible", "synced", "corrected")
    assert report["lastError"] is None and report["keyInConfig"] is None
    text = good(daemon, "status")
    assert report["identity"]["deviceId"] in text and "running" in text


def test_status_before_there_is_an_identity(daemon: Daemon) -> None:
    daemon.emulator.stop()
    daemon.start()
    daemon.wait_log("again in|retry|Retry|not reached")
    report = status(daemon)
    assert report["identity"] is None
    assert report["lastError"]["message"]
    assert report["contact"]["next"] and report["contact"]["why"]
    assert "no identity yet" in good(daemon, "status")


def test_status_without_a_daemon_reads_its_files(daemon: Daemon) -> None:
    daemon.enroll()
    daemon.start()
    daemon.wait_assigned()
    running = status(daemon)
    daemon.stop()
    before = sorted((p, p.stat().st_mtime_ns) for p in daemon.home.rglob("*"))
    report = status(daemon)
    assert report["running"] is False and "files" in report["note"]
    assert report["identity"]["hub"] == running["identity"]["hub"]
    assert report["identity"]["deviceId"] == running["identity"]["deviceId"]
    assert "not running" in good(daemon, "status")
    assert sorted((p, p.stat().st_mtime_ns) for p in daemon.home.rglob("*")) == before


def test_status_of_a_fresh_device(daemon: Daemon) -> None:
    daemon.write_config()
    report = status(daemon)
    assert report["running"] is False and report["identity"] is None


def test_reprovision(daemon: Daemon) -> None:
    done = iotedge(daemon, "reprovision", "--json")
    assert done.returncode == 1 and "error" in json.loads(done.stdout)
    daemon.enroll()
    daemon.start()
    daemon.wait_assigned()
    preview = json.loads(good(daemon, "reprovision", "--dry-run", "--json"))
    assert preview["dryRun"] is True and preview["changes"] is False
    asked = daemon.log_count("Assigned to hub")
    good(daemon, "reprovision")
    deadline = time.monotonic() + 30
    while daemon.log_count("an operator asked for it") == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert daemon.log_count("an operator asked for it") >= 1
    assert daemon.is_running() and asked >= 1


def test_sas_token_is_signed_by_the_identity(daemon: Daemon) -> None:
    daemon.enroll()
    daemon.start()
    daemon.wait_assigned()
    report = status(daemon)
    resource = f"{report['identity']['hub']}/devices/{report['identity']['deviceId']}"
    answer = json.loads(good(daemon, "tpm", "sas-token", "--resource", resource, "--expiry", "600", "--json"))
    assert abs(answer["expiry"] - time.time() - 600) < 60
    parts = dict(re.findall(r"(sr|sig|se)=([^&]*)", answer["token"]))
    assert unquote(parts["sr"]) == resource.lower() and int(parts["se"]) == answer["expiry"]
    assert len(base64.b64decode(unquote(parts["sig"]))) == 32
    assert unquote(parts["sig"]) not in daemon.log_text() and parts["sig"] not in daemon.log_text()
    daemon.stop()
    offline = good(daemon, "tpm", "sas-token", "--resource", resource, "--expiry", "600").strip()
    assert offline.startswith("SharedAccessSignature sr=")


def test_sas_token_without_an_identity(daemon: Daemon) -> None:
    daemon.start()
    done = iotedge(daemon, "tpm", "sas-token", "--resource", "h/devices/d", "--expiry", "60")
    assert done.returncode == 1 and "no identity yet" in done.stderr
    daemon.stop()
    done = iotedge(daemon, "tpm", "sas-token", "--resource", "h/devices/d", "--expiry", "60")
    assert done.returncode == 1 and "no identity yet" in done.stderr


def manual(daemon: Daemon, hub: str, device: str) -> None:
    daemon.config["provisioning"] = {"source": "manual", "authentication": {
        "method": "tpm", "iothub_hostname": hub, "device_id": device}}


def test_imported_key_signs(daemon: Daemon) -> None:
    """A key that goes in while the daemon is down is the one that tokens are signed with."""
    manual(daemon, "hub.invalid", "dev-01")
    daemon.write_config()
    text = f"HostName=hub.invalid;DeviceId=dev-01;SharedAccessKey={KEY}\n"
    out = good(daemon, "tpm", "import-key", stdin=text)
    assert 'method: "tpm"' in out and 'device_id: "dev-01"' in out and KEY not in out
    daemon.start()
    daemon.wait_log("hub\\.invalid")
    answer = json.loads(good(daemon, "tpm", "sas-token", "--resource", "r", "--expiry", "60", "--json"))
    expected = hmac.new(base64.b64decode(KEY), f"r\n{answer['expiry']}".encode(), hashlib.sha256).digest()
    assert f"sig={quote(base64.b64encode(expected).decode(), safe='')}&" in answer["token"]
    assert KEY not in daemon.log_text()


def test_import_and_remove_over_the_daemon(daemon: Daemon) -> None:
    daemon.start()
    words = ("--scope", "0ne00000001", "--registration-id", "dev-01")
    answer = json.loads(good(daemon, "tpm", "import-key", *words, "--derive-from-group", "--json", stdin=KEY))
    assert answer["target"] == "dps:0ne00000001/dev-01" and 'registration_id: "dev-01"' in answer["config"]
    assert KEY not in daemon.log_text()
    refused = iotedge(daemon, "tpm", "remove-key", *words)
    assert refused.returncode == 1 and "--yes" in refused.stderr
    assert "was removed" in good(daemon, "tpm", "remove-key", *words, "--yes")
    again = iotedge(daemon, "tpm", "remove-key", *words, "--yes")
    assert again.returncode == 1 and "no key was imported" in again.stderr


def test_only_one_daemon_on_a_state_folder(daemon: Daemon) -> None:
    daemon.start()
    second = subprocess.run([str(IOTEDGE.parents[1] / "edged"), "--allow-root", "-c", str(daemon.config_file)],
                            capture_output=True, text=True, timeout=60)
    assert second.returncode == 1 and f"process {daemon.pid} works on" in second.stderr
    assert status(daemon)["running"] is True
    done = iotedge(daemon, "tpm", "accept-change", "--yes")
    assert done.returncode == 1 and "systemctl stop iotedge" in done.stderr


def test_accept_change_of_a_cleared_tpm(daemon: Daemon, tpm2: Tpm2) -> None:
    daemon.enroll()
    daemon.start()
    daemon.wait_assigned()
    daemon.stop()
    assert json.loads(good(daemon, "tpm", "accept-change", "--json")) == {"accepted": False}
    tpm2.run("clear")
    refused = iotedge(daemon, "tpm", "accept-change")
    assert refused.returncode == 1 and "clear" in refused.stderr and "--yes" in refused.stderr, refused
    done = iotedge(daemon, "tpm", "accept-change", "--yes")
    assert done.returncode == 0 and "Enroll it" in done.stdout, done
    assert json.loads(good(daemon, "tpm", "accept-change", "--json")) == {"accepted": False}
    assert any(".cleared-" in path.name for path in daemon.home.rglob("*"))
