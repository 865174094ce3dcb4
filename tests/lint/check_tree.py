#!/usr/bin/python3
"""Checks rules of the tree that no compiler knows: who includes whom, where third-party headers live, banned functions,
file sizes, licence lines, and what must not stand in a file at all.

Prints FILE:LINE: reason for each finding; exit code 1 if there are any.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LICENCE = "SPDX-License-Identifier: MIT"
LINES_MAX = 800

# Folder -> folders whose headers it may include besides its own.
LAYERS = {
    "edged/base": set(),
    "config": {"base"},
    "hsm": {"base"},
    "edged/loop": {"base"},
    "edged/http": {"base", "loop"},
    "edged/cloud": {"base", "loop", "hsm", "config"},
    "edged/runtime": {"base", "loop", "hsm", "config"},
    "edged/pki": {"base", "loop", "hsm", "config"},
    "edged/provisioning": {"base", "loop", "hsm", "config", "cloud", "runtime"},
    "edged/identity": {"base", "loop", "hsm", "config", "cloud", "runtime"},
    "edged/agent": {"base", "loop", "hsm", "config", "cloud", "runtime"},
    "edged/cli": {"base", "loop", "hsm", "config", "cloud", "provisioning"},
    "edged/api": {"base", "loop", "hsm", "config", "cloud", "runtime", "pki", "provisioning", "identity",
                  "http"},
    "edged": {"base", "loop", "hsm", "config", "cloud", "runtime", "pki", "provisioning", "identity", "agent", "http",
              "api"},
}

# Third-party header -> files that may include it.
HOMES = {
    r"uv\.h": r"edged/loop/[a-z_]+\.c|edged/http/http_server[a-z_]*\.[ch]",
    r"curl/.*": r"edged/loop/http_client[a-z_]*\.[ch]",
    r"http_parser\.h|llhttp\.h": r"edged/http/http_parse\.c",
    r"tss2/.*": r"hsm/tpm/[a-z_]+\.[ch]",
    r"yaml\.h": r"config/config_yaml\.c",
    r"cjson/.*|cJSON\.h": r"edged/base/json[a-z_]*\.c|edged/[a-z]+/[a-z_]+_json\.c",
    r"systemd/.*": r"(?!)",
}

BANNED = re.compile(
    r"\b(strcpy|strcat|sprintf|vsprintf|strtok|gets|atoi|atol|atoll|strtol|strtoul|strtoll|strtoull|sscanf|alloca|"
    r"system|popen|rand|srand|gmtime|localtime|gmtime_r|localtime_r|strerror|strerror_r|mktemp|tmpnam)\s*\(")
GETENV = re.compile(r"\b(getenv|secure_getenv)\s*\(")
LEFT_OPEN = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def tracked() -> list[str]:
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                         check=True, capture_output=True, text=True).stdout
    return [name for name in out.split("\0") if name and (ROOT / name).is_file()]


def folder_of(name: str) -> str:
    """The layer that a source file belongs to; longest match wins."""
    return max((f for f in LAYERS if name.startswith(f + "/")), key=len, default="")


def code_only(text: str) -> str:
    """Blanks comments and strings but keeps the line structure."""
    return COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def check_include(name: str, folder: str, header: str, quoted: bool) -> str | None:
    if not quoted:
        for pattern, home in HOMES.items():
            if re.fullmatch(pattern, header) and not re.fullmatch(home, name):
                return f"<{header}> has its home elsewhere"
        return None
    layer = header.split("/")[0] if "/" in header else ""
    own = folder.split("/")[-1]
    if layer in ("", own) or layer in LAYERS[folder]:
        return None
    if folder == "hsm" and layer in ("tpm", "soft"):
        return None
    return f'"{header}" is not for {folder}'


def check_source(name: str, text: str) -> list[tuple[int, str]]:
    found = []
    folder = folder_of(name)
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match and folder:
            reason = check_include(name, folder, match.group(2), match.group(1) == '"')
            if reason:
                found.append((number, reason))
    for number, line in enumerate(code_only(text).splitlines(), 1):
        match = BANNED.search(line)
        if match and not name.startswith("tests/"):
            found.append((number, f"{match.group(1)} is banned"))
        match = GETENV.search(line)
        if match and not name.startswith(("edged/base/", "tests/")):
            found.append((number, f"{match.group(1)} only in base/env.c"))
    count = text.count("\n")
    if count > LINES_MAX:
        found.append((count, f"{count} lines: a file with one job is shorter"))
    if LICENCE not in text[:200]:
        found.append((1, "no licence line"))
    return found


def check_any(text: str) -> list[tuple[int, str]]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if LEFT_OPEN.search(line):
            found.append((number, "left open"))
        if line.rstrip() != line:
            found.append((number, "trailing white space"))
    return found


def main() -> int:
    findings = 0
    for name in tracked():
        if name.startswith("tests/fuzz/corpus/") or name.endswith((".der", ".bin", ".pcap", ".png")):
            continue
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            print(f"{name}:1: not UTF-8")
            findings += 1
            continue
        found = [] if name.endswith((".json", ".lock")) else check_any(text)
        if name.endswith((".c", ".h")):
            found += check_source(name, text)
        for line, reason in found:
            print(f"{name}:{line}: {reason}")
        findings += len(found)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
