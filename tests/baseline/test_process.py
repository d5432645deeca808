"""From stored rows to a baseline: what is made, and what a user can mend."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anomalyd.baseline.file import BaselineError, load
from anomalyd.baseline.history import Request
from anomalyd.baseline.process import FitRequest, fit_stored
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


def test_what_is_stored_is_fitted_and_how_far_it_is_is_told(request_):
    told: list[tuple[int, int]] = []
    assert fit_stored(request_, lambda done, total: told.append((done, total))) == 3
    found = load(Path(request_.output))
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


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"requests": ()}, "the history cannot be fitted: a history needs requests"),
        ({"end": 5 * STEP}, r"no series has 8 windows or more between 1970-01-01T00:00:00"),
        ({"output": "/dev/null/b.npz"}, "/dev/null/b.npz: cannot be written"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(request_, change, sentence):
    with pytest.raises(BaselineError, match=sentence) as refused:
        fit_stored(dataclasses.replace(request_, **change))
    assert "\n" not in str(refused.value)
    assert not written(request_)


def written(request: FitRequest) -> bool:
    return Path(request.output).exists()


def test_judging_imports_neither_the_fit_nor_statsmodels():
    code = (
        "import sys, anomalyd.baseline.lookup, anomalyd.baseline.file, anomalyd.baseline.process\n"
        "print([m for m in ('anomalyd.baseline.fit', 'statsmodels', 'pandas', 'scipy')"
        " if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
