"""One stream judged by its own past alone: the questions that are asked of it, one per file."""

from __future__ import annotations

from anomalyd.streams.change import Change
from anomalyd.streams.drift import Drift
from anomalyd.streams.level import Level
from anomalyd.streams.part import Part
from anomalyd.streams.season import Season
from anomalyd.streams.spread import Spread

PARTS: tuple[type[Part], ...] = (Level, Change, Spread, Drift, Season)
"""Each counts the same. What each adds was measured: docs/score.md."""
