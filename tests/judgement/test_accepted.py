"""What accepted runs teach, where all that they could teach is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from anomalyd.baseline import transfer
from anomalyd.baseline.fit import FitInput, fit
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.profile import Baseline
from anomalyd.baseline.rates import LEAST_BURST, MOST_BURST
from anomalyd.baseline.transfer import Transfer
from anomalyd.judgement.accepted import LEAST_WINDOWS, learn
from anomalyd.judgement.between import BETWEEN, WIDEN
from anomalyd.judgement.context import Reference
from anomalyd.judgement.record import Record
from anomalyd.model import (
    Change,
    Gauge,
    HistogramQuantile,
    Kind,
    Labels,
    Ratio,
    Selector,
    Signal,
    Worse,
)
from anomalyd.signals.table import SignalTable
from tests.detectors.streams import autoregressive, normal

WINDOW, LOAD, REQUESTS = 15.0, 40.0, 900.0
SERVICES = 12
X = Selector("x")
LATENCY = Signal("latency", Kind.LATENCY, HistogramQuantile(X, 0.95), unit="s")
BALANCE = Signal("balance", Kind.OTHER, Gauge(X), worse=Worse.BOTH)
ERRORS = Signal("errors", Kind.ERRORS, Ratio(X, X), tolerate=Change(absolute=0.005))
SIGNALS = (LATENCY, BALANCE, ERRORS)
OF_LATENCY, OF_BALANCE, OF_ERRORS = (slice(i * SERVICES, (i + 1) * SERVICES) for i in range(3))
ROWS = 3 * SERVICES


@cache
def production() -> Baseline:
    """Latency in logs, a balance that may be negative, errors of 0.3%."""
    rng, windows = np.random.default_rng(1), 1500
    loads = LOAD * np.exp(0.7 * np.sin(np.arange(windows) / windows * 8 * np.pi))
    shape, nothing = (SERVICES, windows), np.full((SERVICES, windows), np.nan)
    values = {
        LATENCY: 0.1 * (loads / LOAD) ** 0.3 * np.exp(0.1 * rng.standard_normal(shape)),
        BALANCE: 5.0 + 3.0 * rng.standard_normal(shape),
        ERRORS: rng.binomial(int(REQUESTS), 0.003, shape) / REQUESTS,
    }
    counts = {LATENCY: nothing, BALANCE: nothing, ERRORS: np.full(shape, REQUESTS)}
    inputs = [
        FitInput(s, [f'{s.name}{{service="{i}"}}' for i in range(SERVICES)], values[s], counts[s])
        for s in SIGNALS
    ]
    times = np.arange(windows) * WINDOW
    return fit(times, loads, inputs, step=WINDOW, window=WINDOW, meta={})


def reference(known: Transfer | None = None) -> Reference:
    table = SignalTable(list(SIGNALS), ROWS)
    for i in range(len(SIGNALS)):
        for service in range(SERVICES):
            table.row(i, Labels.of({"service": str(service)}))
    return Reference(table, Lookup(production()), None, transfer=known)


def run(
    seed=1, offset=0.0, slope=0.0, noise=1.0, phi=0.0, loads=LOAD, windows=80, ratio=0.003, burst=0
):
    """A run whose residuals are offset + slope·(log load - log LOAD) + noise, in units of what 100%
    is; noise: over production's."""
    rng, joined = np.random.default_rng(seed), reference()
    rows, loads = np.arange(ROWS), np.broadcast_to(loads, windows)
    sizes = np.where(np.arange(ROWS) < SERVICES, 1.0, joined.sizes(rows))
    own = noise * autoregressive(phi, normal)(rng, windows, ROWS)
    record = Record()
    for t, load in enumerate(loads):
        band = joined.band(float(load), rows)
        residual = (offset + slope * np.log(load / LOAD)) * sizes + own[t] * band.noise
        values = np.where(rows < SERVICES, band.expected * np.exp(residual), 0.0)
        values[OF_BALANCE] = (band.location + residual)[OF_BALANCE]
        lively = ratio * (rng.gamma(1 / burst, burst, SERVICES) if burst else np.ones(SERVICES))
        values[OF_ERRORS] = rng.binomial(int(REQUESTS), lively) / REQUESTS
        counts = np.full(ROWS, np.nan)
        counts[OF_ERRORS] = REQUESTS
        record.add((t + 1) * WINDOW, float(load), values, counts)
        record.judged.append(True)
    return record


def taught(*records: Record) -> Transfer:
    found = learn(reference(), records, WINDOW)
    assert found is not None
    return found


def runs_with_offsets(offsets, **given):
    return [run(seed, offset=offset, **given) for seed, offset in enumerate(offsets)]


def test_a_difference_that_all_runs_have_is_expected_of_the_next():
    found = taught(*runs_with_offsets([0.25, 0.30, 0.35, 0.30]))
    assert found.runs == 4
    np.testing.assert_allclose(found.mean[OF_LATENCY], 0.3, atol=0.05)


@cache
def taught_by_runs_apart(sd: float) -> Transfer:
    return taught(*runs_with_offsets(sd * np.array([-1, 1, -1, 1])))


@pytest.mark.parametrize("by", [OF_LATENCY, OF_BALANCE])
def test_the_more_runs_differ_the_more_the_next_may(by):
    found = [taught_by_runs_apart(sd) for sd in (0.02, 0.1, 0.4)]
    sizes = reference().sizes(np.arange(ROWS))
    alike, usual, unlike = (np.median((one.offset / sizes)[by]) for one in found)
    assert alike < usual < unlike
    assert unlike == pytest.approx(WIDEN * 0.4 * np.sqrt(4 / 3 * 1.25), rel=0.25)


def test_one_run_teaches_its_own_offset_and_no_more_of_the_next_than_was_taken_for_likely():
    found = taught(run(offset=0.3))
    assert found.runs == 1
    np.testing.assert_allclose(found.mean[OF_LATENCY], 0.3, atol=0.05)
    expected = WIDEN * BETWEEN[Kind.LATENCY] * np.sqrt(2)
    np.testing.assert_allclose(found.offset[OF_LATENCY], expected, rtol=1e-6)
    many = taught(*runs_with_offsets([0.3] * 6))
    assert (many.offset[OF_LATENCY] < 0.8 * found.offset[OF_LATENCY]).all()


def test_one_absurd_stretch_of_a_run_moves_its_offset_little():
    odd = run(offset=0.3)
    for values in odd.values[:15]:
        values[OF_LATENCY] *= 50
    assert np.abs(taught(odd).mean[OF_LATENCY] - 0.3).max() < 0.1


@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_a_slope_in_load_is_learned_from_runs_whose_load_moves(slope):
    loads = LOAD * np.exp(np.linspace(-0.6, 0.6, 120))
    records = [run(s, slope=slope, loads=loads, windows=120) for s in range(3)]
    found = taught(*records)
    np.testing.assert_allclose(np.median(found.slope[OF_LATENCY]), slope, atol=0.05)
    assert (found.slope_sd[OF_LATENCY] < 0.5 * transfer.SLOPE).all()


def test_runs_of_one_load_each_teach_no_slope():
    found = taught(*(run(s, slope=0.2, loads=load) for s, load in enumerate((25.0, 40.0, 60.0))))
    np.testing.assert_allclose(found.slope[OF_LATENCY], 0.0, atol=1e-9)
    np.testing.assert_allclose(found.slope_sd[OF_LATENCY], transfer.SLOPE, rtol=0.03)


@pytest.mark.parametrize(("factor", "phi"), [(1.0, 0.0), (1.0, 0.8), (2.0, 0.5)])
def test_the_noise_is_that_of_the_runs(factor, phi):
    found = taught(*(run(s, noise=factor, phi=phi, windows=120) for s in range(3)))
    assert np.median(found.noise[OF_LATENCY]) == pytest.approx(factor, rel=0.25)
    assert np.median(found.phi[OF_LATENCY]) == pytest.approx(phi, abs=0.15)
    assert (found.sure[OF_LATENCY] == 360).all()


def test_a_quantity_that_cannot_be_logged_is_learned_in_its_own_unit():
    found = taught(*runs_with_offsets([0.4, 0.4, 0.4]))
    sizes = reference().sizes(np.arange(ROWS))[OF_BALANCE]
    assert sizes.min() > 3
    np.testing.assert_allclose(found.mean[OF_BALANCE] / sizes, 0.4, atol=0.25)


def test_errors_are_learned_as_counts():
    found = taught(*(run(s, ratio=0.02) for s in range(2)))
    assert ((found.bad_ratio[OF_ERRORS] > 0.019) & (found.bad_ratio[OF_ERRORS] < 0.024)).all()
    assert np.isnan(found.bad_ratio[OF_LATENCY]).all()
    assert np.isnan(found.burst[OF_LATENCY]).all()
    assert np.isnan(found.mean[OF_ERRORS]).all()


def test_errors_that_come_in_bursts_are_expected_to():
    calm, bursting = (taught(run(1, ratio=0.02, burst=burst)) for burst in (0, 0.15))
    assert (calm.burst[OF_ERRORS] >= LEAST_BURST).all()
    assert np.median(calm.burst[OF_ERRORS]) < 0.05
    assert np.median(bursting.burst[OF_ERRORS]) == pytest.approx(0.15, abs=0.06)
    assert (bursting.burst[OF_ERRORS] <= MOST_BURST).all()


def without(record: Record, row: int) -> Record:
    for values in record.values:
        values[row] = np.nan
    return record


def test_of_a_series_that_no_run_showed_nothing_is_learned_and_the_assumption_stays():
    found = taught(without(run(1), 3), without(run(2), 3))
    for name in ("mean", "offset", "noise", "phi", "wander", "sure"):
        learned = getattr(found, name)[OF_LATENCY]
        assert np.flatnonzero(np.isnan(learned)).tolist() == [3], name
    context = judged(reference(found))
    assert context.offset[3] == transfer.OFFSET[Kind.LATENCY]
    assert context.wander[3] == transfer.WANDER
    assert context.sure[3] == transfer.SURE
    assert context.offset[2] != context.offset[3]


def test_a_series_that_one_of_two_runs_showed_is_learned_from_that_one():
    found = taught(without(run(1, offset=0.1), 3), run(2, offset=0.4))
    assert found.mean[3] == pytest.approx(0.4, abs=0.06)
    assert found.mean[2] == pytest.approx(0.25, abs=0.06)
    assert found.offset[3] > found.offset[2] * 0.8


def judged(joined: Reference, record: Record | None = None, at: int = 0):
    """A window of a run as `joined` has it."""
    rows, record = np.arange(ROWS), record or run(9)
    load = record.loads[at]
    values, counts = record.matrix(rows), record.matrix(rows, counts=True)
    return joined.context(
        0.0, WINDOW, values[at], counts[at], np.full(ROWS, load), joined.band(load, rows),
        np.ones(ROWS, dtype=bool), rows,
    )  # fmt: skip


def test_what_was_learned_is_what_the_next_run_is_judged_by():
    found = taught(*runs_with_offsets([0.45, 0.5, 0.55], noise=2.0, phi=0.5, windows=120))
    new = run(77, offset=0.5, noise=2.0, phi=0.5, windows=120)
    before, after = reference(), reference(found)
    assert (before.accepted_runs, after.accepted_runs) == (0, 3)
    residuals = [
        np.array([judged(joined, new, t).residual[OF_LATENCY] for t in range(120)])
        for joined in (before, after)
    ]
    assert np.median(residuals[0]) == pytest.approx(0.5, abs=0.05)
    assert np.median(residuals[1]) == pytest.approx(0.0, abs=0.05)
    context = judged(after, new)
    np.testing.assert_array_equal(context.offset[OF_LATENCY], found.offset[OF_LATENCY])
    np.testing.assert_array_equal(context.phi[OF_LATENCY], found.phi[OF_LATENCY])
    np.testing.assert_allclose(
        context.noise[OF_LATENCY], (judged(before, new).noise * found.noise)[OF_LATENCY]
    )
    band, plain = after.band(LOAD, np.arange(ROWS)), before.band(LOAD, np.arange(ROWS))
    np.testing.assert_allclose((band.expected / plain.expected)[OF_LATENCY], np.exp(0.5), rtol=0.06)


def test_errors_that_staging_always_has_are_allowed_and_less_beyond_them():
    found = taught(*(run(s, ratio=0.03) for s in range(3)))
    before, after = judged(reference()), judged(reference(found))
    assert (after.bad_ratio[OF_ERRORS] > before.bad_ratio[OF_ERRORS]).all()
    allowed = transfer.KNOWN_ERROR_FACTOR * found.bad_ratio + transfer.ERROR_SLACK
    np.testing.assert_allclose(after.bad_ratio[OF_ERRORS], allowed[OF_ERRORS])


def test_what_was_assumed_before_is_part_of_what_is_learned():
    """As where staging's capacity already told that totals differ."""
    records = runs_with_offsets([0.3, 0.35])
    once = taught(*records)
    again = learn(reference(once), records, WINDOW)
    np.testing.assert_allclose(again.mean[OF_LATENCY], once.mean[OF_LATENCY], atol=0.02)


@pytest.mark.parametrize(
    "records", [[], [run(windows=LEAST_WINDOWS - 1)]], ids=["none", "too short"]
)
def test_no_run_teaches_nothing(records):
    assert learn(reference(), records, WINDOW) is None


def test_windows_that_were_not_judged_teach_nothing():
    record = run(offset=0.3, windows=60)
    for t in range(30):
        record.values[t][OF_LATENCY] *= 5
        record.judged[t] = False
    np.testing.assert_allclose(taught(record).mean[OF_LATENCY], 0.3, atol=0.06)
