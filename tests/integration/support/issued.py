"""Certificates that modules get from the daemon, a TLS server with them, and clients that nobody here wrote."""

from __future__ import annotations

import datetime
import json
import re
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from .daemon import Daemon, Reply
from .module_image import Module

PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n.+?-----END CERTIFICATE-----\n", re.DOTALL)
TIMEOUT_S = 20
NODE_CLIENT = """
const [port, host, servername, ca] = process.argv.slice(1);
const options = { port, host, ca: require('fs').readFileSync(ca), servername: servername || undefined };
const s = require('tls').connect(options, () => { s.on('data', (d) => { console.log(String(d)); process.exit(0); }); });
s.on('error', (e) => { console.log(e.code, e.message); process.exit(1); });
"""


def certificates(pem: str) -> list[x509.Certificate]:
    return [x509.load_pem_x509_certificate(text.encode()) for text in PEM.findall(pem)]


def names_of(certificate: x509.Certificate, kind: Any) -> list[str]:
    """Alternative names of one kind."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name) for name in names.get_values_for_type(kind)]


@dataclass
class Issued:
    """An answer of a certificate route, in files for those who read files."""

    chain_pem: str
    key_pem: str
    expiration: str
    chain_file: Path
    key_file: Path

    @property
    def chain(self) -> list[x509.Certificate]:
        """Leaf first."""
        return certificates(self.chain_pem)

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def issuer(self) -> x509.Certificate:
        return self.chain[1]

    @property
    def key(self) -> Any:
        return serialization.load_pem_private_key(self.key_pem.encode(), None)


def take(reply: Reply, folder: Path) -> Issued:
    assert reply.status == 201, reply
    body = reply.json()
    assert sorted(body) == ["certificate", "expiration", "privateKey"] and body["privateKey"]["type"] == "key"
    folder.mkdir(exist_ok=True)
    number = len(list(folder.iterdir())) // 2
    files = folder / f"{number}.chain.pem", folder / f"{number}.key.pem"
    files[0].write_text(body["certificate"])
    files[1].write_text(body["privateKey"]["bytes"])
    return Issued(body["certificate"], body["privateKey"]["bytes"], body["expiration"], *files)


def ask_server(module: Module, name: str, days: float = 30, now: Optional[datetime.datetime] = None) -> Reply:
    end = (now or datetime.datetime.now(datetime.timezone.utc)) + datetime.timedelta(days=days)
    path = f"/modules/{module.container.name}/genid/{module.generation or 1}/certificate/server"
    return module.ask("POST", path, {"commonName": name, "expiration": end.isoformat()})


def get_server(module: Module, name: str, days: float = 30, now: Optional[datetime.datetime] = None) -> Issued:
    return take(ask_server(module, name, days, now), module.daemon.folder / "issued")


def get_identity(module: Module) -> Issued:
    reply = module.ask("POST", f"/modules/{module.container.name}/certificate/identity", {})
    return take(reply, module.daemon.folder / "issued")


def get_bundle(daemon: Daemon, name: str = "bundle") -> Path:
    reply = daemon.ask("GET", "/trust-bundle")
    assert reply.status == 200, reply
    path = daemon.folder / f"{name}.pem"
    path.write_text(reply.json()["certificate"])
    return path


class TlsServer:
    """Greets every client with the name in its certificate."""

    def __init__(self, issued: Issued, address: str = "127.0.0.1", client_ca: Optional[Path] = None) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(issued.chain_file, issued.key_file)
        if client_ca is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(client_ca)
        self._listener = socket.create_server((address, 0))
        self.address = address
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> "TlsServer":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(TIMEOUT_S)
            try:
                with self._context.wrap_socket(client, server_side=True) as tls:
                    peer = tls.getpeercert() or {}
                    tls.sendall(f"hello {dict(peer).get('subjectAltName', '')}\n".encode())
            except OSError:
                client.close()


def _is_ip(name: str) -> bool:
    return re.fullmatch(r"[0-9.]+|.*:.*", name) is not None


def by_openssl(server: TlsServer, name: str, bundle: Path) -> str:
    """"" or what was wrong."""
    check = "-verify_ip" if _is_ip(name) else "-verify_hostname"
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{server.address}:{server.port}", "-CAfile", str(bundle), "-no-CApath",
         "-no-CAstore", "-verify_return_error", "-x509_strict", check, name, "-brief"],
        input="", capture_output=True, text=True, timeout=TIMEOUT_S)
    return "" if "\nVerification: OK\n" in done.stderr else done.stderr or "failed"


def by_node(server: TlsServer, name: str, bundle: Path) -> str:
    done = subprocess.run(
        ["node", "-e", NODE_CLIENT, str(server.port), server.address, "" if _is_ip(name) else name, str(bundle)],
        capture_output=True, text=True, timeout=TIMEOUT_S)
    return "" if done.returncode == 0 and done.stdout.startswith("hello") else done.stdout + done.stderr or "failed"


def by_python(server: TlsServer, name: str, bundle: Path, own: Optional[Issued] = None) -> str:
    answer = greeting(server, name, bundle, own)
    return "" if answer.startswith("hello") else answer


def greeting(server: TlsServer, name: str, bundle: Path, own: Optional[Issued] = None) -> str:
    """What the server says to a client, which may show a certificate; or what was wrong."""
    context = ssl.create_default_context(cafile=str(bundle))
    if own is not None:
        context.load_cert_chain(own.chain_file, own.key_file)
    try:
        with socket.create_connection((server.address, server.port), TIMEOUT_S) as raw:
            with context.wrap_socket(raw, server_hostname=name) as tls:
                return tls.recv(4096).decode() or "closed"
    except OSError as error:
        return str(error)


CLIENTS = (by_openssl, by_node, by_python)


def verify(chain: Path, bundle: Path, purpose: str = "sslserver", at: Optional[float] = None) -> str:
    """`openssl verify` of a leaf with the rest of its chain: "" or what was wrong."""
    when = [] if at is None else ["-attime", str(int(at))]
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-purpose", purpose, *when, "-CAfile",
         str(bundle), "-untrusted", str(chain), str(chain)], capture_output=True, text=True, timeout=TIMEOUT_S)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def report(daemon: Daemon) -> dict[str, Any]:
    """What `iotedge status --json` tells."""
    reply = daemon.manage("GET", "/edged/status")
    assert reply.status == 200, reply
    return dict(json.loads(reply.body))
