"""The external provisioning endpoint: a local agent that hands an edge device its identity.

Over plain HTTP on loopback and on a Unix socket, api-version 2019-04-10. What it hands out is
set by the administrator; it knows neither DPS nor hub.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Mapping, Optional

from .enrollments import check_device_id
from .faults import FaultPlan
from .frontend import Call, Frontend
from .journal import Journal
from .settings import Settings, check_host
from .wire import Malformed, Refusal, Response, json_response, read_base64, to_base64

API_VERSION = "2019-04-10"
AUTH_TYPES = ("symmetric-key", "x509")
SOURCES = ("payload", "hsm")
STATUSES = ("assigned", "assigning", "disabled", "failed", "unassigned")
MAX_TEXT = 64 * 1024


def read_document(value: Mapping[str, Any]) -> dict[str, Any]:
    """The answer for a device from what the administrator says.

    `certificate` and `private_key` are PEM texts with source "payload", and references that are
    passed on as they are with source "hsm".
    """
    known = ("hub", "device_id", "auth_type", "source", "key", "certificate", "private_key")
    for name in value:
        if name not in (*known, "status", "substatus"):
            raise Malformed(f"unknown member '{name}' of the external device")
    auth_type, source = value.get("auth_type", AUTH_TYPES[0]), value.get("source", SOURCES[0])
    if auth_type not in AUTH_TYPES or source not in SOURCES:
        raise Malformed(f"auth_type is one of {AUTH_TYPES} and source one of {SOURCES}")
    credentials: dict[str, Any] = {"authType": auth_type, "source": source}
    if auth_type == "symmetric-key" and source == "payload":
        read_base64(value.get("key"), "key", 1, 1024)
        credentials["key"] = value["key"]
    if auth_type == "x509":
        for name, member in (
            ("certificate", "identityCert"),
            ("private_key", "identityPrivateKey"),
        ):
            text = value.get(name)
            if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT:
                raise Malformed(f"{name} must be a text")
            credentials[member] = to_base64(text.encode()) if source == "payload" else text
    document: dict[str, Any] = {
        "hubName": check_host(value.get("hub")),
        "deviceId": check_device_id(value.get("device_id")),
        "credentials": credentials,
    }
    for name in ("status", "substatus"):
        text = value.get(name)
        if text is not None:
            if not isinstance(text, str) or (name == "status" and text not in STATUSES):
                raise Malformed(f"{name} is not known")
            document[name] = text
    return document


class ExternalApi(Frontend):
    """Answers the device. The document survives a restart of the emulator."""

    name = "external"
    unauthorized_code = ""

    def __init__(
        self,
        settings: Settings,
        faults: FaultPlan,
        journal: Journal,
        lock: threading.RLock,
        changed: Callable[[], None],
    ) -> None:
        super().__init__(settings, faults, journal)
        self._lock = lock
        self._changed = changed
        self._document: Optional[dict[str, Any]] = None
        self._next: Optional[dict[str, Any]] = None

    def set_document(self, document: Optional[dict[str, Any]], *, at_reprovision: bool) -> None:
        """Now, or from the next reprovision request on. None: there is no device."""
        with self._lock:
            if at_reprovision:
                self._next = document
            else:
                self._document, self._next = document, None
            self._changed()

    def document(self) -> Optional[dict[str, Any]]:
        with self._lock:
            return self._document

    def restore(self, document: Optional[dict[str, Any]]) -> None:
        self._document = document

    def handle(self, call: Call) -> Response:
        paths = {
            ("GET", "provisioninginformation"): "external.get",
            ("POST", "reprovision"): "external.reprovision",
        }
        parts = call.request.segments
        step = paths.get((call.request.method, parts[-1]))
        if step is None or len(parts) != 2 or parts[0] != "device":
            raise Refusal(404, "", "no such resource", violation=True)
        call.route = step
        call.client = step
        call.check_api_version((API_VERSION,), "")
        call.step(step)
        if call.request.header("authorization") is not None:
            raise Refusal(400, "", "this endpoint takes no Authorization", violation=True)
        with self._lock:
            if step == "external.reprovision" and self._next is not None:
                self._document, self._next = self._next, None
                self._changed()
            if self._document is None:
                raise Refusal(404, "", "no device is configured here")
            return json_response(200, self._document)

    def error_body(self, refusal: Refusal, request_id: str) -> Response:
        return json_response(refusal.status, {"message": refusal.message})
