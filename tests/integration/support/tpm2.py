"""The device's side of TPM attestation with tpm2_* commands: independent of the code under test."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

EK_HANDLE, SRK_HANDLE = "0x81010001", "0x81000001"
SRK_ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt"
CREDENTIAL_HEAD = bytes.fromhex(
    "badcc0de00000001"
)  # magic and version of a tpm2-tools credential file
TIMEOUT_S = 60


class Tpm2Error(Exception):
    """A command failed; the text is what it said."""


class Tpm2:
    """Commands on one TPM. No resource manager, so transient objects are flushed after each."""

    def __init__(self, tcti: str, folder: Path) -> None:
        self.folder = folder
        self._env = {**os.environ, "TPM2TOOLS_TCTI": tcti}
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, command: str, *arguments: str) -> bytes:
        done = subprocess.run(
            [f"tpm2_{command}", *arguments],
            cwd=self.folder,
            env=self._env,
            capture_output=True,
            timeout=TIMEOUT_S,
        )
        if done.returncode != 0:
            raise Tpm2Error(f"tpm2_{command}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def flush(self) -> None:
        self.run("flushcontext", "--transient-object")

    def create_ek(self) -> bytes:
        """EK of the TCG profile at its well-known handle; returns TPM2B_PUBLIC."""
        self.run("createek", "-Q", "-G", "rsa", "-c", EK_HANDLE, "-u", "ek.pub")
        self.flush()
        return self.public(EK_HANDLE)

    def create_srk(self) -> bytes:
        """SRK of the TCG template at its well-known handle; returns TPM2B_PUBLIC."""
        (self.folder / "unique.bin").write_bytes(struct.pack("<H", 256) + bytes(256))
        self.run(
            "createprimary",
            "-Q",
            "-C",
            "o",
            "-G",
            "rsa2048:null:aes128cfb",
            "-a",
            SRK_ATTRIBUTES,
            "-u",
            "unique.bin",
            "-c",
            "srk.ctx",
        )
        self.flush()
        self.run("evictcontrol", "-Q", "-C", "o", "-c", "srk.ctx", SRK_HANDLE)
        self.flush()
        return self.public(SRK_HANDLE)

    def public(self, handle: str) -> bytes:
        """TPM2B_PUBLIC of an object."""
        self.run("readpublic", "-Q", "-c", handle, "-f", "tss", "-o", "public.tss")
        return (self.folder / "public.tss").read_bytes()

    def activate(self, blob: bytes, name: str = "identity") -> str:
        """Unwraps an activation blob; returns the context file of the loaded HMAC key."""
        fields = split_blob(blob)
        files = {
            f"{name}.cred": CREDENTIAL_HEAD + fields[0] + fields[1],
            f"{name}.dup": fields[2],
            f"{name}.pub": fields[4],
            f"{name}.seed": fields[3],
        }
        for file_name, data in files.items():
            (self.folder / file_name).write_bytes(data)
        session, inner = f"{name}.session", f"{name}.inner"
        self.run("startauthsession", "--policy-session", "-S", session)
        try:
            self.run("policysecret", "-Q", "-S", session, "-c", "e")
            self.run(
                "activatecredential",
                "-Q",
                "-c",
                SRK_HANDLE,
                "-C",
                EK_HANDLE,
                "-i",
                f"{name}.cred",
                "-o",
                inner,
                "-P",
                f"session:{session}",
            )
        finally:
            self.run("flushcontext", session)
        self.run(
            "import",
            "-Q",
            "-C",
            SRK_HANDLE,
            "-i",
            f"{name}.dup",
            "-u",
            f"{name}.pub",
            "-s",
            f"{name}.seed",
            "-k",
            inner,
            "-r",
            f"{name}.priv",
        )
        self.run(
            "load",
            "-Q",
            "-C",
            SRK_HANDLE,
            "-u",
            f"{name}.pub",
            "-r",
            f"{name}.priv",
            "-c",
            f"{name}.ctx",
        )
        self.flush()
        return f"{name}.ctx"

    def hmac(self, context: str, data: bytes) -> bytes:
        (self.folder / "data").write_bytes(data)
        self.run("hmac", "-Q", "-c", context, "-g", "sha256", "-o", "digest", "data")
        self.flush()
        return (self.folder / "digest").read_bytes()


def split_blob(blob: bytes) -> list[bytes]:
    """The size-prefixed fields, with their sizes; there may be five or six."""
    fields = []
    while blob:
        size = 2 + struct.unpack_from(">H", blob)[0]
        assert size <= len(blob), "a field is longer than the blob"
        fields.append(blob[:size])
        blob = blob[size:]
    return fields
