"""Enrollments and registrations of the Device Provisioning Service, without HTTP.

A TPM proves itself by decrypting: the first, anonymous request is answered with a key that
only the enrolled TPM can unwrap; whatever is signed with that key afterwards comes from it.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Mapping, Optional

from . import sas
from .hub import Registry
from .settings import Settings, check_host
from .tpm_blob import (
    BlobShape,
    StorageKey,
    build_blob,
    default_registration_id,
    read_endorsement_key,
)
from .wire import Malformed, Refusal, read_base64, to_base64

KEY_LEN = 32
MAX_PUBLIC_LEN = 1024
KEY_NAME = "registration"
_REGISTRATION_ID = re.compile(r"[A-Za-z0-9\-._:]{0,127}[A-Za-z0-9\-]\Z")
_DEVICE_ID = re.compile(r"[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}\Z")

ERR_ENROLLMENT = "401002"
ERR_TOKEN = "401000"
ERR_REGISTRATION = "404201"
ERR_OPERATION = "404202"


def check_registration_id(text: Any) -> str:
    if not isinstance(text, str) or not _REGISTRATION_ID.match(text):
        raise Malformed(
            "registration id must be 1 to 128 of letters, digits, '-', '.', '_', ':' "
            "and end in a letter, digit or '-'"
        )
    return text


@dataclass
class Enrollment:
    """One TPM that may register."""

    registration_id: str
    endorsement_key: bytes
    device_id: str
    hub: Optional[str] = None  # None: the default hub
    enabled: bool = True
    edge: bool = True

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "endorsement_key": to_base64(self.endorsement_key)}


def read_enrollment(value: Mapping[str, Any]) -> Enrollment:
    """An enrollment from the administrator or from what `iotedge tpm info --json` prints.

    That output has more members than an enrollment, so unknown ones are ignored here.
    """
    ek = read_base64(value.get("endorsement_key"), "endorsement_key", 1, MAX_PUBLIC_LEN)
    read_endorsement_key(ek)
    registration_id = check_registration_id(
        value.get("registration_id") or default_registration_id(ek)
    )
    device_id = value.get("device_id") or registration_id
    if not isinstance(device_id, str) or not _DEVICE_ID.match(device_id):
        raise Malformed("device_id must be 1 to 128 characters that a hub allows")
    hub = value.get("hub")
    if hub is not None:
        check_host(hub)
    enabled, edge = value.get("enabled", True), value.get("edge", True)
    if not isinstance(enabled, bool) or not isinstance(edge, bool):
        raise Malformed("enabled and edge must be true or false")
    return Enrollment(registration_id, ek, device_id, hub, enabled, edge)


@dataclass
class Challenge:
    """The key that was sent in a 401, and for whom."""

    key: bytes
    ek: StorageKey
    srk: StorageKey


@dataclass
class Operation:
    """A registration under way. `hub_key` is set once the device is assigned."""

    operation_id: str
    challenge: Challenge
    polls_left: int
    hub_key: Optional[bytes] = None


@dataclass
class Registration:
    """What became of an enrollment."""

    registration_id: str
    assigned_hub: str
    device_id: str
    substatus: str
    created: str
    updated: str
    etag: str

    def as_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


class Dps:
    """The state machine of every registration id. Safe to use from any thread."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        lock: threading.RLock,
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._lock = lock
        self._changed = changed
        self._enrollments: dict[str, Enrollment] = {}
        self._registrations: dict[str, Registration] = {}
        self._challenges: dict[str, Challenge] = {}
        self._operations: dict[str, Operation] = {}

    # Administration

    def enroll(self, enrollment: Enrollment) -> None:
        """Adds an enrollment; the same TPM may be enrolled again to change its settings."""
        key = enrollment.registration_id.lower()
        with self._lock:
            for other_key, other in self._enrollments.items():
                if other_key != key and other.endorsement_key == enrollment.endorsement_key:
                    raise Refusal(409, "", f"this TPM is enrolled as '{other.registration_id}'")
            self._enrollments[key] = enrollment
            self._forget_progress(key)
            self._changed()

    def change(self, registration_id: str, values: Mapping[str, Any]) -> Enrollment:
        """Changes hub, device_id, enabled or edge of an enrollment."""
        for name in values:
            if name not in ("hub", "device_id", "enabled", "edge"):
                raise Malformed(f"'{name}' of an enrollment cannot be changed")
        with self._lock:
            old = self._enrollment(registration_id)
            new = read_enrollment({**old.as_dict(), **values})
            self._enrollments[registration_id.lower()] = new
            self._changed()
            return new

    def remove(self, registration_id: str) -> None:
        key = registration_id.lower()
        with self._lock:
            self._enrollment(registration_id)
            del self._enrollments[key]
            self._registrations.pop(key, None)
            self._forget_progress(key)
            self._changed()

    def forget(self) -> None:
        """Back to an empty service."""
        with self._lock:
            for table in (
                self._enrollments,
                self._registrations,
                self._challenges,
                self._operations,
            ):
                table.clear()
            self._changed()

    def enrollments(self) -> list[dict[str, Any]]:
        with self._lock:
            return [
                {
                    **e.as_dict(),
                    "registration": (
                        self._registrations[k].as_dict() if k in self._registrations else None
                    ),
                }
                for k, e in sorted(self._enrollments.items())
            ]

    def snapshot(self) -> dict[str, Any]:
        with self._lock:
            return {
                "enrollments": [e.as_dict() for e in self._enrollments.values()],
                "registrations": [r.as_dict() for r in self._registrations.values()],
            }

    def restore(self, value: Mapping[str, Any]) -> None:
        with self._lock:
            for item in value.get("enrollments", []):
                self._enrollments[item["registration_id"].lower()] = read_enrollment(item)
            for item in value.get("registrations", []):
                self._registrations[item["registration_id"].lower()] = Registration(**item)

    # The device's side

    def admit(self, registration_id: str, ek: Optional[bytes]) -> Enrollment:
        """The enrollment that lets this EK in; evaluated anew for every call of the dance."""
        with self._lock:
            enrollment = self._enrollments.get(registration_id.lower())
        if enrollment is None:
            raise Refusal(401, ERR_ENROLLMENT, "no enrollment has this registration id")
        if not enrollment.enabled:
            raise Refusal(401, ERR_ENROLLMENT, "the enrollment is disabled")
        if ek is not None and ek != enrollment.endorsement_key:
            raise Refusal(401, ERR_ENROLLMENT, "the endorsement key is not the enrolled one")
        return enrollment

    def challenge(
        self, registration_id: str, ek: StorageKey, srk: StorageKey, shape: BlobShape
    ) -> bytes:
        """A new nonce key for this registration, wrapped; it replaces an unused earlier one."""
        made = Challenge(os.urandom(KEY_LEN), ek, srk)
        blob = build_blob(ek, srk, made.key, self._note(registration_id), shape)
        with self._lock:
            self._challenges[registration_id.lower()] = made
        return blob

    def pending_key(self, registration_id: str) -> Challenge:
        """The challenge that an authorized call must have been signed for."""
        with self._lock:
            found = self._challenges.get(registration_id.lower())
        if found is None:
            raise Refusal(401, ERR_TOKEN, "no challenge is open for this registration")
        return found

    def start(self, registration_id: str, challenge: Challenge) -> Operation:
        """Begins to assign; the same challenge presented twice (a lost answer) is one operation."""
        key = registration_id.lower()
        with self._lock:
            operation = self._operations.get(key)
            if operation is None or operation.challenge is not challenge:
                operation_id = f"4.{secrets.token_hex(8)}.{uuid.uuid4()}"
                operation = Operation(operation_id, challenge, self._settings.polls)
                self._operations[key] = operation
            return operation

    def operation(self, registration_id: str, operation_id: str) -> Operation:
        with self._lock:
            found = self._operations.get(registration_id.lower())
        if found is None or found.operation_id != operation_id:
            raise Refusal(404, ERR_OPERATION, "no such operation")
        return found

    def advance(self, operation: Operation) -> bool:
        """Counts one poll; True when the assignment is due."""
        with self._lock:
            if operation.polls_left > 0:
                operation.polls_left -= 1
                return False
            return True

    def end(self, registration_id: str) -> None:
        """The operation failed: the device has to begin again."""
        with self._lock:
            self._forget_progress(registration_id.lower())

    def assign(
        self, registration_id: str, operation: Operation, shape: BlobShape
    ) -> dict[str, Any]:
        """Assigns the device and returns its registrationState.

        The hub gets the new key here, so the old one is dead even if the answer is lost;
        asking again for the same operation gives the same key.
        """
        key = registration_id.lower()
        with self._lock:
            enrollment = self._enrollment(registration_id)
            if operation.hub_key is None:
                operation.hub_key = os.urandom(KEY_LEN)
                self._registrations[key] = self._place(enrollment, operation.hub_key)
                self._changed()
            registration = self._registrations[key]
        challenge = operation.challenge
        blob = build_blob(
            challenge.ek, challenge.srk, operation.hub_key, self._note(registration_id), shape
        )
        state = self.state(registration)
        state["tpm"] = {"authenticationKey": to_base64(blob)}
        return state

    def state(self, registration: Registration) -> dict[str, Any]:
        return {
            "registrationId": registration.registration_id,
            "status": "assigned",
            "substatus": registration.substatus,
            "assignedHub": registration.assigned_hub,
            "deviceId": registration.device_id,
            "createdDateTimeUtc": registration.created,
            "lastUpdatedDateTimeUtc": registration.updated,
            "etag": registration.etag,
        }

    def registration(self, registration_id: str) -> Registration:
        with self._lock:
            found = self._registrations.get(registration_id.lower())
        if found is None:
            raise Refusal(404, ERR_REGISTRATION, "this registration id has not registered yet")
        return found

    def audience(self, registration_id: str) -> sas.Expectation:
        return sas.Expectation(
            f"{self._settings.id_scope}/registrations/{registration_id}",
            KEY_NAME,
            self._settings.dps_token_max_life,
        )

    def _place(self, enrollment: Enrollment, key: bytes) -> Registration:
        hub = enrollment.hub or self._settings.hub_host
        old = self._registrations.get(enrollment.registration_id.lower())
        substatus = "initialAssignment"
        if old is not None:
            same = (old.assigned_hub.lower(), old.device_id) == (hub.lower(), enrollment.device_id)
            substatus = "reprovisionedToInitialAssignment" if same else "deviceDataReset"
            if not same:
                self._registry.remove(old.assigned_hub, old.device_id, missing_ok=True)
        self._registry.put_device(hub, enrollment.device_id, key, edge=enrollment.edge)
        now = timestamp(self._settings.now())
        return Registration(
            enrollment.registration_id,
            hub,
            enrollment.device_id,
            substatus,
            old.created if old else now,
            now,
            f'"{secrets.token_hex(8)}"',
        )

    def _note(self, registration_id: str) -> bytes:
        return f"{self._settings.id_scope}/registrations/{registration_id.lower()}".encode()

    def _enrollment(self, registration_id: str) -> Enrollment:
        found = self._enrollments.get(registration_id.lower())
        if found is None:
            raise Refusal(404, ERR_REGISTRATION, f"no enrollment '{registration_id}'")
        return found

    def _forget_progress(self, key: str) -> None:
        self._challenges.pop(key, None)
        self._operations.pop(key, None)


def timestamp(now: float) -> str:
    """UTC with seven digits of fraction, the service's way."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
