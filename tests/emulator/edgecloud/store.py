"""State on disk: one JSON file, replaced whole, readable by its owner only (it holds keys)."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Optional

VERSION = 1
PRIVATE = 0o600


def write_file(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Writes beside the target and renames, so that a reader sees the old or the new file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class Store:
    """The state file of one emulator; without a path nothing is kept."""

    def __init__(self, path: Optional[Path]) -> None:
        self._path = path

    def load(self) -> dict[str, Any]:
        if self._path is None or not self._path.exists():
            return {}
        value = json.loads(self._path.read_bytes())
        if value.get("version") != VERSION:
            raise ValueError(f"{self._path} was written by another version of the emulator")
        return value

    def save(self, value: dict[str, Any]) -> None:
        if self._path is not None:
            text = json.dumps({"version": VERSION, **value}, indent=1, sort_keys=True)
            write_file(self._path, text.encode())
