"""Prometheus remote_write: a receiver of pushed samples, over the environments that take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

import cramjam
import numpy as np
from google.protobuf.message import DecodeError

from anomalyd.config import EnvironmentConfig
from anomalyd.model import Environment, Labels, Samples
from anomalyd.push import Post, Receiver, Refused, Reply
from anomalyd.sources import pushed
from anomalyd.sources.base import Make, Side, Source, Wanted
from anomalyd.sources.pushed import PushedSource
from anomalyd.sources.wire import WRITE_1

PATH = "/api/v1/write"


class RemoteWrite:
    """A `Receiver` of remote_write 1.0.

    `/api/v1/write/staging` is staging's; of `/api/v1/write` each environment takes the series that
    its `matchers` select.
    """

    def __init__(self, inlets: Mapping[Environment, PushedSource], body_limit: int) -> None:
        self.body_limit = body_limit
        self._inlets = dict(inlets)
        self._lanes: dict[str, Lane] = {}

    def receive(self, post: Post) -> Reply:
        body = _inflated(post.body, self.body_limit)
        self._lane(post.environment).take(body, post.received_at)
        return Reply(204)

    def _lane(self, environment: str) -> Lane:
        lane = self._lanes.get(environment)
        if lane is None:
            lane = self._lanes[environment] = Lane(self._open(environment))
        return lane

    def _open(self, environment: str) -> list[PushedSource]:
        """The inlets behind a path."""
        found = [one for name, one in self._inlets.items() if environment in ("", name)]
        if not found:
            names = " or ".join(f"{PATH}/{name}" for name in self._inlets)
            raise Refused(404, "unknown_environment", f"nothing is received there; send to {names}")
        if len(found) > 1 and not all(one.matched for one in found):
            raise Refused(
                400,
                "which_environment",
                "whose samples these are is not said: set matchers in both environments, or send "
                f"to {PATH}/staging and {PATH}/production",
            )
        return found


class Lane:
    """One path's series and the inlets that they go to."""

    def __init__(self, inlets: Sequence[PushedSource]) -> None:
        self._inlets = inlets
        self._codes: dict[bytes, int] = {}

    def take(self, body: bytes, received_at: float) -> None:
        for inlet in self._inlets:
            inlet.hear(received_at)
        codes, times, values = decode(body, self._codes, self._decide)
        kept = codes >= 0
        codes, times, values = codes[kept], times[kept], values[kept]
        for number, inlet in enumerate(self._inlets):
            own = codes % len(self._inlets) == number
            rows = codes[own] // len(self._inlets)
            inlet.take(Samples(rows, times[own] / 1000, values[own]))

    def _decide(self, labels: Labels) -> int:
        """Row and inlet of a new series in one number; -1 where nobody needs it."""
        for number, inlet in enumerate(self._inlets):
            row = inlet.row(labels)
            if row >= 0:
                return row * len(self._inlets) + number
        return -1


def decode(
    body: bytes, codes: dict[bytes, int], decide: Callable[[Labels], int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(intp[n] codes, float64[n] times in ms, float64[n] values) of a WriteRequest."""
    try:
        request = WRITE_1["WriteRequest"].FromString(body)
    except DecodeError:
        raise Refused(400, "bad_body", "the body is not a prometheus.WriteRequest") from None
    found: list[tuple[int, int, float]] = []
    for series in request.timeseries:
        labels = Labels.of({label.name: label.value for label in series.labels})
        key = str(labels).encode()
        code = codes.get(key)
        if code is None:
            code = codes[key] = decide(labels)
        found += [(code, sample.timestamp, sample.value) for sample in series.samples]
    columns = np.array(found, dtype=np.float64).reshape(-1, 3).T
    return columns[0].astype(np.intp), columns[1], columns[2]


def _inflated(body: bytes, limit: int) -> bytes:
    try:
        size = cramjam.snappy.decompress_raw_len(body)
        if size > limit:
            raise Refused(
                413,
                "body_too_large",
                f"the body is {size} bytes once inflated; raise remote_write.body_limit",
            )
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError:
        raise Refused(400, "bad_body", "the body is not snappy in its block format") from None


async def look(
    name: Environment, environment: EnvironmentConfig, wanted: Wanted, stack: AsyncExitStack
) -> Side:
    """What was pushed so far; see `Kind`."""
    return await pushed.look("remote_write", f"{PATH}/{name}", name, environment, wanted, stack)


def build(make: Make) -> Source:
    return pushed.build(make)


def receiver(sources: Mapping[Environment, Source]) -> Receiver:
    inlets = {name: one for name, one in sources.items() if isinstance(one, PushedSource)}
    settings = (one.side.config.remote_write for one in inlets.values())
    return RemoteWrite(inlets, max(one.body_limit for one in settings if one is not None))
