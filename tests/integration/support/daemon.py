"""Runs the real daemon and talks to its sockets."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import yaml

from . import process
from .emulator import Emulator
from .service_manager import ServiceManager

START_TIMEOUT_S = 30.0
BUILD = Path(os.environ.get("EDGE_BUILD", Path(__file__).resolve().parents[3] / "build"))
EDGED = BUILD / "edged" / "edged"
IOTEDGE = BUILD / "edged" / "cli" / "iotedge"
KILL_POINT = BUILD / "tests" / "support" / "kill_point.so"
STUCK_DISK = BUILD / "tests" / "support" / "stuck_disk.so"
MGMT_VERSION = "2020-07-07"
WORK_VERSION = "2019-01-30"
SANITIZED = b"__asan_init" in EDGED.read_bytes() if EDGED.exists() else False
RECOVERY_S = 10.0 if SANITIZED else 1.0  # from a start to the next signature of a module


@dataclass
class Reply:
    """One HTTP answer from a socket."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json()["message"])


def parse_reply(data: bytes) -> Reply:
    """Splits what a `Connection: close` exchange returned."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    version, status, reason = lines[0].split(" ", 2)
    assert version == "HTTP/1.1", lines[0]
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    return Reply(int(status), reason, headers, body)


def call(path: Path, method: str, target: str, body: Any = None, timeout_s: float = 30.0) -> Reply:
    """One request on a connection of its own, as the agents of this device class do."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"{method} {target} HTTP/1.1\r\nHost: test:80\r\nConnection: close\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout_s)
        s.connect(str(path))
        s.sendall(head.encode() + b"\r\n" + data)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    return parse_reply(answer)


def answers(path: Path) -> bool:
    """Somebody listens there."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(str(path)) == 0


def preloaded(library: str, **env: str) -> dict[str, str]:
    """The environment of a daemon with another library below it."""
    asan = os.environ.get("ASAN_OPTIONS", "")
    return {**env, "LD_PRELOAD": library,
            # A sanitizer insists on being the first library otherwise.
            "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0".lstrip(":")}


def _file_uris(files: tuple[Path, Path]) -> dict[str, str]:
    return {"identity_cert": files[0].as_uri(), "identity_pk": files[1].as_uri()}


class Daemon:
    """One edged with a home, sockets and configuration of its own."""

    def __init__(self, folder: Path, emulator: Emulator, tcti: str, engine: Optional[Path] = None) -> None:
        self.folder = folder
        self.emulator = emulator
        self.home = folder / "home"
        self.config_file = folder / "config.yaml"
        self.log = folder / "edged.log"
        self.sockets = folder / "run"  # containers mount the folder: a socket file changes with each start
        self.mgmt = self.sockets / "mgmt.sock"
        self.work = self.sockets / "work.sock"
        self.env: dict[str, str] = {}
        self.manager: Optional[ServiceManager] = None  # else it is started by hand
        self.keeps_pauses = False  # else a start comes long after what the last run agreed with the cloud
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self.home.mkdir(parents=True, exist_ok=True)
        self.sockets.mkdir(exist_ok=True)
        self.config: dict[str, Any] = {
            "provisioning": {
                "source": "dps",
                "global_endpoint": emulator.dps_url,
                "scope_id": emulator.id_scope,
                "attestation": {"method": "tpm"},
                "startup_spread": 0,
            },
            "hostname": "test-device",
            "homedir": str(self.home),
            "connect": {"management_uri": f"unix://{self.mgmt}", "workload_uri": f"unix://{self.work}"},
            "listen": {"management_uri": f"unix://{self.mgmt}", "workload_uri": f"unix://{self.work}"},
            # One of the networks that every engine has, so that none is made on this machine.
            "moby_runtime": {"uri": f"unix://{engine or folder / 'no-engine.sock'}", "network": "none"},
            # Most tests bring an edgeAgent of their own; use_agent lets the daemon make it.
            "agent": {"imagePullPolicy": "never", "config": {"image": "edged-test/no-agent"}},
            "certificates": {"trusted_ca_certs": emulator.ca},
            "tpm": {"tcti": tcti, "allow_emulator": True},
            "cloud": {"extra_ca_file": emulator.ca},
        }

    def use_keys_in_files(self) -> None:
        """Instead of the TPM."""
        self.config["hsm"] = {"backend": "soft"}
        del self.config["tpm"]

    def _provision(self, source: str, **values: Any) -> None:
        self.config["provisioning"] = {"source": source, "startup_spread": 0, **values}

    def use_dps(self, **attestation: Any) -> None:
        """Values of the attestation section: method and what belongs to it."""
        self._provision("dps", global_endpoint=self.emulator.dps_url, scope_id=self.emulator.id_scope,
                        attestation=attestation)

    def use_dps_key(self, registration_id: str, key: Optional[bytes] = None) -> None:
        """Without a key: it was imported before."""
        self.use_dps(method="symmetric_key", registration_id=registration_id,
                     **({} if key is None else {"symmetric_key": base64.b64encode(key).decode()}))

    def use_dps_x509(self, files: tuple[Path, Path]) -> None:
        """Certificate and key; the registration id is the common name."""
        self.use_dps(method="x509", **_file_uris(files))

    def use_manual(self, **authentication: Any) -> None:
        self._provision("manual", authentication=authentication)

    def use_connection_string(self, text: str) -> None:
        self.use_manual(method="device_connection_string", device_connection_string=text)

    def use_manual_x509(self, hub: str, device_id: str, files: tuple[Path, Path]) -> None:
        self.use_manual(method="x509", iothub_hostname=hub, device_id=device_id, **_file_uris(files))

    def use_agent(self, image: str, options: dict[str, Any], *, pull: bool = False, auth: Optional[dict[str, str]] = None) -> None:
        """The edgeAgent that the daemon makes."""
        self.config["agent"] = {"imagePullPolicy": "on-create" if pull else "never",
                                "config": {"image": image, "createOptions": options, **({"auth": auth} if auth else {})}}

    def use_external(self, endpoint: str) -> None:
        self._provision("external", endpoint=endpoint)

    @property
    def state(self) -> Path:
        """Where the daemon keeps its files."""
        return self.home / "edged"

    def forget_module_keys(self) -> None:
        """Not running: makes the next start compare them with the hub's, as it would with another root."""
        (self.state / "reconciled").unlink(missing_ok=True)

    def module_socket(self, name: str) -> Path:
        """The workload socket of one module."""
        return self.home / "mnt" / f"{name}.sock"

    def write_config(self) -> None:
        self.config_file.write_text(yaml.safe_dump(self.config))

    def enroll(self) -> dict[str, Any]:
        """Enrolls the TPM with what `iotedge tpm info --json` prints; the daemon must not run yet."""
        self.write_config()
        info = subprocess.run([str(IOTEDGE), "tpm", "info", "--json", "-c", str(self.config_file)],
                              check=True, capture_output=True, text=True, timeout=60)
        done = self.emulator.ctl("enroll", "--stdin", stdin=info.stdout)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(info.stdout))

    def launch(self) -> None:
        """Starts without waiting for anything."""
        self.write_config()
        if not self.keeps_pauses:
            self.forget_pauses()
        command = [str(EDGED), "--allow-root", "-c", str(self.config_file)]
        fds: list[int] = []
        added: dict[str, str] = {}
        if self.manager is not None:
            command, fds, added = self.manager.start_command(command)
        env = {**os.environ, "IOTEDGE_LOG": "debug", **added, **self.env}
        self._process = process.start(command, self.log, env, fds)

    def launch_until_kill_point(self, step: int, log: Optional[Path] = None) -> None:
        """Starts with the preload library of tests/support/kill_point.c; step 0 only records."""
        self._launch_preloaded("KILL_POINT", step, log)

    def launch_until_full(self, step: int) -> None:
        """The same, with a disk that is full from that step on."""
        self._launch_preloaded("KILL_POINT_FULL", step, None)

    def _launch_preloaded(self, what: str, step: int, log: Optional[Path]) -> None:
        saved = self.env
        self.env = {**saved, **preloaded(str(KILL_POINT), **{what: str(step)})}
        if log is not None:
            self.env["KILL_POINT_LOG"] = str(log)
        try:
            self.launch()
        finally:
            self.env = saved

    def forget_pauses(self) -> None:
        """As if long ago: between two registrations the daemon keeps a distance, also across a restart."""
        (self.state / "contact").unlink(missing_ok=True)

    def start(self) -> None:
        """Starts and waits until both sockets listen."""
        self.launch()

        def listening() -> bool:
            assert self.is_running(), self.log.read_text()[-4000:]
            if self.manager is not None and not self.manager.ready:
                return False  # a socket that was kept takes connections, but nobody is there yet
            return answers(self.mgmt) and answers(self.work)

        process.wait_until(listening, "the daemon listens", START_TIMEOUT_S)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait_exit(self, timeout_s: float = START_TIMEOUT_S) -> int:
        assert self._process is not None
        return self._process.wait(timeout_s)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self._process is None:
            return 0
        if self.is_running():
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(20)
        finally:
            if self.is_running():
                self._process.kill()
            self._process = None

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stops in order, starts with an empty log."""
        assert self.stop() == 0
        self.clear_log()
        self.start()

    def restart_to_list(self) -> None:
        """As `restart`, and this start asks the hub for the modules."""
        self.wait_log("hub holds the current keys")
        assert self.stop() == 0
        self.forget_module_keys()
        self.clear_log()
        self.start()

    @property
    def descriptor_cnt(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def memory_kb(self) -> int:
        """Private memory in use."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return sum(int(value) for value in re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE))

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def clear_log(self) -> None:
        self.log.write_text("")

    def log_count(self, pattern: str) -> int:
        return len(re.findall(pattern, self.log_text()))

    def wait_log(self, pattern: str, timeout_s: float = START_TIMEOUT_S) -> "re.Match[str]":
        """Waits for a line; a daemon that has ended will not write it any more."""
        found: list["re.Match[str]"] = []

        def seen() -> bool:
            match = re.search(pattern, self.log_text())
            if match:
                found.append(match)
                return True
            assert self.is_running(), f"the daemon ended: {self.log_text()[-4000:]}"
            return False

        process.wait_until(seen, f"the log says {pattern!r}", timeout_s)
        return found[0]

    def wait_assigned(self) -> None:
        self.wait_log("Assigned to hub")

    def manage(self, method: str, path: str, body: Any = None) -> Reply:
        return call(self.mgmt, method, f"{path}?api-version={MGMT_VERSION}", body)

    def ask(self, method: str, path: str, body: Any = None) -> Reply:
        return call(self.work, method, f"{path}?api-version={WORK_VERSION}", body)
