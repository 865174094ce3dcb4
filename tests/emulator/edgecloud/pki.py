"""A certificate authority of our own and the servers' certificate.

P-256 keys, because making an RSA key would be most of the start time. The authority is
kept in the state folder so that clients configured with it survive a restart; the server
certificate is made anew at each start for the names of that run.
"""

from __future__ import annotations

import _ssl
import ctypes
import datetime
import ipaddress
import ssl
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .store import write_file

DAY = datetime.timedelta(days=1)
CA_LIFE = 3650 * DAY
SERVER_LIFE = 365 * DAY
CERTIFICATE_KINDS = ("good", "expired", "untrusted", "wrong-name")
WRONG_NAME = "elsewhere.invalid"
TLS_KINDS = ("modern", "1.1")

_libssl = ctypes.CDLL("libssl.so.3")
_libssl.SSL_CTX_get_verify_mode.argtypes = [ctypes.c_void_p]
_libssl.SSL_CTX_set_cert_verify_callback.argtypes = [ctypes.c_void_p] * 3
_VerifyCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_accept_any = _VerifyCallback(lambda store, data: 1)


class Authority:
    """A self-signed certificate authority."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate

    @classmethod
    def create(cls, common_name: str) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        now = datetime.datetime.utcnow()
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = (
            _builder(name, name, key.public_key(), now - DAY, now + CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def load_or_create(cls, folder: Path) -> "Authority":
        """Reads `ca.pem` and `ca.key`, or makes them."""
        cert_path, key_path = folder / "ca.pem", folder / "ca.key"
        if cert_path.exists() and key_path.exists():
            key = serialization.load_pem_private_key(key_path.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError(f"{key_path} is not an EC key")
            return cls(key, x509.load_pem_x509_certificate(cert_path.read_bytes()))
        authority = cls.create("Edge cloud emulator CA")
        write_file(key_path, _key_pem(authority._key))
        write_file(cert_path, authority.certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        return authority

    def issue(self, names: list[str], *, expired: bool = False) -> tuple[bytes, bytes]:
        """Key and certificate (PEM) of a server that answers to all of `names`."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        until = now - DAY if expired else now + SERVER_LIFE
        issuer = self.certificate.subject
        alt_names = x509.SubjectAlternativeName([_alt_name(n) for n in names])
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        certificate = (
            _builder(_name("edge cloud emulator"), issuer, key.public_key(), now - 2 * DAY, until)
            .add_extension(alt_names, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return _key_pem(key), certificate.public_bytes(serialization.Encoding.PEM)


def server_context(
    folder: Path, names: list[str], kind: str, tls: str = TLS_KINDS[0]
) -> ssl.SSLContext:
    """TLS settings of both servers. Kinds other than the first are for clients that must refuse."""
    authority = Authority.load_or_create(folder)
    if kind == "untrusted":
        authority = Authority.create("Edge cloud emulator CA")
    names = [WRONG_NAME] if kind == "wrong-name" else names
    key, certificate = authority.issue(names, expired=kind == "expired")
    path = folder / "server.pem"
    write_file(path, key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if tls == "1.1":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(path)
    _ask_for_certificates(context)
    return context


def presented_certificates(connection: ssl.SSLSocket) -> tuple[bytes, ...]:
    """What the client presented in the handshake, leaf first, DER; nothing if it had none."""
    found = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    return tuple(c.public_bytes(_ssl.ENCODING_DER) for c in found or () if c is not None)


def _ask_for_certificates(context: ssl.SSLContext) -> None:
    """Asks clients for a certificate and takes any whose key they hold.

    The services judge it themselves (device_certs), because a device that is refused must get
    an answer and not a broken handshake, and because a self-signed certificate is legitimate.
    The ssl module cannot be told so; OpenSSL can. That the pointer is the right one is seen
    by its verify mode, which follows that of the Python object.
    """
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    for mode in (ssl.CERT_NONE, ssl.CERT_OPTIONAL):
        context.verify_mode = mode
        if _libssl.SSL_CTX_get_verify_mode(pointer) != int(mode):
            raise RuntimeError("this Python keeps its TLS context elsewhere")
    _libssl.SSL_CTX_set_cert_verify_callback(
        pointer, ctypes.cast(_accept_any, ctypes.c_void_p), None
    )
    # A stateless ticket would bring back the leaf without its chain.
    context.options |= ssl.OP_NO_TICKET


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    start: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alt_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
