"""A relay before a container engine, through which a daemon changes containers until something is cut off at a step."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Callable, Optional

Act = Callable[[], None]


class EngineCut:
    """Listens on `socket`; each request gets a connection of its own to the engine. Steps are the requests that change
    something, counted from 1 since `arm`."""

    def __init__(self, folder: Path, engine: Path) -> None:
        self.socket = folder / "cut.sock"
        self._engine = engine
        self._lock = threading.Lock()
        self._at = 0
        self._after = False
        self._act: Optional[Act] = None
        self.steps: list[str] = []
        self.is_cut = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.socket))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, step: int, after: bool, act: Act) -> None:
        """At that step `act` runs, before the engine hears of it or after it has done it; the daemon hears nothing."""
        with self._lock:
            self.steps = []
            self.is_cut.clear()
            self._at, self._after, self._act = step, after, act

    def record(self) -> None:
        """Only notes what passes."""
        self.arm(0, False, lambda: None)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _is_step(self, head: bytes) -> bool:
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        if method not in ("POST", "DELETE"):
            return False
        with self._lock:
            self.steps.append(f"{method} {target}")
            return len(self.steps) == self._at

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as upstream:
            try:
                data = b""
                while b"\r\n\r\n" not in data:
                    chunk = client.recv(65536)
                    if not chunk:
                        return
                    data += chunk
                head, _, body = data.partition(b"\r\n\r\n")
                lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
                length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
                while len(body) < length:
                    body += client.recv(65536)
                cut = self._is_step(head)
                if cut and not self._after:
                    self._cut()
                    return
                upstream.connect(str(self._engine))
                upstream.sendall(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
                self._pass_on(upstream, client, cut)
                if cut:
                    self._cut()
            except OSError:
                return  # one of the two has gone

    @staticmethod
    def _pass_on(upstream: socket.socket, client: socket.socket, drop: bool) -> None:
        while chunk := upstream.recv(65536):
            if not drop:
                client.sendall(chunk)

    def _cut(self) -> None:
        assert self._act is not None
        self._act()
        self.is_cut.set()
