"""What the traces of a run tell while it goes on, and what of it is off in an incident.

The signals say that something is wrong; traces say whose it is. They are compared with the run's
own windows before the incident, as the series of a recording are (`shifts`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from anomalyd.explain.shifts import Series, Spell, signs
from anomalyd.explain.signs import LATE, Sign
from anomalyd.model import Floats, Kind, Rows, Told, Traced, TracedKey, Worse

WINDOWS = 480
"""That are remembered: four hours of half minutes."""

LONGEST = 3600.0
"""Seconds of an incident that are looked at: what shows whose it is does so by then."""

_KINDS = {
    Told.OWN_TIME: Kind.LATENCY,
    Told.WAIT: Kind.LATENCY,
    Told.OWN_FAILURES: Kind.ERRORS,
    Told.ENDS: Kind.ERRORS,
}


class Witness:
    """Windows of one run, in order. run: the value of the run label of its spans, '' for all."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._numbers: dict[TracedKey, int] = {}
        self._windows: deque[tuple[float, Rows, Floats, Floats]] = deque(maxlen=WINDOWS)

    def hear(self, time: float, traced: Traced) -> None:
        """A window that a tick at `time`, unix seconds, tells of; once: what is no newer than what
        was heard before is left out."""
        if self._windows and time <= self._windows[-1][0]:
            return
        own = traced.of(self._run)
        numbers = [self._numbers.setdefault(key, len(self._numbers)) for key in own.keys]
        rows = np.array(numbers, dtype=np.intp)
        self._windows.append((time, rows, own.values, own.rates))

    def signs(self, since: float) -> list[Sign]:
        """What is off in an incident that began at `since`, unix seconds. As an anomaly, a sign
        begins where its first window does, by the ticks that tell of it."""
        if not self._windows:
            return []
        until = min(self._windows[-1][0], since + LONGEST)
        spell = Spell(since, until, ((self._windows[0][0], since),))
        return [_from_start(sign) for sign in signs(self._series(), spell)]

    def dump(self) -> dict[str, Any]:
        """Arrays, for a snapshot."""
        windows = list(self._windows)
        keys = [(k.told.value, k.service, k.peer, k.operation, k.run) for k in self._numbers]
        return {
            "keys": np.array(keys, dtype=np.str_).reshape(-1, 5),
            "times": np.array([time for time, *_ in windows]),
            "lengths": np.array([len(rows) for _, rows, _, _ in windows], dtype=np.int64),
            "rows": _joined([rows for _, rows, _, _ in windows]).astype(np.int64),
            "values": _joined([values for _, _, values, _ in windows]),
            "rates": _joined([rates for _, _, _, rates in windows]),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """What `dump` gave. Raises KeyError, ValueError."""
        keys = [TracedKey(Told(told), *rest) for told, *rest in state["keys"].tolist()]
        ends = np.cumsum(state["lengths"])[:-1]
        times = state["times"].tolist()
        columns = (np.split(state[name], ends) for name in ("rows", "values", "rates"))
        windows = list(zip(times, *columns, strict=True)) if times else []
        self._numbers = {key: number for number, key in enumerate(keys)}
        self._windows = deque(windows, maxlen=WINDOWS)

    def _series(self) -> list[Series]:
        times = np.array([time for time, *_ in self._windows])
        values, rates = np.full((2, len(self._numbers), len(times)), np.nan)
        for column, (_, rows, found, asked) in enumerate(self._windows):
            values[rows, column], rates[rows, column] = found, asked
        self._fill_ends(values, rates)
        return [
            Series(
                signal=_named(key),
                service=key.service,
                kind=_KINDS[key.told],
                worse=Worse.UP,
                times=times,
                values=values[number],
                rates=rates[number],
                peer=key.peer,
                own=True,
            )
            for key, number in self._numbers.items()
        ]

    def _fill_ends(self, values: Floats, rates: Floats) -> None:
        """An end that was not known yet had no share of the requests that there were."""
        ends: dict[tuple[str, str, str], list[int]] = {}
        for key, number in self._numbers.items():
            if key.told is Told.ENDS:
                ends.setdefault((key.service, key.operation, key.run), []).append(number)
        for group in ends.values():
            known = rates[group]
            asked = np.where(np.isnan(known), -np.inf, known).max(axis=0)
            missing = np.isnan(known) & np.isfinite(asked)
            values[group] = np.where(missing, 0.0, values[group])
            rates[group] = np.where(missing, asked, known)


def _named(key: TracedKey) -> str:
    if key.told is not Told.ENDS:
        return key.told.value
    return f"{key.operation} ends after {key.peer or 'nothing'}"


def _from_start(sign: Sign) -> Sign:
    return replace(sign, since=sign.since - sign.step, step=LATE)


def _joined(parts: Sequence[Floats | Rows]) -> Floats:
    return np.concatenate([np.zeros(0), *parts])
