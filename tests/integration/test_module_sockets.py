"""Sockets of modules on a real engine: inodes that outlive the daemon, restarts of modules where they cannot, limits."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from support import process
from support.daemon import RECOVERY_S, Daemon, call
from support.device import Device, running_device
from support.engine import OURS, Engine
from support.module_image import INSIDE_SOCKETS, Module, sign_body, sign_path
from support.service_manager import ServiceManager

MODULE_CONNS, MODULE_REFUSED = 10, 32
REQUEST = b"GET /trust-bundle?api-version=2018-06-28 HTTP/1.1\r\nHost: x\r\n\r\n"


def state_of(module: Module) -> dict[str, Any]:
    return dict(module.container.engine.call("GET", f"/containers/{module.container.id}/json")["State"])


def wait_signs(module: Module, timeout_s: float) -> None:
    def signs() -> bool:
        try:
            return module.sign(b"text").status == 200
        except (OSError, ValueError, AssertionError):
            return False

    process.wait_until(signs, f"{module.container.name} signs", timeout_s)


@pytest.fixture(scope="module")
def device(engine: Engine) -> Iterator[Device]:
    """With a service manager that keeps descriptors."""
    engine.clear()
    with running_device(engine, managed=True) as one:
        yield one
        engine.clear()


@pytest.fixture(scope="module")
def sensor(device: Device) -> Module:
    return device.modules.deploy(device.agent, "sensor")


@pytest.fixture(scope="module")
def other(device: Device) -> Module:
    return device.modules.deploy(device.agent, "other")


def test_a_socket_comes_and_goes_with_its_module(device: Device, sensor: Module) -> None:
    path = device.daemon.module_socket("fleeting")
    manager = device.daemon.manager
    assert manager is not None and path.parent.stat().st_mode & 0o7777 == 0o755
    assert not path.exists()
    fleeting = device.modules.deploy(device.agent, "fleeting")
    assert path.is_socket() and path.stat().st_mode & 0o7777 == 0o666
    assert fleeting.sign(b"text").status == 200
    assert device.verdict(fleeting.token())["accepted"]
    # The file grants nothing: who is calling decides.
    assert sensor.sign(b"text", "fleeting", generation=fleeting.generation).status == 404
    assert call(path, "POST", f"{sign_path('fleeting', '1')}?api-version=2019-01-30", sign_body(b"text")).status == 404
    process.wait_until(lambda: "fleeting.sock" in manager.names(), "the manager keeps the socket")
    assert device.agent.manage("DELETE", "/modules/fleeting").status == 204
    assert not path.exists()
    process.wait_until(lambda: "fleeting.sock" not in manager.names(), "the manager has forgotten the socket")
    # One whose container cannot be made leaves none.
    bad = {"name": "bad", "type": "docker", "imagePullPolicy": "Never",
           "config": {"settings": {"image": "edged-test/none:9", "createOptions": {}}, "env": []}}
    assert device.agent.manage("POST", "/modules", bad).status == 404
    assert not device.daemon.module_socket("bad").exists()
    assert device.daemon.module_socket("edgeAgent").is_socket()


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_modules_outlive_the_daemon(device: Device, sensor: Module, other: Module, way: str) -> None:
    """The same inode, and nobody is restarted; who asks meanwhile waits, and is answered."""
    daemon = device.daemon
    assert daemon.manager is not None
    paths = [daemon.work, daemon.mgmt, *(daemon.module_socket(name) for name in ("sensor", "other", "edgeAgent"))]
    inodes = [path.stat().st_ino for path in paths]
    before = [state_of(module)["StartedAt"] for module in (sensor, other, device.agent)]
    getattr(daemon, way)()
    assert [path.stat().st_ino for path in paths] == inodes
    with socket.socket(socket.AF_UNIX) as early:
        early.settimeout(20)
        early.connect(str(daemon.module_socket("sensor")))
        early.sendall(REQUEST)
        daemon.clear_log()
        daemon.launch()
        begin = time.monotonic()
        for module in (sensor, other):
            assert module.sign(b"text").status == 200
        assert time.monotonic() - begin < RECOVERY_S
        assert early.recv(100).startswith(b"HTTP/1.1 ")
    assert [path.stat().st_ino for path in paths] == inodes
    assert device.verdict(sensor.token())["accepted"]
    daemon.wait_log("Sockets of modules: 3, of these made anew: 0")
    assert device.agent.manage("GET", "/modules").status == 200
    assert [state_of(module)["StartedAt"] for module in (sensor, other, device.agent)] == before
    assert daemon.log_count("was restarted") == 0


def test_connections_of_one_module_are_its_own(device: Device, sensor: Module, other: Module) -> None:
    """120 of one module that say nothing: it still gets through itself, and nobody else notices."""
    before = device.daemon.descriptor_cnt
    sensor.start_in_background("hold", f"{INSIDE_SOCKETS}/work.sock", "30", "4")
    process.wait_until(lambda: device.daemon.descriptor_cnt >= before + 10, "connections are held")
    for module in (other, device.agent):
        for _ in range(10):
            assert module.sign(b"text").status == 200
    wait_signs(sensor, 20)
    assert device.daemon.descriptor_cnt <= before + 3 * (MODULE_CONNS + MODULE_REFUSED)
    sensor.container.kill()
    sensor.container.start()
    wait_signs(sensor, 20)


def test_an_engine_made_directory_makes_room(device: Device, sensor: Module, engine: Engine) -> None:
    """Somebody started a container with our label by hand, and the engine made a directory where the socket was missing."""
    daemon = device.daemon
    path = daemon.module_socket("byhand")
    engine.run("byhand", OURS, {str(path): "/run/w.sock"}).remove()
    assert path.is_dir()
    engine.run("byhand", OURS, start=False)
    daemon.stop()
    daemon.clear_log()
    daemon.start()
    assert path.is_socket()
    wait_signs(sensor, 20)
    assert daemon.log_count("was restarted") == 0
    engine.call("DELETE", "/containers/byhand?force=true")


def test_without_a_manager_those_are_restarted_that_must(device: Device, sensor: Module, other: Module,
                                                         engine: Engine) -> None:
    """As when the store is lost: the inodes are others, and whoever has mounted one is restarted, once."""
    daemon = device.daemon
    engine.run("deaf", OURS)
    started = {name: engine.call("GET", f"/containers/{name}/json")["State"]["StartedAt"]
               for name in ("sensor", "other", "deaf", "edgeAgent")}
    daemon.kill()
    manager, daemon.manager = daemon.manager, None
    assert manager is not None
    manager.forget()
    daemon.clear_log()
    daemon.start()
    daemon.wait_log("Running modules that were restarted, since their sockets had to be made anew: 2")
    for module in (sensor, other):
        wait_signs(module, 20)
    now = {name: engine.call("GET", f"/containers/{name}/json")["State"]["StartedAt"] for name in started}
    assert {name for name in started if now[name] != started[name]} == {"sensor", "other"}
    assert daemon.log_count(r"Module \w+ was restarted") == 2
    assert device.agent.manage("GET", "/modules").status == 200
    engine.call("DELETE", "/containers/deaf?force=true")


def test_a_hundred_sockets(make_daemon: Any, work_dir: Path) -> None:
    """All answer, before and after a kill, while the engine is away; those of the APIs are kept as well."""
    daemon: Daemon = make_daemon()
    daemon.manager = ServiceManager(work_dir)
    daemon.manager.listen("iotedge.socket", daemon.work, 0o666)
    daemon.config["listen"]["workload_uri"] = "fd://iotedge.socket"
    (daemon.home / "mnt").mkdir()
    names = [f"module-{number}" for number in range(100)]
    for name in names:
        daemon.module_socket(name).mkdir()  # as the engine does
    daemon.start()
    inodes = {}
    for made in ("101", "0"):
        daemon.wait_log(f"Sockets of modules: 101, of these made anew: {made}")
        for name in names:
            reply = call(daemon.module_socket(name), "GET", "/trust-bundle?api-version=2018-06-28")
            assert reply.status in (200, 503), reply
            inode = daemon.module_socket(name).stat().st_ino
            assert inodes.setdefault(name, inode) == inode
        manager = daemon.manager
        process.wait_until(lambda: len(manager.store) == 103, "the manager keeps them all")
        daemon.kill()
        daemon.clear_log()
        daemon.start()
    assert daemon.stop() == 0
    assert daemon.work.is_socket() and len(daemon.manager.store) == 103
    daemon.manager.close()
