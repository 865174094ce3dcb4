"""After a life with everything in it no key is in the state folder, in memory that can be swapped out, or on the bus.
Each search is first shown to find what is planted."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from support.bus_tap import BusTap
from support.daemon import IOTEDGE, MGMT_VERSION
from support.device import Site, running_site
from support.device_certs import DeviceCa
from support.engine import Engine
from support.exposure import Secrets, found_in_files, found_in_memory
from support.issued import get_bundle, get_identity, get_server, verify
from support.legacy_home import MASTER, LegacyHome, put
from support.module_image import Module, ModuleHost, load_module_image
from support.tpm2 import Tpm2


class Life:
    """One device and what happens to it; every secret that it meets is noted, and looked for in memory as soon as the
    step is over that it belongs to. What was found is in `leaks`."""

    def __init__(self, site: Site, engine: Engine, tap: BusTap) -> None:
        self.site, self.engine, self.tap = site, engine, tap
        self.all = Secrets()
        self.secrets = Secrets()  # of the present step
        self.leaks: list[str] = []
        self.daemon = site.daemon(engine)
        self.daemon.config["tpm"]["tcti"] = tap.tcti
        self.modules = ModuleHost(engine, self.daemon)
        self.legacy = LegacyHome(self.daemon.home)
        self.agent: Module
        self.sensor: Module

    def run(self) -> None:
        self.start_first()
        self.use()
        self.import_ca()
        self.use()
        self.start_again()
        self.use()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.secrets = Secrets()
        yield
        self.leaks += [f"after {name}: {found}" for found in found_in_memory(self.daemon.pid, self.secrets)]
        self.all.include(self.secrets)

    def start_first(self) -> None:
        with self.step("the first start"):
            self.write_legacy()
            self.daemon.enroll()
            self.site.wait_accepted(self.daemon.start)
            self.daemon.wait_log("hub holds the current keys")
            self.agent = self.modules.run("edgeAgent")
            self.note_hub_keys()
        with self.step("a new identity"):
            self.sensor = self.modules.run_with_identity(self.agent, "tempSensor")
            self.note_hub_keys("tempSensor")

    def write_legacy(self) -> None:
        """What release 1.1 left, and what is secret of it."""
        self.legacy.write()
        self.secrets.add("1.1 master key", self.legacy.master)
        self.secrets.add("1.1 hybrid key", self.legacy.write_hybrid())
        for path in self.daemon.home.glob("hsm/cert_keys/*"):
            self.secrets.add_private_key(f"1.1 {path.name}", path.read_text())

    def start_again(self) -> None:
        """Keys are compared with the hub's, and leaves are RSA from now on."""
        with self.step("another start"):
            assert self.daemon.stop() == 0
            self.daemon.forget_module_keys()
            self.daemon.clear_log()
            self.daemon.config["certificates"]["leaf_key"] = "rsa2048"
            self.site.wait_accepted(self.daemon.start)
            self.daemon.wait_log("hub holds the current keys")
            self.note_hub_keys()

    def use(self) -> None:
        """What modules do."""
        with self.step("a signature"):
            assert self.site.admin.verify_token(self.sensor.token())["accepted"]
            self.note_hub_keys("tempSensor")
        with self.step("encryption"):
            self.encrypt()
        for get in (lambda: get_server(self.sensor, "gateway.test"), lambda: get_identity(self.sensor)):
            with self.step("a certificate"):
                issued = get()
                self.secrets.add_private_key(f"leaf key {len(self.all.names)}", issued.key_pem)

    def encrypt(self) -> None:
        path = f"/modules/tempSensor/genid/{self.sensor.generation}"
        plaintext, iv = os.urandom(64), os.urandom(32)
        self.secrets.add(f"plaintext {len(self.all.names)}", plaintext)

        def text(raw: bytes) -> str:
            return base64.b64encode(raw).decode()

        old = self.legacy.encrypted("tempSensor", self.sensor.generation, plaintext, iv)
        made = self.sensor.ask("POST", f"{path}/encrypt", {"plaintext": text(plaintext), "initializationVector": text(iv)})
        assert made.status == 200, made
        for box in (text(old), made.json()["ciphertext"]):
            back = self.sensor.ask("POST", f"{path}/decrypt", {"ciphertext": box, "initializationVector": text(iv)})
            assert back.status == 200 and base64.b64decode(back.json()["plaintext"]) == plaintext

    def import_ca(self) -> None:
        """The operator's key goes into the TPM, and its file away."""
        with self.step("the import of a CA key"):
            self.import_ca_key()

    def import_ca_key(self) -> None:
        root = DeviceCa("plant root")
        operator = root.intermediate("plant device CA").as_leaf()
        cert, key = operator.write(self.daemon.folder, "device-ca")
        self.secrets.add_private_key("operator's CA key", operator.key_pem)
        bundle = self.daemon.folder / "plant-root.pem"
        bundle.write_text(root.pem)
        self.daemon.config["certificates"] = {"device_ca_cert": str(cert), "trusted_ca_certs": str(bundle)}
        self.daemon.write_config()
        done = subprocess.run([str(IOTEDGE), "tpm", "import-ca", "--key", str(key), "--delete", "-c",
                               str(self.daemon.config_file)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
        assert not key.exists()
        self.daemon.restart()
        issued = get_server(self.sensor, "gateway.test")
        assert operator.certificate in issued.chain
        assert verify(issued.chain_file, get_bundle(self.daemon)) == ""

    def note_hub_keys(self, only: str = "") -> None:
        """The device's key, which the service made, and those of the modules, which the hub was told."""
        record = self.site.admin.devices()[0]
        owners = {module["moduleId"]: module for module in record["modules"]}
        owners["the device"] = record
        for name, owner in owners.items():
            for kind, text in owner["authentication"]["symmetricKey"].items():
                if name == only or not only:
                    self.secrets.add(f"{kind} of {name}", base64.b64decode(text))


@pytest.fixture(scope="module")
def life(engine: Engine) -> Iterator[Life]:
    """A device after all of it, still running."""
    load_module_image(engine)
    with running_site() as site, BusTap(site.swtpm) as tap:
        one = Life(site, engine, tap)
        try:
            one.run()
            yield one
        except BaseException:
            print(one.daemon.log_text()[-6000:])
            raise
        finally:
            one.modules.close()
            one.daemon.kill()


# Memory


@contextlib.contextmanager
def planted_in_memory(life: Life, content: bytes) -> Iterator[None]:
    """A request whose end the daemon waits for, with a body that is no secret to it."""
    head = (f"POST /identities?api-version={MGMT_VERSION} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content) + 1}\r\n\r\n")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(life.agent.mgmt))
        s.sendall(head.encode() + content)
        yield


def test_search_finds_what_is_planted_in_memory(life: Life) -> None:
    raw = os.urandom(32)
    forms = {"hex": raw.hex().encode(), "half": raw[16:], "shifted": base64.b64encode(b"x" + raw)}
    for name, form in forms.items():
        wanted = Secrets()
        wanted.add("planted", raw)
        with planted_in_memory(life, b"padding " * 8 + form + b" padding" * 8):
            for _ in range(50):
                if found := found_in_memory(life.daemon.pid, wanted):
                    break
            assert found, name


def test_locked_memory_holds_the_master_key(life: Life) -> None:
    """It is there, so the next test does not look for what does not exist."""
    found = "\n".join(found_in_memory(life.daemon.pid, life.all, locked=True))
    assert "1.1 master key (raw)" in found


def test_memory_that_can_be_swapped_out(life: Life) -> None:
    assert life.leaks == []
    assert found_in_memory(life.daemon.pid, life.all) == []


# Disk


def test_state_folder(life: Life, work_dir: Path) -> None:
    planted = Secrets()
    planted.add("planted", life.legacy.master)
    put(work_dir / "deep/file", b"x" * 5000 + base64.b64encode(life.legacy.master))
    assert found_in_files(work_dir, planted)
    assert list(life.daemon.state.rglob("*"))
    assert found_in_files(life.daemon.home, life.all) == []
    assert not (life.daemon.home / MASTER).exists()


# Bus


def test_bus(life: Life) -> None:
    """Last: the control needs the TPM for itself."""
    passed = life.tap.content()
    assert len(passed) > 30000
    assert life.all.found_in(passed) == set()
    assert life.daemon.stop() == 0
    assert life.all.found_in(life.tap.content()) == set()
    raw = os.urandom(32)
    control = Secrets()
    control.add("control", raw)
    tools = Tpm2(life.tap.tcti, life.daemon.folder / "tools")
    (tools.folder / "data").write_bytes(raw)
    tools.run("create", "-Q", "-C", "0x81000001", "-i", "data", "-u", "sealed.pub", "-r", "sealed.priv")
    assert control.found_in(life.tap.content())
