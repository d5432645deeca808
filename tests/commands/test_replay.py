"""`anomalyd replay` and `anomalyd baseline fit --from`, by the command line."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from anomalyd.baseline.file import load
from anomalyd.cli import main
from anomalyd.exits import USAGE
from anomalyd.replay.recording import Recording, write_csv
from anomalyd.report.replayed import render
from tests.replay.system import CAPACITY, SERVICES, production, run, slower, written


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recordings of a small system: production, good runs, and one with a slow service."""
    good = {f"good{seed}": run(seed) for seed in (2, 3, 4)}
    bad = slower(run(5), "pricing", 2.0)
    return written(
        tmp_path_factory.mktemp("recordings"),
        production=production(), bad=bad, short=run(6, minutes=3), **good,
    )  # fmt: skip


def replay(files: dict[str, Path], staging: str, *more: str, by: str = "production") -> Result:
    given = [f"--{by}", str(files[by]), "--staging", str(files[staging])]
    return replayed(*given, "--edges", str(files["edges"]), *more)


@functools.cache
def replayed(*words: str) -> Result:
    """Of recordings that no test changes: several tests look at the same answer."""
    return CliRunner().invoke(main, ["replay", *words])


def answered(done: Result) -> dict:
    assert done.stderr == ""
    return json.loads(done.stdout)


def accepted(files: dict[str, Path], *names: str) -> list[str]:
    return [word for name in names for word in ("--accepted", str(files[name]))]


def test_a_good_run_passes(files):
    done = replay(files, "good2", *accepted(files, "good3", "good4"))
    assert done.exit_code == 0, done.output
    first, *rest = done.stdout.splitlines()
    assert first == "verdict: pass"
    assert "of 11 series judged over 160 windows" in rest[-1]


@pytest.mark.parametrize(("value", "code"), [(1e308, USAGE), (1e30, 3), (1e-300, 3)])
def test_extreme_values_are_judged_or_refused_in_one_sentence(files, tmp_path, value, code):
    short = run(6, minutes=3)
    short.values[:, short.headers.index('cpu_utilization{service="cart"}')] = value
    write_csv(short, tmp_path / "extreme.csv")
    done = replay({**files, "extreme": tmp_path / "extreme.csv"}, "extreme")
    assert len(done.stderr.splitlines()) == (code == USAGE), done.stderr
    assert done.exit_code == code


def test_a_slow_service_fails_the_run_and_is_named(files):
    done = replay(files, "bad", "--json")
    assert done.exit_code == 1
    found = answered(done)
    assert found["verdict"] == "fail"
    assert found["exit_code"] == 1
    (incident,) = found["incidents"]
    assert incident["suspects"][0]["service"] == "pricing"
    assert 'latency_p95_seconds{service="pricing"}' in incident["series"]
    begun = 1_700_000_000 + 900
    assert begun - 60 <= incident["start"] <= incident["fired"] <= begun + 300
    (fired,) = [f for f in found["findings"] if f["state"] == "fired"]
    assert fired["service"] == "pricing"
    assert fired["evidence"] >= fired["threshold"] > 0
    assert fired["low"] < fired["expected"] < fired["high"] < fired["observed"]
    assert "pricing" in render(found)


FIELDS = {
    "verdict", "exit_code", "reference", "budget", "reasons", "incidents", "findings", "coverage",
    "integrity", "phases", "capacity", "windows",
}  # fmt: skip


def test_the_answer_in_json_is_complete_and_has_no_nan(files):
    found = answered(replay(files, "good2", "--json"))
    assert set(found) >= FIELDS
    assert found["reference"] == "production"
    assert found["budget"] == 0.01
    assert found["capacity"] == pytest.approx(CAPACITY, rel=0.2)
    assert found["windows"] == 160
    assert {f["series"] for f in found["findings"]} >= {
        f'error_ratio{{service="{service}"}}' for service in SERVICES
    }
    assert found["coverage"]["missing"] == []
    json.dumps(found, allow_nan=False)


def test_a_baseline_that_was_fitted_before_gives_the_verdict_that_production_itself_gives(
    files, tmp_path
):
    known = tmp_path / "baseline.npz"
    done = CliRunner().invoke(
        main, ["baseline", "fit", "--from", str(files["production"]), "-o", str(known), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert answered(done) == {"path": str(known), "series": 11}
    for name in ("good2", "bad"):
        again = replay(files | {"baseline": known}, name, "--json", by="baseline")
        assert answered(again) == answered(replay(files, name, "--json"))


@pytest.mark.parametrize(("by_edges", "entry"), [(True, "zeta"), (False, "pricing")])
def test_a_fit_takes_the_load_where_edges_begin(tmp_path, by_edges, entry):
    history = production(hours=1.0)
    headers = tuple(h.replace("gateway", "zeta") for h in reversed(history.headers))
    renamed = Recording(history.times, headers, history.values[:, ::-1])
    write_csv(renamed, tmp_path / "p.csv")
    (tmp_path / "e.csv").write_text("caller,callee\nzeta,cart\ncart,pricing\n")
    known = tmp_path / "b.npz"
    words = ["--from", str(tmp_path / "p.csv"), "-o", str(known)]
    words += ["--edges", str(tmp_path / "e.csv")] if by_edges else []
    done = CliRunner().invoke(main, ["baseline", "fit", *words])
    assert done.exit_code == 0, done.output
    assert load(known).meta["source"]["recording"] == [f'request_rate{{service="{entry}"}}']


def test_accepted_runs_narrow_what_a_good_run_may_be(files):
    alone, taught = (
        answered(replay(files, "good2", "--json", *more))
        for more in ([], accepted(files, "good3", "good4"))
    )
    assert taught["reference"] == "accepted-runs"
    assert taught["verdict"] == "pass"

    def powered(found):
        return found["coverage"]["powered"]

    assert powered(taught) >= powered(alone)
    assert answered(replay(files, "bad", "--json", *accepted(files, "good3")))["verdict"] == "fail"


def test_a_run_too_short_to_tell_is_inconclusive_and_exits_3(files):
    done = replay(files, "short", "--json")
    assert done.exit_code == 3
    assert answered(done)["verdict"] == "inconclusive"


def test_what_a_name_suggests_can_be_corrected(files):
    more = ("--signal", "cpu_utilization:kind=other,tolerate=20%", "--json")
    found = answered(replay(files, "good2", *more))
    kinds = {f["kind"] for f in found["findings"] if f["series"].startswith("cpu_utilization")}
    assert kinds == {"other"}


def test_a_larger_budget_asks_for_less_evidence(files):
    strict, loose = (
        {f["threshold"] for f in answered(replay(files, "good2", "--json", *more))["findings"]}
        for more in ([], ["--false-fail", "10%"])
    )
    assert max(loose - {None}) < max(strict - {None})


def test_the_answer_does_not_depend_on_the_seed_of_hashes(files):
    words = ["--production", str(files["production"]), "--staging", str(files["bad"]), "--json"]
    words += ["--edges", str(files["edges"]), *accepted(files, "good3")]
    said = {
        subprocess.run(
            [sys.executable, "-m", "anomalyd", "replay", *words],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True, check=False,
        ).stdout
        for seed in ("0", "4242")
    }  # fmt: skip
    assert len(said) == 1
    assert json.loads(said.pop()) == answered(
        replay(files, "bad", "--json", *accepted(files, "good3"))
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--staging", "{good2}"], "name production's recording (--production) or a --baseline"),
        (["--production", "absent.csv", "--staging", "{good2}"], "absent.csv: cannot be read"),
        (["--production", "{production}", "--staging", "absent.csv"], "absent.csv: cannot be read"),
        (["--production", "{edges}", "--staging", "{good2}"], "needs one column named time"),
        (["--baseline", "{good2}", "--staging", "{good2}"], "good2.csv"),
        (
            ["--production", "{production}", "--staging", "{good2}", "--edges", "{good3}"],
            "its first line must name the columns caller,callee",
        ),
        (
            ["--production", "{production}", "--staging", "{good2}", "--signal", "cpu_utilization"],
            "write it as name:kind=latency,worse=up",
        ),
        (
            ["--production", "{production}", "--staging", "{good2}", "--signal", "x:colour=red"],
            "write it as name:kind=latency,worse=up",
        ),
        (
            [
                "--production", "{production}", "--staging", "{good2}",
                "--signal", "cpu_utilization:kind=fast",
            ],
            "fast",
        ),
        (
            [
                "--production", "{production}", "--staging", "{good2}",
                "--signal", "cpu_utilization:tolerate=much",
            ],
            "'much' is not a size of change",
        ),
        (
            ["--production", "{production}", "--staging", "{good2}", "--false-fail", "often"],
            "'often' is not a size of change",
        ),
    ],
)  # fmt: skip
def test_what_a_user_got_wrong_is_one_sentence(files, words, sentence):
    names = {name: str(path) for name, path in files.items()}
    done = CliRunner().invoke(main, ["replay", *(word.format(**names) for word in words)])
    assert done.exit_code == USAGE
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("anomalyd: ")
    assert sentence in line


@pytest.mark.parametrize("by", ["production", "baseline"])
@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("", "has a single sample or none"),
        ("1,2\n", "has a single sample or none"),
        ("1,2\n16,2\n31,2\n1700000000,2\n", "is one of its times wrong?"),
    ],
)
@pytest.mark.parametrize("role", ["staging", "accepted"])
def test_what_is_no_run_is_told_whichever_way_production_is_named(
    files, role, lines, sentence, by, tmp_path
):
    odd = tmp_path / "odd.csv"
    odd.write_text(f"time,load\n{lines}")
    given = ["--staging", str(files["good2"]), f"--{role}", str(odd), f"--{by}", "absent"]
    done = CliRunner().invoke(main, ["replay", *given])
    assert done.exit_code == USAGE
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"anomalyd: {odd}: ")
    assert sentence in line


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "--from needs --output"),
        (["-o", "b.npz", "--window", "15"], "'15' is not a duration"),
        (["-o", "/dev/null/b.npz"], "/dev/null"),
    ],
)
def test_a_fit_that_cannot_be_is_one_sentence(files, words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["baseline", "fit", "--from", str(files["production"]), *words]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == USAGE
    (line,) = done.stderr.splitlines()
    assert line.startswith("anomalyd: ")
    assert sentence in line


def test_a_baseline_of_windows_too_short_for_a_run_says_how_to_fit_another(files, tmp_path):
    known = tmp_path / "b.npz"
    fitted = ["baseline", "fit", "--from", str(files["production"]), "-o", str(known)]
    assert CliRunner().invoke(main, fitted).exit_code == 0
    thinned = tmp_path / "thin.csv"
    head, *lines = files["good2"].read_text().splitlines()
    thinned.write_text("\n".join([head, *lines[::4]]) + "\n")
    done = replay({"baseline": known, "thin": thinned} | files, "thin", by="baseline")
    assert done.exit_code == USAGE
    assert "anomalyd baseline fit --from FILE --window 60s" in done.stderr
