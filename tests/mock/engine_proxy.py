"""A real container engine behind a socket that misbehaves when told to: whatever has no fault goes through.

One more kind of fault than the scripted engine has: "lost", a call that is done and whose answer does not arrive.
"""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from typing import Any, Optional

from engine_mock import Fault, MockEngine, _Handler

PASSED_ON = ("Content-Type", "X-Registry-Auth")


class _Upstream(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=600)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


class Forwarder(_Handler):
    def _obey(self, method: str, path: str, versioned: Optional[Any]) -> None:
        self._forward()

    def _misbehave(self, fault: Fault) -> None:
        if fault.kind == "lost":
            self._forward(lost=True)
        else:
            super()._misbehave(fault)

    def _forward(self, lost: bool = False) -> None:
        engine = self.server.engine
        assert isinstance(engine, EngineProxy)
        upstream = _Upstream(engine.upstream)
        try:
            headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
            upstream.request(self.command, self.path, self.body or None, headers)
            engine.calls.add(upstream)
            answer = upstream.getresponse()
            if lost:
                answer.read()
                self.close_connection = True
            else:
                self._pass_back(answer)
        except OSError:
            self.close_connection = True
        finally:
            engine.calls.discard(upstream)
            upstream.close()

    def _pass_back(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        length = answer.getheader("Content-Length")
        if (kind := answer.getheader("Content-Type")) is not None:
            self.send_header("Content-Type", kind)
        chunked = length is None and answer.status not in (204, 304)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        while data := answer.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")


class EngineProxy(MockEngine):
    """`upstream` is the socket of the real one."""

    handler = Forwarder

    def __init__(self, path: Path, upstream: Path) -> None:
        super().__init__(path)
        self.upstream = upstream
        self.calls: set[_Upstream] = set()

    def stop(self) -> None:
        super().stop()
        for call in list(self.calls):
            if call.sock is not None:
                call.sock.shutdown(socket.SHUT_RDWR)
