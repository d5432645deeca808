"""The fit in a process of its own: what it makes, what it says, and that it goes when told."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anomalyd import codec
from anomalyd.baseline import process
from anomalyd.baseline.file import BaselineError, load
from anomalyd.baseline.history import Request
from anomalyd.baseline.process import FitRequest, fit_stored, refit
from anomalyd.baseline.rows import RowStore, Stored
from anomalyd.model import LOAD_SIGNAL, Kind, Ratio, Selector, Signal
from tests.baseline.worlds import daily_load, signal

STEP = 60.0
WINDOWS = 400


def key(**labels):
    return json.dumps(labels, separators=(",", ":"), sort_keys=True)


@pytest.fixture
def request_(tmp_path: Path) -> FitRequest:
    """A stored history of two latencies, an error ratio and load."""
    rng = np.random.default_rng(0)
    load_ = daily_load(WINDOWS, rng)
    latency = 0.1 * np.exp(0.1 * rng.normal(size=(2, WINDOWS)))
    counts = np.full((1, WINDOWS), 1000.0)
    store, end = RowStore(tmp_path / "rows"), WINDOWS * STEP

    def stored(name, keys, values):
        what = Stored(query=name, window=STEP, step=STEP)
        store.write(what, 0.0, end, keys, np.asarray(values, dtype=np.float32))
        return what

    carts = [key(app="cart-v1", pod="a"), key(app="pay-v1", pod="b")]
    bad = Signal("bad", Kind.ERRORS, Ratio(Selector("b"), Selector("t")))
    requests = (
        Request(signal(name="p95"), stored("p95", carts, latency)),
        Request(
            bad,
            stored("bad", carts[:1], rng.binomial(1000, 0.01, (1, WINDOWS)) / 1000),
            stored("total", carts[:1], counts),
        ),
        Request(
            dataclasses.replace(signal(name=LOAD_SIGNAL), by=()),
            stored("load", [key()], load_[np.newaxis] * 2),
        ),
    )
    return FitRequest(
        rows=str(store.root),
        output=str(tmp_path / "baseline.npz"),
        requests=requests,
        start=0.0,
        end=end,
        service_labels=("app",),
        rewrite=((r"(.+)-v\d+", r"\1"),),
        drop=("pod",),
        capacity=2.0,
        meta='{"created_at": 5.0, "source": {"production": "2.42"}}',
    )


async def test_the_child_fits_what_is_stored_and_says_how_far_it_is(request_):
    told: list[tuple[int, int]] = []
    path = await refit(request_, lambda done, total: told.append((done, total)))
    found = load(path)
    assert path == Path(request_.output)
    assert sorted(found.profiles.keys) == [
        'bad{service="cart"}',
        'p95{service="cart"}',
        'p95{service="pay"}',
    ]
    assert told[-1] == (3, 3)
    assert found.meta["source"] == {"production": "2.42"}
    assert found.meta["conditioned"] is True
    assert found.meta["load_range"][1] < 150
    rate = found.profiles.rate[:, found.profiles.keys.index('bad{service="cart"}')]
    np.testing.assert_allclose(rate, 0.01, rtol=0.1)


async def test_the_child_makes_what_this_process_would(request_):
    there = load(await refit(request_))
    other = dataclasses.replace(request_, output=request_.output + ".here")
    assert fit_stored(other) == 3
    here = load(Path(other.output))
    for field in dataclasses.fields(here.profiles):
        np.testing.assert_array_equal(
            getattr(here.profiles, field.name), getattr(there.profiles, field.name)
        )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"requests": ()}, "the history cannot be fitted: a history needs requests"),
        ({"end": 5 * STEP}, r"no series has 8 windows or more between 1970-01-01T00:00:00"),
        ({"output": "/dev/null/b.npz"}, "/dev/null/b.npz: cannot be written"),
    ],
)
async def test_what_a_user_can_mend_comes_back_as_one_sentence(request_, change, sentence):
    with pytest.raises(BaselineError, match=sentence) as refused:
        await refit(dataclasses.replace(request_, **change))
    assert "\n" not in str(refused.value)
    assert not written(request_)


def written(request: FitRequest) -> bool:
    return Path(request.output).exists()


async def test_a_bug_in_the_child_is_told_and_its_traceback_logged(request_, capfd):
    with pytest.raises(BaselineError, match="ended with status 1; its log says why"):
        await refit(dataclasses.replace(request_, meta="[1]"))
    assert "Traceback" in capfd.readouterr().err


ENDLESS = """
import os, sys
print('{"done": %d, "total": 0}' % os.getpid(), flush=True)
sys.stdin.read()
os.read(os.pipe()[0], 1)
"""


async def test_a_cancelled_fit_leaves_no_child(request_, monkeypatch):
    """The child of this test tells its pid as progress and never ends by itself."""
    monkeypatch.setattr(process, "COMMAND", ("-c", ENDLESS))
    told: asyncio.Queue[int] = asyncio.Queue()
    fit = refit(request_, lambda pid, _: told.put_nowait(pid))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(fit, name="refit")
        pid = await asyncio.wait_for(told.get(), 20)
        task.cancel()
    assert task.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_request_that_is_not_one_is_refused_by_the_child():
    child = subprocess.run(
        [sys.executable, "-m", "anomalyd.baseline.process"],
        input=b"{}", capture_output=True, check=False,
    )  # fmt: skip
    assert child.returncode == 1
    assert "is required" in json.loads(child.stdout)["error"]


def test_a_request_travels_unchanged(request_):
    with_rows = dataclasses.replace(
        request_, capacity_rows=Stored("replicas", 60.0, 60.0), rename=(("svc", "app"),)
    )
    assert codec.loads(FitRequest, codec.dumps(with_rows)) == with_rows


def test_judging_imports_neither_the_fit_nor_statsmodels():
    code = (
        "import sys, anomalyd.baseline.lookup, anomalyd.baseline.file, anomalyd.baseline.process\n"
        "print([m for m in ('anomalyd.baseline.fit', 'statsmodels', 'pandas', 'scipy')"
        " if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
