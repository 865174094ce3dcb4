"""What both services do around each request: faults, refusals, Retry-After, journal."""

from __future__ import annotations

import time
import uuid
from email.utils import parsedate_to_datetime
from typing import Any, Optional

from cryptography import x509

from . import device_certs, sas
from .faults import Fault, FaultPlan
from .journal import Journal
from .settings import Settings
from .wire import Malformed, Refusal, Request, Response

EARLY_TOLERANCE_S = 0.05
MAX_GATES = 10_000


class RetryGate:
    """Remembers until when each client was asked to stay away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._until: dict[str, float] = {}

    def early_by(self, client: str) -> float:
        """Seconds that `client` is too early, 0 if it is not."""
        missing = self._until.get(client, 0.0) - time.monotonic()
        return missing if missing > EARLY_TOLERANCE_S else 0.0

    def close(self, client: str, retry_after: Optional[str]) -> None:
        if retry_after is None:
            self._until.pop(client, None)
            return
        if len(self._until) >= MAX_GATES:
            self._until.clear()
        self._until[client] = time.monotonic() + self._seconds(retry_after)

    def _seconds(self, text: str) -> float:
        if text.isdigit():
            return float(text)
        # A date has whole seconds, so the client may rightly come up to one earlier.
        return parsedate_to_datetime(text).timestamp() - self._settings.now() - 1


class Call:
    """One request on its way through a service."""

    def __init__(self, request: Request, service: "Frontend") -> None:
        self.request = request
        self.route = f"{service.name}.unknown"
        self.steps: list[str] = []
        self.client = ""
        self.details: dict[str, Any] = {}
        self._service = service
        self._faults: list[Fault] = []
        self._chain: Optional[list[x509.Certificate]] = None

    def step(self, name: str) -> Optional[Fault]:
        """Enters a named step: a fault that waits there delays, refuses, or is returned."""
        self.route = name
        self.steps.append(name)
        fault = self._service.faults.take(name)
        if fault is None:
            return None
        self.details.setdefault("faults", []).append(f"{name}:{fault.kind}")
        self._faults.append(fault)
        if fault.kind == "delay":
            self._service.faults.hold(fault)
        fault.refuse(self._service.settings.now())
        return fault

    def token(self) -> Optional[sas.Token]:
        """The Authorization header as a token, None without the header."""
        text = self.request.header("authorization")
        if text is None:
            return None
        try:
            token = sas.parse(text)
        except sas.TokenError as error:
            raise self.unauthorized(error) from error
        self.details["token"] = {"sr": token.signed_resource, "se": token.expiry}
        return token

    def chain(self) -> Optional[list[x509.Certificate]]:
        """The certificates that the client presented, None without. Not judged yet."""
        if not self.request.certificates:
            return None
        if self._chain is None:
            try:
                self._chain = device_certs.parse_chain(self.request.certificates)
            except device_certs.CertificateError as error:
                raise Refusal(401, self._service.unauthorized_code, str(error)) from error
            leaf = self._chain[0]
            self.details["certificate"] = {
                "cn": device_certs.common_name(leaf),
                "thumbprint": device_certs.thumbprint(leaf),
            }
        return self._chain

    def check_one_proof(self) -> None:
        """tpm-dps.md 4.2: with a client certificate there is no Authorization header."""
        if self.chain() is not None and self.request.header("authorization") is not None:
            raise Refusal(
                400, "", "the request has a client certificate and Authorization", violation=True
            )

    def check_token(
        self, token: sas.Token, keys: dict[str, bytes], expected: sas.Expectation
    ) -> str:
        try:
            return sas.verify(token, keys, expected, self._service.settings.now(), time.time())
        except sas.TokenError as error:
            raise self.unauthorized(error) from error

    def unauthorized(self, error: sas.TokenError) -> Refusal:
        return Refusal(401, self._service.unauthorized_code, str(error), violation=error.violation)

    def check_content_type(self) -> None:
        kind, _, rest = (self.request.header("content-type") or "").partition(";")
        parameters = rest.strip().lower()
        if kind.strip().lower() != "application/json" or parameters not in ("", "charset=utf-8"):
            raise Refusal(415, "", "Content-Type must be application/json", violation=True)

    def check_api_version(self, known: tuple[str, ...], code: str) -> None:
        query = self.request.query
        version = query.get("api-version")
        if version not in known:
            what = "is missing" if version is None else f"'{version}' is not known"
            raise Refusal(400, code, f"api-version {what}", violation=True)
        if len(query) > 1:
            raise Refusal(400, code, "unknown query parameter", violation=True)

    def damage(self, response: Response) -> Response:
        for fault in self._faults:
            response = fault.damage(response)
        return response


class Frontend:
    """Base of the services. A subclass routes in `handle` and words errors in `error_body`."""

    name = ""
    unauthorized_code = ""

    def __init__(self, settings: Settings, faults: FaultPlan, journal: Journal) -> None:
        self.settings = settings
        self.faults = faults
        self.journal = journal
        self.gate = RetryGate(settings)

    def handle(self, call: Call) -> Response:
        raise NotImplementedError

    def error_body(self, refusal: Refusal, request_id: str) -> Response:
        raise NotImplementedError

    def answer(self, request: Request) -> Response:
        call = Call(request, self)
        request_id = str(uuid.uuid4())
        try:
            call.check_one_proof()
            response = self.handle(call)
        except Malformed as error:
            response = self._refused(
                call.route, Refusal(400, "", str(error), violation=True), request_id
            )
        except UnicodeDecodeError:
            undecodable = Refusal(400, "", "request target is not UTF-8", violation=True)
            response = self._refused(call.route, undecodable, request_id)
        except Refusal as refusal:
            response = self._refused(call.route, refusal, request_id)
        response.headers["x-ms-request-id"] = request_id
        if call.client:
            self._watch_retry(call, response)
        response = call.damage(response)
        self.journal.answered(
            call.steps or [call.route],
            response.status,
            {
                "method": request.method,
                "target": request.target,
                "user_agent": request.header("user-agent"),
                **call.details,
            },
        )
        return response

    def reject(self, status: int, message: str) -> Response:
        route = f"{self.name}.head"
        response = self._refused(
            route, Refusal(status, "", message, violation=True), str(uuid.uuid4())
        )
        self.journal.answered([route], status, {})
        return response

    def tls_failed(self, message: str) -> None:
        self.journal.tls_failure(self.name, message)

    def date(self) -> float:
        return self.settings.now()

    def _refused(self, route: str, refusal: Refusal, request_id: str) -> Response:
        if refusal.violation:
            self.journal.violation(route, refusal.message)
        elif "authenticationKey" not in refusal.members:
            self.journal.refusal(route, refusal.status, refusal.message)
        response = self.error_body(refusal, request_id)
        response.headers.update(refusal.headers)
        return response

    def _watch_retry(self, call: Call, response: Response) -> None:
        early = self.gate.early_by(call.client)
        if early:
            self.journal.early(call.route, early)
        self.gate.close(call.client, response.headers.get("Retry-After"))
