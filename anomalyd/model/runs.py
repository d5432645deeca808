"""One test run, its phases, and how it may end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from anomalyd.model.labels import Labels, Matcher

VERSION_LABEL = "version"
"""Of a run: the version that staging is to run while it is tested."""


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"

    @property
    def exit_code(self) -> int:
        return {"pass": 0, "fail": 1, "inconclusive": 3, "invalid": 4}[self.value]


class RunState(StrEnum):
    WARMUP = "warmup"
    ACTIVE = "active"
    SETTLING = "settling"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Run:
    """One test run. `selector` is the value of `runs.label` that its series carry ('' = all)."""

    id: str
    name: str
    state: RunState
    started_at: float
    origin: str = "api"  # api, watch or detected
    selector: str = ""
    labels: Labels = field(default_factory=Labels)
    active_at: float | None = None
    stopped_at: float | None = None
    finished_at: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    kind: str  # cold-start, ramp, steady, spike, drain, idle
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Integrity:
    """A fault of telemetry, not of the system: what, where, when, and whether it broke the run."""

    kind: str  # gap, query-failed, stale, reset, duplicate, no-data, baseline
    where: str
    start: float
    end: float
    detail: str
    breaks_run: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedChange:
    """A deliberate change of one signal, which the run `run` showed: series that it covers are
    expected to be different by so much.

    relative: 0.08 is +8%; absolute: of a ratio, 0.005 is +0.5 pp; one of them is 0. until: a
    version or a date, '' without an end.
    """

    run: str
    signal: str
    matchers: tuple[Matcher, ...]
    relative: float
    absolute: float
    note: str
    until: str
    accepted_at: float
