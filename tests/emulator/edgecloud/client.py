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
