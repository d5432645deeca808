"""The phases of the load test that locust runs; seconds, and users who make a request per second.

Apart from the locustfile, since importing locust replaces the standard library's sockets.
"""

PRELUDE, RAMP, HOLD, DRAIN = 20.0, 20.0, 44.0, 16.0
"""In the prelude anomalyd learns which metrics there are."""
FEW, MANY = 4, 40


def users(elapsed: float) -> int | None:
    """How many there are at a time since the start; None once the test is over."""
    at = elapsed - PRELUDE
    if at < 0:
        return FEW
    if at < RAMP:
        return round(FEW + (MANY - FEW) * at / RAMP)
    left = RAMP + HOLD + DRAIN - at
    return max(1, round(MANY * min(1.0, left / DRAIN))) if left > 0 else None
