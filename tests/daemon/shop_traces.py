"""The spans of a shop of two services, for the fakes of what keeps them."""

from __future__ import annotations

import itertools
import math
import random

from tests.fakes.traces import Span

WINDOW = 30
OWN = {"cart": 0.010, "pricing": 0.020}

_random = random.Random(7)  # noqa: S311
_ids = itertools.count(1)


def worked(begin: float, seconds: float, rate: float, env: str, **slower: float) -> list[Span]:
    """Of requests to cart, each of which asks pricing; slower: factor of own time by service."""
    found: list[Span] = []
    for _ in range(round(rate * seconds)):
        found += _request(begin + seconds * _random.random(), env, slower)
    return found


def kept(begin: float, end: float, env: str) -> list[Span]:
    """At loads that come and go."""
    step = 10.0
    times = [begin + step * n for n in range(round((end - begin) / step))]
    return [s for at in times for s in worked(at, step, 1.5 + 3 * (at / 300 % 1), env)]


def _request(begin: float, env: str, slower: dict[str, float]) -> list[Span]:
    trace, (served, called, asked) = f"{next(_ids):032x}", (f"{next(_ids):016x}" for _ in range(3))
    own, theirs = (
        OWN[name] * slower.get(name, 1.0) * math.exp(0.2 * _random.gauss()) for name in OWN
    )
    failed = _random.random() < 0.002
    return [
        Span(trace, "cart", "GET /cart", begin, own + theirs, failed, id=served, env=env),
        Span(
            trace,
            "cart",
            "GET",
            begin + own,
            theirs,
            kind="client",
            id=called,
            parent=served,
            peer="pricing",
            env=env,
        ),
        Span(trace, "pricing", "GET /price", begin + own, theirs, id=asked, parent=called, env=env),
    ]
