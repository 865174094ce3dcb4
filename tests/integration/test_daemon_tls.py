"""Certificates at work: TLS servers and clients with what modules get from the daemon, and authorities that change."""

from __future__ import annotations

import shutil
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from support import process
from support.device import Device, running_device
from support.device_certs import DeviceCa
from support.engine import Engine
from support.issued import (CLIENTS, PEM, TlsServer, ask_server, by_python, get_bundle, get_identity, get_server,
                            greeting, names_of, report, verify)
from support.module_image import Module
from support.wall_clock import move_clock, set_clock

DAY_S = 86400
GATEWAY = "Gateway.test"


@pytest.fixture(scope="module")
def device(engine: Engine) -> Iterator[Device]:
    with running_device(engine) as one:
        yield one
        assert one.emulator.admin.violations() == []


@pytest.fixture(scope="module")
def hub(device: Device) -> Module:
    return device.module("gateway")


def common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


# Our own chain


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
@pytest.mark.parametrize("name, wrong", [(GATEWAY, "other.test"), ("127.0.0.1", "127.0.0.2")])
def test_server_certificate_convinces_clients(device: Device, hub: Module, client, name: str, wrong: str) -> None:  # type: ignore
    issued, bundle = get_server(hub, name), get_bundle(device.daemon)
    assert isinstance(issued.key, ec.EllipticCurvePrivateKey)
    foreign = device.daemon.folder / "foreign.pem"
    foreign.write_text(DeviceCa("foreign").pem)
    with TlsServer(issued) as server:
        assert client(server, name.lower(), bundle) == ""
        assert client(server, "gateway", bundle) == ""  # the module's own name
        assert client(server, name.lower(), foreign) != ""
    with TlsServer(issued, wrong if wrong[0] == "1" else "127.0.0.1") as server:
        assert client(server, wrong, bundle) != ""


def test_names_and_dates_of_a_server_certificate(hub: Module) -> None:
    issued = get_server(hub, GATEWAY, 400)
    leaf = issued.leaf
    assert names_of(leaf, x509.DNSName) == [GATEWAY.lower(), "gateway"]
    assert common_name(leaf) == GATEWAY
    left = leaf.not_valid_after - datetime.utcnow()
    assert timedelta(days=60) < left <= timedelta(days=90, seconds=5)
    assert leaf.not_valid_after <= issued.issuer.not_valid_after
    assert datetime.utcnow() - timedelta(seconds=600) < leaf.not_valid_before < datetime.utcnow() - timedelta(seconds=200)
    assert issued.expiration == leaf.not_valid_after.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    for address in ("::1", "10.1.2.3"):
        numbered = get_server(hub, address).leaf
        assert names_of(numbered, x509.IPAddress) == [address] and names_of(numbered, x509.DNSName) == ["gateway"]
    assert {common_name(c) for c in issued.chain[1:]}.isdisjoint({GATEWAY})


def test_identity_certificate_is_for_clients(device: Device, hub: Module) -> None:
    """The other way round as well: neither passes for the other."""
    identity, own, bundle = get_identity(hub), get_server(hub, GATEWAY), get_bundle(device.daemon)
    record = device.emulator.admin.devices()[0]
    host = record["hub"].partition(":")[0]  # the stand-in has a port
    uri = f"azureiot://{host}/devices/{record['deviceId']}/modules/gateway"
    assert names_of(identity.leaf, x509.UniformResourceIdentifier) == [uri]
    assert identity.leaf.not_valid_after - datetime.utcnow() <= timedelta(hours=2, seconds=5)
    with TlsServer(own, client_ca=bundle) as server:
        assert uri in greeting(server, GATEWAY.lower(), bundle, identity)
        assert not greeting(server, GATEWAY.lower(), bundle).startswith("hello")
        assert not greeting(server, GATEWAY.lower(), bundle, own).startswith("hello")
    assert verify(identity.chain_file, bundle, "sslclient") == ""
    assert verify(identity.chain_file, bundle, "sslserver") != ""
    assert verify(own.chain_file, bundle, "sslserver") == ""
    assert verify(own.chain_file, bundle, "sslclient") != ""


def test_module_gets_no_certificate_of_another(device: Device, hub: Module) -> None:
    path = "/modules/edgeAgent/genid/1/certificate/server"
    body = {"commonName": "x", "expiration": "2099-01-01T00:00:00Z"}
    assert hub.ask("POST", path, body).status == 404
    assert device.daemon.ask("POST", path, body).status == 404


def test_rsa_by_configuration(device: Device, hub: Module) -> None:
    before = get_server(hub, GATEWAY)
    with changed(device, leaf_key="rsa2048"):
        issued, bundle = get_server(hub, GATEWAY), get_bundle(device.daemon)
        assert isinstance(issued.key, rsa.RSAPrivateKey) and issued.key.key_size == 2048
        assert issued.chain[1:] == before.chain[1:]  # a restart changes no authority
        with TlsServer(issued) as server:
            assert [client(server, GATEWAY.lower(), bundle) for client in CLIENTS] == [""] * 3
        assert isinstance(get_identity(hub).key, rsa.RSAPrivateKey)


def restart(device: Device) -> None:
    """Until the cloud has been asked: a question that is under way when the clock moves would be a wrong one."""
    device.daemon.restart()
    device.daemon.wait_log("Assigned to hub")


class changed:
    """The daemon with other values in the section of certificates, until the block ends."""

    def __init__(self, device: Device, **values: object) -> None:
        self.device, self.daemon = device, device.daemon
        self.values = values
        self.saved = dict(self.daemon.config["certificates"])

    def __enter__(self) -> None:
        self.daemon.config["certificates"].update(self.values)
        restart(self.device)

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            print(self.daemon.log_text()[-6000:])
        self.daemon.config["certificates"] = self.saved
        restart(self.device)


# The operator's


class Operator:
    """Files that the configuration names: a device CA below an intermediate and a root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = DeviceCa("plant root")
        self.bundle = folder / "roots.pem"
        self.bundle.write_text(self.root.pem)
        self.cert, self.key = folder / "device-ca.cert.pem", folder / "device-ca.key.pem"

    def write(self, name: str, **options: object) -> None:
        middle = self.root.intermediate("plant intermediate")
        middle.intermediate(name, **options).as_leaf().write(self.folder, "device-ca")

    @property
    def config(self) -> dict[str, str]:
        return {"device_ca_cert": str(self.cert), "device_ca_pk": str(self.key), "trusted_ca_certs": str(self.bundle)}


def test_operators_ca(device: Device, hub: Module, work_dir: Path) -> None:
    """Used, replaced while the daemon runs, and a bad replacement refused."""
    operator = Operator(work_dir)
    operator.write("device CA 1")
    with changed(device, **operator.config):
        first, bundle = get_server(hub, GATEWAY), get_bundle(device.daemon)
        assert operator.root.pem in bundle.read_text()
        assert [common_name(c) for c in first.chain[2:4]] == ["device CA 1", "plant intermediate"]
        with TlsServer(first) as server:
            assert [client(server, GATEWAY.lower(), bundle) for client in CLIENTS] == [""] * 3
        pid, key = device.daemon.pid, operator.key.read_bytes()

        for bad in (b"not a certificate\n", DeviceCa("stranger").pem.encode()):
            operator.cert.write_bytes(bad)
            later = get_server(hub, GATEWAY)
            assert later.chain[1:] == first.chain[1:]
        device.daemon.wait_log("device-ca.cert.pem")
        assert str(operator.cert) in report(device.daemon)["certificatesNote"]

        operator.write("device CA 2", kind="rsa")
        assert operator.key.read_bytes() != key
        second = get_server(hub, GATEWAY)
        assert common_name(second.chain[2]) == "device CA 2"
        bundle = get_bundle(device.daemon)
        assert verify(first.chain_file, bundle) == "" and verify(second.chain_file, bundle) == ""
        with TlsServer(second) as server:
            assert [client(server, GATEWAY.lower(), bundle) for client in CLIENTS] == [""] * 3
        assert device.daemon.pid == pid
        certificates_now = {c["name"]: c for c in report(device.daemon)["certificates"]}
        assert certificates_now["device CA"]["source"] == "operator"


# Time


class Untouched:
    """What renewals have no business with."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.before = self._look()

    def _look(self) -> tuple[object, ...]:
        engine = self.device.engine
        containers = [(c["Id"], engine.call("GET", f"/containers/{c['Id']}/json")["State"]["StartedAt"])
                      for c in engine.call("GET", "/containers/json?all=true")]
        admin = self.device.emulator.admin
        return (sorted(containers), self.device.daemon.pid, admin.count("dps.register"), admin.count("dps.status"),
                admin.devices()[0]["authentication"], self.device.daemon.log_count("Assigned to hub"))

    def check(self) -> None:
        assert self._look() == self.before


def move(device: Device, days: float, cloud: bool = True) -> datetime:
    """The wall clock of the daemon and, if told so, of the cloud that much later than now; returns it. No kernel tells the
    daemon of this step, so it is asked until it has noticed."""
    if cloud:
        device.emulator.admin.change_settings(clock_offset=int(days * DAY_S))
    move_clock(device.daemon, int(days * DAY_S))
    later = datetime.now(timezone.utc) + timedelta(days=days)
    if device.daemon.is_running():
        process.wait_until(lambda: abs(told_now(device) - later) < timedelta(hours=1), "the daemon sees the step")
    return later


def parse(text: object) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def told_now(device: Device) -> datetime:
    return parse(report(device.daemon)["now"])


@pytest.fixture
def movable(device: Device) -> Iterator[Device]:
    """A daemon whose clock a test may move while it runs; afterwards all is as if it had never moved."""
    saved, state = dict(device.daemon.env), device.daemon.state
    assert device.daemon.stop() == 0
    move(device, 0)
    restart(device)
    yield device
    device.emulator.admin.change_settings(clock_offset=0)
    assert device.daemon.stop() == 0
    device.daemon.env = saved
    (state / "clock").unlink(missing_ok=True)
    restart(device)


def by_name(device: Device) -> dict[str, dict[str, object]]:
    return {c["name"]: c for c in report(device.daemon)["certificates"]}


def test_renewal_overlaps(movable: Device, hub: Module) -> None:
    """At two thirds of the life of device and workload CA: without a restart, and nobody is cut off."""
    device, start = movable, time.time()
    old, old_bundle, untouched = get_server(hub, GATEWAY, 90), get_bundle(device.daemon, "old"), Untouched(device)
    lives = by_name(device)
    assert 85 <= int(lives["device CA"]["daysLeft"]) <= 90  # type: ignore[call-overload]

    now = move(device, 57)
    assert get_server(hub, GATEWAY, 20, now).chain[1:] == old.chain[1:]
    now = move(device, 61)
    new, new_bundle = get_server(hub, GATEWAY, 80, now), get_bundle(device.daemon, "new")
    assert new.issuer != old.issuer and new.chain[2] != old.chain[2]
    assert new.leaf.not_valid_after > old.issuer.not_valid_after
    for name in ("device CA", "workload CA"):
        device.daemon.wait_log(f"Certificates: the {name} is now '.*', until ")
    at = start + 61 * DAY_S
    for issued in (old, new):
        for bundle in (old_bundle, new_bundle):
            assert verify(issued.chain_file, bundle, at=at) == ""
    lives = by_name(device)
    assert 85 <= int(lives["device CA"]["daysLeft"]) <= 90  # type: ignore[call-overload]
    untouched.check()


def test_root_that_was_replaced_stays_for_what_it_signed(movable: Device, hub: Module) -> None:
    device, start = movable, time.time()
    get_server(hub, GATEWAY)
    due = parse(by_name(device)["owner CA"]["renewAt"]).timestamp()
    before = (due - start) / DAY_S - 1
    untouched = Untouched(device)
    old = get_server(hub, GATEWAY, 90, move(device, before))
    old_bundle = get_bundle(device.daemon, "old")
    new = get_server(hub, GATEWAY, 90, move(device, before + 2))
    new_bundle = get_bundle(device.daemon, "new")
    roots, kept = (set(PEM.findall(path.read_text())) for path in (new_bundle, old_bundle))
    assert kept < roots
    at = start + (before + 2) * DAY_S
    assert verify(old.chain_file, new_bundle, at=at) == "" and verify(new.chain_file, new_bundle, at=at) == ""
    assert verify(new.chain_file, old_bundle, at=at) == ""  # for those who have not asked again yet
    untouched.check()


def test_certificates_made_by_a_clock_far_ahead(movable: Device, hub: Module) -> None:
    """By a device that starts without a network; they are made again when the cloud has told the time."""
    device = movable
    assert device.daemon.stop() == 0
    shutil.rmtree(device.daemon.state / "pki")
    device.emulator.pause()
    now = move(device, 40, cloud=False)
    device.daemon.start()
    ahead = get_server(hub, GATEWAY, 10, now)
    assert ahead.issuer.not_valid_before > datetime.utcnow() + timedelta(days=30)
    assert device.daemon.stop() == 0
    device.emulator.resume()
    move(device, 0)
    restart(device)
    process.wait_until(lambda: ask_server(hub, GATEWAY, 10).status == 201, "the clock is trusted again")
    issued, bundle = get_server(hub, GATEWAY, 10), get_bundle(device.daemon)
    for certificate in issued.chain:
        assert certificate.not_valid_before < datetime.utcnow()
    assert verify(issued.chain_file, bundle) == ""
    with TlsServer(issued) as server:
        assert by_python(server, GATEWAY.lower(), bundle) == ""


def test_nothing_is_issued_in_1970(device: Device, hub: Module) -> None:
    """503 with a pause to wait, and the bundle all the same."""
    daemon = device.daemon
    saved = dict(daemon.env)
    try:
        assert daemon.stop() == 0
        set_clock(daemon, "@1970-01-01 00:05:00")
        daemon.clear_log()
        daemon.start()
        reply = ask_server(hub, GATEWAY)
        assert reply.status == 503 and int(reply.headers["retry-after"]) > 0, reply
        assert "clock" in reply.message
        assert daemon.ask("GET", "/trust-bundle").status == 200
    finally:
        daemon.stop()
        daemon.env = saved
        daemon.start()
    issued, bundle = get_server(hub, GATEWAY), get_bundle(daemon)
    with TlsServer(issued) as server:
        assert by_python(server, GATEWAY.lower(), bundle) == ""
