from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from anomalyd import config
from anomalyd.model import Outcome
from anomalyd.sinks.base import (
    IncidentChanged,
    Notice,
    RunFinished,
    RunStarted,
)
from anomalyd.sinks.log import Log
from tests.sinks.examples import (
    NOW,
    DictMemory,
    a_run,
    a_verdict,
    an_incident,
    context,
    finished,
    grown,
)

RUN = a_run()
INCIDENT = replace(an_incident(), summary="cart is slower")
FACTS = 'incident=i1 run=r1 severity=warning service=cart anomalies={} summary="cart is slower"'


async def told(
    caplog: pytest.LogCaptureFixture,
    notices: Sequence[Notice],
    memory: DictMemory | None = None,
    level: str = "warning",
) -> list[tuple[str, str]]:
    """The lines that a new sink writes, with their levels."""
    caplog.clear()
    sink = Log(config.LogSink.model_validate({"level": level}), context(memory))
    with caplog.at_level(logging.INFO):
        await sink.start()
        for notice in notices:
            assert (await sink.deliver(notice)).ok
        await sink.stop()
    return [(record.levelname, record.getMessage()) for record in caplog.records]


async def test_an_incident_opens_grows_and_closes_in_one_line_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed = replace(INCIDENT, ended_at=NOW)
    states = [INCIDENT, INCIDENT, grown(INCIDENT), grown(INCIDENT), closed, closed]
    lines = await told(caplog, [IncidentChanged(RUN, state) for state in states])
    assert lines == [
        ("WARNING", f"incident opened {FACTS.format(1)}"),
        ("WARNING", f"incident grew {FACTS.format(2)}"),
        (
            "WARNING",
            f"incident closed {FACTS.format(1).replace(' summary', ' lasted=2m summary')}",
        ),
    ]


async def test_a_restart_repeats_nothing(caplog: pytest.LogCaptureFixture) -> None:
    memory, opened = DictMemory(), IncidentChanged(RUN, INCIDENT)
    assert len(await told(caplog, [RunStarted(RUN), opened], memory)) == 2
    assert await told(caplog, [RunStarted(RUN), opened], memory) == []
    (line,) = await told(caplog, [IncidentChanged(RUN, grown(INCIDENT))], memory)
    assert line[1].startswith("incident grew")


@pytest.mark.parametrize(
    ("outcome", "level", "expected"),
    [
        (Outcome.PASS, "warning", "INFO"),
        (Outcome.FAIL, "warning", "WARNING"),
        (Outcome.INVALID, "warning", "WARNING"),
        (Outcome.FAIL, "info", "INFO"),
    ],
)
async def test_a_run_is_told_with_its_verdict(
    caplog: pytest.LogCaptureFixture, outcome: Outcome, level: str, expected: str
) -> None:
    notices = [RunStarted(RUN), RunFinished(finished(RUN), a_verdict(outcome=outcome))]
    lines = await told(caplog, notices, level=level)
    assert lines == [
        ("INFO", 'run started run=r1 name="checkout r1" origin=api'),
        (
            expected,
            f'run finished run=r1 name="checkout r1" origin=api verdict={outcome} shadow=False '
            'incidents=0 reasons="latency_p95 of cart is 812 ms, passes below 231 ms"',
        ),
    ]


async def test_a_summary_cannot_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    forged = replace(INCIDENT, summary='x"\nrun finished verdict=pass')
    ((_, line),) = await told(caplog, [IncidentChanged(RUN, forged)])
    assert "\n" not in line
    assert line.endswith(r'summary="x\"\nrun finished verdict=pass"')


async def test_old_lines_are_forgotten() -> None:
    memory = DictMemory()
    sink = Log(config.LogSink(), context(memory))
    await sink.deliver(RunStarted(RUN))
    assert (await sink.refresh(NOW + 29 * 86400)).ok
    assert len(memory.kept) == 1
    assert (await sink.refresh(NOW + 31 * 86400)).ok
    assert memory.kept == {}
