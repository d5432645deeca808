"""Notes of a run are in every report that people read, with what was added while it was judged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from anomalyd import reports
from anomalyd.config import parse
from anomalyd.model import Outcome, Verdict
from anomalyd.report import process
from anomalyd.report.html import html
from anomalyd.report.markdown import markdown
from anomalyd.report.terminal import terminal
from anomalyd.report.views import NOTES
from anomalyd.reports import Reporter
from anomalyd.running import Finished
from anomalyd.runs.store import Store
from tests.report import samples


@pytest.mark.parametrize(
    "render", [html, markdown, lambda document: terminal(document, color=False)]
)
def test_notes_are_shown_with_the_moment_up_to_which_they_were_taken(render):
    document = samples.passing()
    document["run"]["notes"] = ["cache was cold"]
    assert NOTES in render(document)
    assert "cache was cold" in render(document)
    document["run"]["notes"] = []
    assert NOTES not in render(document)


def test_very_many_notes_stay_a_short_comment():
    document = samples.passing()
    document["run"]["notes"] = [f"note {i}" for i in range(300)]
    assert "and 280 more" in markdown(document)
    assert len(markdown(document)) < 6000


@dataclass
class Desk:
    """A run that ended, its store, and the reporter that is to write its report."""

    store: Store
    reporter: Reporter
    ended: Finished
    path: Path
    written: list[Path]

    def note(self, text: str) -> None:
        self.store.add_note(self.ended.run.id, text, samples.START + 1300)

    async def writes(self) -> dict[str, Any]:
        """The report, once all that was put is written."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self.reporter.run(), name="reports")
            await self.reporter.join()
            writing.cancel()
        return json.loads(self.path.read_text("utf-8"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    config = parse(
        {
            "environments": {"staging": {"url": "http://localhost:9090"}},
            "state_dir": str(tmp_path),
            "reports": {"formats": ["json"]},
        }
    )
    run, now, written = samples.run(), samples.START + 1200, []
    verdict = Verdict(run.id, Outcome.PASS, (), "production", 0.01, samples.NOTHING)
    directory = tmp_path / "reports" / run.id
    with Store.open(tmp_path / "anomalyd.db") as store:
        reporter = Reporter(
            store, lambda: config, lambda: now, lambda _, paths: written.extend(paths)
        )
        store.save_verdict(run, verdict, now, directory)
        ended = Finished(run, verdict, samples.passing())
        yield Desk(store, reporter, ended, directory / "report.json", written)


async def test_a_note_made_while_the_report_waits_is_in_it(desk):
    desk.reporter.put(desk.ended)
    desk.note("the cache was cold")
    assert (await desk.writes())["run"]["notes"] == ["the cache was cold"]
    assert desk.written == [desk.path]


async def test_a_note_made_after_the_report_was_written_is_in_it_beside_its_plots(desk):
    desk.reporter.put(desk.ended)
    first = await desk.writes()
    desk.note("the cache was cold")
    desk.reporter.put_again(desk.ended.run.id)
    again = await desk.writes()
    assert again == first | {"run": first["run"] | {"notes": ["the cache was cold"]}}
    assert again["series"]
    assert desk.written == [desk.path]


async def test_a_note_made_while_the_report_is_being_written_is_in_it(desk, monkeypatch):
    async def render(document, *others, **options):
        if not desk.path.exists():
            desk.note("late")
            desk.reporter.put_again(desk.ended.run.id)
            assert desk.reporter.pending(desk.ended.run.id)
        return await process.render(document, *others, **options)

    monkeypatch.setattr(reports, "render", render)
    desk.reporter.put(desk.ended)
    assert (await desk.writes())["run"]["notes"] == ["late"]
    assert not desk.reporter.pending(desk.ended.run.id)


async def test_many_notes_write_a_report_once(desk, monkeypatch):
    writings = []

    async def render(*given, **options):
        writings.append(given)
        return await process.render(*given, **options)

    monkeypatch.setattr(reports, "render", render)
    for i in range(5):
        desk.note(f"note {i}")
        desk.reporter.put_again(desk.ended.run.id)
    assert len((await desk.writes())["run"]["notes"]) == 5
    assert len(writings) == 1


@pytest.mark.parametrize("left", [None, "not JSON"])
async def test_a_note_on_a_run_whose_report_was_lost_makes_one_without_plots(desk, left):
    if left is not None:
        desk.path.parent.mkdir(parents=True)
        desk.path.write_text(left)
    desk.note("the cache was cold")
    desk.reporter.put_again(desk.ended.run.id)
    found = await desk.writes()
    assert found["run"]["notes"] == ["the cache was cold"]
    assert (found["verdict"]["outcome"], found["series"]) == ("pass", [])
