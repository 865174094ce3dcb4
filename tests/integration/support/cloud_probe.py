"""The daemon's cloud clients as a program: cloud_probe of the C tests."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Optional

from .emulator import Emulator


def program() -> str:
    build = os.environ.get("EDGE_BUILD")
    assert build, "EDGE_BUILD must name the build folder (tests/run sets it)"
    return str(Path(build) / "tests" / "unit" / "cloud_probe")


class CloudProbe:
    """One device: its TPM, its state and its clients. A context; the program must end without complaint."""

    def __init__(self, folder: Path, tcti: str, emulator: Emulator, registration: str) -> None:
        self.folder = folder
        self.tcti = tcti
        self.emulator = emulator
        self.registration = registration
        self.ca: Optional[str] = None
        self._process: Optional["subprocess.Popen[str]"] = None

    def __enter__(self) -> "CloudProbe":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [
                program(),
                self.tcti,
                str(self.folder),
                self.ca or self.emulator.ca,
                self.emulator.dps_url,
                self.emulator.id_scope,
                self.registration,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.close()
        code = self._process.wait(30)
        assert kind is not None or code == 0, code

    def line(self) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        text = self._process.stdout.readline()
        assert text, "cloud_probe has ended"
        answer: dict[str, Any] = json.loads(text)
        return answer

    def send(self, *words: str) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()

    def ask(self, *words: str) -> dict[str, Any]:
        """One command and its answer."""
        self.send(*words)
        return self.line()

    def challenge(self) -> dict[str, Any]:
        """The first leg and, if there was a challenge, its activation."""
        answer = self.ask("register")
        if answer["kind"] == "challenge":
            activated = self.ask("activate")
            assert activated["code"] == "ok", activated
        return answer

    def provision(self) -> dict[str, Any]:
        """The whole dance; the identity is in use afterwards."""
        assert self.challenge()["kind"] == "challenge"
        answer = self.ask("register", "token")
        operation = answer["operation"]
        while answer["kind"] == "assigning":
            answer = self.ask("poll", operation)
        assert answer["kind"] == "assigned", answer
        assert self.ask("import")["code"] == "ok"
        assert self.ask("identity", answer["hub"], answer["device"])["code"] == "ok"
        return answer

    def reconcile(self, hub: str, device: str, proof: bool = False) -> list[dict[str, Any]]:
        """Events up to the end or the refusal."""
        self.send("reconcile", hub, device, *(["proof"] if proof else []))
        events = [self.line()]
        while events[-1]["event"] == "accepted":
            events.append(self.line())
        return events
