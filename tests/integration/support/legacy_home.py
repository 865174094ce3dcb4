"""What release 1.1 leaves in its home folder, made by hand from its description: master key, certificates and keys of
its quickstart, hybrid key."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .device_certs import DeviceCa

MASTER = "hsm/enc_keys/edgelet-masterWt5mT2xpO72EPKlt2Tt0Sq4uJCrMvfl2rzzKRB3pnyo_.enc.key"
HYBRID = ("hybrid_id/iotedge_hybrid_key", "hybrid_id/iotedge_hybrid_iv")
CA_STEMS = ("edge_owner_cav0cQJsrFHjxosiOJDer2oKf-O45ZXKVJrO5WFWtFKe0_",
            "device_ca_aliasazxVrrdEVxd7kvKvne1pOEyuSHF8EXSowNDhMzl30jI_",
            "iotedged-workload-caGrw6jn-HzmxG8plggnAjPDuGJr0qGW94X1KnqPwU9ng_")


def put(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


class LegacyHome:
    """The secrets of one device; the chain is that of all devices here, since its RSA keys take their time."""

    _cas: list[DeviceCa] = []

    def __init__(self, home: Path) -> None:
        self.home = home
        self.master = os.urandom(32)
        if not self._cas:
            owner = DeviceCa("Test Edge Owner CA", path_length=3, days=90, kind="rsa")
            device = owner.intermediate("Test Edge Device CA", path_length=2, days=90, kind="rsa")
            workload = device.intermediate("iotedged workload ca", path_length=0, days=90, kind="rsa")
            self._cas.extend((owner, device, workload))

    @property
    def root_pem(self) -> str:
        return self._cas[0].pem

    def write(self) -> None:
        """Master key and quickstart."""
        put(self.home / MASTER, self.master, 0o600)
        put(self.home / "cache/settings_state", b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
        above: list[x509.Certificate] = []
        for stem, ca in zip(CA_STEMS, self._cas):
            files = ca.as_leaf()
            files.chain = above
            put(self.home / f"hsm/certs/{stem}.cert.pem", files.cert_pem.encode())
            put(self.home / f"hsm/cert_keys/{stem}.key.pem", files.key_pem.encode(), 0o600)
            above = [ca.certificate, *above]

    def write_hybrid(self) -> bytes:
        """The key that module keys hang from on a device with a certificate."""
        hybrid, iv = os.urandom(32), os.urandom(16)
        put(self.home / HYBRID[0], self._sealed(hybrid, iv, b"$iotedge"))
        put(self.home / HYBRID[1], iv)
        return hybrid

    def encrypted(self, module_id: str, generation: str, plaintext: bytes, iv: bytes) -> bytes:
        """As it answered a module."""
        return self._sealed(plaintext, iv, f"{module_id}{generation}".encode())

    def _sealed(self, plaintext: bytes, iv: bytes, name: bytes) -> bytes:
        sealed = AESGCM(self.master).encrypt(iv, plaintext, name)
        return b"\x01" + sealed[-16:] + sealed[:-16]

    def secret_files(self) -> list[str]:
        """Those that are still there, also half removed ones."""
        folders = ("hsm/enc_keys", "hsm/cert_keys", "hybrid_id", "external_prov")
        return sorted(str(path.relative_to(self.home)) for name in folders for path in self.home.glob(f"{name}/*"))

    def is_clean(self) -> bool:
        return not self.secret_files()
