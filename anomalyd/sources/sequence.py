"""Series come in the order in which they came before: whom a body speaks of is then compared with
what was kept of an earlier one, many series at once, and not looked up one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Rows

MOST_BYTES = 2**28
"""Of bodies that are kept; beyond that series are looked up."""

SHORT = 16
"""Series that follow one another as before, on average: with fewer, looking them up is cheaper."""

_TRIALS = 4
_MOST_PATIENCE = 1024
_FIRST_LOOK = 4096
"""Bytes that are compared at first, and eight times as many each time that they are the same."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Text:
    """A body without times and values. begins: intp[n + 1], of its series, with the end last."""

    raw: Bytes
    begins: Rows


@dataclass(slots=True)
class _Kept:
    """codes: intp[n], of its series; live: how many series are found by it."""

    text: Text
    codes: Rows
    live: int


class Sequences:
    """Codes of series, 0 and more, are where they were seen last: in which body, and which of its
    series. unknown: the code of series that have none."""

    def __init__(self, unknown: int, most_bytes: int = MOST_BYTES) -> None:
        self._unknown, self._most_bytes = unknown, most_bytes
        self._kept: dict[int, _Kept] = {}
        self._next = self.bytes = 0
        self._patience, self._passed_by = 1, 0
        self._in: Rows = np.full(1024, -1, dtype=np.intp)
        self._nth: Rows = np.zeros(1024, dtype=np.intp)

    def codes(self, text: Text, look: Callable[[int], int]) -> tuple[Rows, int]:
        """(codes of the first series, intp[m]; how many of these were looked up). All of them,
        unless they come in another order than before; look: gives the code of the nth."""
        n = len(text.begins) - 1
        codes = np.empty(n, dtype=np.intp)
        done = looks = 0
        while done < n and (looks <= _TRIALS or done >= SHORT * looks):
            codes[done] = code = look(done)
            done, looks = done + 1, looks + 1
            if done < n and 0 <= code < len(self._in):
                done += self._follow(text, done, code, codes)
        if done == n:
            self._patience = max(self._patience // 2, 1)
        return codes[:done], looks

    def keep(self, text: Text, codes: Rows) -> None:
        """Find the series of a body by it from now on. Those of a sender that has no order are not
        kept each time: of bodies whose series were in others, twice as many are passed by as
        before."""
        named = np.flatnonzero(codes >= 0)
        if self._known(codes[named]) > len(named) / 2:
            self._passed_by += 1
            if self._passed_by < self._patience:
                return
            self._passed_by, self._patience = 0, min(2 * self._patience, _MOST_PATIENCE)
        series = np.unique(codes[named])
        self._leave(series)
        if not len(series) or self.bytes + len(text.raw) > self._most_bytes:
            return
        self._resize(int(series[-1]) + 1)
        self._in[series] = self._next
        self._nth[codes[named]] = named
        self._kept[self._next] = _Kept(text, codes, len(series))
        self._next += 1
        self.bytes += len(text.raw)

    def _known(self, codes: Rows) -> int:
        """How many of them are in a body that is kept."""
        return int(np.count_nonzero(self._in[codes[codes < len(self._in)]] >= 0))

    def forget(self, codes: Rows) -> None:
        """They become other series'; those below 0 are of none that is found by a body."""
        self._leave(codes[(codes >= 0) & (codes < len(self._in))])
        for kept in self._kept.values():
            kept.codes[np.isin(kept.codes, codes)] = self._unknown

    def _follow(self, text: Text, begin: int, code: int, codes: Rows) -> int:
        """How many series from the nth on are those that followed `code` before."""
        kept = self._kept.get(int(self._in[code]))
        if kept is None:
            return 0
        nth = int(self._nth[code]) + 1
        first = int(text.begins[begin])
        alike = _alike(text.raw[first:], kept.text.raw[kept.text.begins[nth] :])
        many = int(np.searchsorted(text.begins, first + alike, side="right")) - 1 - begin
        codes[begin : begin + many] = kept.codes[nth : nth + many]
        return many

    def _leave(self, series: Rows) -> None:
        """They are found by no body."""
        series = series[series < len(self._in)]
        of, many = np.unique(self._in[series], return_counts=True)
        for number, left in zip(of.tolist(), many.tolist(), strict=True):
            if number >= 0:
                self._kept[number].live -= left
                if not self._kept[number].live:
                    self.bytes -= len(self._kept.pop(number).text.raw)
        self._in[series] = -1

    def _resize(self, codes: int) -> None:
        more = max(codes, 2 * len(self._in)) - len(self._in) if codes > len(self._in) else 0
        self._in = np.append(self._in, np.full(more, -1, dtype=np.intp)) if more else self._in
        self._nth = np.append(self._nth, np.zeros(more, dtype=np.intp)) if more else self._nth


def _alike(one: Bytes, other: Bytes) -> int:
    """How many bytes are the same from the first on."""
    most = min(len(one), len(other))
    at, size = 0, _FIRST_LOOK
    while at < most:
        end = min(at + size, most)
        differ = one[at:end] != other[at:end]
        if differ.any():
            return at + int(differ.argmax())
        at, size = end, 8 * size
    return most
