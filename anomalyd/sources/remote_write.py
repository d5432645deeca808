"""Prometheus remote_write: a receiver of pushed samples, over the environments that take them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack

import cramjam
from google.protobuf.message import DecodeError

from anomalyd import telemetry
from anomalyd.config import EnvironmentConfig
from anomalyd.model import Environment
from anomalyd.push import Post, Receiver, Refused, Reply
from anomalyd.sources import pushed
from anomalyd.sources.base import Make, Side, Source, Wanted
from anomalyd.sources.decode import BodyError
from anomalyd.sources.lane import Counts, Lane
from anomalyd.sources.native import MAX_BOUNDARIES
from anomalyd.sources.pushed import PushedSource

PATH = "/api/v1/write"
WRITTEN = "X-Prometheus-Remote-Write-{}-Written"
VERSIONS = {"prometheus.WriteRequest": 1, "io.prometheus.write.v2.Request": 2}
_FAULTS = {
    "invalid": "without a name or with a label twice",
    "broken": "of native histograms whose spans, counts or boundaries do not go together, or with "
    f"over {MAX_BOUNDARIES} boundaries",
    "ahead": "over 10 minutes ahead of our clock",
    "out_of_order": "not newer than the last of their series",
}


class RemoteWrite:
    """A `Receiver` of remote_write 1.0 and 2.0.

    `/api/v1/write/staging` is staging's; of `/api/v1/write` each environment takes the series that
    its `matchers` select. What is good of a body is kept whatever the rest is: a sender does not
    send again what was answered with 400.
    """

    def __init__(self, inlets: Mapping[Environment, PushedSource], body_limit: int) -> None:
        self.body_limit = body_limit
        self._inlets = dict(inlets)
        self._lanes: dict[str, Lane] = {}

    def receive(self, post: Post) -> Reply:
        version = _version(post.headers)
        lane = self._lane(post.environment)
        telemetry.pushed_bytes.add(len(post.body), {"protocol": "remote_write"})
        body = inflated(post.body, self.body_limit)
        try:
            columns = lane.read(body, version)
        except DecodeError:
            raise Refused(400, "bad_body", "the body is no message of its type") from None
        except BodyError as error:
            raise Refused(400, "bad_body", f"{error}") from None
        counts = lane.take(columns, post.received_at)
        for result, number in (counts.samples + counts.histograms).items():
            telemetry.pushed_samples.add(number, {"protocol": "remote_write", "result": result})
        if counts.exemplars:
            _count_exemplars(counts.kept, counts.exemplars - counts.kept)
        return _reply(counts)

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


def _version(headers: Mapping[str, str]) -> int:
    """Of the message, by the headers. Raises Refused, 415."""
    kind, *parameters = headers.get("content-type", "").split(";")
    proto = dict(part.strip().partition("=")[::2] for part in parameters).get(
        "proto", "prometheus.WriteRequest"
    )
    if kind.strip().lower() != "application/x-protobuf" or proto not in VERSIONS:
        known = " or ".join(VERSIONS)
        raise Refused(
            415, "not_remote_write", f"send application/x-protobuf, with proto={known}, in snappy"
        )
    encoding = headers.get("content-encoding", "snappy")
    if encoding.lower() != "snappy":
        raise Refused(415, "not_snappy", f"the body is in {encoding}; send snappy, block format")
    return VERSIONS[proto]


def inflated(body: bytes, limit: int) -> bytes:
    """Snappy's block format; its size is checked before anything is made room for."""
    try:
        size = cramjam.snappy.decompress_raw_len(body)
        if size > limit:
            raise Refused(
                413,
                "body_too_large",
                f"the body is {size} bytes once inflated, over {limit}; raise "
                "remote_write.body_limit, or lower max_samples_per_send of the sender",
            )
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError:
        raise Refused(400, "bad_body", "the body is not snappy in its block format") from None


def _count_exemplars(kept: int, ignored: int) -> None:
    for result, number in (("kept", kept), ("ignored", ignored)):
        labels = {"protocol": "remote_write", "result": result}
        telemetry.pushed_exemplars.add(number, labels)


def _reply(counts: Counts) -> Reply:
    """204, or 400 where a sample was refused: a sender logs that, and does not send it again."""
    refused = {
        name: number
        for name in _FAULTS
        if (number := counts.samples[name] + counts.histograms[name])
    }
    written = {
        "Samples": sum(number for name, number in counts.samples.items() if name not in _FAULTS),
        "Histograms": sum(
            number for name, number in counts.histograms.items() if name not in _FAULTS
        ),
        "Exemplars": counts.exemplars,
    }
    headers = {WRITTEN.format(name): str(number) for name, number in written.items()}
    if not refused:
        return Reply(204, headers)
    what = ", ".join(f"{number} {_FAULTS[name]}" for name, number in refused.items())
    of = counts.samples.total() + counts.histograms.total()
    raise Refused(
        400, "samples_refused", f"of {of} samples these were refused: {what}", headers=headers
    )


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
