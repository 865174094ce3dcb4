"""Scripted failures: which step fails, how, and when.

A step is a point in the conversation that a test names; the services ask the plan at each
of them. Failures that replace an answer happen before the step has any effect; failures
of the wire (a cut connection, a damaged body) happen after it, as they do in reality.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, fields
from email.utils import formatdate
from typing import Any, Mapping, Optional

from .tpm_blob import FIELD_COUNT, BlobShape
from .wire import CUT_BEFORE, CUT_MIDDLE, CUT_RESET, Malformed, Refusal, Response

CHALLENGE, ASSIGNED = "dps.register.challenge", "dps.assigned"
POLL_STEPS = ("dps.operation", ASSIGNED)
BLOB_STEPS = (CHALLENGE, ASSIGNED)
STEPS = (
    "dps.register",
    "dps.register.first",
    CHALLENGE,
    "dps.register.second",
    "dps.operation",
    ASSIGNED,
    "dps.lookup",
    "hub.list",
    "hub.get",
    "hub.create",
    "hub.update",
    "hub.delete",
    "hub.events",
    "external.get",
    "external.reprovision",
)

STATE_KINDS = ("failed", "disabled", "unassigned")
BLOB_KINDS = ("wrong-srk", "corrupt-field", "padded-private", "no-field6", "field6-length")
WIRE_KINDS = (
    "truncated-json",
    "oversized-json",
    "content-type",
    "close-before",
    "close-middle",
    "reset",
    "trickle",
)
KINDS = ("status", "delay", "no-key", *STATE_KINDS, *BLOB_KINDS, *WIRE_KINDS)

MAX_TIMES = 1_000_000
MAX_DELAY_S = 3600.0
MAX_BODY = 64 * 1024 * 1024
DEFAULT_OVERSIZE = 2 * 1024 * 1024
MAX_FAULTS = 256


@dataclass
class Fault:
    """One failure. `times` None means always; `after` hits pass unharmed first."""

    step: str
    kind: str
    times: Optional[int] = 1
    after: int = 0
    status: int = 500
    error_code: Optional[str] = None
    retry_after: Optional[int] = None
    retry_after_date: bool = False
    field: int = 1
    length: int = 200
    seconds: float = 1.0
    size: int = DEFAULT_OVERSIZE
    offset: int = 0
    fired: int = 0

    def blob_shape(self) -> BlobShape:
        if self.kind == "wrong-srk":
            return BlobShape(wrong_srk=True)
        if self.kind == "corrupt-field":
            return BlobShape(corrupt_field=self.field)
        if self.kind == "padded-private":
            return BlobShape(padded_auth=True)
        if self.kind == "no-field6":
            return BlobShape(field6="absent")
        if self.kind == "field6-length":
            return BlobShape(field6=str(self.length))
        return BlobShape()

    def refuse(self, now: float) -> None:
        """Raises the refusal of a `status` fault; other kinds do not refuse."""
        if self.kind != "status":
            return
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = (
                formatdate(now + self.retry_after, usegmt=True)
                if self.retry_after_date
                else str(self.retry_after)
            )
        raise Refusal(
            self.status, self.error_code or "", f"scripted failure at {self.step}", headers=headers
        )

    def damage(self, response: Response) -> Response:
        """The answer as a broken wire or proxy would deliver it."""
        if self.kind == "truncated-json":
            response.body = response.body[: len(response.body) // 2]
        elif self.kind == "oversized-json":
            response.body = _grow(response.body, self.size)
        elif self.kind == "content-type":
            response.headers["Content-Type"] = "text/html"
        elif self.kind == "close-before":
            response.cut = CUT_BEFORE
        elif self.kind == "close-middle":
            response.cut = CUT_MIDDLE
        elif self.kind == "reset":
            response.cut, response.cut_at = CUT_RESET, self.offset
        elif self.kind == "trickle":
            response.trickle_s = self.seconds
        return response


def _grow(body: bytes, size: int) -> bytes:
    """The same JSON with one junk member, so that a reader without a limit would accept it."""
    value = json.loads(body) if body else {}
    if isinstance(value, list):
        value.append({"padding": "x" * size})
    else:
        value["padding"] = "x" * size
    return json.dumps(value).encode()


_BOUNDS = {
    "times": (1, MAX_TIMES),
    "after": (0, MAX_TIMES),
    "status": (100, 599),
    "retry_after": (0, 86400),
    "field": (1, FIELD_COUNT - 1),
    "length": (0, 1024),
    "seconds": (0, MAX_DELAY_S),
    "size": (1, MAX_BODY),
    "offset": (0, MAX_BODY),
}


def read_fault(value: Mapping[str, Any]) -> Fault:
    """A fault from the admin interface, with every member checked."""
    names = {f.name for f in fields(Fault)} - {"fired"}
    for name in value:
        if name not in names:
            raise Malformed(f"fault has an unknown member '{name}'")
    step, kind = value.get("step"), value.get("kind")
    if step not in STEPS:
        raise Malformed(f"unknown step '{step}', known: {', '.join(STEPS)}")
    if kind not in KINDS:
        raise Malformed(f"unknown kind '{kind}', known: {', '.join(KINDS)}")
    allowed = (
        BLOB_STEPS
        if kind in BLOB_KINDS or kind == "no-key"
        else POLL_STEPS if kind in STATE_KINDS else STEPS
    )
    if step not in allowed:
        raise Malformed(f"kind '{kind}' makes sense only at {', '.join(allowed)}")
    for name, (low, high) in _BOUNDS.items():
        number = value.get(name)
        if name not in value or (number is None and name in ("times", "retry_after")):
            continue
        if (
            isinstance(number, bool)
            or not isinstance(number, (int, float))
            or not low <= number <= high
        ):
            raise Malformed(f"{name} must be a number from {low} to {high}")
        if name != "seconds" and not isinstance(number, int):
            raise Malformed(f"{name} must be a whole number")
    if not isinstance(value.get("error_code", ""), (str, type(None))):
        raise Malformed("error_code must be a string")
    if not isinstance(value.get("retry_after_date", False), bool):
        raise Malformed("retry_after_date must be true or false")
    return Fault(**value)


class FaultPlan:
    """The scripted faults. A spent one stays listed, so that a test can see that it fired.

    Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            if len(self._faults) >= MAX_FAULTS:
                self._faults = [f for f in self._faults if f.times != 0]
            if len(self._faults) >= MAX_FAULTS:
                raise Malformed(f"more than {MAX_FAULTS} faults")
            self._faults.append(fault)

    def clear(self, step: Optional[str] = None) -> None:
        with self._lock:
            self._faults = [f for f in self._faults if step is not None and f.step != step]
            self._lock.notify_all()

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def hold(self, fault: Fault) -> None:
        """Waits out a delay, or until the fault is cleared: a test may hold a request and let go."""
        with self._lock:
            self._lock.wait_for(lambda: all(f is not fault for f in self._faults), fault.seconds)

    def take(self, step: str) -> Optional[Fault]:
        """The fault that strikes this passage of `step`, if one does."""
        with self._lock:
            for fault in self._faults:
                if fault.step != step or fault.times == 0:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                fault.fired += 1
                return fault
        return None
