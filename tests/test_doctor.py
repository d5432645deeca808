"""The doctor: what it says of healthy systems, and what it tells to mend of the others."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from anomalyd import config, doctor
from anomalyd.checks import Check, Status
from anomalyd.model import Labels
from anomalyd.sources.seen import Seen
from tests.fakes import traces
from tests.fakes.jaeger import FakeJaeger
from tests.fakes.jaeger_store import FakeJaegerStore
from tests.fakes.loki import FakeLoki
from tests.fakes.prometheus import FakePrometheus, error, refuse, serve, vector
from tests.fakes.receiver import serving
from tests.fakes.tempo import FakeTempo
from tests.fakes.tempo_metrics import FakeTempoMetrics
from tests.servers import free_port

REQUESTS = "http_requests_total"
SERVICES = {
    "staging": ["cart", "web"],
    "production": ["cart", "web"],
}


class World:
    """Two environments that answer any query with one value per service of `services`."""

    def __init__(self) -> None:
        self.services = {name: list(found) for name, found in SERVICES.items()}
        self.fakes = {name: self._fake(name) for name in SERVICES}
        self.settings: dict[str, Any] = {}

    def _fake(self, name: str) -> FakePrometheus:
        fake = FakePrometheus(
            metrics={REQUESTS: ["service", "code"]},
            targets=[{"labels": {}, "scrapeInterval": "15s"}],
        )
        fake.troubled = lambda query: REQUESTS in query

        async def services(request: web.Request, form: dict[str, str]) -> web.StreamResponse:
            series = [
                ({"service": one} if one else {"pod": "x"}, 1.0) for one in self.services[name]
            ]
            return fake._ok(vector(*series))

        fake.trouble = services
        return fake

    async def examine(self) -> list[Check]:
        async with AsyncExitStack() as stack:
            for fake in self.fakes.values():
                await stack.enter_async_context(serve(fake))
            tree = {
                "environments": {
                    name: {"url": fake.url, "timeout": "500ms"} for name, fake in self.fakes.items()
                },
                "signals": {"presets": ["http"]},
                **self.settings,
            }
            return await doctor.examine(config.parse(tree))


def of(checks: list[Check], subject: str) -> Check:
    found = [check for check in checks if check.subject == subject]
    assert len(found) == 1, f"{subject}: {checks}"
    return found[0]


async def test_two_healthy_environments_leave_nothing_to_mend() -> None:
    checks = await World().examine()
    assert [check for check in checks if check.status is not Status.OK] == []
    staging = of(checks, "staging")
    assert "Prometheus 2.42.0" in staging.detail
    assert "scraped every 15s" in staging.detail
    assert of(checks, "signal request_rate").detail == (
        "2 in staging, 2 in production, 2 with a partner"
    )
    assert not doctor.failed(checks)
    assert doctor.render(checks).endswith("Nothing to mend.\n")


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (refuse(401), "check auth"),
        (refuse(403), "permission"),
        (refuse(404), "path of the url"),
        (refuse(503), "HTTP 503"),
    ],
)
async def test_an_environment_that_refuses_us_fails_and_the_other_is_still_examined(
    trouble: Any, says: str
) -> None:
    world = World()
    world.fakes["production"].trouble = trouble
    world.fakes["production"].troubled = lambda query: True
    checks = await world.examine()
    production = of(checks, "production")
    assert production.status is Status.FAIL
    assert says in production.detail
    assert production.mend == "correct environments.production"
    assert of(checks, "signal request_rate").detail == "2 in staging series"


async def test_a_clock_that_is_off_fails() -> None:
    world = World()
    world.fakes["production"].skew = -90.0
    checks = await world.examine()
    clock = of(checks, "production clock")
    assert (clock.status, clock.mend) == (Status.FAIL, "synchronise both with NTP")
    assert "1m30s behind ours" in clock.detail


@pytest.mark.parametrize(
    ("staging", "production", "status", "says"),
    [
        (["cart"], ["cart", "web"], Status.WARN, 'staging lacks request_rate{service="web"}'),
        (["cart", "new"], ["cart"], Status.WARN, 'production lacks request_rate{service="new"}'),
        (["cart-v2"], ["cart"], Status.FAIL, "0 with a partner"),
        ([], ["cart"], Status.WARN, "staging has none of it"),
        ([], [], Status.WARN, "matches nothing"),
    ],
)
async def test_series_without_a_partner_are_listed_with_what_to_mend(
    staging: list[str], production: list[str], status: Status, says: str
) -> None:
    world = World()
    world.services = {"staging": staging, "production": production}
    check = of(await world.examine(), "signal request_rate")
    assert check.status is status
    assert says in check.detail
    assert check.mend


async def test_series_that_fall_through_identity_are_counted() -> None:
    world = World()
    world.services["staging"].append("")
    checks = [c for c in await world.examine() if c.subject == "signal request_rate"]
    assert "1 series in staging carry no identity label" in checks[-1].detail
    assert "identity.service" in checks[-1].mend


async def test_a_signal_whose_query_fails_is_named() -> None:
    world = World()

    async def broken(request: web.Request, form: dict[str, str]) -> web.StreamResponse:
        return error(422, "execution", "too many samples")

    world.fakes["production"].trouble = broken
    check = of(await world.examine(), "signal request_rate")
    assert check.status is Status.FAIL
    assert "too many samples" in check.detail


async def test_no_production_no_load_and_no_signals_are_said() -> None:
    fake = FakePrometheus()
    async with serve(fake):
        tree = {"environments": {"staging": {"url": fake.url}}}
        checks = await doctor.examine(config.parse(tree))
    assert of(checks, "production").status is Status.WARN
    assert of(checks, "load").mend.startswith("set load.rate")
    assert of(checks, "signals").status is Status.FAIL
    assert doctor.failed(checks)


def closed_port() -> str:
    return f"http://127.0.0.1:{free_port()}"


async def test_a_scraped_environment_is_told_target_by_target() -> None:
    async def metrics(request: web.Request) -> web.Response:
        return web.Response(
            text='# TYPE http_requests counter\nhttp_requests_total{service="a"} 5\n'
        )

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    down = closed_port()
    async with serving(app) as url:
        targets = [{"url": f"{url}/metrics"}, {"url": f"{down}/metrics"}]
        tree = {"environments": {"staging": {"scrape": {"targets": targets}}}}
        checks = await doctor.examine(config.parse(tree))
    staging = [check for check in checks if check.subject == "staging"]
    assert [check.status for check in staging] == [Status.OK, Status.FAIL]
    assert down in staging[1].detail
    assert of(checks, "signal request_rate").detail == "1 in staging series"


async def test_a_pushed_environment_is_told_by_what_the_daemon_kept_of_it(tmp_path: Path) -> None:
    tree = {"environments": {"staging": {"remote_write": {}}}, "state_dir": str(tmp_path)}
    waiting, *_ = await doctor.examine(config.parse(tree))
    assert (waiting.subject, waiting.status) == ("staging pushed", Status.WARN)
    assert "nothing that signals need was pushed to /api/v1/write/staging" in waiting.detail
    seen = Seen(tmp_path / "pushed" / "staging-remote_write.json", {REQUESTS}.__contains__)
    seen.add(Labels.of({"__name__": REQUESTS, "service": "cart", "code": "200"}), 1.0)
    seen.save_if_due(1.0)
    found = await doctor.examine(config.parse(tree))
    assert (found[0].status, found[0].detail) == (
        Status.OK,
        "1 metrics that signals need were seen",
    )
    assert of(found, "signals").status is Status.OK


async def test_a_secret_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "token"
    tree = {"environments": {"staging": {"url": "http://x", "auth": {"bearer_file": missing}}}}
    (check,) = await doctor.examine(config.parse(tree))
    assert check.subject == "environments.staging"
    assert check.detail == f"{missing}: No such file or directory"


CHECKS = [
    Check("staging", Status.OK, "fine"),
    Check("load", Status.WARN, "unknown", "set load.rate"),
    Check("production", Status.FAIL, "away", "start it"),
]


def test_the_text_ends_with_what_to_mend_worst_first() -> None:
    assert doctor.render(CHECKS) == (
        "ok    staging     fine\n"
        "warn  load        unknown\n"
        "fail  production  away\n"
        "\n"
        "To mend:\n"
        "  production: start it\n"
        "  load: set load.rate\n"
    )


def test_the_json_has_every_check() -> None:
    told = json.loads(json.dumps(doctor.as_json(CHECKS)))
    assert told["ok"] is False
    assert told["checks"][2] == {
        "subject": "production",
        "status": "fail",
        "detail": "away",
        "mend": "start it",
    }


async def test_what_keeps_traces_and_log_lines_is_reached_or_named() -> None:
    world = World()
    async with traces.serve(FakeTempo()) as tempo, traces.serve(FakeLoki(tenant="shop")) as loki:
        world.settings = {"enrich": {"tempo": {"url": tempo.url}, "loki": {"url": loki.url}}}
        checks = await world.examine()
        assert of(checks, "enrich.tempo").detail == f"Tempo at {tempo.url}"
        refused = of(checks, "enrich.loki")
        assert (refused.status, refused.mend) == (Status.FAIL, "correct enrich.loki")
        assert "HTTP 401" in refused.detail
    async with traces.serve(FakeJaeger()) as jaeger:
        world.settings = {"enrich": {"jaeger": {"url": jaeger.url}}}
        checks = await world.examine()
        assert of(checks, "enrich.jaeger").detail == f"Jaeger at {jaeger.url}, by its /api"


async def test_an_environment_that_is_sent_spans_has_nothing_to_be_reached(tmp_path) -> None:
    tree = {"environments": {"staging": {"otlp": {}}}, "state_dir": str(tmp_path)}
    checks = await doctor.examine(config.parse(tree))
    (found,) = [check for check in checks if check.subject == "staging pushed"]
    assert (found.status, found.detail) == (Status.OK, "spans are measured as they come")


def tempo_tree(url: str, state: Path) -> dict[str, Any]:
    tempo = {"tempo": {"url": url}}
    presets = {"presets": ["http"]}
    return {
        "environments": {"staging": tempo, "production": tempo},
        "signals": presets,
        "window": "30s",
        "state_dir": str(state),
    }


@pytest.mark.parametrize(
    ("settings", "subject", "status", "told"),
    [
        ({}, "staging tempo", Status.OK, "Tempo 2.9.0"),
        ({"local_blocks": False}, "staging tempo", Status.FAIL, "add local-blocks to metrics_gen"),
        ({"flushed": False}, "production tempo", Status.FAIL, "are found but not counted"),
        ({"tenant": "shop"}, "staging tempo", Status.FAIL, "check auth and headers (HTTP 401)"),
        ({}, "judgement.settle", Status.WARN, "the last 1m15s of a run are counted after it"),
    ],
)
async def test_of_a_tempo_it_says_what_is_on_and_what_is_to_be_set(
    settings, subject, status, told, tmp_path
) -> None:
    now = 1_800_000_000.0
    spans = [traces.Span(f"{at}", "cart", start=now - at) for at in (60, 70, 9000, 10000)]
    async with traces.serve(FakeTempoMetrics(spans, now=now, **settings)) as tempo:
        made = config.parse(tempo_tree(tempo.url, tmp_path))
        checks = await doctor.examine(made, lambda: now)
    found = [c for c in checks if (c.subject, c.status) == (subject, status)]
    assert any(told in check.detail for check in found), checks


@pytest.mark.parametrize(
    ("settings", "subject", "status", "told"),
    [
        ({}, "staging jaeger", Status.OK, "Jaeger by its /api, "),
        ({"flavour": "v3"}, "staging jaeger", Status.OK, "by its /api/v3"),
        ({"spm": True}, "production jaeger history", Status.OK, "is read by its own metrics (SPM)"),
        ({}, "production jaeger history", Status.OK, "no metrics (SPM) of it"),
        ({"spans": []}, "staging jaeger", Status.WARN, "it knows no service"),
        ({"authorization": "Bearer t"}, "staging jaeger", Status.FAIL, "(HTTP 401)"),
    ],
)
async def test_of_a_jaeger_it_says_which_api_it_has_and_where_its_history_is(
    settings, subject, status, told, tmp_path
) -> None:
    now = 1_800_000_000.0
    spans = [traces.Span(f"{n:032x}", "cart", start=now - n, id=f"{n:016x}") for n in (30, 40)]
    async with traces.serve(FakeJaegerStore(**{"spans": spans, **settings})) as jaeger:
        tree = tempo_tree("", tmp_path)
        kept = {"jaeger": {"url": jaeger.url}}
        tree["environments"] = {"staging": kept, "production": kept}
        checks = await doctor.examine(config.parse(tree), lambda: now)
    found = [c for c in checks if (c.subject, c.status) == (subject, status)]
    assert any(told in check.detail for check in found), checks


async def test_what_would_fail_a_run_that_began_now_is_named() -> None:
    def down(query: str, time: float) -> list[tuple[dict[str, str], str | float]]:
        labels = {"service": "cart", "instance": "10.0.0.1:80"}
        if query.startswith("(timestamp(up"):
            return [(labels, time - float(query.partition(" - ")[2].partition(")")[0]))]
        return [(labels, 0.0)] if query.startswith("up") else []

    world = World()
    world.fakes["staging"].ranges = down
    check = of(await world.examine(), "targets cart")
    assert check.status is Status.FAIL
    assert "cart is down at 10.0.0.1:80 since" in check.detail
    assert check.mend


async def test_a_probe_is_asked_though_staging_is_away() -> None:
    world = World()
    world.fakes["staging"].trouble = refuse(503)
    world.fakes["staging"].troubled = lambda query: True
    async with serving(web.Application()) as url:
        world.settings = {"deployment": {"probes": [{"url": f"{url}/healthz"}]}}
        checks = await world.examine()
    assert of(checks, "staging").status is Status.FAIL
    probe = of(checks, f"probe {url}/healthz")
    assert (probe.status, "404" in probe.detail) == (Status.FAIL, True)


async def test_a_state_directory_that_cannot_be_written_fails(tmp_path: Path) -> None:
    world, file = World(), tmp_path / "file"
    file.touch()
    world.settings = {"state_dir": str(file / "state")}
    found = of(await world.examine(), "state_dir")
    assert (found.status, found.detail) == (
        Status.FAIL,
        f"{file} cannot be written: Not a directory",
    )
    world.settings = {"state_dir": str(tmp_path / "a" / "b")}
    found = of(await world.examine(), "state_dir")
    assert (found.status, tmp_path.joinpath("a").exists()) == (Status.OK, False)


async def test_a_state_directory_that_cannot_even_be_looked_for_fails(tmp_path: Path) -> None:
    world, place = World(), tmp_path / ("s" * 300)
    world.settings = {"state_dir": str(place)}
    found = of(await world.examine(), "state_dir")
    assert found.status is Status.FAIL
    assert found.detail == f"{place} cannot be written: File name too long"
