"""Reloads: valid, not valid, refused by a server, at once, and in mid-run."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.daemon.process import fast, serving, until, with_baseline, written
from tests.fakes.prometheus import refuse
from tests.fakes.receiver import receiver


@pytest.fixture
def tree(staging, production, tmp_path):
    made = fast(staging.url, production.url, tmp_path / "state")
    with_baseline(made)
    return made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.yaml"


async def signals(daemon) -> set[str]:
    _, told = await daemon.ask("/api/v1/series")
    return {row["signal"] for row in told["series"]}


async def test_a_reload_applies_signals_and_a_run_goes_on(tree, path, staging):
    async with serving(written(path, tree)) as daemon:
        run = await daemon.start()
        staging.failing["cart"] = 0.5
        await daemon.answers(f"/api/v1/incidents?run={run}", lambda _, told: told["total"] == 1)
        tree["signals"]["custom"].append(
            {"name": "extra", "kind": "other", "gauge": "latency_seconds"}
        )
        written(path, tree)
        assert await daemon.ask("/-/reload", "POST") == (200, {"status": "reloaded"})
        await daemon.answers("/api/v1/series", lambda _, told: "extra" in str(told))
        verdict = await daemon.verdict(run)
    assert verdict["outcome"] == "fail"
    assert len(verdict["incidents"]) == 1


async def test_a_reload_by_sighup_applies_sinks(tree, path, staging):
    async with receiver() as hook, serving(written(path, tree)) as daemon:
        run = await daemon.start()
        tree["sinks"] = {"webhook": {"url": hook.url}}
        written(path, tree)
        daemon.child.send_signal(signal.SIGHUP)
        staging.failing["cart"] = 0.5
        await until(lambda: bool(hook.received), "the webhook is told", daemon)
        await daemon.verdict(run)


async def test_what_waits_for_a_sink_outlives_a_reload(tree, path):
    async with receiver() as hook:
        tree["sinks"] = {"webhook": {"url": hook.url}}
        hook.answer = (503, "", {})
        async with serving(written(path, tree)) as daemon:
            run = await daemon.start()
            await until(lambda: bool(hook.received), "the webhook is tried", daemon)
            assert (await daemon.ask("/-/reload", "POST"))[0] == 200
            hook.answer = (200, "", {})
            before = len(hook.received)
            await until(lambda: len(hook.received) > before, "it is tried again", daemon)
    told = hook.received[before].json()
    assert (told["type"], told["run"]["id"]) == ("run.started", run)


NOT_VALID = {
    "an unknown setting": ({"stepp": "1s"}, "stepp"),
    "a wrong unit": ({"step": "fast"}, "step"),
    "a wrong signal": ({"signals": {"custom": [{"name": "x"}]}}, "signals.custom.0"),
}


async def test_what_is_not_valid_is_named_and_the_old_configuration_stays(tree, path):
    async with serving(written(path, tree)) as daemon:
        run = await daemon.start()
        await daemon.answers("/api/v1/series", lambda _, told: told["total"] == 7)
        before = await signals(daemon)
        for what, (change, place) in NOT_VALID.items():
            written(path, {**tree, **change})
            status, told = await daemon.ask("/-/reload", "POST")
            assert (status, told["error"]["code"]) == (400, "config_invalid"), what
            assert any(error.startswith(place) for error in told["error"]["errors"]), what
            assert await signals(daemon) == before
        daemon.child.send_signal(signal.SIGHUP)
        await daemon.says("the configuration is kept as it was: ")
        assert await signals(daemon) == before
        assert (await daemon.ask(f"/api/v1/runs/{run}"))[1]["run"]["state"] != "finished"
        assert (await daemon.ask("/-/ready"))[0] in (200, 503)


async def test_a_configuration_that_a_server_refuses_is_not_kept(tree, path, production):
    production.trouble = refuse(401)
    production.troubled = lambda query: query == "vector(1)"
    async with serving(written(path, tree)) as daemon:
        run = await daemon.start()
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        environments = {**tree["environments"], "staging": {"url": production.url}}
        written(path, {**tree, "environments": environments})
        status, told = await daemon.ask("/-/reload", "POST")
        assert (status, told["error"]["code"]) == (400, "config_invalid")
        assert "HTTP 401" in told["error"]["errors"][0]
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        assert (await daemon.ask(f"/api/v1/runs/{run}"))[1]["run"]["state"] != "finished"


async def test_a_token_whose_file_was_rewritten_counts_from_the_next_reload_on(
    tree, path, tmp_path
):
    token = tmp_path / "token"
    token.write_text("old\n")
    tree["api"] = {"listen": "127.0.0.1:0", "token_file": str(token)}
    async with serving(written(path, tree)) as daemon:
        daemon.token = "old"
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        token.write_text("new\n")
        assert (await daemon.ask("/api/v1/runs"))[0] == 200
        daemon.child.send_signal(signal.SIGHUP)
        await daemon.answers("/api/v1/runs", lambda status, _: status == 401)
        daemon.token = "new"
        assert (await daemon.ask("/api/v1/runs"))[0] == 200
        token.write_text("")
        assert (await daemon.ask("/-/reload", "POST"))[0] == 400
        assert (await daemon.ask("/api/v1/runs"))[0] == 200


async def test_reloads_at_once_are_applied_one_after_another(tree, path):
    async with serving(written(path, tree)) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        answers = await asyncio.gather(*(daemon.ask("/-/reload", "POST") for _ in range(5)))
        assert [status for status, _ in answers] == [200] * 5
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        assert await daemon.stopped() == 0


async def test_a_stop_during_a_reload_ends_the_daemon(tree, path, staging):
    async with serving(written(path, tree)) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        tree["step"] = "500ms"
        written(path, tree)
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
            daemon.child.send_signal(number)
        assert await daemon.ended() == 0
        assert not daemon.has_said("Traceback")


async def test_what_takes_a_restart_is_said(tree, path):
    async with serving(written(path, tree)) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        tree["state_dir"] += "-other"
        written(path, tree)
        assert (await daemon.ask("/-/reload", "POST"))[0] == 200
        assert daemon.has_said("state_dir has changed; that takes a restart")


async def test_each_setting_that_takes_a_restart_is_named_and_the_log_level_is_applied(tree, path):
    async with serving(written(path, tree)) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        tree["api"] = {**tree["api"], "external_url": "http://elsewhere:1"}
        tree["telemetry"] = {"watch": ["cart.*"], "series": 7}
        tree["log_level"] = "error"
        written(path, tree)
        assert (await daemon.ask("/-/reload", "POST"))[0] == 200
        await daemon.says("log_level is error from here on")
        named = [line for line in daemon.said if "that takes a restart" in line]
        assert [line.split(": ")[1].split()[0] for line in named] == [
            "api.external_url",
            "telemetry.watch",
            "telemetry.series",
        ]
        tree["state_dir"] += "-other"
        written(path, tree)
        assert (await daemon.ask("/-/reload", "POST"))[0] == 200
        assert not daemon.has_said("state_dir has changed")
