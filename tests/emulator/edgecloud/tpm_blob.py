"""The activation blob that DPS sends to a TPM.

The service has no TPM of its own: it carries out the sending side of TPM2_MakeCredential
and TPM2_Duplicate (TPM 2.0 Part 1, "Credential Protection" and "Protected Storage
Hierarchy") in software. The client's TPM undoes it with TPM2_ActivateCredential and
TPM2_Import, which succeeds only in the TPM that holds both the EK and the SRK.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from base64 import b32encode
from dataclasses import dataclass
from typing import Optional

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .wire import Malformed

ALG_RSA = 0x0001
ALG_SHA256 = 0x000B
SHA256_PREFIX = struct.pack(">H", ALG_SHA256)

# Attribute words of TPMA_OBJECT; the EK's is fixed by the TCG EK credential profile.
EK_ATTRIBUTES = 0x000300B2
EK_POLICY = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
STORAGE_ATTRIBUTES = 0x00030032  # restricted, decrypt, fixedTPM, fixedParent, sensitiveDataOrigin
AES_128_CFB = (0x0006, 128, 0x0043)
ALG_NULL = 0x0010
RSA_BITS = 2048
DEFAULT_EXPONENT = 65537

# KEYEDHASH, SHA-256, userWithAuth|noDA|sign, no policy, HMAC-SHA-256.
IDENTITY_PUBLIC_HEAD = bytes.fromhex("0008000b0004044000000005000b")
SEED_LEN = 32
INNER_KEY_LEN = 16
FIELD_COUNT = 6


@dataclass(frozen=True)
class StorageKey:
    """An RSA-2048 restricted decryption key as its TPM publishes it."""

    public: bytes  # TPM2B_PUBLIC
    name: bytes  # nameAlg || digest of TPMT_PUBLIC
    rsa: rsa.RSAPublicKey


@dataclass(frozen=True)
class BlobShape:
    """How a blob differs from what the service sends; the default is what it sends."""

    wrong_srk: bool = False
    corrupt_field: Optional[int] = None
    padded_auth: bool = False
    field6: Optional[str] = None  # None as the service, "absent", or a length in decimal


def sized(data: bytes) -> bytes:
    """TPM2B: a big-endian 16-bit length and the bytes."""
    return struct.pack(">H", len(data)) + data


def kdfa(key: bytes, label: bytes, context_u: bytes, context_v: bytes, bits: int) -> bytes:
    """KDFa of TPM 2.0 Part 1 with SHA-256; the label's terminating zero is added here."""
    tail = label + b"\0" + context_u + context_v + struct.pack(">I", bits)
    blocks = (bits + 255) // 256
    out = b"".join(hmac_sha256(key, struct.pack(">I", i + 1) + tail) for i in range(blocks))
    return out[: bits // 8]


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def aes_cfb(key: bytes, data: bytes) -> bytes:
    """AES in full-block CFB with a zero IV, as the TPM uses it for protected storage."""
    encryptor = Cipher(algorithms.AES(key), modes.CFB(bytes(16))).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def oaep(key: rsa.RSAPublicKey, label: bytes, data: bytes) -> bytes:
    """RSAES-OAEP with SHA-256; the TPM's label includes its terminating zero."""
    scheme = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label + b"\0")
    return key.encrypt(data, scheme)


def read_endorsement_key(public: bytes) -> StorageKey:
    attributes, policy, key = _read_public(public, "endorsement key")
    if attributes != EK_ATTRIBUTES or policy != EK_POLICY:
        raise Malformed("endorsement key does not have the attributes and policy of an EK")
    return key


def read_storage_root_key(public: bytes) -> StorageKey:
    attributes, policy, key = _read_public(public, "storage root key")
    if attributes & STORAGE_ATTRIBUTES != STORAGE_ATTRIBUTES or policy:
        raise Malformed("storage root key is not a fixed, restricted decryption key without policy")
    return key


def _read_public(public: bytes, what: str) -> tuple[int, bytes, StorageKey]:
    try:
        if struct.unpack_from(">H", public)[0] != len(public) - 2:
            raise Malformed(f"{what}: the size in TPM2B_PUBLIC is not the number of bytes")
        area = public[2:]
        kind, name_alg, attributes, policy_len = struct.unpack_from(">HHIH", area)
        policy = area[10 : 10 + policy_len]
        fields = struct.unpack_from(">HHHHHIH", area, 10 + policy_len)
    except struct.error as error:
        raise Malformed(f"{what} is truncated") from error
    modulus = area[10 + policy_len + 16 :]
    if kind != ALG_RSA or name_alg != ALG_SHA256:
        raise Malformed(f"{what} is not an RSA key named with SHA-256")
    if fields[:3] != AES_128_CFB or fields[3] != ALG_NULL or fields[4] != RSA_BITS:
        raise Malformed(f"{what} is not RSA-2048 with AES-128-CFB")
    if fields[6] != len(modulus) or len(modulus) != RSA_BITS // 8:
        raise Malformed(f"{what} has a modulus of {len(modulus)} bytes")
    number = int.from_bytes(modulus, "big")
    if number.bit_length() != RSA_BITS or number % 2 == 0:
        raise Malformed(f"{what} has no 2048-bit odd modulus")
    exponent = fields[5] or DEFAULT_EXPONENT
    try:
        key = rsa.RSAPublicNumbers(exponent, number).public_key()
    except ValueError as error:
        raise Malformed(f"{what}: {error}") from error
    name = SHA256_PREFIX + hashlib.sha256(area).digest()
    return attributes, policy, StorageKey(public, name, key)


def default_registration_id(endorsement_key: bytes) -> str:
    """The id the SDKs give a TPM: base32 of the digest of TPM2B_PUBLIC, lower case, unpadded."""
    digest = hashlib.sha256(endorsement_key).digest()
    return b32encode(digest).decode().rstrip("=").lower()


def credential(seed: bytes, name: bytes, inner_key: bytes) -> bytes:
    """TPM2B_ID_OBJECT that releases `inner_key` to the TPM object called `name`."""
    encrypted = aes_cfb(kdfa(seed, b"STORAGE", name, b"", 128), sized(inner_key))
    integrity = hmac_sha256(kdfa(seed, b"INTEGRITY", b"", b"", 256), encrypted + name)
    return sized(sized(integrity) + encrypted)


def identity_public(seed_value: bytes, key: bytes) -> bytes:
    """TPMT_PUBLIC of the HMAC key: its unique value binds seed and key."""
    return IDENTITY_PUBLIC_HEAD + sized(hashlib.sha256(seed_value + key).digest())


def object_name(public_area: bytes) -> bytes:
    return SHA256_PREFIX + hashlib.sha256(public_area).digest()


def inner_wrap(
    inner_key: bytes, seed_value: bytes, key: bytes, name: bytes, auth: bytes = b""
) -> bytes:
    """The sensitive area with its inner integrity value, under the inner key."""
    sensitive = sized(b"\x00\x08" + sized(auth) + sized(seed_value) + sized(key))
    return aes_cfb(inner_key, sized(hashlib.sha256(sensitive + name).digest()) + sensitive)


def outer_wrap(seed: bytes, inner: bytes, name: bytes) -> bytes:
    """TPM2B_PRIVATE of a duplicated object: encrypted and authenticated under `seed`."""
    encrypted = aes_cfb(kdfa(seed, b"STORAGE", name, b"", 128), inner)
    integrity = hmac_sha256(kdfa(seed, b"INTEGRITY", b"", b"", 256), encrypted + name)
    return sized(sized(integrity) + encrypted)


def build_blob(
    ek: StorageKey, srk: StorageKey, key: bytes, note: bytes, shape: BlobShape = BlobShape()
) -> bytes:
    """The six fields that carry the HMAC key `key` into the TPM that holds `ek` and `srk`."""
    inner_key, seed_value = os.urandom(INNER_KEY_LEN), os.urandom(SEED_LEN)
    credential_seed, duplicate_seed = os.urandom(SEED_LEN), os.urandom(SEED_LEN)
    srk_name = srk.name
    if shape.wrong_srk:
        srk_name = srk_name[:-1] + bytes([srk_name[-1] ^ 1])
    area = identity_public(seed_value, key)
    name = object_name(area)
    auth = bytes(32) if shape.padded_auth else b""
    fields = [
        credential(credential_seed, srk_name, inner_key),
        sized(oaep(ek.rsa, b"IDENTITY", credential_seed)),
        outer_wrap(duplicate_seed, inner_wrap(inner_key, seed_value, key, name, auth), name),
        sized(oaep(srk.rsa, b"DUPLICATE", duplicate_seed)),
        sized(area),
    ]
    if shape.corrupt_field:
        fields[shape.corrupt_field - 1] = _corrupt(fields[shape.corrupt_field - 1])
    if shape.field6 != "absent":
        text = note if shape.field6 is None else os.urandom(int(shape.field6))
        fields.append(sized(aes_cfb(inner_key, text)))
    return b"".join(fields)


def _corrupt(data: bytes) -> bytes:
    """Flips the lowest bit: lengths stay right, an RSA value stays below its modulus."""
    return data[:-1] + bytes([data[-1] ^ 1])
