"""What the clients did: counters, the last requests, refusals and protocol violations.

Secrets stay out: a token is recorded by its resource and expiry only.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import Any, Optional

KEEP = 1000


class Journal:
    """Bounded records, safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._counters: dict[str, Counter[str]] = {}
            self._lists: dict[str, deque[dict[str, Any]]] = {
                name: deque(maxlen=KEEP)
                for name in ("requests", "violations", "refusals", "early", "tls")
            }

    def answered(self, steps: list[str], status: int, details: dict[str, Any]) -> None:
        """One request counts at every step it passed."""
        with self._lock:
            for step in steps:
                counter = self._counters.setdefault(step, Counter())
                counter["requests"] += 1
                counter[str(status)] += 1
            self._lists["requests"].append(
                {"at": round(time.time(), 3), "steps": steps, "status": status, **details}
            )

    def violation(self, route: str, message: str) -> None:
        self._note("violations", {"route": route, "message": message})

    def refusal(self, route: str, status: int, message: str) -> None:
        """A refusal that a correct client may meet, kept because it explains a failed test."""
        self._note("refusals", {"route": route, "status": status, "message": message})

    def early(self, route: str, seconds: float) -> None:
        """A request that came before a Retry-After the client had been given."""
        self._note("early", {"route": route, "seconds_too_early": round(seconds, 3)})

    def tls_failure(self, service: str, message: str) -> None:
        self._note("tls", {"service": service, "message": message})

    def _note(self, name: str, entry: dict[str, Any]) -> None:
        with self._lock:
            self._lists[name].append({"at": round(time.time(), 3), **entry})

    def counters(self) -> dict[str, dict[str, int]]:
        with self._lock:
            return {route: dict(counter) for route, counter in sorted(self._counters.items())}

    def entries(self, name: str) -> Optional[list[dict[str, Any]]]:
        with self._lock:
            found = self._lists.get(name)
            return None if found is None else list(found)
