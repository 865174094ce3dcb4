#!/usr/bin/python3
"""Runs in the edgeAgent container in its place: makes its calls in its order, with a client as strict as its own.

edge_agent.py FOLDER    FOLDER/wishes.json says what to use; what was called is written to FOLDER/calls, one JSON array a line, the
                        end to FOLDER/ended ("ok" or what went wrong). With "modules" in the wishes it makes these and watches them for
                        good, which FOLDER/deployed tells

It is started again by the update of itself, and knows by its environment that it is the new one (VERSION=2). Takes the addresses
and the identity from the environment that the daemon gives.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Optional
from urllib.parse import quote

from wire import Answer, Exchange, WireError, ask, frames  # pylint: disable=import-error

WORKLOAD_VERSION = "2019-01-30"
IV = base64.b64encode(b"0123456789abcdef0123456789ABCDEF").decode()
OWNED = "iotedge"  # managedBy of the identities that it may delete, in any case
TOKEN_LIFE_S = 3600


class Failed(Exception):
    """An answer that edgeAgent does not take."""


class Agent:
    """The calls; each is noted down, and an answer other than `want` ends the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wishes = json.loads((folder / "wishes.json").read_text())
        self.mgmt = os.environ["IOTEDGE_MANAGEMENTURI"].removeprefix("unix://")
        self.work = os.environ["IOTEDGE_WORKLOADURI"].removeprefix("unix://")
        self.version = os.environ.get("IOTEDGE_APIVERSION", "2018-06-28")
        self.generation = os.environ.get("IOTEDGE_MODULEGENERATIONID", "1")
        self.me = os.environ.get("IOTEDGE_MODULEID", "$edgeAgent")
        self.module_ids: dict[str, str] = {}  # generations

    def note(self, *what: Any) -> None:
        with (self.folder / "calls").open("a", encoding="utf-8") as file:
            file.write(json.dumps(what) + "\n")

    def _check(self, answer: Answer, want: int, what: str) -> Any:
        self.note(what, answer.status)
        if answer.status != want:
            raise Failed(f"{what}: {answer.status}, not {want}: {answer.body[:400]!r}")
        return answer.json() if answer.body else None

    def manage(self, method: str, path: str, want: int, body: Any = None, query: str = "") -> Any:
        target = f"{path}?api-version={self.version}{query}"
        return self._check(ask(self.mgmt, method, target, body), want, f"{method} {path}")

    def module_call(self, what: str, want: int, body: Any) -> Any:
        path = f"/modules/{quote(self.me, safe='')}/genid/{self.generation}/{what}"
        answer = ask(self.work, "POST", f"{path}?api-version={WORKLOAD_VERSION}", body)
        return self._check(answer, want, f"POST {what}")

    # What it wants of its device

    def list(self) -> dict[str, Any]:
        """Of what edgeAgent reads, nothing may be missing or of another type."""
        found = {}
        for one in self.manage("GET", "/modules", 200)["modules"]:
            if one["type"] != "docker" or not one["config"]["settings"]["image"].strip():
                raise Failed(f"the list has {one}")
            status = one["status"]["runtimeStatus"]["status"]
            if status not in ("unknown", "running", "stopped", "failed", "dead"):
                raise Failed(f"status {status}")
            int(one["status"].get("exitStatus", {}).get("statusCode", "0"))
            found[one["name"]] = one
        labels = found["edgeAgent"]["config"]["settings"]["createOptions"]["Labels"]
        if not isinstance(labels, dict):
            raise Failed("edgeAgent has no labels")
        return found

    def status(self, name: str) -> Optional[str]:
        one = self.list().get(name)
        return one and str(one["status"]["runtimeStatus"]["status"])

    def wait_status(self, name: str, want: str) -> None:
        until = time.monotonic() + 30
        while (now := self.status(name)) != want:
            if time.monotonic() > until:
                raise Failed(f"{name} is {now}, not {want}")
            time.sleep(0.2)

    def spec(self, name: str, wish: dict[str, Any], **env: str) -> dict[str, Any]:
        """As edgeAgent writes it for a module."""
        options = dict(wish["options"])
        given = {
            "IOTEDGE_WORKLOADURI": os.environ["IOTEDGE_WORKLOADURI"], "IOTEDGE_APIVERSION": WORKLOAD_VERSION,
            "IOTEDGE_MODULEID": name, "IOTEDGE_DEVICEID": os.environ.get("IOTEDGE_DEVICEID", ""),
            "IOTEDGE_IOTHUBHOSTNAME": os.environ.get("IOTEDGE_IOTHUBHOSTNAME", ""), "IOTEDGE_AUTHSCHEME": "sasToken",
            "IOTEDGE_MODULEGENERATIONID": self.module_ids.get(name, ""), **env,
        }
        if (folder := os.environ.get("IOTEDGE_WORKLOADLISTEN_MNTURI")) is not None:
            bind = f"{folder.removeprefix('unix://')}/{name}.sock:{self.work}"
            host = options.get("HostConfig", {})
            options["HostConfig"] = {**host, "Binds": [*host.get("Binds", []), bind]}
        labels = {"net.azure-devices.edge.create-options": json.dumps(wish["options"]), "net.azure-devices.edge.env": "{}"}
        options["Labels"] = {**options.get("Labels", {}), **labels}
        return {
            "name": name, "type": "docker", "imagePullPolicy": wish.get("policy", "On-Create"),
            "config": {
                "settings": {"image": wish["image"], "createOptions": options, "auth": wish.get("auth"), "notaryContentTrust": None},
                "env": [{"key": key, "value": value} for key, value in given.items()],
            },
        }

    # Its situations (http-api.md 3.16)

    def start(self) -> None:
        info = self.manage("GET", "/systeminfo", 200)
        if info["osType"] != "linux" or not info["architecture"] or "dynamicReprovisioning" not in info["provisioning"]:
            raise Failed(f"system info {info}")
        answer = ask(self.work, "GET", f"/trust-bundle?api-version={WORKLOAD_VERSION}")
        if "BEGIN CERTIFICATE" not in self._check(answer, 200, "GET /trust-bundle")["certificate"]:
            raise Failed("no certificate in the bundle")
        self.read_backup()
        identities = self.manage("GET", "/identities/", 200)["identities"]
        self.module_ids = {one["moduleId"]: one["generationId"] for one in identities}
        if not {"$edgeAgent", "$edgeHub"} <= set(self.module_ids):
            raise Failed(f"identities {identities}")
        self.list()

    def read_backup(self) -> None:
        backup = self.folder / "backup"
        if backup.exists():
            body = {"ciphertext": backup.read_text(), "initializationVector": IV}
            plain = self.module_call("decrypt", 200, body)["plaintext"]
            if base64.b64decode(plain) != b"a deployment":
                raise Failed("the backup has changed")

    def write_backup(self) -> None:
        body = {"plaintext": base64.b64encode(b"a deployment").decode(), "initializationVector": IV}
        (self.folder / "backup").write_text(self.module_call("encrypt", 200, body)["ciphertext"])

    def token(self) -> None:
        """For its own connection to the hub; whoever reads the notes can try it."""
        hub, device = os.environ["IOTEDGE_IOTHUBHOSTNAME"], os.environ["IOTEDGE_DEVICEID"]
        resource = quote(f"{hub}/devices/{device}/modules/{self.me}", safe="")
        expiry = int(time.time()) + TOKEN_LIFE_S
        data = base64.b64encode(f"{resource}\n{expiry}".encode()).decode()
        digest = self.module_call("sign", 200, {"keyId": "primary", "algo": "HMACSHA256", "data": data})["digest"]
        (self.folder / "token").write_text(
            f"SharedAccessSignature sr={resource}&sig={quote(digest, safe='')}&se={expiry}")

    def add(self, name: str, wish: dict[str, Any]) -> None:
        made = self.manage("POST", "/identities/", 200, {"moduleId": name, "managedBy": "IotEdge"})
        if (made["moduleId"], made["managedBy"].lower(), made["authType"]) != (name, OWNED, "Sas"):
            raise Failed(f"identity {made}")
        self.module_ids[name] = made["generationId"]
        spec = self.spec(name, wish)
        self.manage("POST", f"/modules/{name}/prepareupdate", 204, spec)
        self.manage("POST", "/modules", 201, spec)
        self.manage("POST", f"/modules/{name}/start", 204)
        self.wait_status(name, wish.get("then", "running"))

    def change(self, name: str, wish: dict[str, Any]) -> None:
        body = {"generationId": self.module_ids[name], "managedBy": "IotEdge"}
        self.manage("PUT", f"/identities/{name}", 200, body)
        spec = self.spec(name, wish)
        self.manage("POST", f"/modules/{name}/prepareupdate", 204, spec)
        self.manage("POST", f"/modules/{name}/stop", 204)
        self.manage("PUT", f"/modules/{name}", 200, spec)
        self.manage("POST", f"/modules/{name}/start", 204)
        self.wait_status(name, "running")
        if self.list()[name]["config"]["settings"]["image"] != wish["image"]:
            raise Failed(f"{name} has another image")

    def revive(self, name: str) -> None:
        """One that has ended by itself: started, and the next time restarted."""
        self.wait_status(name, "failed")
        self.manage("POST", f"/modules/{name}/start", 204)
        self.wait_status(name, "failed")
        self.manage("POST", f"/modules/{name}/restart", 204)

    def follow(self, name: str) -> None:
        """Reads on while the module writes, and leaves in the middle."""
        target = f"/modules/{name}/logs?api-version={self.version}&follow=true&tail=10&since=1h"
        stream = Exchange(self.mgmt, "GET", target)
        self.note(f"GET /modules/{name}/logs", stream.status)
        lines: list[bytes] = []
        for source, text in frames(stream.chunks()):
            lines.append(b"%d %s" % (source, text))
            if len(lines) >= 5:
                break
        stream.close()
        if not any(line.startswith(b"1 tick") for line in lines) or not any(line.startswith(b"2 tock") for line in lines):
            raise Failed(f"the log has {lines}")

    def remove(self, name: str) -> None:
        self.manage("POST", f"/modules/{name}/stop", 204)
        self.manage("DELETE", f"/modules/{name}", 204)
        self.manage("DELETE", f"/identities/{name}", 204)
        if name in self.list():
            raise Failed(f"{name} is still listed")

    def replace_itself(self) -> None:
        """The answer does not come: the container goes before."""
        spec = self.spec("edgeAgent", self.wishes["edgeAgent"], **{
            **{name: os.environ[name] for name in os.environ if name.startswith("IOTEDGE_")}, "VERSION": "2"})
        self.manage("POST", "/modules/edgeAgent/prepareupdate", 204, spec)
        self.note("PUT /modules/edgeAgent", 0)
        self.manage("PUT", "/modules/edgeAgent", 200, spec, "&start=true")
        time.sleep(60)
        raise Failed("it was not replaced")

    def first_life(self) -> None:
        self.start()
        self.token()
        for name in ("sensor", "loser"):
            self.add(name, self.wishes[name])
        self.write_backup()
        self.follow("sensor")
        self.change("sensor", self.wishes["sensor2"])
        self.revive("loser")
        self.replace_itself()

    def second_life(self) -> None:
        self.start()
        self.token()
        if self.status("sensor") != "running":
            raise Failed("the module did not outlive the update of edgeAgent")
        self.remove("loser")
        self.manage("POST", "/device/reprovision", 200)
        self.manage("GET", "/systeminfo/resources", 200)
        self.remove("sensor")

    def deploy(self) -> None:
        """Makes what is to be there, starts what has stopped, and looks again and again."""
        self.start()
        self.token()
        there = self.list()
        for name, wish in self.wishes["modules"].items():
            if name not in there:
                self.add(name, wish)
            elif self.status(name) != "running":
                self.manage("POST", f"/modules/{name}/start", 204)
        self.write_backup()
        (self.folder / "deployed").touch()
        while True:
            self.list()
            time.sleep(0.5)


def main() -> None:
    folder = Path(sys.argv[1])
    agent = Agent(folder)
    agent.note("start", os.environ.get("VERSION", "1"))
    if "modules" in agent.wishes:
        agent.deploy()  # what goes wrong ends the process, and the daemon starts it again
    try:
        if os.environ.get("VERSION") == "2":
            agent.second_life()
            outcome = "ok"
        else:
            agent.first_life()
            outcome = "never"
    except (Failed, WireError, OSError, ValueError, LookupError):
        outcome = traceback.format_exc()
    (folder / "ended.new").write_text(outcome)
    (folder / "ended.new").rename(folder / "ended")
    time.sleep(3600)


if __name__ == "__main__":
    main()
