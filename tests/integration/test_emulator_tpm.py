"""The emulator against a real TPM implementation: what it wraps, swtpm must unwrap."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from support.cloud_client import DpsClient, HubClient, key_signer
from support.emulator import AdminClient, Emulator
from support.swtpm import Swtpm
from support.tpm2 import Tpm2, Tpm2Error


@pytest.fixture
def device(emulator: Emulator, cloud: AdminClient, tpm2: Tpm2) -> DpsClient:
    """The TPM, enrolled."""
    cloud.change_settings(retry_after=0, polls=1)
    ek, srk = tpm2.create_ek(), tpm2.create_srk()
    enrollment = cloud.enroll(base64.b64encode(ek).decode())
    return DpsClient(
        emulator.dps_url, emulator.tls(), emulator.id_scope, enrollment["registration_id"], ek, srk
    )


def challenge_blob(device: DpsClient) -> bytes:
    answer = device.register()
    assert answer.status == 401
    return base64.b64decode(answer.json()["authenticationKey"])


def test_sizes_of_the_keys(device: DpsClient) -> None:
    assert (len(device.ek), len(device.srk)) == (316, 284)
    assert base64.b64encode(device.ek).startswith(
        b"AToAAQALAAMAsgAgg3GXZ0SEs/gakMyNRqXXJP1S124GUgtk8qHaGzMUaaoABgCAAEMAEAgAAAAAAAEA"
    )


def test_provisioning(
    device: DpsClient, emulator: Emulator, cloud: AdminClient, tpm2: Tpm2
) -> None:
    """401, 202, 202, 200, and then the hub accepts what the TPM signs."""
    challenge = tpm2.activate(challenge_blob(device), "challenge")

    def sign(data: bytes) -> bytes:
        return tpm2.hmac(challenge, data)

    started = device.register(device.token(sign))
    assert started.status == 202 and started.headers["retry-after"] == "0"
    operation_id = started.json()["operationId"]
    assert f"/operations/{operation_id}?" in started.headers["location"]
    assert device.poll(operation_id, device.token(sign)).json()["status"] == "assigning"
    state = device.poll(operation_id, device.token(sign)).json()["registrationState"]
    assert (state["assignedHub"], state["substatus"]) == (emulator.hub_host, "initialAssignment")

    identity = tpm2.activate(base64.b64decode(state["tpm"]["authenticationKey"]), "identity")
    held = cloud.device(state["deviceId"])
    assert held is not None
    key = base64.b64decode(held["authentication"]["symmetricKey"]["primaryKey"])
    for data in (b"abc", bytes(1024)):
        assert tpm2.hmac(identity, data) == key_signer(key)(data)
    hub = HubClient(
        str(emulator.ready["hub_url"]),
        emulator.tls(),
        state["assignedHub"],
        state["deviceId"],
        lambda data: tpm2.hmac(identity, data),
    )
    assert [m["moduleId"] for m in hub.call("GET").json()] == ["$edgeAgent", "$edgeHub"]
    assert cloud.violations() == []


@pytest.mark.parametrize(
    ("kind", "values"),
    [("padded-private", {}), ("no-field6", {}), ("field6-length", {"length": 200})],
)
def test_unusual_blobs_activate(
    device: DpsClient, cloud: AdminClient, tpm2: Tpm2, kind: str, values: dict[str, int]
) -> None:
    cloud.set_fault("dps.register.challenge", kind, **values)
    context = tpm2.activate(challenge_blob(device))
    token = device.token(lambda data: tpm2.hmac(context, data))
    assert device.register(token).status == 202


@pytest.mark.parametrize(
    ("kind", "values", "command"),
    [
        ("wrong-srk", {}, "activatecredential"),
        ("corrupt-field", {"field": 1}, "activatecredential"),
        ("corrupt-field", {"field": 2}, "activatecredential"),
        ("corrupt-field", {"field": 3}, "import"),
        ("corrupt-field", {"field": 4}, "import"),
        ("corrupt-field", {"field": 5}, "import"),
    ],
)
def test_bad_blobs_do_not(
    device: DpsClient,
    cloud: AdminClient,
    tpm2: Tpm2,
    kind: str,
    values: dict[str, int],
    command: str,
) -> None:
    cloud.set_fault("dps.register.challenge", kind, **values)
    with pytest.raises(Tpm2Error, match=f"tpm2_{command}"):
        tpm2.activate(challenge_blob(device))
    tpm2.activate(challenge_blob(device))


def test_swtpm_keeps_its_place(swtpm: Swtpm, tpm2: Tpm2) -> None:
    """The fixture's promises: a restart or a power cut keeps ports, keys and state."""
    ek = tpm2.create_ek()
    port = swtpm.port
    swtpm.restart()
    assert tpm2.public("0x81010001") == ek
    swtpm.kill()
    swtpm.start()
    assert swtpm.port == port
    assert tpm2.public("0x81010001") == ek


def test_swtpm_setup_gives_an_ek_certificate(work_dir: Path) -> None:
    tpm = Swtpm(work_dir / "prepared")
    tpm.setup("--create-ek-cert")
    tpm.start()
    try:
        tools = Tpm2(tpm.tcti, work_dir / "tools2")
        certificate = tools.run("nvread", "0x01c00002")
        assert certificate[:1] == b"\x30"
    finally:
        tpm.stop()
