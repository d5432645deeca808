"""A staging, or a production, that nobody asks: its samples are pushed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from anomalyd.config import Config, parse
from anomalyd.model import Outcome
from anomalyd.push import Post, Refused
from anomalyd.session import Session
from tests.daemon.bench import STEP, Bench, bench
from tests.daemon.shop import SERVICES, START, Shop, settings
from tests.daemon.test_enrich import enriching
from tests.fakes import sender

PUSH: dict[str, Any] = {"remote_write": {"late": "20ms"}}


class Pusher:
    """A Prometheus of the shop, scraping every 5 s; what it sends depends on nothing but time."""

    def __init__(self, shop: Shop, without: str = "") -> None:
        self.shop, self.without = shop, without
        self.sent_at = START
        self.requests = dict.fromkeys(SERVICES, 0.0)
        self.failed = dict.fromkeys(SERVICES, 0.0)

    def body(self, until: float) -> bytes:
        """All samples since the last one."""
        series: list[sender.Series] = []
        while self.sent_at + 5 <= until:
            self.sent_at += 5
            series += self._scrape(self.sent_at - 1)
        return sender.body(*series)

    def _scrape(self, at: float) -> list[sender.Series]:
        found: list[sender.Series] = []
        window = math.floor(at / 30 + 1) * 30
        for service in SERVICES:
            self.requests[service] += 5 * self.shop.load
            self.failed[service] += 5 * self.shop.load * self.shop.errors(service, window)
            for name, value in (
                ("requests_total", self.requests[service]),
                ("failed_total", self.failed[service]),
                ("latency_seconds", self.shop.latency(service, window)),
                ("go_goroutines", 7.0),
            ):
                labels = {"__name__": name, "service": service, "instance": "a:80"}
                if name != self.without:
                    found.append((labels, [(value, round(at * 1000))]))
        return found


def push(session: Session, body: bytes, now: float, environment: str = "staging") -> None:
    reply = session.receivers["remote_write"].receive(Post(environment, sender.HEADERS, body, now))
    assert reply.status == 204


@asynccontextmanager
async def learned(
    config: Config, *sources: Any, pusher: Pusher | None = None, environment: str = "staging"
) -> AsyncIterator[tuple[Bench, Session, Pusher]]:
    """A session that knows from the one before what is pushed; a minute of samples has come."""
    pusher = pusher or Pusher(Shop())
    async with bench(config, *sources) as made:
        async with made.at_work():
            await pushed(made, pusher, 60, environment)
        async with made.at_work() as session:
            await pushed(made, pusher, 60, environment)
            yield made, session, pusher


async def pushed(made: Bench, pusher: Pusher, seconds: float, environment: str = "staging") -> None:
    assert made.session is not None
    for _ in range(round(seconds / STEP)):
        push(made.session, pusher.body(made.now + STEP), made.now + STEP, environment)
        await made.passes(STEP)


def tree(state: Path, staging: dict[str, Any], production: dict[str, Any] | None) -> dict[str, Any]:
    whole = settings("http://a", None, state)
    environments = {"staging": staging, "production": production}
    whole["environments"] = {name: one for name, one in environments.items() if one is not None}
    return whole


async def test_signals_are_known_once_samples_came_and_at_once_after_a_restart(tmp_path):
    config = parse({**tree(tmp_path, PUSH, None), "window": "auto", "load": None})
    pusher = Pusher(Shop())
    async with bench(config) as made:
        async with made.at_work() as session:
            assert not session.settled
            assert "nothing that signals need was pushed" in session.unready()[0]
            assert not await session.may_know_more()
            await pushed(made, pusher, 60)
            assert await session.may_know_more()
        async with made.at_work() as session:
            assert (session.settled, session.plan.staging.interval) == (True, 5.0)
            assert session.plan.staging.metrics.keys() == {
                "requests_total",
                "failed_total",
                "latency_seconds",
            }
            await pushed(made, pusher, 60)
            assert not await session.may_know_more()
            assert session.unready() == []


async def test_a_pushed_staging_is_judged_as_one_that_is_asked(baseline, tmp_path):
    (tmp_path / "baseline.npz").write_bytes(baseline.read_bytes())
    config = parse(tree(tmp_path, PUSH, {"url": "http://127.0.0.1:1"}))
    async with learned(config) as (made, _, pusher):
        run = made.start()
        await pushed(made, pusher, 900)
        pusher.shop.slower["cart"] = 3.0
        await pushed(made, pusher, 900)
        verdict = await made.verdict(run)
    assert verdict.outcome is Outcome.FAIL, verdict.reasons
    assert [one.signal for one in verdict.incidents[0].anomalies] == ["latency"]
    assert verdict.incidents[0].suspects[0].service == "cart"


async def test_an_incident_shows_the_traces_that_exemplars_name(baseline, tmp_path):
    (tmp_path / "baseline.npz").write_bytes(baseline.read_bytes())
    whole = tree(tmp_path, PUSH, {"url": "http://127.0.0.1:1"})
    link = {"received": {"link": "https://traces/$trace_id"}}
    config = parse({**whole, "enrich": link})
    async with learned(config) as (made, session, pusher), enriching(session):
        run = made.start()
        await pushed(made, pusher, 300)
        pusher.shop.slower["cart"] = 3.0
        for seconds in (300, 600):
            await pushed(made, pusher, seconds)
            labels = {"__name__": "latency_seconds", "service": "cart", "instance": "a:80"}
            slow = sender.exemplar({"trace_id": f"{seconds:032x}"}, 9.0, round(made.now * 1000))
            push(session, sender.packed(sender.request(sender.series(labels, []) + slow)), made.now)
        await made.verdict(run)
        await session.enricher.settled(run.id)
        (found,) = made.store.enrichments(run.id)
    assert {(one.why, one.service) for one in found.traces} == {("slow", "cart")}
    assert found.traces[0].link == f"https://traces/{found.traces[0].trace_id}"


async def test_what_the_server_has_and_what_is_pushed_are_one_batch(staging, tmp_path):
    config = parse(tree(tmp_path, {"url": staging.url, **PUSH}, None))
    pusher = Pusher(Shop(load=80.0), "latency_seconds")
    async with learned(config, staging, pusher=pusher) as (made, session, _):
        batch = (await session.ask(made.now)).batch
        keys = session.pipeline.table.keys
    found = {keys[row]: value for row, value in zip(batch.rows, batch.values, strict=True)}
    assert found["load"] == pytest.approx(3 * 80.0)
    assert found['latency{service="cart"}'] == pytest.approx(staging.latency("cart", made.now))
    assert found.keys() >= {'errors{service="cart"}', 'latency{service="gateway"}'}


async def test_a_pushed_production_is_kept_for_its_baseline(staging, tmp_path):
    config = parse(tree(tmp_path, {"url": staging.url}, PUSH))
    async with learned(config, staging, environment="production") as (made, _, pusher):
        await pushed(made, pusher, 240, "production")
    assert any((tmp_path / "history").iterdir())


async def test_a_sender_that_fell_silent_is_told_of(tmp_path):
    config = parse(tree(tmp_path, {"remote_write": {"late": "1100ms"}}, None))
    async with learned(config) as (made, session, _):
        assert session.degraded() == []
        await made.passes(60)
        (told,) = session.degraded()
    assert told == (
        "staging: nothing is pushed; the last came 1m ago; look after the sender and its "
        "remote_write"
    )


async def test_two_environments_on_one_path_are_told_apart_by_their_matchers(tmp_path):
    staging = {**PUSH, "matchers": 'env="staging"'}
    production = {**PUSH, "matchers": 'env="production"'}
    config = parse(tree(tmp_path, staging, production))
    body = sender.body(
        *(
            ({"__name__": "latency_seconds", "env": env, "service": "cart"}, [(value, 1000)])
            for env, value in (("staging", 1.0), ("production", 2.0), ("other", 3.0))
        )
    )
    async with bench(config) as made, made.at_work() as session:
        push(session, body, START, "")
        found = {
            name: dict(part._seen._file.metrics) and len(part._evaluator.series)
            for name, one in session._both.items()
            for part in one.parts.values()
        }
    assert found == {"staging": 1, "production": 1}


async def test_what_cannot_be_told_apart_is_refused(tmp_path):
    async with bench(parse(tree(tmp_path, PUSH, PUSH))) as made, made.at_work() as session:
        with pytest.raises(Refused, match="whose samples these are is not said"):
            push(session, sender.body(), START, "")


async def test_a_tick_waits_for_what_was_taken_before_it(tmp_path):
    config = parse(tree(tmp_path, {"remote_write": {"late": "1m"}}, None))
    async with learned(config) as (made, session, pusher):
        body = pusher.body(made.now + STEP)
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(session.ask(made.now + STEP))
            await asyncio.sleep(0)
            assert not asked.done()
            push(session, body, made.now + STEP + 3)
        batch = asked.result().batch
        assert session.degraded() == []
    assert len(batch.rows) == 7


async def test_a_sender_that_is_away_is_a_fault_of_telemetry_and_a_target_that_is_down_is_none(
    baseline, tmp_path
):
    (tmp_path / "baseline.npz").write_bytes(baseline.read_bytes())
    config = parse(tree(tmp_path, PUSH, {"url": "http://127.0.0.1:1"}))
    async with learned(config) as (made, session, pusher):
        run = made.start()
        await pushed(made, pusher, 600)
        await made.passes(60)
        away = (await session.ask(made.now)).batch
        pusher.sent_at = made.now
        await pushed(made, pusher, 300)
        assert pusher.body(made.now + 60)
        made.now += 60
        at = round(made.now * 1000)
        push(session, sender.body(({"__name__": "other"}, [(0.0, at)])), made.now)
        gone = (await session.ask(made.now)).batch
        verdict = await made.verdict(run)
    assert (len(away.rows), away.answered) == (0, frozenset())
    assert (len(gone.rows), gone.answered) == (0, {"load", "latency", "errors"})
    assert verdict.incidents == ()
    assert "query-failed" in {entry.kind for entry in verdict.integrity}


async def test_samples_that_come_too_late_are_told_of(tmp_path):
    config = parse(tree(tmp_path, {"remote_write": {"late": "3s"}}, None))
    async with learned(config) as (made, session, pusher):
        made.now += 30
        push(session, pusher.body(made.now - 20), made.now)
        (told,) = session.degraded()
    assert told.startswith("staging: samples are pushed 21s after they were taken")
