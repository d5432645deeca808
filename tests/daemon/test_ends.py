"""SIGTERM, `kill -9` and errors of ours, in the middle of a run and of an incident."""

from __future__ import annotations

import signal
import sys

import pytest

from anomalyd.exits import BUG
from anomalyd.units import rfc3339
from tests.daemon.process import PROGRAM, fast, serving, spawned, until, with_baseline, written
from tests.fakes.grafana import TOKEN, fake_grafana
from tests.fakes.prometheus import never
from tests.fakes.receiver import receiver


@pytest.fixture
def tree(staging, production, tmp_path):
    made = fast(staging.url, production.url, tmp_path / "state")
    with_baseline(made)
    return made


@pytest.fixture
def config(tree, tmp_path):
    return written(tmp_path / "c.yaml", tree)


async def incident(daemon, run: str, *, is_open: bool):
    """The run's only incident, once it is as asked."""

    def good(_, told) -> bool:
        found = told["incidents"]
        return len(found) == 1 and (found[0]["ended_at"] is None) == is_open

    told = await daemon.answers(f"/api/v1/incidents?run={run}", good)
    return told["incidents"][0]


async def test_sigterm_in_mid_run_keeps_it_for_the_next_start(config, staging):
    async with serving(config) as daemon:
        run = await daemon.start()
        staging.failing["cart"] = 0.5
        opened = await incident(daemon, run, is_open=True)
        assert await daemon.stopped() == 0
        assert not daemon.has_said("Traceback")
    async with serving(config) as daemon:
        await daemon.says("detectors go on from")
        _, status = await daemon.ask(f"/api/v1/runs/{run}")
        assert status["run"]["state"] == "active"
        assert [one["id"] for one in status["incidents"]] == [opened["id"]]
        verdict = await daemon.verdict(run)
        assert await daemon.stopped() == 0
    assert verdict["outcome"] == "fail"
    assert [one["id"] for one in verdict["incidents"]] == [opened["id"]]


def queries(staging):
    """Instant queries that a server was sent: what a tick asks."""
    return sum(path == "query" for path, _ in staging.seen)


async def test_sigterm_while_the_server_is_slow_ends_at_once_and_nothing_piles_up(
    tree, tmp_path, staging
):
    tree["environments"]["staging"]["timeout"] = "60s"
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        run = await daemon.start()
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        staging.trouble = never
        asked = queries(staging)
        await until(lambda: queries(staging) > asked, "staging is asked", daemon)
        for _ in range(10):
            status, _ = await daemon.ask(f"/api/v1/runs/{run}")
            assert status == 200
        assert queries(staging) - asked <= 4
        assert await daemon.stopped() == 0


async def test_sigint_ends_the_daemon_as_sigterm_does(config):
    async with serving(config, program=PROGRAM) as daemon:
        daemon.child.send_signal(signal.SIGINT)
        assert await daemon.ended() == 0


async def test_a_kill_in_mid_incident_doubles_nothing_anywhere(tree, tmp_path, staging):
    async with fake_grafana() as grafana, receiver() as alertmanager:
        tree["sinks"] = {
            "grafana": {"url": grafana.url, "token": TOKEN},
            "alertmanager": {"urls": [alertmanager.url], "resend_delay": "200ms"},
        }
        config = written(tmp_path / "c.yaml", tree)
        async with serving(config) as daemon:
            run = await daemon.start()
            staging.failing["cart"] = 0.5
            opened = await incident(daemon, run, is_open=True)
            await until(lambda: len(grafana.annotations) == 2, "two regions", daemon)
            await until(lambda: bool(alertmanager.received), "an alert", daemon)
            await daemon.killed()
        async with serving(config) as daemon:
            sent = len(alertmanager.received)
            await until(lambda: len(alertmanager.received) > sent + 2, "sent again", daemon)
            staging.failing.clear()
            closed = await incident(daemon, run, is_open=False)
            sent = len(alertmanager.received)
            await until(lambda: len(alertmanager.received) > sent + 2, "resolved again", daemon)
            verdict = await daemon.verdict(run)
            assert await daemon.stopped() == 0
    assert closed["id"] == opened["id"]
    assert verdict["outcome"] == "fail"
    assert [one["id"] for one in verdict["incidents"]] == [opened["id"]]
    regions = list(grafana.annotations.values())
    assert len(regions) == 2
    assert all(region["timeEnd"] > region["time"] for region in regions)
    alerts = [alert for request in alertmanager.received for alert in request.json()]
    assert {alert["labels"]["incident"] for alert in alerts} == {opened["id"]}
    assert len({alert["startsAt"] for alert in alerts}) == 1
    assert alerts[-1]["endsAt"] == alerts[-2]["endsAt"] == rfc3339(closed["ended_at"])


async def test_a_run_whose_report_was_not_written_gets_it_at_the_next_start(config, tmp_path):
    async with serving(config) as daemon:
        run = await daemon.start()
        await daemon.verdict(run)
        await daemon.answers(f"/api/v1/runs/{run}/report.json", lambda status, _: status == 200)
        assert await daemon.stopped() == 0
    report = tmp_path / "state" / "reports" / run / "report.json"
    report.unlink()
    async with serving(config) as daemon:
        path = f"/api/v1/runs/{run}/report.json"
        told = await daemon.answers(path, lambda status, _: status == 200)
        assert told["run"]["id"] == run
    assert report.exists()


BUGS = {
    "in the pipeline": "from anomalyd import pipeline as p; p.Pipeline.process = broken",
    "in a source": "from anomalyd.sources.prometheus import PrometheusSource as p; p.run = broken",
    "in a sink": "from anomalyd.sinks.log import Log as p; p.deliver = broken",
    "in the reports": "from anomalyd import reports as p; p.render = broken",
    "in the upkeep": "from anomalyd import upkeep as p; p.refit_apart = broken",
}


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
async def test_an_error_of_ours_ends_the_process_with_a_traceback(tree, tmp_path, bug):
    tree["baseline"] = {"refresh": "1s"}
    config = written(tmp_path / "c.yaml", tree)
    broken = "def broken(*_, **__): raise ZeroDivisionError('a bug')"
    code = f"{broken}\n{bug}\nfrom anomalyd import cli\ncli.main()"
    program = (sys.executable, "-c", code)
    async with spawned("serve", "-c", str(config), program=program) as process:
        await process.says("listening on ")
        line = next(line for line in process.said if "listening on " in line)
        process.url = line.rpartition("listening on ")[2].strip()
        if "sinks" in bug or "reports" in bug:
            await process.answers("/-/ready", lambda status, _: status == 200)
            run = await process.start()
            await process.ask(f"/api/v1/runs/{run}/stop", "POST")
        assert await process.ended() == BUG, process.said
    assert process.has_said("ZeroDivisionError: a bug")
    assert process.has_said("Traceback")
