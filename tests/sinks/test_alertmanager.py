"""What is sent to Alertmanager and when, seen by a receiver that stands in for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anomalyd.sinks.base import (
    DriftChanged,
    IncidentChanged,
    RunFinished,
    RunStarted,
)
from tests.fakes.receiver import Receiver, receiver
from tests.sinks.alertmanagers import LIFETIME, RUN, a_sink, alerts, changed, ends, seconds
from tests.sinks.examples import (
    NOW,
    Clock,
    DictMemory,
    a_run,
    a_verdict,
    an_incident,
    context,
    finished,
    grown,
)


async def test_an_alert_says_who_and_where_in_labels_and_how_much_in_annotations(
    heard: Receiver,
) -> None:
    async with a_sink(heard.url, labels={"team.name": "shop", "none": ""}) as sink:
        assert (await sink.deliver(changed())).ok
    (request,) = heard.received
    assert (request.method, request.path) == ("POST", "/api/v2/alerts")
    assert request.headers["Content-Type"] == "application/json"
    (alert,) = request.json()
    assert alert["labels"] == {
        "alertname": "AnomalydIncident",
        "run": "checkout r1",
        "service": "cart",
        "team_name": "shop",
        "severity": "warning",
        "incident": "i1",
        "run_id": "r1",
    }
    assert alert["annotations"] == {
        "summary": "cart <b>is slower</b> than production & errs",
        "description": 'latency_p95{service="cart"}: 812 ms, expected 210 ms (180 ms to 240 ms)',
        "suspects": "cart (62%, first to deviate), db (20%)",
        "severity_now": "warning",
        "run_url": "https://anomalyd.example/runs/r1",
    }
    assert alert["generatorURL"] == "https://anomalyd.example/runs/r1"
    assert seconds(alert["startsAt"]) == NOW - 120
    assert seconds(alert["endsAt"]) == NOW + LIFETIME


async def test_labels_never_change_after_the_first_send(heard: Receiver) -> None:
    incident = an_incident()
    later = replace(grown(incident), suspects=(), started_at=NOW - 300)
    memory = DictMemory()
    async with a_sink(heard.url, within=context(memory)) as sink:
        await sink.deliver(IncidentChanged(RUN, incident))
    async with a_sink(heard.url, within=context(memory), labels={"team": "new"}) as sink:
        await sink.deliver(IncidentChanged(replace(RUN, name="renamed"), later))
    first, second = alerts(heard)
    assert first["labels"] == second["labels"]
    assert first["startsAt"] == second["startsAt"]
    assert "1.5 s, expected 210 ms" in second["annotations"]["description"]


async def test_a_firing_alert_is_sent_again_and_outlives_four_rounds(heard: Receiver) -> None:
    clock = Clock()
    async with a_sink(heard.url, within=context(clock=clock), resend_delay="60s") as sink:
        assert sink.every == 60.0
        await sink.deliver(changed())
        for _ in range(3):
            clock.now += 60
            assert (await sink.refresh(clock.now)).ok
    assert ends(heard) == [NOW + LIFETIME + 60 * lap for lap in range(4)]


async def test_the_interval_counts_where_it_is_longer_than_the_resend_delay(
    heard: Receiver,
) -> None:
    slow = replace(context(), interval=100.0)
    async with a_sink(heard.url, within=slow, resend_delay="60s") as sink:
        await sink.deliver(changed())
    assert ends(heard) == [NOW + 400]


async def test_a_resolved_alert_is_sent_again_for_a_while_then_forgotten(heard: Receiver) -> None:
    clock, memory = Clock(), DictMemory()
    async with a_sink(heard.url, within=context(memory, clock), resolved_for="15m") as sink:
        await sink.deliver(changed())
        for _ in range(2):
            assert (await sink.deliver(changed(ended=NOW - 30))).ok
        for now in (NOW + 60, NOW + 900, NOW + 960):
            clock.now = now
            assert (await sink.refresh(now)).ok
        assert memory.kept == {}
        assert (await sink.deliver(changed(ended=NOW - 30))).ok
    assert ends(heard) == [NOW + LIFETIME, *[NOW - 30] * 4]


async def test_an_incident_over_before_it_was_ever_sent_is_not_sent(heard: Receiver) -> None:
    memory = DictMemory()
    async with a_sink(heard.url, within=context(memory)) as sink:
        assert (await sink.deliver(changed(ended=NOW))).ok
        assert (await sink.refresh(NOW)).ok
    assert heard.received == []
    assert memory.kept == {}


async def test_an_opening_whose_answer_was_lost_is_resolved_nonetheless(heard: Receiver) -> None:
    heard.script = [(0, "", {})]
    async with a_sink(heard.url) as sink:
        assert (await sink.deliver(changed())).retryable
        assert (await sink.deliver(changed(ended=NOW - 5))).ok
    assert ends(heard)[-1] == NOW - 5


async def test_a_restart_goes_on_sending_and_can_resolve(heard: Receiver) -> None:
    memory = DictMemory()
    async with a_sink(heard.url, within=context(memory)) as sink:
        await sink.deliver(changed())
    async with a_sink(heard.url, within=context(memory)) as sink:
        assert (await sink.refresh(NOW)).ok
        assert (await sink.deliver(changed(ended=NOW - 5))).ok
    assert ends(heard) == [NOW + LIFETIME, NOW + LIFETIME, NOW - 5]
    assert len({str(alert["labels"]) for alert in alerts(heard)}) == 1


async def test_an_opening_that_was_given_up_is_sent_by_the_next_round(heard: Receiver) -> None:
    heard.script = [(503, "starting", {})]
    async with a_sink(heard.url) as sink:
        assert (await sink.deliver(changed())).retryable
        assert (await sink.refresh(NOW)).ok
    assert len(alerts(heard)) == 2


async def test_a_worse_severity_is_one_more_alert_and_both_end_together(heard: Receiver) -> None:
    async with a_sink(heard.url) as sink:
        for severity, ended in (("warning", None), ("critical", None), ("warning", NOW)):
            incident = an_incident(severity=severity, ended=ended)
            await sink.deliver(IncidentChanged(RUN, incident))
    told = [[a["labels"]["severity"] for a in request.json()] for request in heard.received]
    assert told == [["warning"], ["warning", "critical"], ["warning", "critical"]]
    assert ends(heard)[-2:] == [NOW, NOW]


async def test_the_end_of_a_run_resolves_what_it_left_open(heard: Receiver) -> None:
    async with a_sink(heard.url) as sink:
        assert (await sink.deliver(RunStarted(RUN))).ok
        await sink.deliver(changed("i1"))
        await sink.deliver(changed("i2"))
        await sink.deliver(changed("i2", ended=NOW - 50))
        await sink.deliver(IncidentChanged(a_run("r2"), an_incident("i3", "r2")))
        heard.received.clear()
        assert (await sink.deliver(RunFinished(finished(RUN), a_verdict()))).ok
    (alert,) = alerts(heard)
    assert alert["labels"]["incident"] == "i1"
    assert seconds(alert["endsAt"]) == NOW - 10


async def test_alerts_travel_in_batches(heard: Receiver) -> None:
    async with a_sink(heard.url) as sink:
        for number in range(130):
            await sink.deliver(changed(f"i{number}"))
        heard.received.clear()
        assert (await sink.refresh(NOW)).ok
    assert [len(request.json()) for request in heard.received] == [64, 64, 2]


async def test_every_alertmanager_gets_every_alert_and_one_is_enough(
    heard: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiver() as other:
        other.script = [(503, "starting", {}), (503, "starting", {})]
        async with a_sink(heard.url, other.url) as sink:
            for _ in range(3):
                assert (await sink.deliver(changed())).ok
        assert len(alerts(heard)) == len(alerts(other)) == 3
        assert caplog.messages == [
            f"sink alertmanager: {other.url} answered 503: starting; another one accepts",
            f"sink alertmanager: {other.url} accepts again",
        ]


async def test_without_any_alertmanager_it_is_worth_another_try(heard: Receiver) -> None:
    heard.answer = (400, '"bad"', {})
    async with receiver() as gone:
        pass
    async with a_sink(heard.url, gone.url) as sink:
        result = await sink.deliver(changed())
    assert (result.ok, result.retryable) == (False, True)
    assert result.detail.startswith(f"{gone.url} cannot be reached")


DRIFT = DriftChanged(("cpu-limit of cart: 1 in staging, 2 in production",), 3, NOW - 5)


async def test_drift_is_one_alert_until_it_is_gone(heard: Receiver) -> None:
    async with a_sink(heard.url, labels={"team": "shop"}) as sink:
        await sink.deliver(DRIFT)
        await sink.deliver(DriftChanged((), 0, NOW))
    fired, resolved = alerts(heard)
    assert fired["labels"] == {
        "alertname": "AnomalydDrift",
        "team": "shop",
        "severity": "warning",
    }
    assert resolved["labels"] == fired["labels"]
    assert fired["annotations"]["summary"].startswith("staging differs from production in 3 facts")
    assert seconds(fired["endsAt"]) == NOW + LIFETIME
    assert seconds(resolved["endsAt"]) == NOW


async def test_a_staging_that_was_never_told_to_drift_is_not_told_to_be_clean(
    heard: Receiver,
) -> None:
    async with a_sink(heard.url) as sink:
        assert (await sink.deliver(DriftChanged((), 0, NOW))).ok
    assert heard.received == []
