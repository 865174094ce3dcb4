"""The command line: `emulator` runs the services, `emulator ctl` talks to a running one."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Optional, Sequence

from .cli_devices import COMMANDS, add_parsers, read_stdin
from .client import AdminClient, AdminError
from .faults import KINDS, STEPS
from .pki import CERTIFICATE_KINDS, TLS_KINDS
from .service import Emulator, Options, temporary_folder
from .wire import Malformed

SOCKET_VARIABLE = "EDGE_CLOUD_SOCKET"
JOURNALS = ("requests", "violations", "refusals", "early", "tls")
EXIT_FAILURE = 1


def main(arguments: Optional[Sequence[str]] = None) -> int:
    args = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if args[:1] == ["ctl"]:
            return _ctl(_ctl_parser().parse_args(args[1:]))
        return _serve(_serve_parser().parse_args(args))
    except (AdminError, Malformed, OSError, ValueError) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return EXIT_FAILURE


def _serve_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emulator",
        description="Device Provisioning Service and IoT Hub over HTTPS on loopback.",
        epilog="'emulator ctl --help' shows how to administer a running one.",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="keep enrollments, devices, keys and the CA here (default: keep nothing)",
    )
    parser.add_argument("--dps-port", type=_port, default=0, metavar="N", help="0 (default): any")
    parser.add_argument("--hub-port", type=_port, default=0, metavar="N", help="0 (default): any")
    parser.add_argument(
        "--listen",
        type=_loopback,
        default="127.0.0.1",
        metavar="ADDRESS",
        help="an IPv4 loopback address (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help="JSON with ports, URLs, CA and admin socket, written once all listen",
    )
    parser.add_argument("--admin-socket", type=Path, metavar="PATH", help="default: DIR/admin.sock")
    parser.add_argument(
        "--hub-host",
        metavar="NAME",
        help="hub name that DPS assigns (default: localhost:<hub port>)",
    )
    parser.add_argument("--id-scope", metavar="SCOPE", help="default: 0ne00000000")
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="NAME",
        help="further name or address in the server certificate; may be repeated",
    )
    parser.add_argument(
        "--certificate",
        choices=CERTIFICATE_KINDS,
        default="good",
        help="a bad one is for clients that must refuse it",
    )
    parser.add_argument(
        "--tls", choices=TLS_KINDS, default=TLS_KINDS[0], help="1.1: nothing newer is spoken"
    )
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return number


def _loopback(text: str) -> str:
    """The emulator hands out keys: it must not be reachable from another machine."""
    if not ipaddress.IPv4Address(text).is_loopback:
        raise argparse.ArgumentTypeError("not a loopback address")
    return text


def _serve(args: argparse.Namespace) -> int:
    temporary = None if args.state else temporary_folder()
    folder = args.state or Path(temporary.name if temporary else ".")
    emulator = Emulator(
        Options(
            folder=folder,
            keep_state=args.state is not None,
            listen=args.listen,
            dps_port=args.dps_port,
            hub_port=args.hub_port,
            hub_host=args.hub_host,
            id_scope=args.id_scope,
            names=args.name,
            certificate=args.certificate,
            tls=args.tls,
            admin_socket=args.admin_socket,
            ready_file=args.ready_file,
        )
    )
    finished = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: finished.set())
    try:
        ready = emulator.start()
        print(json.dumps(ready, indent=1), flush=True)
        finished.wait()
    finally:
        emulator.stop()
        if temporary:
            temporary.cleanup()
    return 0


def _ctl_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emulator ctl", description="Administers a running emulator."
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--socket", metavar="PATH", help=f"admin socket (default: ${SOCKET_VARIABLE})"
    )
    where.add_argument(
        "--ready-file", type=Path, metavar="FILE", help="find the socket in this ready file"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    add_parsers(commands)
    verify = commands.add_parser(
        "verify-token", help="would the hub accept a token? exit code 0: yes, 1: no"
    )
    verify.add_argument(
        "--token-stdin", action="store_true", required=True, help="read the token from stdin"
    )

    commands.add_parser("settings", help="show settings")
    change_settings = commands.add_parser("set", help="change settings: NAME=VALUE ...")
    change_settings.add_argument("values", nargs="+", metavar="NAME=VALUE")

    _add_fault_parser(commands)
    commands.add_parser("counters", help="requests per route and status")
    journal = commands.add_parser("journal", help="recorded requests, violations, ...")
    journal.add_argument("name", choices=JOURNALS)
    commands.add_parser("violations", help="protocol violations; exit code 1 if there are any")
    commands.add_parser("clear-journal", help="forget counters and records")
    commands.add_parser("reset", help="forget everything except settings and CA")
    return parser


def _add_fault_parser(commands: Any) -> None:
    fault = commands.add_parser("fault", help="script a failure")
    fault.add_argument("step", choices=STEPS, metavar="STEP", help=", ".join(STEPS))
    fault.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    when = fault.add_mutually_exclusive_group()
    when.add_argument("--times", type=int, default=1, help="how often (default: once)")
    when.add_argument("--always", action="store_true")
    fault.add_argument(
        "--after", type=int, default=0, metavar="N", help="let N passages through first"
    )
    fault.add_argument("--status", type=int, help="HTTP status of kind 'status' (default: 500)")
    fault.add_argument("--error-code", help="DPS: number; hub: name")
    fault.add_argument("--retry-after", type=int, metavar="SECONDS")
    fault.add_argument(
        "--retry-after-date", action="store_true", default=None, help="send it as a date"
    )
    fault.add_argument("--field", type=int, help="which of fields 1 to 5 to corrupt")
    fault.add_argument("--length", type=int, help="bytes of field 6 (default: 200)")
    fault.add_argument(
        "--seconds", type=float, help="length of a delay, or of a trickling answer (default: 1)"
    )
    fault.add_argument("--offset", type=int, help="bytes of the answer before a reset (default: 0)")
    fault.add_argument("--size", type=int, help="bytes of an oversized answer (default: 2 MiB)")
    commands.add_parser("faults", help="list scripted failures")
    clear = commands.add_parser("clear-faults", help="remove scripted failures")
    clear.add_argument("step", nargs="?", choices=STEPS, metavar="STEP")


def _ctl(args: argparse.Namespace) -> int:
    client = AdminClient(_socket_path(args))
    handler = _COMMANDS[args.command]
    result = handler(client, args)
    if result is not None:
        print(result if isinstance(result, str) else json.dumps(result, indent=1))
    if args.command == "verify-token":
        return 0 if result["accepted"] else EXIT_FAILURE
    if args.command == "violations":
        return EXIT_FAILURE if result else 0
    return 0


def _socket_path(args: argparse.Namespace) -> str:
    if args.ready_file:
        return str(json.loads(args.ready_file.read_text())["admin_socket"])
    path = args.socket or os.environ.get(SOCKET_VARIABLE)
    if not path:
        raise Malformed(f"name the admin socket: --socket, --ready-file or ${SOCKET_VARIABLE}")
    return str(path)


def _set(client: AdminClient, args: argparse.Namespace) -> Any:
    values: dict[str, Any] = {}
    for item in args.values:
        name, equals, text = item.partition("=")
        if not equals:
            raise Malformed(f"'{item}' is not NAME=VALUE")
        values[name] = int(text) if text.lstrip("-").isdigit() else text
    return client.change_settings(**values)


def _fault(client: AdminClient, args: argparse.Namespace) -> None:
    values = {
        name: getattr(args, name)
        for name in (
            "status",
            "error_code",
            "retry_after",
            "retry_after_date",
            "field",
            "length",
            "seconds",
            "size",
            "offset",
        )
        if getattr(args, name) is not None
    }
    client.set_fault(
        args.step, args.kind, times=None if args.always else args.times, after=args.after, **values
    )


_COMMANDS: dict[str, Any] = {
    **COMMANDS,
    "verify-token": lambda client, args: client.verify_token(read_stdin()),
    "settings": lambda client, args: client.settings(),
    "set": _set,
    "fault": _fault,
    "faults": lambda client, args: client.faults(),
    "clear-faults": lambda client, args: client.clear_faults(args.step),
    "counters": lambda client, args: client.counters(),
    "journal": lambda client, args: client.journal(args.name),
    "violations": lambda client, args: client.violations(),
    "clear-journal": lambda client, args: client.clear_journal(),
    "reset": lambda client, args: client.reset(),
}
