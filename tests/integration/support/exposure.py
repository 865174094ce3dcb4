"""Looks for known secrets where none may be: in a process's memory that can be swapped out, in files, on the bus."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PAGE = 4096
CHUNK = 32 * 1024 * 1024
WHOLE_MAX = 1024 * 1024 * 1024  # larger mappings are read page by page, and only what is there
HUGE = 1024 * WHOLE_MAX  # the shadow of a sanitizer
SHORTEST = 8  # bytes of what is searched for


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """How the bytes look inside base64, whatever comes before and behind them."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw + bytes(3))
        yield text[(8 * before + 5) // 6 : 8 * (before + len(raw)) // 6]


@dataclass
class Secrets:
    """What is searched for, by name. Each form is searched for by its halves, which finds the whole as well."""

    needles: dict[bytes, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def add(self, name: str, raw: bytes) -> None:
        """Bytes of a key or of a text."""
        self.names.add(name)
        forms = {"raw": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode()}
        for i, text in enumerate(_base64_forms(raw)):
            forms[f"base64+{i}"] = text
            forms[f"base64url+{i}"] = text.translate(bytes.maketrans(b"+/", b"-_"))
        for form, whole in forms.items():
            self._halves(f"{name} ({form})", whole)

    def add_private_key(self, name: str, pem: str) -> None:
        """The numbers of a key in both byte orders, and the parts of its PEM that hold them."""
        self.names.add(name)
        key = serialization.load_pem_private_key(pem.encode(), None)
        numbers = key.private_numbers()  # type: ignore[union-attr]
        if isinstance(numbers, rsa.RSAPrivateNumbers):
            secret = {"d": numbers.d, "p": numbers.p, "q": numbers.q}
        else:
            secret = {"d": numbers.private_value}
        text = "".join(line for line in pem.splitlines() if not line.startswith("-"))
        der = base64.b64decode(text)
        for part, value in secret.items():
            raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
            for form, number in (("big-endian", raw), ("little-endian", raw[::-1]), ("hex", raw.hex().encode())):
                self._halves(f"{name} {part} ({form})", number)
            at = der.find(raw)
            assert at >= 0, name
            first, last = (8 * at + 5) // 6, 8 * (at + len(raw)) // 6
            for line in range(first // 64 * 64, last, 64):
                piece = text[max(line, first) : min(line + 64, last)]
                if len(piece) >= 2 * SHORTEST:
                    self._halves(f"{name} {part} (PEM)", piece.encode())

    def include(self, others: "Secrets") -> None:
        self.needles.update(others.needles)
        self.names |= others.names

    def _halves(self, name: str, whole: bytes) -> None:
        middle = len(whole) // 2
        assert middle >= SHORTEST, name
        for half in (whole[:middle], whole[middle:]):
            assert len(set(half)) > 3, name
            self.needles.setdefault(half, name)

    def found_in(self, data: bytes) -> set[str]:
        return {name for needle, name in self.needles.items() if needle in data}


@dataclass
class Mapping:
    """One row of /proc/PID/smaps."""

    start: int
    end: int
    permissions: str
    path: str
    values: dict[str, int]  # kB
    flags: list[str]

    @property
    def is_locked(self) -> bool:
        return "lo" in self.flags

    @property
    def has_own_pages(self) -> bool:
        """Pages that are no file's."""
        return self.values.get("Anonymous", 0) + self.values.get("Swap", 0) > 0 or (
            "s" in self.permissions and self.values.get("Rss", 0) > 0)


def mappings(pid: int) -> list[Mapping]:
    rows: list[Mapping] = []
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.fullmatch(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
        if head:
            rows.append(Mapping(int(head[1], 16), int(head[2], 16), head[3], head[4], {}, []))
            continue
        name, _, value = line.partition(":")
        if name == "VmFlags":
            rows[-1].flags = value.split()
        elif value.endswith("kB"):
            rows[-1].values[name] = int(value.split()[0])
    return rows


def _present(pid: int, one: Mapping) -> Iterator[tuple[int, int]]:
    """Ranges of a large mapping that hold something."""
    with open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        pagemap.seek(one.start // PAGE * 8)
        entries = pagemap.read((one.end - one.start) // PAGE * 8)
    begin = -1
    for i in range(0, len(entries), 8):
        here = entries[i + 7] & 0xC0  # present or swapped
        at = one.start + i // 8 * PAGE
        if here and begin < 0:
            begin = at
        elif not here and begin >= 0:
            yield begin, at
            begin = -1
    if begin >= 0:
        yield begin, one.end


def memory(pid: int, locked: bool = False) -> Iterator[tuple[Mapping, bytes]]:
    """What the process has in memory that may be written to a disk; or, of what is locked, all."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for one in mappings(pid):
            if one.is_locked != locked or "r" not in one.permissions or not one.has_own_pages:
                continue
            size = one.end - one.start
            if size >= HUGE or one.path in ("[vvar]", "[vsyscall]"):
                continue
            ranges = [(one.start, one.end)] if size <= WHOLE_MAX else list(_present(pid, one))
            for begin, end in ranges:
                for at in range(begin, end, CHUNK):
                    mem.seek(max(begin, at - PAGE))  # overlaps, so that nothing hides on an edge
                    length = min(end, at + CHUNK) - max(begin, at - PAGE)
                    data = b""
                    while len(data) < length:
                        piece = mem.read(length - len(data))
                        assert piece
                        data += piece
                    yield one, data


def found_in_memory(pid: int, secrets: Secrets, locked: bool = False) -> list[str]:
    """Names of secrets, with the mapping that holds them."""
    found = set()
    for one, data in memory(pid, locked):
        found |= {f"{name} at {one.start:x} {one.permissions} {one.path}" for name in secrets.found_in(data)}
    return sorted(found)


def found_in_files(folder: Path, secrets: Secrets) -> list[str]:
    """Contents and names of all files below a folder."""
    found = []
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found += [f"{name} in {path}" for name in sorted(secrets.found_in(content + str(path).encode()))]
    return found
