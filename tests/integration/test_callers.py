"""Who may do what, with real containers: the daemon asks the kernel and the engine, never the caller."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Callable, Iterator, Optional

import pytest

from support import process
from support.daemon import Daemon
from support.engine import OURS, Container, Engine

ASK_IMAGE = "edged-test/ask"
SIGN = '{"keyId":"primary","algo":"HMACSHA256","data":"aGVsbG8="}'
VERSION = "api-version=2019-01-30"
ASK = str(Path(os.environ.get("EDGE_BUILD", "build")) / "tests" / "unit" / "module_ask")

# Waits for the test to move it, shows where it is, and asks.
WAIT_AND_ASK = """
while [ ! -e /edge/go ]; do sleep 0.1; done
cat /proc/self/cgroup
exec {command}
"""


class World:
    """A daemon that is provisioned, and an engine whose containers reach its sockets."""

    def __init__(self, daemon: Daemon, engine: Engine) -> None:
        self.daemon = daemon
        self.engine = engine
        self._started: list[Container] = []

    def run(self, name: str, ours: bool = True, **options: object) -> Container:
        container = self.engine.run(
            name, OURS if ours else None, {str(self.daemon.folder): "/edge"}, image=ASK_IMAGE, **options
        )
        self._started.append(container)
        return container

    def close(self) -> None:
        for container in self._started:
            container.remove()


def sign_command(module: str, times: int = 1) -> list[str]:
    return ["/bin/module_ask", "/edge/run/work.sock", "POST", f"/modules/{module}/genid/1/sign?{VERSION}", SIGN, str(times)]


def sign(caller: Container, module: str, times: int = 1, **options: str) -> list[str]:
    """The statuses that a process of `caller` gets when it asks to sign as `module`."""
    code, text = caller.exec(*sign_command(module, times), **options)
    assert code == 0, text
    return [line[:3] for line in text.splitlines()]


@pytest.fixture(scope="session")
def ask_image(engine: Engine) -> str:
    return engine.load_image(ASK_IMAGE, {"bin/module_ask": Path(ASK)})


@pytest.fixture
def world(make_daemon: Callable[[Optional[Path]], Daemon], engine: Engine, ask_image: str) -> Iterator[World]:
    assert ask_image == ASK_IMAGE
    daemon = make_daemon(engine.socket)
    daemon.enroll()
    daemon.start()
    daemon.wait_assigned()
    made = World(daemon, engine)
    yield made
    made.close()


def test_module_signs_as_itself_only(world: World) -> None:
    a, b = world.run("mod-a"), world.run("mod-b")
    assert sign(a, "mod-a") == ["200"]
    assert sign(a, "mod-b") == ["404"]
    assert sign(b, "mod-b") == ["200"]
    assert sign(b, "mod-a") == ["404"]
    assert sign(a, "$mod-a") == ["200"]
    assert sign(a, "MOD-A") == ["404"]
    assert sign(a, "mod-a", user="1000") == ["200"]
    assert sign(a, "mod-a", times=50) == ["200"] * 50
    world.daemon.wait_log("refused pid .* as .mod-b. .* which is module 'mod-a'")


def test_first_process_of_a_container(world: World) -> None:
    """Without exec: what runs in the container from its start."""
    container = world.run("mod-a", command=sign_command("mod-a", 3))
    assert container.wait() == 0
    assert [line[:3] for line in container.logs().splitlines()] == ["200"] * 3


def test_container_that_is_not_ours(world: World) -> None:
    other = world.run("mod-a", ours=False)
    assert sign(other, "mod-a") == ["404"]
    world.daemon.wait_log("none of our modules")


def test_process_on_the_host(world: World) -> None:
    world.run("mod-a")
    target = f"/modules/mod-a/genid/1/sign?{VERSION}"
    done = subprocess.run([ASK, str(world.daemon.work), "POST", target, SIGN], capture_output=True, text=True, check=True)
    assert done.stdout.startswith('404 {"message":"Module not found"}')


def test_only_edge_agent_manages(world: World) -> None:
    agent, module = world.run("edgeAgent"), world.run("mod-a")
    command = ["/bin/module_ask", "/edge/run/mgmt.sock", "GET", f"/identities?{VERSION}"]
    assert agent.exec(*command)[1].startswith("200")
    assert module.exec(*command)[1].startswith("404")
    assert sign(agent, "mod-a") == ["404"]


def test_edge_agent_may_ask_for_provisioning(world: World) -> None:
    """It takes 200 only, and nothing stops."""
    agent, module = world.run("edgeAgent"), world.run("mod-a")
    command = ["/bin/module_ask", "/edge/run/mgmt.sock", "POST", "/device/reprovision?api-version=2019-10-22", "{}"]
    assert module.exec(*command)[1].startswith("404")
    assert agent.exec(*command)[1].startswith("200")
    world.daemon.wait_log("dynamic_reprovisioning is off")
    assert world.daemon.is_running()


def test_containers_are_no_operators(world: World) -> None:
    """Neither root in edgeAgent, which has the socket, nor the user it gives the socket to."""
    agent = world.run("edgeAgent")
    command = ["/bin/module_ask", "/edge/run/mgmt.sock", "GET", f"/edged/status?{VERSION}"]
    os.chown(world.daemon.mgmt, 1000, 1000)
    assert agent.exec(*command)[1].startswith('404 {"message":"Module not found"}')
    assert agent.exec(*command, user="1000")[1].startswith('404 {"message":"Module not found"}')
    world.daemon.wait_log("refused pid .* as 'operator' .* it runs in container")
    done = subprocess.run([ASK, str(world.daemon.mgmt), "GET", f"/edged/status?{VERSION}"], capture_output=True, text=True,
                          check=True)
    assert done.stdout.startswith("200 ")


def cgroup_folders(pid: int) -> list[Path]:
    """Where the groups of a process are in the file system, one for each hierarchy that is mounted."""
    mounts: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        kind, _, options = right.split()
        if kind == "cgroup2":
            mounts[""] = Path(left.split()[4])
        elif kind == "cgroup":
            for option in options.split(","):
                mounts[option] = Path(left.split()[4])
    folders = []
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in mounts:
                folders.append(mounts[controller] / path.lstrip("/"))
                break
    return folders


def move_into_forged_groups(pid: int, victim: str) -> None:
    """What a container can do that may write to its part of the cgroup tree: groups of any name below its own."""
    moved = 0
    for folder in cgroup_folders(pid):
        for name in (f"docker-{victim}.scope", f"docker/{victim}"):
            forged = folder / name
            try:
                forged.mkdir(parents=True)
                for setting in ("cpuset.cpus", "cpuset.mems"):
                    if (folder / setting).exists():
                        (forged / setting).write_text((folder / setting).read_text())
                (forged / "cgroup.procs").write_text(str(pid))
                moved += 1
            except OSError:
                continue  # a hierarchy that is not to be written to here
    assert moved > 0


@pytest.mark.parametrize("module, status", [("mod-b", "404"), ("mod-a", "200")])
def test_forged_cgroups(world: World, module: str, status: str) -> None:
    victim = world.run("mod-b")
    quoted = " ".join(f"'{part}'" for part in sign_command(module))
    forger = world.run("mod-a", command=["/bin/sh", "-c", WAIT_AND_ASK.format(command=quoted)])
    move_into_forged_groups(forger.pid, victim.id)
    (world.daemon.folder / "go").touch()
    forger.wait()
    lines = forger.logs().splitlines()
    assert any(forger.id in line and victim.id in line for line in lines), lines
    assert lines[-1].startswith(status), lines


def test_container_without_its_own_namespaces(world: World) -> None:
    """It sees all processes of the host, and is still who it is."""
    container = world.run("mod-a", host_config={"PidMode": "host", "IpcMode": "host", "UTSMode": "host"})
    assert sign(container, "mod-a") == ["200"]
    assert sign(container, "mod-b") == ["404"]


def test_rename(world: World) -> None:
    container = world.run("mod-a")
    assert sign(container, "mod-a") == ["200"]
    container.rename("mod-c")
    process.wait_until(lambda: sign(container, "mod-a") == ["404"], "the old name is void")
    assert sign(container, "mod-c") == ["200"]


def test_name_is_given_to_another_container(world: World) -> None:
    first = world.run("mod-a")
    assert sign(first, "mod-a") == ["200"]
    first.rename("mod-old")
    second = world.run("mod-a")
    process.wait_until(lambda: sign(first, "mod-a") == ["404"], "the old name is void")
    assert sign(second, "mod-a") == ["200"]


def test_engine_is_asked_once(world: World) -> None:
    """However many connections: the answer is kept until an event voids it."""
    container = world.run("mod-a")
    for _ in range(5):
        assert sign(container, "mod-a") == ["200"]
    assert "process list" not in world.daemon.log_text()


def test_engine_goes_away(
    make_daemon: Callable[[Optional[Path]], Daemon], make_engine: Callable[..., Engine], work_dir: Path
) -> None:
    """Those who are known go on; strangers are told to come again, and it heals by itself."""
    engine = make_engine()
    engine.load_image(ASK_IMAGE, {"bin/module_ask": Path(ASK)})
    daemon = make_daemon(engine.socket)
    daemon.enroll()
    daemon.start()
    daemon.wait_assigned()
    loop = ["/bin/sh", "-c", "while sleep 0.2; do " + " ".join(f"'{p}'" for p in sign_command("mod-a")) + " > /edge/out; done"]
    container = engine.run("mod-a", OURS, {str(daemon.folder): "/edge"}, loop, ASK_IMAGE)
    out = daemon.folder / "out"

    def says(status: str) -> Callable[[], bool]:
        return lambda: out.exists() and out.read_text().startswith(status)

    process.wait_until(says("200"), "the module signs")
    pid = container.pid
    engine.kill()
    daemon.wait_log("The container engine is away")
    assert Path(f"/proc/{pid}").exists(), "the container was to survive its engine"
    out.unlink()
    process.wait_until(says("200"), "the module signs without an engine")
    engine.start()
    daemon.wait_log("container engine is back", 60)
    container.remove()
    out.unlink()
    engine.run("mod-a", OURS, {str(daemon.folder): "/edge"}, loop, ASK_IMAGE)
    process.wait_until(says("200"), "a new container of the module signs")
