"""A device that release 1.1 has provisioned goes on with this daemon: without the cloud at first, and its modules' keys
are those that the hub has until the hub has ours. What modules had encrypted can be read, who trusted its root trusts
ours, and its keys do not stay on the disk. What 1.1 left is made by hand from its description."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Callable, Iterator

import pytest
from support import process
from support.cloud_client import DpsClient, HubClient, Signer, key_signer
from support.daemon import Daemon
from support.device import Site, ended, running_site
from support.device_certs import self_signed
from support.engine import Engine
from support.issued import get_bundle, get_server, verify
from support.legacy_home import CA_STEMS, MASTER, LegacyHome, put
from support.module_image import Module, ModuleHost, load_module_image
from support.tpm2 import Tpm2

IDENTITY_HANDLE = "0x81000100"
TEXT = b"what is signed"


@pytest.fixture(scope="module")
def site(engine: Engine) -> Iterator[Site]:
    load_module_image(engine)
    with running_site() as one:
        yield one


class Legacy:
    """One device as 1.1 left it, and what it would sign with."""

    def __init__(self, site: Site, daemon: Daemon, name: str, root: Signer, signer: Signer | None,
                 files: tuple[Path, Path] | None = None, home: LegacyHome | None = None) -> None:
        self.site, self.daemon, self.name, self.root = site, daemon, name, root
        emulator = site.emulator
        tls = emulator.tls()
        if files is not None:
            tls.load_cert_chain(*files)
        hub = HubClient(emulator.hub_url, tls, emulator.hub_host, name, signer)
        self.generation = str(hub.put("tempSensor", managedBy="IotEdge").json()["generationId"])
        answer = hub.put("tempSensor", match="*", primary=self.module_key("primary"),
                         secondary=self.module_key("secondary"), generationId=self.generation, managedBy="IotEdge")
        assert answer.status == 200, answer
        self.home = home or LegacyHome(daemon.home)
        self.home.write()

    def write_backup(self) -> None:
        """What 1.1 keeps of an assignment by the DPS."""
        put(self.daemon.home / "cache/provisioning_backup.json", json.dumps({
            "credentials": None, "device_id": self.name, "hub_name": self.site.emulator.hub_host,
            "reconfigure": "DeviceDataNotUpdated", "sha256_thumbprint": None}).encode())

    def module_key(self, key_id: str) -> bytes:
        """tpm-dps.md 5.4: the key of module tempSensor."""
        return self.root(b"tempSensor" + key_id.encode() + self.generation.encode())

    def key_at_hub(self) -> bytes:
        device = self.site.admin.device(self.name)
        assert device is not None
        found = next(m for m in device["modules"] if m["moduleId"] == "tempSensor")
        return base64.b64decode(found["authentication"]["symmetricKey"]["primaryKey"])


def by_tpm(site: Site, daemon: Daemon) -> Legacy:
    tools = Tpm2(site.swtpm.tcti, daemon.folder / "tools")
    ek, srk = tools.create_ek(), tools.create_srk()
    enrollment = site.admin.enroll(base64.b64encode(ek).decode())
    emulator = site.emulator
    device = DpsClient(emulator.dps_url, emulator.tls(), emulator.id_scope, enrollment["registration_id"], ek, srk)
    contexts: list[str] = []

    def activate(blob: bytes) -> Signer:
        contexts.append(tools.activate(blob, f"key{len(contexts)}"))
        context = contexts[-1]
        return lambda data: tools.hmac(context, data)

    state, _ = device.provision(activate)
    tools.run("evictcontrol", "-Q", "-C", "o", "-c", contexts[-1], IDENTITY_HANDLE)
    tools.flush()

    def sign(data: bytes) -> bytes:
        return tools.hmac(IDENTITY_HANDLE, data)

    legacy = Legacy(site, daemon, str(state["deviceId"]), sign, sign)
    legacy.write_backup()
    return legacy


def by_symmetric_key(site: Site, daemon: Daemon) -> Legacy:
    key = os.urandom(32)
    site.admin.enroll_key(site.name(), base64.b64encode(key).decode())
    emulator = site.emulator
    DpsClient(emulator.dps_url, emulator.tls(), emulator.id_scope, site.name()).provision_by(key_signer(key))
    daemon.use_dps_key(site.name(), key)
    legacy = Legacy(site, daemon, site.name(), key_signer(key), key_signer(key))
    legacy.write_backup()
    return legacy


def by_connection_string(site: Site, daemon: Daemon) -> Legacy:
    key = os.urandom(32)
    site.admin.create_device(site.name(), primary_key=base64.b64encode(key).decode(), edge=True)
    daemon.use_connection_string(site.admin.connection_string(site.name()))
    return Legacy(site, daemon, site.name(), key_signer(key), key_signer(key))


def by_certificate(site: Site, daemon: Daemon) -> Legacy:
    """The root of the modules' keys is made of a key in hybrid_id, which the master key protects."""
    own = self_signed(site.name())
    files = own.write(daemon.folder)
    site.admin.create_device(site.name(), certificate=own.cert_pem, edge=True)
    daemon.use_manual_x509(site.emulator.hub_host, site.name(), files)
    home = LegacyHome(daemon.home)
    hybrid = home.write_hybrid()
    thumbprint = hashlib.sha256(files[0].read_bytes()).hexdigest()
    root = key_signer(hybrid)(f"{site.emulator.hub_host}/devices/{site.name()}/{thumbprint}".encode())
    return Legacy(site, daemon, site.name(), key_signer(root), None, files, home)


WAYS: list[Callable[[Site, Daemon], Legacy]] = [by_tpm, by_symmetric_key, by_connection_string, by_certificate]


def signature(module: Module) -> bytes:
    reply = module.sign(TEXT)
    assert reply.status == 200, reply
    return base64.b64decode(reply.json()["digest"])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_device_of_release_1_1_goes_on(site: Site, engine: Engine, way: Callable[[Site, Daemon], Legacy]) -> None:
    site.admin.reset()
    daemon = site.daemon(engine)
    modules = ModuleHost(engine, daemon)
    try:
        with ended(daemon):
            site.admin.change_settings(retry_after=0)
            legacy = way(site, daemon)
            site.admin.change_settings(retry_after=1)
            check_takeover(site, daemon, modules, legacy)
        # A request that was cut off while the cloud was silent is answered after all, so others come early.
        assert site.admin.violations() == []
    finally:
        modules.close()


def check_takeover(site: Site, daemon: Daemon, modules: ModuleHost, legacy: Legacy) -> None:
    expected = hmac.new(legacy.module_key("primary"), TEXT, hashlib.sha256).digest()
    old_key = legacy.key_at_hub()
    assert legacy.module_key("primary") == old_key
    site.admin.clear_journal()
    site.emulator.pause()
    daemon.start()
    daemon.wait_log("took over the identity of release 1.1")
    daemon.wait_log(f"Using the saved identity: hub '?{site.emulator.hub_host}'?, device '?{legacy.name}")
    module = modules.run("tempSensor")
    module.generation = legacy.generation
    assert signature(module) == expected
    # Its secrets are safe, and gone from the disk, but for the root's key: the clock may be ahead.
    process.wait_until(lambda: all(name.startswith("hsm/cert_keys/") for name in legacy.home.secret_files()),
                       "the secrets of release 1.1 are removed")
    assert not legacy.home.is_clean()
    assert (daemon.home / f"hsm/certs/{CA_STEMS[0]}.cert.pem").exists()
    # The same after a power cut, still without the cloud.
    daemon.kill()
    daemon.clear_log()
    daemon.start()
    daemon.wait_log("Using the saved identity")
    assert signature(module) == expected
    site.emulator.resume()
    daemon.wait_log("hub holds the current keys", 60)
    process.wait_until(legacy.home.is_clean, "the keys of release 1.1 are removed")
    assert legacy.key_at_hub() != old_key
    assert signature(module) == hmac.new(legacy.key_at_hub(), TEXT, hashlib.sha256).digest()
    token = module.token()
    assert site.admin.verify_token(token)["accepted"]
    # Nothing of it is left at the next start.
    site.wait_accepted(daemon.restart_to_list)
    daemon.wait_log("hub holds the current keys")
    assert "release 1.1" not in daemon.log_text()
    assert site.admin.verify_token(module.token())["accepted"]


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def decrypt(module: Module, module_id: str, ciphertext: bytes, iv: bytes, generation: str = "1") -> tuple[int, bytes]:
    reply = module.ask("POST", f"/modules/{module_id}/genid/{generation}/decrypt",
                       {"ciphertext": text(ciphertext), "initializationVector": text(iv)})
    return reply.status, base64.b64decode(reply.json()["plaintext"]) if reply.status == 200 else b""


def check_secrets(modules: list[Module], legacy: Legacy) -> None:
    """edgeAgent has its backup of the deployment encrypted, edgeHub the keys of leaf devices, each with one IV for all."""
    iv = b"0123456789abcdef0123456789ABCDEF"
    for module in modules:
        name = module.container.name
        stored = legacy.home.encrypted(f"${name}", "1", b"what is stored", iv)
        assert decrypt(module, f"${name}", stored, iv) == (200, b"what is stored")
        assert decrypt(module, f"${name}", stored, iv, "2")[0] == 400
        made = [module.ask("POST", f"/modules/${name}/genid/1/encrypt",
                           {"plaintext": text(b"more"), "initializationVector": text(iv)}).json()["ciphertext"]
                for _ in range(2)]
        assert made[0] != made[1]
        assert [decrypt(module, f"${name}", base64.b64decode(one), iv)[1] for one in made] == [b"more", b"more"]


def check_trust(hub: Module, legacy: Legacy) -> None:
    """A leaf device that knows only 1.1's root, and one that knows only ours."""
    daemon = legacy.daemon
    root = daemon.folder / "root-1.1.pem"
    root.write_text(legacy.home.root_pem)
    issued = get_server(hub, "gateway.test")
    assert verify(issued.chain_file, root) == ""
    bundle = get_bundle(daemon).read_text()
    assert legacy.home.root_pem in bundle
    ours = daemon.folder / "ours.pem"
    ours.write_text(bundle.replace(legacy.home.root_pem, ""))
    assert verify(issued.chain_file, ours) == ""


def test_secrets_and_trust_of_release_1_1(site: Site, engine: Engine) -> None:
    site.admin.reset()
    daemon = site.daemon(engine)
    modules = ModuleHost(engine, daemon)
    try:
        with ended(daemon):
            legacy = by_certificate(site, daemon)
            put(daemon.home / "hsm/cert_keys/operators-own.key.pem", b"unknown", 0o600)
            site.wait_accepted(daemon.start)
            daemon.wait_log("took over the master key of release 1.1")
            process.wait_until(lambda: legacy.home.secret_files() == ["hsm/cert_keys/operators-own.key.pem"],
                               "the keys of release 1.1 are removed")
            daemon.wait_log("operators-own.key.pem' is left")
            system = [modules.run("edgeAgent"), modules.run("edgeHub")]
            check_secrets(system, legacy)
            check_trust(system[1], legacy)
            daemon.kill()
            daemon.clear_log()
            daemon.start()
            daemon.wait_log("Using the saved identity")
            check_secrets(system, legacy)
            check_trust(system[1], legacy)
            assert "took over" not in daemon.log_text()
    finally:
        modules.close()


def test_master_key_of_a_second_1_1(site: Site, engine: Engine) -> None:
    """Somebody went back to 1.1, which began with a new master key, and came again."""
    site.admin.reset()
    daemon = site.daemon(engine)
    modules = ModuleHost(engine, daemon)
    iv = os.urandom(16)
    try:
        with ended(daemon):
            first = by_connection_string(site, daemon)
            site.wait_accepted(daemon.start)
            process.wait_until(first.home.is_clean, "the keys of release 1.1 are removed")
            assert daemon.stop() == 0
            second = LegacyHome(daemon.home)
            put(daemon.home / MASTER, second.master, 0o600)
            daemon.start()
            process.wait_until(second.is_clean, "its second master key is removed")
            hub = modules.run("edgeHub")
            for home in (first.home, second):
                stored = home.encrypted("$edgeHub", "1", b"what is stored", iv)
                assert decrypt(hub, "$edgeHub", stored, iv) == (200, b"what is stored")
    finally:
        modules.close()
