"""The command line by itself: help, exit codes, and errors that help."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from support.daemon import IOTEDGE, Daemon

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("status", "reprovision", "tpm info", "tpm import-key", "tpm sas-token", "tpm remove-key",
            "tpm import-ca", "tpm reseal", "tpm accept-change")


def run(*words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(IOTEDGE), *words], input=stdin, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_wrong_options(command: str) -> None:
    shown = run(*command.split(), "--help")
    assert shown.returncode == 0 and shown.stdout.startswith(f"Usage: iotedge {command} "), shown
    assert "Exit codes:" in shown.stdout.replace("Exit\ncodes", "Exit codes").replace("\n", " ")
    assert all(len(line) <= 100 for line in shown.stdout.splitlines())
    wrong = run(*command.split(), "--no-such-option")
    assert wrong.returncode == 2 and f"iotedge {command} --help" in wrong.stderr
    assert command in run("--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_man_page_names_the_command(command: str) -> None:
    page = Path(__file__).resolve().parents[2] / "packaging" / "man" / "iotedge.1"
    assert f".SS iotedge {command}" in page.read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_man_page_has_every_option(command: str) -> None:
    page = (Path(__file__).resolve().parents[2] / "packaging" / "man" / "iotedge.1").read_text().replace("\\-", "-")
    described = page[page.index(".SH OPTIONS"):]
    for option in set(re.findall(r"--[a-z][a-z-]+", run(*command.split(), "--help").stdout)):
        assert option in described, option


def test_documents_use_commands_that_exist() -> None:
    said = "".join((ROOT / name).read_text() for name in ("README.md", "config/README.md", "config/config.yaml"))
    found = re.findall(r"\biotedge ((?:tpm )?[a-z]+(?:-[a-z]+)*)((?: --[a-z-]+)*)", said)
    commands = [(words, options) for words, options in found if words.startswith("tpm ") or words in COMMANDS]
    assert len(commands) > 10
    for words, options in commands:
        assert words in COMMANDS, words
        shown = run(*words.split(), "--help").stdout
        assert all(option in shown for option in options.split()), (words, options)


@pytest.mark.parametrize("unit", sorted((ROOT / "packaging/systemd").iterdir()), ids=lambda path: path.name)
def test_units_have_comments_on_lines_of_their_own(unit: Path) -> None:
    """systemd takes what stands behind a value for a part of it."""
    for line in unit.read_text().splitlines():
        assert line.startswith(("#", "[")) or " #" not in line, line


def test_missing_configuration() -> None:
    done = run("status", "-c", "/no/such/config.yaml", "--json")
    assert done.returncode == 1
    assert "/no/such/config.yaml" in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "not_found"


def test_keys_are_not_taken_from_the_command_line() -> None:
    done = run("tpm", "import-key", "c2VjcmV0")
    assert done.returncode == 2 and "c2VjcmV0" not in done.stderr


@pytest.mark.parametrize("expiry", ("0", "-5", "86401", "soon", ""))
def test_expiry_is_checked(expiry: str) -> None:
    done = run("tpm", "sas-token", "--resource", "r", f"--expiry={expiry}")
    assert done.returncode == 2 and "1 to 86400" in done.stderr


def test_import_says_what_is_wrong_with_the_input(daemon: Daemon, tmp_path: Path) -> None:
    daemon.write_config()
    config = ("-c", str(daemon.config_file))
    bare = ("--hub", "h.example.net", "--device", "d")
    for words, stdin, expected in (
            ((), "c2VjcmV0", "--hub"),
            (bare, "", "nothing was given"),
            (bare, "sec*ret", "neither a connection string nor a key"),
            (bare, "HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0", "says itself whose key it is"),
            ((), "HostName=h;DeviceId=d", "no SharedAccessKey"),
            ((*bare, "--derive-from-group"), "c2VjcmV0", "only enrollments have group keys"),
            (("--hub", "h"), "c2VjcmV0", "belong together")):
        done = run("tpm", "import-key", *config, *words, stdin=stdin)
        assert done.returncode == 1 and expected in done.stderr, (words, done)
        assert "c2VjcmV0" not in done.stderr and "sec*ret" not in done.stderr
    file = tmp_path / "key"
    file.write_text("c2VjcmV0")
    file.chmod(0o644)
    done = run("tpm", "import-key", *config, *bare, "--file", str(file))
    assert done.returncode == 1 and str(file.name) in done.stderr
