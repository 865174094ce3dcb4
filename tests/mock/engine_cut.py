"""A real container engine behind a socket at which a change can be cut off: at one of the steps that it takes at the engine."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Callable, Optional

from engine_proxy import EngineProxy, Forwarder

Act = Callable[[], None]


class _Cutter(Forwarder):
    def _obey(self, method: str, path: str, versioned: Optional[Any]) -> None:
        engine = self.server.engine
        assert isinstance(engine, EngineCut)
        cut = engine.is_step(self.command, self.path)
        if not cut or engine.after:
            self._forward(lost=cut)
        if cut:
            self.close_connection = True
            engine.act()
            engine.is_cut.set()


class EngineCut(EngineProxy):
    """Steps are the requests that change something, counted from 1 since `arm`."""

    handler = _Cutter

    def __init__(self, path: Path, upstream: Path) -> None:
        super().__init__(path, upstream)
        self.steps: list[str] = []
        self.is_cut = threading.Event()
        self.after = False
        self.act: Act = lambda: None
        self._at = 0

    def arm(self, step: int, after: bool, act: Act) -> None:
        """At that step `act` runs, before the engine hears of it or after it has done it; the daemon hears nothing."""
        with self.lock:
            self.steps = []
            self.is_cut.clear()
            self._at, self.after, self.act = step, after, act

    def record(self) -> None:
        """Only notes what passes."""
        self.arm(0, False, lambda: None)

    def is_step(self, method: str, target: str) -> bool:
        """Whether it is the one; counts it."""
        if method not in ("POST", "DELETE"):
            return False
        with self.lock:
            self.steps.append(f"{method} {target}")
            return len(self.steps) == self._at
