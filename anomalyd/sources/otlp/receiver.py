"""OTLP as its servers answer it: what is sent, to the environments that take it.

Reference: OpenTelemetry Protocol 1.x, "OTLP/HTTP". Over gRPC the same requests come, in protobuf.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import msgspec
import numpy as np

from anomalyd import telemetry
from anomalyd.model import Environment, Labels
from anomalyd.protobuf import message_classes
from anomalyd.push import Post, Refused, Reply
from anomalyd.sources.otlp.columns import FAULTS, Decoded
from anomalyd.sources.otlp.gzip import TooLarge, inflated
from anomalyd.sources.otlp.traces import Decoder, Malformed
from anomalyd.spans import Spans

PROTOBUF, JSON = "application/x-protobuf", "application/json"
RETRY_SECONDS = 1

_ENVIRONMENT = ("deployment_environment_name", "deployment_environment")

_ELSEWHERE = "environment"
_SENTENCES = {**FAULTS, _ELSEWHERE: "deployment.environment.name that no environment here takes"}

_Response = message_classes(
    "anomalyd.otlp.response",
    {
        "Response": {"partial_success": (1, "PartialSuccess")},
        "PartialSuccess": {"rejected": (1, "int64"), "error_message": (2, "string")},
    },
)["Response"]


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
        form = _form(post)
        inlets = self._of_path(post.environment)
        decoded = self._decoded(form, self._plain(post), post.received_at)
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
        return _answer(form, refused)

    def _of_path(self, environment: str) -> dict[Environment, Inlet]:
        found = {name: one for name, one in self._inlets.items() if environment in ("", name)}
        if not found:
            paths = " or ".join(f"/{name}" for name in self._inlets)
            raise Refused(404, "unknown_environment", f"nothing is received there; send to {paths}")
        return found

    def _plain(self, post: Post) -> bytes:
        encoding = post.headers.get("content-encoding", "identity").lower()
        if encoding in ("identity", ""):
            return post.body
        if encoding != "gzip":
            raise Refused(415, "encoding", f"Content-Encoding is {encoding}; send gzip or none")
        try:
            return inflated(post.body, self.body_limit)
        except TooLarge:
            raise Refused(
                413,
                "body_too_large",
                f"the body is over {self.body_limit} bytes once inflated; raise otlp.body_limit",
            ) from None
        except ValueError as error:
            raise Refused(400, "bad_body", f"the body is no gzip: {error}") from None

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
            own = np.array([_environment(one) in takes for one in spans.resources], dtype=bool)
            spans = spans.only(own[spans.resource])
        unsaid = np.isnan(spans.weight)
        return replace(spans, weight=np.where(unsaid, 1 / inlet.ratio, spans.weight))


def _environment(resource: Labels) -> str:
    return next((resource.get(name) for name in _ENVIRONMENT if resource.get(name)), "")


def _form(post: Post) -> str:
    form = post.headers.get("content-type", "").partition(";")[0].strip().lower()
    if form not in (PROTOBUF, JSON):
        raise Refused(
            415, "content_type", f"Content-Type is {form or 'missing'}; send {PROTOBUF} or {JSON}"
        )
    return form


def _answer(form: str, refused: Counter[str]) -> Reply:
    """An ExportTraceServiceResponse."""
    rejected = refused.total()
    reasons = [f"{count}: {_SENTENCES[reason]}" for reason, count in refused.most_common()]
    message = "refused spans: " + "; ".join(reasons)
    if form == JSON:
        partial = {"rejectedSpans": str(rejected), "errorMessage": message}
        body = msgspec.json.encode({"partialSuccess": partial} if rejected else {})
        return Reply(200, body=body, content_type=JSON)
    response = _Response()
    if rejected:
        response.partial_success.rejected = rejected
        response.partial_success.error_message = message
    return Reply(200, body=response.SerializeToString(), content_type=PROTOBUF)
