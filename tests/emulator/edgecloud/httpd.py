"""HTTP/1.1 servers: over TLS for the services, over a Unix socket for the administrator.

Only what a request must look like before any service sees it lives here: one connection
per thread, limits on everything a client can make long, and no tolerance for heads that
two readers could understand differently (RFC 9112, sections 3 to 6).
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import socket
import socketserver
import ssl
import struct
import sys
import termios
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Callable, Optional, Protocol

from .pki import presented_certificates
from .wire import CUT_BEFORE, CUT_MIDDLE, CUT_RESET, Request, Response

IDLE_TIMEOUT_S = 60
HANDSHAKE_TIMEOUT_S = 10
STOP_POLL_S = 0.03
TRICKLE_STEP_S = 0.05
DRAIN_TIMEOUT_S = 2.0
MAX_BODY = 256 * 1024
MAX_TARGET = 2048
MAX_CONNECTIONS = 256
SERVER_NAME = "edge-cloud-emulator"
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_TARGET = re.compile(r"/[!-~]*\Z")


class Application(Protocol):
    """A service behind a server."""

    name: str

    def answer(self, request: Request) -> Response:
        """Answers one well-formed request; called from any thread."""

    def reject(self, status: int, message: str) -> Response:
        """Answers a request whose head was refused."""

    def tls_failed(self, message: str) -> None:
        """Learns that a client did not complete the handshake."""

    def date(self) -> float:
        """The time the Date header shows."""


class _HeadError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT_S
    wbufsize = 64 * 1024  # head and body leave in one piece
    server: "_Server"
    certificates: tuple[bytes, ...] = ()

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(HANDSHAKE_TIMEOUT_S)
            self.request.do_handshake()
            self.certificates = presented_certificates(self.request)
        super().setup()

    def __getattr__(self, name: str) -> Any:
        """Every method goes one way; the services decide which they know."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        try:
            headers, body = self._checked_headers(), self._read_body()
            request = Request(self.command, self.path, headers, body, self.certificates)
        except _HeadError as error:
            self.close_connection = True
            self._send(self.server.app.reject(error.status, str(error)))
            return
        self._send(self.server.app.answer(request))

    def _checked_headers(self) -> dict[str, str]:
        if self.request_version != "HTTP/1.1":
            raise _HeadError(505, f"the request is {self.request_version}, expected HTTP/1.1")
        if len(self.path) > MAX_TARGET or not _TARGET.match(self.path):
            raise _HeadError(
                400, "request target is not a path of at most 2048 printable characters"
            )
        if self.headers.defects:
            raise _HeadError(400, "the header section is malformed")
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            if not _NAME.match(name) or not _VALUE.match(value):
                raise _HeadError(400, "a header has a character that is not allowed or is folded")
            if name.lower() in headers:
                raise _HeadError(400, f"header '{name}' is repeated")
            headers[name.lower()] = value.strip(" \t")
        if "host" not in headers:
            raise _HeadError(400, "header 'Host' is missing")
        return headers

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") is not None:
            raise _HeadError(411, "the body must come with Content-Length")
        text = self.headers.get("Content-Length")
        if text is None:
            if self.command in ("PUT", "POST", "PATCH"):
                raise _HeadError(411, f"{self.command} needs Content-Length")
            return b""
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise _HeadError(400, "Content-Length is not a number")
        length = int(text)
        if length > MAX_BODY:
            raise _HeadError(413, f"the body is longer than {MAX_BODY} bytes")
        body = self.rfile.read(length)
        if len(body) != length:
            raise _HeadError(400, "the connection ended inside the body")
        return body

    def _send(self, response: Response) -> None:
        if response.cut == CUT_BEFORE:
            self._cut()
            return
        wire = self.wfile
        self.wfile = io.BytesIO()
        try:
            # The base class answers a request line without version as HTTP/0.9: without a status line.
            self.request_version = self.protocol_version
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            if response.status != 204:
                self.send_header("Content-Length", str(len(response.body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            head = self.wfile.getvalue()
        finally:
            self.wfile = wire
        data = head + response.body
        if response.cut == CUT_MIDDLE:
            self._write(data[: len(head) + len(response.body) // 2], response.trickle_s)
            self._cut()
        elif response.cut == CUT_RESET:
            self._write(data[: response.cut_at], response.trickle_s)
            self._reset()
        else:
            self._write(data, response.trickle_s)

    def _write(self, data: bytes, trickle_s: float) -> None:
        """Sends at once, or in many small pieces that take `trickle_s` together."""
        pieces = max(1, min(len(data), int(trickle_s / TRICKLE_STEP_S)))
        size = -(-len(data) // pieces)
        for start in range(0, len(data), max(size, 1)):
            if trickle_s > 0 and self.server.stopping.wait(trickle_s / pieces):
                break
            self.wfile.write(data[start : start + size])
            self.wfile.flush()

    def _reset(self) -> None:
        """Ends the connection with RST, after what was written has been taken by the peer."""
        self.close_connection = True
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        waiting = bytearray(4)
        while time.monotonic() < deadline:
            fcntl.ioctl(self.connection.fileno(), termios.TIOCOUTQ, waiting)
            if int.from_bytes(waiting, sys.byteorder) == 0:
                break
            time.sleep(0.002)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())  # an orderly end would come first otherwise

    def _cut(self) -> None:
        """Ends the connection as a dying machine would: without the TLS farewell."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def send_error(
        self, code: int, message: Optional[str] = None, explain: Optional[str] = None
    ) -> None:
        self.close_connection = True
        self._send(self.server.app.reject(int(code), message or "the request line is malformed"))

    def version_string(self) -> str:
        return SERVER_NAME

    def date_time_string(self, timestamp: Optional[float] = None) -> str:
        return super().date_time_string(self.server.app.date() if timestamp is None else timestamp)

    def log_message(
        self, format: str, *args: Any
    ) -> None:  # noqa: A002 (name given by the base class)
        """The journal keeps what matters; stderr stays quiet."""


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: Any, app: Application) -> None:
        self.app = app
        self.stopping = threading.Event()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is not news; anything else is a fault of the emulator itself."""
        error = sys.exc_info()[1]
        if isinstance(error, ssl.SSLError):
            self.app.tls_failed(str(error))
        elif not isinstance(error, OSError):
            traceback.print_exc()


class TlsServer(_Server):
    """A service on a TCP port; the handshake is made in the connection's own thread."""

    def __init__(self, address: tuple[str, int], app: Application, context: ssl.SSLContext) -> None:
        self.context = context  # may be replaced; new connections use it
        super().__init__(address, app)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return (
            self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False),
            address,
        )

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class PlainServer(_Server):
    """A service without TLS on a TCP port."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class UnixServer(_Server):
    """A service on a Unix socket, for its owner only."""

    address_family = socket.AF_UNIX

    def __init__(self, path: Path, app: Application) -> None:
        path.unlink(missing_ok=True)
        super().__init__(str(path), app)

    def server_bind(self) -> None:
        previous = os.umask(0o177)
        try:
            super().server_bind()
        finally:
            os.umask(previous)

    def get_request(self) -> tuple[Any, Any]:
        connection, _ = super().get_request()
        return connection, ("unix", 0)


def run(server: _Server, name: str) -> Callable[[], None]:
    """Serves in a thread of its own; the returned function stops it."""
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": STOP_POLL_S}, name=name, daemon=True
    )
    thread.start()

    def stop() -> None:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
