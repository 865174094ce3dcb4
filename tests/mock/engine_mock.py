#!/usr/bin/python3
"""A scripted container engine on a Unix socket, for faults only: what works is tested on a real one.

Serves the calls that the daemon makes, refuses API versions as the real engines do, and misbehaves when told to.
As a program: engine_mock.py SOCKET [PROFILE]
"""

from __future__ import annotations

import json
import queue
import re
import socket
import socketserver
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Callable, Iterable, Optional

OWNED = {"net.azure-devices.edge.owner": "Microsoft.Azure.Devices.Edge.Agent"}
OVERSIZE = 9 * 1024 * 1024
MANY_EVENTS = 1000


@dataclass(frozen=True)
class Profile:
    """What an engine tells of itself."""

    api: str
    minimum: str
    component: str = "Engine"


PROFILES = {
    "docker-20.10": Profile("1.41", "1.12"),
    "docker-24": Profile("1.43", "1.12"),
    "docker-29.0": Profile("1.52", "1.44"),
    "docker-99": Profile("1.99", "1.60"),
    "docker-1.10": Profile("1.22", "1.12"),
    "podman-4.3": Profile("1.41", "1.24", "Podman Engine"),
}


@dataclass
class Fault:
    """Misbehaviour of calls that match, as "POST /containers/create?name=x" or, for GET, the path alone; `times` of them, or all
    when negative."""

    path: str
    kind: str
    times: int = -1
    status: int = 500
    body: str = '{"message":"the mock was told to fail"}'


@dataclass
class Process:
    """A container of the mock; `pids` in the host's namespace, `inner_pids` in its own."""

    identity: str
    name: str
    labels: dict[str, str] = field(default_factory=lambda: dict(OWNED))
    pids: tuple[int, ...] = (4711,)
    inner_pids: tuple[int, ...] = (1,)
    image: str = "registry.test/module:1"
    state: dict[str, Any] = field(default_factory=dict)  # over what a running container has


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"
    body = b""

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:  # pylint: disable=redefined-builtin
        pass

    def do_GET(self) -> None:  # pylint: disable=invalid-name
        self._handle("")

    def do_POST(self) -> None:  # pylint: disable=invalid-name
        self.body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._handle("POST ")
        self.body = b""

    def do_DELETE(self) -> None:  # pylint: disable=invalid-name
        self._handle("DELETE ")

    def _handle(self, method: str) -> None:
        engine = self.server.engine
        engine.requests.append(method + self.path)
        versioned = re.match(r"/v(\d+\.\d+)(/.*)", self.path)
        path = versioned.group(2) if versioned else self.path
        fault = engine.take_fault(method + path)
        if fault is not None:
            self._misbehave(fault)
        else:
            self._obey(method, path, versioned)

    def _obey(self, method: str, path: str, versioned: Optional["re.Match[str]"]) -> None:
        engine = self.server.engine
        if versioned and _number(versioned.group(1)) < _number(engine.profile.minimum):
            self._error(400, f"client version {versioned.group(1)} is too old. Minimum supported API version is "
                             f"{engine.profile.minimum}, please upgrade your client to a newer version")
        elif versioned and _number(versioned.group(1)) > _number(engine.profile.api):
            self._error(400, f"client version {versioned.group(1)} is too new. Maximum supported API version is "
                             f"{engine.profile.api}")
        elif method:
            self._change(method + path)
        else:
            self._serve(path)

    def _change(self, what: str) -> None:
        """Does nothing, and says that it is done; what a call changes is tested on real engines."""
        engine = self.server.engine
        named = re.match(r"(?:POST|DELETE) /containers/([^/?]+)(/start|/stop|/restart|\?|$)", what)
        if what.startswith("POST /images/create"):
            self._stream(['{"status":"Pulling from x"}', '{"status":"Download complete","id":"0a"}'])
        elif what.startswith(("POST /containers/create", "POST /networks/create")):
            self._answer({"Id": "c" * 64}, 201)
        elif named and any(named.group(1) in (c.identity, c.name) for c in engine.containers):
            self.send_response(204)
            self.end_headers()
        else:
            self._error(404, "No such container")

    def _stream(self, pieces: list[str], cut: bool = False) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            data = piece.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        if cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _serve(self, path: str) -> None:
        engine = self.server.engine
        named = re.match(r"/containers/([^/]+)/(json|top|logs|stats)", path)
        if path == "/version":
            self._answer({"Components": [{"Name": engine.profile.component}], "ApiVersion": engine.profile.api,
                          "MinAPIVersion": engine.profile.minimum})
        elif path.startswith("/info"):
            self._answer({"OSType": "linux", "Architecture": "x86_64", "ServerVersion": "0", "NCPU": 1})
        elif path.startswith("/events"):
            self._events()
        elif path.startswith(("/networks", "/images/json")):
            self._answer([])
        elif path.startswith("/containers/json"):
            self._answer([{"Id": c.identity, "Names": [f"/{c.name}"], "Labels": c.labels, "State": "running",
                           "Image": c.image, "ImageID": "sha256:" + "0" * 64} for c in engine.containers])
        elif named:
            self._container(named.group(1), named.group(2), path)
        else:
            self._error(404, "page not found")

    def _container(self, key: str, what: str, path: str) -> None:
        engine = self.server.engine
        for one in engine.containers:
            if key in (one.identity, one.name):
                break
        else:
            self._error(404, f"No such container: {key}")
            return
        if what == "json":
            self._answer({"Id": one.identity, "Name": f"/{one.name}",
                          "Config": {"Labels": one.labels, "Image": one.image},
                          "State": {"Status": "running", "Running": True, "Pid": one.pids[0] if one.pids else 0,
                                    "ExitCode": 0, "StartedAt": "2026-11-23T20:57:06.374705508Z",
                                    "FinishedAt": "0001-01-01T00:00:00Z", **one.state}})
        elif what == "logs":
            self._logs()
        elif what == "stats":
            self._stats(one.name)
        elif "Podman" in engine.profile.component and "ps_args=hpid" in path:
            self._answer({"Titles": ["HPID"], "Processes": [[str(p)] for p in one.pids]})
        elif "Podman" in engine.profile.component:
            self._answer({"Titles": ["UID", "PID"], "Processes": [["root", str(p)] for p in one.inner_pids]})
        else:
            self._answer({"Titles": ["UID", "PID"], "Processes": [["root", str(p)] for p in one.pids]})

    def _events(self) -> None:
        engine = self.server.engine
        told: "queue.Queue[str]" = queue.Queue(MANY_EVENTS)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        engine.watchers.append(told)
        try:
            while not engine.stopping.is_set():
                try:
                    data = told.get(timeout=0.1).encode()
                except queue.Empty:
                    continue
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        finally:
            engine.watchers.remove(told)

    def _logs(self) -> None:
        """Until the reader leaves, or the source ends."""
        engine = self.server.engine
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for data in engine.log_source():
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            engine.log_bytes += len(data)
        self.wfile.write(b"0\r\n\r\n")

    def _stats(self, name: str) -> None:
        engine = self.server.engine
        with engine.lock:
            engine.stats_cnt += 1
            engine.stats_most = max(engine.stats_most, engine.stats_cnt)
        engine.stopping.wait(engine.stats_delay_s)
        with engine.lock:
            engine.stats_cnt -= 1
        self._answer({"name": f"/{name}"})

    def _answer(self, content: Any, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _error(self, status: int, message: str) -> None:
        self._answer({"message": message}, status)

    def _misbehave(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.kind == "status":
            self.close_connection = False
            body = fault.body.encode()
            self.send_response(fault.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif fault.kind == "stream":  # pieces one below the other
            self._stream(fault.body.splitlines())
        elif fault.kind == "cut":
            self._stream(fault.body.splitlines(), cut=True)
        elif fault.kind == "hang":
            self.server.engine.stopping.wait()
        elif fault.kind == "stall":  # begins, and does not go on
            self._stream(fault.body.splitlines(), cut=True)
            self.wfile.flush()
            self.server.engine.stopping.wait()
        elif fault.kind == "drop":
            pass
        elif fault.kind == "garbage":
            self.wfile.write(b"\x00\xff this is not HTTP\r\n\r\n")
        elif fault.kind == "truncate":
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{"Id":"')
        elif fault.kind == "oversize":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[")
            try:
                for _ in range(OVERSIZE // 4096):
                    self.wfile.write(b" " * 4096)
            except OSError:
                pass
        elif fault.kind == "chunk":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{\"Id\r\nzz\r\nmore")
        elif fault.kind == "body":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + fault.body.encode())
        else:
            raise ValueError(fault.kind)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    engine: "MockEngine"

    def __init__(self, path: str, handler: type[_Handler]) -> None:
        super().__init__(path, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        """As the end of a process does."""
        for one in list(self._open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that went away is what some tests want


class MockEngine:
    """One engine; `containers`, `profile` and `faults` may be changed while it runs."""

    handler: type[_Handler] = _Handler

    def __init__(self, path: Path, profile: str = "docker-20.10") -> None:
        self.socket = path
        self.profile = PROFILES[profile]
        self.containers: list[Process] = []
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.watchers: list["queue.Queue[str]"] = []
        self.log_source: Callable[[], Iterable[bytes]] = lambda: (b"one\n", b"two\n")
        self.log_bytes = 0  # that readers took
        self.stats_delay_s = 0.0  # a real one takes its time
        self.stats_cnt = self.stats_most = 0  # under way; the most there were
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self._server: Optional[_Server] = None

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self.stopping.clear()
        self._server = _Server(str(self.socket), self.handler)
        self._server.engine = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Goes away; the socket file stays, as that of a killed engine does."""
        self.stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.drop_connections()
            self._server = None

    def use(self, profile: str) -> None:
        """Becomes another engine, as after an upgrade."""
        self.profile = PROFILES[profile]

    def fail(self, path: str, kind: str, times: int = -1, status: int = 500, body: Optional[str] = None) -> None:
        """Adds a fault for calls that match the expression."""
        fault = Fault(path, kind, times, status)
        if body is not None:
            fault.body = body
        self.faults.append(fault)

    def tell(self, action: str, container: Process, more: str = "") -> None:
        """An event for all who watch; waits while they are slow to take it. `more`: what else it tells of the container."""
        event = {"Type": "container", "Action": action, "Actor": {"ID": container.identity, "Attributes": {
            "name": container.name, **container.labels, "more": more}}, "time": 1700000000}
        self.tell_text(json.dumps(event) + "\n")

    def tell_text(self, text: str) -> None:
        """Anything at all."""
        for watcher in list(self.watchers):
            watcher.put(text)

    def take_fault(self, path: str) -> Optional[Fault]:
        for fault in self.faults:
            if fault.times != 0 and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None


def main() -> None:
    mock = MockEngine(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "docker-20.10")
    mock.containers.append(Process("a" * 64, "edgeAgent"))
    mock.start()
    print(f"listening on {mock.socket}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
