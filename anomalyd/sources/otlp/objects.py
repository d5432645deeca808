"""Spans as message objects, one by one, to columns: any order of fields, and what is broken."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Rows
from anomalyd.protobuf import DecodeError
from anomalyd.sources.otlp.attributes import KnownFacts
from anomalyd.sources.otlp.columns import (
    PARENT_ID,
    SPAN_ID,
    TRACE_ID,
    UNREADABLE,
    Columns,
    Facts,
)
from anomalyd.sources.otlp.messages import Span

T = TypeVar("T", bound=Hashable)

_ERROR = 2
_ROOT = bytes(8)
_NO_SPAN = Span()


def read(raw: Sequence[bytes], known: KnownFacts) -> Columns:
    """Of serialised spans, one object for each."""
    spans, unreadable = [], []
    for i, one in enumerate(raw):
        try:
            spans.append(Span.FromString(one))
        except DecodeError:
            spans.append(_NO_SPAN)
            unreadable.append(i)
    of_spans = [i for i, span in enumerate(spans) for _ in span.attributes]
    which, pairs = rows_of([pair for span in spans for pair in span.attributes])
    states = [(i, span.trace_state) for i, span in enumerate(spans) if span.trace_state]
    fault = np.zeros(len(spans), dtype=np.uint8)
    fault[unreadable] = UNREADABLE
    names, texts = rows_of([span.name for span in spans])
    return Columns(
        trace=ids([span.trace_id for span in spans], 16, fault, TRACE_ID),
        span=ids([span.span_id for span in spans], 8, fault, SPAN_ID)[:, 0],
        parent=ids([span.parent_span_id or _ROOT for span in spans], 8, fault, PARENT_ID)[:, 0],
        start=np.array([span.start_time_unix_nano for span in spans], dtype=np.uint64),
        end=np.array([span.end_time_unix_nano for span in spans], dtype=np.uint64),
        kind=np.array([span.kind for span in spans], dtype=np.int32),
        failed=np.array([span.status.code == _ERROR for span in spans], dtype=bool),
        names=names,
        texts=[text.decode(errors="replace") for text in texts],
        fault=fault,
        states={i: state.decode(errors="replace") for i, state in states},
        facts=Facts(np.array(of_spans, dtype=np.intp), which, list(map(known.of, pairs))),
    )


def ids(given: list[bytes], size: int, fault: NDArray[np.uint8], place: int) -> NDArray[np.uint64]:
    """uint64[n, size / 8], zero where an id has another size, which is then the span's fault."""
    wrong = [i for i, one in enumerate(given) if len(one) != size]
    for i in wrong:
        given[i] = bytes(size)
        fault[i] = fault[i] or place
    return np.frombuffer(b"".join(given), ">u8").reshape(-1, size // 8).astype(np.uint64)


def rows_of(texts: list[T]) -> tuple[Rows, list[T]]:
    """intp[n] into the different texts, and these."""
    rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    return np.fromiter(map(rows.__getitem__, texts), np.intp, len(texts)), list(rows)
