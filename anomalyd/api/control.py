"""What the API asks of the daemon. The daemon implements `Control`; the handlers only translate."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from anomalyd.model import (
    AcceptedChange,
    Became,
    Coverage,
    Edge,
    Enrichment,
    Incident,
    Labels,
    Outcome,
    RecordedOutcome,
    Risk,
    Run,
    Verdict,
)
from anomalyd.push import Receiver
from anomalyd.risk.reliability import Reliability
from anomalyd.runs.acceptance import Asked, Undone
from anomalyd.runs.silences import Silence

ReportFormat = Literal["json", "junit", "markdown", "html"]
"""As in the setting `reports.formats`."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run as it stands. `elapsed`: seconds from its start, to its stop once it was stopped.

    phase: of the load, '' where not known. coverage: so far, None where there is none yet.
    likely: what the verdict would be if the run ended now (the verdict's once finished), None
    where nothing was judged yet; reasons belong to it. incidents: the open ones. accepted: as good;
    golden: and pinned; changes: those that were accepted of it. risk: of the verdict. became: what
    is recorded of the release.
    """

    run: Run
    elapsed: float
    phase: str = ""
    coverage: Coverage | None = None
    incidents: tuple[Incident, ...] = ()
    likely: Outcome | None = None
    reasons: tuple[str, ...] = ()
    accepted: bool = False
    risk: Risk | None = None
    became: Became | None = None
    golden: bool = False
    changes: tuple[AcceptedChange, ...] = ()


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One judged series at the last tick; values in `unit`, NaN where not known.

    run: id of the run it is judged in. series: `signal{labels}`. state: ok, pending, firing or
    resolved. score: its evidence as a share of what fires; the series fires at 1.
    """

    run: str
    series: str
    signal: str
    labels: Labels
    service: str
    unit: str
    state: str
    observed: float
    expected: float
    low: float
    high: float
    score: float


@dataclass(frozen=True, slots=True)
class SeriesPage:
    """`rows` of the `total` series that match."""

    rows: tuple[SeriesRow, ...]
    total: int


class NotReady(Exception):
    """The daemon cannot do this yet, or for a moment, as a sentence; nothing was done."""


class Control(Protocol):
    """The daemon as its API sees it.

    Every method answers at once from memory or the store; none waits for the network, but
    `reload`, and `recording` for the disk. Unless said otherwise an unknown run raises
    `runs.life.UnknownRun`, and a store out of reach `runs.errors.StoreError`; the API answers 404
    and 503 to these, and 503 to `NotReady`, which any method may raise. What changes is told by
    the daemon to the `Hub` that the app was made with.
    """

    def start_run(self, name: str, selector: str, labels: Mapping[str, str]) -> Run:
        """Raises `runs.life.RunConflict` and `runs.life.SelectorRefused`."""
        ...

    def stop_run(self, run_id: str) -> Run:
        """Idempotent: a run that was stopped or finished is returned as it is."""
        ...

    def add_note(self, run_id: str, text: str) -> Run: ...

    def accept_run(self, run_id: str, asked: Asked) -> Run:
        """Holds from the next run on. Raises `runs.acceptance.NotAcceptable` and
        `runs.acceptance.BadAcceptance`."""
        ...

    def undo_accept(self, run_id: str, what: Undone) -> Run:
        """Idempotent, but for a change that was never accepted: raises as `accept_run` does."""
        ...

    def acceptance(self, run_id: str) -> Mapping[str, object]:
        """What is accepted of a run: `until`, `golden` and `changes`, plain."""
        ...

    def accepted(self) -> Collection[str]:
        """Ids of the runs that were accepted."""
        ...

    def record_outcome(self, run_id: str, became: Became, note: str) -> RecordedOutcome:
        """What became of the release. Raises `runs.outcomes.NotRecordable`."""
        ...

    def undo_outcome(self, run_id: str) -> RecordedOutcome | None:
        """What was recorded, None if nothing was; idempotent."""
        ...

    def outcomes(self) -> Sequence[RecordedOutcome]:
        """Of all releases, the first recorded first."""
        ...

    def reliability(self) -> Reliability:
        """What the outcomes say of release risk."""
        ...

    def runs(self, limit: int) -> Sequence[Run]:
        """Newest first, finished ones included."""
        ...

    def outcome(self, run_id: str) -> Outcome | None:
        """Of a finished run; None for any other, also an unknown one. Cheap."""
        ...

    def status(self, run_id: str) -> RunStatus: ...

    def verdict(self, run_id: str) -> Verdict | None:
        """None while the run is not finished."""
        ...

    def report(self, run_id: str, form: ReportFormat) -> Path | None:
        """The rendered file; None if there is none. Raises NotReady while it is being written."""
        ...

    async def recording(self, run_id: str) -> bytes | None:
        """All that a finished run was judged by, as one zip archive; None if there is none."""
        ...

    def incidents(self, run_id: str | None) -> Sequence[Incident]:
        """Of one run, or of all that the store has; by start."""
        ...

    def series(self, match: str, offset: int, limit: int) -> SeriesPage:
        """Judged series whose `signal{labels}` contains `match`; see `paging.select`."""
        ...

    def enrichments(self, run_id: str | None) -> Sequence[Enrichment]:
        """What was fetched for incidents of one run, or of all; nothing of an unknown one."""
        ...

    def edges(self) -> Sequence[Edge]:
        """The service graph as it is known now, by client and server."""
        ...

    def silences(self) -> Sequence[Silence]:
        """Those added at run time that are in force."""
        ...

    def add_silence(self, silence: Silence) -> None: ...

    def delete_silence(self, silence_id: str) -> bool:
        """Whether there was one."""
        ...

    def now(self) -> float:
        """Unix seconds, the daemon's clock."""
        ...

    def degraded(self) -> Sequence[str]:
        """Sentences on what does not work as it should while the daemon goes on; empty if well."""
        ...

    def unready(self) -> Sequence[str]:
        """Sentences on what is still missing before runs can be judged; empty once ready."""
        ...

    async def reload(self) -> None:
        """Read the config again and apply it. Raises `config.ConfigError`, the old one kept."""
        ...

    def metrics(self) -> bytes:
        """Prometheus text exposition, version 0.0.4."""
        ...

    def receiver(self, section: str) -> Receiver | None:
        """Of what is pushed, by the setting of an environment that asks for it; None where none
        does. Raises NotReady while there is nobody to take it."""
        ...
