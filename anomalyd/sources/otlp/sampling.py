"""How many spans one stands for: what sampling wrote into its `tracestate`.

References: OpenTelemetry, "TraceState: Probability Sampling" (`ot=th:`, a rejection threshold of
56 bits in hexadecimal, trailing zeros left out), and its predecessor (`ot=p:`, p from 0 to 62 is
a probability of 2**-p, 63 is zero); W3C Trace Context for the list around them.
"""

from __future__ import annotations

import re

_OT = re.compile(r"(?:^|,)[ \t]*ot=([^,]*)")
_THRESHOLD = re.compile(r"(?:^|;)th:([0-9a-f]{1,14})(?:;|[ \t]*$)")
_POWER = re.compile(r"(?:^|;)p:([0-9]{1,2})(?:;|[ \t]*$)")
_ALL = 1 << 56
_NONE = 63


def weight(tracestate: str) -> float | None:
    """1 / probability; 0 of a span that is there beside its sample; None if nothing is said."""
    found = _OT.search(tracestate)
    if not found:
        return None
    threshold = _THRESHOLD.search(found[1])
    if threshold:
        return _ALL / (_ALL - int(threshold[1].ljust(14, "0"), 16))
    power = _POWER.search(found[1])
    if not power or int(power[1]) > _NONE:
        return None
    return 0.0 if int(power[1]) == _NONE else float(1 << int(power[1]))
