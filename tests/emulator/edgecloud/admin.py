"""The administrator's interface: what the tests set up, break and look at."""

from __future__ import annotations

import re
from typing import Any, Callable, Optional

from . import sas
from .dps import Dps, read_enrollment
from .faults import FaultPlan, read_fault
from .hub import Registry
from .journal import Journal
from .settings import Settings, check_host
from .wire import Malformed, Refusal, Request, Response, json_response, read_json_object

_RESOURCE = re.compile(r"([^/]+)/devices/([^/]+)(?:/modules/([^/]+))?\Z")


class Admin:
    """Application behind the Unix socket. Its caller owns the machine; errors are plain."""

    name = "admin"

    def __init__(
        self,
        dps: Dps,
        registry: Registry,
        settings: Settings,
        faults: FaultPlan,
        journal: Journal,
        changed: Callable[[], None],
    ) -> None:
        self._dps = dps
        self._registry = registry
        self._settings = settings
        self._faults = faults
        self._journal = journal
        self._changed = changed
        self._routes: dict[tuple[str, str], Callable[[list[str], dict[str, Any]], Any]] = {
            ("GET", "settings"): lambda names, body: self._settings.as_dict(),
            ("PATCH", "settings"): self._change_settings,
            ("GET", "enrollments"): lambda names, body: self._dps.enrollments(),
            ("POST", "enrollments"): self._enroll,
            ("PATCH", "enrollments"): self._change_enrollment,
            ("DELETE", "enrollments"): lambda names, body: self._dps.remove(_one(names)),
            ("GET", "devices"): lambda names, body: self._registry.devices(),
            ("DELETE", "devices"): self._delete_device,
            ("POST", "verify-token"): self._verify_token,
            ("GET", "faults"): lambda names, body: self._faults.listed(),
            ("POST", "faults"): lambda names, body: self._faults.add(read_fault(body)),
            ("DELETE", "faults"): lambda names, body: self._faults.clear(
                names[0] if names else None
            ),
            ("GET", "counters"): lambda names, body: self._journal.counters(),
            ("GET", "journal"): self._journal_list,
            ("DELETE", "journal"): lambda names, body: self._journal.reset(),
            ("POST", "reset"): self._reset,
        }

    def answer(self, request: Request) -> Response:
        try:
            segments = request.segments
            handler = self._routes.get((request.method, segments[0]))
            if handler is None:
                raise Refusal(404, "", f"no such call: {request.method} {request.target}")
            body = read_json_object(request.body) if request.body else {}
            return json_response(200, handler(segments[1:], body))
        except Refusal as refusal:
            return json_response(refusal.status, {"message": refusal.message})
        except (Malformed, UnicodeDecodeError) as error:
            return json_response(400, {"message": str(error)})

    def reject(self, status: int, message: str) -> Response:
        return json_response(status, {"message": message})

    def tls_failed(self, message: str) -> None:
        """There is no TLS on this socket."""

    def date(self) -> float:
        return self._settings.now()

    def _change_settings(self, names: list[str], body: dict[str, Any]) -> Any:
        self._settings.update(body)
        self._changed()
        return self._settings.as_dict()

    def _enroll(self, names: list[str], body: dict[str, Any]) -> Any:
        enrollment = read_enrollment(body)
        self._dps.enroll(enrollment)
        return enrollment.as_dict()

    def _change_enrollment(self, names: list[str], body: dict[str, Any]) -> Any:
        return self._dps.change(_one(names), body).as_dict()

    def _delete_device(self, names: list[str], body: dict[str, Any]) -> None:
        if len(names) != 2:
            raise Malformed("devices are deleted by /devices/HUB/DEVICE")
        self._registry.remove(check_host(names[0]), names[1])

    def _journal_list(self, names: list[str], body: dict[str, Any]) -> Any:
        entries = self._journal.entries(_one(names))
        if entries is None:
            raise Refusal(404, "", f"the journal has no '{names[0]}'")
        return entries

    def _verify_token(self, names: list[str], body: dict[str, Any]) -> Any:
        """Whether the hub would accept a token, and if not why; a refusal is an answer here."""
        text = body.get("token")
        if not isinstance(text, str):
            raise Malformed("token is missing")
        resource: Optional[str] = None
        try:
            token = sas.parse(text.strip())
            resource = token.resource
            parts = _RESOURCE.match(resource)
            if parts is None:
                raise sas.TokenError(
                    "sr is not {hub}/devices/{d} or {hub}/devices/{d}/modules/{m}", violation=True
                )
            hub, device_id, module_id = parts.groups()
            key = sas.verify(
                token,
                self._registry.keys(hub, device_id, module_id),
                self._registry.expectation(hub, device_id, module_id),
                self._settings.now(),
            )
        except sas.TokenError as error:
            return {"accepted": False, "resource": resource, "reason": str(error)}
        except Refusal as refusal:
            return {"accepted": False, "resource": resource, "reason": refusal.message}
        return {"accepted": True, "resource": resource, "key": key, "expiry": token.expiry}

    def _reset(self, names: list[str], body: dict[str, Any]) -> None:
        self._faults.clear()
        self._dps.forget()
        self._registry.forget()
        self._journal.reset()


def _one(names: list[str]) -> str:
    if len(names) != 1:
        raise Malformed("the call needs one name")
    return names[0]
