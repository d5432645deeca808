"""The benches run, write what they say they write, and judge themselves by their targets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anomalyd.sources.remote_write import inflated
from anomalyd.sources.slices import cut
from bench import live_bodies, plot, sending, table
from bench.__main__ import BENCHES, main, run
from bench.live import Child
from bench.measure import Figure, Spread, Target, alternate
from tests.servers import free_port

FOLDER = Path(__file__).resolve().parent.parent / "bench"
CHEAP = ("bank", "tick", "exposition", "instant", "evaluate", "rolling")


def test_a_quick_run_prints_every_figure_and_writes_it_with_its_peer_and_machine(tmp_path, capsys):
    path = tmp_path / "results.json"
    figures = run(CHEAP, quick=True, results=path)
    lines = capsys.readouterr().out.splitlines()
    document = json.loads(path.read_text())
    assert {figure.name.partition(".")[0] for figure in figures} == set(CHEAP)
    assert document["quick"] is True
    assert document["machine"].keys() == {"cpu", "cores", "system", "python", "load_average"}
    assert all(value for key, value in document["machine"].items() if key != "load_average")
    for figure, line, written in zip(
        figures, lines[-len(figures) :], document["figures"], strict=True
    ):
        assert line.startswith(figure.name)
        assert written["name"] == figure.name
        assert written["what"]
        assert written["unit"]
        for spread in (written, written["peer"]):
            assert 0 < spread["min"] <= spread["median"] <= spread["max"]
            assert spread["repeats"] >= 1
        assert written["ratio"] == pytest.approx(written["peer"]["median"] / written["median"])
        assert written["short_of_target"] is line.endswith("short of target")


def test_the_table_for_the_docs_has_a_row_per_figure_with_the_target_it_misses():
    far = figure(3.0, 9.0, Target(1.0)).as_dict()
    near = figure(2.0, 9.0, None).as_dict()
    rows = table.rows({"figures": [far, near]})
    assert rows == [
        "| `name` | what | 3 s (3 to 3) | 3 × peer | <= 1: **short** |",
        "| `name` | what | 2 s (2 to 2) | 4.5 × peer |  |",
    ]


def figure(ours: float, theirs: float, target: Target | None) -> Figure:
    return Figure(
        "name", "what", "s", Spread(ours, ours, ours, 3), "peer", Spread.of([theirs]), target
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "target", "short"),
    [
        pytest.param(1.0, 9.0, None, False, id="without a target nothing is short of it"),
        pytest.param(1.0, 9.0, Target(1.0), False, id="a figure at its target meets it"),
        pytest.param(1.1, 9.0, Target(1.0), True, id="a figure above its target is short of it"),
        pytest.param(1.0, 60.0, Target(60, of_ratio=True), False, id="a ratio at its target"),
        pytest.param(1.0, 59.0, Target(60, of_ratio=True), True, id="a ratio below its target"),
    ],
)
def test_a_line_ends_with_short_of_target_when_it_is(ours, theirs, target, short):
    one = figure(ours, theirs, target)
    assert one.line().endswith(": short of target") is short
    assert one.as_dict()["short_of_target"] is short


def test_works_are_timed_in_turn_by_the_clock_given():
    order: list[str] = []
    now = iter([0.0, 1.0, 10.0, 12.0, 20.0, 23.0, 30.0, 34.0])
    first, second = alternate(
        2, lambda: order.append("a"), lambda: order.append("b"), clock=lambda: next(now)
    )
    assert order == ["a", "b", "a", "b"]
    assert (first.median, first.least, first.most, first.repeats) == (2.0, 1.0, 3.0, 2)
    assert (second.median, second.least, second.most) == (3.0, 2.0, 4.0)


def test_a_bench_that_there_is_not_is_a_usage_error(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", "bank", "banks"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "no bench banks" in capsys.readouterr().err


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_is_a_module_that_the_readme_explains(name):
    assert (FOLDER / f"{name}.py").exists()
    assert f"`{name}`" in (FOLDER / "README.md").read_text()


def test_a_daemon_that_ended_is_told_with_what_it_said_last(tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as said:
        process = subprocess.Popen([sys.executable, "-c", "exit('no room left')"], stderr=said)
    process.wait(30)
    daemon = Child(process, free_port(), log)
    for ask in (daemon.metrics, lambda: daemon.lag(0.01), lambda: daemon.wait("it", bool)):
        with pytest.raises(RuntimeError, match="the daemon ended with 1; it said: no room left"):
            ask()


def live(size: str, what: str, ours: float) -> dict[str, object]:
    return {"name": f"live.{size}.{what}", "median": ours, "peer": {"median": 3 * ours}}


def test_cost_by_the_number_of_series_is_drawn_in_the_page_on_performance(tmp_path):
    figures = [
        live(size, what, n)
        for n, size in enumerate(("10k", "100k", "1M"), 1)
        for what, _ in plot.PANELS
    ]
    document = {"figures": [*figures, live("1M", "answer.p99", 7.0), {"name": "push.http"}]}
    assert plot.points(document, "cpu") == [(10_000, 1, 3), (100_000, 2, 6), (1_000_000, 3, 9)]
    plot.draw(document, tmp_path / "rate.svg")
    drawn = (tmp_path / "rate.svg").read_text()
    assert "<svg" in drawn
    page = FOLDER.parent / "docs" / "performance.md"
    assert f"]({plot.PLOT.name})" in page.read_text()
    assert "<svg" in plot.PLOT.read_text()


def test_there_is_no_plot_of_one_size(tmp_path):
    with pytest.raises(ValueError, match="make bench ARGS=live"):
        plot.draw({"figures": [live("1M", "cpu", 1.0)]}, tmp_path / "rate.svg")


def test_a_recording_is_sent_again_at_other_times_with_counters_that_grew(tmp_path):
    def named(pod: int, series: int) -> bytes:
        return b"\n\x0c" + live_bodies.POD + b"\x05" + f"p{pod:04}\n\x05{series:05}".encode()

    keys = [named(pod, series) for series in range(1_250) for pod in range(2)]
    recording = live_bodies.grouped(dict(zip(keys, np.arange(1.0, 2_501.0), strict=True)))
    live_bodies.save(recording, tmp_path / "recording")
    read = live_bodies.load(tmp_path / "recording")
    assert read.keys == sorted(keys), "one pod after another"
    assert read.first(2_100).keys == sorted(keys)[:1_250], "of whole pods"
    first, second = read.bodies()
    assert (len(first.values), len(second.values)) == (2_000, 500)
    found = cut(inflated(second.stamped(1_800_000_000.25, 3), 2**20))
    assert list(found.keys) == read.keys[2_000:]
    assert set(found.times.tolist()) == {1_800_000_000_250}
    before = read.values[2_000]
    assert found.values[0] == before + 3 * (1 + before // 64)


def test_what_a_sender_is_given_is_what_it_reads(tmp_path):
    sending.write(tmp_path / "bodies", [b"", b"body"], sending.OTLP)
    headers, *bodies = sending.read(tmp_path / "bodies")
    assert json.loads(headers) == sending.OTLP
    assert bodies == [b"", b"body"]
