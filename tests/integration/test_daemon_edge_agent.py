"""What edgeAgent does to a device, in its order, from inside its own container, against a real engine and a real registry."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator, Optional

import pytest

from support import process
from support.daemon import Reply, call
from support.device import Device, running_device
from support.engine import IMAGE, OURS, Container, Engine, EngineError
from support.module_image import AGENT, INSIDE_AGENT, INSIDE_RELAY, INSIDE_SOCKETS, MODULE_IMAGE, Module
from support.registry import PASSWORD, USER, Registry
from support.routes import VERSIONS

VERSION = "2020-07-07"
LONG = ["/bin/busybox", "sleep", "3600"]


@pytest.fixture(scope="module")
def device(engine: Engine) -> Iterator[Device]:
    engine.clear()
    with running_device(engine) as one:
        yield one
        engine.clear()


@pytest.fixture(scope="module")
def images(device: Device, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with a password; the name of an image in it, which has the tags 1 and 2."""
    registry = Registry(tmp_path_factory.mktemp("registry"), locked=True)
    registry.start()
    yield registry.push(engine, IMAGE, "sensor", "1", "2")
    registry.stop()


@pytest.fixture
def agent(device: Device) -> Module:
    return device.agent


def spec(name: str, image: str, options: Optional[dict[str, Any]] = None, *, pull: bool = True) -> dict[str, Any]:
    """As edgeAgent writes it."""
    return {
        "name": name,
        "type": "docker",
        "imagePullPolicy": "On-Create" if pull else "Never",
        "config": {
            "settings": {
                "image": image,
                "createOptions": {"HostConfig": {"NetworkMode": "none"}, "Cmd": LONG, "StopSignal": "SIGKILL", **(options or {})},
                "auth": {"username": USER, "password": PASSWORD, "serveraddress": image.split("/")[0]},
                "notaryContentTrust": None,
            },
            "env": [{"key": "IOTEDGE_MODULEID", "value": name}],
        },
    }


def listed(module: Module) -> dict[str, Any]:
    reply = module.manage("GET", "/modules")
    assert reply.status == 200, reply
    return {one["name"]: one for one in reply.json()["modules"]}


def done(reply: Reply, status: int = 204) -> Any:
    assert reply.status == status, reply
    if status == 204:
        assert reply.body == b"" and "content-type" not in reply.headers
        return None
    return reply.json() if reply.body else None


def state_of(engine: Engine, name: str) -> dict[str, Any]:
    return dict(engine.call("GET", f"/containers/{name}/json"))


def is_edge_agent(module: Module) -> bool:
    try:
        return module.manage("GET", "/identities").status == 200
    except (OSError, ValueError):
        return False


def test_a_module_from_its_deployment_to_its_end(device: Device, engine: Engine, agent: Module, images: str) -> None:
    """New module, changed module, failed module, removed module."""
    identity = done(agent.manage("POST", "/identities/", {"moduleId": "sensor", "managedBy": "IotEdge"}), 200)
    wish = spec("sensor", f"{images}:1", {"Env": ["EXTRA=1"]})
    done(agent.manage("POST", "/modules/sensor/prepareupdate", wish))
    made = done(agent.manage("POST", "/modules", wish), 201)
    assert made["name"] == "sensor" and made["status"] == {"runtimeStatus": {"status": "stopped"}}
    assert "auth" not in made["config"]["settings"] and PASSWORD not in json.dumps(made)
    assert made["config"]["env"] == wish["config"]["env"]
    truth = state_of(engine, "sensor")
    assert OURS.items() <= truth["Config"]["Labels"].items() and truth["Config"]["Image"] == f"{images}:1"
    assert {"IOTEDGE_MODULEID=sensor", "EXTRA=1"} <= set(truth["Config"]["Env"])
    assert not truth["State"]["Running"]
    done(agent.manage("POST", "/modules/sensor/start"))
    done(agent.manage("POST", "/modules/sensor/start"))
    assert listed(agent)["sensor"]["status"]["runtimeStatus"]["status"] == "running"
    assert agent.manage("POST", "/modules", wish).status == 409

    change = {"generationId": identity["generationId"], "managedBy": "IotEdge"}
    done(agent.manage("PUT", "/identities/sensor", change), 200)
    wish = spec("sensor", f"{images}:2")
    done(agent.manage("POST", "/modules/sensor/prepareupdate", wish))
    done(agent.manage("POST", "/modules/sensor/stop"))
    done(agent.manage("POST", "/modules/sensor/stop"))
    changed = done(agent.manage("PUT", "/modules/sensor", wish), 200)
    assert changed["status"] == {"runtimeStatus": {"status": "stopped"}}
    assert state_of(engine, "sensor")["Id"] != truth["Id"]
    done(agent.manage("POST", "/modules/sensor/start"))
    one = done(agent.manage("GET", "/modules/sensor"), 200)
    assert one["config"]["settings"]["image"] == f"{images}:2" and one == listed(agent)["sensor"]

    Container(engine, "sensor", "sensor").kill()
    process.wait_until(lambda: listed(agent)["sensor"]["status"]["runtimeStatus"]["status"] == "failed", "it has ended")
    done(agent.manage("POST", "/modules/sensor/restart"))
    assert listed(agent)["sensor"]["status"]["runtimeStatus"]["status"] == "running"

    done(agent.manage("POST", "/modules/sensor/stop"))
    done(agent.manage("DELETE", "/modules/sensor"))
    done(agent.manage("DELETE", "/identities/sensor"))
    assert "sensor" not in listed(agent)
    for method, path in (("DELETE", ""), ("POST", "/start"), ("POST", "/stop"), ("POST", "/restart"), ("GET", "")):
        assert agent.manage(method, f"/modules/sensor{path}").status == 404
    assert agent.manage("PUT", "/modules/sensor", wish).status == 404
    assert "sensor" not in listed(agent)
    account = device.daemon.state / "images"  # from now on they are idle
    process.wait_until(lambda: all(f"{images}:{tag}\n" in account.read_text() for tag in (1, 2)), "both images are ours")


def test_a_failed_fetch_leaves_the_old_module_alone(engine: Engine, agent: Module, images: str) -> None:
    done(agent.manage("POST", "/modules", spec("keeper", f"{images}:1")), 201)
    done(agent.manage("POST", "/modules/keeper/start"))
    before = state_of(engine, "keeper")
    wrong = spec("keeper", f"{images}:2")
    wrong["config"]["settings"]["auth"]["password"] = "wrong"
    for wish, status in ((spec("keeper", f"{images}:none"), 404), (wrong, 500)):
        for method, path in (("POST", "/modules/keeper/prepareupdate"), ("PUT", "/modules/keeper")):
            reply = agent.manage(method, path, wish)
            assert reply.status == status and PASSWORD not in reply.message, reply
    after = state_of(engine, "keeper")
    assert (after["Id"], after["State"]) == (before["Id"], before["State"])
    done(agent.manage("DELETE", "/modules/keeper"))


def test_edge_agent_replaces_itself(device: Device, engine: Engine, agent: Module) -> None:
    """Its container, and with it the connection, goes in the middle of the request."""
    before = state_of(engine, "edgeAgent")
    wish = spec("edgeAgent", MODULE_IMAGE, {
        "Cmd": ["/usr/bin/python3", INSIDE_AGENT, "relay", INSIDE_RELAY, "edgeAgent"],
        "Tty": True,
        "HostConfig": {"NetworkMode": "none", "Binds": [
            "/usr:/usr:ro", f"{AGENT}:{INSIDE_AGENT}:ro", f"{device.daemon.sockets}:{INSIDE_SOCKETS}",
            f"{device.modules.relay}:{INSIDE_RELAY}"]},
    }, pull=False)
    done(agent.manage("POST", "/modules/edgeAgent/prepareupdate", wish))
    body = json.dumps(wish).encode()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(agent.mgmt))
        s.sendall(f"PUT /modules/edgeAgent?api-version={VERSION}&start=true HTTP/1.1\r\nHost: mgmt.sock:80\r\n"
                  f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = s.recv(65536)  # nothing: the relay died with its container
    assert answer == b""

    def replaced() -> bool:
        try:
            truth = state_of(engine, "edgeAgent")
        except EngineError:
            return False
        return bool(truth["Id"] != before["Id"] and truth["State"]["Running"])

    process.wait_until(replaced, "edgeAgent runs again")
    agent.container = Container(engine, "edgeAgent", "edgeAgent")
    process.wait_until(lambda: is_edge_agent(agent), "the new edgeAgent is known as such")
    device.daemon.wait_log("Module edgeAgent was replaced")


# The daemon goes away in the middle


def update_in_background(agent: Module, wish: dict[str, Any]) -> threading.Thread:
    def run() -> None:
        try:
            agent.manage("PUT", "/modules/victim", wish)
        except (OSError, ValueError):
            pass  # the daemon has gone

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_daemon_is_stopped_in_the_middle_of_an_update(device: Device, engine: Engine, agent: Module) -> None:
    """Stopped in order it leaves the module there, and the call can be made again."""
    wish = spec("victim", IMAGE, pull=False)
    done(agent.manage("POST", "/modules", wish), 201)
    for delay_s in (0.0, 0.01, 0.02, 0.04, 0.08, 0.16):
        request = update_in_background(agent, wish)
        time.sleep(delay_s)
        assert device.daemon.stop() == 0
        state_of(engine, "victim")
        request.join()
        device.daemon.start()
        done(agent.manage("PUT", "/modules/victim", wish), 200)
    names = [c["Names"] for c in engine.call("GET", "/containers/json?all=true")]
    assert names.count(["/victim"]) == 1
    done(agent.manage("DELETE", "/modules/victim"))


def test_changes_of_one_module_take_turns(engine: Engine, agent: Module) -> None:
    """However many are asked for at once, each finds the module as a whole."""
    wish = spec("busy", IMAGE, pull=False)
    done(agent.manage("POST", "/modules", wish), 201)
    calls = [("PUT", "/modules/busy", wish), ("POST", "/modules/busy/start", None), ("POST", "/modules/busy/stop", None),
             ("POST", "/modules/busy/restart", None)]
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(lambda one: agent.manage(*one).status, calls * 3))
    assert set(statuses) == {200, 204}
    done(agent.manage("DELETE", "/modules/busy"))


# Logs


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """As edgeAgent decodes them."""
    found = []
    while data:
        assert data[1:4] == b"\0\0\0"
        size = int.from_bytes(data[4:8], "big")
        found.append((data[0], data[8:8 + size]))
        data = data[8 + size:]
    return found


def unchunked(data: bytes) -> bytes:
    whole = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        if int(size, 16) == 0:
            return whole
        whole, data = whole + data[:int(size, 16)], data[int(size, 16) + 2:]


@pytest.fixture
def talker(device: Device, engine: Engine) -> Iterator[Container]:
    script = "echo first; echo second >&2; sleep 3600"
    container = engine.run("talker", OURS, command=("/bin/sh", "-c", script), Tty=False, StopSignal="SIGKILL")
    process.wait_until(lambda: b"second" in engine.raw("GET", "/containers/talker/logs?stdout=true&stderr=true"), "it has spoken")
    yield container
    container.remove()


def logs(agent: Module, query: str = "") -> Reply:
    return call(agent.mgmt, "GET", f"/modules/talker/logs?api-version=2018-06-28{query}")


def test_logs_are_framed(agent: Module, talker: Container) -> None:
    reply = logs(agent)
    assert reply.status == 200 and reply.headers["transfer-encoding"] == "chunked" and "content-type" not in reply.headers
    assert sorted(frames(unchunked(reply.body))) == [(1, b"first\n"), (2, b"second\n")]
    assert len(frames(unchunked(logs(agent, "&tail=1").body))) == 1
    assert frames(unchunked(logs(agent, "&until=1h").body)) == []
    assert len(frames(unchunked(logs(agent, "&since=1h&timestamps=true").body))) == 2
    assert b"T" in frames(unchunked(logs(agent, "&timestamps=true").body))[0][1]
    assert frames(unchunked(logs(agent, "&since=2037-01-01T00:00:00Z").body)) == []
    assert logs(agent, "&since=tomorrow").status == 400
    assert agent.manage("GET", "/modules/nobody/logs").status == 404


def test_logs_are_followed(device: Device, engine: Engine, agent: Module, talker: Container) -> None:
    """What is written arrives at once; a client that leaves ends the engine's request; the end of the module ends the stream."""
    before = device.daemon.descriptor_cnt
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(device.daemon.mgmt))
        s.sendall(f"GET /modules/talker/logs?api-version={VERSION}&follow=true&tail=0 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = s.recv(65536)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        talker.exec("/bin/sh", "-c", "echo third > /proc/1/fd/1")
        assert b"third" in s.recv(65536)
    process.wait_until(lambda: device.daemon.descriptor_cnt <= before, "the engine's request has ended")
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(device.daemon.mgmt))
        s.sendall(f"GET /modules/talker/logs?api-version={VERSION}&follow=true HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
        s.recv(65536)
        talker.kill()
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
        assert answer.endswith(b"0\r\n\r\n")


def test_a_slow_reader_of_a_loud_module(device: Device, engine: Engine) -> None:
    """The engine waits for it, not our memory."""
    loud = engine.run("loud", OURS, command=("/bin/busybox", "yes", "x" * 1000), Tty=False, StopSignal="SIGKILL",
                      host_config={"LogConfig": {"Type": "json-file", "Config": {"max-size": "16m", "max-file": "1"}}})
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(device.daemon.mgmt))
        s.sendall(f"GET /modules/loud/logs?api-version={VERSION}&follow=true HTTP/1.1\r\n\r\n".encode())
        for _ in range(5):  # until all buffers are full
            assert s.recv(1000)
            time.sleep(0.1)
        before = device.daemon.memory_kb
        for _ in range(20):
            assert s.recv(1000)
            time.sleep(0.1)
        assert device.daemon.memory_kb - before < 8 * 1024
        assert device.daemon.manage("GET", "/modules/loud").status == 200
    loud.remove()


def test_a_follower_does_not_hold_up_a_stop(device: Device, talker: Container) -> None:
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(device.daemon.mgmt))
        s.sendall(f"GET /modules/talker/logs?api-version={VERSION}&follow=true HTTP/1.1\r\n\r\n".encode())
        assert s.recv(65536)
        begun = time.monotonic()
        assert device.daemon.stop() == 0
        assert time.monotonic() - begun < 8
    device.daemon.start()


# Who may do what, under which version


CHANGES = (("POST", "/modules"), ("PUT", "/modules/other"), ("DELETE", "/modules/other"), ("POST", "/modules/other/prepareupdate"))
OPEN = (("GET", "/modules/plain", 200), ("POST", "/modules/plain/start", 204), ("POST", "/modules/plain/stop", 204),
        ("POST", "/modules/plain/restart", 204), ("GET", "/modules/plain/logs", 200))


@pytest.fixture
def other(device: Device, engine: Engine) -> Iterator[Module]:
    module = device.modules.run("other")
    yield module
    try:
        module.container.remove()
    except EngineError:
        pass


def test_only_edge_agent_changes_what_there_is(device: Device, engine: Engine, other: Module) -> None:
    wish = spec("other", MODULE_IMAGE, pull=False)
    before = state_of(engine, "other")["Id"]
    for version in VERSIONS:
        for method, path in CHANGES:
            target = f"{path}?api-version={version}"
            want = "not found" if path.endswith("prepareupdate") and version < "2019-01-30" else "Module not found"
            for socket_path in (other.mgmt, device.daemon.mgmt):
                reply = call(socket_path, method, target, wish)
                assert reply.status == 404 and reply.message == want, (target, reply)
    assert state_of(engine, "other")["Id"] == before


def test_every_version_has_the_routes(device: Device, engine: Engine) -> None:
    plain = engine.run("plain", OURS, StopSignal="SIGKILL")
    for version in VERSIONS:
        for method, path, status in OPEN:
            for slash in ("", "/"):
                reply = call(device.daemon.mgmt, method, f"{path}{slash}?api-version={version}")
                assert reply.status == status, (version, path, reply)
    plain.remove()


def test_control_can_be_narrowed(device: Device, engine: Engine, agent: Module, other: Module) -> None:
    """To edgeAgent and operators; others see what there is, as before."""
    engine.run("plain", OURS, StopSignal="SIGKILL")
    device.daemon.config["listen"]["module_control"] = "operators"
    device.daemon.write_config()
    device.daemon.restart()
    for method, path, status in OPEN:
        target = f"{path}?api-version={VERSION}"
        refused = status if path == "/modules/plain" else 404
        assert call(other.mgmt, method, target).status == refused
        assert call(agent.mgmt, method, target).status == status
        assert call(device.daemon.mgmt, method, target).status == status
    engine.call("DELETE", "/containers/plain?force=true")
    del device.daemon.config["listen"]["module_control"]
    device.daemon.write_config()
    device.daemon.restart()


def test_nothing_without_our_label_is_touched(device: Device, engine: Engine, agent: Module) -> None:
    foreign = engine.run("foreign")
    before = state_of(engine, "foreign")
    for name in ("foreign", foreign.id, foreign.id[:12], "x%2Fjson%3F", "..%2Fforeign", "%24edgeAgent", "$edgeAgent"):
        for method, path in (("GET", ""), ("POST", "/start"), ("POST", "/stop"), ("POST", "/restart"), ("DELETE", "")):
            reply = agent.manage(method, f"/modules/{name}{path}")
            assert reply.status == 404 and reply.message, (name, path, reply)
    assert agent.manage("PUT", "/modules/foreign", spec("foreign", IMAGE, pull=False)).status == 404
    assert agent.manage("POST", "/modules", spec("foreign", IMAGE, pull=False)).status == 409
    after = state_of(engine, "foreign")
    assert (after["Id"], after["State"]) == (before["Id"], before["State"])
    foreign.remove()


def test_bad_requests(agent: Module) -> None:
    good = spec("bad", IMAGE, pull=False)
    for body in (b"", b"{", {**good, "type": "podman"}, {**good, "name": " "}, {**good, "imagePullPolicy": "Always"},
                 {**good, "config": {"settings": {"image": IMAGE, "createOptions": None}}}):
        reply = agent.manage("POST", "/modules", body)
        assert reply.status == 400 and reply.message.startswith("Request body is malformed"), reply
    assert agent.manage("PUT", "/modules/other", good).status == 400
    assert agent.manage("POST", "/modules/other/prepareupdate", good).status == 400
    huge = json.dumps(spec("bad", IMAGE, {"Labels": {"x": "y" * 1024 * 1024}})).encode()
    assert agent.manage("POST", "/modules", huge).status == 413
    assert agent.manage("POST", "/modules", spec("bad", IMAGE, {"Cmd": 7}, pull=False)).status in (400, 500)  # the engine's word


def test_provisioned_again(agent: Module) -> None:
    assert agent.manage("POST", "/device/reprovision").status == 200
