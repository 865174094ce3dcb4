"""The receiving side of an activation blob in plain Python: a TPM without a TPM.

For tests of the emulator that need the key of a challenge but not a process of swtpm. It
checks what a TPM checks: both integrity values and the binding of seed and key.
"""

from __future__ import annotations

import hashlib
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from . import emulator as _emulator  # noqa: F401  (makes the package edgecloud importable)
from .cloud_client import Signer, key_signer
from .keys import ek_public, srk_public
from .tpm2 import split_blob

from edgecloud.tpm_blob import hmac_sha256, kdfa


class ActivationError(Exception):
    """The blob is not for this TPM, or damaged; the text names the field."""


class SoftTpm:
    """An EK and an SRK with private halves in memory."""

    def __init__(self) -> None:
        self._ek = rsa.generate_private_key(65537, 2048)
        self._srk = rsa.generate_private_key(65537, 2048)
        self.ek = ek_public(_modulus(self._ek))
        self.srk = srk_public(_modulus(self._srk))

    def signer(self, blob: bytes) -> Signer:
        """Activates and signs with the key."""
        return key_signer(self.activate(blob))

    def activate(self, blob: bytes) -> bytes:
        """Returns the HMAC key inside the blob."""
        fields = [field[2:] for field in split_blob(blob)]
        srk_name = b"\x00\x0b" + hashlib.sha256(self.srk[2:]).digest()
        seed = _decrypt(self._ek, b"IDENTITY\0", fields[1], "field 2")
        inner_key = _unsize(_unprotect(seed, fields[0], srk_name, "field 1"))[0]
        name = b"\x00\x0b" + hashlib.sha256(fields[4]).digest()
        seed = _decrypt(self._srk, b"DUPLICATE\0", fields[3], "field 4")
        wrapped = _cfb(inner_key, _unprotect(seed, fields[2], name, "field 3 or 5"))
        digest, sensitive = _unsize(wrapped)
        if digest != hashlib.sha256(sensitive + name).digest():
            raise ActivationError("inner integrity")
        area = _unsize(sensitive)[0]
        _auth, rest = _unsize(area[2:])
        seed_value, rest = _unsize(rest)
        key, _ = _unsize(rest)
        if not fields[4].endswith(hashlib.sha256(seed_value + key).digest()):
            raise ActivationError("unique does not bind seed and key")
        return key


def _modulus(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_numbers().n.to_bytes(256, "big")


def _decrypt(key: rsa.RSAPrivateKey, label: bytes, data: bytes, what: str) -> bytes:
    try:
        return key.decrypt(
            data, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label)
        )
    except ValueError as error:
        raise ActivationError(what) from error


def _unprotect(seed: bytes, data: bytes, name: bytes, what: str) -> bytes:
    integrity, encrypted = _unsize(data)
    if integrity != hmac_sha256(kdfa(seed, b"INTEGRITY", b"", b"", 256), encrypted + name):
        raise ActivationError(what)
    return _cfb(kdfa(seed, b"STORAGE", name, b"", 128), encrypted)


def _cfb(key: bytes, data: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CFB(bytes(16))).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def _unsize(data: bytes) -> tuple[bytes, bytes]:
    size = 2 + struct.unpack_from(">H", data)[0]
    return data[2:size], data[size:]
