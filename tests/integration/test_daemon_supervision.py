"""The daemon brings edgeAgent up and keeps it there, on a real engine; what it leaves behind when it ends."""

from __future__ import annotations

import base64
import signal
import time
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest

from support import process
from support.daemon import Daemon
from support.device import Site, running_site
from support.engine import IMAGE, OURS, Engine, EngineError
from support.registry import PASSWORD, USER, Registry
from support.service_manager import ServiceManager

KEY = base64.b64encode(b"k" * 32).decode()
SPEC_LABEL = "net.azure-devices.edge.edged.spec"
WAIT_S = 60.0
NO_IDENTITY, NO_HUB, REFUSED = 150, 151, 152


def options(*command: str, **more: Any) -> dict[str, Any]:
    return {"Cmd": ["/bin/busybox", *command], "HostConfig": {"NetworkMode": "none"}, "StopSignal": "SIGKILL", **more}


class Rig:
    """A device of the manual kind, so that its record at the hub can be made anew with the same key."""

    def __init__(self, site: Site, engine: Engine) -> None:
        self.site = site
        self.engine = engine
        self.daemon: Daemon
        self.manager: Optional[ServiceManager] = None
        self.device_id = ""

    def make(self, *, edge: bool = True) -> Daemon:
        self.engine.clear()
        if self.manager is not None:
            self.manager.close()
        self.daemon = self.site.daemon(self.engine)
        self.manager = self.daemon.manager = ServiceManager(self.daemon.folder)
        self.device_id = self.site.name()
        made = self.site.admin.create_device(self.device_id, primary_key=KEY, edge=edge)
        self.daemon.use_connection_string(made["connectionString"])
        self.daemon.use_agent(IMAGE, options("sleep", "3600"))
        return self.daemon

    def agent(self) -> Optional[dict[str, Any]]:
        try:
            return dict(self.engine.call("GET", "/containers/edgeAgent/json"))
        except EngineError as err:
            assert err.status == 404, err
            return None

    def wait(self, *, but: str = "") -> dict[str, Any]:
        """edgeAgent runs, in another container than `but`."""
        found: list[dict[str, Any]] = []

        def runs() -> bool:
            one = self.agent()
            if one is not None and one["State"]["Running"] and one["Id"] != but:
                found.append(one)
            return bool(found)

        process.wait_until(runs, "edgeAgent runs", WAIT_S)
        return found[0]

    def stays(self, before: dict[str, Any], seconds: float = 2.0) -> None:
        """The same container, not started again."""
        time.sleep(seconds)
        now = self.agent()
        assert now is not None and now["Id"] == before["Id"] and now["State"]["StartedAt"] == before["State"]["StartedAt"]

    def generation(self) -> str:
        record = self.site.admin.device(self.device_id)
        assert record is not None
        (own,) = [m for m in record["modules"] if m["moduleId"] == "$edgeAgent"]
        return str(own["generationId"])

    def renew_device(self) -> None:
        """Removed from the hub and created again: other generation ids."""
        record = self.site.admin.device(self.device_id)
        assert record is not None
        self.site.admin.delete_device(record["hub"], self.device_id)
        self.site.admin.create_device(self.device_id, primary_key=KEY)


@pytest.fixture(scope="module")
def rig(engine: Engine) -> Iterator[Rig]:
    with running_site() as site:
        one = Rig(site, engine)
        try:
            yield one
        finally:
            engine.clear()
            if one.manager is not None:
                one.manager.close()


@pytest.fixture(autouse=True)
def end(rig: Rig) -> Iterator[None]:
    yield
    print(rig.daemon.log_text()[-8000:])
    rig.daemon.kill()
    rig.site.calm()


def variables(container: dict[str, Any]) -> dict[str, str]:
    return dict(one.split("=", 1) for one in container["Config"]["Env"])


def test_it_is_made_and_kept(rig: Rig) -> None:
    daemon = rig.make()
    daemon.start()
    made = rig.wait()
    env = variables(made)
    assert env["IOTEDGE_MODULEGENERATIONID"] == rig.generation() and env["IOTEDGE_MODULEID"] == "$edgeAgent"
    assert {**made["Config"]["Labels"], **OURS} == made["Config"]["Labels"] and SPEC_LABEL in made["Config"]["Labels"]
    assert daemon.module_socket("edgeAgent").is_socket()
    rig.site.check_manners()
    # Killed: started again, the same container.
    rig.engine.call("POST", "/containers/edgeAgent/kill")
    daemon.wait_log(r"edgeAgent has ended with code 137; it is started again in \d s")
    again = rig.wait()
    assert again["Id"] == made["Id"]
    # Removed: made anew.
    rig.engine.call("DELETE", "/containers/edgeAgent?force=true")
    anew = rig.wait(but=made["Id"])
    # A restart touches nothing, whether in order or not.
    daemon.restart()
    rig.stays(anew)
    daemon.kill()
    daemon.start()
    rig.stays(anew)
    # Another configuration that does not concern it.
    daemon.config["hsm"] = {"derived_key_ttl": 60}
    daemon.restart()
    rig.stays(anew)
    # One that does.
    daemon.config["agent"]["env"] = {"RuntimeLogLevel": "debug"}
    daemon.restart()
    changed = rig.wait(but=anew["Id"])
    assert variables(changed)["RuntimeLogLevel"] == "debug"
    daemon.wait_log("the container of edgeAgent is made anew: config.yaml")
    assert rig.site.admin.violations() == []


def test_its_image_is_fetched(rig: Rig, tmp_path: Path) -> None:
    daemon = rig.make()
    registry = Registry(tmp_path, locked=True)
    registry.start()
    try:
        image = registry.push(rig.engine, IMAGE, "agent", "1") + ":1"
        server = image.split("/", maxsplit=1)[0]
        daemon.use_agent(image, options("sleep", "3600"), pull=True,
                         auth={"username": USER, "password": "wrong", "serveraddress": server})
        daemon.start()
        daemon.wait_log("edgeAgent: its image .* cannot be fetched")
        daemon.use_agent(image, options("sleep", "3600"), pull=True,
                         auth={"username": USER, "password": PASSWORD, "serveraddress": server})
        daemon.restart()
        made = rig.wait()
        assert made["Config"]["Image"] == image
        assert PASSWORD not in daemon.log_text()
    finally:
        registry.stop()
    # What is here is good enough for a new container, but none is replaced for it.
    rig.engine.call("DELETE", "/containers/edgeAgent?force=true")
    again = rig.wait(but=made["Id"])
    daemon.wait_log("edgeAgent is made from the image .* that is here")
    daemon.config["agent"]["env"] = {"RuntimeLogLevel": "debug"}
    daemon.restart()
    daemon.wait_log("edgeAgent: its image cannot be fetched")
    rig.stays(again, 1.0)


def test_it_crashes_all_the_time(rig: Rig) -> None:
    daemon = rig.make()
    daemon.use_agent(IMAGE, options("false"))
    daemon.start()
    process.wait_until(lambda: daemon.log_count("edgeAgent has ended with code 1") >= 3, "it has crashed thrice", WAIT_S)
    starts = daemon.log_count("Module edgeAgent was started")
    assert starts <= daemon.log_count("edgeAgent has ended with code 1") + 1
    daemon.use_agent(IMAGE, options("sleep", "3600"))
    daemon.restart()
    rig.stays(rig.wait())


def test_another_generation_id(rig: Rig) -> None:
    daemon = rig.make()
    daemon.start()
    old = rig.wait()
    daemon.wait_log("Module edgeAgent was started")
    rig.renew_device()
    daemon.restart()
    new = rig.wait(but=old["Id"])
    assert variables(new)["IOTEDGE_MODULEGENERATIONID"] == rig.generation()
    daemon.wait_log("the container of edgeAgent is made anew")
    assert rig.site.admin.violations() == []


def test_without_the_hub(rig: Rig) -> None:
    daemon = rig.make()
    daemon.start()
    first = rig.wait()
    assert daemon.stop() == 0
    rig.engine.call("DELETE", "/containers/edgeAgent?force=true")
    rig.site.admin.set_fault("hub.get", "status", status=503, times=1000)
    daemon.clear_log()
    daemon.start()
    made = rig.wait()
    daemon.wait_log("edgeAgent is made without the hub")
    assert variables(made) == variables(first)
    # The engine goes away and comes back.
    rig.engine.kill()
    time.sleep(1)
    rig.engine.start()
    process.wait_until(lambda: (rig.agent() or {}).get("State", {}).get("Running") is True, "edgeAgent runs again", WAIT_S)


def test_it_moves_with_the_device(rig: Rig) -> None:
    daemon = rig.make()
    daemon.start()
    old = rig.wait()
    rig.engine.run("sensor", OURS)
    hub = rig.site.emulator.second_hub_host
    made = rig.site.admin.create_device(rig.device_id, primary_key=KEY, hub=hub)
    daemon.use_connection_string(made["connectionString"])
    daemon.restart()
    new = rig.wait(but=old["Id"])
    daemon.wait_log("2 containers of the former identity are removed")
    assert variables(new)["IOTEDGE_IOTHUBHOSTNAME"] == hub
    assert [c["Names"] for c in rig.engine.call("GET", "/containers/json?all=true")] == [["/edgeAgent"]]
    daemon.restart()
    rig.stays(new)


@pytest.mark.parametrize(("policy", "signals", "stops"), [
    ("auto", [signal.SIGTERM], False),
    ("auto", [signal.SIGPWR, signal.SIGTERM], True),
    ("leave", [signal.SIGPWR], False),
    ("stop", [signal.SIGTERM], True),
])
def test_what_is_left_running(rig: Rig, policy: str, signals: list[signal.Signals], stops: bool) -> None:
    daemon = rig.make()
    daemon.config["modules"] = {"on_stop": policy}
    other = rig.engine.run("sensor", OURS, StopSignal="SIGKILL")
    stranger = rig.engine.run("stranger", {}, StopSignal="SIGKILL")
    daemon.start()
    rig.wait()
    for one in signals:
        daemon.send(one)
    assert daemon.wait_exit() == 0
    running = {name: rig.engine.call("GET", f"/containers/{name}/json")["State"]["Running"]
               for name in ("edgeAgent", other.name, stranger.name)}
    assert running == {"edgeAgent": not stops, "sensor": not stops, "stranger": True}
    assert rig.manager is not None and rig.manager.stop_s == (90 if stops else 0)
    if stops:
        log = daemon.log_text()
        assert log.index("Module edgeAgent was stopped") < log.index("Module sensor was stopped")
        daemon.start()
        rig.wait()


def test_somebody_is_in_a_hurry(rig: Rig) -> None:
    daemon = rig.make()
    daemon.config["modules"] = {"on_stop": "stop"}
    daemon.use_agent(IMAGE, options("sh", "-c", "trap '' TERM; while :; do sleep 1; done", StopSignal="SIGTERM"))
    daemon.start()
    rig.wait()
    begin = time.monotonic()
    daemon.send(signal.SIGTERM)
    daemon.wait_log("modules are stopped, edgeAgent first")
    assert daemon.manage("GET", "/systeminfo").status in (200, 403)  # the APIs answer meanwhile
    daemon.send(signal.SIGTERM)
    assert daemon.wait_exit() == 0
    assert time.monotonic() - begin < 15


def test_it_gives_up(rig: Rig) -> None:
    daemon = rig.make(edge=False)
    daemon.config["watchdog"] = {"max_retries": 0}
    daemon.launch()
    assert daemon.wait_exit(WAIT_S) == NO_IDENTITY
    assert "create the device there as an IoT Edge device" in daemon.log_text()

    # Nothing of it is known there, so that there is no identity yet to make edgeAgent with.
    daemon = rig.make()
    daemon.config["watchdog"] = {"max_retries": 0}
    for step, status, code in (("hub.list", 503, NO_HUB), ("hub.list", 401, REFUSED)):
        rig.site.admin.set_fault(step, "status", status=status, times=1000)
        daemon.launch()
        assert daemon.wait_exit(WAIT_S) == code
        rig.site.admin.clear_faults()

    daemon = rig.make()
    daemon.config["watchdog"] = {"max_retries": 1}
    daemon.start()
    rig.wait()
    assert daemon.stop() == 0
    rig.engine.clear()
    other = rig.engine.run("sensor", OURS)
    (daemon.state / "edge-agent").unlink()
    for status, code in ((503, NO_HUB), (401, REFUSED)):
        rig.site.admin.clear_faults()
        rig.site.admin.set_fault("hub.get", "status", status=status, times=1000)
        daemon.config["watchdog"] = {"max_retries": 0}
        daemon.launch()
        assert daemon.wait_exit(WAIT_S) == code
    assert rig.engine.call("GET", f"/containers/{other.name}/json")["State"]["Running"]
