"""What the probes of one run found, of which only what they found while it was tested counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from anomalyd.config import Probe
from anomalyd.deployment.probes import address, shown
from anomalyd.model import CheckKind, CheckState, DeploymentCheck, Run

Key = tuple[CheckKind, str]


@dataclass(slots=True)
class Answers:
    """begun: when the look that was last completed began; pending: when one began that is not
    completed, None where there is none; unix seconds."""

    latest: Sequence[DeploymentCheck] = ()
    begun: float = -math.inf
    pending: float | None = None
    passed: dict[Key, DeploymentCheck] = field(default_factory=dict)

    def take(self, found: Sequence[DeploymentCheck], began: float, run: Run) -> None:
        """What a look found that began then."""
        self.latest, self.begun, self.pending = found, began, None
        if run.active_at is not None and began >= run.active_at:
            passed = [one for one in found if one.state is CheckState.PASSED]
            self.passed |= {(one.kind, one.place): one for one in passed}

    def counted(self, run: Run) -> list[DeploymentCheck]:
        """As they stand: what failed after the run was stopped is as it was before."""
        if run.active_at is None or self.begun < run.active_at:
            return []
        before = [
            self.passed.get((one.kind, one.place)) if late(one, run) else one for one in self.latest
        ]
        return [one for one in before if one is not None]

    def lacking(self, probes: Sequence[Probe], run: Run) -> list[DeploymentCheck]:
        """Of a run that is over: each probe that nothing is known of, or that was asked while it
        was tested and did not answer until the verdict."""
        until = run.stopped_at if run.stopped_at is not None else math.inf
        hangs = self.pending is not None and self.pending <= until
        known = {(one.kind, one.place) for one in self.counted(run) if not hangs}
        return [_unknown(probe) for probe in probes if not _keys(probe) & known]


def late(check: DeploymentCheck, run: Run) -> bool:
    """Whether a probe failed when the run was over: what it tested may be taken down then."""
    asked = check.kind in (CheckKind.PROBE, CheckKind.CERTIFICATE)
    if not asked or check.state is not CheckState.FAILED or run.stopped_at is None:
        return False
    return check.at is not None and check.at >= run.stopped_at


def _keys(probe: Probe) -> set[Key]:
    """What a look at it leaves at least one of: it is not sent where its certificate is bad."""
    at = address(probe)
    keys = {(CheckKind.PROBE, shown(probe))}
    return keys | ({(CheckKind.CERTIFICATE, str(at))} if at is not None else set())


def _unknown(probe: Probe) -> DeploymentCheck:
    detail = f"{probe.method} {shown(probe)} was not seen to its end while the test ran"
    mend = "test for longer than three times the probe's timeout, or lower that"
    return DeploymentCheck(CheckKind.PROBE, shown(probe), CheckState.UNKNOWN, detail, None, mend)
