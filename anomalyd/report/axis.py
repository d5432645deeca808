"""The ticks of a plot's values: round numbers in one unit that people read."""

from __future__ import annotations

import math

_LADDERS = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "By": ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
    "ratio": ((0.01, "%"),),
}
_READABLE = (0.01, 1e6)
"""Between these a number of another unit is read as it is."""
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_DECIMALS = 12
_INTERVALS = 5
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


def scale(largest: float, unit: str) -> tuple[float, str]:
    """What one step of the axis is in `unit`, and its name, for values up to `largest`.

    (0.001, "ms") for 0.2 s; (1e-6, "× 10⁻⁶ cores") for 0.0001 cores; (1.0, "cores") for 3.
    """
    if unit in _LADDERS:
        ladder = _LADDERS[unit]
        return next((step for step in ladder if largest >= step[0]), ladder[-1])
    if not largest or _READABLE[0] <= largest < _READABLE[1]:
        return 1.0, unit
    power = 3 * math.floor(math.log10(largest) / 3)
    return 10.0**power, f"× 10{str(power).translate(_SUPERSCRIPT)} {unit}".rstrip()


def ticks(bottom: float, top: float, unit: str) -> tuple[list[tuple[float, str]], str]:
    """About five ticks between the two values (in `unit`): where, and what is written there.

    Units that people say with every number are written at each tick; any other is returned to be
    written once. All labels differ, however narrow the axis.
    """
    size, name = scale(max(abs(bottom), abs(top)), unit)
    places, step = _places(bottom / size, top / size)
    decimals = _decimals(step)
    inline = name if unit in _LADDERS else ""
    gap = "" if inline == "%" else " "
    found = [
        (place * size, f"{place:.{decimals}f}{gap}{inline}".rstrip() if place else "0")
        for place in (round(v, decimals) for v in places)
    ]
    return found, "" if inline else name


def _places(bottom: float, top: float) -> tuple[list[float], float]:
    """Multiples of a round step between the two, and the step: two to six of them."""
    raw = (top - bottom) / _INTERVALS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in _ROUND if m * power >= raw * (1 - 1e-9))
    first, last = math.ceil(bottom / step - 1e-9), math.floor(top / step + 1e-9)
    return [number * step for number in range(first, last + 1)], step


def _decimals(step: float) -> int:
    """The fewest decimals that say the step, and so each of its multiples, exactly."""
    exact = (n for n in range(_MOST_DECIMALS) if abs(round(step, n) - step) < step / 100)
    return next(exact, _MOST_DECIMALS)
