"""A listener on the bus between the daemon and its TPM: everything that passes, both ways."""

from __future__ import annotations

import socket
import threading

from . import process
from .swtpm import Swtpm

CHUNK = 65536


class BusTap:
    """Two ports like those of swtpm, before it; `seen` is what went over the first."""

    def __init__(self, swtpm: Swtpm) -> None:
        self.swtpm = swtpm
        self.port = process.free_port_pair()
        self.seen = bytearray()
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []

    @property
    def tcti(self) -> str:
        return f"swtpm:host=127.0.0.1,port={self.port}"

    def __enter__(self) -> "BusTap":
        for offset in (0, 1):
            listener = socket.create_server(("127.0.0.1", self.port + offset))
            self._listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener, offset), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        for listener in self._listeners:
            listener.close()

    def _accept(self, listener: socket.socket, offset: int) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.swtpm.port + offset))
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target, offset == 0), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, recorded: bool) -> None:
        """Commands and answers are whole when they are sent, so the two ways do not mix inside one."""
        try:
            while data := source.recv(CHUNK):
                if recorded:
                    with self._lock:
                        self.seen += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            try:
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def content(self) -> bytes:
        with self._lock:
            return bytes(self.seen)
