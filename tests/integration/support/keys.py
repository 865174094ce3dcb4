"""Public keys in the form a TPM gives them (TPM2B_PUBLIC), and keys of groups."""

from __future__ import annotations

import hashlib
import hmac
import struct

_POLICY = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
_RSA_PARAMETERS = struct.pack(">HHHHHI", 6, 128, 0x43, 0x10, 2048, 0)


def _modulus(name: str) -> bytes:
    blocks = b"".join(hashlib.sha256(f"{name}{i}".encode()).digest() for i in range(8))
    return bytes([blocks[0] | 0x80]) + blocks[1:-1] + bytes([blocks[-1] | 1])


def _public(attributes: int, policy: bytes, modulus: bytes) -> bytes:
    area = struct.pack(">HHIH", 1, 0x0B, attributes, len(policy)) + policy + _RSA_PARAMETERS
    area += struct.pack(">H", len(modulus)) + modulus
    return struct.pack(">H", len(area)) + area


def ek_public(modulus: bytes) -> bytes:
    """TPM2B_PUBLIC with the attributes and policy of an EK."""
    return _public(0x000300B2, _POLICY, modulus)


def srk_public(modulus: bytes) -> bytes:
    """TPM2B_PUBLIC with the attributes of an SRK."""
    return _public(0x00030472, b"", modulus)


def fake_ek(name: str = "ek") -> bytes:
    """An EK that nobody holds, the same for the same name."""
    return ek_public(_modulus(name))


def fake_srk(name: str = "srk") -> bytes:
    """An SRK that nobody holds, the same for the same name."""
    return srk_public(_modulus(name))


def derive_key(group_key: bytes, registration_id: str) -> bytes:
    """The key of one device of a group with a symmetric key."""
    return hmac.new(group_key, registration_id.encode(), hashlib.sha256).digest()
