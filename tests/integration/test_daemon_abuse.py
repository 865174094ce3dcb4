"""Too many, too slow, too loud: what one client does must not be felt by another, and leaves nothing behind."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest

from support import process
from support.daemon import SANITIZED, WORK_VERSION
from support.device import Device, running_device
from support.engine import Engine
from support.module_image import INSIDE_RELAY, INSIDE_SOCKETS, Module, sign_body, sign_path

SLOWDOWN = 4 if SANITIZED else 1
LATENCY_S = 0.5 * SLOWDOWN  # of a warm signature while others misbehave; two busy cores
MEMORY_SLACK_KB = 2048
BUNDLE = b"GET /trust-bundle?api-version=2018-06-28 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def device(engine: Engine) -> Iterator[Device]:
    with running_device(engine) as one:
        yield one
        assert one.emulator.admin.violations() == []


@pytest.fixture(scope="module")
def sensor(device: Device) -> Module:
    """The module that must not notice."""
    module = device.module("tempSensor")
    assert module.sign(b"text").status == 200
    return module


@pytest.fixture
def hostile(device: Device) -> Iterator[Module]:
    """A module of this device that has turned."""
    module = device.modules.run("hostile")
    yield module
    module.remove()


@pytest.fixture(autouse=True)
def nothing_left(device: Device, sensor: Module) -> Iterator[None]:
    """Descriptors and memory come back to where they were."""
    sensor.sign(b"text")
    descriptors, memory = device.daemon.descriptor_cnt, device.daemon.memory_kb
    yield
    process.wait_until(lambda: device.daemon.descriptor_cnt <= descriptors + 1, "the descriptors are closed", 15)
    if not SANITIZED:
        assert device.daemon.memory_kb <= memory + MEMORY_SLACK_KB
    assert sensor.sign(b"text").status == 200


def worst_latency(module: Module, count: int = 60) -> float:
    """Of warm signatures, each on a connection of its own."""
    worst = 0.0
    for _ in range(count):
        started = time.monotonic()
        reply = module.sign(b"text")
        worst = max(worst, time.monotonic() - started)
        assert reply.status == 200, reply
    return worst


def open_many(path: Path, count: int, data: bytes = b"") -> list[socket.socket]:
    """Connections to a socket; one that the daemon has closed already counts, too."""
    held = []
    for _ in range(count):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(str(path))
        try:
            s.sendall(data)
        except OSError:
            pass
        held.append(s)
    return held


def read_all(s: socket.socket) -> bytes:
    content = b""
    try:
        while chunk := s.recv(65536):
            content += chunk
    except OSError:
        pass
    return content


def statuses(content: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", content)]


@pytest.mark.parametrize("where", ["host", "container"])
def test_300_silent_connections(device: Device, sensor: Module, hostile: Module, where: str) -> None:
    held = open_many(device.daemon.work if where == "host" else hostile.work, 300)
    try:
        assert worst_latency(sensor) < LATENCY_S
    finally:
        for s in held:
            s.close()


@pytest.mark.parametrize("where", ["host", "container"])
def test_300_requests_at_once(device: Device, sensor: Module, hostile: Module, where: str) -> None:
    """Each is answered once, or told to come again; none twice, and somebody is served."""
    held = open_many(device.daemon.work if where == "host" else hostile.work, 300, BUNDLE)
    assert worst_latency(sensor, 10) < LATENCY_S
    answers = [statuses(read_all(s)) for s in held]
    for s in held:
        s.close()
    assert all(len(codes) <= 1 for codes in answers)
    codes = [code for one in answers for code in one]
    assert set(codes) <= {200, 503} and codes.count(200) >= 1
    # Those beyond what is told are closed without a word.
    assert len(codes) >= 200, f"{len(codes)} of 300 were answered"


def test_flood_of_signatures(sensor: Module, hostile: Module, device: Device) -> None:
    body = json.dumps(sign_body(b"text")).encode()
    request = (f"POST {sign_path('hostile', '1')}?api-version={WORK_VERSION} HTTP/1.1\r\nHost: x\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    (device.modules.relay / "flood").write_bytes(request)
    before = cpu_ticks(device.daemon.pid)
    hostile.start_in_background("flood", f"{INSIDE_SOCKETS}/work.sock", "8", f"{INSIDE_RELAY}/flood")
    process.wait_until(lambda: cpu_ticks(device.daemon.pid) > before + 10, "the flood arrives", 10)
    assert worst_latency(sensor) < LATENCY_S


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_flood_of_keys_that_are_not_cached(sensor: Module, hostile: Module) -> None:
    """Each asks for another generation, which costs a TPM command. Warm signatures of others do not wait for the
    TPM; a cold one of others waits its turn and no longer."""
    stop = threading.Event()
    made = []

    def ask() -> None:
        while not stop.is_set():
            made.append(hostile.sign(b"text", generation=str(random.getrandbits(60))).status)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        assert worst_latency(sensor, 30) < LATENCY_S
        started = time.monotonic()
        assert sensor.sign(b"text", generation=str(random.getrandbits(60))).status == 200
        assert time.monotonic() - started < 4 * LATENCY_S
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(made) <= {200, 503} and 200 in made


@pytest.mark.parametrize("processes", [1, 16])
def test_slow_clients(device: Device, sensor: Module, hostile: Module, processes: int) -> None:
    """64 connections that never end their head, from one process or from many of one container."""
    before = device.daemon.descriptor_cnt
    hostile.start_in_background("hold", f"{INSIDE_SOCKETS}/work.sock", str(64 // processes), str(processes))
    process.wait_until(lambda: device.daemon.descriptor_cnt >= before + 8, "the clients are there", 10)
    time.sleep(0.5)
    assert worst_latency(sensor, 20) < LATENCY_S


def test_slow_client_is_dropped(device: Device) -> None:
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(device.daemon.work))
        started = time.monotonic()
        s.sendall(BUNDLE[:20])
        content = read_all(s)
        assert 5 < time.monotonic() - started < 15
    assert statuses(content) in ([], [408])


def test_byte_by_byte_is_served(device: Device) -> None:
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(device.daemon.work))
        for byte in BUNDLE:
            s.sendall(bytes([byte]))
        assert statuses(read_all(s)) == [200]


def test_half_closed_client_gets_its_answer(sensor: Module) -> None:
    body = json.dumps(sign_body(b"text")).encode()
    request = (f"POST {sign_path('tempSensor', '1')}?api-version={WORK_VERSION} HTTP/1.1\r\nHost: x\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(sensor.work))
        s.sendall(request)
        s.shutdown(socket.SHUT_WR)
        assert statuses(read_all(s)) == [200]


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_request_that_is_cut_short(device: Device, cut: int) -> None:
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(device.daemon.work))
        s.sendall(BUNDLE[:cut])
        s.shutdown(socket.SHUT_WR)
        assert statuses(read_all(s)) in ([], [400])


def test_clients_that_leave_without_their_answer(device: Device, sensor: Module, hostile: Module) -> None:
    for _ in range(40):
        for s in open_many(hostile.work, 4, BUNDLE):
            s.close()
    for s in open_many(device.daemon.mgmt, 20, BUNDLE.replace(b"trust-bundle", b"systeminfo")):
        s.close()
    assert worst_latency(sensor, 5) < LATENCY_S


def garbage(rng: random.Random) -> bytes:
    """Noise, or a request with some of it."""
    if rng.random() < 0.3:
        return rng.randbytes(rng.randrange(1, 4000))
    text = bytearray(BUNDLE)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(text))
        text[at:at + rng.randrange(3)] = rng.randbytes(rng.randrange(4))
    return bytes(text)


@pytest.mark.parametrize("which", ["work", "mgmt"])
def test_garbage(device: Device, which: str) -> None:
    """At most one answer for each, no answer of ours but 200 and 4xx, and the daemon lives."""
    rng = random.Random(20240229)
    path: Path = getattr(device.daemon, which)
    pid = device.daemon.pid
    for _ in range(200):
        data = garbage(rng)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(str(path))
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            codes = statuses(read_all(s))
        assert len(codes) <= 1, data
        assert all(code in (200, 400, 404, 408, 411, 413, 414, 417, 431, 501, 505) for code in codes), (data, codes)
    assert device.daemon.is_running() and device.daemon.pid == pid


def test_largest_body(sensor: Module) -> None:
    """Up to 1 MiB is taken; beyond it is refused without reading it all."""
    fits = sensor.sign(b"x" * 700_000)
    assert fits.status == 200
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(sensor.work))
        s.sendall(f"POST {sign_path('tempSensor', '1')}?api-version={WORK_VERSION} HTTP/1.1\r\nHost: x\r\n"
                  "Content-Length: 1048577\r\n\r\n".encode())
        assert statuses(read_all(s)) == [413]


def test_many_signatures_do_not_grow_the_daemon(device: Device, sensor: Module) -> None:
    """Connections of their own and kept ones; the fixture looks at memory and descriptors."""
    body = json.dumps(sign_body(b"text")).encode()
    request = (f"POST {sign_path('tempSensor', sensor.generation)}?api-version={WORK_VERSION} HTTP/1.1\r\nHost: x\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(sensor.work))
        for _ in range(2000):
            s.sendall(request)
            assert statuses(s.recv(65536)) == [200]
    worst_latency(sensor, 200)


def test_log_stays_short_under_abuse(device: Device, hostile: Module) -> None:
    """Repeats are folded above debug level."""
    before = device.daemon.log_count("WARN|INFO")
    for _ in range(300):
        hostile.sign(b"text", "tempSensor")
    assert device.daemon.log_count("WARN|INFO") - before < 200
