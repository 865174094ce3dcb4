"""The emulator's IoT Hub over HTTPS, its command line, and what survives a restart."""

from __future__ import annotations

import base64
import http.client
import json
import os
import stat
import time
from email.utils import parsedate_to_datetime
from typing import Any, Callable

import pytest

from support.cloud_client import Answer, DpsClient, HubClient, exchange, key_signer, sas_token
from support.emulator import AdminClient, Emulator
from support.keys import fake_ek
from support.soft_tpm import SoftTpm

DEVICE = "Edge-1"
PRIMARY, SECONDARY = b"p" * 32, b"s" * 32


@pytest.fixture(scope="module")
def soft_tpm() -> SoftTpm:
    return SoftTpm()


def provision(emulator: Emulator, tpm: SoftTpm, **enrollment: Any) -> HubClient:
    """A device that went through DPS, so that its key is what the hub holds."""
    admin = emulator.admin
    admin.change_settings(retry_after=0, polls=0)
    admin.enroll(base64.b64encode(tpm.ek).decode(), registration_id=DEVICE, **enrollment)
    dps = DpsClient(emulator.dps_url, emulator.tls(), emulator.id_scope, DEVICE, tpm.ek, tpm.srk)
    state, signer = dps.provision(tpm.signer)
    return HubClient(
        str(emulator.ready["hub_url"]),
        emulator.tls(),
        state["assignedHub"],
        state["deviceId"],
        signer,
    )


@pytest.fixture
def hub(emulator: Emulator, soft_tpm: SoftTpm) -> HubClient:
    return provision(emulator, soft_tpm)


def assert_refused(answer: Answer, status: int, code: str, words: str = "") -> None:
    body = answer.json()
    assert answer.status == status, answer
    assert body["Message"].startswith(f"ErrorCode:{code};") and words in body["Message"], body
    assert body["ExceptionMessage"].startswith("Tracking ID:")


class TestModules:
    def test_new_edge_device_has_system_modules(self, hub: HubClient) -> None:
        modules = hub.call("GET").json()
        assert [m["moduleId"] for m in modules] == ["$edgeAgent", "$edgeHub"]
        assert all(m["generationId"].isdigit() and m["deviceId"] == DEVICE for m in modules)

    def test_plain_device_has_none(self, emulator: Emulator, soft_tpm: SoftTpm) -> None:
        assert provision(emulator, soft_tpm, edge=False).call("GET").json() == []

    def test_life_of_a_module(self, hub: HubClient, cloud: AdminClient) -> None:
        created = hub.put("m", managedBy="IotEdge").json()
        assert created["authentication"]["type"] == "none" and created["managedBy"] == "IotEdge"
        updated = hub.put(
            "m", match="*", primary=PRIMARY, secondary=SECONDARY, managedBy="IotEdge"
        ).json()
        assert updated["generationId"] == created["generationId"]
        assert (
            updated["authentication"]["symmetricKey"]["primaryKey"]
            == base64.b64encode(PRIMARY).decode()
        )
        assert hub.call("GET", "m").json() == updated
        deleted = hub.call("DELETE", "m", match="*")
        assert (deleted.status, deleted.body) == (204, b"")
        assert_refused(hub.call("GET", "m"), 404, "ModuleNotFound")
        assert int(hub.put("m").json()["generationId"]) > int(created["generationId"])
        assert cloud.violations() == []

    def test_create_without_authentication_makes_keys(self, hub: HubClient) -> None:
        keys = hub.call("PUT", "m", body={"moduleId": "m"}).json()["authentication"]["symmetricKey"]
        assert keys["primaryKey"] != keys["secondaryKey"]

    def test_update_without_authentication_keeps_keys(self, hub: HubClient) -> None:
        hub.put("m", primary=PRIMARY, secondary=SECONDARY)
        kept = hub.call("PUT", "m", body={"moduleId": "m"}, match="*").json()["authentication"]
        assert kept["symmetricKey"]["primaryKey"] == base64.b64encode(PRIMARY).decode()

    def test_if_match(self, hub: HubClient, cloud: AdminClient) -> None:
        first = hub.put("m")
        assert first.headers["etag"] == f'"{first.json()["etag"]}"'
        assert_refused(hub.put("m"), 409, "ModuleAlreadyExistsOnDevice")
        assert_refused(hub.put("m", match='"AAAA"'), 412, "PreconditionFailed")
        assert_refused(hub.call("DELETE", "m", match='"AAAA"'), 412, "PreconditionFailed")
        assert_refused(hub.put("new", match="*"), 404, "ModuleNotFound")
        second = hub.put("m", match=first.headers["etag"])
        assert second.status == 200 and second.headers["etag"] != first.headers["etag"]
        assert_refused(hub.put("m", match=first.headers["etag"]), 412, "PreconditionFailed")
        assert cloud.violations() == []
        assert_refused(hub.call("DELETE", "m"), 412, "PreconditionFailed", "missing")
        assert_refused(hub.put("m", match="AAAA"), 400, "ArgumentInvalid", "quoted")
        assert len(cloud.violations()) == 2

    def test_limit(self, hub: HubClient) -> None:
        for number in range(48):
            assert hub.put(f"m{number}").status == 200
        assert_refused(hub.put("one-more"), 413, "TooManyModulesOnDevice", "50")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({}, "moduleId"),
            ({"moduleId": "x"}, "path"),
            ({"moduleId": "m", "ModuleID": "m"}, "unknown member"),
            ({"moduleId": "m", "deviceId": "x"}, "path"),
            ({"moduleId": "m", "managedBy": 1}, "managedBy"),
            ({"moduleId": "m", "authentication": []}, "object"),
            ({"moduleId": "m", "authentication": {"type": "Sas"}}, "type 'Sas'"),
            (
                {
                    "moduleId": "m",
                    "authentication": {"type": "none", "symmetricKey": {"primaryKey": "QUJD"}},
                },
                "keys",
            ),
            (
                {
                    "moduleId": "m",
                    "authentication": {"type": "sas", "symmetricKey": {"primaryKey": "QUJD"}},
                },
                "bytes",
            ),
            ({"moduleId": "m", "authentication": {"type": "sas", "key": 1}}, "unknown member"),
            (b"{", "JSON"),
        ],
    )
    def test_body(self, hub: HubClient, cloud: AdminClient, body: Any, words: str) -> None:
        assert_refused(hub.call("PUT", "m", body=body), 400, "ArgumentInvalid", words)
        assert len(cloud.violations()) == 1

    @pytest.mark.parametrize("query", ["", "api-version=2020-09-30"])
    def test_api_version(self, hub: HubClient, query: str) -> None:
        assert_refused(hub.call("GET", query=query), 400, "InvalidProtocolVersion")

    def test_method_and_path(self, hub: HubClient) -> None:
        assert hub.call("POST", body={}).status == 405
        assert exchange(hub.url, hub.tls, "GET", "/nothing").status == 404


class TestTokens:
    def test_reasons(self, hub: HubClient, cloud: AdminClient) -> None:
        good = hub.signer
        late = int(time.time()) - 1
        cases = [
            ("", "begin"),
            (sas_token(key_signer(b"x"), hub.audience), "signature"),
            (sas_token(good, hub.audience, late), "expired"),
            (sas_token(good, hub.audience, key_name="x"), "skn"),
            (sas_token(good, hub.audience + "/modules/m"), "sr is"),
            (sas_token(good, f"{hub.hub_host}/devices/other"), "sr is"),
            (sas_token(good, hub.audience, late + 400 * 24 * 3600), "ahead"),
        ]
        for token, words in cases:
            assert_refused(hub.call("GET", token=token), 401, "IotHubUnauthorizedAccess", words)
        assert len(cloud.violations()) == 5 and len(cloud.journal("refusals")) == 2

    def test_host_must_be_a_hub(self, hub: HubClient) -> None:
        assert_refused(
            hub.call("GET", headers={"Host": "elsewhere.example"}), 404, "DeviceNotFound"
        )

    def test_bare_hub_name(self, make_emulator: Callable[..., Emulator], soft_tpm: SoftTpm) -> None:
        """A hub name without port, reached by another address, as real hub names are."""
        emulator = make_emulator("--hub-host", "my-hub.example")
        hub = provision(emulator, soft_tpm)
        assert hub.hub_host == "my-hub.example"
        for host in ("my-hub.example", f"MY-hub.example:{emulator.ready['hub_port']}", "127.0.0.1"):
            assert hub.call("GET", headers={"Host": host}).status == 200

    def test_deleted_device(self, hub: HubClient, cloud: AdminClient) -> None:
        cloud.delete_device(hub.hub_host, DEVICE)
        assert_refused(hub.call("GET"), 401, "IotHubUnauthorizedAccess", "no device")

    def test_doors_of_module_and_device(self, hub: HubClient, cloud: AdminClient) -> None:
        hub.put("m")
        audience = f"{hub.audience}/modules/m"
        primary, secondary = (sas_token(key_signer(k), audience) for k in (PRIMARY, SECONDARY))
        assert_refused(hub.send_event(primary, "m"), 401, "IotHubUnauthorizedAccess", "no keys")
        hub.put("m", match="*", primary=PRIMARY, secondary=SECONDARY)
        assert hub.send_event(primary, "m").status == hub.send_event(secondary, "m").status == 204
        assert_refused(hub.send_event(primary, "$edgeHub"), 401, "IotHubUnauthorizedAccess")
        assert hub.send_event(sas_token(hub.signer, hub.audience)).status == 204
        assert cloud.verify_token(secondary) | {"expiry": 0} == {
            "accepted": True,
            "key": "secondary",
            "expiry": 0,
            "resource": audience.lower(),
        }
        assert not cloud.verify_token(sas_token(key_signer(PRIMARY), hub.hub_host))["accepted"]


class TestFaults:
    def test_throttling_with_a_date(self, hub: HubClient, cloud: AdminClient) -> None:
        cloud.set_fault("hub.list", "status", status=429, retry_after=20, retry_after_date=True)
        answer = hub.call("GET")
        assert_refused(answer, 429, "ThrottlingException")
        assert (
            15 < parsedate_to_datetime(answer.headers["retry-after"]).timestamp() - time.time() < 21
        )

    def test_refused_has_no_effect_but_lost_has(self, hub: HubClient, cloud: AdminClient) -> None:
        cloud.set_fault("hub.create", "status", status=500)
        assert_refused(hub.put("m"), 500, "ServerError")
        assert hub.call("GET", "m").status == 404
        cloud.set_fault("hub.create", "close-before")
        with pytest.raises((http.client.HTTPException, OSError)):
            hub.put("m")
        assert hub.call("GET", "m").status == 200

    @pytest.mark.parametrize(
        ("step", "act"),
        [
            ("hub.get", lambda h: h.call("GET", "$edgeHub")),
            ("hub.update", lambda h: h.put("$edgeHub", match="*")),
            ("hub.delete", lambda h: h.call("DELETE", "$edgeHub", match="*")),
            ("hub.events", lambda h: h.send_event(sas_token(h.signer, h.audience))),
        ],
    )
    def test_every_step(
        self, hub: HubClient, cloud: AdminClient, step: str, act: Callable[[HubClient], Answer]
    ) -> None:
        cloud.set_fault(step, "status", status=404, error_code="DeviceNotFound")
        assert_refused(act(hub), 404, "DeviceNotFound")
        assert act(hub).status in (200, 204)
        assert cloud.count(step) == 2 and cloud.count(step, 404) == 1

    def test_oversized_list(self, hub: HubClient, cloud: AdminClient) -> None:
        cloud.set_fault("hub.list", "oversized-json", size=2_000_000)
        assert len(hub.call("GET").body) > 2_000_000


class TestRestart:
    def test_everything_is_kept(
        self, emulator: Emulator, hub: HubClient, cloud: AdminClient
    ) -> None:
        hub.put("m", primary=PRIMARY, secondary=SECONDARY)
        before = (cloud.settings(), cloud.enrollments(), cloud.devices())
        ca = open(emulator.ca).read()
        ports = (emulator.ready["dps_port"], emulator.ready["hub_port"])
        emulator.restart()
        assert (emulator.ready["dps_port"], emulator.ready["hub_port"]) == ports
        assert open(emulator.ca).read() == ca
        admin = emulator.admin
        assert (admin.settings(), admin.enrollments(), admin.devices()) == before
        assert hub.call("GET", "m").status == 200

    def test_reset(self, hub: HubClient, cloud: AdminClient) -> None:
        cloud.set_fault("hub.get", "status")
        cloud.reset()
        assert (
            cloud.devices() == cloud.enrollments() == cloud.faults() == []
            and cloud.counters() == {}
        )

    def test_nothing_is_left_behind(self, emulator: Emulator) -> None:
        socket_path = emulator.ready["admin_socket"]
        assert stat.S_IMODE(os.stat(socket_path).st_mode) == 0o600
        emulator.stop()
        assert not os.path.exists(socket_path) and not emulator.ready_file.exists()


class TestCommandLine:
    def test_enroll_from_tpm_info(self, emulator: Emulator, cloud: AdminClient) -> None:
        info = {
            "endorsement_key": base64.b64encode(fake_ek()).decode(),
            "registration_id": "reg-1",
            "firmware": "1.2",
        }
        done = emulator.ctl("enroll", "--stdin", "--device-id", "dev-1", stdin=json.dumps(info))
        assert done.returncode == 0, done.stderr
        assert [(e["registration_id"], e["device_id"]) for e in cloud.enrollments()] == [
            ("reg-1", "dev-1")
        ]
        assert emulator.ctl("change-enrollment", "REG-1", "--disable").returncode == 0
        assert cloud.enrollments()[0]["enabled"] is False
        assert emulator.ctl("remove-enrollment", "reg-1").returncode == 0
        assert cloud.enrollments() == []

    def test_verify_token(self, emulator: Emulator, hub: HubClient) -> None:
        good = emulator.ctl(
            "verify-token", "--token-stdin", stdin=sas_token(hub.signer, hub.audience) + "\n"
        )
        assert good.returncode == 0 and json.loads(good.stdout)["accepted"] is True
        bad = emulator.ctl("verify-token", "--token-stdin", stdin="nonsense")
        assert bad.returncode == 1 and "begin" in json.loads(bad.stdout)["reason"]

    def test_faults_and_settings(self, emulator: Emulator, cloud: AdminClient) -> None:
        done = emulator.ctl(
            "fault",
            "hub.get",
            "status",
            "--status",
            "429",
            "--retry-after",
            "9",
            "--always",
            "--after",
            "2",
        )
        assert done.returncode == 0, done.stderr
        fault = cloud.faults()[0]
        assert (fault["status"], fault["retry_after"], fault["times"], fault["after"]) == (
            429,
            9,
            None,
            2,
        )
        assert emulator.ctl("clear-faults").returncode == 0 and cloud.faults() == []
        assert emulator.ctl("set", "polls=4", "hub_host=a.example:1").returncode == 0
        assert (cloud.settings()["polls"], cloud.settings()["hub_host"]) == (4, "a.example:1")
        assert "unknown setting" in emulator.ctl("set", "color=4").stderr

    def test_looking(self, emulator: Emulator, hub: HubClient) -> None:
        for command in (
            ["devices"],
            ["enrollments"],
            ["counters"],
            ["journal", "requests"],
            ["settings"],
        ):
            assert json.loads(emulator.ctl(*command).stdout)
        assert emulator.ctl("violations").returncode == 0
        exchange(hub.url, hub.tls, "GET", "/nothing")
        assert emulator.ctl("violations").returncode == 1

    def test_secrets_stay_out_of_the_journal(self, hub: HubClient, cloud: AdminClient) -> None:
        token = sas_token(hub.signer, hub.audience)
        hub.call("GET", token=token)
        assert token.split("sig=")[1].split("&")[0] not in json.dumps(cloud.journal("requests"))

    def test_wrong_calls(self, emulator: Emulator) -> None:
        admin = emulator.admin
        for names, method, words in (
            (("nothing",), "GET", "no such call"),
            (("journal", "x"), "GET", "no 'x'"),
            (("devices", "x"), "DELETE", "HUB/DEVICE"),
            (("enrollments", "x"), "DELETE", "no enrollment"),
        ):
            with pytest.raises(Exception, match=words):
                admin.call(method, *names)

    def test_only_loopback(self, make_emulator: Callable[..., Emulator]) -> None:
        with pytest.raises(AssertionError, match="loopback"):
            make_emulator("--listen", "0.0.0.0")
