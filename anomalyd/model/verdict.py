"""What a run showed of every series, and what follows from that."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anomalyd.model.deployment import DeploymentCheck
from anomalyd.model.incidents import Incident
from anomalyd.model.labels import Labels
from anomalyd.model.risk import Risk
from anomalyd.model.runs import Integrity, Outcome, Phase
from anomalyd.model.shape import ShapeChange
from anomalyd.model.signals import Kind


@dataclass(frozen=True, slots=True)
class Finding:
    """One judged series at the end of a run. NaN where not known.

    effect, mde (minimum detectable effect at 80% power) and detect (the one asked for) are
    relative, or absolute where the signal's `tolerate` is; pass_at: the value at which the series
    would not have fired; evidence and threshold: natural logs of e-values. state: ok, fired, weak
    (could not show `detect`), missing (production has it, staging not), unmatched (no partner in
    production), silenced. hour: at which production differs, where the band took that in.
    """

    signal: str
    labels: Labels
    service: str
    kind: Kind
    unit: str
    state: str
    observed: float = math.nan
    expected: float = math.nan
    low: float = math.nan
    high: float = math.nan
    effect: float = math.nan
    evidence: float = math.nan
    threshold: float = math.nan
    mde: float = math.nan
    detect: float = math.nan
    pass_at: float = math.nan
    windows: int = 0
    extrapolated: bool = False
    absolute: bool = False
    detector: str = ""
    query: str = ""
    note: str = ""
    hour: str = ""

    @property
    def series(self) -> str:
        return f"{self.signal}{self.labels}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what production has was judged, and could have shown `detect`. in_part: of the
    series that could have shown larger changes only, the sum of what was asked for over these,
    half of `powered` at most."""

    production_series: int
    matched: int
    judged: int
    powered: int
    missing: tuple[str, ...]
    unmatched: tuple[str, ...]
    silenced: tuple[str, ...] = ()
    in_part: float = 0.0

    @property
    def ratio(self) -> float:
        shown = self.powered + self.in_part
        return shown / self.production_series if self.production_series else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """risk: worked out after the outcome, which knows nothing of it; None in those of older
    versions."""

    run_id: str
    outcome: Outcome
    reasons: tuple[str, ...]
    reference: str  # production or none
    budget: float
    coverage: Coverage
    findings: tuple[Finding, ...] = ()
    incidents: tuple[Incident, ...] = ()
    integrity: tuple[Integrity, ...] = ()
    phases: tuple[Phase, ...] = ()
    shadow: bool = False
    shape: tuple[ShapeChange, ...] = ()
    risk: Risk | None = None
    deployment: tuple[DeploymentCheck, ...] = ()

    @property
    def exit_code(self) -> int:
        return 0 if self.shadow else self.outcome.exit_code
