"""X.509 enrollments and devices of the emulator, with client certificates in real handshakes."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from pathlib import Path
from typing import Optional

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.cloud_client import Answer, DpsClient, HubClient, exchange, key_signer, sas_token
from support.device_certs import DeviceCa, DeviceCertificate, new_key, self_signed
from support.emulator import AdminClient, AdminError, Emulator
from support.process import wait_until

REGISTRATION = "dev-01"


@pytest.fixture
def quick(cloud: AdminClient) -> AdminClient:
    cloud.change_settings(retry_after=0, polls=1)
    return cloud


def dps_client(
    emulator: Emulator, leaf: Optional[DeviceCertificate], name: str = REGISTRATION
) -> DpsClient:
    tls = leaf.tls(emulator.ca, emulator.folder / "tls") if leaf else emulator.tls()
    return DpsClient(emulator.dps_url, tls, emulator.id_scope, name)


def hub_client(
    emulator: Emulator, leaf: DeviceCertificate, device: str = REGISTRATION, hub: str = ""
) -> HubClient:
    tls = leaf.tls(emulator.ca, emulator.folder / "tls")
    return HubClient(emulator.hub_url, tls, hub or emulator.hub_host, device)


def refused(answer: Answer, words: str) -> bool:
    body = answer.json()
    return answer.status == 401 and words in body.get("message", body.get("Message"))


class TestIndividual:
    @pytest.mark.parametrize("kind", ["ec", "rsa"])
    def test_self_signed(self, emulator: Emulator, quick: AdminClient, kind: str) -> None:
        leaf = self_signed(REGISTRATION, kind=kind)
        quick.enroll_x509(leaf.cert_pem, device_id="d")
        state = dps_client(emulator, leaf).provision_by(None)
        assert (state["deviceId"], state["registrationId"]) == ("d", REGISTRATION)
        assert state["x509"]["certificateInfo"]["sha256Thumbprint"] == leaf.thumbprint
        device = hub_client(emulator, leaf, "d")
        assert device.call("GET").status == 200 and device.put("m").status == 200
        assert device.send_event().status == 204
        assert quick.violations() == [] and quick.journal("refusals") == []

    def test_second_certificate(self, emulator: Emulator, quick: AdminClient) -> None:
        ca = DeviceCa()
        leaf = ca.leaf(REGISTRATION)
        later = ca.renew(leaf)
        quick.enroll_x509(leaf.cert_pem, secondary_certificate=later.cert_pem)
        dps_client(emulator, leaf).provision_by(None)
        assert hub_client(emulator, later).call("GET").status == 200
        dps_client(emulator, later).provision_by(None)
        assert hub_client(emulator, leaf).call("GET").status == 200

    def test_names_must_fit(self, cloud: AdminClient) -> None:
        leaf, other = self_signed("Dev-01"), self_signed("dev-02")
        cloud.enroll_x509(leaf.cert_pem, registration_id="dev-01")
        with pytest.raises(AdminError, match="CN 'Dev-01' is not the registration id"):
            cloud.enroll_x509(leaf.cert_pem, registration_id="dev-02")
        with pytest.raises(AdminError, match="different CNs"):
            cloud.enroll_x509(leaf.cert_pem, secondary_certificate=other.cert_pem)

    def test_refusals(self, emulator: Emulator, quick: AdminClient) -> None:
        leaf = self_signed(REGISTRATION)
        quick.enroll_x509(registration_id=REGISTRATION, thumbprints=[leaf.thumbprint.lower()])
        other = self_signed(REGISTRATION)
        assert refused(dps_client(emulator, other).register(), "not the enrolled one")
        assert refused(dps_client(emulator, leaf, "dev-02").register(), "no enrollment")
        assert quick.violations() == []
        bare = dps_client(emulator, None)
        assert refused(bare.register(), "certificate is missing")
        assert refused(bare.register(bare.token(key_signer(b"k" * 32))), "certificate is missing")
        assert [v["route"] for v in quick.violations()] == [
            "dps.register.first",
            "dps.register.second",
        ]

    def test_dates(self, emulator: Emulator, quick: AdminClient) -> None:
        leaf = self_signed(REGISTRATION, days=1)
        quick.enroll_x509(leaf.cert_pem)
        quick.change_settings(clock_offset=2 * 86400)
        assert refused(dps_client(emulator, leaf).register(), "expired")
        quick.change_settings(clock_offset=-2 * 86400)
        assert refused(dps_client(emulator, leaf).register(), "not valid before")

    def test_poll_needs_the_same_certificate(self, emulator: Emulator, quick: AdminClient) -> None:
        first, second = self_signed(REGISTRATION), self_signed(REGISTRATION)
        quick.enroll_x509(first.cert_pem, secondary_certificate=second.cert_pem)
        operation = dps_client(emulator, first).register().json()["operationId"]
        assert refused(dps_client(emulator, second).poll(operation), "another certificate")
        assert refused(dps_client(emulator, None).poll(operation), "certificate is missing")

    def test_lookup(self, emulator: Emulator, quick: AdminClient) -> None:
        leaf = self_signed(REGISTRATION)
        quick.enroll_x509(leaf.cert_pem)
        device = dps_client(emulator, leaf)
        assert device.lookup().json()["errorCode"] == 404201
        state = device.provision_by(None)
        before = (quick.devices(), quick.enrollments())
        assert device.lookup().json() == state
        assert (quick.devices(), quick.enrollments()) == before


class TestGroup:
    def test_chain(self, emulator: Emulator, quick: AdminClient) -> None:
        root = DeviceCa()
        below = root.intermediate().intermediate("second")
        quick.enroll_x509_group("other", DeviceCa().pem)
        quick.enroll_x509_group("fleet", root.pem)
        for name in ("dev-01", "Dev_02"):
            leaf = below.leaf(name)
            state = dps_client(emulator, leaf, name).provision_by(None)
            assert state["deviceId"] == name and state["x509"]["enrollmentGroupId"] == "fleet"
            assert hub_client(emulator, leaf, name).call("GET").status == 200
        assert quick.violations() == [] and quick.journal("refusals") == []

    def test_anchor_may_be_an_intermediate(self, emulator: Emulator, quick: AdminClient) -> None:
        line = DeviceCa().intermediate("line 1")
        quick.enroll_x509_group("fleet", line.pem)
        assert dps_client(emulator, line.leaf(REGISTRATION)).register().status == 202

    def test_refusals(self, emulator: Emulator, quick: AdminClient) -> None:
        root = DeviceCa()
        narrow = DeviceCa("narrow", path_length=0)
        not_ca = DeviceCa("not a ca", root, is_ca=False)
        old = root.intermediate("old", days=-0.5)
        quick.enroll_x509_group("fleet", root.pem)
        quick.enroll_x509_group("narrow", narrow.pem)
        stranger, missing = DeviceCa("device root"), root.intermediate("lost").leaf(REGISTRATION)
        missing.chain = []
        name = REGISTRATION
        cases = [
            (stranger.leaf(name), "does not lead to an enrolled CA"),
            (missing, "does not lead to an enrolled CA"),
            (self_signed(name), "does not lead to an enrolled CA"),
            (root.leaf("dev-02"), "CN is 'dev-02', not the registration id"),
            (root.leaf(name, starts_in_days=-2, days=-1), "expired"),
            (root.leaf(name, starts_in_days=1), "not valid before"),
            (root.leaf(name, usage=ExtendedKeyUsageOID.SERVER_AUTH), "extended key usage"),
            (not_ca.leaf(name), "not that of a CA"),
            (old.leaf(name), "'old' expired"),
            (narrow.intermediate("too deep").leaf(name), "longer than its path length"),
        ]
        for leaf, words in cases:
            answer = dps_client(emulator, leaf).register()
            assert refused(answer, words), (words, answer)
        assert quick.devices() == [] and quick.violations() == []

    def test_forged_signature(self, emulator: Emulator, quick: AdminClient) -> None:
        """Names fit, but another key signed."""
        root = DeviceCa("same name")
        quick.enroll_x509_group("fleet", root.pem)
        forged = DeviceCa("same name").leaf(REGISTRATION)
        forged.chain = [root.certificate]
        assert refused(dps_client(emulator, forged).register(), "does not lead to an enrolled CA")

    def test_renewal_by_thumbprint(self, emulator: Emulator, quick: AdminClient) -> None:
        ca = DeviceCa()
        quick.enroll_x509_group("fleet", ca.pem)
        leaf = ca.leaf(REGISTRATION)
        later = ca.renew(leaf)
        dps_client(emulator, leaf).provision_by(None)
        hub_client(emulator, leaf).put("m")
        assert refused(hub_client(emulator, later).call("GET"), "not the one of the device")
        state = dps_client(emulator, later).provision_by(None)
        assert state["substatus"] == "reprovisionedToInitialAssignment"
        assert hub_client(emulator, later).call("GET", "m").status == 200
        assert hub_client(emulator, leaf).call("GET").status == 401

    def test_renewal_by_ca(self, emulator: Emulator, quick: AdminClient) -> None:
        ca = DeviceCa()
        quick.enroll_x509_group("fleet", ca.pem, hub_auth="ca")
        leaf = ca.leaf(REGISTRATION)
        dps_client(emulator, leaf).provision_by(None)
        for one in (leaf, ca.renew(leaf), ca.renew(leaf, same_key=True)):
            assert hub_client(emulator, one).call("GET").status == 200
        assert refused(hub_client(emulator, ca.leaf("x")).call("GET"), "not the device id")
        emulator.restart()
        assert hub_client(emulator, ca.renew(leaf)).call("GET").status == 200


class TestHub:
    def test_by_thumbprint(self, emulator: Emulator, cloud: AdminClient) -> None:
        leaf = self_signed("whatever")
        made = cloud.create_device("d", thumbprints=[leaf.thumbprint])
        assert made["connectionString"] == f"HostName={emulator.hub_host};DeviceId=d;x509=true"
        device = hub_client(emulator, leaf, "d")
        assert device.call("GET").status == 200
        module_key = b"m" * 32
        device.put("m", primary=module_key, secondary=b"n" * 32)
        token = sas_token(key_signer(module_key), f"{emulator.hub_host}/devices/d/modules/m")
        device.tls = emulator.tls()
        assert device.send_event(token, "m").status == 204
        cloud.change_device(emulator.hub_host, "d", thumbprints=["AB" * 20])
        assert refused(hub_client(emulator, leaf, "d").call("GET"), "not the one of the device")
        cloud.change_device(emulator.hub_host, "d", certificate=leaf.cert_pem, enabled=False)
        assert refused(hub_client(emulator, leaf, "d").call("GET"), "disabled")
        assert cloud.violations() == []

    def test_each_kind_of_proof_for_its_kind_of_device(
        self, emulator: Emulator, cloud: AdminClient
    ) -> None:
        leaf = self_signed("d")
        cloud.create_device("by-key")
        cloud.create_device("by-cert", certificate=leaf.cert_pem)
        assert refused(hub_client(emulator, leaf, "by-key").call("GET"), "by tokens")
        plain = HubClient(
            emulator.hub_url, emulator.tls(), emulator.hub_host, "by-cert", key_signer(b"k" * 32)
        )
        assert refused(plain.call("GET"), "by certificate")
        assert cloud.violations() == []
        plain.signer = None
        assert refused(plain.call("GET"), "Authorization")
        assert len(cloud.violations()) == 1

    def test_certificate_and_token_together(self, emulator: Emulator, quick: AdminClient) -> None:
        leaf = self_signed(REGISTRATION)
        quick.enroll_x509(leaf.cert_pem)
        quick.create_device(REGISTRATION, certificate=leaf.cert_pem)
        device = hub_client(emulator, leaf)
        device.signer = key_signer(b"k" * 32)
        assert device.call("GET").status == 400
        dps = dps_client(emulator, leaf)
        assert dps.register(dps.token(device.signer)).status == 400
        assert ["Authorization" in v["message"] for v in quick.violations()] == [True, True]

    def test_two_hubs(self, emulator: Emulator, quick: AdminClient) -> None:
        ca = DeviceCa()
        quick.enroll_x509_group("fleet", ca.pem)
        leaf = ca.leaf(REGISTRATION)
        dps_client(emulator, leaf).provision_by(None)
        quick.change_group("fleet", hub=emulator.second_hub_host)
        state = dps_client(emulator, leaf).provision_by(None)
        assert state["assignedHub"] == emulator.second_hub_host
        assert hub_client(emulator, leaf, hub=emulator.second_hub_host).call("GET").status == 200
        assert refused(hub_client(emulator, leaf).call("GET"), "no device")


class TestHandshake:
    def test_key_must_be_held(self, emulator: Emulator, quick: AdminClient, work_dir: Path) -> None:
        """A key file with the stolen certificate's public half and another private one gets past
        the client's own check; the server must notice."""
        leaf, thief = self_signed(REGISTRATION), new_key()
        quick.enroll_x509(leaf.cert_pem)
        cert, key_file = leaf.write(work_dir)
        own, stolen = (
            k.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            for k in (thief, leaf.key)
        )
        der = thief.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        assert own in der
        key_file.write_text(
            "-----BEGIN EC PRIVATE KEY-----\n"
            + base64.encodebytes(der.replace(own, stolen)).decode()
            + "-----END EC PRIVATE KEY-----\n"
        )
        tls = emulator.tls()
        tls.load_cert_chain(cert, key_file)
        device = DpsClient(emulator.dps_url, tls, emulator.id_scope, REGISTRATION)
        with pytest.raises(OSError):
            device.register()
        wait_until(lambda: bool(quick.journal("tls")), "the broken handshake is recorded")
        assert "signature" in quick.journal("tls")[0]["message"].lower()
        assert quick.counters() == {}

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_chain_is_there_in_a_second_session(
        self, emulator: Emulator, quick: AdminClient, version: ssl.TLSVersion
    ) -> None:
        """A resumed session would bring back the leaf alone, so none may be resumed that way."""
        root = DeviceCa()
        quick.enroll_x509_group("fleet", root.pem)
        tls = root.intermediate().leaf(REGISTRATION).tls(emulator.ca, emulator.folder / "tls")
        tls.maximum_version = version
        session = None
        for _ in range(2):
            connection = http.client.HTTPSConnection(
                "localhost", emulator.ready["dps_port"], context=tls, timeout=10
            )
            plain = socket.create_connection(("127.0.0.1", emulator.ready["dps_port"]))
            connection.sock = tls.wrap_socket(plain, server_hostname="localhost", session=session)
            target = f"/{emulator.id_scope}/registrations/{REGISTRATION}?api-version=2021-06-01"
            body = f'{{"registrationId":"{REGISTRATION}"}}'
            connection.request("POST", target, body, {"Content-Type": "application/json"})
            assert connection.getresponse().status == 404
            session = connection.sock.session
            connection.sock.unwrap()  # an orderly end, after which OpenSSL would resume
            connection.close()
        assert {r["message"] for r in quick.journal("refusals")} == {
            "this registration id has not registered yet"
        }

    def test_client_without_certificate_is_served(self, emulator: Emulator) -> None:
        assert exchange(emulator.dps_url, emulator.tls(), "GET", "/nothing").status == 404

    def test_command_line(self, emulator: Emulator, cloud: AdminClient, work_dir: Path) -> None:
        ca = DeviceCa()
        leaf = ca.leaf("reg-1")
        cert, _ = leaf.write(work_dir)
        ca_file = work_dir / "ca.pem"
        ca_file.write_text(ca.pem)
        for command in (
            ["enroll-x509", "--certificate", str(cert), "--device-id", "d"],
            ["enroll-x509", "--registration-id", "reg-2", "--thumbprint", leaf.thumbprint],
            ["enroll-x509-group", "fleet", "--ca", str(ca_file), "--hub-auth", "ca"],
            ["create-device", "by-cert", "--certificate", str(cert)],
            ["create-device", "by-ca", "--ca", str(ca_file)],
        ):
            done = emulator.ctl(*command)
            assert done.returncode == 0, done.stderr
        assert [(e["registration_id"], e["device_id"]) for e in cloud.enrollments()] == [
            ("reg-1", "d"),
            ("reg-2", "reg-2"),
        ]
        assert cloud.groups()[0]["hub_auth"] == "ca"
        kinds = {d["deviceId"]: d["authentication"]["type"] for d in cloud.devices()}
        assert kinds == {"by-cert": "selfSigned", "by-ca": "certificateAuthority"}
