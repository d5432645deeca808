"""What every sink of the registry keeps to, whatever it talks to."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from anomalyd import config
from anomalyd.runs.database import Database
from anomalyd.runs.memory import SinkMemory
from anomalyd.sinks import SINKS, build
from anomalyd.sinks.base import (
    Context,
    DriftChanged,
    IncidentChanged,
    Notice,
    RunFinished,
    RunStarted,
    Sink,
    describe,
)
from anomalyd.sinks.delivery import Delivery
from tests.fakes.grafana import TOKEN, fake_grafana
from tests.fakes.receiver import receiver
from tests.sinks.examples import (
    NOW,
    DictMemory,
    a_run,
    a_verdict,
    an_incident,
    context,
    finished,
    grown,
    until,
)

NAMES = [name for name, _ in SINKS]
NETWORKED = [name for name in NAMES if name != "log"]
RUN, INCIDENT = a_run(), an_incident()
STORY: list[Notice] = [
    RunStarted(RUN),
    IncidentChanged(RUN, INCIDENT),
    IncidentChanged(RUN, grown(INCIDENT)),
    IncidentChanged(RUN, replace(grown(INCIDENT), ended_at=NOW)),
    IncidentChanged(RUN, an_incident("i2")),
    RunFinished(finished(RUN), a_verdict()),
    DriftChanged(("cpu-limit of cart: 1 in staging, 2 in production",), 1, NOW),
    DriftChanged((), 0, NOW + 60),
]


@dataclass
class Place:
    """Where a sink delivers to: its section of the configuration, and what arrived so far, told
    apart as the receiving system tells it apart (annotations, alerts by labels, delivery ids)."""

    section: dict[str, Any]
    arrived: Callable[[], list[Any]]


@asynccontextmanager
async def grafana(_: pytest.LogCaptureFixture) -> AsyncIterator[Place]:
    async with fake_grafana() as fake:
        yield Place({"url": fake.url, "token": TOKEN}, lambda: list(fake.annotations.values()))


@asynccontextmanager
async def alertmanager(_: pytest.LogCaptureFixture) -> AsyncIterator[Place]:
    async with receiver() as heard:
        section = {"urls": [heard.url]}
        yield Place(
            section,
            lambda: sorted(
                {str(alert["labels"]) for call in heard.received for alert in call.json()}
            ),
        )


@asynccontextmanager
async def webhook(_: pytest.LogCaptureFixture) -> AsyncIterator[Place]:
    async with receiver() as heard:
        yield Place(
            {"url": heard.url},
            lambda: sorted({call.headers["X-Anomalyd-Delivery"] for call in heard.received}),
        )


@asynccontextmanager
async def log(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Place]:
    with caplog.at_level("INFO", logger="anomalyd.sinks.log"):
        yield Place({}, lambda: [r.getMessage() for r in caplog.records if "sinks.log" in r.name])


PLACES = {"grafana": grafana, "alertmanager": alertmanager, "webhook": webhook, "log": log}


@asynccontextmanager
async def a_sink(
    name: str, section: dict[str, Any], within: Context | None = None
) -> AsyncIterator[Sink]:
    absent: dict[str, Any] = dict.fromkeys(NAMES)
    settings = config.Sinks.model_validate({**absent, name: section})
    (sink,) = build(settings, within or context())
    await sink.start()
    yield sink
    await sink.stop()


async def in_place(
    name: str, caplog: pytest.LogCaptureFixture, check: Callable[[Place], Awaitable[None]]
) -> None:
    async with PLACES[name](caplog) as place:
        await check(place)


def test_every_section_of_the_configuration_has_its_sink_and_every_sink_a_place_here() -> None:
    plain = {"queue", "drain"}
    assert set(config.Sinks.model_fields) - plain == set(NAMES) == set(PLACES)


def test_only_configured_sinks_are_built_in_the_order_of_the_registry() -> None:
    sections = {"webhook": {"url": "http://h"}, "grafana": {"url": "http://g"}}
    built = build(config.Sinks.model_validate(sections), context())
    assert [sink.name for sink in built] == ["grafana", "webhook", "log"]
    assert build(config.Sinks(log=None), context()) == []


@pytest.mark.parametrize(("name", "factory"), SINKS)
def test_a_sink_has_the_members_of_the_contract(name: str, factory: type) -> None:
    assert factory.name == name  # type: ignore[attr-defined]
    for method in ("start", "deliver", "refresh", "stop"):
        assert inspect.iscoroutinefunction(getattr(factory, method))


@pytest.mark.parametrize("name", NAMES)
async def test_the_same_notices_again_change_nothing(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(place: Place) -> None:
        async with a_sink(name, place.section) as sink:
            for notice in STORY:
                assert (await sink.deliver(notice)).ok, describe(notice)
                once = place.arrived()
                assert (await sink.deliver(notice)).ok, describe(notice)
                assert place.arrived() == once, describe(notice)
            assert place.arrived()

    await in_place(name, caplog, check)


@pytest.mark.parametrize("name", NAMES)
async def test_a_restart_after_any_notice_makes_no_difference(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def tell(place: Place, again: bool) -> list[Any]:
        memory = DictMemory()
        for notice in STORY:
            for _ in range(2 if again else 1):
                async with a_sink(name, place.section, context(memory)) as sink:
                    assert (await sink.deliver(notice)).ok
        return place.arrived()

    async with PLACES[name](caplog) as place:
        once = await tell(place, again=False)
    caplog.clear()
    async with PLACES[name](caplog) as place:
        assert await tell(place, again=True) == once


@pytest.mark.parametrize("name", NAMES)
async def test_refresh_of_an_idle_sink_is_fine_and_stop_without_work_too(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(place: Place) -> None:
        async with a_sink(name, place.section) as sink:
            assert (await sink.refresh(NOW)).ok
        assert place.arrived() == []

    await in_place(name, caplog, check)


@pytest.mark.parametrize("name", NETWORKED)
async def test_what_the_network_does_is_a_result_worth_another_try(name: str) -> None:
    async with receiver() as gone:
        pass
    async with receiver() as broken:
        broken.answer = (0, "", {})
        for url in (broken.url, gone.url):
            section = {"urls": [url]} if name == "alertmanager" else {"url": url}
            async with a_sink(name, section) as sink:
                result = await sink.deliver(STORY[1])
            assert (result.ok, result.retryable) == (False, True), url
            assert "cannot be reached" in result.detail


@pytest.mark.parametrize("name", NETWORKED)
async def test_a_server_that_does_not_answer_is_left_after_the_time_limit(name: str) -> None:
    async with receiver() as silent:
        silent.hold.clear()
        where = {"urls": [silent.url]} if name == "alertmanager" else {"url": silent.url}
        async with a_sink(name, {**where, "timeout": "50ms"}) as sink:
            result = await sink.deliver(STORY[1])
    assert (result.ok, result.retryable) == (False, True)
    assert result.detail.endswith("cannot be reached: no answer in time")


@pytest.mark.parametrize("name", NAMES)
async def test_the_database_of_the_daemon_is_memory_enough(
    name: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    async with PLACES[name](caplog) as place:
        for notice in STORY:
            with closing(Database(tmp_path / "anomalyd.db")) as database:
                kept = replace(context(), memory=partial(SinkMemory, database))
                async with a_sink(name, place.section, within=kept) as sink:
                    assert (await sink.deliver(notice)).ok
        assert len(place.arrived()) == {"grafana": 3, "alertmanager": 3}.get(name, 8)


async def test_all_sinks_together_get_the_whole_story(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        grafana(caplog) as drawn,
        alertmanager(caplog) as alerted,
        webhook(caplog) as posted,
        log(caplog) as logged,
    ):
        sections = {"grafana": drawn, "alertmanager": alerted, "webhook": posted, "log": logged}
        tree = {name: place.section for name, place in sections.items()}
        delivery = Delivery(build(config.Sinks.model_validate(tree), context()), queue=9, drain=5)
        await delivery.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(delivery.run(), name="delivery")
            for notice in STORY:
                delivery.put(notice)
            await until(lambda: not any(delivery.queue_lengths().values()))
            assert set((await delivery.drain()).values()) == {0}
        await delivery.stop()
        told = {name: len(place.arrived()) for name, place in sections.items()}
        assert told == {"grafana": 3, "alertmanager": 3, "webhook": 8, "log": 8}


async def test_a_sink_closes_its_connections(caplog: pytest.LogCaptureFixture) -> None:
    async with grafana(caplog) as place:
        async with a_sink("grafana", place.section) as sink:
            await sink.deliver(STORY[0])
        with pytest.raises(RuntimeError, match="closed"):
            await sink.deliver(STORY[1])
