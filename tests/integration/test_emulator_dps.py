"""The emulator's Device Provisioning Service over HTTPS."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any, Callable

import pytest

from support.cloud_client import Answer, DpsClient, Signer, exchange, key_signer, sas_token
from support.emulator import AdminClient, AdminError, Emulator
from support.keys import fake_ek, fake_srk
from support.soft_tpm import ActivationError, SoftTpm

REGISTRATION = "Dev-01"
DEVICE = "edge-device"


@pytest.fixture(scope="module")
def soft_tpm() -> SoftTpm:
    return SoftTpm()


@pytest.fixture
def device(emulator: Emulator, cloud: AdminClient, soft_tpm: SoftTpm) -> DpsClient:
    """An enrolled device; polling is not slowed down."""
    cloud.change_settings(retry_after=0, polls=1)
    cloud.enroll(
        base64.b64encode(soft_tpm.ek).decode(), registration_id=REGISTRATION, device_id=DEVICE
    )
    return DpsClient(
        emulator.dps_url, emulator.tls(), emulator.id_scope, REGISTRATION, soft_tpm.ek, soft_tpm.srk
    )


def challenge_key(device: DpsClient, tpm: SoftTpm) -> bytes:
    answer = device.register()
    assert answer.status == 401, answer
    return tpm.activate(base64.b64decode(answer.json()["authenticationKey"]))


def start(device: DpsClient, tpm: SoftTpm) -> tuple[Signer, str]:
    """Up to the 202; returns the signer of the challenge and the operation."""
    signer = key_signer(challenge_key(device, tpm))
    answer = device.register(device.token(signer))
    assert answer.status == 202, answer
    return signer, str(answer.json()["operationId"])


def provision(device: DpsClient, tpm: SoftTpm) -> dict[str, Any]:
    """The whole dance; returns the registrationState."""
    signer, operation = start(device, tpm)
    answer = device.poll(operation, device.token(signer))
    while answer.status == 202:
        answer = device.poll(operation, device.token(signer))
    assert answer.status == 200, answer
    return dict(answer.json()["registrationState"])


def device_key(state: dict[str, Any], tpm: SoftTpm) -> bytes:
    return tpm.activate(base64.b64decode(state["tpm"]["authenticationKey"]))


def assert_refused(answer: Answer, status: int, code: int, words: str) -> None:
    body = answer.json()
    assert (answer.status, body["errorCode"]) == (status, code), answer
    assert words in body["message"]
    assert body["trackingId"] and body["timestampUtc"].endswith("Z")
    assert answer.headers["x-ms-error-code"] == str(code) and answer.headers["x-ms-request-id"]


class TestDance:
    def test_challenge_has_the_form_of_the_service(self, device: DpsClient) -> None:
        body = device.register().json()
        assert body["keyName"] == "registration" and "authenticationKey" in body

    def test_assignment_registers_the_key(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient, emulator: Emulator
    ) -> None:
        state = provision(device, soft_tpm)
        assert (state["deviceId"], state["assignedHub"]) == (DEVICE, emulator.hub_host)
        held = cloud.device(DEVICE)
        assert held is not None
        assert (
            held["authentication"]["symmetricKey"]["primaryKey"]
            == base64.b64encode(device_key(state, soft_tpm)).decode()
        )
        assert cloud.violations() == []

    def test_second_registration_replaces_the_key(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient, emulator: Emulator
    ) -> None:
        first = device_key(provision(device, soft_tpm), soft_tpm)
        state = provision(device, soft_tpm)
        second = device_key(state, soft_tpm)
        assert state["substatus"] == "reprovisionedToInitialAssignment"
        audience = f"{emulator.hub_host}/devices/{DEVICE}"
        assert cloud.verify_token(sas_token(key_signer(second), audience))["accepted"]
        verdict = cloud.verify_token(sas_token(key_signer(first), audience))
        assert not verdict["accepted"] and "signature" in verdict["reason"]

    def test_lost_answer_can_be_asked_for_again(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient
    ) -> None:
        cloud.change_settings(polls=0)
        cloud.set_fault("dps.assigned", "close-before")
        signer, operation = start(device, soft_tpm)
        with pytest.raises((http.client.HTTPException, OSError)):
            device.poll(operation, device.token(signer))
        keys = {
            device_key(
                device.poll(operation, device.token(signer)).json()["registrationState"], soft_tpm
            )
            for _ in range(2)
        }
        assert len(keys) == 1
        assert cloud.device(DEVICE) is not None

    def test_same_challenge_twice_is_one_operation(
        self, device: DpsClient, soft_tpm: SoftTpm
    ) -> None:
        signer, operation = start(device, soft_tpm)
        assert device.register(device.token(signer)).json()["operationId"] == operation

    def test_second_request_may_leave_out_the_keys(
        self, device: DpsClient, soft_tpm: SoftTpm
    ) -> None:
        signer = key_signer(challenge_key(device, soft_tpm))
        assert (
            device.register(device.token(signer), body={"registrationId": REGISTRATION}).status
            == 202
        )

    def test_number_of_polls(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient
    ) -> None:
        cloud.change_settings(polls=3)
        provision(device, soft_tpm)
        assert cloud.count("dps.operation", 202) == 3 and cloud.count("dps.assigned", 200) == 1

    def test_lookup(self, device: DpsClient, soft_tpm: SoftTpm) -> None:
        signer = key_signer(challenge_key(device, soft_tpm))
        assert_refused(device.lookup(device.token(signer)), 404, 404201, "not registered")
        provision(device, soft_tpm)
        signer = key_signer(challenge_key(device, soft_tpm))
        assert device.lookup(device.token(signer)).json()["deviceId"] == DEVICE

    def test_move_to_another_hub(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient, emulator: Emulator
    ) -> None:
        provision(device, soft_tpm)
        cloud.change_enrollment(REGISTRATION, hub="other.example")
        state = provision(device, soft_tpm)
        assert (state["assignedHub"], state["substatus"]) == ("other.example", "deviceDataReset")
        assert cloud.device(DEVICE, emulator.hub_host) is None
        assert cloud.device(DEVICE, "OTHER.example") is not None


class TestRefusals:
    def test_unknown_enrollment(self, device: DpsClient, cloud: AdminClient) -> None:
        cloud.remove_enrollment(REGISTRATION)
        answer = device.register()
        assert_refused(answer, 401, 401002, "no enrollment")
        assert "authenticationKey" not in answer.json()
        assert cloud.violations() == []

    def test_disabled_between_calls(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient
    ) -> None:
        signer, operation = start(device, soft_tpm)
        cloud.change_enrollment(REGISTRATION, enabled=False)
        assert_refused(device.poll(operation, device.token(signer)), 401, 401002, "disabled")
        assert_refused(device.register(), 401, 401002, "disabled")

    def test_other_endorsement_key(self, device: DpsClient) -> None:
        device.ek = fake_ek()
        assert_refused(device.register(), 401, 401002, "endorsement key")

    def test_one_tpm_one_enrollment(
        self, device: DpsClient, cloud: AdminClient, soft_tpm: SoftTpm
    ) -> None:
        with pytest.raises(AdminError, match="enrolled as 'Dev-01'"):
            cloud.enroll(base64.b64encode(soft_tpm.ek).decode(), registration_id="second")

    def test_key_of_an_earlier_challenge(self, device: DpsClient, soft_tpm: SoftTpm) -> None:
        signer = key_signer(challenge_key(device, soft_tpm))
        device.register()
        assert_refused(device.register(device.token(signer)), 401, 401000, "signature")

    def test_token_without_challenge(self, device: DpsClient) -> None:
        assert_refused(device.register(device.token(key_signer(b"k"))), 401, 401000, "no challenge")

    def test_expired_by_the_clock_of_the_service(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient
    ) -> None:
        signer = key_signer(challenge_key(device, soft_tpm))
        cloud.change_settings(clock_offset=7200)
        answer = device.register(device.token(signer))
        assert_refused(answer, 401, 401000, "expired")
        assert parsedate_to_datetime(answer.headers["date"]).timestamp() > time.time() + 7000

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda t: t.replace("&skn=registration", ""), "skn"),
            (lambda t: t.replace("registrations", "registration"), "sr is"),
            (lambda t: t.replace("Shared", "Bearer"), "begin"),
        ],
    )
    def test_wrong_token(
        self,
        device: DpsClient,
        soft_tpm: SoftTpm,
        cloud: AdminClient,
        change: Callable[[str], str],
        words: str,
    ) -> None:
        signer = key_signer(challenge_key(device, soft_tpm))
        assert_refused(device.register(change(device.token(signer))), 401, 401000, words)
        assert words in cloud.violations()[0]["message"]

    def test_unknown_operation(self, device: DpsClient, soft_tpm: SoftTpm) -> None:
        signer, _ = start(device, soft_tpm)
        assert_refused(device.poll("4.0.0", device.token(signer)), 404, 404202, "operation")

    def test_poll_before_retry_after(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient
    ) -> None:
        cloud.change_settings(retry_after=3)
        signer, operation = start(device, soft_tpm)
        answer = device.poll(operation, device.token(signer))
        assert_refused(answer, 429, 429001, "before Retry-After")
        assert 1 <= int(answer.headers["retry-after"]) <= 4
        assert cloud.violations() and cloud.journal("early")

    def test_unknown_scope(self, device: DpsClient) -> None:
        device.id_scope = "0ne99999999"
        assert_refused(device.register(), 404, 404201, "id scope")

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("", "missing"),
            ("api-version=2015-01-01", "not known"),
            ("api-version=2021-06-01&x=1", "query"),
            ("api-version=2021-06-01&api-version=2021-06-01", "repeated"),
        ],
    )
    def test_api_version(self, device: DpsClient, query: str, words: str) -> None:
        answer = device.register(query=query)
        assert answer.status == 400 and words in answer.json()["message"]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda b: b.pop("registrationId"), "lacks the member 'registrationId'"),
            (lambda b: b.update(registrationId="other"), "not the one of the path"),
            (lambda b: b.update(registrationId=7), "not the one of the path"),
            (lambda b: b.update(RegistrationId="x"), "the name is 'registrationId'"),
            (lambda b: b.pop("tpm"), "lacks the member 'tpm'"),
            (lambda b: b.update(tpm=[]), "not an object"),
            (lambda b: b["tpm"].pop("storageRootKey"), "lacks the member 'storageRootKey'"),
            (lambda b: b["tpm"].update(endorsementKey="QUJD"), "endorsement key"),
            (lambda b: b["tpm"].update(endorsementKey="QUJ"), "base64"),
            (
                lambda b: b["tpm"].update(storageRootKey=b["tpm"]["endorsementKey"]),
                "storage root key",
            ),
        ],
    )
    def test_body(
        self, device: DpsClient, cloud: AdminClient, change: Callable[[Any], Any], words: str
    ) -> None:
        body = device.body()
        change(body)
        answer = device.register(body=body)
        assert answer.status == 400 and words in answer.json()["message"], answer
        assert len(cloud.violations()) == 1

    def test_changed_storage_root_key(self, device: DpsClient, soft_tpm: SoftTpm) -> None:
        signer = key_signer(challenge_key(device, soft_tpm))
        device.srk = fake_srk()
        assert_refused(device.register(device.token(signer)), 400, 400000, "storageRootKey")

    def test_content_type(self, device: DpsClient) -> None:
        answer = device.register(headers={"Content-Type": "text/plain"})
        assert_refused(answer, 415, 415000, "Content-Type")

    def test_method_and_path(self, device: DpsClient) -> None:
        for method, path, status in (("DELETE", "register", 405), ("PUT", "nothing", 404)):
            answer = exchange(
                device.url, device.tls, method, f"/{device.audience}/{path}?api-version=2021-06-01"
            )
            assert answer.status == status, answer


class TestFaults:
    @pytest.mark.parametrize("step", ["dps.register.first", "dps.register.challenge"])
    def test_status_of_the_anonymous_request(
        self, device: DpsClient, cloud: AdminClient, step: str
    ) -> None:
        cloud.set_fault(step, "status", status=429, error_code="429001", retry_after=7)
        answer = device.register()
        assert_refused(answer, 429, 429001, "scripted")
        assert answer.headers["retry-after"] == "7"
        assert device.register().status == 401
        assert cloud.journal("early") and cloud.violations() == []

    def test_status_of_the_others(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient
    ) -> None:
        cloud.set_fault("dps.register.second", "status", status=503)
        signer = key_signer(challenge_key(device, soft_tpm))
        assert device.register(device.token(signer)).status == 503
        operation = device.register(device.token(signer)).json()["operationId"]
        cloud.set_fault("dps.operation", "status", status=500, times=2)
        assert [device.poll(operation, device.token(signer)).status for _ in range(3)] == [
            500,
            500,
            202,
        ]
        cloud.set_fault("dps.assigned", "status", status=404, error_code="404202")
        assert device.poll(operation, device.token(signer)).status == 404
        assert cloud.device(DEVICE) is None, "a refused assignment must not take effect"

    def test_401_without_key(self, device: DpsClient, cloud: AdminClient) -> None:
        cloud.set_fault("dps.register.challenge", "no-key", times=None)
        for _ in range(2):
            answer = device.register()
            assert answer.status == 401 and "authenticationKey" not in answer.json()

    def test_assigned_without_key(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient
    ) -> None:
        cloud.set_fault("dps.assigned", "no-key")
        assert "tpm" not in provision(device, soft_tpm)

    @pytest.mark.parametrize("state", ["failed", "disabled"])
    def test_final_states(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient, state: str
    ) -> None:
        cloud.set_fault("dps.operation", state)
        signer, operation = start(device, soft_tpm)
        body = device.poll(operation, device.token(signer)).json()
        assert body["status"] == body["registrationState"]["status"] == state
        assert body["registrationState"].get("errorCode") == (400207 if state == "failed" else None)
        assert device.poll(operation, device.token(signer)).status == 404

    def test_unassigned_goes_on(
        self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient
    ) -> None:
        cloud.set_fault("dps.assigned", "unassigned")
        signer, operation = start(device, soft_tpm)
        states = [device.poll(operation, device.token(signer)).json()["status"] for _ in range(3)]
        assert states == ["assigning", "unassigned", "assigned"]

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"kind": "wrong-srk"}, "field 1"),
            ({"kind": "corrupt-field", "field": 1}, "field 1"),
            ({"kind": "corrupt-field", "field": 2}, "field 2"),
            ({"kind": "corrupt-field", "field": 3}, "field 3"),
            ({"kind": "corrupt-field", "field": 4}, "field 4"),
            ({"kind": "corrupt-field", "field": 5}, "field 3 or 5"),
        ],
    )
    def test_bad_blob_at_assignment(
        self,
        device: DpsClient,
        soft_tpm: SoftTpm,
        cloud: AdminClient,
        values: dict[str, Any],
        field: str,
    ) -> None:
        cloud.set_fault("dps.assigned", **values)
        with pytest.raises(ActivationError, match=field):
            device_key(provision(device, soft_tpm), soft_tpm)

    def test_damaged_answers(self, device: DpsClient, cloud: AdminClient) -> None:
        cloud.set_fault("dps.register.first", "truncated-json")
        with pytest.raises(ValueError):
            device.register().json()
        cloud.set_fault("dps.register.first", "oversized-json", size=3_000_000)
        assert len(device.register().body) > 3_000_000
        cloud.set_fault("dps.register.first", "content-type")
        assert device.register().headers["content-type"] == "text/html"
        cloud.set_fault("dps.register.first", "close-middle")
        with pytest.raises(http.client.IncompleteRead):
            device.register()

    def test_held_request_is_let_go(
        self, device: DpsClient, cloud: AdminClient, emulator: Emulator
    ) -> None:
        cloud.set_fault("dps.register.first", "delay", seconds=600)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(device.register)
            emulator.wait_fired("dps.register.first")
            assert not answer.done()
            cloud.clear_faults("dps.register.first")
            assert answer.result(timeout=5).status == 401
        emulator.wait_count("dps.register.first", 1, status=401)

    def test_many_clients(self, device: DpsClient, soft_tpm: SoftTpm, cloud: AdminClient) -> None:
        """Whoever comes last has the key of the open challenge, whatever the interleaving."""
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: device.register(), range(64)))
        assert {a.status for a in answers} == {401}
        provision(device, soft_tpm)
        assert cloud.violations() == [] and cloud.count("dps.register.first") == 65

    def test_delay(self, device: DpsClient, cloud: AdminClient) -> None:
        cloud.set_fault("dps.register.first", "delay", seconds=0.4)
        begin = time.monotonic()
        assert device.register().status == 401
        assert time.monotonic() - begin >= 0.4


class TestHttp:
    def send(self, emulator: Emulator, data: bytes) -> bytes:
        with socket.create_connection(
            ("127.0.0.1", emulator.ready["dps_port"]), timeout=10
        ) as plain:
            with emulator.tls().wrap_socket(plain, server_hostname="localhost") as tls:
                tls.sendall(data)
                received = b""
                while chunk := tls.recv(65536):
                    received += chunk
                return received

    @pytest.mark.parametrize(
        ("head", "status"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505),
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            (b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 411),
            (b"GET / HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n", 400),
            (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400),
            (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n", 413),
            (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
            (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"garbage\r\n\r\n", 400),
            (b"GET /\r\n\r\n", 505),
            (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: y\r\n" * 200 + b"\r\n", 431),
        ],
    )
    def test_head(self, emulator: Emulator, cloud: AdminClient, head: bytes, status: int) -> None:
        assert self.send(emulator, head).split(b" ")[1] == str(status).encode()
        assert [v["route"] for v in cloud.violations()] == ["dps.head"]

    def test_keep_alive(self, emulator: Emulator) -> None:
        connection = http.client.HTTPSConnection(
            "localhost", emulator.ready["dps_port"], context=emulator.tls()
        )
        connection.request("GET", "/a")
        connection.getresponse().read()
        first = connection.sock
        connection.request("GET", "/b")
        connection.getresponse().read()
        assert connection.sock is first is not None
        connection.close()

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
    def test_old_tls_is_refused(self, emulator: Emulator) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(emulator.ca)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            exchange(emulator.dps_url, context, "GET", "/")

    @pytest.mark.parametrize("kind", ["expired", "untrusted"])
    def test_bad_certificates_are_bad(
        self, make_emulator: Callable[..., Emulator], kind: str
    ) -> None:
        emulator = make_emulator("--certificate", kind)
        with pytest.raises(ssl.SSLCertVerificationError):
            exchange(emulator.dps_url, emulator.tls(), "GET", "/")
        deadline = time.monotonic() + 5
        while not emulator.admin.journal("tls"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
