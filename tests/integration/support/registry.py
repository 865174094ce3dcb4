"""A real image registry on loopback: Debian's docker-registry."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Optional
from urllib.parse import quote

from . import process
from .engine import Engine

USER = "device"
PASSWORD = "open sesame"
# bcrypt of PASSWORD, the only form that this registry takes.
_PASSWORD_LINE = "device:$2b$04$AZVYTsiwT6sajIR2VqEOpulEX2brDimWC0rmqmOl1ElwjGczT5m66\n"

_CONFIG = """version: 0.1
log:
  level: warn
storage:
  filesystem:
    rootdirectory: {folder}/data
http:
  addr: 127.0.0.1:{port}
"""
_AUTH = """auth:
  htpasswd:
    realm: test
    path: {folder}/htpasswd
"""


def credentials(user: str = USER, password: str = PASSWORD) -> str:
    """What edgeAgent gives as `auth`."""
    return json.dumps({"username": user, "password": password})


class Registry:
    """One registry; `host` is the first part of its images' names."""

    def __init__(self, folder: Path, locked: bool = False) -> None:
        self.folder = folder
        self.locked = locked
        self.port = process.free_port_pair()
        self.host = f"127.0.0.1:{self.port}"
        self._process: Optional["subprocess.Popen[bytes]"] = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Starts it; waits until it answers."""
        config = self.folder / "config.yml"
        text = _CONFIG + (_AUTH if self.locked else "")
        config.write_text(text.format(folder=self.folder, port=self.port))
        (self.folder / "htpasswd").write_text(_PASSWORD_LINE)
        log = self.folder / "registry.log"
        self._process = process.start(["docker-registry", "serve", str(config)], log)
        process.wait_until(lambda: process.answers(self.port), f"registry answers ({log})")

    def stop(self) -> None:
        if self._process is not None:
            process.stop(self._process)
            self._process = None

    def push(self, engine: Engine, image: str, repository: str, *tags: str) -> str:
        """Fills it from an engine, which forgets the names again; the name without tag."""
        name = f"{self.host}/{repository}"
        auth = base64.urlsafe_b64encode(credentials().encode()).decode()
        for tag in tags:
            engine.call("POST", f"/images/{quote(image, safe='/')}/tag?repo={quote(name, safe='')}&tag={tag}")
            answer = engine.raw("POST", f"/images/{name}/push?tag={tag}", headers={"X-Registry-Auth": auth})
            assert b"errorDetail" not in answer, answer
            engine.call("DELETE", f"/images/{name}:{tag}")
        return name
