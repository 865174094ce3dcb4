"""A hundred modules, on a real engine; more events than anybody can use and logs faster than anybody reads, from a scripted one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterable, Iterator

import pytest

from support import process
from support.daemon import Daemon, call
from support.engine import OURS, Engine
from support.mock import MockEngine, Process

COUNT = 100
STORM = 60000
FRAME = 32 * 1024
RATE = 50_000_000  # bytes a second
FOLLOWERS = 6
RESOURCES = "/systeminfo/resources?api-version=2022-08-03"


@pytest.fixture
def mock(work_dir: Path) -> Iterator[MockEngine]:
    one = MockEngine(work_dir / "engine.sock")
    one.containers = [Process(f"{number:064x}", f"module-{number}") for number in range(COUNT)]
    one.start()
    yield one
    one.stop()


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon], mock: MockEngine) -> Iterator[Daemon]:
    """It needs no identity for this."""
    one = make_daemon(mock.socket)
    # A sanitizer keeps what is freed for a while: less of it, or that would be what is measured.
    one.env["ASAN_OPTIONS"] = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1:thread_local_quarantine_size_kb=64".lstrip(":")
    one.start()
    one.wait_log("container engine at .* speaks API")
    yield one
    assert one.stop() == 0


def listed(daemon: Daemon) -> list[str]:
    reply = daemon.manage("GET", "/modules")
    assert reply.status == 200, reply
    return [module["name"] for module in reply.json()["modules"]]


def test_statistics(daemon: Daemon, mock: MockEngine) -> None:
    """The engine takes a second for each: many at once, and not all."""
    mock.stats_delay_s = 1.0
    begun = time.monotonic()
    reply = call(daemon.mgmt, "GET", RESOURCES)
    took = time.monotonic() - begun
    assert reply.status == 200, reply
    names = {one["name"] for one in json.loads(reply.json()["docker_stats"])}
    assert names == {f"/module-{number}" for number in range(COUNT)}
    assert took < COUNT / 10 and mock.stats_most <= 32


def test_storm_of_events(daemon: Daemon, mock: MockEngine) -> None:
    """Lists stay whole and quick, memory does not grow, and in the end the list tells the state of the last event."""
    listed(daemon)
    process.wait_until(lambda: bool(mock.watchers), "the daemon watches")
    before = daemon.memory_kb
    over = threading.Event()

    def storm() -> None:
        for number in range(STORM):
            mock.tell("die" if number % 2 else "start", mock.containers[number // 2 % COUNT])
        over.set()

    thread = threading.Thread(target=storm)
    begun = time.monotonic()
    thread.start()
    slowest, lists = 0.0, 0
    while not over.is_set():
        assert time.monotonic() - begun < 60
        at = time.monotonic()
        assert len(listed(daemon)) == COUNT
        slowest, lists = max(slowest, time.monotonic() - at), lists + 1
    thread.join()
    assert lists > 0 and slowest < 5, (lists, slowest)
    assert daemon.memory_kb - before < 8 * 1024
    assert sum("/events?" in one for one in mock.requests) == 1  # it was listened to from the start to the end
    mock.containers[7].state.update(Status="exited", Running=False, ExitCode=9)
    mock.tell("die", mock.containers[7])
    wait_failed(daemon, 7)


def wait_failed(daemon: Daemon, number: int) -> None:
    def is_told() -> bool:
        modules = {one["name"]: one["status"] for one in daemon.manage("GET", "/modules").json()["modules"]}
        return bool(modules[f"module-{number}"]["runtimeStatus"]["status"] == "failed")

    process.wait_until(is_told, f"the list tells what happened to module {number}", 30)


@pytest.mark.parametrize("text", ["no JSON\n", "{}\n", "[" * 5000 + "\n", '{"Type":"container","Action":7}\n', "\0\n", "x" * 20_000_000],
                         ids=["text", "empty", "deep", "wrong", "nul", "endless"])
def test_nonsense_among_events(daemon: Daemon, mock: MockEngine, text: str) -> None:
    """Whatever the daemon makes of it, what happens afterwards reaches it, and it does not keep what it cannot use."""
    listed(daemon)
    process.wait_until(lambda: bool(mock.watchers), "the daemon watches")
    before = daemon.memory_kb
    for _ in range(3):
        mock.tell_text(text)
    assert len(listed(daemon)) == COUNT
    mock.containers[3].state.update(Status="exited", Running=False, ExitCode=9)
    process.wait_until(lambda: bool(mock.watchers), "the daemon watches again", 30)
    mock.tell("die", mock.containers[3])
    wait_failed(daemon, 3)
    assert daemon.memory_kb - before < 8 * 1024


def test_events_of_images_with_long_labels(daemon: Daemon, mock: MockEngine) -> None:
    """They carry all labels: no reason to miss what they tell, nor to begin anew."""
    listed(daemon)
    process.wait_until(lambda: bool(mock.watchers), "the daemon watches")
    for number in range(5):
        mock.containers[number].state.update(Status="exited", Running=False, ExitCode=9)
        mock.tell("die", mock.containers[number], "x" * 200_000)
    for number in range(5):
        wait_failed(daemon, number)


def in_parallel(act: Callable[[int], object]) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(act, range(COUNT)))


@pytest.fixture
def crowd(clean: Engine) -> Iterator[Engine]:
    """The engine with a hundred modules that run."""
    in_parallel(lambda number: clean.run(f"module-{number}", OURS, StopSignal="SIGKILL"))
    yield clean
    in_parallel(lambda number: clean.call("DELETE", f"/containers/module-{number}?force=true"))


def test_a_hundred_containers(make_daemon: Callable[..., Daemon], crowd: Engine) -> None:
    """Listed, measured, listed while all of them are paused and go on; the daemon comes and goes, and they notice nothing of it."""
    daemon = make_daemon(crowd.socket)
    daemon.start()
    names = sorted(f"module-{number}" for number in range(COUNT))

    def states() -> dict[str, tuple[str, str]]:
        modules = daemon.manage("GET", "/modules").json()["modules"]
        return {one["name"]: (one["status"]["runtimeStatus"]["status"], one["status"]["startTime"]) for one in modules}

    before = states()
    assert sorted(before) == names and {status for status, _ in before.values()} == {"running"}
    stats = json.loads(call(daemon.mgmt, "GET", RESOURCES, timeout_s=60).json()["docker_stats"])
    assert sorted(one["name"].lstrip("/") for one in stats) == names
    over = threading.Event()

    def storm() -> None:
        in_parallel(lambda number: [crowd.call("POST", f"/containers/module-{number}/{act}") for act in ("pause", "unpause")])
        over.set()

    thread = threading.Thread(target=storm)
    thread.start()
    while not over.is_set():
        assert sorted(states()) == names
    thread.join()
    process.wait_until(lambda: states() == before, "the list tells that all of them run")
    daemon.kill()
    daemon.start()
    assert states() == before
    assert daemon.stop() == 0


def paced() -> Iterable[bytes]:
    """Frames of a log, RATE bytes a second if they are taken."""
    frame = b"\1\0\0\0" + (FRAME - 8).to_bytes(4, "big") + b"x" * (FRAME - 9) + b"\n"
    begun, sent = time.monotonic(), 0
    while True:
        ahead = sent / RATE - (time.monotonic() - begun)
        if ahead > 0:
            time.sleep(ahead)
        yield frame
        sent += FRAME


def follow(daemon: Daemon, name: str) -> socket.socket:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(str(daemon.mgmt))
    s.sendall(f"GET /modules/{name}/logs?api-version=2020-07-07&follow=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return s


def test_loud_modules_and_slow_readers(daemon: Daemon, mock: MockEngine) -> None:
    """The engine waits for the readers; nothing is kept for them, and others do not wait."""
    mock.log_source = paced
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(follow(daemon, f"module-{number}")) for number in range(FOLLOWERS)]

        def read(seconds: float) -> int:
            count, until = 0, time.monotonic() + seconds
            while time.monotonic() < until:
                for reader in readers:
                    count += len(reader.recv(1000))
                time.sleep(0.05)
            return count

        taken = read(1.0)  # until all buffers are full
        memory, offered = daemon.memory_kb, mock.log_bytes
        taken += read(2.0)
        slowest = 0.0
        for _ in range(20):
            at = time.monotonic()
            assert len(listed(daemon)) == COUNT
            slowest = max(slowest, time.monotonic() - at)
        assert slowest < 2
        assert daemon.memory_kb - memory < 1024 * FOLLOWERS
        # What lies between the engine and the readers does not grow either.
        assert mock.log_bytes - offered < 1024 * 1024 * FOLLOWERS
        assert mock.log_bytes - taken < 4 * 1024 * 1024 * FOLLOWERS
    process.wait_until(lambda: len(listed(daemon)) == COUNT, "the list is served")


def test_a_loud_module_and_a_quick_reader(daemon: Daemon, mock: MockEngine) -> None:
    """Nothing is lost on the way."""
    mock.log_source = paced
    with follow(daemon, "module-1") as reader:
        text = b""
        while len(text) < 20_000_000:
            text += reader.recv(1024 * 1024)
    head, _, body = text.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    whole = b""
    while True:
        size, found, body = body.partition(b"\r\n")
        if not found or len(body) < int(size, 16) + 2:
            break
        whole, body = whole + body[:int(size, 16)], body[int(size, 16) + 2:]
    assert len(whole) > 19_000_000
    for at in range(0, len(whole) - FRAME, FRAME):
        assert whole[at:at + 8] == b"\1\0\0\0" + (FRAME - 8).to_bytes(4, "big")
