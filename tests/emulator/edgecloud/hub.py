"""The identity registry of an IoT Hub: devices, modules and their keys, without HTTP."""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Optional, Sequence

from cryptography import x509

from . import device_certs, sas
from .settings import Settings
from .wire import Malformed, Refusal, read_base64, to_base64

KEY_LEN = 32
MIN_KEY_LEN, MAX_KEY_LEN = 16, 64
SYSTEM_MODULES = ("$edgeAgent", "$edgeHub")
TICKS_AT_EPOCH = (
    621_355_968_000_000_000  # 100 ns since year 1; generation ids of the service are ticks
)
_MODULE_ID = re.compile(r"[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}\Z")

UNAUTHORIZED = "IotHubUnauthorizedAccess"


def check_module_id(text: str) -> str:
    if not _MODULE_ID.match(text):
        raise Malformed("module id must be 1 to 128 characters that a hub allows")
    return text


@dataclass
class Authentication:
    """How an identity proves itself: "none"; "sas" with two keys; devices also with a certificate,
    "selfSigned" (known by its thumbprint) or "certificateAuthority" (issued below `ca`, PEM)."""

    kind: str = "none"
    primary: Optional[bytes] = None
    secondary: Optional[bytes] = None
    thumbprints: tuple[str, ...] = ()
    ca: Optional[str] = None

    def keys(self) -> dict[str, bytes]:
        pairs = (("primary", self.primary), ("secondary", self.secondary))
        return {name: key for name, key in pairs if key is not None}

    def as_dict(self) -> dict[str, Any]:
        """Empty members are null, not left out: that is what the service sends."""
        keys = {
            f"{name}Key": to_base64(key) if key else None
            for name, key in (("primary", self.primary), ("secondary", self.secondary))
        }
        first, second = (*self.thumbprints, None, None)[:2]
        return {
            "type": self.kind,
            "symmetricKey": keys,
            "x509Thumbprint": {"primaryThumbprint": first, "secondaryThumbprint": second},
        }

    def check_certificate(
        self, device_id: str, chain: Sequence[x509.Certificate], now: float
    ) -> None:
        """Raises CertificateError unless the chain is the device's."""
        if self.kind == "selfSigned":
            if not device_certs.has_thumbprint(chain[0], self.thumbprints):
                raise device_certs.CertificateError("the certificate is not the one of the device")
            device_certs.check_leaf(chain[0], now)
        elif self.ca is not None:
            device_certs.verify_chain(chain, device_certs.read_pem(self.ca, "ca"), now)
            name = device_certs.common_name(chain[0])
            if name != device_id:
                raise device_certs.CertificateError(
                    f"the certificate's CN is '{name}', not the device id"
                )
        else:
            raise device_certs.CertificateError("the device proves itself by tokens")


def generated() -> Authentication:
    return Authentication("sas", os.urandom(KEY_LEN), os.urandom(KEY_LEN))


def by_thumbprint(thumbprints: Sequence[str]) -> Authentication:
    return Authentication("selfSigned", thumbprints=tuple(thumbprints))


def by_ca(pem: str) -> Authentication:
    return Authentication("certificateAuthority", ca=pem)


def read_authentication(value: Any) -> Authentication:
    """The member `authentication` of a module; type "sas" without keys lets the hub make them."""
    if not isinstance(value, dict):
        raise Malformed("authentication is not an object")
    for name in value:
        if name not in ("type", "symmetricKey", "x509Thumbprint"):
            raise Malformed(f"authentication has an unknown member '{name}'")
    kind, keys = value.get("type"), value.get("symmetricKey")
    if kind not in ("none", "sas"):
        raise Malformed(f"authentication type '{kind}' is not 'none' or 'sas'")
    if keys is not None and not isinstance(keys, dict):
        raise Malformed("symmetricKey is not an object")
    primary, secondary = (keys or {}).get("primaryKey"), (keys or {}).get("secondaryKey")
    for name in keys or {}:
        if name not in ("primaryKey", "secondaryKey"):
            raise Malformed(f"symmetricKey has an unknown member '{name}'")
    if kind == "none":
        if primary is not None or secondary is not None:
            raise Malformed("authentication type 'none' comes with keys")
        return Authentication()
    if primary is None and secondary is None:
        return generated()
    return Authentication(
        "sas",
        read_base64(primary, "primaryKey", MIN_KEY_LEN, MAX_KEY_LEN),
        read_base64(secondary, "secondaryKey", MIN_KEY_LEN, MAX_KEY_LEN),
    )


@dataclass
class Module:
    """One module identity."""

    module_id: str
    device_id: str
    generation_id: str
    managed_by: str = ""
    etag: str = ""
    authentication: Authentication = field(default_factory=Authentication)

    def as_dict(self) -> dict[str, Any]:
        return {
            "moduleId": self.module_id,
            "managedBy": self.managed_by,
            "deviceId": self.device_id,
            "generationId": self.generation_id,
            "etag": self.etag,
            "connectionState": "Disconnected",
            "connectionStateUpdatedTime": "0001-01-01T00:00:00",
            "lastActivityTime": "0001-01-01T00:00:00",
            "cloudToDeviceMessageCount": 0,
            "authentication": self.authentication.as_dict(),
        }


@dataclass
class Device:
    """One device identity and its modules."""

    hub: str
    device_id: str
    generation_id: str
    edge: bool
    authentication: Authentication
    modules: dict[str, Module] = field(default_factory=dict)
    enabled: bool = True

    def connection_string(self) -> str:
        """As an operator would copy it into config.yaml."""
        start = f"HostName={self.hub};DeviceId={self.device_id};"
        if self.authentication.primary is None:
            return f"{start}x509=true"
        return f"{start}SharedAccessKey={to_base64(self.authentication.primary)}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "hub": self.hub,
            "deviceId": self.device_id,
            "generationId": self.generation_id,
            "edge": self.edge,
            "status": "enabled" if self.enabled else "disabled",
            "connectionString": self.connection_string(),
            "ca": self.authentication.ca,
            "authentication": self.authentication.as_dict(),
            "modules": [m.as_dict() for m in self.modules.values()],
        }


class Registry:
    """All hubs of the emulator. Hub names compare without case, device and module ids with it."""

    def __init__(
        self, settings: Settings, lock: threading.RLock, changed: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._lock = lock
        self._changed = changed
        self._devices: dict[tuple[str, str], Device] = {}
        self._last_ticks = 0

    # What DPS and the administrator do

    def put_device(
        self, hub: str, device_id: str, how: Authentication, *, edge: bool
    ) -> dict[str, Any]:
        """Sets how the device proves itself. Its modules stay; a new edge device gets the system's."""
        with self._lock:
            device = self._devices.get((hub.lower(), device_id))
            if device is None:
                device = Device(hub, device_id, self._next_generation(), edge, Authentication())
                self._devices[(hub.lower(), device_id)] = device
                for module_id in SYSTEM_MODULES if edge else ():
                    device.modules[module_id] = Module(
                        module_id, device_id, self._next_generation(), "", _etag(), generated()
                    )
            device.authentication = how
            self._changed()
            return device.as_dict()

    def change_device(
        self,
        hub: str,
        device_id: str,
        *,
        how: Optional[Authentication] = None,
        enabled: Optional[bool] = None,
    ) -> dict[str, Any]:
        with self._lock:
            device = self._device(hub, device_id)
            device.authentication = how or device.authentication
            device.enabled = device.enabled if enabled is None else enabled
            self._changed()
            return device.as_dict()

    def authentication(self, hub: str, device_id: str) -> Authentication:
        with self._lock:
            return self._device(hub, device_id).authentication

    def remove(self, hub: str, device_id: str, *, missing_ok: bool = False) -> None:
        with self._lock:
            if self._devices.pop((hub.lower(), device_id), None) is None and not missing_ok:
                raise Refusal(404, "DeviceNotFound", f"no device '{device_id}' on hub '{hub}'")
            self._changed()

    def forget(self) -> None:
        with self._lock:
            self._devices.clear()
            self._changed()

    def devices(self) -> list[dict[str, Any]]:
        with self._lock:
            return [device.as_dict() for _, device in sorted(self._devices.items())]

    def hub_names(self) -> list[str]:
        with self._lock:
            return [self._settings.hub_host] + [device.hub for device in self._devices.values()]

    def restore(self, value: list[Mapping[str, Any]]) -> None:
        with self._lock:
            for item in value:
                device = Device(
                    item["hub"],
                    item["deviceId"],
                    item["generationId"],
                    item["edge"],
                    _restored(item["authentication"], item.get("ca")),
                    enabled=item.get("status") != "disabled",
                )
                for m in item["modules"]:
                    device.modules[m["moduleId"]] = Module(
                        m["moduleId"],
                        m["deviceId"],
                        m["generationId"],
                        m["managedBy"],
                        m["etag"],
                        read_authentication(m["authentication"]),
                    )
                    self._last_ticks = max(self._last_ticks, int(m["generationId"]))
                self._devices[(device.hub.lower(), device.device_id)] = device

    # Keys

    def keys(self, hub: str, device_id: str, module_id: Optional[str]) -> dict[str, bytes]:
        """Keys that may sign for a device or module; no such identity raises a 401 with the reason.

        Device and module are looked up without case: a token's resource may be lower-cased.
        """
        with self._lock:
            device = self._caller(hub, device_id)
            if module_id is None:
                if device.authentication.kind != "sas":
                    raise Refusal(
                        401, UNAUTHORIZED, f"device '{device_id}' proves itself by certificate"
                    )
                return device.authentication.keys()
            module = device.modules.get(module_id)
            if module is None:
                same = [m for n, m in device.modules.items() if n.lower() == module_id.lower()]
                module = same[0] if len(same) == 1 else None
            if module is None:
                raise Refusal(
                    401, UNAUTHORIZED, f"device '{device_id}' has no module '{module_id}'"
                )
            if not module.authentication.keys():
                raise Refusal(401, UNAUTHORIZED, f"module '{module_id}' has no keys")
            return module.authentication.keys()

    def check_certificate(
        self, hub: str, device_id: str, chain: Sequence[x509.Certificate]
    ) -> None:
        """Raises a 401 with the reason unless the chain is that of the device."""
        with self._lock:
            device = self._caller(hub, device_id)
        try:
            device.authentication.check_certificate(
                device.device_id, chain, self._settings.now()
            )
        except device_certs.CertificateError as error:
            raise Refusal(401, UNAUTHORIZED, str(error)) from error

    def hubs_of(self, device_id: str) -> list[str]:
        with self._lock:
            return [d.hub for d in self._devices.values() if d.device_id == device_id]

    def _caller(self, hub: str, device_id: str) -> Device:
        device = self._devices.get((hub.lower(), device_id))
        if device is None:
            found = [
                d
                for (h, name), d in self._devices.items()
                if h == hub.lower() and name.lower() == device_id.lower()
            ]
            device = found[0] if len(found) == 1 else None
        if device is None:
            raise Refusal(401, UNAUTHORIZED, f"no device '{device_id}' on hub '{hub}'")
        if not device.enabled:
            raise Refusal(401, UNAUTHORIZED, f"device '{device_id}' is disabled")
        return device

    def expectation(self, hub: str, device_id: str, module_id: Optional[str]) -> sas.Expectation:
        tail = f"/modules/{module_id}" if module_id is not None else ""
        return sas.Expectation(
            f"{hub}/devices/{device_id}{tail}", None, self._settings.hub_token_max_life
        )

    # What a device does

    def list_modules(self, hub: str, device_id: str) -> list[Module]:
        with self._lock:
            return list(self._device(hub, device_id).modules.values())

    def get_module(self, hub: str, device_id: str, module_id: str) -> Module:
        with self._lock:
            return self._module(hub, device_id, module_id)

    def create_module(
        self,
        hub: str,
        device_id: str,
        module_id: str,
        managed_by: str,
        authentication: Optional[Authentication],
    ) -> Module:
        """Adds a module; without `authentication` the hub makes its keys."""
        with self._lock:
            device = self._device(hub, device_id)
            if module_id in device.modules:
                raise Refusal(
                    409,
                    "ModuleAlreadyExistsOnDevice",
                    f"Module {module_id} already exists on device {device_id}",
                )
            if len(device.modules) >= self._settings.module_limit:
                raise Refusal(
                    413,
                    "TooManyModulesOnDevice",
                    f"A device has at most {self._settings.module_limit} modules",
                )
            module = Module(
                module_id,
                device_id,
                self._next_generation(),
                managed_by,
                _etag(),
                authentication or generated(),
            )
            device.modules[module_id] = module
            self._changed()
            return module

    def update_module(
        self,
        hub: str,
        device_id: str,
        module_id: str,
        match: str,
        managed_by: str,
        authentication: Optional[Authentication],
    ) -> Module:
        """Replaces the module; without `authentication` it keeps its keys."""
        with self._lock:
            module = self._matching(hub, device_id, module_id, match)
            module.managed_by = managed_by
            module.authentication = authentication or module.authentication
            module.etag = _etag()
            self._changed()
            return module

    def delete_module(self, hub: str, device_id: str, module_id: str, match: str) -> None:
        with self._lock:
            self._matching(hub, device_id, module_id, match)
            del self._device(hub, device_id).modules[module_id]
            self._changed()

    def _matching(self, hub: str, device_id: str, module_id: str, match: str) -> Module:
        module = self._module(hub, device_id, module_id)
        if match != "*" and match != f'"{module.etag}"':
            raise Refusal(
                412, "PreconditionFailed", f"If-Match is not the ETag of module {module_id}"
            )
        return module

    def _device(self, hub: str, device_id: str) -> Device:
        device = self._devices.get((hub.lower(), device_id))
        if device is None:
            raise Refusal(404, "DeviceNotFound", f"Device {device_id} not registered")
        return device

    def _module(self, hub: str, device_id: str, module_id: str) -> Module:
        module = self._device(hub, device_id).modules.get(module_id)
        if module is None:
            raise Refusal(
                404, "ModuleNotFound", f"Module {module_id} not found on device {device_id}"
            )
        return module

    def _next_generation(self) -> str:
        """Never the same twice, also when the clock stands still or goes back."""
        ticks = TICKS_AT_EPOCH + time.time_ns() // 100
        self._last_ticks = max(ticks, self._last_ticks + 1)
        return str(self._last_ticks)


def _restored(value: Mapping[str, Any], ca: Optional[str]) -> Authentication:
    """The authentication of a device from the state file."""
    if ca is not None:
        return by_ca(ca)
    if value["type"] == "selfSigned":
        return by_thumbprint([text for text in value["x509Thumbprint"].values() if text])
    return read_authentication(value)


def _etag() -> str:
    return to_base64(secrets.token_bytes(9))
