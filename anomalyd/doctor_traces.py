"""Whether what keeps traces tells what is asked of it: reached, which version, what is on."""

from __future__ import annotations

import time as clock

from anomalyd.checks import Check, Status
from anomalyd.clients.jaeger import JaegerClient
from anomalyd.clients.tempo import TempoClient
from anomalyd.config import Config, JaegerSpans, TempoMetrics
from anomalyd.model import Environment
from anomalyd.query import QueryError
from anomalyd.sources.base import Side
from anomalyd.sources.jaeger.searches import Searches
from anomalyd.units import format_duration

OLD_SECONDS = 2 * 3600
"""What is older is no longer with the generators of a Tempo, but in its blocks."""


async def examine_traces(config: Config, side: Side, window: float, now: float) -> list[Check]:
    """Of all that keeps the traces of one environment."""
    checks: list[Check] = []
    for part in side.parts or (side,):
        if isinstance(part.client, TempoClient) and part.config.tempo is not None:
            checks += await _tempo(part, part.client, part.config.tempo, now)
            checks += _settles(config, side, part.config.tempo.lag + window)
        if isinstance(part.client, JaegerClient) and part.config.jaeger is not None:
            checks += await _jaeger(part, part.client, part.config.jaeger, now)
            settings = part.config.jaeger
            checks += _settles(config, side, settings.lag + settings.interval)
    return checks


async def _tempo(
    side: Side, client: TempoClient, settings: TempoMetrics, now: float
) -> list[Check]:
    subject, where = f"{side.name} tempo", f"environments.{side.name}.tempo"
    query = f"{{ {settings.filter} }} | rate()"
    end = round(now - settings.lag) // 60 * 60
    try:
        began = clock.monotonic()
        version = await client.version() or "of a version that it does not tell"
        took = (clock.monotonic() - began) * 1000
        recent = await client.metrics(query, end - 60, end, 60)
    except QueryError as error:
        return [Check(subject, Status.FAIL, str(error), f"see the detail, or correct {where}")]
    checks = [Check(subject, Status.OK, f"Tempo {version}, {took:.0f} ms, TraceQL metrics are on")]
    if not recent:
        detail = f"no span of the last minutes meets {settings.filter or '{ }'}"
        mend = f"send spans to it, or correct {where}.filter"
        checks.append(Check(subject, Status.WARN, detail, mend))
    if side.name is Environment.PRODUCTION:
        checks += await _history(subject, client, settings, end)
    return checks


async def _jaeger(
    side: Side, client: JaegerClient, settings: JaegerSpans, now: float
) -> list[Check]:
    """Which API, how many services are searched for, and where a baseline comes from."""
    subject, where = f"{side.name} jaeger", f"environments.{side.name}.jaeger"
    searches = Searches(client, settings)
    try:
        began = clock.monotonic()
        services = await searches.services()
        took = (clock.monotonic() - began) * 1000
        generation = await client.generation()
        end = now - settings.lag
        found = [await searches.stretch(one, end - 60, end) for one in services[:1]]
    except QueryError as error:
        return [Check(subject, Status.FAIL, str(error), f"see the detail, or correct {where}")]
    detail = f"Jaeger by its {generation}, {took:.0f} ms, {len(services)} services"
    checks = [Check(subject, Status.OK, detail)]
    if not any(len(spans) for one in found for spans in one.spans):
        what = f"no span of {services[0]} in the last minute" if services else "it knows no service"
        mend = f"send spans to it, or correct {where}.services, tags or environment"
        checks.append(Check(subject, Status.WARN, what, mend))
    if not all(one.whole for one in found):
        what = f"searches for {services[0]} hit their limit of {settings.limit} traces"
        checks.append(Check(subject, Status.WARN, what, f"raise {where}.limit, or send OTLP"))
    if side.name is Environment.PRODUCTION:
        by = (
            "its own metrics (SPM)" if side.past else "searches, one by one: no metrics (SPM) of it"
        )
        checks.append(Check(f"{subject} history", Status.OK, f"is read by {by}"))
    return checks


async def _history(
    subject: str, client: TempoClient, settings: TempoMetrics, end: int
) -> list[Check]:
    """Traces that are found and not counted are not in blocks that metrics are read of."""
    start, until = end - OLD_SECONDS - 3600, end - OLD_SECONDS
    try:
        if not await client.has_traces(settings.filter, start, until):
            detail = f"nothing is found of what was {format_duration(OLD_SECONDS)} ago and more"
            mend = "a baseline needs history: let it keep traces for longer, or wait"
            return [Check(subject, Status.WARN, detail, mend)]
        counted = await client.metrics(f"{{ {settings.filter} }} | rate()", start, until, 3600)
    except QueryError as error:
        return [Check(subject, Status.WARN, str(error), "a baseline needs its history")]
    if counted:
        return []
    detail = "its traces of hours ago are found but not counted: there is no history for a baseline"
    mend = "set metrics_generator.processor.local_blocks.flush_to_storage: true in Tempo"
    return [Check(subject, Status.FAIL, detail, mend)]


def _settles(config: Config, side: Side, needed: float) -> list[Check]:
    """What staging did in the last `needed` seconds of a run is counted after it."""
    if side.name is not Environment.STAGING or config.judgement.settle >= needed:
        return []
    detail = (
        f"the last {format_duration(needed)} of a run are counted after it, and it settles for "
        f"{format_duration(config.judgement.settle)}"
    )
    mend = f"set judgement.settle to {format_duration(needed)}"
    return [Check("judgement.settle", Status.WARN, detail, mend)]
