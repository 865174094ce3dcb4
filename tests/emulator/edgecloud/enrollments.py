"""Who may register: single devices by TPM, symmetric key or certificate, and groups of devices."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Mapping, Optional

from cryptography import x509

from . import device_certs
from .settings import check_host
from .tpm_blob import default_registration_id, hmac_sha256, read_endorsement_key
from .wire import Malformed, read_base64, to_base64

TPM, KEY, X509 = "tpm", "symmetric-key", "x509"
ATTESTATIONS = (TPM, KEY, X509)
HUB_AUTHS = ("thumbprint", "ca")
MAX_PUBLIC_LEN = 1024
KEY_LEN = 32
MIN_KEY_LEN, MAX_KEY_LEN = 16, 64
_REGISTRATION_ID = re.compile(r"[A-Za-z0-9\-._:]{0,127}[A-Za-z0-9\-]\Z")
_DEVICE_ID = re.compile(r"[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}\Z")


def check_registration_id(text: Any) -> str:
    if not isinstance(text, str) or not _REGISTRATION_ID.match(text):
        raise Malformed(
            "registration id must be 1 to 128 of letters, digits, '-', '.', '_', ':' "
            "and end in a letter, digit or '-'"
        )
    return text


def check_device_id(text: Any) -> str:
    if not isinstance(text, str) or not _DEVICE_ID.match(text):
        raise Malformed("device_id must be 1 to 128 characters that a hub allows")
    return text


def derive_key(group_key: bytes, registration_id: str) -> bytes:
    """The key of one device of a group, made where the group key is known."""
    return hmac_sha256(group_key, registration_id.encode())


@dataclass
class Enrollment:
    """One device that may register. A member of a group is given one of these on demand."""

    registration_id: str
    attestation: str
    device_id: str
    hub: Optional[str] = None  # None: the default hub
    enabled: bool = True
    edge: bool = True
    endorsement_key: Optional[bytes] = None
    primary: Optional[bytes] = None
    secondary: Optional[bytes] = None
    thumbprints: tuple[str, ...] = ()
    group: Optional[str] = None
    ca: Optional[str] = None  # PEM; the device proves itself to the hub by a chain to it

    def keys(self) -> dict[str, bytes]:
        pairs = (("primary", self.primary), ("secondary", self.secondary))
        return {name: key for name, key in pairs if key is not None}

    def as_dict(self) -> dict[str, Any]:
        return {
            "registration_id": self.registration_id,
            "attestation": self.attestation,
            "device_id": self.device_id,
            "hub": self.hub,
            "enabled": self.enabled,
            "edge": self.edge,
            "endorsement_key": _text(self.endorsement_key),
            "primary_key": _text(self.primary),
            "secondary_key": _text(self.secondary),
            "thumbprints": list(self.thumbprints),
        }


@dataclass
class Group:
    """Devices that share a key or a CA. Any registration id is admitted, and is the device id."""

    name: str
    attestation: str
    hub: Optional[str] = None
    enabled: bool = True
    edge: bool = True
    primary: Optional[bytes] = None
    secondary: Optional[bytes] = None
    ca: tuple[x509.Certificate, ...] = ()
    hub_auth: str = "thumbprint"

    def member(self, registration_id: str, anchor: Optional[x509.Certificate] = None) -> Enrollment:
        primary, secondary = (
            derive_key(key, registration_id) if key else None
            for key in (self.primary, self.secondary)
        )
        return Enrollment(
            registration_id,
            self.attestation,
            registration_id,
            self.hub,
            self.enabled,
            self.edge,
            primary=primary,
            secondary=secondary,
            group=self.name,
            ca=device_certs.to_pem(anchor) if anchor and self.hub_auth == "ca" else None,
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "attestation": self.attestation,
            "hub": self.hub,
            "enabled": self.enabled,
            "edge": self.edge,
            "primary_key": _text(self.primary),
            "secondary_key": _text(self.secondary),
            "ca": "".join(device_certs.to_pem(c) for c in self.ca),
            "hub_auth": self.hub_auth,
        }


def read_enrollment(value: Mapping[str, Any]) -> Enrollment:
    """An enrollment from the administrator or from what `iotedge tpm info --json` prints.

    That output has more members than an enrollment, so unknown ones are ignored here. Without
    keys a symmetric enrollment is given random ones.
    """
    attestation = value.get("attestation", TPM)
    if attestation not in ATTESTATIONS:
        raise Malformed(f"attestation must be one of {', '.join(ATTESTATIONS)}")
    ek = primary = secondary = None
    thumbprints: tuple[str, ...] = ()
    default_id = None
    if attestation == TPM:
        ek = read_base64(value.get("endorsement_key"), "endorsement_key", 1, MAX_PUBLIC_LEN)
        read_endorsement_key(ek)
        default_id = default_registration_id(ek)
    elif attestation == KEY:
        primary, secondary = _read_keys(value)
    else:
        thumbprints, default_id = _read_thumbprints(value)
    registration_id = check_registration_id(value.get("registration_id") or default_id)
    if attestation == X509 and (default_id or registration_id).lower() != registration_id.lower():
        raise Malformed(f"the certificate's CN '{default_id}' is not the registration id")
    return Enrollment(
        registration_id,
        attestation,
        check_device_id(value.get("device_id") or registration_id),
        *_read_common(value),
        endorsement_key=ek,
        primary=primary,
        secondary=secondary,
        thumbprints=thumbprints,
    )


def read_group(value: Mapping[str, Any]) -> Group:
    name, attestation = value.get("name"), value.get("attestation")
    if not isinstance(name, str) or not _REGISTRATION_ID.match(name):
        raise Malformed("name of a group must have the form of a registration id")
    if attestation not in (KEY, X509):
        raise Malformed(f"attestation of a group must be {KEY} or {X509}")
    hub_auth = value.get("hub_auth", HUB_AUTHS[0])
    if hub_auth not in HUB_AUTHS:
        raise Malformed(f"hub_auth must be one of {', '.join(HUB_AUTHS)}")
    group = Group(name, attestation, *_read_common(value), hub_auth=hub_auth)
    if attestation == KEY:
        group.primary, group.secondary = _read_keys(value)
    else:
        group.ca = tuple(device_certs.read_pem(value.get("ca"), "ca"))
    return group


def _read_common(value: Mapping[str, Any]) -> tuple[Optional[str], bool, bool]:
    hub = value.get("hub")
    if hub is not None:
        check_host(hub)
    enabled, edge = value.get("enabled", True), value.get("edge", True)
    if not isinstance(enabled, bool) or not isinstance(edge, bool):
        raise Malformed("enabled and edge must be true or false")
    return hub, enabled, edge


def _read_keys(value: Mapping[str, Any]) -> tuple[bytes, bytes]:
    primary, secondary = (read_key(value, name) for name in ("primary_key", "secondary_key"))
    return primary, secondary


def read_key(value: Mapping[str, Any], name: str) -> bytes:
    """A symmetric key; a new one where none is given."""
    if value.get(name) is None:
        return os.urandom(KEY_LEN)
    return read_base64(value[name], name, MIN_KEY_LEN, MAX_KEY_LEN)


def _read_thumbprints(value: Mapping[str, Any]) -> tuple[tuple[str, ...], Optional[str]]:
    """From `certificate` and `secondary_certificate` (PEM, leaf first) or `thumbprints`."""
    leaves = [
        device_certs.read_pem(value[name], name)[0]
        for name in ("certificate", "secondary_certificate")
        if value.get(name) is not None
    ]
    given = value.get("thumbprints") or []
    if not isinstance(given, list):
        raise Malformed("thumbprints is not a list")
    names = {(device_certs.common_name(leaf) or "").lower() for leaf in leaves}
    if len(names) > 1:
        raise Malformed("the two certificates have different CNs")
    found = [device_certs.thumbprint(leaf) for leaf in leaves]
    found += [device_certs.read_thumbprint(text) for text in given if not leaves]
    if not 1 <= len(found) <= 2:
        raise Malformed("an X.509 enrollment needs one or two certificates or thumbprints")
    return tuple(found), device_certs.common_name(leaves[0]) if leaves else None


def _text(key: Optional[bytes]) -> Optional[str]:
    return None if key is None else to_base64(key)
