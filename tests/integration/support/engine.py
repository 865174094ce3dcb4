"""A container engine of its own for the tests: Debian's dockerd with a private data root.

Nothing of it reaches the machine's own engine, and no firewall rules are made. Networks of modules are bridges of the
machine: they go with the engine.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Optional, Sequence
from urllib.parse import quote

from . import process

IMAGE = "edged-test/busybox"
OWNER_LABEL = "net.azure-devices.edge.owner"
OWNER_VALUE = "Microsoft.Azure.Devices.Edge.Agent"
OURS = {OWNER_LABEL: OWNER_VALUE}
START_TIMEOUT_S = 30.0
SLEEP = ("/bin/busybox", "sleep", "3600")


class EngineError(Exception):
    """The engine answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


class Container:
    """One container; `id`, `name` and what the engine says of it."""

    def __init__(self, engine: "Engine", identity: str, name: str) -> None:
        self.engine = engine
        self.id = identity
        self.name = name

    @property
    def pid(self) -> int:
        """Of the first process, in the host's pid namespace."""
        return int(self.engine.call("GET", f"/containers/{self.id}/json")["State"]["Pid"])

    def exec(self, *command: str, user: str = "") -> tuple[int, str]:
        """Runs a command in the container; exit code and what it printed."""
        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, "User": user, "Tty": True}
        created = self.engine.call("POST", f"/containers/{self.id}/exec", body)["Id"]
        output = self.engine.raw("POST", f"/exec/{created}/start", {"Detach": False, "Tty": True})
        code = self.engine.call("GET", f"/exec/{created}/json")["ExitCode"]
        return int(code), output.decode(errors="replace").replace("\r\n", "\n")

    def logs(self) -> str:
        """All it printed; containers of `run` have a terminal, so the text is plain."""
        raw = self.engine.raw("GET", f"/containers/{self.id}/logs?stdout=true&stderr=true")
        return raw.decode(errors="replace").replace("\r\n", "\n")

    def wait(self) -> int:
        """Waits for its end; the exit code."""
        return int(self.engine.call("POST", f"/containers/{self.id}/wait")["StatusCode"])

    def kill(self) -> None:
        self.engine.call("POST", f"/containers/{self.id}/kill")

    def start(self) -> None:
        self.engine.call("POST", f"/containers/{self.id}/start")

    def rename(self, name: str) -> None:
        self.engine.call("POST", f"/containers/{self.id}/rename?name={quote(name)}")
        self.name = name

    def remove(self) -> None:
        self.engine.call("DELETE", f"/containers/{self.id}?force=true")


class Engine:
    """One dockerd."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.log = folder / "dockerd.log"
        self._process: Optional["subprocess.Popen[bytes]"] = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        self._process = process.start(
            [
                "dockerd",
                "--data-root", str(self.folder / "data"),
                "--exec-root", str(self.folder / "exec"),
                "--host", f"unix://{self.socket}",
                "--pidfile", str(self.folder / "pid"),
                "--iptables=false",
                "--ip6tables=false",
                "--bridge=none",
            ],
            self.log,
        )
        process.wait_until(self._answers, f"dockerd answers ({self.log})", START_TIMEOUT_S)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"dockerd does not start: {self.log.read_text()[-2000:]}")
        try:
            self.call("GET", "/_ping")
        except (OSError, EngineError):
            return False
        return True

    def stop(self) -> None:
        """Ends the engine; containers end with it."""
        if self._process is not None:
            process.stop(self._process)
            self._process = None

    def kill(self) -> None:
        """Ends it without warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        # Its containerd dies with it, but may not be reaped yet, and would be taken to be alive.
        (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes all containers."""
        for container in self.call("GET", "/containers/json?all=true"):
            self.call("DELETE", f"/containers/{container['Id']}?force=true")

    def close(self) -> None:
        """Removes all containers, ends the engine, its networks and what it has mounted."""
        if self._process is not None:
            self.clear()
        self.stop()
        self._end_shims()
        self._end_bridges()
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)

    def _end_shims(self) -> None:
        """The shims of containers that ran when the engine was killed wait for ever."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_text().split("\0")
                if any(word.startswith(f"{self.folder}/exec/containerd/") for word in command):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue  # it has ended

    def _end_bridges(self) -> None:
        """An engine leaves the bridges of its networks behind; its database has their ids."""
        database = self.folder / "data" / "network" / "files" / "local-kv.db"
        content = database.read_bytes() if database.exists() else b""
        for identity in set(re.findall(rb"docker/network/v1\.0/network/([0-9a-f]{12})", content)):
            subprocess.run(["ip", "link", "del", f"br-{identity.decode()}"], check=False, capture_output=True)

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        headers: Optional[dict[str, str]] = None,
    ) -> bytes:
        """One call; the answer's bytes."""
        connection = _Connection(str(self.socket))
        try:
            data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            types = {"Content-Type": content_type} if data is not None else {}
            connection.request(method, path, data, {**types, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise EngineError(answer.status, content.decode(errors="replace"))
        return content

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call; the answer's JSON, or its text where it is none."""
        content = self.raw(method, path, body)
        try:
            return json.loads(content) if content else None
        except ValueError:
            return content.decode(errors="replace")

    def load_image(self, name: str = IMAGE, files: Optional[dict[str, Path]] = None) -> str:
        """Makes an image of a static busybox and other files (path in the image -> file)."""
        stream = io.BytesIO()
        busybox = shutil.which("busybox")
        assert busybox is not None, "busybox-static is not installed"
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for folder in ("bin", "tmp", "proc", "sys", "dev", "etc", "run"):
                entry = tarfile.TarInfo(folder)
                entry.type = tarfile.DIRTYPE
                entry.mode = 0o1777 if folder == "tmp" else 0o755
                archive.addfile(entry)
            for path, source in {"bin/busybox": Path(busybox), **(files or {})}.items():
                archive.add(os.path.realpath(source), path.lstrip("/"))
            for applet in ("sh", "nc", "wget", "sleep", "cat", "id", "mkdir", "ls", "echo", "timeout"):
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type = tarfile.SYMTYPE
                link.linkname = "busybox"
                archive.addfile(link)
        self.raw("POST", f"/images/create?fromSrc=-&repo={quote(name, safe='')}&tag=latest",
                 stream.getvalue(), "application/x-tar")
        return name

    def run(
        self,
        name: str,
        labels: Optional[dict[str, str]] = None,
        mounts: Optional[dict[str, str]] = None,
        command: Sequence[str] = SLEEP,
        image: str = IMAGE,
        start: bool = True,
        host_config: Optional[dict[str, Any]] = None,
        **config: Any,
    ) -> Container:
        """A running container. `labels`: pass OURS for a module; `mounts`: host path -> path in the container."""
        body = {
            "Image": image,
            "Cmd": list(command),
            "Tty": True,
            "Labels": labels or {},
            "HostConfig": {
                "Binds": [f"{host}:{inside}" for host, inside in (mounts or {}).items()],
                "NetworkMode": "none",
                **(host_config or {}),
            },
            **config,
        }
        created = self.call("POST", f"/containers/create?name={quote(name)}", body)
        container = Container(self, created["Id"], name)
        if start:
            container.start()
        return container
