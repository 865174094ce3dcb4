"""The clients of DPS and IoT Hub and the identity layer, on a software TPM, against the emulator over TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from support.cloud_probe import CloudProbe
from support.emulator import AdminClient, Emulator
from support.swtpm import Swtpm

REGISTRATION = "Dev-01"
DEVICE = "edge-device"


@pytest.fixture
def probe(work_dir: Path, swtpm: Swtpm, emulator: Emulator) -> Iterator[CloudProbe]:
    """A device whose TPM nobody has enrolled yet."""
    emulator.admin.change_settings(retry_after=0, polls=1)
    with CloudProbe(work_dir / "keys", swtpm.tcti, emulator, REGISTRATION) as made:
        yield made


@pytest.fixture
def enrolled(probe: CloudProbe, cloud: AdminClient) -> CloudProbe:
    cloud.enroll(probe.ask("ek")["ek"], registration_id=REGISTRATION, device_id=DEVICE)
    return probe


@pytest.fixture
def device(enrolled: CloudProbe, cloud: AdminClient) -> Iterator[CloudProbe]:
    """A provisioned device; the hub must have nothing to complain about at the end."""
    enrolled.provision()
    yield enrolled
    assert cloud.violations() == []


def modules(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert answer["kind"] == "ok", answer
    return {m["id"]: m for m in answer["modules"]}


class TestDps:
    def test_dance(self, enrolled: CloudProbe, cloud: AdminClient, emulator: Emulator) -> None:
        answer = enrolled.provision()
        assert (answer["hub"], answer["device"]) == (emulator.hub_host, DEVICE)
        assert answer["substatus"] == "initialAssignment" and answer["blobLen"] > 0
        assert answer["date"] > 1_600_000_000
        assert cloud.violations() == [] and cloud.journal("refusals") == []
        enrolled.provision()
        assert modules(enrolled.ask("list"))

    def test_lookup(self, enrolled: CloudProbe, cloud: AdminClient, emulator: Emulator) -> None:
        """Where the device is assigned can be asked without a registration."""
        enrolled.challenge()
        assert enrolled.ask("lookup", "token")["kind"] == "not_found"
        enrolled.provision()
        registrations = cloud.count("dps.register.second")
        enrolled.challenge()
        answer = enrolled.ask("lookup", "token")
        assert (answer["kind"], answer["hub"], answer["device"]) == ("assigned", emulator.hub_host, DEVICE)
        assert answer["blobLen"] == 0
        assert cloud.count("dps.register.second") == registrations

    def test_not_enrolled(self, probe: CloudProbe) -> None:
        probe.ask("ek")
        answer = probe.challenge()
        assert (answer["kind"], answer["code"], answer["status"]) == ("refused", "denied", 401)
        assert f"not enrolled under registration id '{REGISTRATION}'" in answer["text"]

    def test_disabled(self, enrolled: CloudProbe, cloud: AdminClient) -> None:
        cloud.change_enrollment(REGISTRATION, enabled=False)
        assert enrolled.challenge()["kind"] in ("refused", "disabled")

    def test_slow_service_names_its_pace(self, enrolled: CloudProbe, cloud: AdminClient) -> None:
        cloud.change_settings(retry_after=7, polls=3)
        enrolled.challenge()
        answer = enrolled.ask("register", "token")
        assert (answer["kind"], answer["retryAfterMs"]) == ("assigning", 7000)

    def test_stale_operation(self, enrolled: CloudProbe) -> None:
        enrolled.challenge()
        assert enrolled.ask("poll", "4.unknown")["kind"] == "not_found"

    @pytest.mark.parametrize(
        ("step", "fault", "kind", "words"),
        [
            ("first", {"kind": "status", "status": 429, "retry_after": 9}, "throttled", "throttling"),
            ("first", {"kind": "status", "status": 500}, "transient", "fault of its own"),
            ("challenge", {"kind": "no-key"}, "refused", "not enrolled"),
            ("first", {"kind": "truncated-json"}, "transient", ""),
            ("first", {"kind": "oversized-json"}, "transient", ""),
            ("first", {"kind": "close-before"}, "transient", "asking the provisioning service"),
            ("first", {"kind": "close-middle"}, "transient", "asking the provisioning service"),
        ],
    )
    def test_faults_of_register(
        self,
        enrolled: CloudProbe,
        cloud: AdminClient,
        step: str,
        fault: dict[str, Any],
        kind: str,
        words: str,
    ) -> None:
        values = dict(fault)
        cloud.set_fault(f"dps.register.{step}", values.pop("kind"), **values)
        answer = enrolled.ask("register")
        assert answer["kind"] == kind and words in answer["text"], answer
        if "retry_after" in fault:
            assert answer["retryAfterMs"] == 9000
        assert enrolled.provision()["device"] == DEVICE

    @pytest.mark.parametrize("fault", ["failed", "disabled"])
    def test_registration_ends_badly(
        self, enrolled: CloudProbe, cloud: AdminClient, fault: str
    ) -> None:
        cloud.set_fault("dps.operation", fault)
        enrolled.challenge()
        operation = enrolled.ask("register", "token")["operation"]
        answer = enrolled.ask("poll", operation)
        assert answer["kind"] == fault and REGISTRATION in answer["text"]

    def test_wrong_clock_is_named(self, enrolled: CloudProbe, cloud: AdminClient) -> None:
        cloud.change_settings(clock_offset=100_000)
        enrolled.challenge()
        answer = enrolled.ask("register", "token")
        assert answer["kind"] == "refused" and "behind the service's" in answer["text"], answer

    @pytest.mark.parametrize("certificate", ["expired", "untrusted"])
    def test_bad_certificate(
        self,
        work_dir: Path,
        swtpm: Swtpm,
        make_emulator: Callable[..., Emulator],
        certificate: str,
    ) -> None:
        emulator = make_emulator("--certificate", certificate)
        with CloudProbe(work_dir / "keys", swtpm.tcti, emulator, REGISTRATION) as probe:
            probe.ask("ek")
            answer = probe.ask("register")
        assert (answer["kind"], answer["code"], answer["status"]) == ("transient", "network", 0)


class TestHub:
    def test_life_of_an_identity(
        self, device: CloudProbe, cloud: AdminClient, emulator: Emulator
    ) -> None:
        assert set(modules(device.ask("list"))) == {"$edgeAgent", "$edgeHub"}
        created = modules(device.ask("create", "tempSensor", "IotEdge"))["tempSensor"]
        assert (created["auth"], created["managedBy"]) == ("sas", "IotEdge")
        token = device.ask("token", "tempSensor", created["generation"], emulator.hub_host, DEVICE)
        assert cloud.verify_token(token["token"])["accepted"] is True
        again = modules(device.ask("create", "tempSensor"))["tempSensor"]
        assert again == created
        updated = modules(device.ask("update", "tempSensor", created["generation"], "IotEdge"))
        assert updated["tempSensor"] == created
        assert modules(device.ask("get", "tempSensor"))["tempSensor"] == created
        assert device.ask("delete", "tempSensor")["kind"] == "ok"
        gone = device.ask("get", "tempSensor")
        assert (gone["kind"], gone["code"]) == ("not_found", "not_found")
        assert "no module 'tempSensor'" in gone["text"]

    @pytest.mark.parametrize(
        "module", ["$edgeAgent", "a-.+%_#*?!(),:=@$'Z9", "UPPER.lower", "%24edgeHub"]
    )
    def test_names_survive_the_url(self, device: CloudProbe, module: str) -> None:
        assert modules(device.ask("create", module))[module]["auth"] == "sas"
        assert modules(device.ask("get", module))[module]["auth"] == "sas"

    def test_interrupted_create_is_completed(self, device: CloudProbe, cloud: AdminClient) -> None:
        cloud.set_fault("hub.update", "status", status=503, times=2)
        assert device.ask("create", "m")["kind"] == "transient"
        assert modules(device.ask("get", "m"))["m"]["auth"] == "none"
        assert modules(device.ask("create", "m"))["m"]["auth"] == "sas"

    def test_update_survives_one_fault(self, device: CloudProbe, cloud: AdminClient) -> None:
        cloud.set_fault("hub.update", "close-middle")
        assert modules(device.ask("create", "m"))["m"]["auth"] == "sas"

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(401, "refused"), (404, "not_found"), (409, "conflict"), (412, "stale"), (429, "throttled")],
    )
    def test_statuses(self, device: CloudProbe, cloud: AdminClient, status: int, kind: str) -> None:
        # A 401 counts only when a fresh token is answered so as well.
        cloud.set_fault("hub.get", "status", status=status, retry_after=4, times=2 if status == 401 else 1)
        answer = device.ask("get", "$edgeAgent")
        assert (answer["kind"], answer["status"], answer["retryAfterMs"]) == (kind, status, 4000)
        assert modules(device.ask("get", "$edgeAgent"))

    def test_one_401_is_answered_with_a_fresh_token(self, device: CloudProbe, cloud: AdminClient) -> None:
        before = cloud.count("hub.get")
        cloud.set_fault("hub.get", "status", status=401)
        assert modules(device.ask("get", "$edgeAgent"))
        assert cloud.count("hub.get") == before + 2

    def test_deleted_device(
        self, enrolled: CloudProbe, cloud: AdminClient, emulator: Emulator
    ) -> None:
        enrolled.provision()
        cloud.delete_device(emulator.hub_host, DEVICE)
        assert enrolled.ask("list")["kind"] in ("refused", "not_found")


class TestReconcile:
    def test_keys_arrive_once(self, device: CloudProbe, cloud: AdminClient, emulator: Emulator) -> None:
        hub = emulator.hub_host
        device.ask("create", "m")
        events = device.reconcile(hub, DEVICE)
        assert [e["event"] for e in events] == ["accepted", "done"] and events[1]["updated"] == 3
        generation = modules(device.ask("list"))["$edgeHub"]["generation"]
        token = device.ask("token", "$edgeHub", generation, hub, DEVICE)
        assert cloud.verify_token(token["token"])["accepted"] is True
        requests = cloud.count("hub.update")
        assert device.reconcile(hub, DEVICE) == [{"event": "done", "updated": 0}]
        assert [e["event"] for e in device.reconcile(hub, DEVICE, proof=True)] == ["accepted", "done"]
        assert cloud.count("hub.update") == requests

    def test_refusal(self, enrolled: CloudProbe, cloud: AdminClient, emulator: Emulator) -> None:
        enrolled.provision()
        cloud.delete_device(emulator.hub_host, DEVICE)
        events = enrolled.reconcile(emulator.hub_host, DEVICE)
        assert [e["event"] for e in events] == ["refused"]
