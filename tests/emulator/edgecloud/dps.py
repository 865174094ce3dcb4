"""Enrollments and registrations of the Device Provisioning Service, without HTTP.

A TPM proves itself by decrypting: the first, anonymous request is answered with a key that
only the enrolled TPM can unwrap; whatever is signed with that key afterwards comes from it.
"""

from __future__ import annotations

import os
import secrets
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Mapping, Optional, Sequence

from cryptography import x509

from . import device_certs, sas
from .enrollments import KEY, TPM, X509, Enrollment, Group, read_enrollment, read_group
from .hub import Authentication, Registry, by_ca, by_thumbprint
from .settings import Settings
from .tpm_blob import BlobShape, StorageKey, build_blob
from .wire import Malformed, Refusal, to_base64

KEY_LEN = 32
KEY_NAME = "registration"
CHANGEABLE = ("hub", "device_id", "enabled", "edge", "primary_key", "secondary_key", "thumbprints")
GROUP_CHANGEABLE = ("hub", "enabled", "edge", "primary_key", "secondary_key", "ca", "hub_auth")

ERR_ENROLLMENT = "401002"
ERR_TOKEN = "401000"
ERR_REGISTRATION = "404201"
ERR_OPERATION = "404202"


@dataclass
class Challenge:
    """The key that was sent in a 401, and for whom."""

    key: bytes
    ek: StorageKey
    srk: StorageKey


@dataclass
class Proof:
    """What showed who is calling: the key of a challenge, a key, or a certificate."""

    challenge: Optional[Challenge] = None
    leaf: Optional[x509.Certificate] = None


@dataclass
class Operation:
    """A registration under way. `hub_key`: what a TPM is given when it is assigned."""

    operation_id: str
    proof: Proof
    polls_left: int
    hub_key: Optional[bytes] = None
    assigned: bool = False


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
    attestation: str = TPM
    group: Optional[str] = None
    thumbprint: Optional[str] = None

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
        self._groups: dict[str, Group] = {}
        self._registrations: dict[str, Registration] = {}
        self._challenges: dict[str, Challenge] = {}
        self._operations: dict[str, Operation] = {}

    # Administration

    def enroll(self, enrollment: Enrollment) -> None:
        """Adds an enrollment; the same TPM may be enrolled again to change its settings."""
        key = enrollment.registration_id.lower()
        with self._lock:
            for other_key, other in self._enrollments.items():
                ek = enrollment.endorsement_key
                if other_key != key and ek is not None and other.endorsement_key == ek:
                    raise Refusal(409, "", f"this TPM is enrolled as '{other.registration_id}'")
            self._enrollments[key] = enrollment
            self._forget_progress(key)
            self._changed()

    def change(self, registration_id: str, values: Mapping[str, Any]) -> Enrollment:
        """Changes members of an enrollment, see CHANGEABLE."""
        for name in values:
            if name not in CHANGEABLE:
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

    def enroll_group(self, group: Group) -> None:
        with self._lock:
            self._groups[group.name] = group
            self._changed()

    def change_group(self, name: str, values: Mapping[str, Any]) -> Group:
        for member in values:
            if member not in GROUP_CHANGEABLE:
                raise Malformed(f"'{member}' of a group cannot be changed")
        with self._lock:
            new = read_group({**self._group(name).as_dict(), **values})
            self._groups[name] = new
            self._changed()
            return new

    def remove_group(self, name: str) -> None:
        """Its devices stay at their hubs, but cannot register again."""
        with self._lock:
            self._group(name)
            del self._groups[name]
            for key in [k for k, r in self._registrations.items() if r.group == name]:
                del self._registrations[key]
                self._forget_progress(key)
            self._changed()

    def groups(self) -> list[dict[str, Any]]:
        with self._lock:
            return [
                {
                    **group.as_dict(),
                    "registrations": [
                        r.as_dict() for r in self._registrations.values() if r.group == name
                    ],
                }
                for name, group in sorted(self._groups.items())
            ]

    def forget(self) -> None:
        """Back to an empty service."""
        with self._lock:
            for table in (
                self._enrollments,
                self._groups,
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
                "groups": [g.as_dict() for g in self._groups.values()],
                "registrations": [r.as_dict() for r in self._registrations.values()],
            }

    def restore(self, value: Mapping[str, Any]) -> None:
        with self._lock:
            for item in value.get("enrollments", []):
                self._enrollments[item["registration_id"].lower()] = read_enrollment(item)
            for item in value.get("groups", []):
                self._groups[item["name"]] = read_group(item)
            for item in value.get("registrations", []):
                self._registrations[item["registration_id"].lower()] = Registration(**item)

    # The device's side

    def admit(
        self,
        registration_id: str,
        ek: Optional[bytes],
        chain: Optional[Sequence[x509.Certificate]],
        token: Optional[sas.Token],
    ) -> Enrollment:
        """The enrollment that the caller may mean; evaluated anew for every call of the dance.

        An enrollment of its own goes before any group, so that one device of a group can be
        shut out. A certificate is proof by itself, so a bad one is refused here; a token is
        checked against the keys of what this returns.
        """
        with self._lock:
            enrollment = self._enrollments.get(registration_id.lower())
            groups = [group for _, group in sorted(self._groups.items())]
        if enrollment is not None:
            if ek is not None and enrollment.attestation != TPM:
                raise Refusal(401, ERR_ENROLLMENT, "the enrollment is not for a TPM")
            if ek is not None and enrollment.enabled and ek != enrollment.endorsement_key:
                raise Refusal(401, ERR_ENROLLMENT, "the endorsement key is not the enrolled one")
        elif chain is not None:
            enrollment = self._member_by_chain(registration_id, groups, chain)
        elif token is not None and ek is None:
            enrollment = _member_by_token(registration_id, groups, token)
        if enrollment is None:
            raise Refusal(401, ERR_ENROLLMENT, "no enrollment has this registration id")
        if not enrollment.enabled:
            raise Refusal(401, ERR_ENROLLMENT, "the enrollment is disabled")
        if enrollment.attestation == X509 and chain is not None:
            self._check_certificate(registration_id, enrollment, chain[0])
        return enrollment

    def _member_by_chain(
        self, registration_id: str, groups: Sequence[Group], chain: Sequence[x509.Certificate]
    ) -> Optional[Enrollment]:
        reason = None
        for group in groups:
            if group.attestation != X509:
                continue
            try:
                anchor = device_certs.verify_chain(chain, group.ca, self._settings.now())
                return group.member(registration_id, anchor)
            except device_certs.UnknownIssuer as error:
                reason = reason or str(error)
            except device_certs.CertificateError as error:
                raise Refusal(401, ERR_ENROLLMENT, str(error)) from error
        if reason is not None:
            raise Refusal(401, ERR_ENROLLMENT, reason)
        return None

    def _check_certificate(
        self, registration_id: str, enrollment: Enrollment, leaf: x509.Certificate
    ) -> None:
        if enrollment.group is None and not device_certs.has_thumbprint(leaf, enrollment.thumbprints):
            raise Refusal(401, ERR_ENROLLMENT, "the client certificate is not the enrolled one")
        try:
            device_certs.check_leaf(leaf, self._settings.now())
        except device_certs.CertificateError as error:
            raise Refusal(401, ERR_ENROLLMENT, str(error)) from error
        name = device_certs.common_name(leaf)
        if name is None or name.lower() != registration_id.lower():
            raise Refusal(
                401, ERR_ENROLLMENT, f"the certificate's CN is '{name}', not the registration id"
            )

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

    def start(self, registration_id: str, proof: Proof) -> Operation:
        """Begins to assign. A request whose answer was lost and that is sent again is one operation:
        with a TPM the one of the challenge, else the one that has not assigned yet."""
        key = registration_id.lower()
        with self._lock:
            operation = self._operations.get(key)
            if (
                operation is None
                or operation.proof.challenge is not proof.challenge
                or operation.proof.leaf != proof.leaf
                or (operation.assigned and proof.challenge is None)
            ):
                operation_id = f"4.{secrets.token_hex(8)}.{uuid.uuid4()}"
                operation = Operation(operation_id, proof, self._settings.polls)
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
        self, registration_id: str, enrollment: Enrollment, operation: Operation, shape: BlobShape
    ) -> dict[str, Any]:
        """Assigns the device and returns its registrationState.

        The hub learns here how the device proves itself. A TPM's old key is dead from now on even
        if the answer is lost; asking again for the same operation gives the same key.
        """
        key = registration_id.lower()
        with self._lock:
            if not operation.assigned:
                operation.assigned = True
                operation.hub_key = os.urandom(KEY_LEN)
                self._registrations[key] = self._place(enrollment, operation)
                self._changed()
            registration = self._registrations[key]
        state = self.state(registration)
        challenge = operation.proof.challenge
        if challenge is not None and operation.hub_key is not None:
            note = self._note(registration_id)
            blob = build_blob(challenge.ek, challenge.srk, operation.hub_key, note, shape)
            state["tpm"] = {"authenticationKey": to_base64(blob)}
        return state

    def state(self, registration: Registration) -> dict[str, Any]:
        state: dict[str, Any] = {
            "registrationId": registration.registration_id,
            "status": "assigned",
            "substatus": registration.substatus,
            "assignedHub": registration.assigned_hub,
            "deviceId": registration.device_id,
            "createdDateTimeUtc": registration.created,
            "lastUpdatedDateTimeUtc": registration.updated,
            "etag": registration.etag,
        }
        if registration.attestation == KEY:
            state["symmetricKey"] = {"enrollmentGroupId": registration.group}
        elif registration.attestation == X509:
            state["x509"] = {
                "certificateInfo": {"sha256Thumbprint": registration.thumbprint},
                "enrollmentGroupId": registration.group,
            }
        return state

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

    def _place(self, enrollment: Enrollment, operation: Operation) -> Registration:
        hub = enrollment.hub or self._settings.hub_host
        old = self._registrations.get(enrollment.registration_id.lower())
        substatus = "initialAssignment"
        if old is not None:
            same = (old.assigned_hub.lower(), old.device_id) == (hub.lower(), enrollment.device_id)
            substatus = "reprovisionedToInitialAssignment" if same else "deviceDataReset"
            if not same:
                self._registry.remove(old.assigned_hub, old.device_id, missing_ok=True)
        how = _hub_authentication(enrollment, operation)
        self._registry.put_device(hub, enrollment.device_id, how, edge=enrollment.edge)
        now = timestamp(self._settings.now())
        leaf = operation.proof.leaf
        return Registration(
            enrollment.registration_id,
            hub,
            enrollment.device_id,
            substatus,
            old.created if old else now,
            now,
            f'"{secrets.token_hex(8)}"',
            enrollment.attestation,
            enrollment.group,
            device_certs.thumbprint(leaf) if leaf else None,
        )

    def _note(self, registration_id: str) -> bytes:
        return f"{self._settings.id_scope}/registrations/{registration_id.lower()}".encode()

    def _enrollment(self, registration_id: str) -> Enrollment:
        found = self._enrollments.get(registration_id.lower())
        if found is None:
            raise Refusal(404, ERR_REGISTRATION, f"no enrollment '{registration_id}'")
        return found

    def _group(self, name: str) -> Group:
        found = self._groups.get(name)
        if found is None:
            raise Refusal(404, ERR_REGISTRATION, f"no enrollment group '{name}'")
        return found

    def _forget_progress(self, key: str) -> None:
        self._challenges.pop(key, None)
        self._operations.pop(key, None)


def _member_by_token(
    registration_id: str, groups: Sequence[Group], token: sas.Token
) -> Optional[Enrollment]:
    """The member of the group whose key made the token; of any group if none did."""
    members = [g.member(registration_id) for g in groups if g.attestation == KEY]
    for member in members:
        if sas.signed_by(token, member.keys()) is not None:
            return member
    return members[0] if members else None


def _hub_authentication(enrollment: Enrollment, operation: Operation) -> Authentication:
    """How the assigned device proves itself to its hub."""
    if enrollment.attestation == TPM:
        return Authentication("sas", operation.hub_key, os.urandom(KEY_LEN))
    if enrollment.attestation == KEY:
        return Authentication("sas", enrollment.primary, enrollment.secondary)
    if enrollment.ca is not None:
        return by_ca(enrollment.ca)
    leaf = operation.proof.leaf
    return by_thumbprint(enrollment.thumbprints or ((device_certs.thumbprint(leaf),) if leaf else ()))


def timestamp(now: float) -> str:
    """UTC with seven digits of fraction, the service's way."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
