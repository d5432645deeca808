"""What a suspect is told with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anomalyd.explain.signs import Sign
from anomalyd.explain.wording import Evidence, because
from anomalyd.model import Kind

OWN = Sign("pricing", Kind.LATENCY, "own_time", 100.0, 30.0, 1.4, own=True)
FELT = Sign("checkout", Kind.LATENCY, "latency_p95", 112.0, 25.0, 0.9)
FAILS = replace(FELT, kind=Kind.ERRORS, signal="error_ratio")


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        pytest.param(
            Evidence("pricing", [OWN], [FELT], {FELT}, False),
            "own time +140%; began 12s before checkout; checkout only waits for it",
            id="who is slow, since when, and who only waits",
        ),
        pytest.param(
            Evidence("pricing", [OWN], [replace(FELT, step=60.0)], {}, False),
            "own time +140%; explains checkout",
            id="no order that the resolution does not show, and a part only",
        ),
        pytest.param(
            Evidence("pricing", [replace(OWN, effect=41.5)], [FAILS], {FAILS}, False),
            "own time 42.5 times; began 12s before checkout; checkout only fails with it",
            id="large effects as multiples",
        ),
        pytest.param(
            Evidence("cart", [], [FELT, *(replace(FELT, service=s) for s in "abc")], {}, True),
            "calls a, b, c and 1 more; is called more than before",
            id="a caller that shows nothing itself, and many names",
        ),
        pytest.param(
            Evidence(
                "cart", [replace(OWN, signal="wait", service="web", peer="cart")], [], {}, False
            ),
            "wait of calls from web +140%",
            id="what is off on the way to it",
        ),
        pytest.param(
            Evidence(
                "web", [replace(OWN, signal="wait", service="web", peer="cart")], [], {}, False
            ),
            "wait of calls to cart +140%",
            id="what is off on the way from it",
        ),
        pytest.param(
            Evidence("cart", [replace(OWN, gone=True, signal="cpu")], [], {}, False),
            "cpu stopped arriving",
            id="what is gone",
        ),
        pytest.param(
            Evidence(
                "cart",
                [replace(FAILS, service="cart", effect=0.05), replace(OWN, strength=9.0)],
                [],
                {},
                False,
            ),
            "error_ratio +5 pp, own time +140%",
            id="the strongest first",
        ),
    ],
)
def test_a_suspect_is_told_by_what_was_seen(evidence, text):
    assert because(evidence) == text
