"""The parts of the DPS and IoT Hub emulator, without servers."""

from __future__ import annotations

import base64
import hashlib
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from support import emulator as _emulator  # noqa: F401  (makes the package edgecloud importable)
from support.cloud_client import key_signer, sas_token
from support.keys import fake_ek, fake_srk
from support.tpm2 import split_blob

from edgecloud import hub, pki, sas, store, tpm_blob
from edgecloud.enrollments import check_registration_id, read_enrollment
from edgecloud.faults import FaultPlan, read_fault
from edgecloud.frontend import RetryGate
from edgecloud.settings import Settings
from edgecloud.wire import Malformed, Refusal, Response, read_base64, read_json_object

SEED = bytes(range(0x00, 0x20))
INNER = bytes(range(0x10, 0x20))
KEY = bytes(range(0x40, 0x60))
SEED_VALUE = bytes(range(0x60, 0x80))
SRK_NAME = bytes.fromhex("000b") + hashlib.sha256(b"srk").digest()
AREA = bytes.fromhex(
    "0008000b0004044000000005000b0020e52a0f5a123f3944305585b4c94814d3d51134dec9580573"
    "ae118bc89c245ce7"
)
NAME = bytes.fromhex("000b0cd0d5e29301cfc1cf2ffd967c5ccd2537f7d6bc7ebdf30b7778bf5f56f40bb3")
INNER_WRAPPED = bytes.fromhex(
    "ed839227ef1f6d31bd37dd7f845aeff7ee2676dea79de725703d5fa68543d3a8a98ce7333adf6b0e"
    "aef8c5e01a5f7c502fa74f660c44a130b62075a8595092532ad4926b18b87761476374f3c1a755c3"
    "216f019112cae146a4e2e49844156294"
    "ab25c8bca4f84c8ef0532050"
)
FIELD_3 = bytes.fromhex(
    "008e0020d5117c319cedb8d76c97bc13a38bc963271c7e91f10a6f87af745c1dc19770c3562a00e5"
    "21f40e6b58f97477809fc6fcfd6fffff7a726a6ba34f649214ca383df6d47aeaab419578b774bdd8"
    "bd677e2baaf514026f0db33dc02fc98982b91de511f480b78238eb18386a0829735f9b1b3a033767"
    "38fec857644d5057a44eaf373c9b50f6bafc051f7c570b87"
)
TOKEN = (
    "SharedAccessSignature sr=0ne00000000%2Fregistrations%2Fdev-01"
    "&sig=fzICP13iutSeze%2Ff8l10Neowz8UznAa71iSx1PkV6B8%3D&se=1700003600&skn=registration"
)
AUDIENCE = "0ne00000000/registrations/dev-01"
EXPECTED = sas.Expectation(AUDIENCE, "registration", 3600)
BEFORE = 1700000000.0


class TestBlob:
    def test_kdfa_vectors(self) -> None:
        assert (
            tpm_blob.kdfa(SEED, b"STORAGE", SRK_NAME, b"", 128).hex()
            == "abbecbfb627b735426bd312d79d2c50e"
        )
        assert tpm_blob.kdfa(SEED, b"INTEGRITY", b"", b"", 256).hex() == (
            "bacf689f634ece301e1f1b15b072d9c87db6a69585db42b1a0cb8f73ebe2692e"
        )

    def test_credential_vector(self) -> None:
        body = tpm_blob.credential(SEED, SRK_NAME, INNER)
        mac = "e78d92c46f760b0a6d734dea0c1137fbb111d36ce7fadf17386df22ba705582d"
        assert body.hex() == f"00340020{mac}ab1fba277318923426025a0551698d3fa4c9"

    def test_public_area_and_name_vectors(self) -> None:
        assert tpm_blob.identity_public(SEED_VALUE, KEY) == AREA
        assert tpm_blob.object_name(AREA) == NAME

    def test_wrapping_vectors(self) -> None:
        inner = tpm_blob.inner_wrap(INNER, SEED_VALUE, KEY, NAME)
        assert inner == INNER_WRAPPED
        assert tpm_blob.outer_wrap(SEED, inner, NAME) == FIELD_3

    def test_hmac_vector(self) -> None:
        assert tpm_blob.hmac_sha256(KEY, b"abc").hex() == (
            "910f4315f170bdf2f5a197d760828322c22cf67c043b7df72b6920db6e4caf97"
        )

    @pytest.mark.parametrize(
        ("shape", "sizes"),
        [
            (tpm_blob.BlobShape(), [54, 258, 144, 258, 50, 12]),
            (tpm_blob.BlobShape(padded_auth=True), [54, 258, 176, 258, 50, 12]),
            (tpm_blob.BlobShape(field6="absent"), [54, 258, 144, 258, 50]),
            (tpm_blob.BlobShape(field6="200"), [54, 258, 144, 258, 50, 202]),
        ],
    )
    def test_field_sizes(self, shape: tpm_blob.BlobShape, sizes: list[int]) -> None:
        ek, srk = tpm_blob.read_endorsement_key(fake_ek()), tpm_blob.read_storage_root_key(
            fake_srk()
        )
        blob = tpm_blob.build_blob(ek, srk, KEY, b"ten bytes.", shape)
        assert [len(f) for f in split_blob(blob)] == sizes

    def test_exponent_zero_is_the_default(self) -> None:
        assert tpm_blob.read_endorsement_key(fake_ek()).rsa.public_numbers().e == 65537

    def test_default_registration_id(self) -> None:
        digest = hashlib.sha256(fake_ek()).digest()
        expected = base64.b32encode(digest).decode().rstrip("=").lower()
        assert tpm_blob.default_registration_id(fake_ek()) == expected
        assert len(expected) == 52

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            (lambda d: d[:-1], "size"),
            (lambda d: d + b"\0", "size"),
            (lambda d: b"", "truncated"),
            (lambda d: b"\0\4\0\1\0\x0b", "truncated"),
            (lambda d: d[:2] + b"\0\x23" + d[4:], "RSA"),
            (lambda d: d[:4] + b"\0\x04" + d[6:], "RSA"),
            (lambda d: d[:9] + b"\x72" + d[10:], "attributes"),
            (lambda d: d[:20] + bytes([d[20] ^ 1]) + d[21:], "attributes"),
            (lambda d: d[:-256] + b"\x01" + d[-255:], "odd modulus"),
            (lambda d: d[:-1] + b"\x02", "odd modulus"),
        ],
    )
    def test_bad_endorsement_key(self, change, word: str) -> None:
        with pytest.raises(Malformed, match=word):
            tpm_blob.read_endorsement_key(change(fake_ek()))

    def test_keys_do_not_pass_for_each_other(self) -> None:
        with pytest.raises(Malformed, match="attributes"):
            tpm_blob.read_endorsement_key(fake_srk())
        with pytest.raises(Malformed, match="policy"):
            tpm_blob.read_storage_root_key(fake_ek())


class TestSas:
    def test_vector(self) -> None:
        assert sas.verify(sas.parse(TOKEN), {"k": KEY}, EXPECTED, BEFORE) == "k"
        assert sas_token(key_signer(KEY), AUDIENCE, 1700003600, "registration") == TOKEN

    def test_resource_compares_without_case_but_is_signed_as_presented(self) -> None:
        signed = key_signer(KEY)(b"0NE00000000%2fRegistrations%2FDEV-01\n1700003600")
        text = (
            f"SharedAccessSignature sr=0NE00000000%2fRegistrations%2FDEV-01&se=1700003600"
            f"&sig={quote(base64.b64encode(signed).decode(), safe='')}"
            f"&skn=registration"
        )
        assert sas.verify(sas.parse(text), {"k": KEY}, EXPECTED, BEFORE) == "k"
        other = text.replace("0NE", "0ne")
        with pytest.raises(sas.TokenError, match="signature"):
            sas.verify(sas.parse(other), {"k": KEY}, EXPECTED, BEFORE)

    @pytest.mark.parametrize(
        ("old", "new", "word"),
        [
            ("SharedAccessSignature ", "sharedaccesssignature ", "begin"),
            ("&se=1700003600", "", "lacks the field 'se'"),
            ("&se=1700003600", "&se=01700003600", "decimal"),
            ("&se=1700003600", "&se=1e9", "decimal"),
            ("&se=1700003600", "&se=1700003600&se=1", "twice"),
            ("&skn=", "&x=1&skn=", "unknown field"),
            ("%2Fregistrations", "/registrations", "percent-encoded"),
            ("sr=0", "sr=%f", "percent-encoded"),
            ("sr=0", "sr=%ff", "UTF-8"),
            ("%3D", "=", "sig is not percent"),
            ("fzIC", "fz+C", "sig is not percent"),
            ("fzIC", "fz", "base64|32 bytes"),
            ("B8%3D", "B9%3D", "32 bytes"),
        ],
    )
    def test_malformed(self, old: str, new: str, word: str) -> None:
        with pytest.raises(sas.TokenError, match=word) as caught:
            sas.parse(TOKEN.replace(old, new, 1))
        assert caught.value.violation

    def test_too_long(self) -> None:
        with pytest.raises(sas.TokenError, match="longer"):
            sas.parse(TOKEN + "&skn=" + "x" * 2048)

    @pytest.mark.parametrize(
        ("expected", "now", "word", "violation"),
        [
            (sas.Expectation("other", "registration", 3600), BEFORE, "expected 'other'", True),
            (sas.Expectation(AUDIENCE, None, 3600), BEFORE, "skn", True),
            (sas.Expectation(AUDIENCE, "registration", 3599), BEFORE, "ahead", True),
            (EXPECTED, 1700003600.0, "expired", False),
        ],
    )
    def test_refused(
        self, expected: sas.Expectation, now: float, word: str, violation: bool
    ) -> None:
        with pytest.raises(sas.TokenError, match=word) as caught:
            sas.verify(sas.parse(TOKEN), {"k": KEY}, expected, now)
        assert caught.value.violation is violation

    def test_slow_clock_of_the_service_is_not_the_fault_of_the_client(self) -> None:
        with pytest.raises(sas.TokenError, match="ahead") as caught:
            sas.verify(sas.parse(TOKEN), {"k": KEY}, EXPECTED, BEFORE - 1, client_now=BEFORE)
        assert not caught.value.violation

    def test_wrong_key(self) -> None:
        with pytest.raises(sas.TokenError, match="signature") as caught:
            sas.verify(sas.parse(TOKEN), {"k": SEED}, EXPECTED, BEFORE)
        assert not caught.value.violation


class TestFaults:
    def test_once_is_the_default(self) -> None:
        plan = FaultPlan()
        plan.add(read_fault({"step": "hub.get", "kind": "status"}))
        assert plan.take("hub.list") is None
        assert plan.take("hub.get") is not None
        assert plan.take("hub.get") is None
        assert plan.listed()[0]["fired"] == 1

    def test_after_and_times(self) -> None:
        plan = FaultPlan()
        plan.add(read_fault({"step": "hub.get", "kind": "delay", "after": 2, "times": 2}))
        assert [plan.take("hub.get") is not None for _ in range(6)] == [
            False,
            False,
            True,
            True,
            False,
            False,
        ]

    def test_spent_faults_make_room(self) -> None:
        plan = FaultPlan()
        for _ in range(300):
            plan.add(read_fault({"step": "hub.get", "kind": "delay"}))
            plan.take("hub.get")
        assert len(plan.listed()) <= 256

    def test_always_and_order(self) -> None:
        plan = FaultPlan()
        plan.add(read_fault({"step": "hub.get", "kind": "delay"}))
        plan.add(read_fault({"step": "hub.get", "kind": "close-before", "times": None}))
        kinds = [
            fault.kind if fault else None for fault in (plan.take("hub.get") for _ in range(3))
        ]
        assert kinds == ["delay", "close-before", "close-before"]
        plan.clear("hub.get")
        assert plan.take("hub.get") is None

    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"step": "hub.get"},
            {"step": "hub.get", "kind": "x"},
            {"step": "x", "kind": "status"},
            {"step": "hub.get", "kind": "wrong-srk"},
            {"step": "dps.register.first", "kind": "failed"},
            {"step": "dps.register.first", "kind": "no-key"},
            {"step": "hub.get", "kind": "status", "status": 99},
            {"step": "hub.get", "kind": "status", "times": 0},
            {"step": "hub.get", "kind": "status", "times": True},
            {"step": "hub.get", "kind": "status", "after": 1.5},
            {"step": "hub.get", "kind": "status", "color": 1},
            {"step": "dps.assigned", "kind": "corrupt-field", "field": 6},
            {"step": "hub.get", "kind": "status", "fired": 3},
            {"step": "hub.get", "kind": "status", "error_code": 1},
        ],
    )
    def test_nonsense_is_refused(self, value: dict) -> None:
        with pytest.raises(Malformed):
            read_fault(value)

    @pytest.mark.parametrize(
        ("kind", "check"),
        [
            ("truncated-json", lambda r: r.body == b'{"a":'[:4]),
            (
                "oversized-json",
                lambda r: len(r.body) > 1000 and read_json_object(r.body)["a"] == 12,
            ),
            ("content-type", lambda r: r.headers["Content-Type"] == "text/html"),
            ("close-before", lambda r: r.cut == "before"),
            ("close-middle", lambda r: r.cut == "middle"),
        ],
    )
    def test_damage(self, kind: str, check) -> None:
        fault = read_fault({"step": "hub.get", "kind": kind, "size": 1000})
        assert check(fault.damage(Response(200, b'{"a":12}', {"Content-Type": "application/json"})))

    def test_retry_after_as_date(self) -> None:
        fault = read_fault(
            {
                "step": "hub.get",
                "kind": "status",
                "status": 429,
                "retry_after": 5,
                "retry_after_date": True,
            }
        )
        with pytest.raises(Refusal) as caught:
            fault.refuse(1700000000)
        assert caught.value.headers == {"Retry-After": "Tue, 14 Nov 2023 22:13:25 GMT"}


class TestInput:
    @pytest.mark.parametrize(
        "text", ["", "[]", "1", '{"a":1,"a":2}', '{"a":NaN}', '{"a":', "\xff", '{"a":' * 20]
    )
    def test_json_refused(self, text: str) -> None:
        with pytest.raises(Malformed):
            read_json_object(text.encode("latin-1"))

    def test_json_depth(self) -> None:
        with pytest.raises(Malformed, match="deeper"):
            read_json_object(b'{"a":' + b"[" * 16 + b"]" * 16 + b"}")

    @pytest.mark.parametrize("text", [None, 1, "QQ", "QR==", "Q Q=", "QQ==\n", "-_8=", "\xe4"])
    def test_base64_refused(self, text: object) -> None:
        with pytest.raises(Malformed):
            read_base64(text, "x", 1, 8)

    @pytest.mark.parametrize("text", ["", "a.", "a" * 129, "a/b", "a b", None, "ä"])
    def test_registration_id_refused(self, text: object) -> None:
        with pytest.raises(Malformed):
            check_registration_id(text)

    @pytest.mark.parametrize("text", ["a", "Dev-01", "a.b_c:d-", "a" * 128])
    def test_registration_id_accepted(self, text: str) -> None:
        assert check_registration_id(text) == text

    def test_enrollment_from_tpm_info(self) -> None:
        ek = base64.b64encode(fake_ek()).decode()
        enrollment = read_enrollment(
            {"endorsement_key": ek, "registration_id": None, "manufacturer": "X"}
        )
        assert (
            enrollment.device_id
            == enrollment.registration_id
            == tpm_blob.default_registration_id(fake_ek())
        )

    @pytest.mark.parametrize(
        "values",
        [
            {"polls": -1},
            {"polls": True},
            {"polls": "1"},
            {"x": 1},
            {"hub_host": "a b"},
            {"hub_host": ""},
            {"id_scope": "a/b"},
            {"hub_host": "-a"},
        ],
    )
    def test_settings_refused_whole(self, values: dict) -> None:
        settings = Settings()
        with pytest.raises(Malformed):
            settings.update({"retry_after": 9, **values})
        assert settings == Settings()


class TestRegistry:
    def test_generation_ids_grow_when_the_clock_stands(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub.time, "time_ns", lambda: 0)
        registry = hub.Registry(Settings(), threading.RLock(), lambda: None)
        registry.put_device("h", "d", hub.Authentication("sas", KEY, KEY), edge=True)
        ids = [int(m.generation_id) for m in registry.list_modules("h", "d")]
        assert ids == sorted(set(ids)) and all(len(str(i)) == 18 for i in ids)

    def test_restore_is_the_inverse_of_devices(self) -> None:
        first = hub.Registry(Settings(), threading.RLock(), lambda: None)
        first.put_device("h:1", "d", hub.Authentication("sas", KEY, KEY), edge=True)
        first.create_module("h:1", "d", "m", "IotEdge", hub.Authentication())
        second = hub.Registry(Settings(), threading.RLock(), lambda: None)
        second.restore(first.devices())
        assert second.devices() == first.devices()


class TestFiles:
    def test_store_is_private_and_leaves_no_scraps(self, work_dir: Path) -> None:
        kept = store.Store(work_dir / "state.json")
        kept.save({"a": 1})
        kept.save({"a": 2})
        assert kept.load()["a"] == 2
        assert [p.name for p in work_dir.iterdir()] == ["state.json"]
        assert (work_dir / "state.json").stat().st_mode & 0o777 == 0o600

    def test_store_of_another_version(self, work_dir: Path) -> None:
        (work_dir / "state.json").write_text('{"version": 0}')
        with pytest.raises(ValueError, match="another version"):
            store.Store(work_dir / "state.json").load()

    def test_authority_is_kept(self, work_dir: Path) -> None:
        first = pki.Authority.load_or_create(work_dir)
        assert pki.Authority.load_or_create(work_dir).certificate == first.certificate
        assert (work_dir / "ca.key").stat().st_mode & 0o777 == 0o600


class TestRetryGate:
    def test_seconds(self) -> None:
        gate = RetryGate(Settings())
        assert gate.early_by("a") == 0
        gate.close("a", "30")
        assert 29 < gate.early_by("a") <= 30
        assert gate.early_by("b") == 0
        gate.close("a", None)
        assert gate.early_by("a") == 0
