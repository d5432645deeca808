"""What the detectors are given of a window, by kind, scale and load."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomalyd.baseline import transfer
from anomalyd.baseline.lookup import Lookup
from anomalyd.judgement.band import Band
from anomalyd.judgement.context import Reference
from anomalyd.model import Labels
from anomalyd.signals.table import SignalTable
from tests.judgement.world import LOAD, SIGNALS, WINDOW, production

NAN = float("nan")
NAMES = [s.name for s in SIGNALS]


def reference(*rows: tuple[str, str], label: str | None = None, baseline=None) -> Reference:
    table = SignalTable(SIGNALS, 100)
    for signal, service in rows:
        table.row(NAMES.index(signal), Labels.of({"service": service, "testid": label or ""}))
    return Reference(table, Lookup(baseline or production()), label and "testid")


def context(joined: Reference, values, counts=NAN, load=LOAD):
    n = len(joined.partner)
    rows, loads = np.arange(n), np.full(n, float(load))
    band = joined.band(float(load), rows)
    values, counts = (np.broadcast_to(np.asarray(x, dtype=float), (n,)) for x in (values, counts))
    return joined.context(30.0, WINDOW, values, counts, loads, band, np.ones(n, dtype=bool), rows)


def test_a_value_is_compared_in_logs_with_what_production_does_at_this_load():
    joined = reference(("latency_p95", "cart"))
    expected = joined.band(LOAD, np.arange(1)).expected[0]
    assert context(joined, 2 * expected).residual[0] == pytest.approx(np.log(2), abs=1e-5)
    higher = joined.band(55.0, np.arange(1)).expected[0]
    assert higher > 1.05 * expected
    assert context(joined, higher, load=55.0).residual[0] == pytest.approx(0, abs=1e-5)


def test_what_does_not_matter_depends_on_the_signal():
    found = context(reference(("latency_p95", "cart"), ("error_ratio", "cart")), 0.01, 100.0)
    assert found.tolerate == pytest.approx([np.log(1.05), 0.005])
    assert found.sign.tolist() == [1.0, 1.0]
    assert context(reference(("request_rate", "cart")), 1.0).sign.tolist() == [0.0]


@pytest.mark.parametrize(
    ("signal", "kind"),
    [("latency_p95", "latency"), ("request_rate", "traffic"), ("cpu", "saturation")],
)
def test_the_offset_is_that_of_the_kind(signal, kind):
    assert context(reference((signal, "cart")), 1.0).offset[0] == transfer.OFFSET[kind]


def test_ratios_of_counts_are_judged_as_counts():
    found = context(reference(("error_ratio", "cart")), 0.02, 500.0)
    assert np.isnan(found.residual).all()
    assert (found.bad[0], found.total[0]) == (10.0, 500.0)
    assert 1.75 * 0.003 < found.bad_ratio[0] < 2.0 * 0.0035 + 0.002


def test_a_ratio_whose_count_is_not_known_is_judged_by_its_residual():
    found = context(reference(("error_ratio", "cart")), 0.02)
    assert np.isfinite(found.residual).all()
    assert np.isnan([found.bad, found.total, found.bad_ratio]).all()


def test_fewer_requests_are_more_sampling_noise():
    joined = reference(("latency_p95", "cart"))
    few, many = context(joined, 0.05, 30.0), context(joined, 0.05, 3000.0)
    assert few.sampling[0] == pytest.approx(100 * many.sampling[0])
    assert context(joined, 0.05).sampling[0] == 0.0


def test_beyond_production_s_range_the_slope_counts_more_and_it_is_marked():
    joined = reference(("latency_p95", "cart"))
    within, beyond = context(joined, 0.05, load=50.0), context(joined, 0.05, load=150.0)
    assert not joined.band(50.0, np.arange(1)).extrapolated[0]
    assert joined.band(150.0, np.arange(1)).extrapolated[0]
    assert beyond.load[0] - within.load[0] > 2 * np.log(3)


def test_a_series_that_production_does_not_have_has_no_profile_and_disturbs_no_other():
    found = context(reference(("cpu", "stranger"), ("cpu", "cart")), 0.08)
    assert np.isnan(found.residual).tolist() == [True, False]
    assert np.isnan(found.noise).tolist() == [True, False]
    assert found.usual.tolist() == [False, True]


def test_the_run_label_is_no_part_of_what_production_is_asked_for():
    assert reference(("cpu", "cart"), label="run-7").partner.tolist() != [-1]


def test_rows_that_come_later_are_matched_too():
    joined = reference(("cpu", "cart"))
    joined._table.row(NAMES.index("cpu"), Labels.of({"service": "pricing"}))
    joined.extend()
    assert (joined.partner >= 0).tolist() == [True, True]
    assert np.isfinite(context(joined, 0.08).residual).all()


def test_what_staging_lacks_of_what_production_usually_has():
    joined = reference(("cpu", "cart"))
    absent = joined.without_row(np.arange(1))
    assert len(absent) == 19
    assert ("memory", Labels.of({"service": "pricing"})) in absent
    assert ("cpu", Labels.of({"service": "cart"})) not in absent
    rare = replace(production().profiles, present=np.full(20, 0.5, np.float32))
    assert reference(baseline=replace(production(), profiles=rare)).without_row(np.arange(0)) == []


def test_without_a_baseline_nothing_is_known():
    table = SignalTable(SIGNALS, 10)
    table.row(NAMES.index("cpu"), Labels.of({"service": "cart"}))
    joined = Reference(table, None, None)
    assert not joined.known
    assert joined.series == 0
    assert joined.without_row(np.arange(1)) == []
    assert np.isnan(context(joined, 1.0).residual).all()


def test_effects_are_told_as_people_read_them():
    joined = reference(("latency_p95", "cart"), ("error_ratio", "cart"))
    assert joined.as_effect(0, np.log(1.5)) == pytest.approx(0.5)
    assert joined.as_effect(1, 0.03) == pytest.approx(0.03)
    assert joined.passing(0.4, 0.1, 0, 0.5) == pytest.approx(0.2)
    assert joined.passing(0.4, 0.1, 1, 0.5) == pytest.approx(0.2)
    assert np.isnan(joined.passing(0.4, 0.1, 0, NAN))


def test_a_band_of_some_rows_is_put_into_that_of_all():
    whole = Band.unknown(3)
    joined = reference(("cpu", "cart"), ("cpu", "pricing"))
    whole.put(np.array([0, 2]), joined.band(LOAD, np.arange(2)))
    assert np.isfinite(whole.expected).tolist() == [True, False, True]


@pytest.mark.parametrize(("count", "judged"), [(14.0, False), (16.0, True)])
def test_a_latency_of_fewer_than_fifteen_requests_is_not_judged_by_its_size(count, judged):
    found = context(reference(("latency_p95", "cart")), 0.05, count)
    assert np.isfinite(found.residual[0]) == judged
    assert found.few[0] != judged


def test_nor_is_how_often_a_service_is_called_that_is_hardly_called():
    joined = reference(("request_rate", "cart"))
    assert np.isfinite(context(joined, LOAD).residual[0])
    assert context(joined, 0.2, load=0.2).few[0], "0.2/s for 30 s are 6 requests"


def test_a_rate_goes_with_the_load_and_all_else_with_load_per_capacity():
    rows = (("request_rate", "cart"), ("latency_p95", "cart"))
    table = reference(*rows)._table
    half = Reference(table, Lookup(production()), None, ratio=0.5)
    plain = reference(*rows)
    at, load = np.arange(2), LOAD / 0.5
    assert half.band(load, at).expected[0] == pytest.approx(plain.band(LOAD, at).expected[0])
    assert half.band(load, at).expected[1] == pytest.approx(plain.band(load, at).expected[1])


def test_the_load_of_rates_keeps_its_jitter_and_that_of_others_does_not():
    joined = reference(("request_rate", "cart"), ("latency_p95", "cart"))
    found = joined.loads_of([39.0, 41.0], WINDOW, np.arange(2))
    assert found.tolist() == [41.0, 40.0]
