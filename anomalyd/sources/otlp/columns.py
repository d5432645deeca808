"""Spans as they came, column by column, and which of them are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Labels, Rows
from anomalyd.sources.otlp.attributes import (
    OPERATION_SLOTS,
    SLOTS,
    VALUE_BYTES,
    Fact,
    operation,
)
from anomalyd.sources.otlp.sampling import weight
from anomalyd.spans import Flags, Ids, SpanKind, Spans

AHEAD_SECONDS = 600.0
"""A span that ends this far ahead of our clock is refused, as a sample would be."""

NAME_BYTES = 4096
"""Of a span's name; a longer one makes the span too long."""

FAULTS = {
    "unreadable": "not a span",
    "trace_id": "trace id that is not 16 bytes or is all zero",
    "span_id": "span id that is not 8 bytes or is all zero",
    "parent_id": "parent id that is not 8 bytes or is the span's own",
    "time": "no start, or an end before it",
    "future": "an end more than 10 min ahead of this machine's clock",
    "too_long": "a name, route or peer that is too long",
}
"""Why a span is refused: a word to count by, and words for its sender."""

UNREADABLE, TRACE_ID, SPAN_ID, PARENT_ID, TIME, FUTURE, TOO_LONG = range(1, 8)


@dataclass(frozen=True, slots=True)
class Facts:
    """What attributes say of spans: the one at spans[i] (intp[k]) what said[which[i]] says."""

    spans: Rows
    which: Rows
    said: Sequence[Fact]


NO_FACTS = Facts(np.zeros(0, np.intp), np.zeros(0, np.intp), ())


@dataclass(frozen=True, slots=True)
class Columns:
    """n spans as they came; see `Spans` for what is not said here.

    start, end: uint64[n], unix ns. kind: int32[n], any number. states: tracestate by span, where
    there is one. names: intp[n] into `texts`. fault: uint8[n], 0 or 1 + the place in FAULTS.
    """

    trace: Ids
    span: Ids
    parent: Ids
    start: NDArray[np.uint64]
    end: NDArray[np.uint64]
    kind: NDArray[np.integer]
    failed: Flags
    names: Rows
    texts: Sequence[str]
    fault: NDArray[np.uint8]
    states: dict[int, str] = field(default_factory=dict)
    facts: Facts = NO_FACTS


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body's spans, and how many were refused for which of FAULTS.

    A weight is NaN where the span does not say how many it stands for.
    """

    spans: Spans
    refused: Counter[str]


def replaced(columns: Columns, places: Rows, others: Columns) -> Columns:
    """`columns`, whose arrays are overwritten, with `others` for its spans at `places`."""
    for name in ("trace", "span", "parent", "start", "end", "kind", "failed", "fault"):
        getattr(columns, name)[places] = getattr(others, name)
    columns.names[places] = others.names + len(columns.texts)
    gone = frozenset(places.tolist())
    states = {i: state for i, state in columns.states.items() if i not in gone}
    states |= {int(places[i]): state for i, state in others.states.items()}
    stays = ~np.isin(columns.facts.spans, places)
    facts = Facts(
        np.concatenate([columns.facts.spans[stays], places[others.facts.spans]]),
        np.concatenate([columns.facts.which[stays], others.facts.which + len(columns.facts.said)]),
        [*columns.facts.said, *others.facts.said],
    )
    return replace(
        columns,
        texts=[*columns.texts, *others.texts],
        states=states,
        facts=facts,
    )


class Words:
    """Texts to rows, in order of arrival."""

    def __init__(self, *first: str) -> None:
        self.rows = {text: row for row, text in enumerate(first)}

    def row(self, text: str) -> int:
        return self.rows.setdefault(text, len(self.rows))


def checked(
    columns: Columns,
    resource: Rows,
    resources: Sequence[Labels],
    now: float,
) -> Decoded:
    """The spans that can be used. resource: intp[n] into `resources`. now: unix seconds."""
    operations, operation_of, peers, peer_of = _described(columns)
    fault = _faults(columns, now)
    kept = np.flatnonzero(fault == 0) if fault.any() else slice(None)
    start, end = (
        np.ascontiguousarray(times[kept]).view(np.int64) for times in (columns.start, columns.end)
    )
    counted = np.bincount(fault, minlength=len(FAULTS) + 1)[1:]
    return Decoded(
        Spans(
            columns.trace[kept],
            columns.span[kept],
            columns.parent[kept],
            start,
            end - start,
            _kinds(columns.kind[kept]),
            columns.failed[kept],
            _weights(columns)[kept],
            resource[kept],
            operation_of[kept],
            peer_of[kept],
            tuple(resources),
            operations,
            peers,
        ),
        Counter({word: int(n) for word, n in zip(FAULTS, counted, strict=True) if n}),
    )


def _faults(columns: Columns, now: float) -> NDArray[np.uint8]:
    """uint8[n]: the first fault of each span, 0 of those that have none."""
    fault = columns.fault.copy()
    latest = np.uint64(round((now + AHEAD_SECONDS) * 1e9))
    for place, bad in (
        (TRACE_ID, (columns.trace[:, 0] | columns.trace[:, 1]) == 0),
        (SPAN_ID, columns.span == 0),
        (PARENT_ID, columns.parent == columns.span),
        (TIME, (columns.start == 0) | (columns.end < columns.start)),
        (FUTURE, columns.end > latest),
        (TOO_LONG, _too_long(columns)),
    ):
        if bad.any():
            fault[bad & (fault == 0)] = place
    return fault


def _too_long(columns: Columns) -> Flags:
    """bool[n]; of none if there is none."""
    facts = columns.facts
    long_names = np.array([len(text) > NAME_BYTES for text in columns.texts], bool)
    long_facts = np.array([fact is not None and _long(fact[1]) for fact in facts.said], bool)
    if not long_names.any() and not long_facts.any():
        return np.zeros(0, dtype=bool)
    too_long: Flags = long_names[columns.names]
    too_long[facts.spans[long_facts[facts.which]]] = True
    return too_long


def _kinds(found: NDArray[np.integer]) -> NDArray[np.uint8]:
    known = (found >= 0) & (found <= max(SpanKind))
    kinds = found.astype(np.uint8)
    return kinds if known.all() else np.where(known, kinds, np.uint8(SpanKind.UNSPECIFIED))


def _long(text: str) -> bool:
    return len(text) > VALUE_BYTES


def _weights(columns: Columns) -> Floats:
    weights = np.full(len(columns.span), np.nan)
    known: dict[str, float | None] = {}
    for i, state in columns.states.items():
        if state not in known:
            known[state] = weight(state)
        found = known[state]
        if found is not None:
            weights[i] = found
    return weights


def _described(columns: Columns) -> tuple[tuple[str, ...], Rows, tuple[str, ...], Rows]:
    """(operations, intp[n] into them, peers, intp[n] into them)."""
    said = columns.facts.said
    slots = np.array([-1 if fact is None else fact[0] for fact in said], np.intp)
    operations, operation_of = _operations(columns, slots[columns.facts.which])
    peers, peer_of = _peers(columns, slots[columns.facts.which])
    return operations, operation_of, peers, peer_of


def _operations(columns: Columns, slots: Rows) -> tuple[tuple[str, ...], Rows]:
    """slots: intp[k], of what each fact says."""
    words, facts, texts = Words(), columns.facts, columns.texts
    of_names = np.array([words.row(text) for text in texts], dtype=np.intp)
    operation_of: Rows = of_names[columns.names]
    for slot in reversed(range(OPERATION_SLOTS)):
        at = np.flatnonzero(slots == slot)
        spans = facts.spans[at]
        codes = columns.names[spans] * len(facts.said) + facts.which[at]
        pairs, pair_of = _distinct(codes, len(texts) * len(facts.said))
        named = [divmod(pair, len(facts.said)) for pair in pairs.tolist()]
        rows = [words.row(operation(texts[n], _text(facts.said[w]))) for n, w in named]
        operation_of[spans] = np.array(rows, dtype=np.intp)[pair_of]
    return tuple(words.rows), operation_of


def _peers(columns: Columns, slots: Rows) -> tuple[tuple[str, ...], Rows]:
    """slots: intp[k], of what each fact says."""
    words, facts = Words(""), columns.facts
    peer_of = np.zeros(len(columns.names), dtype=np.intp)
    calls = (columns.kind == SpanKind.CLIENT) | (columns.kind == SpanKind.PRODUCER)
    called = calls[facts.spans]
    for slot in range(len(SLOTS) - 1, OPERATION_SLOTS - 1, -1):
        at = np.flatnonzero(called & (slots == slot))
        which, of_which = _distinct(facts.which[at], len(facts.said))
        rows = [words.row(_text(facts.said[w])) for w in which.tolist()]
        peer_of[facts.spans[at]] = np.array(rows, dtype=np.intp)[of_which]
    return tuple(words.rows), peer_of


def _distinct(codes: Rows, size: int) -> tuple[Rows, Rows]:
    """As `np.unique` with its inverse; codes lie in 0..size."""
    if size > len(codes):
        distinct, back = np.unique(codes, return_inverse=True)
        return distinct, back
    there = np.zeros(size, dtype=bool)
    there[codes] = True
    distinct = np.flatnonzero(there)
    return distinct, (np.cumsum(there) - 1)[codes]


def _text(fact: Fact) -> str:
    return "" if fact is None else fact[1]
