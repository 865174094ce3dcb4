"""The daemon from outside, without an engine: start, stop, configuration errors, and what strangers get."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess

from support.daemon import EDGED, IOTEDGE, Daemon
from support.process import wait_until

SIGN_BODY = {"keyId": "primary", "algo": "HMACSHA256", "data": "aGVsbG8="}


def test_provisions_and_stops_cleanly(daemon: Daemon) -> None:
    daemon.enroll()
    daemon.start()
    daemon.wait_assigned()
    daemon.wait_log("hub holds the current keys")
    assert daemon.stop() == 0
    assert daemon.emulator.admin.violations() == []


def test_sockets_have_the_modes_of_the_original(daemon: Daemon) -> None:
    daemon.start()
    assert stat.S_IMODE(os.stat(daemon.mgmt).st_mode) == 0o660
    assert stat.S_IMODE(os.stat(daemon.work).st_mode) == 0o666
    daemon.stop()
    assert not daemon.mgmt.exists() and not daemon.work.exists()


def test_state_is_private(daemon: Daemon) -> None:
    daemon.enroll()
    daemon.start()
    daemon.wait_assigned()
    daemon.stop()
    sockets = daemon.home / "mnt"  # of modules, for whatever user they run as
    files = [path for path in daemon.home.rglob("*") if sockets not in (path, path.parent)]
    assert files
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_trust_bundle_is_for_everybody(daemon: Daemon) -> None:
    daemon.start()
    reply = daemon.ask("GET", "/trust-bundle")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json()) == ["certificate"]
    with open(daemon.emulator.ca, encoding="ascii") as stream:
        assert reply.json()["certificate"].startswith(stream.read())


def test_trust_bundle_without_any_file_is_our_own_root(daemon: Daemon) -> None:
    del daemon.config["certificates"]
    daemon.start()
    wait_until(lambda: daemon.ask("GET", "/trust-bundle").status != 503, "it has read how late it was last")
    reply = daemon.ask("GET", "/trust-bundle")
    assert reply.json()["certificate"].count("-----BEGIN CERTIFICATE-----") == 1


def test_process_on_the_host_may_not_sign(daemon: Daemon) -> None:
    daemon.start()
    reply = daemon.ask("POST", "/modules/tempSensor/genid/1/sign", SIGN_BODY)
    assert (reply.status, reply.message) == (404, "Module not found")
    assert daemon.manage("GET", "/identities").status == 404


def test_configuration_errors_name_file_line_and_column(daemon: Daemon) -> None:
    daemon.config["hostnme"] = "x"
    daemon.config["provisioning"]["source"] = "dsp"
    daemon.write_config()
    done = subprocess.run([str(EDGED), "--check-config", str(daemon.config_file)], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 153
    assert f"error: {daemon.config_file}:" in done.stderr and "provisioning.source" in done.stderr
    assert "hostnme" in done.stderr and "hostname" in done.stderr
    daemon.launch()
    assert daemon.wait_exit() == 153


def test_good_configuration_is_told_so(daemon: Daemon) -> None:
    daemon.write_config()
    done = subprocess.run([str(EDGED), "--check-config", str(daemon.config_file)], capture_output=True,
                          text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


def test_refuses_root_unless_told(daemon: Daemon) -> None:
    daemon.write_config()
    done = subprocess.run([str(EDGED), "-c", str(daemon.config_file)], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == 1
    assert "refusing to run as root" in done.stderr


def test_version_and_help() -> None:
    for program, name in ((EDGED, "iotedged"), (IOTEDGE, "iotedge")):
        version = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=20)
        assert version.returncode == 0
        assert version.stdout.startswith(f"{name} ")
        usage = subprocess.run([str(program), "--help"], capture_output=True, text=True, timeout=20)
        assert usage.returncode == 0 and "Usage:" in usage.stdout


def test_half_a_command_is_completed() -> None:
    done = subprocess.run([str(IOTEDGE), "tpm"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "did you mean 'tpm info', 'tpm import-key'" in done.stderr


def test_help_on_half_a_command() -> None:
    done = subprocess.run([str(IOTEDGE), "tpm", "--help"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and not done.stderr
    assert "tpm info " in done.stdout and "status" not in done.stdout


def test_tpm_info_without_a_tpm_names_the_mend() -> None:
    done = subprocess.run([str(IOTEDGE), "tpm", "info", "--json", "--tcti", "device:/dev/no-such-tpm"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "/dev/no-such-tpm" in done.stderr
    assert '"state":"no_device"' in done.stdout


def test_no_secret_in_the_log(daemon: Daemon) -> None:
    daemon.enroll()
    daemon.start()
    daemon.wait_assigned()
    daemon.wait_log("hub holds the current keys")
    daemon.stop()
    text = daemon.log_text()
    assert "SharedAccessSignature" not in text and "sig=" not in text
    for device in daemon.emulator.admin.devices():
        for key in _keys_of(device):
            assert key not in text


def _keys_of(node: object) -> list[str]:
    if isinstance(node, dict):
        return [value for name, value in node.items() if "key" in name.lower() and isinstance(value, str)] + [
            key for value in node.values() for key in _keys_of(value)]
    if isinstance(node, list):
        return [key for value in node for key in _keys_of(value)]
    return []


def _activated(daemon: Daemon, listen: tuple[str, str], names: str) -> None:
    """Starts the daemon with two inherited sockets, as a service manager would."""
    sockets = []
    for path in (daemon.mgmt, daemon.work):
        s = socket.socket(socket.AF_UNIX)
        s.bind(str(path))
        s.listen(16)
        sockets.append(s)
    daemon.config["listen"] = {"management_uri": listen[0], "workload_uri": listen[1]}
    daemon.write_config()

    def become_activated() -> None:
        for number, fd in enumerate([os.dup(s.fileno()) for s in sockets]):
            os.dup2(fd, 3 + number)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES=names)
        os.execv(str(EDGED), [str(EDGED), "--allow-root", "-c", str(daemon.config_file)])

    pid = os.fork()
    if pid == 0:
        become_activated()
    try:
        reply = daemon.ask("GET", "/trust-bundle")
        assert reply.status == 200
        assert daemon.manage("GET", "/identities").status == 404
        os.kill(pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        pid = 0
        assert daemon.mgmt.exists() and daemon.work.exists(), "an inherited socket is not ours to unlink"
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for s in sockets:
            s.close()


def test_sockets_inherited_by_name(daemon: Daemon) -> None:
    _activated(daemon, ("fd://iotedge.mgmt.socket", "fd://iotedge.socket"), "iotedge.mgmt.socket:iotedge.socket")


def test_sockets_inherited_by_number(daemon: Daemon) -> None:
    _activated(daemon, ("fd://0", "fd://1"), "a:b")


def test_missing_inherited_socket_is_named(daemon: Daemon) -> None:
    daemon.config["listen"]["management_uri"] = "fd://iotedge.mgmt.socket"
    daemon.launch()
    assert daemon.wait_exit() == 153
    assert "listen.management_uri" in daemon.log_text() and "socket unit" in daemon.log_text()
