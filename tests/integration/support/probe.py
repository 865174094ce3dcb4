"""The daemon's Engine client as a program: runtime_probe of the C tests."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any, Optional

TIMEOUT_S = 60.0


def program() -> str:
    build = os.environ.get("EDGE_BUILD")
    assert build, "EDGE_BUILD must name the build folder (tests/run sets it)"
    return str(Path(build) / "tests" / "unit" / "runtime_probe")


def probe(socket: Path, *what: str, timeout_s: float = TIMEOUT_S) -> list[dict[str, Any]]:
    """The answers of one run."""
    done = subprocess.run(
        [program(), str(socket), *what], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Watch:
    """A client that follows events until the block ends."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._process: Optional["subprocess.Popen[str]"] = None
        self._lines: "queue.Queue[str]" = queue.Queue()

    def __enter__(self) -> "Watch":
        self._process = subprocess.Popen(
            [program(), str(self._socket), "watch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)

    def expect(self, event: str, identity: str, timeout_s: float = 10.0) -> None:
        """The next event is this one."""
        got = json.loads(self._lines.get(timeout=timeout_s))
        assert (got["event"], got["id"]) == (event, identity)

    def rest(self) -> list[str]:
        """What else has been told so far."""
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get())
        return lines

    def __exit__(self, *error: object) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(TIMEOUT_S) == 0
