"""Shared access signature tokens, as the service reads them.

A token is verified over the `sr` text that it carries, and only then is the resource
compared: percent-decoded and without regard to case, because clients in the field differ
in whether they lower-case it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from typing import Mapping, Optional
from urllib.parse import unquote

from .tpm_blob import hmac_sha256

SCHEME = "SharedAccessSignature "
MAX_TOKEN_LEN = 2048
SIGNATURE_LEN = 32
_EXPIRY = re.compile(r"[1-9][0-9]{0,10}\Z")
# Clients leave as they are the characters that a path segment may have, '=' and '&' excepted.
_PERCENT_TEXT = re.compile(r"(?:[A-Za-z0-9\-._~$:@!'()*,;+]|%[0-9A-Fa-f]{2})+\Z")


class TokenError(Exception):
    """A token that is not accepted. `violation`: no correct client would have sent it."""

    def __init__(self, message: str, *, violation: bool) -> None:
        super().__init__(message)
        self.violation = violation


@dataclass(frozen=True)
class Token:
    """The parts of a well-formed token."""

    signed_resource: str  # exactly as presented
    signature: bytes
    expiry: int
    key_name: Optional[str]

    @property
    def resource(self) -> str:
        return unquote(self.signed_resource, errors="strict").lower()


def parse(text: str) -> Token:
    """Reads a token; every deviation from the form is an error that names it."""
    if len(text) > MAX_TOKEN_LEN:
        raise TokenError("token is longer than 2048 characters", violation=True)
    if not text.startswith(SCHEME):
        raise TokenError("token does not begin with 'SharedAccessSignature '", violation=True)
    fields: dict[str, str] = {}
    for part in text[len(SCHEME) :].split("&"):
        name, equals, value = part.partition("=")
        if name not in ("sr", "sig", "se", "skn") or not equals:
            raise TokenError(f"token has an unknown field '{name}'", violation=True)
        if name in fields:
            raise TokenError(f"token has the field '{name}' twice", violation=True)
        fields[name] = value
    for name in ("sr", "sig", "se"):
        if name not in fields:
            raise TokenError(f"token lacks the field '{name}'", violation=True)
    if not _PERCENT_TEXT.match(fields["sr"]):
        raise TokenError("sr is not percent-encoded", violation=True)
    try:
        unquote(fields["sr"], errors="strict")
    except UnicodeDecodeError as error:
        raise TokenError("sr is not UTF-8", violation=True) from error
    if not _EXPIRY.match(fields["se"]):
        raise TokenError("se is not a plain decimal number", violation=True)
    return Token(fields["sr"], _read_signature(fields["sig"]), int(fields["se"]), fields.get("skn"))


def _read_signature(text: str) -> bytes:
    if not _PERCENT_TEXT.match(text) or "+" in text:
        raise TokenError("sig is not percent-encoded", violation=True)
    try:
        plain = unquote(text, errors="strict").encode("ascii")
        signature = base64.b64decode(plain, validate=True)
    except (UnicodeError, binascii.Error) as error:
        raise TokenError("sig is not base64", violation=True) from error
    if len(signature) != SIGNATURE_LEN or base64.b64encode(signature) != plain:
        raise TokenError("sig is not 32 bytes in base64", violation=True)
    return signature


@dataclass(frozen=True)
class Expectation:
    """What a token must say to be good for one call."""

    resource: str
    key_name: Optional[str]
    max_life_s: int


def verify(
    token: Token,
    keys: Mapping[str, bytes],
    expected: Expectation,
    now: float,
    client_now: Optional[float] = None,
) -> str:
    """Returns the name of the key that made the token, or raises TokenError with the reason.

    `client_now` is given when the service's clock is set off on purpose: a client is not to
    blame for an expiry that is far ahead only by that clock.
    """
    if token.resource != expected.resource.lower():
        raise TokenError(
            f"sr is '{token.resource}', expected '{expected.resource.lower()}'", violation=True
        )
    if token.key_name != expected.key_name:
        wanted = f"'{expected.key_name}'" if expected.key_name else "none"
        raise TokenError(f"skn is '{token.key_name}', expected {wanted}", violation=True)
    if token.expiry > now + expected.max_life_s:
        too_long = token.expiry > (now if client_now is None else client_now) + expected.max_life_s
        raise TokenError(f"se lies more than {expected.max_life_s} s ahead", violation=too_long)
    name = signed_by(token, keys)
    if name is None:
        raise TokenError(
            "signature was not made with a key held for this resource", violation=False
        )
    if token.expiry <= now:
        raise TokenError(f"token expired {int(now) - token.expiry} s ago", violation=False)
    return name


def signed_by(token: Token, keys: Mapping[str, bytes]) -> Optional[str]:
    """The name of the key that made the signature, if one did; nothing else is looked at."""
    text = f"{token.signed_resource}\n{token.expiry}".encode()
    for name, key in keys.items():
        if hmac.compare_digest(hmac_sha256(key, text), token.signature):
            return name
    return None
