"""A small daemon behind the API: the real life cycle and store, with a clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from anomalyd import accepting
from anomalyd.api.access import Access
from anomalyd.api.app import create_app
from anomalyd.api.control import NotReady, ReportFormat, RunStatus, SeriesPage, SeriesRow
from anomalyd.api.hub import Hub, finished_event, incident_event, run_event
from anomalyd.api.paging import select
from anomalyd.api.server import serve
from anomalyd.config import ConfigError
from anomalyd.model import (
    Became,
    Edge,
    Enrichment,
    Incident,
    Labels,
    Outcome,
    RecordedOutcome,
    Run,
    RunState,
    Verdict,
)
from anomalyd.push import Receiver
from anomalyd.risk.calibration import Enough
from anomalyd.risk.evidence import Evidence
from anomalyd.risk.reliability import Reliability, reliability
from anomalyd.risk.score import assess
from anomalyd.runs import outcomes
from anomalyd.runs.acceptance import Asked, Undone
from anomalyd.runs.life import Lifecycle, Rules, UnknownRun
from anomalyd.runs.silences import Silence
from anomalyd.runs.store import Store
from tests.runs import samples

START = 1_800_000_000.0
FILES = {
    "json": "report.json",
    "junit": "junit.xml",
    "markdown": "report.md",
    "html": "report.html",
}


class Daemon:
    """Implements `Control`; a test moves `clock` and calls `tick`."""

    def __init__(self, directory: Path, label: str | None = None) -> None:
        self.clock = START
        self.store = Store.open(directory / "anomalyd.db")
        self.reports = directory / "reports"
        self.hub = Hub(size=8)
        self.lifecycle = Lifecycle(Rules(60.0, 30.0, 3600.0, label))
        self.reasons_not_ready: list[str] = []
        self.reasons_degraded: list[str] = []
        self.reload_errors: list[str] = []
        self.reloads = 0
        self.needed = Enough()
        self.known_edges: list[Edge] = []
        self.receivers: dict[str, Receiver] | None = {}
        self.keys = [f'latency{{service="s{number}"}}' for number in range(25)]

    def tick(self, passed: float = 0.0) -> None:
        """Let time pass, and finish what is due with a failing verdict."""
        self.clock += passed
        for change in self.lifecycle.tick(self.clock):
            if change.run.state is RunState.FINISHED:
                self.finish(change.run)
            else:
                self.store.save_run(change.run)
                self.hub.publish(run_event(change.run, change.reason))

    def finish(self, run: Run) -> None:
        verdict = samples.verdict(run.id)
        verdict = replace(verdict, risk=assess(Evidence(verdict)))
        directory = self.reports / run.id
        directory.mkdir(parents=True)
        for form, name in FILES.items():
            (directory / name).write_text(f"{form} of {run.id}")
        self.store.save_verdict(run, verdict, self.clock, directory)
        self.hub.publish(finished_event(run, verdict))

    def open_incident(self, run_id: str, incident_id: str = "i1") -> Incident:
        incident = samples.incident(incident_id, run_id)
        self.store.save_incident(incident)
        self.hub.publish(incident_event(incident))
        return incident

    def start_run(self, name: str, selector: str, labels: Mapping[str, str]) -> Run:
        run = self.lifecycle.start(name, self.clock, "api", selector, Labels.of(labels))
        self.store.save_run(run)
        return run

    def stop_run(self, run_id: str) -> Run:
        known = self._known(run_id)
        if known.state is RunState.FINISHED:
            return known
        run = self.lifecycle.stop(run_id, self.clock)
        self.store.save_run(run)
        self.hub.publish(run_event(run, "stopped"))
        return run

    def add_note(self, run_id: str, text: str) -> Run:
        self._known(run_id)
        self.store.add_note(run_id, text, self.clock)
        return self._known(run_id)

    def accept_run(self, run_id: str, asked: Asked) -> Run:
        (self.store.directory / "recordings" / run_id).mkdir(parents=True, exist_ok=True)
        return accepting.accept(self.store, 0.25, run_id, asked, self.clock)

    def undo_accept(self, run_id: str, what: Undone) -> Run:
        return accepting.undo(self.store, run_id, what)

    def acceptance(self, run_id: str) -> Mapping[str, object]:
        return accepting.told(self.store, run_id)

    def record_outcome(self, run_id: str, became: Became, note: str) -> RecordedOutcome:
        return outcomes.record(self.store, run_id, became, self.clock, note)

    def undo_outcome(self, run_id: str) -> RecordedOutcome | None:
        return outcomes.undo(self.store, run_id)

    def outcomes(self) -> Sequence[RecordedOutcome]:
        return self.store.outcomes()

    def reliability(self) -> Reliability:
        return reliability(self.store.outcomes(), self.needed)

    def accepted(self) -> Sequence[str]:
        return self.store.accepted()

    def runs(self, limit: int) -> Sequence[Run]:
        return self.store.runs(limit)

    def outcome(self, run_id: str) -> Outcome | None:
        return self.store.outcome(run_id)

    def status(self, run_id: str) -> RunStatus:
        run = self._known(run_id)
        verdict = self.store.verdict(run_id)
        return RunStatus(
            run=run,
            elapsed=(run.stopped_at or self.clock) - run.started_at,
            phase="steady",
            coverage=verdict.coverage if verdict else None,
            incidents=tuple(i for i in self.store.incidents(run_id) if i.open),
            likely=verdict.outcome if verdict else None,
            reasons=verdict.reasons if verdict else (),
            accepted=run_id in self.store.accepted(),
            risk=verdict.risk if verdict else None,
            became=outcomes.became(self.store, run_id),
        )

    def enrichments(self, run_id: str | None) -> Sequence[Enrichment]:
        return self.store.enrichments(run_id)

    def edges(self) -> Sequence[Edge]:
        return self.known_edges

    def verdict(self, run_id: str) -> Verdict | None:
        return self.store.verdict(run_id)

    def report(self, run_id: str, form: ReportFormat) -> Path | None:
        directory = self.store.report_dir(run_id)
        return directory / FILES[form] if directory else None

    async def recording(self, run_id: str) -> bytes | None:
        return b"recorded" if self._known(run_id).state is RunState.FINISHED else None

    def incidents(self, run_id: str | None) -> Sequence[Incident]:
        return self.store.incidents(run_id)

    def series(self, match: str, offset: int, limit: int) -> SeriesPage:
        chosen, total = select(self.keys, match, offset, limit)
        return SeriesPage(tuple(self._row(index) for index in chosen), total)

    def silences(self) -> Sequence[Silence]:
        return self.store.silences(self.clock)

    def add_silence(self, silence: Silence) -> None:
        self.store.add_silence(silence)

    def delete_silence(self, silence_id: str) -> bool:
        return self.store.delete_silence(silence_id)

    def now(self) -> float:
        return self.clock

    def degraded(self) -> Sequence[str]:
        return self.reasons_degraded

    def unready(self) -> Sequence[str]:
        return self.reasons_not_ready

    async def reload(self) -> None:
        if self.reload_errors:
            raise ConfigError(self.reload_errors)
        self.reloads += 1

    def metrics(self) -> bytes:
        return b"anomalyd_ticks_total 3\n"

    def receiver(self, section: str) -> Receiver | None:
        if self.receivers is None:
            raise NotReady("the configuration is being applied")
        return self.receivers.get(section)

    def _known(self, run_id: str) -> Run:
        run = self.store.run(run_id)
        if run is None:
            raise UnknownRun(f"there is no run {run_id}")
        return run

    def _row(self, index: int) -> SeriesRow:
        labels = Labels.of({"service": f"s{index}"})
        nan = float("nan")
        return SeriesRow(
            "r1",
            self.keys[index],
            "latency",
            labels,
            f"s{index}",
            "s",
            "ok",
            0.1,
            nan,
            nan,
            nan,
            0.5,
        )


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for a condition that the event loop will bring about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@dataclass
class Served:
    """A daemon with its API listening, and a session that knows no token."""

    daemon: Daemon
    url: str
    port: int
    http: aiohttp.ClientSession

    async def call(self, method: str, path: str, json=None, **options):
        """Status and decoded JSON of an answer (None where it has none)."""
        async with self.http.request(method, self.url + path, json=json, **options) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else None


@asynccontextmanager
async def served(
    daemon: Daemon,
    token: str | None = None,
    heartbeat: float = 15.0,
    listen: str = "127.0.0.1:0",
    external_url: str | None = None,
):
    """The daemon's API on a free port; `listen` is the address that it believes to have."""
    app = create_app(
        daemon,
        daemon.hub,
        Access(listen, token, external_url),
        heartbeat_seconds=heartbeat,
    )
    async with serve(app, "127.0.0.1:0") as (host, port), aiohttp.ClientSession() as http:
        yield Served(daemon, f"http://{host}:{port}", port, http)
