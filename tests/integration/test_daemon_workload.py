"""Every route of the workload API on a real daemon, from real containers: the right caller, the wrong one, a process of
the host, all api-versions; and that what it gives out works."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from support.daemon import Daemon, Reply, call
from support.device import Device
from support.engine import Engine
from support.issued import certificates, get_bundle, get_server, names_of, verify
from support.module_image import Module
from support.routes import VERSIONS

REFUSED = (404, "Module not found")
MIB = 1024 * 1024
NAME = "gateway.example.net"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def in_days(days: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(days=days)).isoformat()


def server_body(name: str = NAME, days: float = 1) -> dict[str, str]:
    return {"commonName": name, "expiration": in_days(days)}


IV = b64(b"0123456789abcdef0123456789abcdef")  # a GUID's 32 digits, as the agents send
CALLER_ROUTES: dict[str, tuple[str, Any, int]] = {
    "sign": ("/modules/{}/genid/1/sign", {"keyId": "primary", "algo": "HMACSHA256", "data": "aGVsbG8="}, 200),
    "encrypt": ("/modules/{}/genid/1/encrypt", {"plaintext": "aGVsbG8=", "initializationVector": IV}, 200),
    "decrypt": ("/modules/{}/genid/1/decrypt", {"ciphertext": "aGVsbG8=", "initializationVector": IV}, 400),
    "server": ("/modules/{}/genid/1/certificate/server", server_body(), 201),
    "identity": ("/modules/{}/certificate/identity", {}, 201),
}
ANONYMOUS_ROUTES = ("/trust-bundle", "/manifest-trust-bundle", "/modules")


@pytest.fixture(scope="module")
def device(engine: Engine) -> Iterator[Device]:
    """A provisioned device with authorities of its own and a running edgeAgent."""
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    one = Device(folder, engine)
    del one.daemon.config["certificates"]
    try:
        one.start()
        yield one
        assert one.emulator.admin.violations() == []
    except BaseException:
        print(one.daemon.log_text()[-6000:])
        raise
    finally:
        try:
            one.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def sensor(device: Device) -> Module:
    return device.module("tempSensor")


@pytest.fixture(scope="module")
def other(device: Device) -> Module:
    return device.module("tempFilter")


def crypt(module: Module, way: str, data: bytes, iv: str = IV, *, name: str = "", generation: str = "1") -> Reply:
    name = name or module.container.name
    field = "plaintext" if way == "encrypt" else "ciphertext"
    return module.ask("POST", f"/modules/{name}/genid/{generation}/{way}", {field: b64(data), "initializationVector": iv})


def encrypted(module: Module, data: bytes, iv: str = IV) -> bytes:
    reply = crypt(module, "encrypt", data, iv)
    assert reply.status == 200, reply
    assert list(reply.json()) == ["ciphertext"]
    return base64.b64decode(reply.json()["ciphertext"], validate=True)


def server_cert(module: Module, body: Any) -> Reply:
    return module.ask("POST", f"/modules/{module.container.name}/genid/1/certificate/server", body)


def identity_cert(module: Module, body: Any) -> Reply:
    return module.ask("POST", f"/modules/{module.container.name}/certificate/identity", body)


# Who may call what


@pytest.mark.parametrize("route", CALLER_ROUTES)
def test_module_may_call_its_own_routes(sensor: Module, route: str) -> None:
    path, body, status = CALLER_ROUTES[route]
    for version in VERSIONS:
        reply = call(sensor.work, "POST", f"{path.format('tempSensor')}?api-version={version}", body)
        assert reply.status == status, (version, reply)
        assert reply.headers["content-type"] == "application/json"
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert reply.headers["connection"].lower() == "close"
    for version in ("", "?api-version=", "?api-version=2021-05-11", "?api-version=2018-06-28x"):
        reply = call(sensor.work, "POST", path.format("tempSensor") + version, body)
        assert (reply.status, list(reply.json())) == (400, ["message"])


@pytest.mark.parametrize("route", CALLER_ROUTES)
def test_nobody_else_may(device: Device, sensor: Module, other: Module, route: str) -> None:
    path, body, _ = CALLER_ROUTES[route]
    target = path.format("tempSensor")
    for reply in (other.ask("POST", target, body), device.agent.ask("POST", target, body),
                  device.daemon.ask("POST", target, body), device.daemon.ask("POST", target, b"{")):
        assert (reply.status, reply.message) == REFUSED
    assert sensor.ask("POST", path.format("tempFilter"), body).status == 404
    assert device.daemon.ask("GET", target).status == 404


@pytest.mark.parametrize("path", ANONYMOUS_ROUTES)
def test_anybody_may_ask_for_what_is_public(device: Device, sensor: Module, path: str) -> None:
    for version in VERSIONS:
        for work in (device.daemon.work, sensor.work):
            reply = call(work, "GET", f"{path}?api-version={version}")
            assert reply.status == 200, reply
            assert reply.headers["content-type"] == "application/json"
    assert call(device.daemon.work, "GET", path).status == 400
    assert call(device.daemon.work, "GET", f"{path}/?api-version={VERSIONS[0]}").status == 200


def test_content_type_is_not_needed(sensor: Module) -> None:
    """Python's SDK sends none; the C SDK adds a charset."""
    target = f"/modules/tempSensor/genid/1/encrypt?api-version={VERSIONS[0]}"
    body = {"plaintext": "aGVsbG8", "initializationVector": "aXY"}
    for option in ("Content-Type:", "Content-Type: application/json; charset=utf-8"):
        status, text = sensor.curl("work", "POST", target, body, "-H", option)
        assert status == 200, text


# Encryption


@pytest.mark.parametrize("size", [1, 15, 16, 17, 1000, 65535, 65536, 65537, 300_000])
def test_what_was_encrypted_decrypts(sensor: Module, size: int) -> None:
    plain = os.urandom(size)
    blob = encrypted(sensor, plain)
    assert blob[0] == 3 and len(blob) == size + 29
    reply = crypt(sensor, "decrypt", blob)
    assert reply.status == 200 and list(reply.json()) == ["plaintext"]
    assert base64.b64decode(reply.json()["plaintext"], validate=True) == plain


@pytest.mark.parametrize("iv_len", [1, 11, 12, 13, 16, 32, 128])
def test_initialization_vectors_of_any_length(sensor: Module, iv_len: int) -> None:
    iv = b64(os.urandom(iv_len))
    reply = crypt(sensor, "decrypt", encrypted(sensor, b"text", iv), iv)
    assert reply.json() == {"plaintext": b64(b"text")}


def test_body_of_one_mebibyte(sensor: Module) -> None:
    """The longest request that may be encrypted, and that what comes of it may be decrypted."""
    room = MIB - len(json.dumps({"plaintext": "", "initializationVector": IV}))
    plain = os.urandom(room // 4 * 3)
    blob = encrypted(sensor, plain)
    reply = crypt(sensor, "decrypt", blob)
    assert reply.status == 200, reply.message
    assert base64.b64decode(reply.json()["plaintext"]) == plain
    assert crypt(sensor, "encrypt", plain + bytes(6)).status == 413


def test_same_text_and_vector_give_other_bytes(sensor: Module) -> None:
    assert encrypted(sensor, b"text") != encrypted(sensor, b"text")


def test_only_the_same_module_generation_and_vector_decrypt(sensor: Module, other: Module) -> None:
    blob = encrypted(sensor, b"text")
    flipped = bytes([*blob[:-1], blob[-1] ^ 1])
    refused = (crypt(other, "decrypt", blob), crypt(sensor, "decrypt", blob, generation="2"),
               crypt(sensor, "decrypt", blob, b64(b"another")), crypt(sensor, "decrypt", flipped),
               crypt(sensor, "decrypt", blob[:-1]), crypt(sensor, "decrypt", b"\x04" + blob[1:]),
               crypt(sensor, "decrypt", b"x"))
    for reply in refused:
        assert reply.status == 400, reply
        assert reply.message.startswith("Could not decrypt\n\tcaused by: ")


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"{}", b'{"plaintext":"YQ=="}', b'{"initializationVector":"YQ=="}',
    b'{"plaintext":7,"initializationVector":"YQ=="}', b'{"plaintext":null,"initializationVector":"YQ=="}',
    b'{"plaintext":"","initializationVector":"YQ=="}', b'{"plaintext":"YQ==","initializationVector":""}',
    b'{"plaintext":"a","initializationVector":"YQ=="}', b'{"plaintext":"YQ==","initializationVector":"Y Q="}',
    b'{"plaintext":"\xff","initializationVector":"YQ=="}',
])
def test_malformed_text(sensor: Module, body: bytes) -> None:
    reply = sensor.ask("POST", "/modules/tempSensor/genid/1/encrypt", body)
    assert (reply.status, list(reply.json())) == (400, ["message"])


def test_text_decrypts_after_a_restart(device: Device, sensor: Module) -> None:
    blob = encrypted(sensor, b"text")
    device.daemon.restart()
    assert crypt(sensor, "decrypt", blob).json() == {"plaintext": b64(b"text")}


# Certificates


def chain_of(reply: Reply) -> list[x509.Certificate]:
    """Checks the form of the answer; leaf first."""
    assert reply.status == 201, reply
    answer = reply.json()
    assert list(answer) == ["privateKey", "certificate", "expiration"]
    assert list(answer["privateKey"]) == ["type", "bytes"] and answer["privateKey"]["type"] == "key"
    assert answer["privateKey"]["bytes"].startswith("-----BEGIN PRIVATE KEY-----\n")
    chain = certificates(answer["certificate"])
    key = serialization.load_pem_private_key(answer["privateKey"]["bytes"].encode(), None)
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert key.public_key().public_bytes(*form) == chain[0].public_key().public_bytes(*form)
    assert answer["expiration"] == f"{chain[0].not_valid_after:%Y-%m-%dT%H:%M:%S}+00:00"
    return chain


def test_each_certificate_has_a_key_and_a_number_of_its_own(sensor: Module) -> None:
    leaves = [chain_of(server_cert(sensor, server_body()))[0] for _ in range(3)]
    assert len({leaf.serial_number for leaf in leaves}) == 3
    assert len({leaf.public_key().public_numbers().x for leaf in leaves}) == 3


def lives(leaf: x509.Certificate) -> float:
    return (leaf.not_valid_after - datetime.utcnow()).total_seconds()


def test_expiration_is_followed_and_cut(sensor: Module) -> None:
    day = 24 * 3600
    for days, want_s in ((1, day), (89, 89 * day), (90, 90 * day), (91, 90 * day), (36500, 90 * day)):
        assert lives(chain_of(server_cert(sensor, server_body(days=days)))[0]) == pytest.approx(want_s, abs=60)
    assert lives(chain_of(identity_cert(sensor, {}))[0]) == pytest.approx(7200, abs=60)
    assert lives(chain_of(identity_cert(sensor, {"expiration": None}))[0]) == pytest.approx(7200, abs=60)
    assert lives(chain_of(identity_cert(sensor, {"expiration": in_days(1)}))[0]) == pytest.approx(7200, abs=60)
    assert lives(chain_of(identity_cert(sensor, {"expiration": in_days(1 / 24)}))[0]) == pytest.approx(3600, abs=60)


def test_clock_of_the_caller_may_be_behind(sensor: Module) -> None:
    leaf = chain_of(server_cert(sensor, server_body()))[0]
    age = (datetime.utcnow() - leaf.not_valid_before).total_seconds()
    assert 0 <= age <= 305


@pytest.mark.parametrize("expiration", ["", " ", "tomorrow", "2030-01-02", "2030-01-02T03:04:05", "2001-01-01T00:00:00Z",
                                        None, 7])
def test_expiration_that_cannot_be(sensor: Module, expiration: Any) -> None:
    reply = server_cert(sensor, {"commonName": NAME, "expiration": expiration})
    assert reply.status == 400 and reply.message.startswith("Request body is malformed\n\tcaused by: ")
    if expiration is not None:
        assert identity_cert(sensor, {"expiration": expiration}).status == 400


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "a,DNS:evil.example.net", "a\nb", "a b", None, 7, ["a"]])
def test_common_name_that_cannot_be(sensor: Module, name: Any) -> None:
    reply = server_cert(sensor, {"commonName": name, "expiration": in_days(1)})
    assert (reply.status, list(reply.json())) == (400, ["message"])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null"])
def test_malformed_certificate_request(sensor: Module, body: bytes) -> None:
    assert server_cert(sensor, body).status == 400
    assert identity_cert(sensor, body).status == 400


def test_module_with_a_dollar(device: Device) -> None:
    hub = device.modules.run("edgeHub")
    try:
        for name in ("$edgeHub", "%24edgeHub"):
            reply = hub.ask("POST", f"/modules/{name}/genid/1/certificate/server", server_body())
            assert names_of(chain_of(reply)[0], x509.DNSName) == [NAME, "edgehub"]
            reply = hub.ask("POST", f"/modules/{name}/certificate/identity", {})
            assert names_of(chain_of(reply)[0], x509.UniformResourceIdentifier)[0].endswith("/modules/$edgeHub")
    finally:
        hub.remove()


def test_manifest_trust_bundle_is_empty(device: Device) -> None:
    assert device.daemon.ask("GET", "/manifest-trust-bundle").body == b'{"certificate":""}'


def test_authorities_and_bundle_survive_a_restart(device: Device, sensor: Module) -> None:
    before, issued = get_bundle(device.daemon, "before"), get_server(sensor, NAME)
    device.daemon.restart()
    after = get_bundle(device.daemon)
    assert after.read_text() == before.read_text()
    assert verify(issued.chain_file, after) == ""
    assert get_server(sensor, NAME).chain[1:] == issued.chain[1:]


def test_status_tells_the_days_that_are_left(device: Device) -> None:
    status = device.daemon.manage("GET", "/edged/status").json()
    left = {cert["name"]: cert["daysLeft"] for cert in status["certificates"]}
    assert left["owner CA"] > 3600 and left["device CA"] > 60 and left["workload CA"] > 10, status
    assert status["certificatesNote"] is None
    assert status["sealedStore"]["state"] == "open" and status["sealedStore"]["pcrs"] == []


def test_without_a_key_store_the_reason_is_given(daemon: Daemon) -> None:
    del daemon.config["certificates"]
    daemon.config["tpm"]["tcti"] = "swtpm:path=/nonexistent/tpm.sock"
    daemon.start()
    reply = daemon.ask("GET", "/trust-bundle")
    assert reply.status == 503 and int(reply.headers["retry-after"]) > 0
    assert reply.message.startswith("Could not get trust bundle\n\tcaused by: ")
    status = daemon.manage("GET", "/edged/status").json()
    assert status["certificates"] == [] and status["certificatesNote"]
