"""A Podman service of its own for the tests: Debian's podman with a private store, as an engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from . import process
from .engine import Engine

# What Podman gives containers by default is more than a container that the tests run in may have.
_CONTAINERS = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
_REGISTRIES = '[[registry]]\nlocation = "{host}"\ninsecure = true\n'


class Podman(Engine):
    """One `podman system service`; speaks Docker's API well enough for all that Engine does here."""

    def __init__(self, folder: Path, registry: Optional[str] = None) -> None:
        super().__init__(folder)
        self.socket = folder / "podman.sock"
        self.log = folder / "podman.log"
        (folder / "containers.conf").write_text(_CONTAINERS)
        (folder / "registries.conf").write_text(_REGISTRIES.format(host=registry) if registry else "")

    def start(self) -> None:
        options = {
            "root": str(self.folder / "data"),
            "runroot": str(self.folder / "run"),
            "storage-driver": "vfs",
            "cgroup-manager": "cgroupfs",
            "events-backend": "file",
            "runtime": "runc",
            "tmpdir": str(self.folder / "tmp"),
        }
        self._process = process.start(
            ["podman", *(f"--{name}={value}" for name, value in options.items()), "system", "service", "--time=0",
             f"unix://{self.socket}"],
            self.log,
            {
                **os.environ,
                "CONTAINERS_CONF": str(self.folder / "containers.conf"),
                "CONTAINERS_REGISTRIES_CONF": str(self.folder / "registries.conf"),
            },
        )
        process.wait_until(self._answers, f"podman answers ({self.log})", 30.0)
