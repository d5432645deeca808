"""Bodies of remote_write to columns of samples: a fast path over label bytes, and its oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Labels, Rows
from anomalyd.signals.exemplars import MetricExemplar, of_pairs
from anomalyd.sources.metadata import Metadata, of_family
from anomalyd.sources.sequence import SHORT, Sequences
from anomalyd.sources.slices import Slices, cut
from anomalyd.sources.wire import WRITE_1

IGNORED = -1
"""The code of a series that no signal needs."""
INVALID = -2
"""The code of a series that is none: no name, or a label twice."""
_NEW = -3
OVER = -4
"""The code of a series that there is no room for: it is asked for anew once there may be some."""

Decide = Callable[[Labels], int]


@dataclass(frozen=True, slots=True)
class Columns:
    """Samples of a body: codes intp[n], times int64[n] in ms, values float64[n]; any order.

    histograms: (code, message) of each as it came. exemplars: (code, exemplar). metadata: by the
    name of a family, or by the code of a series that none was read of before.
    """

    codes: Rows
    times: NDArray[np.int64]
    values: Floats
    histograms: list[tuple[int, Any]]
    exemplars: list[tuple[int, MetricExemplar]]
    metadata: list[tuple[str | int, Metadata]]


class Identity:
    """What label bytes stand for: a code that `decide` gave, once per new series.

    A series that is ignored is kept as a hash alone, in two generations of at most `limit`: it is
    asked for anew when it did not come for that long. (Two series of one hash in a million times a
    million: 1 in 10 million.) Codes below zero are not samples of anybody.
    """

    def __init__(self, decide: Decide, limit: int = 1_000_000) -> None:
        self._decide, self._limit = decide, limit
        self.known: dict[bytes, int] = {}
        self.described: set[int] = set()
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._invalid: set[int] = set()
        self._over: set[int] = set()
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._sequences = Sequences(_NEW)

    @property
    def ignored(self) -> int:
        return len(self._young | self._old)

    def codes(self, slices: Slices) -> tuple[Rows, bool]:
        """intp[n]; `_NEW` where the key is not known, and may be no labels alone. And whether they
        came in another order than before, so that they are to be kept."""
        keys, text = slices.keys, slices.text
        if text is None:
            return self._look_up(list(keys)), False
        found, looks = self._sequences.codes(text, lambda nth: self._code(keys[nth]))
        others = self._look_up(list(keys[len(found) :]))
        return np.concatenate([found, others]), len(others) + looks > max(len(keys) // SHORT, 1)

    def keep(self, slices: Slices, codes: Rows) -> None:
        """Series are looked for in this order from now on; codes are theirs."""
        if slices.text is not None:
            self._sequences.keep(slices.text, codes)

    def _code(self, key: bytes) -> int:
        code = self.known.get(key, _NEW)
        return self._unneeded(hash(key)) if code == _NEW else code

    def _look_up(self, keys: list[bytes]) -> Rows:
        codes = np.fromiter(map(self.known.get, keys, repeat(_NEW)), np.intp, len(keys))
        unknown = np.flatnonzero(codes == _NEW)
        if not len(unknown):
            return codes
        hashes = [hash(keys[place]) for place in unknown.tolist()]
        young = np.fromiter(map(self._young.__contains__, hashes), np.bool_, len(hashes))
        codes[unknown[young]] = IGNORED
        for nth in np.flatnonzero(~young).tolist():
            codes[unknown[nth]] = self._unneeded(hashes[nth])
        return codes

    def learn(self, key: bytes, pairs: list[tuple[str, str]]) -> int:
        """The code of a series whose labels these are; `key` is their canonical bytes."""
        code = self.known.get(key, _NEW)
        if code == _NEW:
            code = self._unneeded(hash(key))
        if code == _NEW:
            code = self._decide(self._labels(pairs)) if _valid(pairs) else INVALID
            self._keep(key, code)
        return code

    def forget(self, codes: Iterable[int]) -> None:
        """Series whose codes mean others from now on, so that there is room."""
        gone = frozenset(codes)
        self.known = {key: code for key, code in self.known.items() if code not in gone}
        self.described -= gone
        self._over.clear()
        self._sequences.forget(np.array([*gone, OVER], dtype=np.intp))

    def _labels(self, pairs: list[tuple[str, str]]) -> Labels:
        """`Labels.of`, of pairs that many series share: a series then costs a pointer for each."""
        if len(self._pairs) > self._limit:
            self._pairs.clear()
        shared = self._pairs.setdefault
        return Labels(sorted(shared(pair, pair) for pair in pairs if pair[1]))

    def _unneeded(self, known_by: int) -> int:
        if known_by in self._young:
            return IGNORED
        if known_by in self._old:
            self._remember(known_by)
            return IGNORED
        if known_by in self._over:
            return OVER
        return INVALID if known_by in self._invalid else _NEW

    def _keep(self, key: bytes, code: int) -> None:
        if code >= 0:
            self.known[key] = code
        elif code == IGNORED:
            self._remember(hash(key))
        else:
            kept = self._over if code == OVER else self._invalid
            if len(kept) < self._limit:
                kept.add(hash(key))

    def _remember(self, known_by: int) -> None:
        if len(self._young) >= self._limit:
            self._young, self._old = set(), self._young
        self._young.add(known_by)


def decode(body: bytes, identity: Identity) -> Columns:
    """Raises google.protobuf.message.DecodeError where the body is no WriteRequest."""
    slices = cut(body)
    codes, reordered = identity.codes(slices)
    odd = list(slices.odd)
    for place in np.flatnonzero(codes == _NEW).tolist():
        key = slices.keys[place]
        series = WRITE_1["Named"].FromString(key)
        series.DiscardUnknownFields()
        if series.SerializeToString() == key:
            codes[place] = identity.learn(key, _pairs(series.labels))
        else:
            odd.append(_whole(key, int(slices.times[place]), float(slices.values[place])))
    if reordered:
        identity.keep(slices, codes)
    named = codes != _NEW
    rest = columns((_odd(one, identity) for one in odd), lambda one: _pairs(one.labels), [])
    return Columns(
        np.concatenate([codes[named], rest.codes]),
        np.concatenate([slices.times[named], rest.times]),
        np.concatenate([slices.values[named], rest.values]),
        rest.histograms,
        rest.exemplars,
        [of_family(WRITE_1["Metadata"].FromString(one)) for one in slices.metadata],
    )


def decode_fully(body: bytes, identity: Identity) -> Columns:
    """The same by parsing every message: slow, and obviously right."""
    request = WRITE_1["WriteRequest"].FromString(body)
    found = _fully(request.timeseries, identity)
    found.metadata.extend(map(of_family, request.metadata))
    return found


def canonical_bytes(pairs: list[tuple[str, str]]) -> bytes:
    """Labels as a sender writes them: in this order, nothing else with them."""
    return bytes(
        WRITE_1["TimeSeries"](labels=[_label(*pair) for pair in pairs]).SerializeToString()
    )


class BodyError(Exception):
    """One sentence: what of a body is not as the protocol has it."""


def _odd(text: bytes, identity: Identity) -> tuple[int, Any]:
    """What is not cut is looked up by what it says of labels as well."""
    series, named = WRITE_1["TimeSeries"].FromString(text), WRITE_1["Named"].FromString(text)
    named.DiscardUnknownFields()
    key = bytes(named.SerializeToString())
    code = identity.known.get(key)
    return identity.learn(key, _pairs(named.labels)) if code is None else code, series


def _fully(many: Iterable[Any], identity: Identity) -> Columns:
    named = ((_named(one, identity), one) for one in many)
    return columns(named, lambda one: _pairs(one.labels), [])


def _named(series: Any, identity: Identity) -> int:
    pairs = _pairs(series.labels)
    return identity.learn(canonical_bytes(pairs), pairs)


def columns(
    many: Iterable[tuple[int, Any]],
    labels: Callable[[Any], list[tuple[str, str]]],
    metadata: list[tuple[str | int, Metadata]],
) -> Columns:
    """Of (code, TimeSeries) pairs. labels: of an exemplar. metadata: filled as `many` is read."""
    samples: list[tuple[int, int]] = []
    values: list[float] = []
    histograms: list[tuple[int, Any]] = []
    exemplars: list[tuple[int, MetricExemplar]] = []
    for code, series in many:
        for sample in series.samples:
            samples.append((code, sample.timestamp))
            values.append(sample.value)
        histograms += [(code, one) for one in series.histograms]
        for one in series.exemplars:
            exemplars.append((code, of_pairs(labels(one), one.value, one.timestamp)))
    stamped = np.array(samples, dtype=np.int64).reshape(-1, 2)
    codes, times = stamped[:, 0].astype(np.intp), stamped[:, 1]
    floats = np.array(values, dtype=np.float64)
    return Columns(codes, times, floats, histograms, exemplars, metadata)


def _pairs(labels: Iterable[Any]) -> list[tuple[str, str]]:
    return [(label.name, label.value) for label in labels]


def _label(name: str, value: str) -> Any:
    return WRITE_1["Label"](name=name, value=value)


def _valid(pairs: list[tuple[str, str]]) -> bool:
    """A metric's name, and every name once."""
    names = [name for name, _ in pairs]
    return len(set(names)) == len(names) and bool(dict(pairs).get("__name__")) and "" not in names


def _whole(key: bytes, time: int, value: float) -> bytes:
    """The series that was cut, as it came but for the form of its sample."""
    sample = WRITE_1["Sample"](value=value, timestamp=time)
    series = WRITE_1["TimeSeries"](samples=[sample])
    return key + bytes(series.SerializeToString())
