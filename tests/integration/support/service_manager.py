#!/usr/bin/python3
"""The part of a service manager that the daemon speaks to: messages, and a store of descriptors that outlives it.

As a program, it becomes the service: `service_manager.py FDS NAMES COMMAND...` hands over the open descriptors FDS.
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Sequence

FIRST_FD = 3
MESSAGE_MAX = 4096


class ServiceManager:
    """Keeps what the service gives it, as systemd does with FileDescriptorStoreMax= and NotifyAccess=main."""

    def __init__(self, folder: Path) -> None:
        self.address = folder / "notify.sock"
        self.store: list[tuple[str, int]] = []
        self.ready = False
        self.stop_s = 0.0  # what the program asked for, for its stop
        self._units: list[tuple[str, socket.socket]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.address))
        threading.Thread(target=self._receive, daemon=True).start()

    def listen(self, name: str, path: Path, mode: int) -> None:
        """A socket unit."""
        unit = socket.socket(socket.AF_UNIX)
        unit.bind(str(path))
        path.chmod(mode)
        unit.listen(128)
        self._units.append((name, unit))

    def forget(self) -> None:
        """The store is emptied, as a stop of the service does."""
        for _, fd in self.store:
            os.close(fd)
        self.store.clear()

    def close(self) -> None:
        self.forget()
        self._socket.close()
        for _, unit in self._units:
            unit.close()

    def names(self) -> list[str]:
        """Last parts of the paths of the sockets in the store."""
        return sorted(name.rsplit("/", 1)[-1] for name, _ in self.store)

    def start_command(self, command: Sequence[str]) -> tuple[list[str], list[int], dict[str, str]]:
        """What to run instead, the descriptors to pass, and what to add to the environment."""
        self.ready = False
        fds = [(name, unit.fileno()) for name, unit in self._units] + list(self.store)
        wrapped = [sys.executable, "-SE", str(Path(__file__)), ",".join(str(fd) for _, fd in fds),
                   ":".join(name for name, _ in fds), *command]
        return wrapped, [fd for _, fd in fds], {"NOTIFY_SOCKET": str(self.address)}

    def _receive(self) -> None:
        while True:
            fds = array.array("i")
            try:
                data, controls, _, _ = self._socket.recvmsg(MESSAGE_MAX, socket.CMSG_SPACE(fds.itemsize))
            except OSError:
                return
            for _, kind, content in controls:
                if kind == socket.SCM_RIGHTS:
                    fds.frombytes(content)
            self._take(data.decode(), list(fds))

    def _take(self, text: str, fds: list[int]) -> None:
        said = dict(line.split("=", 1) for line in text.split("\n"))
        name = said.get("FDNAME", "stored")
        self.ready = self.ready or said.get("READY") == "1"
        self.stop_s = float(said.get("EXTEND_TIMEOUT_USEC", self.stop_s * 1e6)) / 1e6
        if said.get("FDSTORE") == "1":
            self.store.extend((name, fd) for fd in fds)
        elif said.get("FDSTOREREMOVE") == "1":
            for entry in [entry for entry in self.store if entry[0] == name]:
                self.store.remove(entry)
                os.close(entry[1])


def become(fds: str, names: str, command: Sequence[str]) -> None:
    """Puts the descriptors where a service expects them."""
    numbers = [int(fd) for fd in fds.split(",") if fd]
    above = FIRST_FD + len(numbers)
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, above) for fd in numbers]
    os.closerange(FIRST_FD, above)
    for index, fd in enumerate(moved):
        os.dup2(fd, FIRST_FD + index)
        os.close(fd)
    for fd in numbers:
        if fd >= above:
            os.close(fd)
    if numbers:
        os.environ.update(LISTEN_FDS=str(len(numbers)), LISTEN_FDNAMES=names, LISTEN_PID=str(os.getpid()))
    os.execv(command[0], command)


if __name__ == "__main__":
    become(sys.argv[1], sys.argv[2], sys.argv[3:])
