"""An HTTP client that is as strict on the wire as edgeAgent's own (C#): needs no other file of the tests, so that it also runs
inside a container.

One connection for each request, with `Connection: close`; the answer is read to the end of the stream, and what comes after its
body is an error. Where that client would misunderstand an answer, this one raises WireError.
"""

from __future__ import annotations

import http
import json
import socket
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Optional

CHUNK = 8192
CONTENT_HEADERS = ("content-length", "content-type", "content-encoding", "transfer-encoding")


class WireError(Exception):
    """That client would have thrown."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        if self.headers.get("content-type") != "application/json":
            raise WireError(f"content type {self.headers.get('content-type')}")
        if "content-length" not in self.headers:
            raise WireError("JSON without Content-Length")
        return json.loads(self.body.decode("utf-8"))


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("ascii").split("\r\n")
    parts = lines[0].split(" ", 2)
    if len(parts) != 3 or parts[0] != "HTTP/1.1" or not parts[2]:
        raise WireError(f"status line {lines[0]!r}")
    status = int(parts[1])
    if status not in set(http.HTTPStatus):
        raise WireError(f"status {status} has no name")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or "\n" in line or "\r" in line:
            raise WireError(f"header {line!r}")
        if name in headers and name in CONTENT_HEADERS:
            raise WireError(f"{name} twice")
        headers[name] = value.strip()
    return status, headers


def _chunks(read_line: Callable[[], bytes], read: Callable[[int], bytes]) -> Iterator[bytes]:
    while True:
        line = read_line()
        size = int(line, 16)
        if size == 0:
            if read_line() != b"":
                raise WireError("no end after the last chunk")
            return
        data = read(size)
        if len(data) != size or read_line() != b"":
            raise WireError("a chunk has not the length it tells")
        yield data


class Exchange:
    """One request. `status` and `headers` are there at once; the body comes by `chunks` or `read`."""

    def __init__(self, path: str, method: str, target: str, body: Any = None, timeout_s: float = 300.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._socket.connect(path)
        self._in = self._socket.makefile("rb", CHUNK)
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {target} HTTP/1.1\r\nHost: {path.rsplit('/', 1)[-1]}:80\r\nConnection: close\r\n"
        if body is not None:
            head += f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(data)}\r\n"
        self._socket.sendall(head.encode("ascii") + b"\r\n")
        if data:
            self._socket.sendall(data)  # its stream is written after the head
        self.status, self.headers = _parse_head(self._read_head())

    def _line(self) -> bytes:
        line = self._in.readline()
        if not line.endswith(b"\r\n"):
            raise WireError(f"line {line[:80]!r} does not end")
        return line[:-2]

    def _read_head(self) -> bytes:
        lines = []
        while line := self._line():
            lines.append(line)
        return b"\r\n".join(lines)

    def chunks(self) -> Iterator[bytes]:
        """A chunked body as it comes."""
        if self.headers.get("transfer-encoding") != "chunked" or "content-length" in self.headers:
            raise WireError(f"not chunked: {self.headers}")
        return _chunks(self._line, self._in.read)

    def read(self) -> Answer:
        """All of it, to the end of the stream."""
        if "transfer-encoding" in self.headers:
            body = b"".join(self.chunks())
            rest = self._in.read()
        else:
            rest = self._in.read()
            size: Optional[int] = int(self.headers["content-length"]) if "content-length" in self.headers else len(rest)
            body, rest = rest[:size], rest[size:]
            if size is not None and len(body) != size:
                raise WireError(f"{len(body)} bytes of {size}")
        if rest:
            raise WireError(f"{len(rest)} bytes after the body")
        self.close()
        return Answer(self.status, self.headers, body)

    def close(self) -> None:
        self._in.close()
        self._socket.close()


def ask(path: str, method: str, target: str, body: Any = None, timeout_s: float = 300.0) -> Answer:
    """One whole exchange."""
    return Exchange(path, method, target, body, timeout_s).read()


def frames(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """The engine's frames of a log, cut out of whatever pieces they come in: 1 for output or 2 for errors, and the text."""
    data = b""
    for chunk in chunks:
        data += chunk
        while len(data) >= 8:
            if data[0] not in (0, 1, 2) or data[1:4] != b"\0\0\0":
                raise WireError(f"frame {data[:8]!r}")
            size = int.from_bytes(data[4:8], "big")
            if len(data) < 8 + size:
                break
            yield data[0], data[8:8 + size]
            data = data[8 + size:]
    if data:
        raise WireError(f"{len(data)} bytes of a frame at the end")
