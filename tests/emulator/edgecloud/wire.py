"""What passes between the HTTP server and the services: requests, answers, refusals.

Also the strict readers for bytes of a client (base64, JSON), so that every service
refuses the same things with the same words.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional
from urllib.parse import unquote

MAX_JSON_DEPTH = 16


class Refusal(Exception):
    """A request that is answered with an error.

    `violation` says that the client broke the protocol, as opposed to a refusal that a
    correct client may meet (expired key, unknown device, throttling).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        violation: bool = False,
        headers: Optional[Mapping[str, str]] = None,
        members: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.violation = violation
        self.headers = dict(headers or {})
        self.members = dict(members or {})


class Malformed(ValueError):
    """Bytes of a client that do not have the required form; the text says what is wrong."""


@dataclass(frozen=True)
class Request:
    """One request whose head has passed the server's checks."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    certificates: tuple[bytes, ...] = ()  # DER, as the client's handshake presented them

    @property
    def segments(self) -> list[str]:
        """Path segments, percent-decoded one by one so that an encoded slash stays inside."""
        path = self.target.partition("?")[0]
        return [unquote(part, errors="strict") for part in path.split("/")[1:]]

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; a repeated or nameless one is malformed."""
        result: dict[str, str] = {}
        text = self.target.partition("?")[2]
        for part in text.split("&") if text else []:
            name, equals, value = part.partition("=")
            if not name or not equals or name in result:
                raise Malformed(f"query parameter '{name}' is empty or repeated")
            result[name] = unquote(value, errors="strict")
        return result

    def header(self, name: str) -> Optional[str]:
        return self.headers.get(name.lower())


@dataclass
class Response:
    """One answer. `cut` makes the connection end early, see CUT_* for how.

    `cut_at`: bytes of the answer, head included, before a reset. `trickle_s`: how long the
    answer takes to be delivered.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: Optional[str] = None
    cut_at: int = 0
    trickle_s: float = 0.0


CUT_BEFORE = "before"
CUT_MIDDLE = "middle"
CUT_RESET = "reset"


def json_response(status: int, value: Any, headers: Optional[Mapping[str, str]] = None) -> Response:
    body = json.dumps(value, separators=(",", ":")).encode()
    all_headers = {"Content-Type": "application/json; charset=utf-8"}
    all_headers.update(headers or {})
    return Response(status, body, all_headers)


def read_base64(text: Any, what: str, minimum: int, maximum: int) -> bytes:
    """Standard base64 with padding in its only canonical form."""
    if not isinstance(text, str):
        raise Malformed(f"{what} is not a string")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Malformed(f"{what} is not standard base64: {error}") from error
    if base64.b64encode(data).decode() != text:
        raise Malformed(f"{what} is not canonical base64")
    if not minimum <= len(data) <= maximum:
        raise Malformed(f"{what} has {len(data)} bytes, expected {minimum} to {maximum}")
    return data


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def read_json_object(body: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8 without repeated members, NaN or deep nesting."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise Malformed("a JSON object has a repeated member")
        return result

    def no_constant(name: str) -> Any:
        raise Malformed(f"{name} is not JSON")

    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed(f"body is not JSON in UTF-8: {error}") from error
    if not isinstance(value, dict):
        raise Malformed("body is not a JSON object")
    if _depth(value) > MAX_JSON_DEPTH:
        raise Malformed(f"JSON is nested deeper than {MAX_JSON_DEPTH}")
    return value


def _depth(value: Any) -> int:
    children = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    if children is None:
        return 0
    return 1 + max((_depth(child) for child in children), default=0)


def check_members(
    value: Mapping[str, Any], what: str, required: set[str], optional: set[str]
) -> None:
    """Names are compared exactly, so a member in the wrong case is named in the refusal."""
    known = required | optional
    by_lower = {name.lower(): name for name in known}
    for name in value:
        if name not in known:
            meant = by_lower.get(name.lower())
            hint = f", the name is '{meant}'" if meant else ""
            raise Malformed(f"{what} has an unknown member '{name}'{hint}")
    missing = sorted(required - set(value))
    if missing:
        raise Malformed(f"{what} lacks the member '{missing[0]}'")
