"""The query API's client: what it decodes, and the sentence for every way a server may refuse."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.config import EnvironmentConfig
from anomalyd.http import session
from anomalyd.query import QueryError, Trouble, decode_matrix, decode_vector, parse_labels
from anomalyd.sources.promapi import PromApi
from tests.fakes import prometheus as fakes
from tests.fakes.prometheus import FakePrometheus, refuse, serve, vector


@asynccontextmanager
async def client(
    url: str, limits: dict[str, int] | None = None, **settings: Any
) -> AsyncIterator[PromApi]:
    endpoint = EnvironmentConfig.model_validate({"url": url, "timeout": "5s", **settings})
    async with session(endpoint) as http:
        yield PromApi(endpoint, http, name="production", **(limits or {}))


async def trouble_of(
    fake: FakePrometheus, limits: dict[str, int] | None = None, **settings: Any
) -> QueryError:
    async with serve(fake), client(fake.url, limits, **settings) as api:
        with pytest.raises(QueryError) as caught:
            await api.instant("up", 1_700_000_000.0)
    return caught.value


NAN = [({"a": "1"}, "NaN"), ({"a": "2"}, "+Inf"), ({"a": "3"}, "-Inf"), ({"a": "4"}, "1e-3")]


async def test_a_vector_keeps_keys_as_bytes_and_reads_nan_and_infinities() -> None:
    fake = FakePrometheus({"up": vector(*NAN)}, warnings=["be careful"])
    async with serve(fake), client(fake.url) as api:
        answer = await api.instant("up", 1_700_000_000.25)
    assert [parse_labels(key).get("a") for key in answer.keys] == ["1", "2", "3", "4"]
    assert math.isnan(answer.values[0])
    assert answer.values[1:].tolist() == [math.inf, -math.inf, 0.001]
    assert answer.notes == ("be careful",)
    assert fake.asked("query")[0] == {"query": "up", "timeout": "5000ms", "time": "1700000000.25"}


async def test_a_range_puts_points_on_the_grid_and_leaves_holes_nan() -> None:
    series = {"a": "1"}
    fake = FakePrometheus(
        ranges=lambda query, at: [(series, at / 60)] + ([({"a": "2"}, "NaN")] if at >= 180 else [])
    )
    async with serve(fake), client(fake.url) as api:
        answer = await api.range("up", 60.0, 240.0, 60.0)
    assert answer.times.tolist() == [60, 120, 180, 240]
    np.testing.assert_array_equal(
        answer.values, np.array([[1, 2, 3, 4], [np.nan] * 4], dtype=np.float32)
    )


async def test_the_url_may_carry_a_prefix_and_headers_and_auth_are_sent() -> None:
    fake = FakePrometheus({"up": vector(({}, 1.0))})
    settings = {"headers": {"X-Scope-OrgID": "shop"}, "auth": {"bearer": "s3cret"}}
    async with serve(fake, prefix="/mimir/prometheus"), client(fake.url, **settings) as api:
        assert (await api.instant("up")).values.tolist() == [1.0]
    assert fake.headers[0]["X-Scope-OrgID"] == "shop"
    assert fake.headers[0]["Authorization"] == "Bearer s3cret"


async def test_a_server_that_allows_only_get_is_asked_by_get_from_then_on() -> None:
    fake = FakePrometheus({"up": vector(({}, 1.0))}, only_get=True)
    async with serve(fake), client(fake.url) as api:
        assert len((await api.instant("up")).keys) == 1
        assert len((await api.instant("up")).keys) == 1
    assert len(fake.seen) == 2


async def test_metadata_is_asked_with_selectors() -> None:
    fake = FakePrometheus(
        metrics={"http_requests_total": ["job", "code"]},
        targets=[{"labels": {"job": "a"}, "health": "up", "scrapeInterval": "15s"}],
    )
    async with serve(fake), client(fake.url) as api:
        assert await api.metric_names(['{env="p"}'], since=5) == ["http_requests_total"]
        assert await api.labels(["http_requests_total"]) == ["__name__", "job", "code"]
        assert (await api.buildinfo()).version == "2.42.0"
        assert (await api.targets())[0].scrape_interval == "15s"
    assert fake.asked("label/__name__/values")[0] == {"match[]": '{env="p"}', "start": "5"}


def success(kind: str, result: str) -> bytes:
    return f'{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}'.encode()


HISTOGRAM = success("vector", '[{"metric":{},"histogram":[1,{"count":"3","sum":"1"}]}]')
STRING = success("string", '[1,"x"]')
MATRIX = success("matrix", '[{"metric":{},"values":[[1,"1"]]}]')
NO_NUMBER = success("vector", '[{"metric":{},"value":[1,"x"]}]')


@pytest.mark.parametrize(
    ("trouble", "kind", "retryable", "says"),
    [
        (refuse(400, "bad_data", "parse error at char 3"), Trouble.BAD_QUERY, False, "parse error"),
        (refuse(401), Trouble.UNAUTHORIZED, False, "check auth"),
        (refuse(403), Trouble.FORBIDDEN, False, "permission"),
        (refuse(404), Trouble.NOT_FOUND, False, "check the path of the url"),
        (refuse(418), Trouble.REFUSED, False, "HTTP 418"),
        (refuse(422, "execution", "too many samples"), Trouble.UNPROCESSABLE, False, "too many"),
        (refuse(429, "too_many", "slow"), Trouble.THROTTLED, True, "slow down"),
        (refuse(500, "internal", "boom"), Trouble.SERVER, True, "boom"),
        (refuse(503, "unavailable", "no"), Trouble.SERVER, True, "HTTP 503"),
        (refuse(503, "timeout", "query timed out"), Trouble.TIMEOUT, True, "ran out of time"),
        (refuse(504), Trouble.TIMEOUT, True, "HTTP 504"),
        (refuse(302, Location="https://sso/login"), Trouble.NOT_FOUND, False, "https://sso/login"),
        (fakes.page(b"<html>login</html>", "text/html"), Trouble.BROKEN, True, "not JSON"),
        (fakes.page(b""), Trouble.BROKEN, True, "empty"),
        (fakes.page(b'{"status":"success","data":{"resu'), Trouble.BROKEN, True, "cut off"),
        (fakes.cut_off, Trouble.BROKEN, True, "cut off"),
        (fakes.page(STRING), Trouble.WRONG_TYPE, False, "yields a string"),
        (fakes.page(MATRIX), Trouble.WRONG_TYPE, False, "yields a matrix"),
        (fakes.page(NO_NUMBER), Trouble.BROKEN, True, "without a value"),
        (fakes.page(HISTOGRAM), Trouble.NATIVE_HISTOGRAM, False, "histogram_quantile"),
    ],
)
async def test_every_refusal_has_a_kind_and_one_sentence_that_names_the_server(
    trouble: fakes.Answer, kind: Trouble, retryable: bool, says: str
) -> None:
    error = await trouble_of(FakePrometheus(trouble=trouble))
    assert (error.kind, error.retryable) == (kind, retryable)
    assert says in str(error)
    assert str(error).startswith("production (http://127.0.0.1:")
    assert "\n" not in str(error)


async def test_a_server_that_does_not_answer_in_time_is_a_timeout() -> None:
    error = await trouble_of(FakePrometheus(trouble=fakes.never), timeout="100ms")
    assert error.kind is Trouble.TIMEOUT
    assert "0.1s" in str(error)


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://user:hidden@127.0.0.1:{closed.getsockname()[1]}"
        async with client(url) as api:
            with pytest.raises(QueryError, match=r"cannot be reached .*; check url") as caught:
                await api.instant("up")
    assert caught.value.kind is Trouble.UNREACHABLE
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "check"),
    [
        ("7", lambda seconds: seconds == 7),
        ("Wed, 21 Oct 2015 07:28:00 GMT", lambda seconds: seconds == 0),
        ("soon", lambda seconds: seconds is None),
    ],
)
async def test_retry_after_is_read_as_seconds_or_a_date(
    header: str, check: Callable[[float | None], bool]
) -> None:
    error = await trouble_of(FakePrometheus(trouble=refuse(429, **{"Retry-After": header})))
    assert check(error.retry_after)


SERIES = b'{"metric":{"pod":"a"},"value":[1,"1"]},'


async def test_reading_stops_at_the_series_limit() -> None:
    endless = fakes.Endless(SERIES * 1000)
    error = await trouble_of(FakePrometheus(trouble=endless), {"query_series": 2000})
    assert error.kind is Trouble.TOO_MANY_SERIES
    assert "limits.query_series" in str(error)


async def test_reading_stops_at_the_byte_limit() -> None:
    endless = fakes.Endless(b" " * 10_000)
    error = await trouble_of(FakePrometheus(trouble=endless), {"body_bytes": 100_000})
    assert (error.kind, error.too_much) == (Trouble.TOO_LARGE, True)


async def test_a_hundred_thousand_series_are_refused_and_fifty_thousand_are_read() -> None:
    many = vector(*(({"pod": str(i)}, 1.0) for i in range(100_000)))
    fake = FakePrometheus({"up": many})
    assert (await trouble_of(fake)).kind is Trouble.TOO_MANY_SERIES
    many["result"] = many["result"][:50_000]
    async with serve(fake), client(fake.url) as api:
        assert len((await api.instant("up")).keys) == 50_000


names = st.text("abcdefghij_", min_size=1, max_size=8)
label_sets = st.dictionaries(names, st.text(max_size=12), max_size=4)
numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)


def as_text(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:+}".replace("inf", "Inf")


@given(st.lists(st.tuples(label_sets, numbers), max_size=20))
def test_decoding_a_vector_agrees_with_the_obvious_reading(
    series: list[tuple[dict[str, str], float]],
) -> None:
    body = json.dumps({"status": "success", "data": vector(*((m, as_text(v)) for m, v in series))})
    answer = decode_vector(body.encode())
    obvious = json.loads(body)["data"]["result"]
    assert [json.loads(key) for key in answer.keys] == [one["metric"] for one in obvious]
    np.testing.assert_array_equal(answer.values, [float(one["value"][1]) for one in obvious])


@given(
    st.lists(st.dictionaries(st.integers(0, 30), numbers, min_size=1), max_size=8),
    st.sampled_from([0.5, 15.0, 60.0]),
)
def test_decoding_a_matrix_agrees_with_the_obvious_reading(
    series: list[dict[int, float]], step: float
) -> None:
    start = 1_700_000_000.0
    points = [{start + k * step: as_text(v) for k, v in one.items()} for one in series]
    data = fakes.matrix(*(({"row": str(i)}, one) for i, one in enumerate(points)))
    body = json.dumps({"status": "success", "data": data}).encode()
    answer = decode_matrix(body, start, start + 30 * step, step)
    naive = np.full((len(series), 31), np.nan, dtype=np.float32)
    for row, one in enumerate(series):
        for k, value in one.items():
            naive[row, k] = value
    np.testing.assert_array_equal(answer.values, naive)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_a_named_trouble(noise: bytes) -> None:
    for body in (noise, b'{"status":"success","data":' + noise):
        with pytest.raises(QueryError):
            decode_vector(body)
        with pytest.raises(QueryError):
            decode_matrix(body, 0, 60, 60)


@pytest.mark.parametrize(
    "points", ['[[0,"1"],[9999,"2"]]', '[[-60,"1"]]', '[["x","1"]]', '[[0,"one"]]']
)
def test_points_off_the_grid_or_unreadable_are_refused(points: str) -> None:
    body = success("matrix", f'[{{"metric":{{}},"values":{points}}}]')
    with pytest.raises(QueryError, match="cannot be read"):
        decode_matrix(body, 0, 120, 60)
