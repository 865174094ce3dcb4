"""Certificates of devices: reading what a handshake presented, and judging a chain.

The handshake has shown that the client holds the leaf's key. Whether the certificate says
anything is decided here, so that a bad one is an HTTP answer, as at the real services.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, Optional, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .wire import Malformed

MAX_CHAIN = 8
_PEM = re.compile(
    rb"-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END CERTIFICATE-----\r?\n?"
)


class CertificateError(Exception):
    """A certificate or chain that is not accepted; the text says why."""


class UnknownIssuer(CertificateError):
    """The chain leads to no CA that is trusted here; it may be good elsewhere."""


def parse_chain(presented: Sequence[bytes]) -> list[x509.Certificate]:
    """The certificates of a handshake, leaf first."""
    if not 1 <= len(presented) <= MAX_CHAIN:
        raise CertificateError(f"the client presented {len(presented)} certificates")
    try:
        return [x509.load_der_x509_certificate(der) for der in presented]
    except ValueError as error:
        raise CertificateError(f"a client certificate cannot be read: {error}") from error


def read_pem(text: Any, what: str) -> list[x509.Certificate]:
    """All certificates of a PEM text; at least one."""
    blocks = _PEM.findall(text.encode("ascii", "replace")) if isinstance(text, str) else []
    if not blocks:
        raise Malformed(f"{what} has no certificate in PEM")
    try:
        return [x509.load_pem_x509_certificate(block) for block in blocks]
    except ValueError as error:
        raise Malformed(f"{what} has a certificate that cannot be read: {error}") from error


def to_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def read_thumbprint(text: Any) -> str:
    """SHA-1 or SHA-256 of the DER form in hex; colons are allowed. Returns capitals."""
    plain = text.replace(":", "").upper() if isinstance(text, str) else ""
    if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", plain):
        raise Malformed("a thumbprint is 40 or 64 hexadecimal digits")
    return plain


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER form, hex in capitals."""
    return certificate.fingerprint(hashes.SHA256()).hex().upper()


def has_thumbprint(certificate: x509.Certificate, wanted: Sequence[str]) -> bool:
    sha1 = certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 (hubs still take it)
    return sha1 in wanted or thumbprint(certificate) in wanted


def common_name(certificate: x509.Certificate) -> Optional[str]:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else None


def check_dates(certificate: x509.Certificate, now: float) -> None:
    moment = datetime.datetime.utcfromtimestamp(now)
    name = common_name(certificate)
    if moment < certificate.not_valid_before:
        start = certificate.not_valid_before
        raise CertificateError(f"certificate '{name}' is not valid before {start}")
    if moment > certificate.not_valid_after:
        raise CertificateError(f"certificate '{name}' expired at {certificate.not_valid_after}")


def check_leaf(certificate: x509.Certificate, now: float) -> None:
    """What holds for a leaf however it is trusted."""
    check_dates(certificate, now)
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    if usage is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise CertificateError("the certificate's extended key usage is not for clients")


def verify_chain(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], now: float
) -> x509.Certificate:
    """Follows the chain from its leaf to one of `anchors`, which may be intermediates.

    Order and completeness above the anchor do not matter, as with the real services.
    Returns the anchor.
    """
    check_leaf(chain[0], now)
    current, below = chain[0], 0
    while below < MAX_CHAIN:
        for anchor in anchors:
            if _issued(anchor, current):
                _check_issuer(anchor, below, now)
                return anchor
        parents = [c for c in chain[1:] if c != current and _issued(c, current)]
        if not parents:
            name = current.issuer.rfc4514_string()
            raise UnknownIssuer(f"the chain does not lead to an enrolled CA, it ends at '{name}'")
        _check_issuer(parents[0], below, now)
        current, below = parents[0], below + 1
    raise CertificateError("the chain is too long or goes in circles")


def _check_issuer(issuer: x509.Certificate, below: int, now: float) -> None:
    """`below`: CA certificates between the issuer and the leaf."""
    check_dates(issuer, now)
    name = common_name(issuer)
    constraints = _extension(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise CertificateError(f"certificate '{name}' is not that of a CA")
    if constraints.path_length is not None and below > constraints.path_length:
        raise CertificateError(f"the chain below '{name}' is longer than its path length allows")
    usage = _extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise CertificateError(f"certificate '{name}' may not sign certificates")


def _extension(certificate: x509.Certificate, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except ValueError as error:
        raise CertificateError(f"an extension of a certificate is malformed: {error}") from error


def _issued(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    """Whether names and signature fit."""
    if issuer.subject != subject.issuer:
        return False
    key, algorithm = issuer.public_key(), subject.signature_hash_algorithm
    if algorithm is None or isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(subject.signature, subject.tbs_certificate_bytes, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(
                subject.signature, subject.tbs_certificate_bytes, padding.PKCS1v15(), algorithm
            )
        else:
            return False
    except InvalidSignature:
        return False
    return True
