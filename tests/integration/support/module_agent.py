#!/usr/bin/python3
"""Runs inside a module's container and connects to the daemon in the test's name.

relay FOLDER NAME   for each socket of the daemon a socket FOLDER/NAME.SOCKET; what a test sends there goes on
                    over a connection of this process, so that the daemon sees the container as its peer
flood PATH COUNT REQUEST    sends the request in file REQUEST over COUNT connections for ever
hold PATH COUNT PROCESSES   opens COUNT connections from each of PROCESSES processes and sends half a head
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

SOCKETS = Path("/run/edged")
CHUNK = 65536


def pump(source: socket.socket, target: socket.socket) -> None:
    """One direction, the end of the stream included."""
    try:
        while data := source.recv(CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One side is gone: the other shall notice.
        for side in (source, target):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve(client: socket.socket, path: Path) -> None:
    with client, socket.socket(socket.AF_UNIX) as daemon:
        try:
            daemon.connect(str(path))
        except OSError:
            return
        back = threading.Thread(target=pump, args=(daemon, client), daemon=True)
        back.start()
        pump(client, daemon)
        back.join()


def listen(at: Path, path: Path) -> None:
    at.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(at))
        listener.listen(1024)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, path), daemon=True).start()


def relay(folder: Path, name: str) -> None:
    threads = [
        threading.Thread(target=listen, args=(folder / f"{name}.{path.name}", path))
        for path in (SOCKETS / "work.sock", SOCKETS / "mgmt.sock")
    ]
    for thread in threads:
        thread.start()


def ask_forever(path: str, request: bytes) -> None:
    """Keeps one connection busy; opens it again when the daemon closes it."""
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                while True:
                    s.sendall(request)
                    if not s.recv(CHUNK):
                        break
        except OSError:
            pass


def flood(path: str, count: int, request: bytes) -> None:
    for _ in range(count):
        threading.Thread(target=ask_forever, args=(path, request)).start()


def hold(path: str, count: int, processes: int) -> None:
    for _ in range(processes - 1):
        if os.fork() == 0:
            break
    while True:
        held = []
        for _ in range(count):
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            s.sendall(b"GET /trust-bundle?api-version=2018-06-28 HTTP/1.1\r\nHos")
            s.settimeout(30)
            held.append(s)
        for s in held:
            with s:
                try:
                    s.recv(CHUNK)
                except OSError:
                    pass


def main() -> None:
    threading.stack_size(256 * 1024)
    if sys.argv[1] == "relay":
        relay(Path(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "flood":
        flood(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]).read_bytes())
    elif sys.argv[1] == "hold":
        hold(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit("unknown command")


if __name__ == "__main__":
    main()
