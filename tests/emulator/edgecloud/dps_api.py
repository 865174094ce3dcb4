"""The Device Provisioning Service over HTTP: routes, what a request must carry, answers."""

from __future__ import annotations

from typing import Any, Optional

from .dps import (
    ERR_ENROLLMENT,
    ERR_REGISTRATION,
    ERR_TOKEN,
    Dps,
    Operation,
    Proof,
    timestamp,
)
from .enrollments import MAX_PUBLIC_LEN, TPM, X509, Enrollment, check_registration_id
from .faults import ASSIGNED, CHALLENGE, STATE_KINDS, Fault, FaultPlan
from .frontend import Call, Frontend
from .journal import Journal
from .settings import Settings
from .tpm_blob import BlobShape, StorageKey, read_endorsement_key, read_storage_root_key
from .wire import (
    Malformed,
    Refusal,
    Response,
    check_members,
    json_response,
    read_base64,
    read_json_object,
    to_base64,
)

API_VERSIONS = ("2018-11-01", "2019-03-31", "2019-04-15", "2021-06-01", "2021-10-01")
ALLOCATION_FAILED = 400207


class DpsApi(Frontend):
    """Answers devices. State lives in `Dps`; nothing is kept here."""

    name = "dps"
    unauthorized_code = ERR_TOKEN

    def __init__(self, dps: Dps, settings: Settings, faults: FaultPlan, journal: Journal) -> None:
        super().__init__(settings, faults, journal)
        self._dps = dps

    def handle(self, call: Call) -> Response:
        parts = call.request.segments
        if len(parts) < 3 or parts[1] != "registrations":
            raise Refusal(404, ERR_REGISTRATION, "no such resource", violation=True)
        registration_id = check_registration_id(parts[2])
        call.client = registration_id.lower()
        routes = {
            ("PUT", 4, "register"): self._register,
            ("GET", 5, "operations"): self._poll,
            ("POST", 3, None): self._lookup,
        }
        tail = parts[3] if len(parts) > 3 else None
        route = routes.get((call.request.method, len(parts), tail))
        if route is None:
            known_paths = {(length, name) for _, length, name in routes}
            status = 405 if (len(parts), tail) in known_paths else 404
            raise Refusal(status, "", f"{call.request.method} is not known here", violation=True)
        call.check_api_version(API_VERSIONS, "400000")
        if parts[0].lower() != self.settings.id_scope.lower():
            raise Refusal(404, ERR_REGISTRATION, f"no such id scope '{parts[0]}'")
        return route(call, registration_id, parts)

    def _register(self, call: Call, registration_id: str, parts: list[str]) -> Response:
        call.step("dps.register")
        anonymous = call.request.header("authorization") is None and call.chain() is None
        call.step("dps.register.first" if anonymous else "dps.register.second")
        keys = self._read_body(call, registration_id)
        enrollment, proof = self._prove(call, registration_id, keys)
        operation = self._dps.start(registration_id, proof)
        return self._assigning(call, registration_id, operation, with_state=False)

    def _prove(
        self, call: Call, registration_id: str, keys: Optional[tuple[StorageKey, StorageKey]]
    ) -> tuple[Enrollment, Proof]:
        """Who calls, and what shows it. A TPM that comes without a token is sent its challenge."""
        token, chain = call.token(), call.chain()
        enrollment = self._dps.admit(
            registration_id, keys[0].public if keys else None, chain, token
        )
        if enrollment.attestation == X509:
            if chain is None:
                raise Refusal(401, ERR_TOKEN, "a client certificate is missing", violation=True)
            return enrollment, Proof(leaf=chain[0])
        if enrollment.attestation == TPM and token is None:
            raise self._challenge(call, registration_id, keys)
        if token is None:
            raise Refusal(401, ERR_TOKEN, "header 'Authorization' is missing", violation=True)
        expected = self._dps.audience(registration_id)
        if enrollment.attestation != TPM:
            call.details["key"] = call.check_token(token, enrollment.keys(), expected)
            return enrollment, Proof()
        challenge = self._dps.pending_key(registration_id)
        call.check_token(token, {"challenge": challenge.key}, expected)
        if keys and keys[1].public != challenge.srk.public:
            raise Malformed("storageRootKey is not the one of the challenge")
        return enrollment, Proof(challenge=challenge)

    def _challenge(
        self, call: Call, registration_id: str, keys: Optional[tuple[StorageKey, StorageKey]]
    ) -> Refusal:
        if keys is None:
            raise Malformed("body lacks the member 'tpm', which an anonymous request needs")
        fault = call.step(CHALLENGE)
        if fault and fault.kind == "no-key":
            return Refusal(401, ERR_ENROLLMENT, "scripted: no authenticationKey")
        blob = self._dps.challenge(registration_id, *keys, _shape(fault))
        members = {"authenticationKey": to_base64(blob), "keyName": "registration"}
        return Refusal(401, ERR_ENROLLMENT, "Authorization required", members=members)

    def _poll(self, call: Call, registration_id: str, parts: list[str]) -> Response:
        call.route = "dps.operation"
        if call.request.body:
            raise Malformed("GET has a body")
        early = self.gate.early_by(call.client)
        if early:
            raise Refusal(
                429,
                "429001",
                f"polled {early:.1f} s before Retry-After allowed",
                violation=True,
                headers={"Retry-After": str(int(early) + 1)},
            )
        fault = call.step("dps.operation")
        enrollment = self._check_poll(call, registration_id, parts[4])
        operation = self._dps.operation(registration_id, parts[4])
        if fault and fault.kind in STATE_KINDS:
            return self._scripted_state(call, registration_id, operation, fault.kind)
        if not self._dps.advance(operation):
            return self._assigning(call, registration_id, operation, with_state=True)
        return self._assigned(call, registration_id, enrollment, operation)

    def _check_poll(self, call: Call, registration_id: str, operation_id: str) -> Enrollment:
        """A poll proves itself as the request did that began the operation."""
        token, chain = call.token(), call.chain()
        enrollment = self._dps.admit(registration_id, None, chain, token)
        operation = self._dps.operation(registration_id, operation_id)
        if enrollment.attestation == X509:
            if chain is None:
                raise Refusal(401, ERR_TOKEN, "a client certificate is missing", violation=True)
            if operation.proof.leaf != chain[0]:
                raise Refusal(401, ERR_TOKEN, "another certificate began this operation")
            return enrollment
        if token is None:
            raise Refusal(401, ERR_TOKEN, "header 'Authorization' is missing", violation=True)
        challenge = operation.proof.challenge
        keys = {"challenge": challenge.key} if challenge else enrollment.keys()
        call.check_token(token, keys, self._dps.audience(registration_id))
        return enrollment

    def _assigned(
        self, call: Call, registration_id: str, enrollment: Enrollment, operation: Operation
    ) -> Response:
        fault = call.step(ASSIGNED)
        if fault and fault.kind in STATE_KINDS:
            return self._scripted_state(call, registration_id, operation, fault.kind)
        state = self._dps.assign(registration_id, enrollment, operation, _shape(fault))
        if fault and fault.kind == "no-key":
            state.pop("tpm", None)
        body = {
            "operationId": operation.operation_id,
            "status": "assigned",
            "registrationState": state,
        }
        return json_response(200, body)

    def _scripted_state(
        self, call: Call, registration_id: str, operation: Operation, status: str
    ) -> Response:
        if status == "unassigned":
            return self._assigning(call, registration_id, operation, with_state=True, status=status)
        self._dps.end(registration_id)
        state: dict[str, Any] = {"registrationId": registration_id, "status": status}
        if status == "failed":
            state.update(
                errorCode=ALLOCATION_FAILED, errorMessage="scripted failure of the allocation"
            )
        return json_response(
            200,
            {"operationId": operation.operation_id, "status": status, "registrationState": state},
        )

    def _assigning(
        self,
        call: Call,
        registration_id: str,
        operation: Operation,
        *,
        with_state: bool,
        status: str = "assigning",
    ) -> Response:
        body: dict[str, Any] = {"operationId": operation.operation_id, "status": status}
        if with_state:
            body["registrationState"] = {"registrationId": registration_id, "status": status}
        location = (
            f"https://{call.request.header('host')}/{self.settings.id_scope}/registrations/"
            f"{registration_id}/operations/{operation.operation_id}"
            f"?api-version={call.request.query['api-version']}"
        )
        headers = {"Retry-After": str(self.settings.retry_after), "Location": location}
        return json_response(202, body, headers)

    def _lookup(self, call: Call, registration_id: str, parts: list[str]) -> Response:
        call.step("dps.lookup")
        keys = self._read_body(call, registration_id)
        self._prove(call, registration_id, keys)
        return json_response(200, self._dps.state(self._dps.registration(registration_id)))

    def _read_body(
        self, call: Call, registration_id: str
    ) -> Optional[tuple[StorageKey, StorageKey]]:
        call.check_content_type()
        body = read_json_object(call.request.body)
        check_members(body, "body", {"registrationId"}, {"tpm", "payload"})
        named = body["registrationId"]
        if not isinstance(named, str) or named.lower() != registration_id.lower():
            raise Malformed("registrationId of the body is not the one of the path")
        if "tpm" not in body:
            return None
        tpm = body["tpm"]
        if not isinstance(tpm, dict):
            raise Malformed("tpm is not an object")
        check_members(tpm, "tpm", {"endorsementKey", "storageRootKey"}, set())
        ek = read_base64(tpm["endorsementKey"], "endorsementKey", 1, MAX_PUBLIC_LEN)
        srk = read_base64(tpm["storageRootKey"], "storageRootKey", 1, MAX_PUBLIC_LEN)
        return read_endorsement_key(ek), read_storage_root_key(srk)

    def error_body(self, refusal: Refusal, request_id: str) -> Response:
        code = int(refusal.code) if refusal.code.isdigit() else refusal.status * 1000
        body = {
            "errorCode": code,
            "trackingId": request_id,
            "message": refusal.message,
            "timestampUtc": timestamp(self.settings.now()),
            **refusal.members,
        }
        return json_response(refusal.status, body, {"x-ms-error-code": str(code)})


def _shape(fault: Optional[Fault]) -> BlobShape:
    return fault.blob_shape() if fault else BlobShape()
