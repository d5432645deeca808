"""Native histograms at the receiver: what becomes of them, and what is refused."""

from __future__ import annotations

import pytest

from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import (
    Environment,
    HistogramQuantile,
    Kind,
    Rate,
    Selector,
    Signal,
)
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Make, Side, Wanted
from anomalyd.sources.pushed import PushedSource, build
from anomalyd.sources.remote_write import RemoteWrite
from tests.fakes import native, sender
from tests.fakes.native import CUSTOM, Native
from tests.sources.test_remote_write import ms, post, refusal, values, written

P50 = Signal("p50", Kind.LATENCY, HistogramQuantile(Selector("request_seconds"), 0.5))
TRAFFIC = Signal("traffic", Kind.TRAFFIC, Rate(Selector("request_seconds_count")))
CART = {"__name__": "request_seconds", "service": "cart"}
NAMES = {"request_seconds_bucket", "request_seconds_count"}


def inlet(tmp_path, environment=Environment.STAGING, classic: frozenset[str] = frozenset()):
    config = EnvironmentConfig.model_validate({"remote_write": {}})
    side = Side(environment, config, None, {}, None, section="remote_write", classic=classic)
    wanted = Wanted(NAMES.__contains__, Limits(), tmp_path)
    table = SignalTable([P50, TRAFFIC], 100)
    names = frozenset({"p50", "traffic"})
    return build(Make(side, table, Canonical(["service"]), 30.0, wanted, names))


@pytest.fixture
def staging(tmp_path) -> PushedSource:
    return inlet(tmp_path)


@pytest.fixture
def receiver(staging) -> RemoteWrite:
    return RemoteWrite({Environment.STAGING: staging}, 1_000_000)


def one(count: int, **more) -> Native:
    """Everything within (0.5, 1]."""
    return Native(schema=0, positive={0: count}, sum=0.7 * count, **more)


def body(*many) -> bytes:
    return sender.packed(sender.request(*(native.series(*each) for each in many)))


def body_2(*many) -> bytes:
    words = [
        "",
        *dict.fromkeys(word for labels, _ in many for pair in labels.items() for word in pair),
    ]
    found = [
        native.series_2((words.index(w) for pair in sorted(labels.items()) for w in pair), samples)
        for labels, samples in many
    ]
    return sender.packed(sender.symbols(words) + b"".join(sender.held(5, each) for each in found))


@pytest.mark.parametrize(("headers", "made"), [(sender.HEADERS, body), (sender.HEADERS_2, body_2)])
async def test_native_histograms_of_both_versions_become_signals(receiver, staging, headers, made):
    for moment in (-20, -10, 0):
        reply = post(receiver, made((CART, [(one(100 + moment), ms(moment))])), headers)
        assert (reply.status, written(reply.headers)) == (204, [0, 1, 0])
    found = await values(staging, 1_800_000_000.0)
    assert found['p50{service="cart"}'] == pytest.approx(0.5**0.5)
    assert found['traffic{service="cart"}'] == pytest.approx(30 / 30)
    assert staging._seen.metrics() == {
        "request_seconds": {"service"},
        "request_seconds_bucket": {"le", "service"},
        "request_seconds_count": {"service"},
    }


@pytest.mark.parametrize("first", ["classic", "native"])
async def test_a_histogram_that_comes_in_both_forms_counts_once(receiver, staging, first):
    for moment in (-20, -10, 0):
        classic = (
            sender.series(
                {**CART, "__name__": "request_seconds_count"}, [(100.0 + moment, ms(moment))]
            ),
            sender.series(
                {**CART, "__name__": "request_seconds_bucket", "le": "+Inf"},
                [(100.0 + moment, ms(moment))],
            ),
        )
        own = native.series(CART, [(one(100 + moment), ms(moment))])
        many = [*classic, own] if first == "classic" else [own, *classic]
        for each in many:
            assert post(receiver, sender.packed(sender.request(each))).status == 204
    found = await values(staging, 1_800_000_000.0)
    assert found['traffic{service="cart"}'] == pytest.approx(1.0)
    assert found['p50{service="cart"}'] == pytest.approx(0.5**0.5)
    assert staging._seen.metrics()["request_seconds"] == {"le", "service"}


async def test_the_classic_form_counts_again_once_the_native_one_is_gone(receiver, staging):
    post(receiver, body((CART, [(one(100), ms(-3600))])))
    count = {**CART, "__name__": "request_seconds_count"}
    for moment in (-20, -10, 0):
        post(receiver, sender.body((count, [(100.0 + moment, ms(moment))])))
    assert await values(staging, 1_800_000_000.0) == {}
    staging.expire()
    for moment in (10, 20, 30):
        post(receiver, sender.body((count, [(100.0 + moment, ms(moment))])))
    assert (await values(staging, 1_800_000_030.0))['traffic{service="cart"}'] > 0


async def test_where_the_other_environment_has_classic_histograms_alone_these_are_read(tmp_path):
    staging = inlet(tmp_path, classic=frozenset({"request_seconds"}))
    receiver = RemoteWrite({Environment.STAGING: staging}, 1_000_000)
    for moment in (-20, -10, 0):
        post(receiver, body((CART, [(one(100 + moment), ms(moment))])))
    assert await values(staging, 1_800_000_000.0) == {}


BROKEN = {
    "spans say more buckets than there are": sender.held(
        11, sender.integer(1, 2) + sender.integer(2, 9)
    ),
    "a count below zero": native.message(Native(positive={1: -3}, count=1), 0),
    "buckets hold more than was counted": native.message(Native(positive={1: 3}, count=1), 0),
    "buckets hold less than was counted": native.message(Native(positive={1: 3}, count=9), 0),
    "a schema that is none": native.message(Native(schema=-5, positive={1: 3}), 0),
    "a schema between the sorts": native.message(Native(schema=-30, positive={1: 3}), 0),
    "boundaries that descend": native.message(
        Native(schema=CUSTOM, positive={0: 1}, threshold=0, bounds=(2.0, 1.0)), 0
    ),
    "over 1000 boundaries": native.message(
        Native(schema=CUSTOM, positive={0: 1}, threshold=0, bounds=range(1001)), 0
    ),
    "a bucket beyond the boundaries": native.message(
        Native(schema=CUSTOM, positive={3: 1}, threshold=0, bounds=(1.0, 2.0)), 0
    ),
    "a bucket below zero of its own boundaries": native.message(
        Native(schema=CUSTOM, negative={0: 1}, threshold=0, bounds=(1.0, 2.0)), 0
    ),
    "a float that is none": native.message(Native(positive={1: float("nan")}, floats=True), 0),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_histogram_that_cannot_be_is_refused_and_the_rest_is_kept(receiver, staging, what):
    timed = sender.held(4, BROKEN[what] + sender.integer(15, ms(0)))
    broken = sender.series({**CART, "service": "broken"}, []) + timed
    for moment in (-10, 0):
        good = native.series(CART, [(one(100 + moment), ms(moment))])
        plain = sender.packed(sender.request(broken, good))
        refused = refusal(receiver, plain)
        assert (refused.status, written(refused.headers)) == (400, [0, 1, 0])
        assert "1 of native histograms whose spans, counts or boundaries" in refused.message
    assert (await values(staging, 1_800_000_000.0)).keys() == {
        'p50{service="cart"}',
        'traffic{service="cart"}',
    }


@pytest.mark.parametrize(
    ("moment", "count", "status"), [(0, 100, 204), (0, 101, 400), (-5, 100, 400), (700, 100, 400)]
)
async def test_the_last_one_once_more_is_taken_and_an_older_one_is_refused(
    receiver, moment, count, status
):
    post(receiver, body((CART, [(one(100), ms(0))])))
    again = body((CART, [(one(count), ms(moment))]))
    if status == 204:
        assert written(post(receiver, again).headers) == [0, 1, 0]
    else:
        assert written(refusal(receiver, again).headers) == [0, 0, 0]


@pytest.mark.parametrize("form", ["histogram", "float"])
async def test_a_stale_marker_ends_a_native_histogram_and_adds_nothing(receiver, staging, form):
    for moment in (-20, -10):
        post(receiver, body((CART, [(one(100 + moment), ms(moment))])))
    before = await values(staging, 1_800_000_000.0)
    marker = Native(schema=0, sum=sender.STALE)
    plain = sender.body((CART, [(sender.STALE, ms(-5))]))
    marked = body((CART, [(marker, ms(-5))])) if form == "histogram" else plain
    assert post(receiver, marked).status == 204
    assert await values(staging, 1_800_000_000.0) == before != {}
    assert staging._arrivals.complete(1_800_000_000.0)


async def test_rollouts_that_rename_every_pod_neither_leak_nor_change_a_number(
    receiver, staging, tmp_path
):
    now = 0.0
    for version in range(40):
        for second in range(0, 60, 15):
            now += 15
            many = [
                ({**CART, "pod": f"{version}-{pod}"}, [(one(second), ms(now))]) for pod in range(5)
            ]
            reply = post(receiver, body(*many), now=1_800_000_000.0 + now)
            assert written(reply.headers) == [0, 5, 0]
        staging.expire()
    evaluator, most = staging._evaluator, 5 * 14
    native_log = evaluator._native.log
    assert len(evaluator.series) <= most
    assert len(evaluator._native.known) == len(evaluator.series)
    assert evaluator._native._places.rows <= most
    assert len(native_log._last) <= 2 * most
    assert len(native_log.kept) <= 4 * most
    (lane,) = receiver._lanes.values()
    assert len(lane._identities[1].known) == len(evaluator.series)
    again = inlet(tmp_path)
    fresh = RemoteWrite({Environment.STAGING: again}, 1_000_000)
    for second in range(0, 60, 15):
        at = now - 45 + second
        many = [({**CART, "pod": f"39-{pod}"}, [(one(second), ms(at))]) for pod in range(5)]
        post(fresh, body(*many), now=1_800_000_000.0 + at)
    end = 1_800_000_000.0 + now
    assert await values(staging, end) == await values(again, end) != {}


@pytest.mark.parametrize("form", ["1.0", "2.0"])
async def test_exemplars_are_kept_for_incidents(receiver, staging, form):
    at = ms(0)
    if form == "1.0":
        series = native.series(CART, [(one(1), at)])
        series += sender.exemplar({"trace_id": "ab", "span_id": "1"}, 0.7, at)
        plain, headers = sender.request(series), sender.HEADERS
    else:
        words = ["", "__name__", "request_seconds", "service", "cart", "trace_id", "ab"]
        series = native.series_2([1, 2, 3, 4], [(one(1), at)])
        series += sender.exemplar_2([5, 6], 0.7, at)
        plain, headers = sender.symbols(words) + sender.held(5, series), sender.HEADERS_2
    reply = post(receiver, sender.packed(plain), headers)
    assert written(reply.headers) == [0, 1, 1]
    (found,) = staging.kept.find("cart", 0.0, 1_800_000_001.0)
    assert (found.trace_id, found.duration) == ("ab", 0.7)


async def test_an_idle_service_has_no_latency_and_no_traffic(receiver, staging):
    for moment in (-20, -10, 0):
        post(receiver, body((CART, [(one(100), ms(moment))])))
    assert await values(staging, 1_800_000_000.0) == {'traffic{service="cart"}': 0.0}


async def test_a_sender_that_is_too_dense_loses_its_oldest_histograms_and_is_counted(
    receiver, staging, caplog
):
    log = staging._evaluator._native.log
    log.most = 100
    for step in range(300):
        moment = -29.9 + step / 10
        post(receiver, body((CART, [(one(1000 + step), ms(moment))])))
    assert len(log.kept.buckets) <= 100
    assert staging._evaluator.overwritten > 100
    assert caplog.text.count("over 100 buckets in a window") == 1
    found = await values(staging, 1_800_000_000.0)
    assert found['p50{service="cart"}'] == pytest.approx(0.5**0.5)


async def test_what_no_signal_needs_is_passed_over(receiver, staging):
    other = {"__name__": "other_seconds", "service": "cart"}
    reply = post(receiver, body((other, [(one(1), ms(0))])))
    assert (reply.status, written(reply.headers)) == (204, [0, 1, 0])
    assert len(staging._evaluator.series) == 0
