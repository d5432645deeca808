"""How small a fault a recorded good run would have shown: graded faults are put into it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from anomalyd.model import Batch, Outcome
from anomalyd.replay.faults import SIZES, Fault, FaultKind, Subject, inject, touched
from anomalyd.replay.player import Fired, Player
from anomalyd.replay.recording import RecordingError

WHOLE_RUN = -math.inf
"""The onset of a fault that was there before the first window."""


@dataclass(frozen=True, slots=True)
class Good:
    """A run known to be good. start: a player of it, before the first window, given the batches
    that it will be fed (what is learned from the run itself is learned from those)."""

    subject: Subject
    start: Callable[[Sequence[Batch]], Player]


@dataclass(frozen=True, slots=True)
class Trial:
    """Faults of one kind in one service from one onset on (`WHOLE_RUN`: there from the start).

    size: the smallest that was found, None if none was. delay: seconds from the onset (of
    `WHOLE_RUN`: from the end of the run's first window) to firing at that size, NaN if none was.
    series, suspect: what fired then, and who was blamed. outcome: of the run with the largest size,
    where that was not found.
    """

    run: str
    kind: FaultKind
    service: str
    onset: float
    size: float | None = None
    delay: float = math.nan
    series: tuple[str, ...] = ()
    suspect: str = ""
    outcome: Outcome | None = None


class Mutation:
    """One good run and what becomes of it with faults in it.

    What comes before a fault is judged once for all of them, and a run with a fault up to the first
    window that fires. onsets: how many, spread evenly over the judged
    windows; 0: faults are there from the start. Raises RecordingError for a run that fails by
    itself, or is broken, or has no window that was judged.
    """

    def __init__(self, good: Good, onsets: int, propagate: bool = False) -> None:
        self._good, self._propagate = good, propagate
        self.replays = 0
        batches = good.subject.batches
        player = good.start(batches)
        self.outcome = self._play_all(player, batches)
        self.onsets = _spread(player.judged(), onsets) if onsets else [WHOLE_RUN]
        self._forks = self._forked(good.start(batches)) if onsets else {}

    @property
    def name(self) -> str:
        return self._good.subject.name

    def pairs(self) -> list[tuple[FaultKind, str]]:
        """Kinds of faults and services that have series for them, in order."""
        subject = self._good.subject
        return [
            (kind, service)
            for service in subject.services
            for kind in FaultKind
            if touched(subject, kind, service).size
        ]

    def without(self) -> list[tuple[FaultKind, str]]:
        """The other kinds and services; not fan-out of those that by the graph call nobody."""
        subject, have = self._good.subject, set(self.pairs())
        return [
            (kind, service)
            for service in subject.services
            for kind in FaultKind
            if (kind, service) not in have and not (kind is FaultKind.FAN_OUT and subject.callees)
        ]

    def waiting(self) -> list[Callable[[], Trial]]:
        """The trials to be made, by service, kind and onset: each is made when it is called."""
        return [
            partial(self.trial, kind, service, onset)
            for kind, service in self.pairs()
            for onset in self.onsets
        ]

    def trial(self, kind: FaultKind, service: str, onset: float) -> Trial:
        """The smallest size that is found, by bisection: what is found is taken to be found at
        every larger size."""
        name, sizes = self.name, SIZES[kind]
        low, high, found, last = 0, len(sizes), None, None
        while low < high:
            middle = (low + high) // 2
            player, fired = self._played(Fault(kind, service, sizes[middle], onset))
            if fired is not None:
                high, found = middle, fired
                continue
            low = middle + 1
            last = player
        if found is None:
            outcome = last.finish().outcome if last is not None else None
            return Trial(name, kind, service, onset, outcome=outcome)
        delay = found.time - max(onset, float(self._good.subject.batches[0].time))
        series, suspect = found.series, found.suspect
        return Trial(name, kind, service, onset, sizes[high], delay, series, suspect)

    def _played(self, fault: Fault) -> tuple[Player, Fired | None]:
        """The run with the fault in it, up to the first window that fires."""
        self.replays += 1
        batches = inject(self._good.subject, fault, self._propagate)
        if fault.onset in self._forks:
            at, before = self._forks[fault.onset]
            player = before.fork()
        else:
            at, player = 0, self._good.start(batches)
        for batch in batches[at:]:
            player.feed(batch)
            fired = player.fired()
            if fired is not None:
                return player, fired
        return player, None

    def _play_all(self, player: Player, batches: Sequence[Batch]) -> Outcome:
        for batch in batches:
            player.feed(batch)
        verdict, name = player.finish(), self.name
        if verdict.outcome in (Outcome.FAIL, Outcome.INVALID):
            raise RecordingError(
                f"{name}: is no good run, its verdict is {verdict.outcome} ({verdict.reasons[0]}); "
                "put faults into one that passes"
            )
        if not player.judged():
            raise RecordingError(f"{name}: no window of it can be judged; take a longer run")
        return verdict.outcome

    def _forked(self, player: Player) -> dict[float, tuple[int, Player]]:
        """By onset: how many batches came before it, and a player that was fed those."""
        found = {}
        for at, batch in enumerate(self._good.subject.batches, start=1):
            player.feed(batch)
            if batch.time in self.onsets:
                found[batch.time] = (at, player.fork())
        return found


def _spread(times: Sequence[float], count: int) -> list[float]:
    """So many of the times at equal distances, neither the first nor the last if there are enough;
    fewer where there are fewer."""
    places = [round((i + 1) * (len(times) - 1) / (count + 1)) for i in range(count)]
    return list(dict.fromkeys(times[place] for place in places))
