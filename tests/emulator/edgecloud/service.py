"""Builds the emulator from its parts, runs it, and keeps its state."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

from . import httpd, pki
from .admin import Admin
from .dps import Dps
from .dps_api import DpsApi
from .external import ExternalApi
from .faults import FaultPlan
from .hub import Registry
from .hub_api import HubApi
from .journal import Journal
from .settings import Settings
from .store import Store, write_file

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass
class Options:
    """How one emulator is started."""

    folder: Path
    keep_state: bool
    listen: str = "127.0.0.1"
    dps_port: int = 0
    hub_port: int = 0
    hub_host: Optional[str] = None
    id_scope: Optional[str] = None
    names: list[str] = field(default_factory=list)
    certificate: str = "good"
    tls: str = "modern"
    admin_socket: Optional[Path] = None
    ready_file: Optional[Path] = None


class Emulator:
    """A running emulator. `start` returns when all sockets listen; `stop` closes them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stops: list[Callable[[], None]] = []
        self._store = Store(options.folder / "state.json" if options.keep_state else None)
        self._lock = threading.RLock()
        self._ports = {"dps": options.dps_port, "hub": options.hub_port}
        self._loading = True
        self.settings = Settings()
        self.faults = FaultPlan()
        self.journal = Journal()
        self.registry = Registry(self.settings, self._lock, self._save)
        self.dps = Dps(self.settings, self.registry, self._lock, self._save)
        self.external = ExternalApi(
            self.settings, self.faults, self.journal, self._lock, self._save
        )
        self._tls_servers: list[httpd.TlsServer] = []
        self._names: list[str] = []

    def start(self) -> dict[str, Any]:
        """Starts everything and returns what the ready file holds."""
        options = self._options
        options.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        saved = self._store.load()
        self._restore(saved)
        host_names = [
            n.rpartition(":")[0] or n for n in ([options.hub_host] if options.hub_host else [])
        ]
        self._names = list(dict.fromkeys([*LOOPBACK_NAMES, *host_names, *options.names]))
        context = self._context(options.certificate, options.tls)
        dps_app = DpsApi(self.dps, self.settings, self.faults, self.journal)
        hub_app = HubApi(self.registry, self.settings, self.faults, self.journal)
        ports = saved.get("ports", {})
        dps_server = self._listen(options.dps_port, ports.get("dps"), dps_app, context)
        hub_server = self._listen(options.hub_port, ports.get("hub"), hub_app, context)
        external_server = self._listen_plain(ports.get("external"))
        external_path = options.folder / "external.sock"
        external_unix = httpd.UnixServer(external_path, self.external)
        self._tls_servers = [dps_server, hub_server]
        self._ports = {
            "dps": dps_server.port,
            "hub": hub_server.port,
            "external": external_server.port,
        }
        if options.hub_host or self.settings.hub_host in ("", f"localhost:{ports.get('hub')}"):
            self.settings.update({"hub_host": options.hub_host or f"localhost:{hub_server.port}"})
        if options.id_scope:
            self.settings.update({"id_scope": options.id_scope})
        admin_path = options.admin_socket or options.folder / "admin.sock"
        admin = Admin(
            self.dps,
            self.registry,
            self.external,
            self.settings,
            self.faults,
            self.journal,
            self._save,
            self.change_tls,
        )
        admin_server = httpd.UnixServer(admin_path, admin)
        for server in (dps_server, hub_server, external_server, external_unix, admin_server):
            self._stops.append(httpd.run(server, server.app.name))
        for path in (admin_path, external_path):
            self._stops.append(lambda gone=path: gone.unlink(missing_ok=True))
        self._loading = False
        self._save()
        ready = self._describe(admin_path)
        if options.ready_file:
            ready_file = options.ready_file
            write_file(ready_file, json.dumps(ready, indent=1).encode(), 0o644)
            self._stops.append(lambda: ready_file.unlink(missing_ok=True))
        return ready

    def change_tls(self, certificate: str, tls: str) -> None:
        """How the servers present themselves from the next connection on."""
        context = self._context(certificate, tls)
        for server in self._tls_servers:
            server.context = context

    def _context(self, certificate: str, tls: str) -> Any:
        return pki.server_context(self._options.folder, self._names, certificate, tls)

    def stop(self) -> None:
        while self._stops:
            self._stops.pop()()

    def _listen(
        self, wanted: int, previous: Optional[int], app: httpd.Application, context: Any
    ) -> httpd.TlsServer:
        """The wanted port; for "any" the port of the last run if it is still free.

        Devices were told a hub name with that port, so a restart should find it again.
        """
        if wanted == 0 and previous:
            try:
                return httpd.TlsServer((self._options.listen, previous), app, context)
            except OSError:
                pass
        return httpd.TlsServer((self._options.listen, wanted), app, context)

    def _listen_plain(self, previous: Optional[int]) -> httpd.PlainServer:
        try:
            return httpd.PlainServer((self._options.listen, previous or 0), self.external)
        except OSError:
            return httpd.PlainServer((self._options.listen, 0), self.external)

    def _describe(self, admin_path: Path) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "id_scope": self.settings.id_scope,
            "hub_host": self.settings.hub_host,
            "dps_port": self._ports["dps"],
            "dps_url": f"https://localhost:{self._ports['dps']}",
            "hub_port": self._ports["hub"],
            "hub_url": f"https://localhost:{self._ports['hub']}",
            "second_hub_host": f"127.0.0.1:{self._ports['hub']}",
            "external_url": f"http://{self._options.listen}:{self._ports['external']}",
            "external_socket": str((self._options.folder / "external.sock").resolve()),
            "ca": str((self._options.folder / "ca.pem").resolve()),
            "admin_socket": str(admin_path.resolve()),
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        self.settings.update(saved.get("settings", {}))
        self.registry.restore(saved.get("devices", []))
        self.dps.restore(saved.get("dps", {}))
        self.external.restore(saved.get("external"))

    def _save(self) -> None:
        if self._loading:
            return
        with self._lock:
            self._store.save(
                {
                    "settings": self.settings.as_dict(),
                    "devices": self.registry.devices(),
                    "dps": self.dps.snapshot(),
                    "external": self.external.document(),
                    "ports": self._ports,
                }
            )


def temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for a run that keeps nothing; it goes away with the object."""
    return tempfile.TemporaryDirectory(prefix="edge-cloud-")
