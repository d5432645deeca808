"""All that is fetched for one incident, within one deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Protocol

from anomalyd.clients.asking import connect as asking
from anomalyd.config import Enrich
from anomalyd.enrich.jaeger import JaegerTraces
from anomalyd.enrich.loki import LokiLines
from anomalyd.enrich.received import Kept, ReceivedTraces
from anomalyd.enrich.sought import Period, Sought, period, sought
from anomalyd.enrich.tempo import TempoTraces
from anomalyd.model import Enrichment, Exemplar, Incident, LogTemplate, Run
from anomalyd.query import QueryError

log = logging.getLogger(__name__)


class Traces(Protocol):
    """Where traces are kept."""

    async def traces(self, sought: Sought, period: Period) -> list[Exemplar]:
        """Bad ones first. Raises QueryError."""
        ...

    async def reached(self) -> str:
        """What to say of it where it answers. Raises QueryError."""
        ...


@dataclass(slots=True)
class _Found:
    traces: list[Exemplar] = field(default_factory=list)
    logs: list[LogTemplate] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


class Gatherer:
    """Asks what `settings` name; what fails is told in the enrichment and stops nothing else."""

    def __init__(self, settings: Enrich, traces: Traces | None, lines: LokiLines | None) -> None:
        self._settings, self._traces, self._lines = settings, traces, lines

    async def gather(self, run: Run, incident: Incident, now: float) -> Enrichment:
        """now: unix seconds. Takes `deadline` at most; what was found until then is kept."""
        found, services = _Found(), sought(incident)
        when = period(run, incident, now)
        try:
            async with asyncio.timeout(self._settings.deadline), asyncio.TaskGroup() as tasks:
                if self._traces is not None:
                    asked = self._exemplars(self._traces, services, when, found)
                    tasks.create_task(asked, name="exemplar traces")
                if self._lines is not None:
                    asked = self._templates(self._lines, services, when, found)
                    tasks.create_task(asked, name="log lines")
        except TimeoutError:
            limit = f"{self._settings.deadline:g}s"
            found.troubles.append(f"not all was found within enrich.deadline ({limit})")
        return Enrichment(
            run.id,
            incident.id,
            now,
            tuple(_each_once(found.traces)),
            tuple(found.logs[: self._settings.templates]),
            tuple(dict.fromkeys(found.troubles)),
        )

    async def _exemplars(
        self, traces: Traces, services: Sequence[Sought], when: Period, found: _Found
    ) -> None:
        for one in services:
            try:
                spans = await traces.traces(one, when)
                if one.operation and not any(span.why for span in spans):
                    # The metrics' name of an operation is not always that of its spans.
                    spans = await traces.traces(replace(one, operation=""), when) or spans
            except QueryError as error:
                found.troubles.append(error.message)
                continue
            found.traces += spans

    async def _templates(
        self, lines: LokiLines, services: Sequence[Sought], when: Period, found: _Found
    ) -> None:
        from anomalyd.enrich.templates import telling

        if not when.comparable:
            found.troubles.append(
                "the incident began with the run: no log lines of before are there to compare with"
            )
            return
        for one in services:
            try:
                during = await lines.lines(one.service, when.start, when.end)
                before = await lines.lines(one.service, when.before, when.start)
            except QueryError as error:
                found.troubles.append(error.message)
                continue
            most = self._settings.templates
            found.logs += await asyncio.to_thread(telling, one.service, during, before, most)


async def connect(settings: Enrich, stack: AsyncExitStack, kept: Kept | None = None) -> Gatherer:
    """Sessions go on the stack. Raises QueryError where a secret or certificate is unreadable.

    kept: spans that were sent to us, for where neither Tempo nor Jaeger is named.
    """
    traces = await _traces(settings, stack)
    if traces is None and kept is not None:
        traces = ReceivedTraces(settings.received, kept, settings.traces)
    return Gatherer(settings, traces, await _lines(settings, stack))


async def reached(settings: Enrich) -> list[tuple[str, str, bool]]:
    """(setting, what it says or why it does not answer, whether it does) for all that is named."""
    traces = "enrich.tempo" if settings.tempo is not None else "enrich.jaeger"
    found = []
    for name, opened in ((traces, _traces), ("enrich.loki", _lines)):
        async with AsyncExitStack() as stack:
            try:
                part = await opened(settings, stack)
                if part is not None:
                    found.append((name, await part.reached(), True))
            except QueryError as error:
                found.append((name, error.message, False))
    return found


async def _traces(settings: Enrich, stack: AsyncExitStack) -> Traces | None:
    limit = settings.body_limit
    if settings.tempo is not None:
        asker = await asking("enrich.tempo", settings.tempo, settings.tempo.url, stack, limit)
        return TempoTraces(settings.tempo, asker, settings.traces)
    if settings.jaeger is not None:
        asker = await asking("enrich.jaeger", settings.jaeger, settings.jaeger.url, stack, limit)
        return JaegerTraces(settings.jaeger, asker, settings.traces)
    return None


async def _lines(settings: Enrich, stack: AsyncExitStack) -> LokiLines | None:
    if settings.loki is None:
        return None
    asker = await asking(
        "enrich.loki", settings.loki, settings.loki.url, stack, settings.body_limit
    )
    return LokiLines(settings.loki, asker)


def _each_once(traces: Iterable[Exemplar]) -> list[Exemplar]:
    """Bad ones before ordinary ones; a trace that is both is bad."""
    known: dict[str, Exemplar] = {}
    for trace in sorted(traces, key=lambda one: not one.why):
        known.setdefault(trace.trace_id, trace)
    return list(known.values())
