"""Python client of the administrator's interface, for `emulator ctl` and for tests."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Optional, Union
from urllib.parse import quote

TIMEOUT_S = 30.0


class AdminError(Exception):
    """The emulator refused a call; the text is its reason."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class AdminClient:
    """One method per call, each on a connection of its own, so threads may share a client."""

    def __init__(self, socket_path: Union[str, Path]) -> None:
        self._path = str(socket_path)

    def call(self, method: str, *names: str, body: Optional[dict[str, Any]] = None) -> Any:
        connection = _UnixConnection(self._path)
        try:
            data = json.dumps(body or {}).encode()
            target = "/" + "/".join(quote(name, safe="") for name in names)
            connection.request(method, target, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            value = json.loads(response.read())
        except OSError as error:
            raise AdminError(f"no emulator answers at {self._path}: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise AdminError(value["message"])
        return value

    def settings(self) -> dict[str, Any]:
        return self.call("GET", "settings")

    def change_settings(self, **values: Any) -> dict[str, Any]:
        return self.call("PATCH", "settings", body=values)

    def enroll(self, endorsement_key: str, **values: Any) -> dict[str, Any]:
        """Enrolls a TPM by its EK (base64 of TPM2B_PUBLIC); returns the enrollment."""
        return self.call("POST", "enrollments", body={"endorsement_key": endorsement_key, **values})

    def enroll_key(
        self, registration_id: str, primary_key: Optional[str] = None, **values: Any
    ) -> dict[str, Any]:
        """Enrolls a device by symmetric key (base64); returned keys are random unless given."""
        body = {"attestation": "symmetric-key", "registration_id": registration_id, **values}
        return self.call("POST", "enrollments", body={**body, "primary_key": primary_key})

    def enroll_x509(self, certificate: Optional[str] = None, **values: Any) -> dict[str, Any]:
        """Enrolls a device by its certificate (PEM; the CN is the registration id), or by
        `thumbprints` and `registration_id`. `secondary_certificate` may be given too."""
        body = {"attestation": "x509", "certificate": certificate, **values}
        return self.call("POST", "enrollments", body=body)

    def enroll_key_group(
        self, name: str, primary_key: Optional[str] = None, **values: Any
    ) -> dict[str, Any]:
        """A group of devices whose keys derive from the group's (`support.keys.derive_key`)."""
        body = {"attestation": "symmetric-key", "name": name, **values}
        return self.call("POST", "groups", body={**body, "primary_key": primary_key})

    def enroll_x509_group(self, name: str, ca: str, **values: Any) -> dict[str, Any]:
        """A group of devices whose certificates lead to `ca` (PEM).

        `hub_auth="ca"`: the hub, too, trusts the CA; default is the thumbprint of the leaf that
        registered, so that a renewed certificate must register again.
        """
        return self.call("POST", "groups", body={"attestation": "x509", "name": name, "ca": ca, **values})

    def groups(self) -> list[dict[str, Any]]:
        return self.call("GET", "groups")

    def change_group(self, name: str, **values: Any) -> dict[str, Any]:
        return self.call("PATCH", "groups", name, body=values)

    def remove_group(self, name: str) -> None:
        self.call("DELETE", "groups", name)

    def enrollments(self) -> list[dict[str, Any]]:
        return self.call("GET", "enrollments")

    def change_enrollment(self, registration_id: str, **values: Any) -> dict[str, Any]:
        return self.call("PATCH", "enrollments", registration_id, body=values)

    def remove_enrollment(self, registration_id: str) -> None:
        self.call("DELETE", "enrollments", registration_id)

    def devices(self) -> list[dict[str, Any]]:
        return self.call("GET", "devices")

    def device(self, device_id: str, hub: Optional[str] = None) -> Optional[dict[str, Any]]:
        """The device of this name, on any hub unless one is given."""
        found = [
            d
            for d in self.devices()
            if d["deviceId"] == device_id and (hub is None or d["hub"].lower() == hub.lower())
        ]
        return found[0] if found else None

    def create_device(self, device_id: str, **values: Any) -> dict[str, Any]:
        """A hub device without DPS; see its `connectionString`. Values: hub, edge, and one of
        primary_key/secondary_key (default: random), thumbprints, certificate (PEM), ca (PEM)."""
        return self.call("POST", "devices", body={"device_id": device_id, **values})

    def change_device(self, hub: str, device_id: str, **values: Any) -> dict[str, Any]:
        """enabled=, rotate="primary"|"secondary"|"both", swap=True, or a credential as above."""
        return self.call("PATCH", "devices", hub, device_id, body=values)

    def connection_string(self, device_id: str, hub: Optional[str] = None) -> str:
        found = self.device(device_id, hub)
        if found is None:
            raise AdminError(f"no device '{device_id}'")
        return str(found["connectionString"])

    def external(self) -> Optional[dict[str, Any]]:
        """What the external provisioning endpoint hands out."""
        return self.call("GET", "external")

    def set_external(self, device_id: str, hub: str, **values: Any) -> dict[str, Any]:
        """auth_type="symmetric-key"|"x509", source="payload"|"hsm", key=, certificate=,
        private_key=, status=, substatus=; at_reprovision=True: from the next POST on."""
        return self.call("PUT", "external", body={"device_id": device_id, "hub": hub, **values})

    def clear_external(self) -> None:
        self.call("DELETE", "external")

    def set_tls(self, certificate: str = "good", tls: str = "modern") -> None:
        """From the next connection on: good, expired, untrusted, wrong-name; modern, 1.1."""
        self.call("PATCH", "tls", body={"certificate": certificate, "tls": tls})

    def delete_device(self, hub: str, device_id: str) -> None:
        self.call("DELETE", "devices", hub, device_id)

    def verify_token(self, token: str) -> dict[str, Any]:
        return self.call("POST", "verify-token", body={"token": token})

    def set_fault(self, step: str, kind: str, **values: Any) -> None:
        self.call("POST", "faults", body={"step": step, "kind": kind, **values})

    def faults(self) -> list[dict[str, Any]]:
        return self.call("GET", "faults")

    def clear_faults(self, step: Optional[str] = None) -> None:
        self.call("DELETE", "faults", *([step] if step else []))

    def counters(self) -> dict[str, dict[str, int]]:
        return self.call("GET", "counters")

    def count(self, step: str, status: Optional[int] = None) -> int:
        """Requests that passed a step, or those of them that were answered with one status."""
        return self.counters().get(step, {}).get("requests" if status is None else str(status), 0)

    def journal(self, name: str) -> list[dict[str, Any]]:
        return self.call("GET", "journal", name)

    def violations(self) -> list[dict[str, Any]]:
        return self.journal("violations")

    def clear_journal(self) -> None:
        self.call("DELETE", "journal")

    def reset(self) -> None:
        self.call("POST", "reset")
