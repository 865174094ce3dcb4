"""The administrator's interface: what the tests set up, break and look at."""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping, Optional

from . import device_certs, sas
from .dps import Dps
from .enrollments import check_device_id, read_enrollment, read_group, read_key
from .external import ExternalApi, read_document
from .faults import FaultPlan, read_fault
from .hub import Authentication, Registry, by_ca, by_thumbprint
from .journal import Journal
from .pki import CERTIFICATE_KINDS, TLS_KINDS
from .settings import Settings, check_host
from .wire import Malformed, Refusal, Request, Response, json_response, read_json_object

CREDENTIALS = ("primary_key", "secondary_key", "thumbprints", "certificate", "ca")
_RESOURCE = re.compile(r"([^/]+)/devices/([^/]+)(?:/modules/([^/]+))?\Z")


class Admin:
    """Application behind the Unix socket. Its caller owns the machine; errors are plain."""

    name = "admin"

    def __init__(
        self,
        dps: Dps,
        registry: Registry,
        external: ExternalApi,
        settings: Settings,
        faults: FaultPlan,
        journal: Journal,
        changed: Callable[[], None],
        change_tls: Callable[[str, str], None],
    ) -> None:
        self._external = external
        self._change_tls = change_tls
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
            ("GET", "groups"): lambda names, body: self._dps.groups(),
            ("POST", "groups"): self._enroll_group,
            ("PATCH", "groups"): lambda names, body: self._dps.change_group(
                _one(names), body
            ).as_dict(),
            ("DELETE", "groups"): lambda names, body: self._dps.remove_group(_one(names)),
            ("POST", "devices"): self._create_device,
            ("PATCH", "devices"): self._change_device,
            ("DELETE", "devices"): self._delete_device,
            ("GET", "external"): lambda names, body: self._external.document(),
            ("PUT", "external"): self._set_external,
            ("DELETE", "external"): lambda names, body: self._external.set_document(
                None, at_reprovision=False
            ),
            ("PATCH", "tls"): self._set_tls,
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

    def _enroll_group(self, names: list[str], body: dict[str, Any]) -> Any:
        group = read_group(body)
        self._dps.enroll_group(group)
        return group.as_dict()

    def _create_device(self, names: list[str], body: dict[str, Any]) -> Any:
        """A device that no DPS knows of."""
        _check_names(body, ("hub", "device_id", "edge", *CREDENTIALS))
        hub = check_host(body.get("hub") or self._settings.hub_host)
        device_id = check_device_id(body.get("device_id"))
        edge = body.get("edge", True)
        if not isinstance(edge, bool):
            raise Malformed("edge must be true or false")
        if device_id in [d["deviceId"] for d in self._registry.devices() if d["hub"] == hub]:
            raise Refusal(409, "", f"hub '{hub}' has a device '{device_id}'")
        how = _read_credentials(body) or _keys({})
        return self._registry.put_device(hub, device_id, how, edge=edge)

    def _change_device(self, names: list[str], body: dict[str, Any]) -> Any:
        """Enables, disables, or gives another credential; `rotate` makes new keys.

        `rotate`: "primary", "secondary" or "both"; `swap` exchanges the two keys.
        """
        hub, device_id = _hub_and_device(names)
        _check_names(body, ("enabled", "rotate", "swap", *CREDENTIALS))
        enabled, rotate = body.get("enabled"), body.get("rotate")
        if not isinstance(enabled, (bool, type(None))):
            raise Malformed("enabled must be true or false")
        how = _read_credentials(body)
        if rotate is not None or body.get("swap"):
            old = self._registry.authentication(hub, device_id)
            if old.kind != "sas" or rotate not in (None, "primary", "secondary", "both"):
                raise Malformed("rotate is primary, secondary or both, of a device with keys")
            primary = read_key({}, "") if rotate in ("primary", "both") else old.primary
            secondary = read_key({}, "") if rotate in ("secondary", "both") else old.secondary
            if body.get("swap"):
                primary, secondary = secondary, primary
            how = Authentication("sas", primary, secondary)
        return self._registry.change_device(hub, device_id, how=how, enabled=enabled)

    def _delete_device(self, names: list[str], body: dict[str, Any]) -> None:
        self._registry.remove(*_hub_and_device(names))

    def _set_external(self, names: list[str], body: dict[str, Any]) -> Any:
        values = dict(body)
        later = values.pop("at_reprovision", False) is True
        document = read_document(values)
        self._external.set_document(document, at_reprovision=later)
        return document

    def _set_tls(self, names: list[str], body: dict[str, Any]) -> None:
        certificate, tls = body.get("certificate", "good"), body.get("tls", "modern")
        if certificate not in CERTIFICATE_KINDS or tls not in TLS_KINDS:
            raise Malformed(f"certificate is one of {CERTIFICATE_KINDS}, tls one of {TLS_KINDS}")
        self._change_tls(certificate, tls)

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
        self._external.set_document(None, at_reprovision=False)
        self._journal.reset()


def _one(names: list[str]) -> str:
    if len(names) != 1:
        raise Malformed("the call needs one name")
    return names[0]


def _hub_and_device(names: list[str]) -> tuple[str, str]:
    if len(names) != 2:
        raise Malformed("devices are named /devices/HUB/DEVICE")
    return check_host(names[0]), names[1]


def _check_names(body: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in body:
        if name not in known:
            raise Malformed(f"unknown member '{name}', known: {', '.join(known)}")


def _read_credentials(body: Mapping[str, Any]) -> Optional[Authentication]:
    """How a device proves itself to its hub, None where nothing is said of it."""
    if body.get("ca") is not None:
        return by_ca("".join(device_certs.to_pem(c) for c in device_certs.read_pem(body["ca"], "ca")))
    if body.get("certificate") is not None:
        leaf = device_certs.read_pem(body["certificate"], "certificate")[0]
        return by_thumbprint([device_certs.thumbprint(leaf)])
    given = body.get("thumbprints")
    if given:
        if not isinstance(given, list) or len(given) > 2:
            raise Malformed("thumbprints must be a list of one or two")
        return by_thumbprint([device_certs.read_thumbprint(text) for text in given])
    if body.get("primary_key") is not None or body.get("secondary_key") is not None:
        return _keys(body)
    return None


def _keys(body: Mapping[str, Any]) -> Authentication:
    return Authentication("sas", read_key(body, "primary_key"), read_key(body, "secondary_key"))
