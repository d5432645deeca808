"""What one tick has to go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anomalyd.model import Batch


@dataclass(frozen=True, slots=True)
class Asked:
    """What the environments answered for one tick; asked_at, answered_at: unix seconds.

    under_way: value of `runs.detect` by selector, None if it was not to be had. production: of
    one that is scraped.
    """

    batch: Batch
    production: Batch | None
    under_way: Mapping[str, float] | None
    asked_at: float
    answered_at: float
