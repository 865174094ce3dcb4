"""A whole device: software TPM, cloud, engine and daemon, for tests that share one or need several."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Iterator

from .daemon import Daemon
from .emulator import Emulator
from .engine import Engine
from .module_image import Module, ModuleHost, load_module_image
from .swtpm import Swtpm


class Device:
    """The parts, provisioned and running; edgeAgent runs too."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.swtpm = Swtpm(folder / "tpm")
        self.emulator = Emulator(folder / "emulator0")
        self.engine = engine
        self.agent: Module
        self.swtpm.start()
        self.emulator.start()
        self.daemon = Daemon(folder / "daemon", self.emulator, self.swtpm.tcti, engine.socket)
        self.modules = ModuleHost(engine, self.daemon)

    def start(self) -> None:
        load_module_image(self.engine)
        self.emulator.admin.change_settings(polls=0, retry_after=1)
        self.daemon.enroll()
        self.daemon.start()
        self.daemon.wait_assigned()
        self.daemon.wait_log("hub holds the current keys")
        self.agent = self.modules.run("edgeAgent")

    def module(self, name: str) -> Module:
        """A running module with an identity of its own."""
        return self.modules.run_with_identity(self.agent, name)

    def verdict(self, token: str) -> dict[str, object]:
        return self.emulator.admin.verify_token(token)

    def module_keys(self, name: str) -> dict[str, str]:
        """What the hub holds for a module."""
        for module in self.emulator.admin.devices()[0]["modules"]:
            if module["moduleId"] == name:
                return dict(module["authentication"]["symmetricKey"])
        raise AssertionError(f"the hub has no module {name}")

    def close(self) -> None:
        self.modules.close()
        code = self.daemon.stop()
        self.emulator.stop()
        self.swtpm.stop()
        assert code == 0, self.daemon.log_text()[-4000:]


@contextlib.contextmanager
def running_device(engine: Engine) -> Iterator[Device]:
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    device = Device(folder, engine)
    try:
        device.start()
        yield device
    except BaseException:
        print(device.daemon.log_text()[-6000:])
        raise
    finally:
        try:
            device.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
