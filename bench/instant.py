"""The answer of an instant query to rows and values."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import requests
from prometheus_api_client import PrometheusConnect
from requests.adapters import BaseAdapter

from anomalyd.query import decode_vector
from bench.measure import Figure, alternate

PEER = "prometheus-api-client dicts"
URL = "http://canned.invalid"


def run(quick: bool) -> Iterator[Figure]:
    series = 500 if quick else 10_000
    answer = body(series)
    known = {key: row for row, key in enumerate(decode_vector(answer).keys)}
    asked = client(answer)
    theirs_known: dict[tuple[tuple[str, str], ...], int] = {}

    def ours() -> None:
        found = decode_vector(answer)
        rows = np.array([known[key] for key in found.keys], dtype=np.intp)
        if len(rows) != len(found.values) or len(rows) != series:
            raise RuntimeError("the answer was not read whole")

    def theirs() -> None:
        values = np.full(series, np.nan)
        for one in asked.custom_query("up"):
            key = tuple(sorted(one["metric"].items()))
            values[theirs_known.setdefault(key, len(theirs_known))] = float(one["value"][1])

    mine, peer = alternate(3 if quick else 15, ours, theirs)
    yield Figure(
        "instant.decode",
        f"an instant query's answer of {series} series to rows and values",
        "ns per series",
        mine.times(1e9 / series),
        PEER,
        peer.times(1e9 / series),
    )


def body(series: int) -> bytes:
    result = [
        {
            "metric": {"service": f"service-{i // 20}", "route": f"/v1/resource/{i % 20}"},
            "value": [1_700_000_000.123, repr(0.001 * i + 1 / 3)],
        }
        for i in range(series)
    ]
    data = {"resultType": "vector", "result": result}
    return json.dumps({"status": "success", "data": data}, separators=(",", ":")).encode()


def client(answer: bytes) -> PrometheusConnect:
    """prometheus-api-client with every answer at hand, so that no network is measured."""

    class Canned(BaseAdapter):
        def send(
            self, request: requests.PreparedRequest, *_: object, **__: object
        ) -> requests.Response:
            response = requests.Response()
            response.status_code, response._content = 200, answer
            response.encoding, response.request = "utf-8", request
            return response

        def close(self) -> None:
            pass

    session = requests.Session()
    session.mount(f"{URL}/api/", Canned())
    return PrometheusConnect(URL, session=session)
