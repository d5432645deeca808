"""OTLP as its servers answer it: what is sent, to the environments that take it.

Reference: OpenTelemetry Protocol 1.x, "OTLP/HTTP". Over gRPC the same requests come, in protobuf.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from anomalyd import telemetry
from anomalyd.model import Environment
from anomalyd.push import Post, Refused, Reply
from anomalyd.sources.otlp.columns import FAULTS, Decoded
from anomalyd.sources.otlp.exchange import JSON, answer, environment_of, form_of, of_path, plain
from anomalyd.sources.otlp.traces import Decoder, Malformed
from anomalyd.spans import Spans

RETRY_SECONDS = 1

_ELSEWHERE = "environment"
_SENTENCES = {**FAULTS, _ELSEWHERE: "deployment.environment.name that no environment here takes"}


class Inlet(Protocol):
    """What takes the spans of one environment. ratio: the share of its spans that is sent, where
    they themselves say nothing of it. takes: values of `deployment.environment.name` that are its
    own; empty: any."""

    ratio: float
    takes: frozenset[str]

    def room(self, spans: int) -> bool:
        """Whether so many more would be taken now."""
        ...

    def take(self, spans: Spans, now: float) -> None:
        """now: when they came, unix seconds."""
        ...


class Otlp:
    """A `Receiver` of traces. A path that names an environment decides; else each of them takes
    what its resources say to be of it."""

    def __init__(self, inlets: Mapping[Environment, Inlet], body_limit: int) -> None:
        self.body_limit = body_limit
        self._inlets = dict(inlets)
        self._decoder = Decoder()

    def receive(self, post: Post) -> Reply:
        """What is refused of a body is told in the answer to it. Raises Refused."""
        form = form_of(post)
        inlets = {name: self._inlets[name] for name in of_path(post.environment, self._inlets)}
        decoded = self._decoded(form, plain(post, self.body_limit), post.received_at)
        refused = Counter(decoded.refused)
        spans = decoded.spans
        shares = {name: self._own(name, spans, post.environment) for name in inlets}
        nobodys = len(spans) - sum(len(share) for share in shares.values())
        if nobodys:
            refused[_ELSEWHERE] = nobodys
        if not all(inlets[name].room(len(share)) for name, share in shares.items()):
            raise Refused(429, "busy", "too many spans wait to be evaluated", RETRY_SECONDS)
        for name, share in shares.items():
            inlets[name].take(share, post.received_at)
            telemetry.spans.add(len(share), {"environment": name.value})
        for reason, count in refused.items():
            telemetry.spans_refused.add(count, {"reason": reason})
        return answer(form, refused, _SENTENCES, "spans", "rejectedSpans")

    def _decoded(self, form: str, body: bytes, now: float) -> Decoded:
        read = self._decoder.json if form == JSON else self._decoder.protobuf
        try:
            return read(body, now)
        except Malformed as error:
            raise Refused(400, "bad_body", str(error)) from None

    def _own(self, name: Environment, spans: Spans, path: str) -> Spans:
        """The spans of an environment, with a weight each."""
        inlet = self._inlets[name]
        takes = inlet.takes or (frozenset({name.value}) if len(self._inlets) > 1 else frozenset())
        if not path and takes:
            own = np.array([environment_of(one) in takes for one in spans.resources], dtype=bool)
            spans = spans.only(own[spans.resource])
        unsaid = np.isnan(spans.weight)
        return replace(spans, weight=np.where(unsaid, 1 / inlet.ratio, spans.weight))
