"""The IoT Hub over HTTP: module identities, and a door for the messages of each identity."""

from __future__ import annotations

import re
from typing import Any, Optional

from .faults import FaultPlan
from .frontend import Call, Frontend
from .hub import (
    UNAUTHORIZED,
    Authentication,
    Module,
    Registry,
    check_module_id,
    read_authentication,
)
from .journal import Journal
from .settings import Settings
from .wire import Malformed, Refusal, Response, check_members, json_response, read_json_object

API_VERSION = "2017-11-08-preview"
EVENT_API_VERSIONS = (API_VERSION, "2018-06-30", "2020-03-13", "2020-09-30", "2021-04-12")
NUMBERS = {
    "InvalidProtocolVersion": 400001,
    "ArgumentInvalid": 400004,
    UNAUTHORIZED: 401002,
    "DeviceNotFound": 404001,
    "ModuleNotFound": 404010,
    "ModuleAlreadyExistsOnDevice": 409301,
    "PreconditionFailed": 412001,
    "TooManyModulesOnDevice": 413003,
    "ThrottlingException": 429001,
    "ServerError": 500001,
    "ServiceUnavailable": 503001,
}
BY_STATUS = {
    400: "ArgumentInvalid",
    401: UNAUTHORIZED,
    404: "ModuleNotFound",
    409: "ModuleAlreadyExistsOnDevice",
    412: "PreconditionFailed",
    429: "ThrottlingException",
    503: "ServiceUnavailable",
}
MAX_MANAGED_BY = 128
READ_ONLY = {
    "generationId",
    "etag",
    "connectionState",
    "connectionStateUpdatedTime",
    "lastActivityTime",
    "cloudToDeviceMessageCount",
}
_ETAG = re.compile(r'\*|"[!#-~]{1,128}"')
_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|\[::1\]")


class HubApi(Frontend):
    """Answers devices and modules. State lives in `Registry`; nothing is kept here."""

    name = "hub"
    unauthorized_code = UNAUTHORIZED

    def __init__(
        self, registry: Registry, settings: Settings, faults: FaultPlan, journal: Journal
    ) -> None:
        super().__init__(settings, faults, journal)
        self._registry = registry

    def handle(self, call: Call) -> Response:
        parts = call.request.segments
        if len(parts) < 3 or parts[0] != "devices" or not parts[1]:
            raise Refusal(404, "", "no such resource", violation=True)
        call.client = parts[1]
        if parts[-2:] == ["messages", "events"]:
            return self._events(call, parts)
        if parts[2] != "modules" or len(parts) > 4:
            raise Refusal(404, "", "no such resource", violation=True)
        handler = self._route(call.request.method, len(parts), call.request.header("if-match"))
        call.route = handler[0]
        call.check_api_version((API_VERSION,), "InvalidProtocolVersion")
        call.step(handler[0])
        hub = self._authenticate(call, parts[1], None)
        return handler[1](call, hub, parts[1], check_module_id(parts[3]) if len(parts) == 4 else "")

    def _route(self, method: str, length: int, match: Optional[str]) -> tuple[str, Any]:
        if length == 3 and method == "GET":
            return "hub.list", self._list
        if length == 4 and method == "GET":
            return "hub.get", self._get
        if length == 4 and method == "PUT":
            return ("hub.create", self._create) if match is None else ("hub.update", self._update)
        if length == 4 and method == "DELETE":
            return "hub.delete", self._delete
        raise Refusal(405, "", f"{method} is not known here", violation=True)

    def _events(self, call: Call, parts: list[str]) -> Response:
        """Where a message of a device or module would go: shows that its token opens the door."""
        call.route = "hub.events"
        module_id = parts[3] if len(parts) == 6 and parts[2] == "modules" else None
        if module_id is None and len(parts) != 4:
            raise Refusal(404, "", "no such resource", violation=True)
        if call.request.method != "POST":
            raise Refusal(405, "", f"{call.request.method} is not known here", violation=True)
        call.check_api_version(EVENT_API_VERSIONS, "InvalidProtocolVersion")
        call.step("hub.events")
        self._authenticate(call, parts[1], module_id)
        return Response(204)

    def _authenticate(self, call: Call, device_id: str, module_id: Optional[str]) -> str:
        """Checks the caller's token or certificate; returns the hub that the request is for."""
        chain = call.chain()
        if chain is not None:
            hubs = self._registry.hubs_of(device_id)
            hub = self._hub_of(call, hubs[0] if len(hubs) == 1 else self.settings.hub_host)
            if module_id is not None:
                raise Refusal(
                    401, UNAUTHORIZED, f"module '{module_id}' proves itself by tokens", violation=True
                )
            self._registry.check_certificate(hub, device_id, chain)
            call.details["key"] = "certificate"
            return hub
        token = call.token()
        if token is None:
            raise Refusal(401, UNAUTHORIZED, "header 'Authorization' is missing", violation=True)
        hub = self._hub_of(call, token.resource.partition("/")[0])
        keys = self._registry.keys(hub, device_id, module_id)
        call.details["key"] = call.check_token(
            token, keys, self._registry.expectation(hub, device_id, module_id)
        )
        return hub

    def _hub_of(self, call: Call, token_hub: str) -> str:
        """One server stands for every hub: Host tells which, with or without the port.

        A client that reaches the hub by address says so in Host; then `token_hub` is taken: what its
        token names or, without one, the only hub that has the device.
        """
        host = (call.request.header("host") or "").lower()
        names = {name.lower() for name in self._registry.hub_names()}
        if host in names:
            return host
        bare = host.rpartition(":")[0] or host
        if bare in names:
            return bare
        if _LOOPBACK.fullmatch(bare) or _LOOPBACK.fullmatch(host):
            return token_hub
        raise Refusal(404, "DeviceNotFound", f"no hub answers to the host '{host}'", violation=True)

    def _list(self, call: Call, hub: str, device_id: str, module_id: str) -> Response:
        return json_response(
            200, [m.as_dict() for m in self._registry.list_modules(hub, device_id)]
        )

    def _get(self, call: Call, hub: str, device_id: str, module_id: str) -> Response:
        return _module_response(self._registry.get_module(hub, device_id, module_id))

    def _create(self, call: Call, hub: str, device_id: str, module_id: str) -> Response:
        managed_by, authentication = _read_module(call, device_id, module_id)
        return _module_response(
            self._registry.create_module(hub, device_id, module_id, managed_by, authentication)
        )

    def _update(self, call: Call, hub: str, device_id: str, module_id: str) -> Response:
        match = _read_match(call)
        managed_by, authentication = _read_module(call, device_id, module_id)
        return _module_response(
            self._registry.update_module(
                hub, device_id, module_id, match, managed_by, authentication
            )
        )

    def _delete(self, call: Call, hub: str, device_id: str, module_id: str) -> Response:
        self._registry.delete_module(hub, device_id, module_id, _read_match(call))
        return Response(204)

    def error_body(self, refusal: Refusal, request_id: str) -> Response:
        code = refusal.code or BY_STATUS.get(refusal.status, "ServerError")
        body = {
            "Message": f"ErrorCode:{code};{refusal.message}",
            "ExceptionMessage": f"Tracking ID:{request_id}",
        }
        number = NUMBERS.get(code, refusal.status * 1000)
        return json_response(refusal.status, body, {"iothub-errorcode": f"{number} {code}"})


def _read_match(call: Call) -> str:
    match = call.request.header("if-match")
    if match is None:
        raise Refusal(412, "PreconditionFailed", "header 'If-Match' is missing", violation=True)
    if not _ETAG.fullmatch(match):
        raise Malformed("If-Match is neither * nor one quoted ETag")
    return match


def _read_module(
    call: Call, device_id: str, module_id: str
) -> tuple[str, Optional[Authentication]]:
    call.check_content_type()
    body = read_json_object(call.request.body)
    check_members(
        body, "body", {"moduleId"}, {"deviceId", "managedBy", "authentication"} | READ_ONLY
    )
    if body["moduleId"] != module_id:
        raise Malformed("moduleId of the body is not the one of the path")
    if body.get("deviceId", device_id) != device_id:
        raise Malformed("deviceId of the body is not the one of the path")
    managed_by = body.get("managedBy")
    if managed_by is not None and (
        not isinstance(managed_by, str) or len(managed_by) > MAX_MANAGED_BY
    ):
        raise Malformed(f"managedBy is not a string of at most {MAX_MANAGED_BY} characters")
    given = body.get("authentication")
    return managed_by or "", None if given is None else read_authentication(given)


def _module_response(module: Module) -> Response:
    return json_response(200, module.as_dict(), {"ETag": f'"{module.etag}"'})
