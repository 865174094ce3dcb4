"""`emulator ctl` for enrollments, devices and the external endpoint: arguments and calls."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .client import AdminClient
from .external import AUTH_TYPES, SOURCES, STATUSES
from .pki import CERTIFICATE_KINDS, TLS_KINDS
from .wire import Malformed

MAX_STDIN = 1024 * 1024


def read_stdin() -> str:
    text = sys.stdin.read(MAX_STDIN + 1)
    if len(text) > MAX_STDIN:
        raise Malformed("standard input is too long")
    return text


def add_parsers(commands: Any) -> None:
    _add_enrollments(commands)
    _add_groups(commands)
    _add_devices(commands)
    _add_external(commands)
    tls = commands.add_parser("tls", help="how the servers present themselves from now on")
    tls.add_argument("--certificate", choices=CERTIFICATE_KINDS, default=CERTIFICATE_KINDS[0])
    tls.add_argument("--version", choices=TLS_KINDS, default=TLS_KINDS[0], dest="tls")


def _add_enrollments(commands: Any) -> None:
    enroll = commands.add_parser("enroll", help="enroll one device by TPM")
    enroll.add_argument(
        "--stdin", action="store_true", help="read the JSON of 'iotedge tpm info --json'"
    )
    enroll.add_argument("--endorsement-key", metavar="BASE64", help="TPM2B_PUBLIC of the EK")
    enroll.add_argument(
        "--registration-id", metavar="ID", help="default: base32 of the EK's SHA-256"
    )
    _add_placement(enroll)
    key = commands.add_parser("enroll-key", help="enroll one device by symmetric key")
    key.add_argument("registration_id")
    _add_keys(key)
    _add_placement(key)
    cert = commands.add_parser("enroll-x509", help="enroll one device by its certificate")
    cert.add_argument("--registration-id", metavar="ID", help="default: CN of the certificate")
    _add_certificate(cert)
    cert.add_argument("--secondary-certificate", type=Path, metavar="FILE", help="PEM")
    _add_placement(cert)
    commands.add_parser("enrollments", help="list enrollments and what became of them")
    change = commands.add_parser("change-enrollment", help="enable, disable or move an enrollment")
    change.add_argument("registration_id")
    _add_enable(change)
    change.add_argument("--hub", metavar="NAME")
    change.add_argument("--device-id", metavar="ID")
    _add_keys(change)
    change.add_argument("--thumbprint", action="append", dest="thumbprints", metavar="HEX")
    remove = commands.add_parser("remove-enrollment", help="remove an enrollment")
    remove.add_argument("registration_id")


def _add_groups(commands: Any) -> None:
    key = commands.add_parser("enroll-key-group", help="enroll devices whose keys derive from one")
    key.add_argument("name")
    _add_keys(key)
    _add_placement(key, device_id=False)
    cert = commands.add_parser("enroll-x509-group", help="enroll devices by the CA above them")
    cert.add_argument("name")
    cert.add_argument("--ca", type=Path, required=True, metavar="FILE", help="PEM")
    cert.add_argument(
        "--hub-auth", choices=("thumbprint", "ca"), help="how the hub knows them (thumbprint)"
    )
    _add_placement(cert, device_id=False)
    commands.add_parser("groups", help="list enrollment groups and their devices")
    change = commands.add_parser("change-group", help="enable, disable or move a group")
    change.add_argument("name")
    _add_enable(change)
    change.add_argument("--hub", metavar="NAME")
    _add_keys(change)
    commands.add_parser("remove-group", help="remove an enrollment group").add_argument("name")


def _add_devices(commands: Any) -> None:
    commands.add_parser("devices", help="show device and module identities with their keys")
    create = commands.add_parser(
        "create-device", help="make a hub device without DPS; prints its connection string"
    )
    create.add_argument("device_id")
    create.add_argument("--json", action="store_true", help="print the device instead")
    _add_placement(create, device_id=False)
    change = commands.add_parser("change-device", help="enable, disable, give another credential")
    change.add_argument("hub")
    change.add_argument("device_id")
    _add_enable(change)
    change.add_argument("--rotate", choices=("primary", "secondary", "both"), help="new keys")
    change.add_argument("--swap", action="store_true", default=None, help="exchange the keys")
    for parser in (create, change):
        _add_keys(parser)
        _add_certificate(parser)
        parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM; by any chain to it")
    text = commands.add_parser("connection-string", help="print the one of a hub device")
    text.add_argument("device_id")
    text.add_argument("--hub", metavar="NAME", help="default: any hub")
    delete = commands.add_parser("delete-device", help="remove a device and its modules from a hub")
    delete.add_argument("hub")
    delete.add_argument("device_id")


def _add_external(commands: Any) -> None:
    show = commands.add_parser("external", help="show what the external endpoint hands out")
    show.add_argument("--clear", action="store_true", help="forget it")
    change = commands.add_parser("set-external", help="what the external endpoint hands out")
    change.add_argument("device_id")
    change.add_argument("hub")
    change.add_argument("--auth-type", choices=AUTH_TYPES)
    change.add_argument("--source", choices=SOURCES)
    change.add_argument("--key", metavar="BASE64")
    change.add_argument("--certificate", metavar="FILE", help="with --source hsm: a reference")
    change.add_argument("--private-key", metavar="FILE", help="with --source hsm: a reference")
    change.add_argument("--status", choices=STATUSES)
    change.add_argument("--substatus", metavar="TEXT")
    change.add_argument(
        "--at-reprovision", action="store_true", default=None, help="from the next POST on"
    )


def _add_placement(parser: argparse.ArgumentParser, *, device_id: bool = True) -> None:
    if device_id:
        parser.add_argument("--device-id", metavar="ID", help="default: the registration id")
    parser.add_argument("--hub", metavar="NAME", help="default: the hub of --hub-host")
    parser.add_argument(
        "--no-edge",
        dest="edge",
        action="store_false",
        default=None,
        help="a device without $edgeAgent and $edgeHub",
    )


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--primary-key", metavar="BASE64", help="default: random")
    parser.add_argument("--secondary-key", metavar="BASE64", help="default: random")


def _add_certificate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="PEM, leaf first")
    parser.add_argument("--thumbprint", action="append", dest="thumbprints", metavar="HEX")


def _add_enable(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--enable", dest="enabled", action="store_true", default=None)
    parser.add_argument("--disable", dest="enabled", action="store_false")


def given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the arguments that were named on the command line; files are read."""
    found = {name: getattr(args, name, None) for name in names}
    return {
        name: value.read_text() if isinstance(value, Path) else value
        for name, value in found.items()
        if value is not None
    }


_PLACEMENT = ("device_id", "hub", "edge")
_CREDENTIAL = ("primary_key", "secondary_key", "certificate", "thumbprints", "ca")


def _enroll(client: AdminClient, args: argparse.Namespace) -> Any:
    values: dict[str, Any] = {}
    if args.stdin:
        info = json.loads(read_stdin())
        if not isinstance(info, dict):
            raise Malformed("standard input is not a JSON object")
        values = {name: info.get(name) for name in ("endorsement_key", "registration_id")}
    values.update(given(args, "endorsement_key", "registration_id", *_PLACEMENT))
    return client.call("POST", "enrollments", body=values)


def _enroll_x509(client: AdminClient, args: argparse.Namespace) -> Any:
    names = ("registration_id", "certificate", "secondary_certificate", "thumbprints", *_PLACEMENT)
    return client.enroll_x509(**given(args, *names))


def _create_device(client: AdminClient, args: argparse.Namespace) -> Any:
    values = given(args, "hub", "edge", *_CREDENTIAL)
    device = client.create_device(args.device_id, **values)
    return device if args.json else device["connectionString"]


def _change_device(client: AdminClient, args: argparse.Namespace) -> Any:
    values = given(args, "enabled", "rotate", "swap", *_CREDENTIAL)
    return client.change_device(args.hub, args.device_id, **values)


def _external(client: AdminClient, args: argparse.Namespace) -> Any:
    return client.clear_external() if args.clear else client.external()


def _set_external(client: AdminClient, args: argparse.Namespace) -> Any:
    names = ("auth_type", "source", "key", "status", "substatus", "at_reprovision")
    values = given(args, *names, "certificate", "private_key")
    if args.source != "hsm":
        for name in ("certificate", "private_key"):
            if name in values:
                values[name] = Path(values[name]).read_text()
    return client.set_external(args.device_id, args.hub, **values)


COMMANDS: dict[str, Any] = {
    "enroll": _enroll,
    "enroll-key": lambda client, args: client.enroll_key(
        args.registration_id, **given(args, "primary_key", "secondary_key", *_PLACEMENT)
    ),
    "enroll-x509": _enroll_x509,
    "enrollments": lambda client, args: client.enrollments(),
    "change-enrollment": lambda client, args: client.change_enrollment(
        args.registration_id,
        **given(
            args, "enabled", "hub", "device_id", "primary_key", "secondary_key", "thumbprints"
        ),
    ),
    "remove-enrollment": lambda client, args: client.remove_enrollment(args.registration_id),
    "enroll-key-group": lambda client, args: client.enroll_key_group(
        args.name, **given(args, "primary_key", "secondary_key", "hub", "edge")
    ),
    "enroll-x509-group": lambda client, args: client.enroll_x509_group(
        args.name, **given(args, "ca", "hub_auth", "hub", "edge")
    ),
    "groups": lambda client, args: client.groups(),
    "change-group": lambda client, args: client.change_group(
        args.name, **given(args, "enabled", "hub", "primary_key", "secondary_key")
    ),
    "remove-group": lambda client, args: client.remove_group(args.name),
    "devices": lambda client, args: client.devices(),
    "create-device": _create_device,
    "change-device": _change_device,
    "connection-string": lambda client, args: client.connection_string(args.device_id, args.hub),
    "delete-device": lambda client, args: client.delete_device(args.hub, args.device_id),
    "external": _external,
    "set-external": _set_external,
    "tls": lambda client, args: client.set_tls(args.certificate, args.tls),
}
