"""`anomalyd explain`: where an incident began, from a recording alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from anomalyd.cli import main
from anomalyd.exits import USAGE
from anomalyd.replay.recording import Recording, write_csv

START = 1_800_000_000.0
BEGAN = START + 100 * 15
RATES = {"web": 50.0, "cart": 40.0, "db": 40.0}


def recording(slower: float = 0.0, failing: float = 0.0, rows: int = 120, seed: int = 1):
    """web calls cart, cart calls db; from row 100 on cart is slower or fails by itself."""
    random = np.random.default_rng(seed)
    times = START + 15.0 * np.arange(1, rows + 1)
    on = (times > BEGAN).astype(float)
    columns = {}
    for service, rate in RATES.items():
        above = service != "db"
        latency = 0.05 * random.lognormal(0, 0.05, rows) + slower * on * above
        columns[f'latency_mean_seconds{{service="{service}"}}'] = latency
        columns[f'request_rate{{service="{service}"}}'] = rate * random.lognormal(0, 0.02, rows)
        errors = np.full(rows, 0.001) + failing * on * above
        columns[f'error_ratio{{service="{service}"}}'] = errors
    return Recording(times, tuple(columns), np.array(list(columns.values())).T)


@pytest.fixture
def ask(tmp_path):
    (tmp_path / "edges.csv").write_text("caller,callee\nweb,cart\ncart,db\n")

    def asked(made: Recording, *more: str, since: float | str = BEGAN):
        write_csv(made, tmp_path / "run.csv")
        edges = ["--edges", str(tmp_path / "edges.csv")]
        words = ["explain", str(tmp_path / "run.csv"), "--since", str(since), *edges, *more]
        return CliRunner().invoke(main, words)

    return asked


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"slower": 0.2}, "latency_mean_seconds +4"),
        ({"failing": 0.05}, "error_ratio +5 pp; web only fails with it"),
    ],
)
def test_it_names_the_service_that_adds_the_harm_and_who_only_feels_it(ask, fault, reason):
    done = ask(recording(**fault))
    assert done.exit_code == 0, done.output
    first = done.stdout.splitlines()[0]
    assert first.partition("  ")[2].startswith("cart: ")
    assert reason in first


def test_json_has_every_suspect(ask):
    found = json.loads(ask(recording(slower=0.2), "--json").stdout)
    assert found["suspects"][0]["service"] == "cart"
    assert found["abstained"] == ""


def test_without_a_fault_it_abstains_and_says_why(ask):
    done = ask(recording())
    assert done.exit_code == 0
    assert done.stdout == "no suspect: nothing of any service is off\n"


def test_what_is_normal_may_be_another_recording(ask, tmp_path):
    calm, short = recording(seed=2), recording(slower=0.2)
    kept = slice(97, None)
    short = Recording(short.times[kept], short.headers, short.values[kept])
    alone = ask(short)
    assert (alone.exit_code, "name what is normal with --normal" in alone.stderr) == (USAGE, True)
    earlier = Recording(calm.times - 86_400, calm.headers, calm.values)
    write_csv(earlier, tmp_path / "calm.csv")
    done = ask(short, "--normal", str(tmp_path / "calm.csv"))
    assert "cart: " in done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ("noon", "--since: 'noon' is neither unix seconds nor an ISO 8601 time"),
        (START + 1e6, "the recording has no row in the incident"),
    ],
)
def test_a_time_that_says_nothing_is_a_usage_error(ask, since, said):
    done = ask(recording(), since=since)
    assert done.exit_code == USAGE
    assert said in done.stderr


def test_edges_may_be_in_the_labels(tmp_path):
    made = recording(slower=0.2)
    calls = [("web", "cart"), ("cart", "db")]
    headers = [f'edge_rate{{client="{a}",server="{b}"}}' for a, b in calls]
    values = np.column_stack([made.values, np.full((len(made.times), 2), 40.0)])
    write_csv(Recording(made.times, (*made.headers, *headers), values), tmp_path / "run.csv")
    done = CliRunner().invoke(main, ["explain", str(tmp_path / "run.csv"), "--since", str(BEGAN)])
    assert "cart: " in done.stdout.splitlines()[0]
    assert "web only waits for it" in done.stdout
