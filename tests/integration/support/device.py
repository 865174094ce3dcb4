"""A whole device: software TPM, cloud, engine and daemon, for tests that share one or need several."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

from . import process
from .daemon import Daemon
from .emulator import Emulator
from .engine import Engine
from .module_image import Module, ModuleHost, load_module_image
from .service_manager import ServiceManager
from .swtpm import Swtpm


class Site:
    """One TPM and one cloud for many daemons, of which one runs at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.swtpm = Swtpm(folder / "tpm")
        self.emulator = Emulator(folder / "emulator")
        self.swtpm.start()
        self.emulator.start()
        self.admin = self.emulator.admin
        self.made = 0

    def daemon(self, engine: Optional[Engine] = None) -> Daemon:
        """With a home of its own and an empty journal at the cloud."""
        self.made += 1
        self.calm()
        self.admin.clear_journal()
        return Daemon(self.folder / f"daemon{self.made}", self.emulator, self.swtpm.tcti, engine and engine.socket)

    def name(self) -> str:
        """Of the device of the last daemon: new each time, so that no Retry-After given to another counts for it."""
        return f"device-{self.made}"

    def calm(self) -> None:
        """No faults, and quick."""
        self.emulator.resume()
        self.admin.clear_faults()
        self.admin.set_tls()
        self.admin.change_settings(polls=0, retry_after=1, clock_offset=0)

    def wait_accepted(self, act: Callable[[], object], timeout_s: float = 20.0) -> None:
        """The hub answers a list of the device's modules after `act`."""
        before = self.admin.count("hub.list", 200)
        act()
        process.wait_until(lambda: self.admin.count("hub.list", 200) > before, "the hub accepts the device", timeout_s)

    def check_manners(self) -> None:
        assert self.admin.violations() == []
        assert self.admin.journal("early") == []

    def last(self, step: str) -> dict[str, Any]:
        """The last request that passed a step."""
        return [r for r in self.admin.journal("requests") if step in r["steps"]][-1]

    def close(self) -> None:
        self.emulator.stop()
        self.swtpm.stop()


@contextlib.contextmanager
def running_site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    site = Site(folder)
    try:
        yield site
    finally:
        site.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def ended(daemon: Daemon) -> Iterator[Daemon]:
    """Ends in order, or shows its log."""
    try:
        yield daemon
        assert daemon.stop() == 0
    except BaseException:
        print(daemon.log_text()[-6000:])
        raise
    finally:
        daemon.kill()


class Device:
    """The parts, provisioned and running; edgeAgent runs too."""

    def __init__(self, folder: Path, engine: Engine, managed: bool = False) -> None:
        self.swtpm = Swtpm(folder / "tpm")
        self.emulator = Emulator(folder / "emulator0")
        self.engine = engine
        self.agent: Module
        self.swtpm.start()
        self.emulator.start()
        self.daemon = Daemon(folder / "daemon", self.emulator, self.swtpm.tcti, engine.socket)
        self.modules = ModuleHost(engine, self.daemon)
        if managed:
            self.daemon.manager = ServiceManager(folder)

    def start(self) -> None:
        self.start_daemon()
        self.agent = self.modules.run("edgeAgent")

    def start_daemon(self) -> None:
        """All but edgeAgent."""
        load_module_image(self.engine)
        self.emulator.admin.change_settings(polls=0, retry_after=1)
        self.daemon.enroll()
        self.daemon.start()
        self.daemon.wait_assigned()
        self.daemon.wait_log("hub holds the current keys")

    def module(self, name: str) -> Module:
        """A running module with an identity of its own."""
        return self.modules.run_with_identity(self.agent, name)

    def verdict(self, token: str) -> dict[str, object]:
        return self.emulator.admin.verify_token(token)

    def module_record(self, name: str) -> dict[str, Any]:
        """What the hub has of a module."""
        found = [module for module in self.emulator.admin.devices()[0]["modules"] if module["moduleId"] == name]
        assert len(found) == 1, f"{name} is {len(found)} times at the hub"
        return dict(found[0])

    def module_keys(self, name: str) -> dict[str, str]:
        """What the hub holds for a module."""
        return dict(self.module_record(name)["authentication"]["symmetricKey"])

    def close(self) -> None:
        self.modules.close()
        code = self.daemon.stop()
        self.emulator.stop()
        self.swtpm.stop()
        if self.daemon.manager is not None:
            self.daemon.manager.close()
        assert code == 0, self.daemon.log_text()[-4000:]


@contextlib.contextmanager
def running_device(engine: Engine, managed: bool = False) -> Iterator[Device]:
    """managed: by a service manager that keeps descriptors."""
    with whole_device(engine, managed) as device:
        device.start()
        yield device


@contextlib.contextmanager
def whole_device(engine: Engine, managed: bool = False) -> Iterator[Device]:
    """Nothing of it runs yet but its TPM and its cloud."""
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    device = Device(folder, engine, managed)
    try:
        yield device
    except BaseException:
        print(device.daemon.log_text()[-6000:])
        raise
    finally:
        try:
            device.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
