"""One difference between two environments."""

from __future__ import annotations

from dataclasses import dataclass

from anomalyd.facts import Fact
from anomalyd.model import Environment
from anomalyd.parity.kinds import Kind

OPEN = "drift"
SEVERITIES = ("high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Difference:
    """One row. staging, production: the facts, None where one has nothing there. detail: what
    follows from it. state: drift, expected or ignored, with the reason."""

    kind: Kind
    place: str
    staging: Fact | None
    production: Fact | None
    rank: float
    detail: str = ""
    state: str = OPEN
    reason: str = ""

    @property
    def service(self) -> str:
        return next((fact.service for fact in (self.staging, self.production) if fact), "")

    @property
    def sentence(self) -> str:
        """`cpu-limit of pricing/app: 0.5 cores in staging, 2 cores in production`."""
        said = [
            f"{fact.value if fact is not None else 'none'} in {side}"
            for fact, side in (
                (self.staging, Environment.STAGING),
                (self.production, Environment.PRODUCTION),
            )
        ]
        return f"{self.kind.name} of {self.place}: {', '.join(said)}"

    @property
    def fact(self) -> Fact:
        """That it differs, as a fact of staging: recorded with a run, and part of its risk."""
        place = f"{self.kind.name} of {self.place}"
        return Fact(
            "drift", place, Environment.STAGING, self.severity, self.kind.name, self.service
        )

    def told(self) -> dict[str, str]:
        """As a report has it: texts alone, none empty for what one environment has not."""
        return {
            "severity": self.severity,
            "kind": self.kind.name,
            "place": self.place,
            "staging": self.staging.value if self.staging is not None else "none",
            "production": self.production.value if self.production is not None else "none",
            "state": self.state,
            "reason": self.reason,
            "mend": self.kind.mend,
        }

    @property
    def only_in(self) -> Environment | None:
        """The only environment that has it."""
        if self.staging is None:
            return Environment.PRODUCTION
        return Environment.STAGING if self.production is None else None

    @property
    def severity(self) -> str:
        return "high" if self.rank >= 75 else "medium" if self.rank >= 50 else "low"
