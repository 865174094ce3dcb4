"""Fixtures shared by the integration tests."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Callable, Iterator, Optional

import pytest

from support.daemon import Daemon
from support.emulator import AdminClient, Emulator
from support.engine import Engine
from support.registry import Registry
from support.swtpm import Swtpm
from support.tpm2 import Tpm2


@pytest.fixture
def work_dir() -> Iterator[Path]:
    """A private folder with a path short enough for Unix sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def swtpm(work_dir: Path) -> Iterator[Swtpm]:
    """A running, empty software TPM."""
    tpm = Swtpm(work_dir / "tpm")
    tpm.start()
    yield tpm
    tpm.stop()


@pytest.fixture
def tpm2(swtpm: Swtpm, work_dir: Path) -> Tpm2:
    """The tpm2_* commands on `swtpm`."""
    return Tpm2(swtpm.tcti, work_dir / "tools")


@pytest.fixture
def make_emulator(work_dir: Path) -> Iterator[Callable[..., Emulator]]:
    """Starts an emulator with command line options; may be called more than once."""
    started: list[Emulator] = []

    def make(*options: str) -> Emulator:
        emulator = Emulator(work_dir / f"emulator{len(started)}", *options)
        started.append(emulator)
        emulator.start()
        return emulator

    yield make
    for emulator in started:
        emulator.stop()
    logs = [emulator.log.read_text() for emulator in started]
    assert not any("Traceback" in text for text in logs), logs


@pytest.fixture
def emulator(make_emulator: Callable[..., Emulator]) -> Emulator:
    """A running emulator of DPS and IoT Hub."""
    return make_emulator()


@pytest.fixture
def cloud(emulator: Emulator) -> AdminClient:
    """Administration of `emulator`."""
    return emulator.admin


@pytest.fixture
def make_daemon(work_dir: Path, emulator: Emulator, swtpm: Swtpm) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons that share a TPM and a cloud; none runs yet. Takes the engine's socket."""
    made: list[Daemon] = []

    def make(engine: Optional[Path] = None) -> Daemon:
        daemon = Daemon(work_dir / f"daemon{len(made)}", emulator, swtpm.tcti, engine)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.kill()


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon]) -> Daemon:
    """A daemon with a blank TPM and an empty home; not running, not enrolled."""
    return make_daemon()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A running container engine with the image support.engine.IMAGE; shared, so clean up what you start."""
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    shared = Engine(folder)
    try:
        shared.start()
        shared.load_image()
        yield shared
    finally:
        shared.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def clean(engine: Engine) -> Iterator[Engine]:
    """The engine without containers of other tests, and for the next ones."""
    engine.clear()
    yield engine
    engine.clear()


@pytest.fixture
def make_engine(work_dir: Path) -> Iterator[Callable[..., Engine]]:
    """Starts engines that a test may stop and kill; `kind` makes one, from its folder and `more`."""
    started: list[Engine] = []

    def make(kind: Callable[..., Engine] = Engine, *more: str) -> Engine:
        one = kind(work_dir / f"engine{len(started)}", *more)
        started.append(one)
        one.start()
        return one

    yield make
    for one in started:
        one.close()


@pytest.fixture
def make_registry(work_dir: Path) -> Iterator[Callable[..., Registry]]:
    """Starts image registries; `locked`: with a password."""
    started: list[Registry] = []

    def make(locked: bool = False) -> Registry:
        one = Registry(work_dir / f"registry{len(started)}", locked)
        started.append(one)
        one.start()
        return one

    yield make
    for one in started:
        one.stop()
