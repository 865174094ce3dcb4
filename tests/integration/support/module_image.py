"""Modules in containers: an image with the machine's own programs, and containers that reach a daemon's sockets."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
import time
from pathlib import Path
from typing import Any, Optional
from urllib.parse import quote

from . import process
from .cloud_client import TOKEN_LIFE_S
from .daemon import MGMT_VERSION, WORK_VERSION, Daemon, Reply, answers, call
from .engine import OURS, Container, Engine

MODULE_IMAGE = "edged-test/module"
AGENT = Path(__file__).with_name("module_agent.py")
INSIDE_SOCKETS, INSIDE_RELAY, INSIDE_AGENT = "/run/edged", "/relay", "/agent.py"
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def load_module_image(engine: Engine) -> str:
    """An image with nothing in it but links into /usr, which each container mounts from this machine: curl, Python
    and Node are there without copying them and all their libraries."""
    for name, target in LINKS.items():
        assert os.path.realpath(f"/{name}") == f"/{target}", "this machine has no merged /usr"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for folder in ("usr", "tmp", "run", "proc", "sys", "dev", "etc", "relay"):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        for name, target in LINKS.items():
            link = tarfile.TarInfo(name)
            link.type = tarfile.SYMTYPE
            link.linkname = target
            archive.addfile(link)
    engine.raw("POST", f"/images/create?fromSrc=-&repo={quote(MODULE_IMAGE, safe='')}&tag=latest",
               stream.getvalue(), "application/x-tar")
    return MODULE_IMAGE


class Module:
    """A container that talks to the daemon. `work` and `mgmt` are sockets here behind which the container's first process
    connects to the daemon; `curl` is a process of its own, started in the container."""

    def __init__(self, container: Container, daemon: Daemon, relay: Path) -> None:
        self.container = container
        self.daemon = daemon
        self.work = relay / f"{container.name}.work.sock"
        self.mgmt = relay / f"{container.name}.mgmt.sock"
        self.generation = ""  # of its identity at the hub

    def wait_ready(self) -> None:
        process.wait_until(lambda: answers(self.work) and answers(self.mgmt), "the module's relay listens")

    def ask(self, method: str, path: str, body: Any = None) -> Reply:
        return call(self.work, method, f"{path}?api-version={WORK_VERSION}", body)

    def manage(self, method: str, path: str, body: Any = None) -> Reply:
        return call(self.mgmt, method, f"{path}?api-version={MGMT_VERSION}", body)

    def sign(self, data: bytes, name: Optional[str] = None, *, generation: str = "", key: str = "primary") -> Reply:
        """Asks for a signature as module `name`, which is put into the path as it is."""
        name = self.container.name if name is None else name
        return self.ask("POST", sign_path(name, generation or self.generation or "1"), sign_body(data, key))

    def token(self, name: Optional[str] = None, module_id: Optional[str] = None) -> str:
        """A hub token, made as the SDKs do."""
        admin = self.daemon.emulator.admin
        device = admin.devices()[0]
        module_id = module_id or name or self.container.name
        resource = quote(f"{device['hub']}/devices/{device['deviceId']}/modules/{module_id}", safe="")
        expiry = int(time.time()) + TOKEN_LIFE_S
        reply = self.sign(f"{resource}\n{expiry}".encode(), name)
        assert reply.status == 200, reply
        return f"SharedAccessSignature sr={resource}&sig={quote(reply.json()['digest'], safe='')}&se={expiry}"

    def curl(self, socket: str, method: str, target: str, body: Any = None, *options: str) -> tuple[int, str]:
        """One request by curl inside the container: status and body."""
        data = ["-d", json.dumps(body)] if body is not None else []
        code, text = self.container.exec(
            "/usr/bin/curl", "-sS", "-g", "--max-time", "20", "-w", "\n%{http_code}", "-X", method, *data, *options,
            "--unix-socket", f"{INSIDE_SOCKETS}/{socket}.sock", f"http://{socket}.sock{target}")
        assert code == 0, text
        content, _, status = text.rpartition("\n")
        return int(status), content

    def environment(self) -> dict[str, str]:
        """What edgeAgent gives a module, but for the gateway's name."""
        record = self.daemon.emulator.admin.devices()[0]
        name = self.container.name
        return {
            "IOTEDGE_WORKLOADURI": f"unix://{INSIDE_SOCKETS}/work.sock",
            "IOTEDGE_DEVICEID": record["deviceId"],
            "IOTEDGE_MODULEID": f"${name}" if name in ("edgeAgent", "edgeHub") else name,
            "IOTEDGE_IOTHUBHOSTNAME": record["hub"],
            "IOTEDGE_AUTHSCHEME": "sasToken",
            "IOTEDGE_MODULEGENERATIONID": self.generation,
        }

    def node(self, script: str, *arguments: str, **changed: str) -> str:
        """Runs a program of the SDK tests with that environment; the last line it printed."""
        env = {**self.environment(), **changed}
        code, text = self.container.exec(
            "/usr/bin/env", *(f"{name}={value}" for name, value in env.items()), "/usr/bin/node", script, *arguments)
        assert code == 0, text
        return text.strip().splitlines()[-1]

    def start_in_background(self, *arguments: str) -> None:
        """Runs a command of module_agent.py; it ends with the container."""
        self.spawn("/usr/bin/python3", INSIDE_AGENT, *arguments)

    def spawn(self, *command: str, **env: str) -> None:
        """Runs a command that ends with the container."""
        body = {"Cmd": list(command), "Env": [f"{name}={value}" for name, value in env.items()]}
        engine = self.container.engine
        created = engine.call("POST", f"/containers/{self.container.id}/exec", body)["Id"]
        engine.call("POST", f"/exec/{created}/start", {"Detach": True})

    def remove(self) -> None:
        self.container.remove()


class ModuleHost:
    """Starts the containers of one daemon, and removes them."""

    def __init__(self, engine: Engine, daemon: Daemon) -> None:
        self.engine = engine
        self.daemon = daemon
        self.relay = daemon.folder / "relay"
        self.relay.mkdir(exist_ok=True)
        self._modules: list[Module] = []

    def run(self, name: str, labels: Optional[dict[str, str]] = None, mounts: Optional[dict[str, str]] = None,
            host_config: Optional[dict[str, Any]] = None) -> Module:
        """A running container, labelled as ours unless `labels` says otherwise."""
        for path in self.relay.glob(f"{name}.*"):
            path.unlink()
        container = self.engine.run(
            name,
            OURS if labels is None else labels,
            {
                "/usr": "/usr:ro",
                str(AGENT): f"{INSIDE_AGENT}:ro",
                str(self.daemon.sockets): INSIDE_SOCKETS,
                str(self.relay): INSIDE_RELAY,
                **(mounts or {}),
            },
            ("/usr/bin/python3", INSIDE_AGENT, "relay", INSIDE_RELAY, name),
            MODULE_IMAGE,
            host_config=host_config,
            StopSignal="SIGKILL",  # a first process heeds no other by itself
        )
        module = Module(container, self.daemon, self.relay)
        self._modules.append(module)
        module.wait_ready()
        return module

    def run_with_identity(self, agent: Module, name: str) -> Module:
        """A module whose identity edgeAgent has created."""
        reply = agent.manage("POST", "/identities/", {"moduleId": name, "managedBy": "IotEdge"})
        assert reply.status == 200, reply
        module = self.run(name)
        module.generation = reply.json()["generationId"]
        return module

    def deploy(self, agent: Module, name: str) -> Module:
        """As edgeAgent does it: by the API, with the module's own socket mounted. The daemon restarts it if it must."""
        reply = agent.manage("POST", "/identities/", {"moduleId": name, "managedBy": "IotEdge"})
        assert reply.status == 200, reply
        binds = {"/usr": "/usr:ro", str(AGENT): f"{INSIDE_AGENT}:ro", str(self.relay): INSIDE_RELAY,
                 str(self.daemon.module_socket(name)): f"{INSIDE_SOCKETS}/work.sock",
                 str(self.daemon.mgmt): f"{INSIDE_SOCKETS}/mgmt.sock"}
        options = {
            "Cmd": ["/usr/bin/python3", INSIDE_AGENT, "relay", INSIDE_RELAY, name],
            "StopSignal": "SIGKILL",
            "Tty": True,
            "HostConfig": {"NetworkMode": "none", "Binds": [f"{host}:{inside}" for host, inside in binds.items()]},
        }
        settings = {"image": MODULE_IMAGE, "createOptions": options}
        made = agent.manage("POST", "/modules", {"name": name, "type": "docker", "imagePullPolicy": "Never",
                                                 "config": {"settings": settings, "env": []}})
        assert made.status == 201, made
        assert agent.manage("POST", f"/modules/{name}/start").status == 204
        identity = self.engine.call("GET", f"/containers/{name}/json")["Id"]
        module = Module(Container(self.engine, identity, name), self.daemon, self.relay)
        module.generation = reply.json()["generationId"]
        self._modules.append(module)
        module.wait_ready()
        return module

    def close(self) -> None:
        """Containers may be gone already, and so may the engine."""
        for module in self._modules:
            try:
                module.remove()
            except Exception:  # noqa: BLE001
                pass
        self._modules.clear()


def sign_path(name: str, generation: str) -> str:
    return f"/modules/{name}/genid/{generation}/sign"


def sign_body(data: bytes, key: str = "primary") -> dict[str, str]:
    return {"keyId": key, "algo": "HMACSHA256", "data": base64.b64encode(data).decode()}
