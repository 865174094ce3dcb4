"""A software TPM with its own state, one per test."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Optional

from . import process

ATTEMPTS = 5


class Swtpm:
    """One swtpm process on loopback TCP.

    The swtpm TCTI of tpm2-tss 3.2 knows `host` and `port` only (no `path`) and takes the
    control channel to be at port + 1, hence two neighbouring ports.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.log = folder / "swtpm.log"
        self.port = 0
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self.state.mkdir(parents=True, exist_ok=True)

    @property
    def tcti(self) -> str:
        return f"swtpm:host=127.0.0.1,port={self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def setup(self, *options: str) -> None:
        """Runs swtpm_setup on the state, e.g. with --create-ek-cert; only before `start`."""
        command = ["swtpm_setup", "--tpm2", "--tpmstate", str(self.state), "--overwrite", *options]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    def start(self) -> None:
        """Starts on free ports; after a stop on those it had, so that the TCTI stays valid."""
        fixed = self.port
        for _ in range(ATTEMPTS):
            self.port = fixed or process.free_port_pair()
            self._process = process.start(
                [
                    "swtpm",
                    "socket",
                    "--tpm2",
                    "--tpmstate",
                    f"dir={self.state}",
                    "--server",
                    f"type=tcp,port={self.port},bindaddr=127.0.0.1",
                    "--ctrl",
                    f"type=tcp,port={self.port + 1},bindaddr=127.0.0.1",
                    "--flags",
                    "not-need-init,startup-clear",
                ],
                self.log,
            )
            if self._wait_listening():
                return
            process.stop(self._process)
        raise AssertionError(f"swtpm does not start: {self.log.read_text()}")

    def stop(self) -> None:
        if self._process is not None:
            process.stop(self._process)
            self._process = None

    def kill(self) -> None:
        """Loses power: the TPM gets no TPM2_Shutdown."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def _wait_listening(self) -> bool:
        """Looks into /proc: swtpm serves one connection at a time, connecting would disturb."""
        assert self._process is not None
        wanted = {f"0100007F:{port:04X}" for port in (self.port, self.port + 1)}

        def ready() -> bool:
            assert self._process is not None
            if self._process.poll() is not None:
                return True
            lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
            return wanted <= {f[1] for f in (line.split() for line in lines) if f[3] == "0A"}

        process.wait_until(ready, "swtpm listens")
        return self._process.poll() is None
