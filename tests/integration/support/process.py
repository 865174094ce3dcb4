"""Starting and stopping helper programs so that none outlives its test."""

from __future__ import annotations

import ctypes
import random
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, Optional, Sequence

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
PR_SET_PDEATHSIG = 1
PORT_RANGE = range(20000, 32000)  # below the ephemeral ports of Linux


def start(
    command: Sequence[str], log: Path, env: Optional[dict[str, str]] = None, pass_fds: Sequence[int] = ()
) -> "subprocess.Popen[bytes]":
    """Starts a program whose output goes to `log`; it dies with this process, come what may."""
    libc = ctypes.CDLL(None)
    with log.open("ab") as stream:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=env,
            pass_fds=pass_fds,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )


def stop(process: "subprocess.Popen[bytes]") -> int:
    """SIGTERM, then SIGKILL if that is not enough; returns the exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def wait_until(
    condition: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S
) -> None:
    """Polls until `condition` holds; fails the test with `what` in the text."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not after {timeout_s} s")
        time.sleep(0.02)


def free_port_pair() -> int:
    """The first of two neighbouring TCP ports that nobody listens on just now."""
    while True:
        port = random.choice(PORT_RANGE)
        if all(_is_free(p) for p in (port, port + 1)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether somebody takes connections to this port of 127.0.0.1."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0):
            return True
    except OSError:
        return False
