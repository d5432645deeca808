"""A leak says when it will reach its limit; what does not grow says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.explain.wording import describe
from anomalyd.judgement.evidence import Bank
from anomalyd.model import Anomaly, Kind, Labels
from tests.detectors.windows import window


def grown(values: list[float]) -> Bank:
    bank = Bank(1)
    everyone = np.ones(1, dtype=bool)
    for t, value in enumerate(values):
        now = window(1, t, residual=np.array([np.log(value)]), value=np.array([value]))
        bank.score(now, everyone)
        bank.learn(now, everyone)
    return bank


def test_growth_is_carried_on_to_the_limit() -> None:
    bank = grown([100.0 + 2.0 * t for t in range(60)])
    last = 100.0 + 2.0 * 59
    assert bank.time_to(0, last + 20.0, 30.0) == pytest.approx(10 * 30.0, rel=0.2)


def test_what_stays_never_reaches_its_limit() -> None:
    assert grown([100.0] * 60).time_to(0, 200.0, 30.0) == np.inf


def test_an_incident_says_when_the_limit_is_reached() -> None:
    anomaly = Anomaly(
        "memory", Labels(), "cart", Kind.RESOURCE, "By", "trend", 0.0, 0.0,
        observed=300 * 2**20, expected=100 * 2**20, low=9e7, high=1.1e8, effect=2.0, evidence=9.0,
        limit=512.0 * 2**20, breach_in=840.0,
    )  # fmt: skip
    assert describe(anomaly).endswith("; reaches 512 MiB in 14m at this rate")
