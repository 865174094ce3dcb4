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

    def start(self) -> dict[str, Any]:
        """Starts everything and returns what the ready file holds."""
        options = self._options
        options.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        saved = self._store.load()
        self._restore(saved)
        host_names = [
            n.rpartition(":")[0] or n for n in ([options.hub_host] if options.hub_host else [])
        ]
        names = list(dict.fromkeys([*LOOPBACK_NAMES, *host_names, *options.names]))
        context = pki.server_context(options.folder, names, options.certificate)
        dps_app = DpsApi(self.dps, self.settings, self.faults, self.journal)
        hub_app = HubApi(self.registry, self.settings, self.faults, self.journal)
        ports = saved.get("ports", {})
        dps_server = self._listen(options.dps_port, ports.get("dps"), dps_app, context)
        hub_server = self._listen(options.hub_port, ports.get("hub"), hub_app, context)
        self._ports = {"dps": dps_server.port, "hub": hub_server.port}
        if options.hub_host or self.settings.hub_host in ("", f"localhost:{ports.get('hub')}"):
            self.settings.update({"hub_host": options.hub_host or f"localhost:{hub_server.port}"})
        if options.id_scope:
            self.settings.update({"id_scope": options.id_scope})
        admin_path = options.admin_socket or options.folder / "admin.sock"
        admin = Admin(self.dps, self.registry, self.settings, self.faults, self.journal, self._save)
        admin_server = httpd.UnixServer(admin_path, admin)
        for server, name in ((dps_server, "dps"), (hub_server, "hub"), (admin_server, "admin")):
            self._stops.append(httpd.run(server, name))
        self._stops.append(lambda: admin_path.unlink(missing_ok=True))
        self._loading = False
        self._save()
        ready = self._describe(admin_path)
        if options.ready_file:
            ready_file = options.ready_file
            write_file(ready_file, json.dumps(ready, indent=1).encode(), 0o644)
            self._stops.append(lambda: ready_file.unlink(missing_ok=True))
        return ready

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

    def _describe(self, admin_path: Path) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "id_scope": self.settings.id_scope,
            "hub_host": self.settings.hub_host,
            "dps_port": self._ports["dps"],
            "dps_url": f"https://localhost:{self._ports['dps']}",
            "hub_port": self._ports["hub"],
            "hub_url": f"https://localhost:{self._ports['hub']}",
            "ca": str((self._options.folder / "ca.pem").resolve()),
            "admin_socket": str(admin_path.resolve()),
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        self.settings.update(saved.get("settings", {}))
        self.registry.restore(saved.get("devices", []))
        self.dps.restore(saved.get("dps", {}))

    def _save(self) -> None:
        if self._loading:
            return
        with self._lock:
            self._store.save(
                {
                    "settings": self.settings.as_dict(),
                    "devices": self.registry.devices(),
                    "dps": self.dps.snapshot(),
                    "ports": self._ports,
                }
            )


def temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for a run that keeps nothing; it goes away with the object."""
    return tempfile.TemporaryDirectory(prefix="edge-cloud-")
