"""The scripted engine of tests/mock and the one before a real engine, importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "mock"))

from engine_mock import MockEngine, Process  # noqa: E402  pylint: disable=wrong-import-position
from engine_proxy import EngineProxy  # noqa: E402  pylint: disable=wrong-import-position

__all__ = ["EngineProxy", "MockEngine", "Process"]
