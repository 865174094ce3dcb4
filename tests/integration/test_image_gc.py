"""What becomes of images that were pulled for modules, on real engines and with a real registry."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Callable, Optional

import pytest

from support import process
from support.daemon import BUILD
from support.engine import Engine, EngineError
from support.podman import Podman
from support.registry import Registry

AGE_S = 3  # seconds instead of days; images are looked at every second


@pytest.fixture
def registry(make_registry: Callable[..., Registry]) -> Registry:
    return make_registry()


class Keeper:
    """The daemon's care for images, as a program: image_probe of the C tests."""

    def __init__(self, engine: Engine, state: Path, bootstrap: str) -> None:
        program = BUILD / "tests" / "unit" / "image_probe"
        self._log = state.parent / "image_probe.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), str(engine.socket), str(state), bootstrap, str(AGE_S)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

    def pull(self, image: str) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(image + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == f"{image}: ok\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """In good order, also when something is under way."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(20) == 0, self._log.read_text()


def image_id(engine: Engine, name: str) -> Optional[str]:
    try:
        return str(engine.call("GET", f"/images/{name}/json")["Id"])
    except EngineError:
        return None


def push(registry: Registry, engine: Engine, folder: Path, repository: str, content: str) -> str:
    """An image with this content, known to the registry only; its name."""
    file = folder / "content"
    file.write_text(content)
    made = engine.load_image(f"made/{repository}", {"content": file})
    name = registry.push(engine, f"{made}:latest", repository, "1")
    engine.call("DELETE", f"/images/{made}:latest?force=true")
    return f"{name}:1"


def care(engine: Engine, maker: Engine, registry: Registry, folder: Path) -> None:
    """The life of images on one engine; `maker` fills the registry."""
    names = {what: push(registry, maker, folder, what, what)
             for what in ("idle", "used", "preloaded", "shared", "moving", "agent")}
    engine.raw("POST", f"/images/create?fromImage={names['preloaded']}")
    keeper = Keeper(engine, folder / "state", names["agent"])
    for name in names.values():
        keeper.pull(name)
    user = engine.run("user", image=names["used"], start=False)  # somebody else's, and not running
    engine.call("POST", f"/images/{names['shared']}/tag?repo=mine&tag=1")
    old = image_id(engine, names["moving"])
    assert old is not None
    push(registry, maker, folder, "moving", "newer")
    keeper.pull(names["moving"])
    new = image_id(engine, names["moving"])
    assert new not in (None, old) and image_id(engine, old) == old
    module = engine.run("module", image=names["moving"])

    keeper.kill()  # the account survives
    keeper = Keeper(engine, folder / "state", names["agent"])
    process.wait_until(lambda: image_id(engine, names["idle"]) is None, "the idle image goes", 60)
    process.wait_until(lambda: image_id(engine, old) is None, "the image without its name goes", 60)
    process.wait_until(lambda: image_id(engine, names["shared"]) is None, "our name goes", 60)
    assert image_id(engine, "mine:1") is not None
    time.sleep(2)
    for what in ("used", "preloaded", "moving", "agent"):
        assert image_id(engine, names[what]) is not None, what

    user.remove()
    process.wait_until(lambda: image_id(engine, names["used"]) is None, "it goes after its container", 60)
    module.remove()
    keeper.end()
    assert image_id(engine, names["moving"]) == new
    assert (folder / "state" / "images").stat().st_mode & 0o777 == 0o600


def test_docker(clean: Engine, registry: Registry, work_dir: Path) -> None:
    care(clean, clean, registry, work_dir)


def test_podman(engine: Engine, registry: Registry, work_dir: Path, make_engine: Callable[..., Engine]) -> None:
    care(make_engine(Podman, registry.host), engine, registry, work_dir)
