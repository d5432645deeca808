from __future__ import annotations

import json
from dataclasses import replace

import pytest

from anomalyd.model import Outcome
from anomalyd.sinks.base import IncidentChanged, RunFinished, RunStarted
from tests.sinks.examples import (
    NOW,
    DictMemory,
    Dropped,
    a_verdict,
    finished,
    grown,
)
from tests.sinks.grafanas import Server, a_sink, milliseconds


async def test_an_incident_is_one_region_from_opening_over_growth_to_its_end(
    grafana: Server,
) -> None:
    opened = grafana.incident()
    async with a_sink(grafana, tags=["team:shop"]) as sink:
        assert (await sink.deliver(IncidentChanged(grafana.run, opened))).ok
        (row,) = await grafana.of_incidents()
        assert row["time"] == row["timeEnd"] == milliseconds(opened.started_at)
        assert {"anomalyd", f"incident:{opened.id}", "severity:warning", "service:cart"} <= set(
            row["tags"]
        )
        assert "team:shop" in row["tags"]

        assert (await sink.deliver(IncidentChanged(grafana.run, grown(opened)))).ok
        (row,) = await grafana.of_incidents()
        assert "1.5 s, expected 210 ms" in row["text"]
        assert "service:web" in row["tags"]
        assert row["time"] == row["timeEnd"]

        closed = replace(grown(opened), ended_at=NOW)
        for _ in range(2):
            assert (await sink.deliver(IncidentChanged(grafana.run, closed))).ok
            (row,) = await grafana.of_incidents()
            assert (row["time"], row["timeEnd"]) == (
                milliseconds(opened.started_at),
                milliseconds(NOW),
            )


async def test_text_is_escaped_and_links_to_the_run(grafana: Server) -> None:
    async with a_sink(grafana) as sink:
        await sink.deliver(IncidentChanged(grafana.run, grafana.incident()))
    (row,) = await grafana.of_incidents()
    assert row["text"].split("<br>") == [
        "warning: cart &lt;b&gt;is slower&lt;/b&gt; than production &amp; errs",
        "latency_p95{service=&quot;cart&quot;}: 812 ms, expected 210 ms (180 ms to 240 ms)",
        "suspects: cart (62%, first to deviate), db (20%)",
        f'<a href="https://anomalyd.example/runs/{grafana.run.id}">run</a>',
    ]


async def test_a_run_is_one_region_that_ends_with_its_verdict(grafana: Server) -> None:
    run = grafana.run
    async with a_sink(grafana) as sink:
        for _ in range(2):
            assert (await sink.deliver(RunStarted(run))).ok
        (row,) = await grafana.of_run()
        assert row["time"] == row["timeEnd"] == milliseconds(run.started_at)
        done = RunFinished(finished(run), a_verdict(run.id))
        for _ in range(2):
            assert (await sink.deliver(done)).ok
        (row,) = await grafana.of_run()
    assert row["timeEnd"] == milliseconds(NOW - 10)
    assert "verdict:fail" in row["tags"]
    assert "verdict: fail<br>latency_p95 of cart is 812 ms, passes below 231 ms" in row["text"]


async def test_a_run_or_incident_whose_opening_was_lost_is_made_closed(grafana: Server) -> None:
    closed = grafana.incident(ended=NOW)
    async with a_sink(grafana) as sink:
        assert (await sink.deliver(IncidentChanged(grafana.run, closed))).ok
        done = RunFinished(finished(grafana.run), a_verdict(grafana.run.id))
        assert (await sink.deliver(done)).ok
    (incident,), (run,) = await grafana.of_incidents(), await grafana.of_run()
    assert incident["timeEnd"] == milliseconds(NOW)
    assert run["time"] == milliseconds(grafana.run.started_at)
    assert run["timeEnd"] == milliseconds(NOW - 10)


async def test_an_incident_whose_closing_was_lost_ends_with_its_run(grafana: Server) -> None:
    opened = grafana.incident()
    verdict = a_verdict(grafana.run.id, incidents=(opened,))
    async with a_sink(grafana) as sink:
        await sink.deliver(IncidentChanged(grafana.run, opened))
        assert (await sink.deliver(RunFinished(finished(grafana.run), verdict))).ok
    (row,) = await grafana.of_incidents()
    assert row["timeEnd"] == milliseconds(NOW - 10)


@pytest.mark.parametrize("remembered", [True, False], ids=["memory kept", "memory lost"])
async def test_a_restart_neither_duplicates_nor_loses(grafana: Server, remembered: bool) -> None:
    memory = DictMemory()
    async with a_sink(grafana, memory) as sink:
        await sink.deliver(RunStarted(grafana.run))
        await sink.deliver(IncidentChanged(grafana.run, grafana.incident()))
    async with a_sink(grafana, memory if remembered else None) as sink:
        await sink.deliver(RunStarted(grafana.run))
        await sink.deliver(IncidentChanged(grafana.run, grafana.incident()))
        await sink.deliver(IncidentChanged(grafana.run, grafana.incident(ended=NOW)))
    (row,) = await grafana.of_incidents()
    assert row["timeEnd"] == milliseconds(NOW)
    assert len(await grafana.of_run()) == 1


async def test_a_region_deleted_by_hand_is_made_again(grafana: Server) -> None:
    opened = grafana.incident()
    async with a_sink(grafana) as sink:
        for incident in (grown(opened), replace(opened, ended_at=NOW)):
            await sink.deliver(IncidentChanged(grafana.run, opened))
            (row,) = await grafana.of_incidents()
            await grafana.call("DELETE", f"/api/annotations/{row['id']}")
            assert (await sink.deliver(IncidentChanged(grafana.run, incident))).ok
            (again,) = await grafana.of_incidents()
            assert again["id"] != row["id"]
    assert again["timeEnd"] == milliseconds(NOW)


async def test_the_incidents_of_a_run_stay_within_its_budget(
    grafana: Server, caplog: pytest.LogCaptureFixture, dropped: Dropped
) -> None:
    memory = DictMemory()
    for numbers in ((1, 2, 3), (2, 3, 4)):
        caplog.clear()
        async with a_sink(grafana, memory, budget=2) as sink:
            for number in numbers:
                notice = IncidentChanged(grafana.run, grafana.incident(number))
                assert (await sink.deliver(notice)).ok
            assert (await sink.deliver(RunStarted(grafana.run))).ok
        assert [message for message in caplog.messages if "budget" in message] == [
            f"sink grafana: run {grafana.run.id} has used its 2 annotations: further incidents "
            "are not drawn; raise sinks.grafana.budget if they should be"
        ]
    assert len(await grafana.of_incidents()) == 2
    assert len(await grafana.of_run()) == 1
    assert dropped.reasons() == ["budget"] * 3


async def test_tags_over_the_limit_are_shortened_from_the_least_important(grafana: Server) -> None:
    incident = grafana.incident()
    template = incident.anomalies[0]
    many = tuple(replace(template, service=f"service-<{number}>") for number in range(60))
    incident = replace(incident, anomalies=many)
    async with a_sink(grafana, tags=["team:shop"]) as sink:
        assert (await sink.deliver(IncidentChanged(grafana.run, incident))).ok
    (row,) = await grafana.of_incidents()
    assert {f"incident:{incident.id}", "severity:warning", "team:shop"} <= set(row["tags"])
    assert 300 < len(json.dumps(row["tags"])) <= 500


async def test_a_region_goes_to_the_configured_dashboard_and_panel(grafana: Server) -> None:
    uid = await grafana.dashboard()
    async with a_sink(grafana, dashboard_uid=uid, panel_id=7) as sink:
        await sink.deliver(IncidentChanged(grafana.run, grafana.incident()))
    (row,) = await grafana.of_incidents()
    assert row["panelId"] == 7
    assert row["dashboardId"] > 0
    if grafana.flavour != "7.5":
        assert row["dashboardUID"] == uid


async def test_an_unknown_dashboard_is_said_once_and_the_organisation_gets_the_region(
    grafana: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_sink(grafana, dashboard_uid="nowhere", panel_id=7) as sink:
        for number in range(3):
            notice = IncidentChanged(grafana.run, grafana.incident(number))
            assert (await sink.deliver(notice)).ok
    assert caplog.messages == [
        "sink grafana: has no dashboard nowhere: annotations go to the whole organisation"
    ]
    rows = await grafana.of_incidents()
    assert [(row["dashboardId"] or 0, row["panelId"] or 0) for row in rows] == [(0, 0)] * 3


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_the_verdict_is_a_tag(grafana: Server, outcome: Outcome) -> None:
    async with a_sink(grafana) as sink:
        verdict = a_verdict(grafana.run.id, outcome)
        await sink.deliver(RunFinished(finished(grafana.run), verdict))
    assert len(await grafana.rows(f"verdict:{outcome}")) == 1
