"""Certificates of devices for tests: authorities, leaves, renewals, and their files."""

from __future__ import annotations

import datetime
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Union

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = Union[ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey]
DAY = datetime.timedelta(days=1)


def new_key(kind: str = "ec") -> PrivateKey:
    """A P-256 key, or with "rsa" one of 2048 bits."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class DeviceCertificate:
    """A leaf with its key, and the certificates between it and its root, nearest first."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: list[x509.Certificate] = field(default_factory=list)

    @property
    def cert_pem(self) -> str:
        """Leaf first, then the intermediates: the content of `identity_cert`."""
        return pem(self.certificate) + "".join(pem(c) for c in self.chain)

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    @property
    def thumbprint(self) -> str:
        """SHA-256 of the DER form in capitals, as the emulator shows it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex().upper()

    def write(self, folder: Path, name: str = "device") -> tuple[Path, Path]:
        """NAME.cert.pem (0644) and NAME.key.pem (0600), each replaced whole: first the certificate,
        then the key, so that a reader in between finds a pair that does not fit."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = folder / f"{name}.cert.pem", folder / f"{name}.key.pem"
        for path, text, mode in zip(paths, (self.cert_pem, self.key_pem), (0o644, 0o600)):
            beside = path.with_suffix(".new")
            beside.unlink(missing_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as f:
                f.write(text)
            beside.rename(path)
        return paths

    def tls(self, ca_file: str, folder: Path) -> ssl.SSLContext:
        """A client context that trusts `ca_file` and presents this certificate."""
        context = ssl.create_default_context(cafile=ca_file)
        cert, key = self.write(folder, f"tls-{self.thumbprint[:12]}")
        context.load_cert_chain(cert, key)
        return context


class DeviceCa:
    """An authority for device certificates, a root or below another."""

    def __init__(
        self,
        name: str = "device root",
        parent: Optional["DeviceCa"] = None,
        *,
        path_length: Optional[int] = None,
        days: float = 3650,
        is_ca: bool = True,
        kind: str = "ec",
        key: Optional[PrivateKey] = None,
    ) -> None:
        self.parent = parent
        self.key = key or new_key(kind)
        self.certificate = _build(
            name, self.key, parent or self, -1, days, x509.BasicConstraints(is_ca, path_length)
        )

    @property
    def pem(self) -> str:
        """What a group is enrolled with."""
        return pem(self.certificate)

    @property
    def chain(self) -> list[x509.Certificate]:
        """What a device below presents besides its leaf: everything but the root."""
        return [] if self.parent is None else [self.certificate, *self.parent.chain]

    def intermediate(self, name: str = "device intermediate", **options: object) -> "DeviceCa":
        return DeviceCa(name, self, **options)  # type: ignore[arg-type]

    def as_leaf(self) -> DeviceCertificate:
        """The authority with its own key and the chain above it: what a device that is one gets."""
        return DeviceCertificate(self.certificate, self.key, self.parent.chain if self.parent else [])

    def leaf(
        self,
        common_name: str,
        *,
        days: float = 30,
        starts_in_days: float = -1,
        key: Optional[PrivateKey] = None,
        kind: str = "ec",
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    ) -> DeviceCertificate:
        """A device's certificate. Expired: days=-0.1 with starts_in_days=-2. `key`: keep that key."""
        own = key or new_key(kind)
        made = _build(
            common_name, own, self, starts_in_days, days, x509.BasicConstraints(False, None), usage
        )
        return DeviceCertificate(made, own, self.chain)

    def renew(
        self, old: DeviceCertificate, *, same_key: bool = False, **options: object
    ) -> DeviceCertificate:
        """A later certificate for the same device."""
        name = old.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        kind = "rsa" if isinstance(old.key, rsa.RSAPrivateKey) else "ec"
        key = old.key if same_key else None
        return self.leaf(str(name), key=key, kind=kind, **options)  # type: ignore[arg-type]


def self_signed(common_name: str, *, days: float = 30, kind: str = "ec") -> DeviceCertificate:
    """A certificate that only its thumbprint makes good."""
    key = new_key(kind)
    made = _build(common_name, key, None, -1, days, x509.BasicConstraints(False, None))
    return DeviceCertificate(made, key)


def _build(
    name: str,
    key: PrivateKey,
    issuer: Optional[DeviceCa],
    starts_in_days: float,
    days: float,
    constraints: x509.BasicConstraints,
    usage: Optional[x509.ObjectIdentifier] = None,
) -> x509.Certificate:
    """`issuer` None or an authority that has no certificate yet: self-signed."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    above = getattr(issuer, "certificate", None)
    now = datetime.datetime.utcnow()
    signs = constraints.ca
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.subject if above else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts_in_days * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(constraints, critical=True)
        .add_extension(
            x509.KeyUsage(not signs, False, False, False, False, signs, signs, False, False),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if above is not None:
        above_key = above.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above_key)
        builder = builder.add_extension(identifier, critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer.key if above and issuer else key, hashes.SHA256())
