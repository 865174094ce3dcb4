"""Symmetric-key enrollments of the emulator, devices without DPS, and two hubs side by side."""

from __future__ import annotations

import base64
import json
import os
from typing import Any, Callable

import pytest

from support.cloud_client import Answer, DpsClient, HubClient, key_signer
from support.emulator import AdminClient, AdminError, Emulator
from support.keys import derive_key, fake_ek, fake_srk
from support.soft_tpm import SoftTpm

REGISTRATION = "dev-01"
PRIMARY, SECONDARY = bytes(range(0x40, 0x60)), b"s" * 32


def b64(key: bytes) -> str:
    return base64.b64encode(key).decode()


def client(emulator: Emulator, registration_id: str = REGISTRATION) -> DpsClient:
    return DpsClient(emulator.dps_url, emulator.tls(), emulator.id_scope, registration_id)


def hub_client(emulator: Emulator, state: dict[str, Any], key: bytes) -> HubClient:
    return HubClient(
        emulator.hub_url, emulator.tls(), state["assignedHub"], state["deviceId"], key_signer(key)
    )


def refused(answer: Answer, status: int, words: str) -> bool:
    return answer.status == status and words in answer.json()["message"]


@pytest.fixture
def quick(cloud: AdminClient) -> AdminClient:
    cloud.change_settings(retry_after=0, polls=1)
    return cloud


class TestIndividual:
    @pytest.mark.parametrize("key", [PRIMARY, SECONDARY])
    def test_both_keys(self, emulator: Emulator, quick: AdminClient, key: bytes) -> None:
        quick.enroll_key(REGISTRATION, b64(PRIMARY), secondary_key=b64(SECONDARY), device_id="d")
        state = client(emulator).provision_by(key_signer(key))
        assert state["deviceId"] == "d" and state["symmetricKey"] == {"enrollmentGroupId": None}
        assert "tpm" not in state
        for hub_key in (PRIMARY, SECONDARY):
            assert hub_client(emulator, state, hub_key).call("GET").status == 200
        assert quick.violations() == [] and quick.journal("refusals") == []

    def test_again_keeps_keys_and_modules(self, emulator: Emulator, quick: AdminClient) -> None:
        quick.enroll_key(REGISTRATION, b64(PRIMARY))
        first = client(emulator).provision_by(key_signer(PRIMARY))
        hub_client(emulator, first, PRIMARY).put("m")
        again = client(emulator).provision_by(key_signer(PRIMARY))
        assert again["substatus"] == "reprovisionedToInitialAssignment"
        assert hub_client(emulator, again, PRIMARY).call("GET", "m").status == 200

    def test_refusals(self, emulator: Emulator, quick: AdminClient) -> None:
        quick.enroll_key(REGISTRATION, b64(PRIMARY))
        device = client(emulator)
        other = device.token(key_signer(b"x" * 32))
        assert refused(device.register(other), 401, "signature")
        assert quick.violations() == []
        assert refused(device.register(), 401, "Authorization")
        assert len(quick.violations()) == 1
        quick.change_enrollment(REGISTRATION, enabled=False)
        assert refused(device.register(device.token(key_signer(PRIMARY))), 401, "disabled")
        with_tpm = DpsClient(
            device.url, device.tls, device.id_scope, REGISTRATION, fake_ek(), fake_srk()
        )
        assert refused(with_tpm.register(), 401, "not for a TPM")

    def test_changed_key(self, emulator: Emulator, quick: AdminClient) -> None:
        quick.enroll_key(REGISTRATION, b64(PRIMARY))
        device = client(emulator)
        operation = device.register(device.token(key_signer(PRIMARY))).json()["operationId"]
        quick.change_enrollment(REGISTRATION, primary_key=b64(SECONDARY))
        old = device.poll(operation, device.token(key_signer(PRIMARY)))
        assert refused(old, 401, "signature")
        assert device.provision_by(key_signer(SECONDARY))["status"] == "assigned"

    def test_request_sent_twice_is_one_operation(
        self, emulator: Emulator, quick: AdminClient
    ) -> None:
        quick.enroll_key(REGISTRATION, b64(PRIMARY))
        device = client(emulator)
        token = device.token(key_signer(PRIMARY))
        operations = [device.register(token).json()["operationId"] for _ in range(2)]
        assert operations[0] == operations[1]
        assert device.poll(operations[0], token).status == 202
        assert device.poll(operations[0], token).status == 200
        assert device.register(token).json()["operationId"] != operations[0]

    @pytest.mark.parametrize("state", ["failed", "disabled"])
    def test_final_states(self, emulator: Emulator, quick: AdminClient, state: str) -> None:
        quick.enroll_key(REGISTRATION, b64(PRIMARY))
        quick.set_fault("dps.operation", state)
        device = client(emulator)
        token = device.token(key_signer(PRIMARY))
        operation = device.register(token).json()["operationId"]
        assert device.poll(operation, token).json()["status"] == state
        assert quick.device(REGISTRATION) is None

    def test_unassigned_for_ever(self, emulator: Emulator, quick: AdminClient) -> None:
        quick.enroll_key(REGISTRATION, b64(PRIMARY))
        quick.set_fault("dps.operation", "unassigned", times=None)
        device = client(emulator)
        token = device.token(key_signer(PRIMARY))
        operation = device.register(token).json()["operationId"]
        states = {device.poll(operation, token).json()["status"] for _ in range(20)}
        assert states == {"unassigned"}


class TestGroup:
    def test_vector(self) -> None:
        assert b64(derive_key(PRIMARY, "dev-01")) == "Sl/RvhrrwmxG/FZWT+sL1OsSCvrm8AYxjPP1JbFHOSU="

    @pytest.mark.parametrize("group_key", [PRIMARY, SECONDARY])
    def test_any_registration_id(
        self, emulator: Emulator, quick: AdminClient, group_key: bytes
    ) -> None:
        quick.enroll_key_group("other")
        quick.enroll_key_group("fleet", b64(PRIMARY), secondary_key=b64(SECONDARY))
        for name in ("dev-01", "Dev_02"):
            key = derive_key(group_key, name)
            state = client(emulator, name).provision_by(key_signer(key))
            assert state["deviceId"] == name
            assert state["symmetricKey"] == {"enrollmentGroupId": "fleet"}
            assert hub_client(emulator, state, key).call("GET").status == 200
        found = {g["name"]: g["registrations"] for g in quick.groups()}
        assert len(found["fleet"]) == 2 and found["other"] == []
        assert quick.violations() == []

    def test_refusals(self, emulator: Emulator, quick: AdminClient) -> None:
        quick.enroll_key_group("fleet", b64(PRIMARY))
        device = client(emulator)
        not_derived = device.token(key_signer(PRIMARY))
        assert refused(device.register(not_derived), 401, "signature")
        other = device.token(key_signer(derive_key(PRIMARY, "dev-02")))
        assert refused(device.register(other), 401, "signature")
        good = device.token(key_signer(derive_key(PRIMARY, REGISTRATION)))
        quick.change_group("fleet", enabled=False)
        assert refused(device.register(good), 401, "disabled")
        quick.remove_group("fleet")
        assert refused(device.register(good), 401, "no enrollment")

    def test_one_device_is_shut_out(self, emulator: Emulator, quick: AdminClient) -> None:
        quick.enroll_key_group("fleet", b64(PRIMARY))
        key = derive_key(PRIMARY, REGISTRATION)
        quick.enroll_key(REGISTRATION, b64(key), enabled=False)
        device = client(emulator)
        assert refused(device.register(device.token(key_signer(key))), 401, "disabled")

    def test_group_moves(self, emulator: Emulator, quick: AdminClient) -> None:
        quick.enroll_key_group("fleet", b64(PRIMARY))
        key = derive_key(PRIMARY, REGISTRATION)
        device = client(emulator)
        assert device.provision_by(key_signer(key))["assignedHub"] == emulator.hub_host
        quick.change_group("fleet", hub=emulator.second_hub_host)
        state = device.provision_by(key_signer(key))
        assert (state["assignedHub"], state["substatus"]) == (
            emulator.second_hub_host,
            "deviceDataReset",
        )
        assert quick.device(REGISTRATION, emulator.hub_host) is None


class TestLookup:
    def test_key(self, emulator: Emulator, quick: AdminClient) -> None:
        quick.enroll_key(REGISTRATION, b64(PRIMARY))
        device = client(emulator)
        token = device.token(key_signer(PRIMARY))
        assert device.lookup(token).json()["errorCode"] == 404201
        registered = device.provision_by(key_signer(PRIMARY))
        before = (quick.devices(), quick.enrollments())
        assert device.lookup(token).json() == registered
        assert (quick.devices(), quick.enrollments()) == before

    def test_tpm(self, emulator: Emulator, quick: AdminClient) -> None:
        tpm = SoftTpm()
        quick.enroll(b64(tpm.ek), registration_id=REGISTRATION)
        device = client(emulator)
        device.ek, device.srk = tpm.ek, tpm.srk
        state, _ = device.provision(tpm.signer)
        before = (quick.devices(), quick.enrollments())
        challenge = device.lookup()
        assert challenge.status == 401
        signer = tpm.signer(base64.b64decode(challenge.json()["authenticationKey"]))
        found = device.lookup(device.token(signer)).json()
        del state["tpm"]
        assert found == state and (quick.devices(), quick.enrollments()) == before
        assert quick.violations() == []


class TestDevices:
    def test_life(self, emulator: Emulator, cloud: AdminClient) -> None:
        made = cloud.create_device("d")
        text = cloud.connection_string("d")
        assert text == made["connectionString"]
        parts = dict(p.split("=", 1) for p in text.split(";"))
        assert (parts["HostName"], parts["DeviceId"]) == (emulator.hub_host, "d")
        key = base64.b64decode(parts["SharedAccessKey"])
        state = {"assignedHub": emulator.hub_host, "deviceId": "d"}
        device = hub_client(emulator, state, key)
        assert device.call("GET").status == 200
        cloud.change_device(emulator.hub_host, "d", enabled=False)
        assert device.call("GET").status == 401
        emulator.restart()
        assert device.call("GET").status == 401
        cloud.change_device(emulator.hub_host, "d", enabled=True)
        assert device.call("GET").status == 200
        with pytest.raises(AdminError, match="has a device"):
            cloud.create_device("d")
        cloud.delete_device(emulator.hub_host, "d")
        assert device.call("GET").status == 401

    def test_keys_rotate(self, emulator: Emulator, cloud: AdminClient) -> None:
        cloud.create_device("d", primary_key=b64(PRIMARY), secondary_key=b64(SECONDARY))
        state = {"assignedHub": emulator.hub_host, "deviceId": "d"}

        def accepted() -> list[bool]:
            clients = (hub_client(emulator, state, key) for key in (PRIMARY, SECONDARY))
            return [one.call("GET").status == 200 for one in clients]

        assert accepted() == [True, True]
        cloud.change_device(emulator.hub_host, "d", rotate="primary")
        assert accepted() == [False, True]
        cloud.change_device(emulator.hub_host, "d", swap=True)
        assert f"SharedAccessKey={b64(SECONDARY)}" in cloud.connection_string("d")
        cloud.change_device(emulator.hub_host, "d", rotate="both")
        assert accepted() == [False, False]
        cloud.change_device(emulator.hub_host, "d", primary_key=b64(PRIMARY))
        assert accepted() == [True, False]

    def test_two_hubs(self, emulator: Emulator, cloud: AdminClient) -> None:
        hubs = (emulator.hub_host, emulator.second_hub_host)
        keys = {hub: os.urandom(32) for hub in hubs}
        for hub in hubs:
            cloud.create_device("d", hub=hub, primary_key=b64(keys[hub]))
        for hub in hubs:
            device = hub_client(emulator, {"assignedHub": hub, "deviceId": "d"}, keys[hub])
            device.url = f"https://{hub}"
            assert device.put(f"m-{hub.partition(':')[0]}").status == 200
            other = hubs[1 - hubs.index(hub)]
            stray = hub_client(emulator, {"assignedHub": other, "deviceId": "d"}, keys[hub])
            assert stray.call("GET").status == 401
        found = {d["hub"]: d["modules"] for d in cloud.devices()}
        names = [[m["moduleId"] for m in found[hub]][2:] for hub in hubs]
        assert names == [["m-localhost"], ["m-127.0.0.1"]]

    def test_restart_keeps_all(self, emulator: Emulator, quick: AdminClient) -> None:
        quick.enroll_key(REGISTRATION, b64(PRIMARY))
        quick.enroll_key_group("fleet")
        client(emulator).provision_by(key_signer(PRIMARY))
        quick.set_external("d", "h.example", key=b64(PRIMARY))
        quick.create_device("x", thumbprints=["ab" * 32, "CD" * 20])
        kept = (quick.enrollments(), quick.groups(), quick.devices(), quick.external())
        ports = (emulator.external_url, emulator.dps_url, emulator.hub_url)
        emulator.restart()
        admin = emulator.admin
        assert (admin.enrollments(), admin.groups(), admin.devices(), admin.external()) == kept
        assert (emulator.external_url, emulator.dps_url, emulator.hub_url) == ports

    @pytest.mark.parametrize(
        "call",
        [
            lambda c: c.create_device("d", thumbprints=["xyz"]),
            lambda c: c.create_device("d", primary_key="AA=="),
            lambda c: c.create_device("a/b"),
            lambda c: c.create_device("d", color=1),
            lambda c: c.change_device("h", "none", enabled=False),
            lambda c: c.enroll_key(""),
            lambda c: c.enroll_x509(registration_id="d"),
            lambda c: c.enroll_x509("no certificate"),
            lambda c: c.enroll_key_group("a b"),
            lambda c: c.enroll_x509_group("g", "nothing"),
            lambda c: c.enroll_x509_group("g", "nothing", hub_auth="x"),
            lambda c: c.change_group("none", enabled=False),
            lambda c: c.set_external("d", "h", key="?"),
            lambda c: c.set_external("d", "h", auth_type="x509"),
            lambda c: c.set_tls("odd"),
        ],
    )
    def test_administrator_errors(
        self, cloud: AdminClient, call: Callable[[AdminClient], Any]
    ) -> None:
        with pytest.raises(AdminError):
            call(cloud)
        assert cloud.devices() == cloud.enrollments() == cloud.groups() == []


class TestCommandLine:
    def test_devices(self, emulator: Emulator, cloud: AdminClient) -> None:
        made = emulator.ctl("create-device", "d", "--primary-key", b64(PRIMARY))
        assert made.stdout.strip() == (
            f"HostName={emulator.hub_host};DeviceId=d;SharedAccessKey={b64(PRIMARY)}"
        )
        assert emulator.ctl("connection-string", "d").stdout == made.stdout
        changed = emulator.ctl(
            "change-device", emulator.hub_host, "d", "--disable", "--rotate", "primary"
        )
        assert json.loads(changed.stdout)["status"] == "disabled"
        assert emulator.ctl("connection-string", "d").stdout != made.stdout
        assert emulator.ctl("delete-device", emulator.hub_host, "d").returncode == 0
        assert cloud.devices() == []

    def test_enrollments_and_groups(self, emulator: Emulator, cloud: AdminClient) -> None:
        done = emulator.ctl("enroll-key", "reg-1", "--primary-key", b64(PRIMARY), "--no-edge")
        assert done.returncode == 0, done.stderr
        assert emulator.ctl("enroll-key-group", "fleet", "--hub", "h.example").returncode == 0
        assert emulator.ctl("change-group", "fleet", "--disable").returncode == 0
        assert (cloud.groups()[0]["enabled"], cloud.groups()[0]["hub"]) == (False, "h.example")
        enrolled = cloud.enrollments()[0]
        assert (enrolled["attestation"], enrolled["edge"]) == ("symmetric-key", False)
        assert emulator.ctl("remove-group", "fleet").returncode == 0
        assert json.loads(emulator.ctl("groups").stdout) == []
