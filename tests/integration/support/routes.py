"""Every route of both services: from which api-version on, who may call it, and what the right caller gets.

Texts may name {name}, the module under its api-version, and {generation}, that of its identity.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from .engine import IMAGE

PRINTER = Path(os.environ.get("EDGE_BUILD", "build")) / "tests" / "unit" / "route_list"
VERSIONS = ("2018-06-28", "2019-01-30", "2019-10-22", "2019-11-05", "2020-07-07", "2021-12-07", "2022-08-03")
FIRST = VERSIONS[0]
DATA = {"keyId": "primary", "algo": "HMACSHA256", "data": "aGVsbG8="}
IV = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlBQkNERUY="  # edgeHub's have 32 bytes
SPEC = {
    "name": "{name}",
    "type": "docker",
    "imagePullPolicy": "Never",
    "config": {"settings": {"image": IMAGE, "createOptions": {
        "Cmd": ["/bin/busybox", "sleep", "3600"], "StopSignal": "SIGKILL", "HostConfig": {"NetworkMode": "none"}}}},
}
DETAILS = {"id", "name", "type", "config", "status"}
IDENTITY = {"moduleId", "managedBy", "generationId", "authType"}
SYSTEM = {"osType", "architecture", "version", "provisioning", "server_version", "kernel_version", "operating_system", "cpus",
          "virtualized", "kernel_release", "operating_system_version", "operating_system_variant", "operating_system_build",
          "product_name", "system_vendor", "total_memory"}
RESOURCES = {"host_uptime", "process_uptime", "used_cpu", "used_ram", "total_ram", "disks", "docker_stats"}
CERTIFICATE = {"privateKey", "certificate", "expiration"}


@dataclass(frozen=True)
class Route:
    """`call` is the pattern filled in. `members`: of the JSON object in the answer; None: the answer has no body, as with 204."""

    service: str
    method: str
    pattern: str
    since: str
    policy: str
    call: str
    status: int
    members: Optional[set[str]] = None
    body: Any = None
    optional: set[str] = field(default_factory=set)  # members that not every machine has
    plain: bool = False  # the body is no JSON

    @property
    def key(self) -> str:
        return f"{self.service} {self.method} {self.pattern} {self.since} {self.policy}"


def _caller(pattern: str, call: str, body: Any, status: int, members: set[str]) -> Route:
    return Route("work", "POST", pattern, FIRST, "caller", call, status, members, body)


def _agent(method: str, pattern: str, call: str, status: int, members: Optional[set[str]] = None, body: Any = None,
           since: str = FIRST) -> Route:
    return Route("mgmt", method, pattern, since, "edge_agent", call, status, members, body)


def _host(method: str, pattern: str, status: int, members: set[str], body: Any = None, policy: str = "host") -> Route:
    return Route("mgmt", method, pattern, FIRST, policy, pattern, status, members, body)


_OWN = "/modules/sensor/genid/1"
_PATTERN = "/modules/{name}/genid/{genid}"
# In an order in which a device could live: what is called for is there, and the last of it goes again.
ROUTES = [
    _caller(f"{_PATTERN}/sign", f"{_OWN}/sign", DATA, 200, {"digest"}),
    _caller(f"{_PATTERN}/encrypt", f"{_OWN}/encrypt", {"plaintext": "aGVsbG8=", "initializationVector": IV}, 200, {"ciphertext"}),
    # Authorized, and then not a ciphertext.
    _caller(f"{_PATTERN}/decrypt", f"{_OWN}/decrypt", {"ciphertext": "AAAA", "initializationVector": IV}, 400, {"message"}),
    _caller(f"{_PATTERN}/certificate/server", f"{_OWN}/certificate/server",
            {"commonName": "test-device", "expiration": "2099-01-01T00:00:00Z"}, 201, CERTIFICATE),
    _caller("/modules/{name}/certificate/identity", "/modules/sensor/certificate/identity", {}, 201, CERTIFICATE),
    Route("work", "GET", "/modules", FIRST, "anonymous", "/modules", 200, {"modules"}),
    Route("work", "GET", "/trust-bundle", FIRST, "anonymous", "/trust-bundle", 200, {"certificate"}),
    Route("work", "GET", "/manifest-trust-bundle", FIRST, "anonymous", "/manifest-trust-bundle", 200, {"certificate"}),
    Route("mgmt", "GET", "/systeminfo", FIRST, "anonymous", "/systeminfo", 200, SYSTEM, optional={
        "operating_system_variant", "operating_system_build", "product_name", "system_vendor", "operating_system_version"}),
    Route("mgmt", "GET", "/systeminfo/resources", "2019-11-05", "anonymous", "/systeminfo/resources", 200, RESOURCES),
    Route("mgmt", "GET", "/systeminfo/supportbundle", "2020-07-07", "anonymous", "/systeminfo/supportbundle", 501, {"message"}),
    _agent("GET", "/identities", "/identities", 200, {"identities"}),
    _agent("POST", "/identities", "/identities", 200, IDENTITY, {"moduleId": "{name}", "managedBy": "IotEdge"}),
    _agent("PUT", "/identities/{name}", "/identities/{name}", 200, IDENTITY, {"generationId": "{generation}"}),
    _agent("POST", "/modules", "/modules", 201, DETAILS, SPEC),
    Route("mgmt", "GET", "/modules", FIRST, "anonymous", "/modules", 200, {"modules"}),
    Route("mgmt", "GET", "/modules/{name}", FIRST, "anonymous", "/modules/{name}", 200, DETAILS),
    _agent("POST", "/modules/{name}/prepareupdate", "/modules/{name}/prepareupdate", 204, None, SPEC, "2019-01-30"),
    _agent("PUT", "/modules/{name}", "/modules/{name}", 200, DETAILS, SPEC),
    Route("mgmt", "POST", "/modules/{name}/start", FIRST, "control", "/modules/{name}/start", 204),
    Route("mgmt", "POST", "/modules/{name}/restart", FIRST, "control", "/modules/{name}/restart", 204),
    Route("mgmt", "POST", "/modules/{name}/stop", FIRST, "control", "/modules/{name}/stop", 204),
    Route("mgmt", "GET", "/modules/{name}/logs", FIRST, "control", "/modules/{name}/logs", 200, set(), plain=True),
    _agent("DELETE", "/modules/{name}", "/modules/{name}", 204),
    _agent("DELETE", "/identities/{name}", "/identities/{name}", 204),
    _agent("POST", "/device/reprovision", "/device/reprovision", 200, None, since="2019-10-22"),
    _host("GET", "/edged/status", 200, set()),
    _host("POST", "/edged/token", 400, {"message"}, {}),
    _host("POST", "/edged/key", 400, {"message"}, {}),
    _host("DELETE", "/edged/key", 400, {"message"}, {}),
    _host("POST", "/edged/ca-key", 400, {"message"}, {}),
    _host("GET", "/edged/seal", 200, set()),
    _host("POST", "/edged/seal", 400, {"message"}, {}, "owner"),
    _host("POST", "/edged/reprovision", 400, {"message"}, []),
]


def printed() -> tuple[list[str], list[str]]:
    """What the daemon itself has: its api-versions and the keys of its routes."""
    lines = subprocess.run([str(PRINTER)], check=True, capture_output=True, text=True).stdout.splitlines()
    versions = [line.split()[1] for line in lines if line.startswith("version ")]
    return versions, [line for line in lines if not line.startswith("version ")]
