"""The receiver as its senders see it: what is taken, what is refused and in which words."""

from __future__ import annotations

import pytest

from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import Environment, Gauge, Kind, Rate, Selector, Signal
from anomalyd.push import Post, Refused, Reply
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Make, Side, Wanted
from anomalyd.sources.pushed import PushedSource, build
from anomalyd.sources.remote_write import RemoteWrite
from tests.fakes import sender

NOW = 1_800_000_000.0
TRAFFIC = Signal("traffic", Kind.TRAFFIC, Rate(Selector("requests_total")))
MEMORY = Signal("memory", Kind.RESOURCE, Gauge(Selector("memory_bytes")))
CART = {"__name__": "requests_total", "service": "cart"}


def inlet(tmp_path, environment: Environment, rules=()) -> PushedSource:
    config = EnvironmentConfig.model_validate({"remote_write": {"relabel": rules}})
    side = Side(environment, config, None, {}, None, section="remote_write")
    wanted = Wanted({"requests_total", "memory_bytes"}.__contains__, Limits(), tmp_path)
    table = SignalTable([TRAFFIC, MEMORY], 100)
    names = frozenset({"traffic", "memory"})
    return build(Make(side, table, Canonical(["service"]), 30.0, wanted, names))


@pytest.fixture
def staging(tmp_path) -> PushedSource:
    return inlet(tmp_path, Environment.STAGING)


@pytest.fixture
def receiver(staging) -> RemoteWrite:
    return RemoteWrite({Environment.STAGING: staging}, 100_000)


def post(
    receiver: RemoteWrite, body: bytes, headers=sender.HEADERS, path="staging", now=NOW
) -> Reply:
    return receiver.receive(Post(path, headers, body, now))


def written(headers) -> list[int]:
    kinds = ("Samples", "Histograms", "Exemplars")
    return [int(headers[f"X-Prometheus-Remote-Write-{kind}-Written"]) for kind in kinds]


def ms(seconds: float) -> int:
    return round((NOW + seconds) * 1000)


async def values(source: PushedSource, time: float) -> dict[str, float]:
    batch = await source.collect(time)
    keys = source._evaluator.table.keys
    return {keys[row]: value for row, value in zip(batch.rows, batch.values, strict=True)}


@pytest.mark.parametrize(
    ("headers", "body"), [(sender.HEADERS, sender.body), (sender.HEADERS_2, sender.body_2)]
)
async def test_samples_of_both_versions_become_signals(receiver, staging, headers, body):
    for moment in (-20, -10, 0):
        many = [(CART, [(1000 + 5.0 * moment, ms(moment))]), ({"__name__": "up"}, [(1.0, ms(0))])]
        reply = post(receiver, body(*many), headers)
        assert (reply.status, written(reply.headers)) == (204, [2, 0, 0])
    assert await values(staging, NOW) == {'traffic{service="cart"}': pytest.approx(5.0, rel=0.5)}


async def test_several_samples_of_a_series_may_come_in_one_body_in_any_order(receiver, staging):
    moments = (-20, 0, -10)
    post(receiver, sender.body(*((CART, [(1000 + 5.0 * m, ms(m))]) for m in moments)))
    one_by_one = await values(staging, NOW)
    assert one_by_one['traffic{service="cart"}'] > 0


async def test_what_comes_after_a_tick_was_begun_is_in_it_as_well(receiver, staging):
    for moment in (-20, -10):
        post(receiver, sender.body((CART, [(1000 + 5.0 * moment, ms(moment))])))
    await staging.ahead(NOW)
    post(receiver, sender.body((CART, [(1300.0, ms(0))])))
    begun = await values(staging, NOW)
    staging._evaluator._growth._of = (0, 0)
    assert begun == await values(staging, NOW)
    assert begun['traffic{service="cart"}'] > 10


async def test_a_sender_that_asks_again_is_answered_as_the_first_time(receiver, staging):
    body = sender.body((CART, [(1.0, ms(-10))]), (CART, [(2.0, ms(0))]))
    assert post(receiver, body).status == 204
    before = await values(staging, NOW)
    assert post(receiver, sender.body((CART, [(2.0, ms(0))]))).status == 204
    assert await values(staging, NOW) == before


def refusal(receiver: RemoteWrite, body: bytes, **more) -> Refused:
    with pytest.raises(Refused) as caught:
        post(receiver, body, **more)
    return caught.value


@pytest.mark.parametrize(
    ("series", "why"),
    [
        ((CART, [(1.0, ms(-20))]), "not newer than the last of their series"),
        ((CART, [(9.0, ms(0))]), "not newer than the last of their series"),
        ((CART, [(1.0, ms(601))]), "over 10 minutes ahead of our clock"),
        (({"service": "cart"}, [(1.0, ms(1))]), "without a name or with a label twice"),
    ],
)
async def test_what_is_good_of_a_body_is_kept_and_the_rest_is_refused(
    receiver, staging, series, why
):
    memory = {"__name__": "memory_bytes", "service": "cart"}
    post(receiver, sender.body((CART, [(2.0, ms(0))])))
    refused = refusal(receiver, sender.body((memory, [(7.0, ms(1))]), series))
    assert (refused.status, written(refused.headers)) == (400, [1, 0, 0])
    assert f"1 {why}" in refused.message
    assert (await values(staging, NOW + 1))['memory{service="cart"}'] == 7.0


async def test_a_stale_marker_ends_a_series_and_adds_nothing(receiver, staging):
    memory = {"__name__": "memory_bytes", "service": "cart"}
    post(receiver, sender.body((memory, [(7.0, ms(-10))])))
    assert post(receiver, sender.body((memory, [(sender.STALE, ms(0))]))).status == 204
    assert await values(staging, NOW) == {'memory{service="cart"}': 7.0}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"content-type": "application/json"}, 415, "not_remote_write"),
        ({"content-type": "application/x-protobuf;proto=other.Request"}, 415, "not_remote_write"),
        ({"content-type": ""}, 415, "not_remote_write"),
        ({"content-encoding": "gzip"}, 415, "not_snappy"),
        ({"content-encoding": "zstd"}, 415, "not_snappy"),
    ],
)
def test_what_is_no_remote_write_is_refused_by_its_headers(receiver, headers, status, code):
    refused = refusal(receiver, sender.body(), headers={**sender.HEADERS, **headers})
    assert (refused.status, refused.code) == (status, code)


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-protobuf;proto=prometheus.WriteRequest",
        "Application/X-Protobuf; proto=prometheus.WriteRequest",
    ],
)
def test_a_type_may_be_written_out(receiver, kind):
    assert post(receiver, sender.body(), {**sender.HEADERS, "content-type": kind}).status == 204


@pytest.mark.parametrize(
    "body",
    [b"", b"\x05", b"not snappy at all", sender.packed(b"\x0a\xff"), sender.body()[:-1] + b"\x09"],
)
def test_a_damaged_body_is_refused_and_never_sent_again(receiver, body):
    if body == b"":
        body = b"\xff\xff\xff\xff\xff"
    refused = refusal(receiver, body)
    assert (refused.status, refused.code) in ((400, "bad_body"), (413, "body_too_large"))


def test_a_body_is_not_inflated_past_its_limit(receiver):
    bomb = sender.packed(bytes(10_000_000))
    assert len(bomb) < 1_000_000
    refused = refusal(receiver, bomb)
    assert (refused.status, refused.code) == (413, "body_too_large")
    assert "10000000 bytes" in refused.message


def test_another_environments_path_is_not_found(receiver):
    refused = refusal(receiver, sender.body(), path="production")
    assert (refused.status, refused.code) == (404, "unknown_environment")
    assert "/api/v1/write/staging" in refused.message


def test_series_over_the_limit_are_left_out_and_the_rest_goes_on(tmp_path):
    config = EnvironmentConfig.model_validate({"remote_write": {}})
    side = Side(Environment.STAGING, config, None, {}, None, section="remote_write")
    wanted = Wanted({"requests_total"}.__contains__, Limits(raw_series=2), tmp_path)
    table = SignalTable([TRAFFIC], 100)
    make = Make(side, table, Canonical(["service"]), 30.0, wanted, frozenset({"traffic"}))
    source = build(make)
    receiver = RemoteWrite({Environment.STAGING: source}, 100_000)
    many = [({**CART, "n": str(n)}, [(1.0, ms(0))]) for n in range(5)]
    assert post(receiver, sender.body(*many)).status == 204
    assert len(source._evaluator.series) == 2


async def test_rules_decide_what_a_series_is_called_and_whether_it_is_one(tmp_path):
    rules = [
        {"source_labels": ["namespace"], "regex": "kube-.*", "action": "drop"},
        {"source_labels": ["app"], "regex": "(.+)-v2", "target_label": "service"},
    ]
    source = inlet(tmp_path, Environment.STAGING, rules=rules)
    receiver = RemoteWrite({Environment.STAGING: source}, 100_000)
    memory = {"__name__": "memory_bytes", "app": "cart-v2"}
    many = [(memory, [(7.0, ms(0))]), ({**memory, "namespace": "kube-a"}, [(9.0, ms(0))])]
    assert post(receiver, sender.body(*many)).status == 204
    assert await values(source, NOW) == {'memory{service="cart"}': 7.0}


class Clock:
    """Series of one rollout after another, a minute each."""

    def __init__(self, receiver: RemoteWrite) -> None:
        self.receiver, self.now = receiver, NOW

    def rollout(self, version: int, pods: int = 20) -> None:
        for second in range(0, 60, 15):
            self.now += 15
            many = [
                ({**CART, "pod": f"cart-{version}-{pod}"}, [(5.0 * second, round(self.now * 1000))])
                for pod in range(pods)
            ]
            assert post(self.receiver, sender.body(*many), now=self.now).status == 204


async def test_rollouts_that_rename_every_pod_neither_leak_nor_change_a_number(
    receiver, staging, tmp_path
):
    clock = Clock(receiver)
    for version in range(40):
        clock.rollout(version)
        staging.expire()
    evaluator = staging._evaluator
    assert len(evaluator.series) <= 20 * 14
    assert len(evaluator.series.labels) <= 20 * 14
    assert evaluator._counters.ring.rows <= 20 * 14
    (lane,) = receiver._lanes.values()
    assert len(lane._identities[1].known) == len(evaluator.series)
    fresh = inlet(tmp_path, Environment.STAGING)
    again = Clock(RemoteWrite({Environment.STAGING: fresh}, 100_000))
    again.now = clock.now - 60
    again.rollout(39)
    assert await values(staging, clock.now) == await values(fresh, clock.now) != {}


async def test_a_forgotten_series_that_comes_back_is_as_new(receiver, staging):
    clock = Clock(receiver)
    clock.rollout(1)
    clock.now += 700
    assert post(receiver, sender.body(), now=clock.now).status == 204
    staging.expire()
    assert len(staging._evaluator.series) == 20, "nothing else came either: the sender was away"
    other = ({"__name__": "other"}, [(1.0, round(clock.now * 1000))])
    assert post(receiver, sender.body(other), now=clock.now).status == 204
    staging.expire()
    assert len(staging._evaluator.series) == 0
    clock.rollout(1)
    assert (await values(staging, clock.now))['traffic{service="cart"}'] > 0
