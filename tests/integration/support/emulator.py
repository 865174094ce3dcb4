"""Runs the DPS and IoT Hub emulator for tests."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

from . import process

EMULATOR_FOLDER = Path(__file__).resolve().parents[2] / "emulator"
sys.path.insert(0, str(EMULATOR_FOLDER))

from edgecloud.client import AdminClient, AdminError  # noqa: E402,F401  (found by the line above)

EMULATOR = EMULATOR_FOLDER / "emulator"


class Emulator:
    """One emulator process with its own state folder; `admin` administers it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.state = folder / "cloud"
        self.log = folder / "emulator.log"
        self.ready_file = folder / "ready.json"
        self.options = list(options)
        self.ready: dict[str, Any] = {}
        self._process: Optional["subprocess.Popen[bytes]"] = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        self.ready_file.unlink(missing_ok=True)
        self._process = process.start(
            [
                str(EMULATOR),
                "--state",
                str(self.state),
                "--ready-file",
                str(self.ready_file),
                *self.options,
            ],
            self.log,
        )

        def ready() -> bool:
            assert self._process is not None and self._process.poll() is None, self.log.read_text()
            return self.ready_file.exists()

        process.wait_until(ready, "the emulator is ready")
        self.ready = json.loads(self.ready_file.read_text())

    def stop(self) -> None:
        if self._process is not None:
            self.resume()
            process.stop(self._process)
            self._process = None

    def pause(self) -> None:
        """The cloud falls silent: connections open, and nothing comes back."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def restart(self, *options: str) -> None:
        """Stops and starts with the same state; `options` replace those of before if given."""
        self.stop()
        self.options = list(options) or self.options
        self.start()

    @property
    def admin(self) -> AdminClient:
        return AdminClient(self.ready["admin_socket"])

    @property
    def ca(self) -> str:
        """Path of the PEM file a client must trust."""
        return str(self.ready["ca"])

    @property
    def dps_url(self) -> str:
        return str(self.ready["dps_url"])

    @property
    def hub_host(self) -> str:
        """The name DPS assigns."""
        return str(self.ready["hub_host"])

    @property
    def hub_url(self) -> str:
        return str(self.ready["hub_url"])

    @property
    def second_hub_host(self) -> str:
        """Another hub on the same port, for `--hub` of an enrollment."""
        return str(self.ready["second_hub_host"])

    @property
    def external_url(self) -> str:
        """http:// of the external provisioning endpoint."""
        return str(self.ready["external_url"])

    @property
    def external_unix_url(self) -> str:
        """The same over a Unix socket, as `provisioning.endpoint` takes it."""
        return f"unix://{self.ready['external_socket']}"

    @property
    def id_scope(self) -> str:
        return str(self.ready["id_scope"])

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)

    def wait_fired(self, step: str, times: int = 1) -> None:
        """Waits until faults at `step` have struck `times` in all, e.g. until one holds a request."""

        def fired() -> bool:
            return sum(f["fired"] for f in self.admin.faults() if f["step"] == step) >= times

        process.wait_until(fired, f"fault at {step}")

    def wait_count(self, step: str, count: int = 1, status: Optional[int] = None) -> None:
        """Waits until `count` requests that passed `step` have been answered (with `status`)."""
        process.wait_until(lambda: self.admin.count(step, status) >= count, f"{count} x {step}")

    def ctl(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Runs `emulator ctl`, as a script would."""
        return subprocess.run(
            [str(EMULATOR), "ctl", "--socket", str(self.ready["admin_socket"]), *arguments],
            input=stdin,
            text=True,
            capture_output=True,
            timeout=30,
        )
