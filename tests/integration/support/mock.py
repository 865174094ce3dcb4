"""The scripted engine of tests/mock and those before a real engine, importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "mock"))

from engine_cut import EngineCut  # noqa: E402  pylint: disable=wrong-import-position
from engine_mock import MockEngine, Process  # noqa: E402  pylint: disable=wrong-import-position
from engine_proxy import EngineProxy  # noqa: E402  pylint: disable=wrong-import-position

__all__ = ["EngineCut", "EngineProxy", "MockEngine", "Process"]
