"""Runs that an expression starts and stops: what it yields at a tick."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

from anomalyd.config import Runs
from anomalyd.query import QueryError, parse_labels
from anomalyd.sources.promapi import PromApi

log = logging.getLogger(__name__)


class Detection:
    """`runs.detect`, asked of staging's Prometheus. troubles: why no run starts by itself now."""

    def __init__(self, runs: Runs, api: PromApi | None) -> None:
        self._runs, self._api = runs, api
        self.troubles: list[str] = []

    async def ask(self, time: float) -> Mapping[str, float] | None:
        """Value by selector of a run; None where it is not to be had or not configured."""
        detect, api, label = self._runs.detect, self._api, self._runs.label
        if detect is None or api is None:
            return None
        try:
            found = await api.instant(detect.promql, time)
        except QueryError as error:
            told = f"runs.detect: no run starts or stops by itself: {error}"
            if not self.troubles:
                log.warning("%s", told)
            self.troubles = [told]
            return None
        if self.troubles:
            log.warning("runs.detect: answers again")
        self.troubles = []
        values: dict[str, float] = {}
        for key, value in zip(found.keys, found.values, strict=True):
            selector = parse_labels(key).get(label) if label else ""
            if math.isfinite(value):
                values[selector] = max(float(value), values.get(selector, 0.0))
        return values
