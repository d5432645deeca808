"""`anomalyd baseline …`: fitted, estimated, interrupted, shown."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from anomalyd.baseline.file import load
from tests.commands.here import answered
from tests.daemon.process import PROGRAM, command, spawned, until, written
from tests.fakes.prometheus import never, refuse


@pytest.fixture
def fitting(tree, tmp_path):
    """A configuration whose fit reads 1,440 points of production."""
    tree["baseline"] = {"days": 0.0166667, "step": "1s", "path": str(tmp_path / "b.npz")}
    return str(written(tmp_path / "c.yaml", tree))


def ranges(production) -> list[dict[str, str]]:
    return production.asked("query_range")


async def test_an_estimate_reads_nothing(fitting, production, tmp_path):
    ended = await answered("baseline", "fit", "-c", fitting, "--estimate", "--json")
    assert ended.code == 0, ended.said
    (line,) = ended.out
    told = json.loads(line)
    assert told["queries"] > 0
    assert told["samples"] >= 1440 * 3
    assert told["series"] == {"load": 1, "latency": 3, "errors": 3}
    assert ranges(production) == []
    assert not (tmp_path / "b.npz").exists()


async def test_a_fit_makes_a_baseline_and_is_quiet_off_a_terminal(fitting, tmp_path):
    ended = await command("baseline", "fit", "-c", fitting, "--json", program=PROGRAM)
    assert ended.child.returncode == 0, ended.said
    (line,) = ended.out
    assert json.loads(line) == {"path": str(tmp_path / "b.npz"), "series": 6}
    assert ended.said == []
    assert len(load(tmp_path / "b.npz").profiles.keys) == 6


async def test_a_fit_shows_its_progress_on_a_terminal(fitting):
    master, slave = pty.openpty()
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "anomalyd", "baseline", "fit", "-c", fitting),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    shown, _ = await asyncio.gather(asyncio.to_thread(_all_of, master), child.communicate())
    os.close(master)
    assert child.returncode == 0
    assert "fetching" in shown
    assert "fitting" in shown
    assert "100%" in shown


def _all_of(terminal: int) -> str:
    text = b""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # Linux says so when the other end is closed
            return text.decode()
        if not more:
            return text.decode()
        text += more


async def test_an_interrupted_fit_goes_on_where_it_was(fitting, tree, production, tmp_path):
    tree["environments"]["production"]["timeout"] = "60s"
    written(Path(fitting), tree)
    production.troubled = lambda query: "failed_total" in query
    production.trouble = never
    async with spawned("baseline", "fit", "-c", fitting) as process:
        await until(
            lambda: any("failed_total" in one["query"] for one in production.asked("query")),
            "the last signal is asked for",
            process,
        )
        process.child.send_signal(signal.SIGINT)
        assert await process.ended() == 130, process.said
    assert not process.has_said("Traceback")
    before = [one["query"] for one in ranges(production)]
    assert any("latency_seconds" in query for query in before)
    production.trouble = None
    production.seen.clear()
    ended = await command("baseline", "fit", "-c", fitting)
    assert ended.child.returncode == 0, ended.said
    again = [one for one in ranges(production) if "latency_seconds" in one["query"]]
    points = sum(float(one["end"]) - float(one["start"]) for one in again)
    assert points < 720, "of 1,440"
    assert len(load(tmp_path / "b.npz").profiles.keys) == 6


@pytest.mark.parametrize("status", [401, 403, 404, 503])
async def test_a_production_that_refuses_is_one_sentence(fitting, production, status):
    production.trouble = refuse(status)
    ended = await answered("baseline", "fit", "-c", fitting)
    assert ended.code == 2
    (line,) = [line for line in ended.said if line.startswith("anomalyd: ")]
    assert f"HTTP {status}" in line
    assert not ended.has_said("Traceback")
    assert not ended.has_said("Unclosed")


async def test_without_a_production_there_is_nothing_to_fit(tree, tmp_path):
    del tree["environments"]["production"]
    config = str(written(tmp_path / "c.yaml", tree))
    ended = await answered("baseline", "fit", "-c", config)
    assert (ended.code, len(ended.said)) == (2, 1), ended.said
    assert "environments.production is not set" in ended.said[0]


async def test_overrides_may_come_by_stdin(fitting, tmp_path):
    other = tmp_path / "other.npz"
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "anomalyd", "baseline", "fit", "-c", fitting, "--overrides-from-stdin"),
        stdin=asyncio.subprocess.PIPE,
    )
    await child.communicate(json.dumps([f"baseline.path={other}"]).encode())
    assert child.returncode == 0
    assert other.exists()


@pytest.mark.parametrize("asked", [("show",), ("diff",)])
@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 no more"])
async def test_a_baseline_that_cannot_be_read_is_one_sentence(tmp_path, asked, content):
    path = tmp_path / "b.npz"
    if content is not None:
        path.write_bytes(content)
    files = (str(path),) * (2 if asked == ("diff",) else 1)
    ended = await answered("baseline", *asked, *files)
    assert (ended.code, len(ended.said)) == (2, 1), ended.said
    assert str(path) in ended.said[0]
