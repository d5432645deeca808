"""Exemplar traces among the spans that were sent to us, where nothing that keeps them is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from anomalyd.config import Received
from anomalyd.enrich import links
from anomalyd.enrich.sought import Period, Sought
from anomalyd.model import Exemplar


class Kept(Protocol):
    """The spans that were kept of what came; see `signals.traces.reservoir.Reservoir.find`."""

    def find(
        self,
        service: str,
        start: float,
        end: float,
        *,
        operation: str = "",
        failed: bool | None = None,
        above: float | None = None,
        upto: float | None = None,
    ) -> list[Exemplar]: ...


class ReceivedTraces:
    """As `TempoTraces`, from memory."""

    def __init__(self, settings: Received, kept: Kept, most: int) -> None:
        self._settings, self._kept, self._most = settings, kept, most

    async def traces(self, sought: Sought, period: Period) -> list[Exemplar]:
        """At most `most` of each kind: failed, slow, and ordinary ones of the time before too."""
        service, operation, limit = sought.service, sought.operation, sought.slower_than
        during = (service, period.start, period.end)
        whole = (service, period.before, period.end)
        found: list[Exemplar] = []
        if sought.failed:
            bad = self._kept.find(*during, operation=operation, failed=True)
            found += self._shown(bad, "error")
        if limit is not None:
            slow = self._kept.find(*during, operation=operation, above=limit)
            found += self._shown(slow, "slow")
        usual = self._kept.find(*whole, operation=operation, failed=False, upto=limit)
        return found + self._shown(usual, "")

    async def reached(self) -> str:
        return "spans are kept as they come"

    def _shown(self, found: list[Exemplar], why: str) -> list[Exemplar]:
        return [
            replace(
                one, why=why, link=links.of_grafana(self._settings, one.trace_id, one.started_at)
            )
            for one in found[: self._most]
        ]
