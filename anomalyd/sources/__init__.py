"""Where samples come in."""

from __future__ import annotations

from anomalyd.config import EnvironmentConfig
from anomalyd.sources import discovery, prometheus, scrape
from anomalyd.sources.base import Kind

SOURCES: tuple[Kind, ...] = (
    Kind("url", discovery.look, prometheus.build),
    Kind("scrape", scrape.look, scrape.build),
)
"""The first whose section an environment has is its source."""


def kind_of(environment: EnvironmentConfig) -> Kind:
    return next(kind for kind in SOURCES if getattr(environment, kind.section) is not None)
