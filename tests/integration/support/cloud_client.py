"""A device written in Python: speaks to DPS and hub the way the daemon must."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import time
from dataclasses import dataclass
from typing import Any, Callable, Optional
from urllib.parse import quote, urlsplit

DPS_API = "api-version=2021-06-01"
HUB_API = "api-version=2017-11-08-preview"
TOKEN_LIFE_S = 600
Signer = Callable[[bytes], bytes]


def key_signer(key: bytes) -> Signer:
    return lambda data: hmac.new(key, data, hashlib.sha256).digest()


def sas_token(
    signer: Signer, audience: str, expiry: Optional[int] = None, key_name: Optional[str] = None
) -> str:
    """A shared access signature; what is signed is the encoded, lower-case resource."""
    resource = quote(audience.lower(), safe="$-._~:@!'()*,;")
    until = int(time.time()) + TOKEN_LIFE_S if expiry is None else expiry
    signature = base64.b64encode(signer(f"{resource}\n{until}".encode())).decode()
    token = f"SharedAccessSignature sr={resource}&sig={quote(signature, safe='')}&se={until}"
    return f"{token}&skn={key_name}" if key_name else token


@dataclass
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def exchange(
    url: str,
    tls: ssl.SSLContext,
    method: str,
    target: str,
    *,
    body: Any = None,
    headers: Optional[dict[str, str]] = None,
    timeout_s: float = 10.0,
) -> Answer:
    """One request on a connection of its own. Bytes are sent as they are, anything else as JSON."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPSConnection(
        parts.hostname, parts.port, context=tls, timeout=timeout_s
    )
    sent = {"Accept": "application/json", "User-Agent": "test-device"}
    data = None
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent["Content-Type"] = "application/json; charset=utf-8"
    sent.update(headers or {})
    try:
        connection.request(method, target, data, sent)
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, response.read())
    finally:
        connection.close()


class DpsClient:
    """One registration id at one DPS; without `ek` and `srk` it has no TPM.

    With a symmetric key its calls carry tokens; with a certificate (in `tls`) they carry none.
    """

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext,
        id_scope: str,
        registration_id: str,
        ek: Optional[bytes] = None,
        srk: Optional[bytes] = None,
    ) -> None:
        self.url, self.tls = url, tls
        self.id_scope, self.registration_id = id_scope, registration_id
        self.ek, self.srk = ek, srk

    def body(self) -> dict[str, Any]:
        if self.ek is None or self.srk is None:
            return {"registrationId": self.registration_id}
        return {
            "registrationId": self.registration_id,
            "tpm": {
                "endorsementKey": base64.b64encode(self.ek).decode(),
                "storageRootKey": base64.b64encode(self.srk).decode(),
            },
        }

    @property
    def audience(self) -> str:
        return f"{self.id_scope}/registrations/{self.registration_id}"

    def token(self, signer: Signer, expiry: Optional[int] = None) -> str:
        return sas_token(signer, self.audience, expiry, "registration")

    def register(
        self,
        token: Optional[str] = None,
        *,
        body: Any = None,
        headers: Optional[dict[str, str]] = None,
        query: str = DPS_API,
    ) -> Answer:
        """PUT register, anonymous without a token."""
        sent = {"Authorization": token} if token else {}
        sent.update(headers or {})
        return exchange(
            self.url,
            self.tls,
            "PUT",
            f"/{self.audience}/register?{query}",
            body=self.body() if body is None else body,
            headers=sent,
        )

    def provision(self, activate: Callable[[bytes], Signer]) -> tuple[dict[str, Any], Signer]:
        """The whole dance; returns the registrationState and the signer of the hub's key.

        `activate` unwraps a blob in the TPM. The assignment is expected without a wait.
        """
        challenge = self.register()
        assert challenge.status == 401, challenge
        signer = activate(base64.b64decode(challenge.json()["authenticationKey"]))
        answer = self.register(self.token(signer))
        operation_id = answer.json()["operationId"]
        while answer.status == 202:
            answer = self.poll(operation_id, self.token(signer))
        assert answer.status == 200, answer
        state = answer.json()["registrationState"]
        return state, activate(base64.b64decode(state["tpm"]["authenticationKey"]))

    def provision_by(self, signer: Optional[Signer]) -> dict[str, Any]:
        """Registers by symmetric key, or without a signer by certificate; the registrationState."""
        token = self.token(signer) if signer else None
        answer = self.register(token)
        assert answer.status == 202, answer
        operation_id = answer.json()["operationId"]
        while answer.status == 202:
            answer = self.poll(operation_id, token)
        assert answer.status == 200, answer
        return dict(answer.json()["registrationState"])

    def poll(self, operation_id: str, token: Optional[str] = None) -> Answer:
        return exchange(
            self.url,
            self.tls,
            "GET",
            f"/{self.audience}/operations/{operation_id}?{DPS_API}",
            headers={"Authorization": token} if token else {},
        )

    def lookup(self, token: Optional[str] = None) -> Answer:
        return exchange(
            self.url,
            self.tls,
            "POST",
            f"/{self.audience}?{DPS_API}",
            body=self.body(),
            headers={"Authorization": token} if token else {},
        )


class HubClient:
    """One device at one hub; without a signer it has a certificate in `tls`."""

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext,
        hub_host: str,
        device_id: str,
        signer: Optional[Signer] = None,
    ) -> None:
        self.url, self.tls = url, tls
        self.hub_host, self.device_id = hub_host, device_id
        self.signer = signer

    @property
    def audience(self) -> str:
        return f"{self.hub_host}/devices/{self.device_id}"

    def call(
        self,
        method: str,
        module_id: Optional[str] = None,
        *,
        body: Any = None,
        match: Optional[str] = None,
        token: Optional[str] = None,
        query: str = HUB_API,
        headers: Optional[dict[str, str]] = None,
    ) -> Answer:
        """One call on the modules of the device, with a fresh token unless one is given."""
        tail = f"/{quote(module_id, safe='$')}" if module_id is not None else ""
        if token is None and self.signer is not None:
            token = sas_token(self.signer, self.audience)
        sent = {"Host": self.hub_host}
        if token is not None:
            sent["Authorization"] = token
        if match is not None:
            sent["If-Match"] = match
        sent.update(headers or {})
        return exchange(
            self.url,
            self.tls,
            method,
            f"/devices/{self.device_id}/modules{tail}?{query}",
            body=body,
            headers=sent,
        )

    def put(
        self,
        module_id: str,
        *,
        match: Optional[str] = None,
        primary: Optional[bytes] = None,
        secondary: Optional[bytes] = None,
        **members: Any,
    ) -> Answer:
        """Creates (no `match`) or updates a module; without keys its authentication is "none"."""
        authentication: dict[str, Any] = {"type": "none"}
        if primary is not None and secondary is not None:
            authentication = {
                "type": "sas",
                "symmetricKey": {
                    "primaryKey": base64.b64encode(primary).decode(),
                    "secondaryKey": base64.b64encode(secondary).decode(),
                },
            }
        body = {"moduleId": module_id, "authentication": authentication, **members}
        return self.call("PUT", module_id, body=body, match=match)

    def send_event(self, token: Optional[str] = None, module_id: Optional[str] = None) -> Answer:
        middle = f"/modules/{module_id}" if module_id else ""
        return exchange(
            self.url,
            self.tls,
            "POST",
            f"/devices/{self.device_id}{middle}/messages/events?{HUB_API}",
            body=b"{}",
            headers={"Host": self.hub_host, **({"Authorization": token} if token else {})},
        )
