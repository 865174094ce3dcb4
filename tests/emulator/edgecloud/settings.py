"""What the operator of the emulator may change while it runs."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass, fields
from typing import Any, Mapping

from .wire import Malformed

HOUR_S = 3600
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,250}[A-Za-z0-9])?(?::[0-9]{1,5})?\Z")
_SCOPE = re.compile(r"[A-Za-z0-9]{1,64}\Z")
_RANGES = {
    "polls": (0, 10_000),
    "retry_after": (0, 3600),
    "module_limit": (2, 1000),
    "clock_offset": (-10 * 365 * 24 * HOUR_S, 10 * 365 * 24 * HOUR_S),
    "dps_token_max_life": (1, 366 * 24 * HOUR_S),
    "hub_token_max_life": (1, 366 * 24 * HOUR_S),
}


def check_host(name: Any) -> str:
    """A host name with or without port, as DPS would assign it."""
    if not isinstance(name, str) or not _HOST.match(name):
        raise Malformed(f"'{name}' is not a host name with an optional port")
    return name


@dataclass
class Settings:
    """Numbers of seconds unless the name says otherwise."""

    id_scope: str = "0ne00000000"
    hub_host: str = ""
    polls: int = 1  # answers "assigning" before the assignment
    retry_after: int = 3
    module_limit: int = 50
    clock_offset: int = 0  # the service's clock minus this machine's
    dps_token_max_life: int = 24 * HOUR_S
    hub_token_max_life: int = 366 * 24 * HOUR_S

    def update(self, values: Mapping[str, Any]) -> None:
        """Applies all of `values` or, when one is wrong, none."""
        names = {f.name for f in fields(self)}
        for name, value in values.items():
            if name not in names:
                raise Malformed(f"unknown setting '{name}', known: {', '.join(sorted(names))}")
            if name == "hub_host":
                check_host(value)
            elif name == "id_scope":
                if not isinstance(value, str) or not _SCOPE.match(value):
                    raise Malformed("id_scope must be 1 to 64 letters and digits")
            else:
                low, high = _RANGES[name]
                if (
                    isinstance(value, bool)
                    or not isinstance(value, int)
                    or not low <= value <= high
                ):
                    raise Malformed(f"{name} must be a whole number from {low} to {high}")
        for name, value in values.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def now(self) -> float:
        """Time of day as the service sees it."""
        return time.time() + self.clock_offset
