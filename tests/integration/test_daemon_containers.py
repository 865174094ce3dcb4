"""Real containers on a real engine: who may sign as whom, who may manage identities, and what stays the same."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Iterator

import pytest

from support import process
from support.daemon import MGMT_VERSION, WORK_VERSION, call
from support.device import Device, running_device
from support.engine import Engine
from support.module_image import INSIDE_SOCKETS, Module, sign_body, sign_path

REFUSED = (404, "Module not found")


@pytest.fixture(scope="module")
def device(engine: Engine) -> Iterator[Device]:
    """One provisioned device with a running edgeAgent for the tests of this file; they leave it as it was."""
    with running_device(engine) as one:
        yield one
        assert one.emulator.admin.violations() == []


@pytest.fixture(scope="module")
def sensor(device: Device) -> Module:
    return device.module("tempSensor")


@pytest.fixture(scope="module")
def filter_module(device: Device) -> Module:
    return device.module("tempFilter")


# Who may sign


def test_signature_is_accepted_by_the_hub(device: Device, sensor: Module) -> None:
    verdict = device.verdict(sensor.token())
    assert verdict["accepted"], verdict
    assert verdict["key"] == "primary"


def test_secondary_key_signs_too(device: Device, sensor: Module) -> None:
    digests = {key: sensor.sign(b"text", key=key).json()["digest"] for key in ("primary", "secondary")}
    assert digests["primary"] != digests["secondary"]


def test_unknown_key_id_is_refused(sensor: Module) -> None:
    assert sensor.sign(b"text", key="tertiary").status == 400


def test_module_may_not_sign_as_another(sensor: Module, filter_module: Module) -> None:
    reply = sensor.sign(b"text", "tempFilter", generation=filter_module.generation)
    assert (reply.status, reply.message) == REFUSED
    reply = filter_module.sign(b"text", "tempSensor", generation=sensor.generation)
    assert (reply.status, reply.message) == REFUSED


def test_edge_agent_may_not_sign_as_a_module(device: Device, sensor: Module) -> None:
    reply = device.agent.sign(b"text", "tempSensor", generation=sensor.generation)
    assert (reply.status, reply.message) == REFUSED


def test_refusal_names_the_reason_in_the_log_only(device: Device, filter_module: Module) -> None:
    filter_module.sign(b"text", "tempSensor")
    device.daemon.wait_log(r"refused pid \d+ .* it runs in container [0-9a-f]{12}, which is module 'tempFilter'")


def test_program_started_in_the_container_may_sign(sensor: Module) -> None:
    """What `docker exec` starts runs in the module's container, so it is the module."""
    target = f"{sign_path('tempSensor', sensor.generation)}?api-version={WORK_VERSION}"
    status, body = sensor.curl("work", "POST", target, sign_body(b"text"))
    assert status == 200, body
    assert json.loads(body)["digest"] == sensor.sign(b"text").json()["digest"]


def test_process_on_the_host_may_not(device: Device, sensor: Module) -> None:
    reply = device.daemon.ask("POST", sign_path("tempSensor", sensor.generation), sign_body(b"text"))
    assert (reply.status, reply.message) == REFUSED
    device.daemon.wait_log("it runs in no container")


def test_unlabelled_container_may_not(device: Device) -> None:
    stranger = device.modules.run("stranger", labels={})
    try:
        for name in ("stranger", "tempSensor"):
            reply = stranger.sign(b"text", name)
            assert (reply.status, reply.message) == REFUSED
        device.daemon.wait_log("which is none of our modules")
    finally:
        stranger.remove()


def test_wrong_owner_may_not(device: Device) -> None:
    stranger = device.modules.run("stranger", labels={"net.azure-devices.edge.owner": "somebody"})
    try:
        assert stranger.sign(b"text").status == 404
    finally:
        stranger.remove()


# Names


@pytest.mark.parametrize("name", ["%24edgeHub", "$edgeHub", "%24edge%48ub"])
def test_dollar_names_raw_and_encoded(device: Device, name: str) -> None:
    """The key is that of "$edgeHub", however the path spells it; the container's name has no dollar."""
    hub = device.modules.run("edgeHub")
    try:
        listed = {i["moduleId"]: i for i in device.agent.manage("GET", "/identities/").json()["identities"]}
        hub.generation = listed["$edgeHub"]["generationId"]
        verdict = device.verdict(hub.token(name, "$edgeHub"))
        assert verdict["accepted"], verdict
    finally:
        hub.remove()


def test_dollar_makes_another_key(device: Device) -> None:
    hub = device.modules.run("edgeHub")
    try:
        hub.generation = "1"
        assert hub.sign(b"x", "$edgeHub").json() != hub.sign(b"x", "edgeHub").json()
    finally:
        hub.remove()


def test_name_that_differs_by_case_is_another(device: Device, sensor: Module) -> None:
    assert sensor.sign(b"text", "TempSensor").status == 404


# Connections


class Kept(HTTPConnection):
    """One connection for several requests."""

    def __init__(self, path: Path) -> None:
        super().__init__("x")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


def request_bytes(name: str, generation: str, close: bool = False) -> bytes:
    body = json.dumps(sign_body(b"text")).encode()
    connection = "close" if close else "keep-alive"
    return (f"POST {sign_path(name, generation)}?api-version={WORK_VERSION} HTTP/1.1\r\nHost: x\r\n"
            f"Connection: {connection}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def test_kept_connection_is_checked_for_each_request(sensor: Module, filter_module: Module) -> None:
    kept = Kept(sensor.work)
    statuses = []
    for name, generation in (("tempSensor", sensor.generation), ("tempFilter", filter_module.generation),
                             ("tempSensor", sensor.generation)):
        kept.request("POST", f"{sign_path(name, generation)}?api-version={WORK_VERSION}",
                     json.dumps(sign_body(b"text")))
        answer = kept.getresponse()
        answer.read()
        statuses.append(answer.status)
    kept.close()
    assert statuses == [200, 404, 200]


def test_kept_connection_of_curl(sensor: Module, filter_module: Module) -> None:
    """A public client that sends both over one connection."""
    own = f"http://x{sign_path('tempSensor', sensor.generation)}?api-version={WORK_VERSION}"
    other = f"http://x{sign_path('tempFilter', filter_module.generation)}?api-version={WORK_VERSION}"
    options = ["-s", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", "--unix-socket",
               f"{INSIDE_SOCKETS}/work.sock", "-d", json.dumps(sign_body(b"text"))]
    code, text = sensor.container.exec("/usr/bin/curl", *options, own, "--next", *options, other)
    assert code == 0
    assert text.splitlines() == ["200 1", "404 0"]


def test_pipelined_requests_are_answered_in_order(sensor: Module, filter_module: Module) -> None:
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(sensor.work))
        s.sendall(request_bytes("tempSensor", sensor.generation) + request_bytes("tempFilter", "1")
                  + request_bytes("tempSensor", sensor.generation, close=True))
        text = b""
        while chunk := s.recv(65536):
            text += chunk
    # A refusal may end the connection; what was answered is in order, and once each.
    assert re.findall(rb"HTTP/1\.1 (\d+) ", text) in ([b"200", b"404"], [b"200", b"404", b"200"])


# Containers come and go


def test_removed_and_made_again_under_the_same_name(device: Device) -> None:
    first = device.module("phoenix")
    before = first.sign(b"text").json()
    generation = first.generation
    first.remove()
    again = device.modules.run("phoenix")
    try:
        again.generation = generation
        assert again.sign(b"text").json() == before
    finally:
        again.remove()


def test_another_container_takes_over_the_name(device: Device) -> None:
    """The one that was renamed away loses the right at once, the new bearer gets it."""
    old = device.modules.run("baton")
    assert old.sign(b"text").status == 200
    old.container.rename("baton-old")
    new = device.modules.run("baton")
    try:
        assert new.sign(b"text", "baton").status == 200
        status, _ = old.curl("work", "POST", f"{sign_path('baton', '1')}?api-version={WORK_VERSION}",
                             sign_body(b"text"))
        assert status == 404
    finally:
        old.remove()
        new.remove()


def test_stopped_engine_spares_who_is_known(device: Device) -> None:
    """With the engine away, a container that was seen before goes on; one that was not gets 503, not 404."""
    engine = Engine(device.daemon.folder / "engine")
    try:
        engine.start()
        with running_device(engine) as own:
            known, unknown = own.module("known"), own.module("unknown")
            assert known.sign(b"text").status == 200
            engine.kill()
            own.daemon.wait_log("(?i)engine")
            assert known.sign(b"text").status == 200
            reply = unknown.sign(b"text")
            assert reply.status == 503, reply
            assert own.daemon.ask("GET", "/trust-bundle").status == 200
            assert own.daemon.manage("GET", "/systeminfo").status == 503
            # The containers have no engine left that could end them.
            for module_pid in pids_under(own.daemon.folder):
                os.kill(module_pid, signal.SIGKILL)
    finally:
        engine.close()


def pids_under(folder: Path) -> list[int]:
    """The relays of a device, by the folder that their mounts name."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                mounts = Path(f"/proc/{entry}/mountinfo").read_text()
                command = Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            if f"{folder}/relay" in mounts and b"/agent.py" in command:
                found.append(int(entry))
    return found


# Identities


def test_identity_is_created_with_our_keys(device: Device) -> None:
    reply = device.agent.manage("POST", "/identities/", {"moduleId": "fresh", "managedBy": "IotEdge"})
    assert reply.status == 200
    made = reply.json()
    assert set(made) == {"moduleId", "managedBy", "generationId", "authType"}
    assert (made["moduleId"], made["managedBy"], made["authType"]) == ("fresh", "IotEdge", "Sas")
    listed = device.agent.manage("GET", "/identities").json()["identities"]
    assert made in listed
    assert {"$edgeAgent", "$edgeHub"} <= {i["moduleId"] for i in listed}
    assert device.agent.manage("DELETE", "/identities/fresh").status == 204


def test_creating_twice_is_the_same_identity(device: Device) -> None:
    body = {"moduleId": "twice", "managedBy": "IotEdge"}
    first, second = (device.agent.manage("POST", "/identities/", body) for _ in range(2))
    assert (first.status, second.status) == (200, 200)
    assert first.json() == second.json()
    assert device.agent.manage("DELETE", "/identities/twice").status == 204


def test_update_and_delete(device: Device) -> None:
    made = device.agent.manage("POST", "/identities/", {"moduleId": "short-lived"}).json()
    assert made["managedBy"] == ""
    reply = device.agent.manage("PUT", "/identities/short-lived",
                                {"generationId": made["generationId"], "managedBy": "IotEdge"})
    assert reply.status == 200
    assert reply.json() == {**made, "managedBy": "IotEdge"}
    assert device.agent.manage("DELETE", "/identities/short-lived").status == 204
    names = [i["moduleId"] for i in device.agent.manage("GET", "/identities/").json()["identities"]]
    assert "short-lived" not in names


def test_errors_of_the_hub_are_told_apart(device: Device) -> None:
    agent = device.agent
    assert agent.manage("DELETE", "/identities/nobody").status == 404
    assert agent.manage("PUT", "/identities/nobody", {"generationId": "1"}).status == 404
    device.emulator.admin.set_fault("hub.create", "status", status=409)
    reply = agent.manage("POST", "/identities/", {"moduleId": "clash"})
    assert reply.status in (404, 409), reply  # a conflict about an identity that is not there
    device.emulator.admin.set_fault("hub.create", "status", status=429, retry_after=1)
    reply = agent.manage("POST", "/identities/", {"moduleId": "later"})
    assert reply.status == 500
    assert reply.headers.get("retry-after")
    device.emulator.admin.clear_faults()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"managedBy":"IotEdge"}', b'{"moduleId":5}',
                                  b'{"moduleId":""}', b'{"moduleId":"' + b"a" * 200 + b'"}'])
def test_malformed_identity_is_refused(device: Device, body: bytes) -> None:
    reply = device.agent.manage("POST", "/identities/", body)
    assert reply.status == 400
    assert reply.message.startswith("Request body is malformed")


def test_only_edge_agent_manages_identities(device: Device, sensor: Module) -> None:
    body = {"moduleId": "intruder", "managedBy": "IotEdge"}
    for caller in (sensor.manage, device.daemon.manage):
        for method, path, sent in (("POST", "/identities", body), ("GET", "/identities", None),
                                   ("PUT", "/identities/tempSensor", {"generationId": "1"}),
                                   ("DELETE", "/identities/tempSensor", None)):
            reply = caller(method, path, sent)
            assert (reply.status, reply.message) == REFUSED
    assert device.verdict(sensor.token())["accepted"]


def test_container_that_only_calls_itself_edge_agent(engine: Engine, device: Device) -> None:
    """The label counts, not the name."""
    device.agent.container.rename("edgeAgent-away")
    try:
        impostor = device.modules.run("edgeAgent", labels={})
        try:
            reply = impostor.manage("POST", "/identities", {"moduleId": "intruder"})
            assert (reply.status, reply.message) == REFUSED
        finally:
            impostor.remove()
    finally:
        device.agent.container.rename("edgeAgent")
    # The relay sockets of the real one were replaced by the impostor's.
    status, _ = device.agent.curl("mgmt", "GET", f"/identities?api-version={MGMT_VERSION}")
    assert status == 200
    device.agent.remove()
    device.agent = device.modules.run("edgeAgent")


def test_system_info_is_for_everybody(device: Device) -> None:
    info = call(device.daemon.mgmt, "GET", f"/systeminfo?api-version={MGMT_VERSION}").json()
    assert info["provisioning"] == {"type": "dps.tpm", "dynamicReprovisioning": False,
                                    "alwaysReprovisionOnStartup": True}
    engine_info = device.engine.call("GET", "/info")
    assert info["osType"] == engine_info["OSType"] == "linux"
    assert info["architecture"] == engine_info["Architecture"]
    assert info["server_version"] == engine_info["ServerVersion"]
    assert info["kernel_version"] == engine_info["KernelVersion"]
    assert info["operating_system"] == engine_info["OperatingSystem"]
    assert info["cpus"] == engine_info["NCPU"]
    assert info["virtualized"] in ("yes", "no", "unknown")
    assert info["version"]
    assert info["kernel_release"] == os.uname().release
    assert info["total_memory"] == engine_info["MemTotal"]
    assert all(info.get(name, "some") for name in (
        "operating_system_version", "operating_system_variant", "operating_system_build", "product_name", "system_vendor"))


# Keys


def test_modules_have_keys_of_their_own(device: Device, sensor: Module, filter_module: Module) -> None:
    one, other = device.module_keys("tempSensor"), device.module_keys("tempFilter")
    assert len({*one.values(), *other.values()}) == 4
    assert sensor.sign(b"text").json() != filter_module.sign(b"text").json()


def test_keys_survive_a_restart(device: Device, sensor: Module) -> None:
    before = sensor.sign(b"text").json()
    device.daemon.restart()
    assert sensor.sign(b"text").json() == before
    assert device.verdict(sensor.token())["accepted"]


def test_keys_survive_a_new_device_key(device: Device, sensor: Module) -> None:
    """Each registration by TPM brings another device key; modules and the hub's record of them do not notice."""
    keys, token = device.module_keys("tempSensor"), sensor.token()
    device_key = device.emulator.admin.devices()[0]["authentication"]["symmetricKey"]["primaryKey"]
    before = sensor.sign(b"text").json()
    device.daemon.restart()
    device.daemon.wait_assigned()
    # The hub refuses the old key from the assignment on, the new one is in use a moment later.
    process.wait_until(lambda: device.agent.manage("GET", "/identities/").status == 200, "the new key is in use", 5)
    assert device.daemon.log_count("Assigned to hub") == 1
    assert device.emulator.admin.devices()[0]["authentication"]["symmetricKey"]["primaryKey"] != device_key
    assert device.module_keys("tempSensor") == keys
    assert device.verdict(token)["accepted"] and sensor.sign(b"text").json() == before
