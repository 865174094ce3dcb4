"""A daemon with another wall clock than the machine's: Debian's libfaketime. The monotonic clock stays."""

from __future__ import annotations

import glob

from .daemon import Daemon, preloaded


def _env(**values: str) -> dict[str, str]:
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    assert found, "libfaketime is not installed"
    return preloaded(found[0], FAKETIME_DONT_FAKE_MONOTONIC="1", FAKETIME_NO_CACHE="1", **values)


def set_clock(daemon: Daemon, text: str) -> None:
    """From the next start on. What libfaketime understands: "@DATE" or an offset."""
    daemon.env = _env(FAKETIME=text)


def move_clock(daemon: Daemon, offset_s: int) -> None:
    """Also of a daemon that runs, if it was started after the first call."""
    path = daemon.folder / "faketime"
    beside = path.with_suffix(".new")
    beside.write_text(f"{offset_s:+d}\n")
    beside.rename(path)
    daemon.env = _env(FAKETIME_TIMESTAMP_FILE=str(path))
