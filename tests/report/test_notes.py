"""Notes of a run are in every report that people read, with what was added while it was judged."""

from __future__ import annotations

import asyncio
import json

import pytest

from anomalyd.config import parse
from anomalyd.model import Outcome, Verdict
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


async def test_a_note_made_while_the_report_waits_is_in_it(tmp_path):
    config = parse(
        {
            "environments": {"staging": {"url": "http://localhost:9090"}},
            "state_dir": str(tmp_path),
            "reports": {"formats": ["json"]},
        }
    )
    run, now, written = samples.run(), samples.START + 1200, []
    verdict = Verdict(run.id, Outcome.PASS, (), "production", 0.01, samples.NOTHING)
    with Store.open(tmp_path / "anomalyd.db") as store:
        reporter = Reporter(
            store, lambda: config, lambda: now, lambda _, paths: written.extend(paths)
        )
        store.save_verdict(run, verdict, now, tmp_path / "reports" / run.id)
        reporter.put(Finished(run, verdict, samples.passing()))
        store.add_note(run.id, "the cache was cold", now)
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(reporter.run(), name="reports")
            await reporter.join()
            writing.cancel()
    (path,) = written
    assert json.loads(path.read_text("utf-8"))["run"]["notes"] == ["the cache was cold"]
