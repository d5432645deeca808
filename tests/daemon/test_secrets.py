"""Secrets reach the servers that they are for, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

from anomalyd.assembly import digest
from anomalyd.config import parse
from tests.daemon.process import fast, serving, until, with_baseline, written
from tests.fakes.grafana import fake_grafana
from tests.fakes.receiver import receiver

SECRETS = {
    "staging": "hush-staging-bearer",
    "production": "hush-production-password",
    "api": "hush-api-token",
    "grafana": "hush-grafana-token",
    "webhook": "hush-webhook-key",
}
PATHS = (
    "/-/healthy",
    "/-/ready",
    "/metrics",
    "/",
    "/runs/{run}",
    "/api/v1/runs",
    "/api/v1/runs/{run}",
    "/api/v1/runs/{run}/verdict",
    "/api/v1/runs/{run}/report.json",
    "/api/v1/series",
    "/api/v1/incidents",
    "/api/v1/silences",
)


def command_lines(parent: int) -> set[str]:
    """Of the processes that `parent` started and that live now."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = (process / "stat").read_text()
            if int(stat.rpartition(")")[2].split()[1]) == parent:
                found.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


async def watch_children(parent: int, into: set[str]) -> None:
    while True:
        into |= command_lines(parent)
        await asyncio.sleep(0.02)


async def test_secrets_are_in_no_log_answer_report_or_argument(staging, production, tmp_path):
    state = tmp_path / "state"
    tree = fast(staging.url, production.url, state, log_level="debug")
    with_baseline(tree)
    (state / "baseline.npz").unlink()
    tree["baseline"] = {"refresh": "1s", "days": 0.01, "step": "1s"}
    tree["reports"] = {"formats": ["json", "html"]}
    auth = tree["environments"]
    auth["staging"]["auth"] = {"bearer": SECRETS["staging"]}
    auth["production"]["auth"] = {"basic": {"username": "us", "password": SECRETS["production"]}}
    tree["api"]["token"] = SECRETS["api"]
    children: set[str] = set()
    async with receiver() as hook, fake_grafana() as grafana:
        tree["sinks"] = {
            "grafana": {"url": grafana.url, "token": SECRETS["grafana"]},
            "webhook": {"url": hook.url, "token": SECRETS["webhook"]},
        }
        config = written(tmp_path / "c.yaml", tree)
        async with serving(config) as daemon, asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(
                watch_children(daemon.child.pid, children), name="children"
            )
            await until(lambda: any("baseline fit" in one for one in children), "a fit", daemon)
            daemon.token = SECRETS["api"]
            run = await daemon.start()
            await daemon.verdict(run)
            report = f"/api/v1/runs/{run}/report.html"
            html = await daemon.answers(report, lambda status, _: status == 200)
            answers = [str(await daemon.ask(path.format(run=run))) for path in PATHS]
            assert await daemon.stopped() == 0
            watching.cancel()
        said = "\n".join([*daemon.said, *daemon.out])
        asked_with = [request.headers for request in hook.received]
    everywhere = {
        "the log": said,
        "answers": "\n".join([*answers, html]),
        "arguments": "\n".join(children),
        "files": "\n".join(
            path.read_bytes().decode(errors="replace")
            for path in state.rglob("*")
            if path.is_file()
        ),
        "webhook": str(asked_with),
    }
    assert any("anomalyd.report" in one for one in children)
    for place, text in everywhere.items():
        for secret in SECRETS.values():
            assert secret not in text, place
    tokens = {headers.get("Authorization", "") for headers in staging.headers}
    assert f"Bearer {SECRETS['staging']}" in tokens
    assert all(
        headers.get("Authorization", "").startswith("Basic ") for headers in production.headers
    )


async def test_the_digest_of_a_configuration_is_not_of_its_secrets(staging, tmp_path):
    tree = fast(staging.url, None, tmp_path / "state")
    digests = set()
    for secret in ("one", "two"):
        tree["environments"]["staging"]["auth"] = {"bearer": secret}
        digests.add(digest(parse(tree)))
    assert len(digests) == 1


async def test_an_overridden_secret_is_not_in_the_arguments_of_the_fit(
    staging, production, tmp_path
):
    tree = fast(staging.url, production.url, tmp_path / "state")
    with_baseline(tree)
    (tmp_path / "state" / "baseline.npz").unlink()
    override = "environments.production.auth.bearer=hush-override"
    config = written(tmp_path / "c.yaml", tree)
    children: set[str] = set()
    async with (
        serving(config, more=("--set", override)) as daemon,
        asyncio.TaskGroup() as tasks,
    ):
        watching = tasks.create_task(watch_children(daemon.child.pid, children), name="children")
        await until(lambda: any("baseline fit" in one for one in children), "a fit", daemon)
        await until(
            lambda: any(
                form.get("Authorization") == "Bearer hush-override" for form in production.headers
            ),
            "the override is used",
            daemon,
        )
        watching.cancel()
    assert not any("hush" in one for one in children)
