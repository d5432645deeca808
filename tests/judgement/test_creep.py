"""What is said of a series that crept away from the golden run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from anomalyd.baseline.transfer import Golden
from anomalyd.judgement.creep import Creep, Crept
from anomalyd.judgement.settings import Settings
from anomalyd.model import Finding, Kind, Labels


@pytest.mark.parametrize(
    ("absolute", "expected", "effect", "said"),
    [
        (False, 0.02, 0.5, "(+50%) from 2%"),
        (True, 0.02, 0.01, "(+1 pp) from 2%"),
        (True, 0.0, 0.03, "(+3 pp) from 0%"),
        (False, 0.0, math.nan, "(n/a) from 0%"),
    ],
)
def test_a_ratio_says_how_far_it_is_from_one_that_may_be_0(absolute, expected, effect, said):
    nothing: Any = None
    golden = Golden("r1", nothing, np.zeros(0))
    creep = Creep(nothing, nothing, golden, Settings(window=15.0))
    of = Finding("errors", Labels(), "cart", Kind.ERRORS, "ratio", "ok", absolute=absolute)
    told = creep._told(of, Crept(0.03, expected, 0.0, expected))
    assert told.state == "fired"
    assert told.effect == pytest.approx(effect, nan_ok=True)
    assert said in told.note
