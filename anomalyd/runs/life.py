"""The life of a run: warmup -> active -> settling -> finished. Pure: time is given, never read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b

from anomalyd.model import Labels, Run, RunState
from anomalyd.units import format_duration

NEXT = {
    RunState.WARMUP: RunState.ACTIVE,
    RunState.ACTIVE: RunState.SETTLING,
    RunState.SETTLING: RunState.FINISHED,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Seconds, from `judgement` and `runs` of the config. `label`: is `runs.label` set, so that
    runs of different selectors may overlap?
    """

    warmup: float
    settle: float
    max_duration: float
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A run as it is now, the state it was in (None: it did not exist), and why it left it."""

    run: Run
    previous: RunState | None
    reason: str


class RunConflict(Exception):
    """A run that may not start beside another, as a sentence.

    retry_after: seconds until the other is over, None while it is under way.
    """

    def __init__(self, sentence: str, other: Run, retry_after: float | None) -> None:
        super().__init__(sentence)
        self.other = other
        self.retry_after = retry_after


class SelectorRefused(Exception):
    """A run of a selector where nothing tells selectors apart, as a sentence."""


class UnknownRun(Exception):
    """No run of that id is under way, as a sentence."""


class Lifecycle:
    """Every run that is not finished. `restored`: those that a store had when the daemon started;
    the first `tick` brings them up to date.
    """

    def __init__(self, rules: Rules, restored: Iterable[Run] = ()) -> None:
        self.rules = rules
        self._runs = {run.id: run for run in restored if run.state is not RunState.FINISHED}
        self._given = set(self._runs)

    @property
    def runs(self) -> list[Run]:
        """Unfinished runs, oldest first."""
        return sorted(self._runs.values(), key=lambda run: (run.started_at, run.id))

    def start(
        self,
        name: str,
        now: float,
        origin: str = "api",
        selector: str = "",
        labels: Labels | None = None,
    ) -> Run:
        """A new run in warmup. Raises RunConflict (see `conflict`) and SelectorRefused."""
        if selector and not self.rules.label:
            raise SelectorRefused(
                f"selector {selector!r} would select nothing; set runs.label to the label whose "
                "value tells runs apart, or leave the selector out"
            )
        other = self.conflict(selector)
        if other:
            raise self._conflict(other, selector, now)
        run_id = self._new_id(name, now)
        run = Run(
            id=run_id,
            name=name,
            state=RunState.WARMUP,
            started_at=now,
            origin=origin,
            selector=selector,
            labels=labels if labels is not None else Labels(),
        )
        self._runs[run.id] = run
        return run

    def conflict(self, selector: str) -> Run | None:
        """The unfinished run whose series a run of `selector` would share, if there is one.

        A settling run counts: the last of its windows are still to come.
        """
        for other in self.runs:
            if not (other.selector and selector and other.selector != selector):
                return other
        return None

    def stop(self, run_id: str, now: float) -> Run:
        """The run, settling from `now` on; one that is settling is left as it is.

        Raises UnknownRun, for finished runs too.
        """
        run = self._runs.get(run_id)
        if run is None:
            raise UnknownRun(f"no run {run_id} is under way")
        if run.state is not RunState.SETTLING:
            run = replace(run, state=RunState.SETTLING, stopped_at=max(now, run.started_at))
            self._runs[run_id] = run
        return run

    def tick(self, now: float) -> list[Change]:
        """Every change of state that is due at `now`, in order, oldest run first.

        The times of the changes are when they were due, so that a late tick, or one after a
        restart, moves no boundary of a run. Finished runs are let go.
        """
        return [change for run in self.runs for change in self._advance(run, now)]

    def _advance(self, run: Run, now: float) -> list[Change]:
        changes = []
        while (due := self._due(run)) is not None and now >= due[0]:
            previous = run.state
            run = self._enter(run, NEXT[previous], due[0])
            changes.append(Change(run, previous, due[1]))
            self._runs[run.id] = run
        if run.state is RunState.FINISHED:
            del self._runs[run.id]
        return changes

    def _due(self, run: Run) -> tuple[float, str] | None:
        """When and why `run` leaves its state by itself; None for a finished one."""
        rules = self.rules
        if run.state is RunState.WARMUP:
            return run.started_at + rules.warmup, "the warm-up is over"
        if run.state is RunState.ACTIVE:
            end = max(run.started_at + rules.max_duration, run.active_at or run.started_at)
            return end, f"runs.max_duration ({format_duration(rules.max_duration)}) is over"
        if run.state is RunState.SETTLING:
            return (run.stopped_at or run.started_at) + rules.settle, "the run has settled"
        return None

    def _enter(self, run: Run, state: RunState, at: float) -> Run:
        if state is RunState.ACTIVE:
            return replace(run, state=state, active_at=at)
        if state is RunState.SETTLING:
            return replace(run, state=state, stopped_at=at)
        return replace(run, state=state, finished_at=at)

    def _conflict(self, other: Run, selector: str, now: float) -> RunConflict:
        who = f"run {other.id} ({other.name})"
        if other.state is RunState.SETTLING:
            left = max(0.0, (other.stopped_at or now) + self.rules.settle - now)
            return RunConflict(
                f"{who} is settling for another {format_duration(left)}; start again after that",
                other,
                left,
            )
        if not self.rules.label:
            mend = "stop it first, or set runs.label so that runs can be told apart"
        elif not selector or not other.selector:
            mend = f"stop it first, or give both runs a selector (a value of {self.rules.label})"
        else:
            mend = f"stop it first, or choose another selector than {selector!r}"
        return RunConflict(f"{who} is under way; {mend}", other, None)

    def _new_id(self, name: str, now: float) -> str:
        """`20270131-142512-345a7f`: UTC to the millisecond, and three digits of hash."""
        moment = datetime.fromtimestamp(now, UTC)
        stem = f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}"
        count = 0
        while True:
            digest = blake2b(f"{name}\0{now!r}\0{count}".encode(), digest_size=2).hexdigest()
            run_id = stem + digest[:3]
            if run_id not in self._given:
                self._given.add(run_id)
                return run_id
            count += 1
