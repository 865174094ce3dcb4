"""Broken wires, bad certificates of the servers, and the external endpoint of the emulator."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable
from urllib.parse import urlsplit

import pytest

from support.cloud_client import DpsClient, exchange, key_signer
from support.device_certs import self_signed
from support.emulator import AdminClient, Emulator

KEY = bytes(range(0x40, 0x60))
EXTERNAL_API = "api-version=2019-04-10"


@pytest.fixture
def device(emulator: Emulator, cloud: AdminClient) -> DpsClient:
    cloud.change_settings(retry_after=0, polls=1)
    cloud.enroll_key("dev-01", base64.b64encode(KEY).decode())
    return DpsClient(emulator.dps_url, emulator.tls(), emulator.id_scope, "dev-01")


def raw_answer(emulator: Emulator, device: DpsClient) -> tuple[bytes, bool]:
    """The bytes of the answer to a register request, and whether a reset ended them."""
    body = json.dumps(device.body()).encode()
    head = (
        f"PUT /{device.audience}/register?api-version=2021-06-01 HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {device.token(key_signer(KEY))}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return read_all(emulator, head.encode() + body)


def read_all(emulator: Emulator, request: bytes) -> tuple[bytes, bool]:
    """TLS by hand over a socket: the ssl module does not tell a reset from an end."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = emulator.tls().wrap_bio(incoming, outgoing, server_hostname="localhost")
    received = b""
    with socket.create_connection(("127.0.0.1", emulator.ready["dps_port"]), timeout=10) as plain:

        def until_done(act: Callable[[], Any]) -> Any:
            while True:
                try:
                    return act()
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    data = plain.recv(65536)
                    if not data:
                        raise EOFError from None
                    incoming.write(data)

        until_done(tls.do_handshake)
        tls.write(request)
        try:
            while True:
                received += until_done(lambda: tls.read(65536))
        except (ConnectionResetError, EOFError) as error:
            return received, isinstance(error, ConnectionResetError)


class TestWire:
    def test_reset_at_every_offset(
        self, emulator: Emulator, cloud: AdminClient, device: DpsClient
    ) -> None:
        whole, was_reset = raw_answer(emulator, device)
        assert not was_reset and whole.endswith(b"}")
        for offset in [0, 1, 12, 17, *range(30, len(whole), 53), len(whole) - 1]:
            cloud.set_fault("dps.register", "reset", offset=offset)
            part, was_reset = raw_answer(emulator, device)
            assert (len(part), was_reset) == (offset, True)
            assert part[:17] == whole[:17][:offset]
        assert raw_answer(emulator, device)[1] is False

    def test_reset_after_a_long_answer(self, cloud: AdminClient, device: DpsClient) -> None:
        cloud.set_fault("dps.register", "oversized-json", size=4_000_000)
        cloud.set_fault("dps.register.second", "reset", offset=3_000_000)
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            device.register(device.token(key_signer(KEY)))

    def test_ten_megabytes(self, cloud: AdminClient, device: DpsClient) -> None:
        cloud.set_fault("dps.register", "oversized-json", size=10_000_000)
        assert len(device.register(device.token(key_signer(KEY))).body) > 10_000_000

    def test_trickle(self, cloud: AdminClient, device: DpsClient) -> None:
        cloud.set_fault("dps.register", "trickle", seconds=0.6)
        begin = time.monotonic()
        assert device.register(device.token(key_signer(KEY))).status == 202
        assert time.monotonic() - begin >= 0.5

    def test_trickle_ends_with_the_emulator(
        self, emulator: Emulator, cloud: AdminClient, device: DpsClient
    ) -> None:
        cloud.set_fault("dps.register", "trickle", seconds=600)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(device.register, device.token(key_signer(KEY)))
            emulator.wait_count("dps.register")
            time.sleep(0.3)
            assert not answer.done()
            begin = time.monotonic()
            emulator.stop()
            with pytest.raises((OSError, http.client.HTTPException)):
                answer.result(timeout=5)
            assert time.monotonic() - begin < 4

    def test_burst_of_500_and_throttling(self, cloud: AdminClient, device: DpsClient) -> None:
        token = device.token(key_signer(KEY))
        cloud.set_fault("dps.register", "status", status=500, times=5)
        cloud.set_fault("dps.register", "status", status=429, retry_after=7)
        cloud.set_fault("dps.register", "status", status=429, retry_after=7, retry_after_date=True)
        answers = [device.register(token) for _ in range(8)]
        assert [a.status for a in answers] == [500] * 5 + [429, 429, 202]
        assert answers[5].headers["retry-after"] == "7" and "GMT" in answers[6].headers["retry-after"]


class TestServers:
    @pytest.mark.parametrize(
        ("kind", "words"),
        [("expired", "expired"), ("untrusted", "verify failed"), ("wrong-name", "Hostname mismatch")],
    )
    def test_bad_certificate_and_back(
        self, emulator: Emulator, cloud: AdminClient, kind: str, words: str
    ) -> None:
        cloud.set_tls(kind)
        for url in (emulator.dps_url, emulator.hub_url):
            with pytest.raises(ssl.SSLCertVerificationError, match=words):
                exchange(url, emulator.tls(), "GET", "/")
        assert emulator.ctl("tls").returncode == 0
        assert exchange(emulator.dps_url, emulator.tls(), "GET", "/").status == 404

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
    def test_old_tls(self, emulator: Emulator, cloud: AdminClient) -> None:
        assert emulator.ctl("tls", "--version", "1.1").returncode == 0
        modern = emulator.tls()
        modern.minimum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError, match="(?i)version|protocol"):
            exchange(emulator.dps_url, modern, "GET", "/")
        old = emulator.tls()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        assert exchange(emulator.dps_url, old, "GET", "/").status == 404
        emulator.restart("--tls", "1.1")
        with pytest.raises(ssl.SSLError, match="(?i)version|protocol"):
            exchange(emulator.dps_url, modern, "GET", "/")


def external(emulator: Emulator, method: str, path: str, query: str = EXTERNAL_API) -> tuple[int, Any]:
    """The same request over TCP and over the Unix socket, which must agree on a GET."""
    answers = []
    parts = urlsplit(emulator.external_url)
    for over_unix in (False, True) if method == "GET" else (False,):
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
        if over_unix:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(emulator.external_unix_url.removeprefix("unix://"))
        connection.request(method, f"/device/{path}?{query}", b"" if method == "POST" else None)
        response = connection.getresponse()
        answers.append((response.status, json.loads(response.read())))
        connection.close()
    assert answers[0] == answers[-1]
    return answers[0]


class TestExternal:
    def test_nothing_configured(self, emulator: Emulator) -> None:
        status, body = external(emulator, "GET", "provisioninginformation")
        assert status == 404 and "no device" in body["message"]

    def test_symmetric_payload(self, emulator: Emulator, cloud: AdminClient) -> None:
        key = base64.b64encode(KEY).decode()
        cloud.set_external("d", emulator.hub_host, key=key, status="assigned", substatus="initialAssignment")
        assert external(emulator, "GET", "provisioninginformation") == (
            200,
            {
                "hubName": emulator.hub_host,
                "deviceId": "d",
                "credentials": {"authType": "symmetric-key", "source": "payload", "key": key},
                "status": "assigned",
                "substatus": "initialAssignment",
            },
        )
        assert cloud.violations() == []

    def test_x509(self, emulator: Emulator, cloud: AdminClient) -> None:
        leaf = self_signed("d")
        cloud.set_external(
            "d", "h", auth_type="x509", certificate=leaf.cert_pem, private_key=leaf.key_pem
        )
        _, body = external(emulator, "GET", "provisioninginformation")
        credentials = body["credentials"]
        assert base64.b64decode(credentials["identityCert"]).decode() == leaf.cert_pem
        assert base64.b64decode(credentials["identityPrivateKey"]).decode() == leaf.key_pem
        done = emulator.ctl(
            *("set-external", "d", "h", "--auth-type", "x509", "--source", "hsm"),
            *("--certificate", "/etc/cert.pem", "--private-key", "/etc/key.pem"),
        )
        assert done.returncode == 0, done.stderr
        _, body = external(emulator, "GET", "provisioninginformation")
        assert body["credentials"] == {
            "authType": "x509",
            "source": "hsm",
            "identityCert": "/etc/cert.pem",
            "identityPrivateKey": "/etc/key.pem",
        }

    def test_reprovision_is_counted_and_may_change_the_device(
        self, emulator: Emulator, cloud: AdminClient
    ) -> None:
        cloud.set_external("d", "h", source="hsm")
        cloud.set_external("d", "h2", source="hsm", at_reprovision=True)
        assert external(emulator, "GET", "provisioninginformation")[1]["hubName"] == "h"
        assert external(emulator, "POST", "reprovision")[1]["hubName"] == "h2"
        assert external(emulator, "POST", "reprovision")[1]["hubName"] == "h2"
        assert cloud.count("external.reprovision") == 2 and cloud.count("external.get", 200) == 2
        cloud.clear_external()
        assert external(emulator, "POST", "reprovision")[0] == 404

    def test_refusals_and_faults(self, emulator: Emulator, cloud: AdminClient) -> None:
        cloud.set_external("d", "h", source="hsm")
        assert external(emulator, "GET", "nothing")[0] == 404
        assert external(emulator, "GET", "provisioninginformation", "")[0] == 400
        assert external(emulator, "POST", "provisioninginformation")[0] == 404
        assert len(cloud.violations()) == 5
        cloud.set_fault("external.get", "status", status=503, times=2)
        assert external(emulator, "GET", "provisioninginformation")[0] == 503
        cloud.set_fault("external.reprovision", "status", status=500)
        assert external(emulator, "POST", "reprovision")[0] == 500
