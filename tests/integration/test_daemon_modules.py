"""The list of modules, from real containers and from engines that misbehave."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator
from urllib.parse import quote

import pytest

from support import process
from support.daemon import STUCK_DISK, Daemon, Reply, call, preloaded
from support.engine import IMAGE, OURS, Container, Engine
from support.mock import MockEngine, Process
from support.routes import VERSIONS

UTC = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
ID = "1ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"


def modules_of(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert list(body) == ["modules"]
    return {module["name"]: module for module in body["modules"]}


def listed(daemon: Daemon) -> dict[str, Any]:
    return modules_of(daemon.manage("GET", "/modules"))


# A real engine


@pytest.fixture
def on_engine(make_daemon: Callable[..., Daemon], clean: Engine) -> Iterator[Daemon]:
    """A daemon without an identity, which this needs none of, and an engine without containers of other tests."""
    daemon = make_daemon(clean.socket)
    daemon.start()
    yield daemon
    assert daemon.stop() == 0


def test_nothing_to_list(on_engine: Daemon, engine: Engine) -> None:
    engine.run("foreign")
    assert on_engine.manage("GET", "/modules").body == b'{"modules":[]}'


def test_both_sockets_and_every_version(on_engine: Daemon, engine: Engine) -> None:
    engine.run("edgeAgent", OURS)
    bodies = {
        call(path, "GET", f"{target}?api-version={version}").body
        for path in (on_engine.mgmt, on_engine.work)
        for target in ("/modules", "/modules/")
        for version in VERSIONS
    }
    assert len(bodies) == 1 and b'"edgeAgent"' in bodies.pop()


def test_labels_are_unmodified(on_engine: Daemon, engine: Engine) -> None:
    """edgeAgent decides by them whether it must update itself."""
    labels = {
        **OURS,
        "net.azure-devices.edge.env": '{"a":{"value":"<&\'\\"\\\\ \u00e4\u2028"}}',
        "net.azure-devices.edge.create-options": '{"HostConfig":{"Binds":["/x:/y"]}}',
        "": "no name",
        "tab\tand\nline": "\t\n\r\x01\x7f",
        "long": "x" * 60000,
    }
    container = engine.run("edgeAgent", labels)
    truth = engine.call("GET", f"/containers/{container.id}/json")
    module = listed(on_engine)["edgeAgent"]
    assert truth["Config"]["Labels"] == labels
    assert module["config"]["settings"]["createOptions"] == {"Labels": labels}
    assert module == {
        "id": "id",
        "name": "edgeAgent",
        "type": "docker",
        "config": {
            "settings": {"image": IMAGE, "imageHash": truth["Image"], "createOptions": {"Labels": labels}},
            "env": [],
        },
        "status": {
            "startTime": truth["State"]["StartedAt"],
            "runtimeStatus": {"status": "running", "description": "running"},
        },
    }


def test_labels_of_megabytes(on_engine: Daemon, engine: Engine) -> None:
    """As an image may bring them along: list and events are longer than what is kept of an answer, and nothing is missed."""
    on_engine.wait_log("container engine at .* speaks API")
    big = {**OURS, "net.azure-devices.edge.env": "{}", "junk": "x" * 1_200_000}
    containers = [engine.run(f"big{i}", big) for i in range(8)]
    modules = listed(on_engine)
    assert set(modules) == {one.name for one in containers}
    kept = modules["big0"]["config"]["settings"]["createOptions"]["Labels"]
    assert kept == {**OURS, "net.azure-devices.edge.env": "{}"}
    containers[0].kill()
    process.wait_until(lambda: listed(on_engine)["big0"]["status"]["runtimeStatus"]["status"] == "failed", "the event was heard")
    assert on_engine.manage("POST", "/modules/big0/start").status == 204
    assert "engine is away:" not in on_engine.log_text()
    assert on_engine.log_count("labels that are not edgeAgent's are left out") == 1


def ended(engine: Engine, name: str, code: int) -> Container:
    container = engine.run(name, OURS, command=("/bin/sh", "-c", f"exit {code}"))
    container.wait()
    return container


def test_states(on_engine: Daemon, engine: Engine) -> None:
    engine.run("fresh", OURS, start=False)
    engine.run("runs", OURS)
    good, bad = ended(engine, "good", 0), ended(engine, "bad", 3)
    killed = engine.run("killed", OURS)
    killed.kill()
    killed.wait()
    paused = engine.run("paused", OURS)
    engine.call("POST", f"/containers/{paused.id}/pause")
    ended(engine, "again", 7)
    modules = listed(on_engine)
    engine.call("POST", f"/containers/{paused.id}/unpause")
    words = {name: tuple(m["status"]["runtimeStatus"].values()) for name, m in modules.items()}
    assert words == {
        "fresh": ("stopped", "created"),
        "runs": ("running", "running"),
        "good": ("stopped", "exited"),
        "bad": ("failed", "exited"),
        "killed": ("failed", "exited"),
        "paused": ("stopped", "paused"),
        "again": ("failed", "exited"),
    }
    codes = {name: m["status"]["exitStatus"]["statusCode"] for name, m in modules.items() if "exitStatus" in m["status"]}
    assert codes == {"good": "0", "bad": "3", "killed": "137", "again": "7"}
    assert "startTime" not in modules["fresh"]["status"]
    for container in (good, bad, killed):
        state = engine.call("GET", f"/containers/{container.id}/json")["State"]
        status = modules[container.name]["status"]
        assert status["startTime"] == state["StartedAt"] and UTC.fullmatch(state["StartedAt"])
        assert status["exitStatus"]["exitTime"] == state["FinishedAt"] and UTC.fullmatch(state["FinishedAt"])


def test_list_follows_what_happens(on_engine: Daemon, engine: Engine) -> None:
    """What is remembered of a module from one list to the next is given up when something happens to it, whoever does it."""
    on_engine.wait_log("container engine at .* speaks API")
    engine.run("other", OURS)
    one = engine.run("one", OURS)

    def state() -> Any:
        status = listed(on_engine)["one"]["status"]
        truth = engine.call("GET", f"/containers/{one.id}/json")["State"]
        return status, truth

    def agrees() -> bool:
        status, truth = state()
        return bool(status["runtimeStatus"]["description"] == truth["Status"]
                    and status.get("startTime") == truth["StartedAt"]
                    and ("exitStatus" not in status or status["exitStatus"]["exitTime"] == truth["FinishedAt"]))

    for act in ("restart?t=0", "pause", "unpause", "kill", "start", "stop?t=0", "start"):
        listed(on_engine)
        engine.call("POST", f"/containers/{one.id}/{act}")
        process.wait_until(agrees, f"the list tells of {act}", 5)
        assert agrees()
    one.rename("two")
    assert set(listed(on_engine)) == {"other", "two"}
    one.remove()
    process.wait_until(lambda: set(listed(on_engine)) == {"other"}, "the list tells of the removal", 5)


def test_image_whose_name_has_moved_on(on_engine: Daemon, engine: Engine) -> None:
    """What was deployed is told, not an id that edgeAgent would take for another image."""
    engine.call("POST", f"/images/{IMAGE}/tag?repo=registry.test%3A5000%2Fmod&tag=1.0")
    engine.run("moved", OURS, image="registry.test:5000/mod:1.0")
    old = listed(on_engine)["moved"]["config"]["settings"]["imageHash"]
    engine.raw("POST", f"/images/create?fromSrc=-&repo={quote('registry.test:5000/mod', safe='')}&tag=1.0", bytes(10240),
               "application/x-tar")
    settings = listed(on_engine)["moved"]["config"]["settings"]
    assert settings["image"] == "registry.test:5000/mod:1.0"
    assert settings["imageHash"] == old


def test_containers_that_come_and_go(on_engine: Daemon, engine: Engine) -> None:
    """Between list and inspection: skipped, and never an error."""
    stays = [engine.run(f"stays{i}", OURS, start=False).name for i in range(10)]
    over = threading.Event()

    def churn() -> None:
        while not over.is_set():
            for i in range(4):
                engine.run(f"comes{i}", OURS, start=False).remove()

    threads = [threading.Thread(target=churn)]
    for thread in threads:
        thread.start()
    try:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            assert set(stays) <= set(listed(on_engine))
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_many_ask_at_once(on_engine: Daemon, engine: Engine) -> None:
    for i in range(12):
        engine.run(f"mod{i}", OURS, start=False)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(len(listed(on_engine)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [12] * 8


def test_resources(on_engine: Daemon, engine: Engine) -> None:
    names = {f"m{number}" for number in range(8)}
    for name in sorted(names):
        engine.run(name, OURS)
    engine.run("foreign")
    ended(engine, "ended", 0)
    began = time.monotonic()
    reply = call(on_engine.mgmt, "GET", "/systeminfo/resources?api-version=2019-11-05")
    took = time.monotonic() - began
    assert reply.status == 200, reply
    body = reply.json()
    assert list(body) == ["host_uptime", "process_uptime", "used_cpu", "used_ram", "total_ram", "disks", "docker_stats"]
    assert 0 <= body["process_uptime"] <= body["host_uptime"]
    assert 0 <= body["used_cpu"] <= 100
    assert 0 < body["used_ram"] < body["total_ram"]
    for disk in body["disks"]:
        assert list(disk) == ["name", "available_space", "total_space", "file_system", "file_type"]
        assert 0 <= disk["available_space"] <= disk["total_space"]
    assert isinstance(body["docker_stats"], str)
    stats = {one["name"].lstrip("/"): one for one in json.loads(body["docker_stats"])}
    assert set(stats) == names | {"ended"}
    assert all(stats[name]["memory_stats"]["usage"] > 0 for name in names)
    assert took < len(names)  # the engine takes a second for each at least


def test_resources_of_older_versions(on_engine: Daemon) -> None:
    for version in VERSIONS:
        known = version >= "2019-11-05"
        assert call(on_engine.mgmt, "GET", f"/systeminfo/resources?api-version={version}").status == (200 if known else 404)


def test_support_bundle(on_engine: Daemon) -> None:
    for version in VERSIONS:
        reply = call(on_engine.mgmt, "GET", f"/systeminfo/supportbundle?api-version={version}&since=1h")
        assert reply.status == (501 if version >= "2020-07-07" else 404)
        assert reply.message


# A scripted one


@pytest.fixture
def mock(work_dir: Path) -> Iterator[MockEngine]:
    one = MockEngine(work_dir / "engine.sock")
    one.containers = [Process(ID[:-1] + str(i), f"mod{i}") for i in range(3)]
    one.start()
    yield one
    one.stop()


@pytest.fixture
def on_mock(make_daemon: Callable[..., Daemon], mock: MockEngine) -> Iterator[Daemon]:
    daemon = make_daemon(mock.socket)
    daemon.start()
    daemon.wait_log("container engine at .* speaks API")
    yield daemon
    assert daemon.stop() == 0


def test_vanished_is_skipped(on_mock: Daemon, mock: MockEngine) -> None:
    mock.fail(f"/containers/{ID[:-1]}1/json", "status", status=404, body='{"message":"No such container"}')
    assert list(listed(on_mock)) == ["mod0", "mod2"]


@pytest.mark.parametrize(
    "kind, statuses",
    [
        ("status", {500}),
        ("drop", {503}),
        ("garbage", {500, 503}),
        ("truncate", {500, 503}),
        ("oversize", {500}),
        ("chunk", {500, 503}),
        ("body", {500}),
    ],
)
def test_faults(on_mock: Daemon, mock: MockEngine, kind: str, statuses: set[int]) -> None:
    mock.fail("/containers/json", kind)
    started = time.monotonic()
    reply = on_mock.manage("GET", "/modules")
    assert reply.status in statuses, reply
    assert reply.message.startswith("Could not list modules\n\tcaused by: ")
    assert time.monotonic() - started < 10
    mock.faults.clear()
    assert len(listed(on_mock)) == 3


@pytest.mark.parametrize("kind", ["status", "garbage", "oversize", "body"])
def test_a_broken_container_does_not_hide_the_others(on_mock: Daemon, mock: MockEngine, kind: str) -> None:
    """edgeAgent must see it in order to remove it."""
    mock.fail(f"/containers/{ID[:-1]}1/json", kind)
    assert list(listed(on_mock)) == ["mod0", "mod1", "mod2"]
    assert "is listed without its status" in on_mock.log_text()
    mock.faults.clear()
    assert len(listed(on_mock)) == 3


@pytest.mark.parametrize("kind", ["drop", "truncate", "chunk"])
def test_an_engine_that_breaks_off_while_one_is_looked_at(on_mock: Daemon, mock: MockEngine, kind: str) -> None:
    mock.fail(f"/containers/{ID[:-1]}1/json", kind)
    reply = on_mock.manage("GET", "/modules")
    assert reply.status in {200, 500, 503}, reply
    mock.faults.clear()
    assert len(listed(on_mock)) == 3


def test_engine_away(on_mock: Daemon, mock: MockEngine) -> None:
    mock.stop()
    reply = on_mock.manage("GET", "/modules")
    assert reply.status == 503 and str(mock.socket) in reply.message
    assert int(reply.headers["retry-after"]) > 0
    mock.start()
    process.wait_until(lambda: on_mock.manage("GET", "/modules").status == 200, "the list is back")


def test_resources_without_some_statistics(on_mock: Daemon, mock: MockEngine) -> None:
    target = "/systeminfo/resources?api-version=2022-08-03"
    one = f"/containers/{ID[:-1]}1/stats"
    for kind in ("status", "drop", "garbage", "truncate", "oversize"):
        mock.fail(one, kind)
        body = call(on_mock.mgmt, "GET", target).json()
        assert len(json.loads(body["docker_stats"])) == 2, kind
        mock.faults.clear()
    assert len(json.loads(call(on_mock.mgmt, "GET", target).json()["docker_stats"])) == 3
    mock.fail("/containers/json", "status")
    reply = call(on_mock.mgmt, "GET", target)
    assert reply.status == 500 and reply.message.startswith("Could not query system resources\n\tcaused by: ")


def test_times_of_podman_become_utc(on_mock: Daemon, mock: MockEngine) -> None:
    """It tells local time, and never ended as year 1 of that."""
    mock.containers = [Process(ID, "mod", state={
        "Status": "stopped", "Running": False, "ExitCode": 1, "StartedAt": "2026-11-23T22:57:06.5+02:00",
        "FinishedAt": "2026-11-23T23:57:06+02:00"})]
    status = listed(on_mock)["mod"]["status"]
    assert status == {
        "startTime": "2026-11-23T20:57:06.5Z",
        "exitStatus": {"exitTime": "2026-11-23T21:57:06Z", "statusCode": "1"},
        "runtimeStatus": {"status": "failed", "description": "stopped"},
    }
    mock.containers[0].state.update(Status="running", Running=True, FinishedAt="0001-01-01T00:00:00+02:00")
    assert "exitStatus" not in listed(on_mock)["mod"]["status"]


def test_a_hundred_modules(on_mock: Daemon, mock: MockEngine) -> None:
    mock.containers = [Process(f"{i:064x}", f"mod{i}") for i in range(100)]

    def lists() -> int:
        return sum(path.startswith("/v1.41/containers/json") for path in mock.requests)

    listed(on_mock)
    before = lists()  # with those of the daemon itself, which has just found the engine
    assert list(listed(on_mock)) == [f"mod{i}" for i in range(100)]
    assert lists() == before + 1


def test_client_that_leaves(on_mock: Daemon, mock: MockEngine) -> None:
    """The engine does not answer, clients go away: nothing is left behind."""
    listed(on_mock)
    before = on_mock.descriptor_cnt  # with the idle connections to the engine
    mock.fail("/containers/json", "hang")
    for _ in range(12):
        with pytest.raises(OSError):
            call(on_mock.mgmt, "GET", "/modules?api-version=2018-06-28", timeout_s=0.05)
    mock.faults.clear()
    process.wait_until(lambda: on_mock.manage("GET", "/modules").status == 200, "lists work again")
    process.wait_until(lambda: on_mock.descriptor_cnt <= before + 2, "the connections are gone")


def test_client_that_leaves_resources(on_mock: Daemon, mock: MockEngine) -> None:
    """More than are served at once: the places of those who have gone are free again."""
    target = "/systeminfo/resources?api-version=2019-11-05"
    mock.fail(f"/containers/{ID[:-1]}1/stats", "hang")
    for _ in range(8):
        with pytest.raises(OSError):
            call(on_mock.mgmt, "GET", target, timeout_s=0.2)
    mock.faults.clear()
    process.wait_until(lambda: call(on_mock.mgmt, "GET", target).status == 200, "resources are told again")


def test_a_disk_that_hangs(make_daemon: Callable[..., Daemon], mock: MockEngine, work_dir: Path) -> None:
    """Whoever asks for it gets the numbers of before, the key store goes on, and so does the end of the daemon."""
    target = "/systeminfo/resources?api-version=2019-11-05"
    stuck = work_dir / "stuck"
    daemon = make_daemon(mock.socket)
    daemon.env = preloaded(str(STUCK_DISK), STUCK_DISK=str(stuck))
    daemon.start()
    disks = call(daemon.mgmt, "GET", target).json()["disks"]
    assert disks, "this machine has no disk of its own"
    stuck.touch()
    for limit_s in (5.0, 1.5, 1.5):
        reply = call(daemon.mgmt, "GET", target, timeout_s=limit_s)
        assert reply.status == 200 and [d["name"] for d in reply.json()["disks"]] == [d["name"] for d in disks]
    assert daemon.manage("GET", "/systeminfo").status == 200
    assert f"The disk '{disks[0]['name']}' does not tell how full it is" in daemon.log.read_text()
    stuck.unlink()
    process.wait_until(lambda: "The disks tell again" in daemon.log.read_text(), "the disk is back")
    stuck.touch()
    assert call(daemon.mgmt, "GET", target).status == 200
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 5
