"""OTLP in JSON: ids in hexadecimal, enums as integers, 64-bit integers as text or number.

Fields that are not read are passed over. A field that is null is one that is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Annotated, Generic, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct
from numpy.typing import NDArray

from anomalyd.model import Labels
from anomalyd.sources.otlp.attributes import labels
from anomalyd.sources.otlp.columns import (
    PARENT_ID,
    SPAN_ID,
    TRACE_ID,
    UNREADABLE,
    Columns,
)
from anomalyd.sources.otlp.json_attributes import Pair, facts_of, scalar
from anomalyd.sources.otlp.objects import ids, rows_of

Nanoseconds = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Kind = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
S = TypeVar("S")
Number = TypeVar("Number", np.uint64, np.int32)

_ERROR = 2
_ROOT = "0" * 16
_NO_RESOURCE, _NO_ATTRIBUTES = Raw(b"{}"), Raw(b"[]")


class _Status(Struct, gc=False):
    code: int | None = None


class Span(Struct, rename="camel", gc=False):
    trace_id: str | None = ""
    span_id: str | None = ""
    trace_state: str | None = None
    parent_span_id: str | None = _ROOT
    name: str | None = ""
    kind: Kind | None = 0
    start_time_unix_nano: Nanoseconds | None = 0
    end_time_unix_nano: Nanoseconds | None = 0
    attributes: Raw = _NO_ATTRIBUTES
    status: _Status | None = None


class _ScopeSpans(Struct, Generic[S]):
    spans: list[S] | None = None


class _ResourceSpans(Struct, Generic[S], rename="camel"):
    resource: Raw = _NO_RESOURCE
    scope_spans: list[_ScopeSpans[S]] | None = None


class _Traces(Struct, Generic[S], rename="camel"):
    resource_spans: list[_ResourceSpans[S]] | None = None


class _Resource(Struct):
    attributes: list[Pair] | None = None


_TRACES = msgspec.json.Decoder(_Traces[Span], strict=False)
_RAW_TRACES = msgspec.json.Decoder(_Traces[Raw], strict=False)
_SPAN = msgspec.json.Decoder(Span, strict=False)
_RESOURCE = msgspec.json.Decoder(_Resource | None)


def parse(body: bytes) -> _Traces[Span | None]:
    """A span that does not fit is None. Raises what msgspec does where the rest does not fit."""
    try:
        return _TRACES.decode(body)  # type: ignore[return-value]
    except msgspec.ValidationError:
        one_by_one = _RAW_TRACES.decode(body)
    for resource in one_by_one.resource_spans or ():
        for scope in resource.scope_spans or ():
            scope.spans = [_span(raw) for raw in scope.spans or ()]  # type: ignore[misc]
    return one_by_one  # type: ignore[return-value]


def _span(raw: Raw) -> Span | None:
    try:
        return _SPAN.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def columns(found: Sequence[Span | None]) -> Columns:
    n, unread = len(found), [i for i, span in enumerate(found) if span is None]
    fault = np.zeros(n, dtype=np.uint8)
    fault[unread] = UNREADABLE
    spans = [span or Span() for span in found] if unread else found
    names, texts = rows_of(_texts("name", spans, ""))
    states = enumerate(map(attrgetter("trace_state"), spans))
    statuses = enumerate(map(attrgetter("status"), spans))
    failed = np.zeros(n, dtype=bool)
    failed[[i for i, status in statuses if status is not None and status.code == _ERROR]] = True
    return Columns(
        trace=_ids(_texts("trace_id", spans, ""), 16, fault, TRACE_ID),
        span=_ids(_texts("span_id", spans, ""), 8, fault, SPAN_ID)[:, 0],
        parent=_ids(_texts("parent_span_id", spans, _ROOT), 8, fault, PARENT_ID)[:, 0],
        start=_numbers("start_time_unix_nano", spans, np.uint64),
        end=_numbers("end_time_unix_nano", spans, np.uint64),
        kind=_numbers("kind", spans, np.int32),
        failed=failed,
        names=names,
        texts=texts,
        facts=facts_of(list(map(attrgetter("attributes"), spans)), fault),
        fault=fault,
        states={i: state for i, state in states if state},
    )


def _texts(name: str, spans: Sequence[Span | None], nothing: str) -> list[str]:
    """A field of each span; `nothing` where it is null or empty."""
    found = list(map(attrgetter(name), spans))
    return found if all(found) else [one or nothing for one in found]


def _numbers(name: str, spans: Sequence[Span | None], form: type[Number]) -> NDArray[Number]:
    """A field of each span; 0 where it is null."""
    try:
        return np.fromiter(map(attrgetter(name), spans), form, len(spans))
    except TypeError:
        return np.array([getattr(span, name) or 0 for span in spans], form)


def _ids(given: list[str], size: int, fault: NDArray[np.uint8], place: int) -> NDArray[np.uint64]:
    """As `ids`; all at once where all are right."""
    try:
        at_once = bytes.fromhex("".join(given))
    except ValueError:
        at_once = b""
    if len(at_once) == size * len(given) and set(map(len, given)) <= {2 * size}:
        return np.frombuffer(at_once, ">u8").reshape(-1, size // 8).astype(np.uint64)
    return ids([_bytes(one) for one in given], size, fault, place)


def _bytes(hexadecimal: str) -> bytes:
    try:
        return bytes.fromhex(hexadecimal) if " " not in hexadecimal else b""
    except ValueError:
        return b""


def resource_labels(raw: bytes) -> Labels:
    """Of a resource. Raises what msgspec does where it is none."""
    found = _RESOURCE.decode(raw)
    pairs = found.attributes if found is not None else None
    return labels((pair.key, scalar(bytes(pair.value))) for pair in pairs or ())
