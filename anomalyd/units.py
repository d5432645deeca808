"""Durations, percentages and times as people write them, and back."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from anomalyd.model import Change

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")


def parse_duration(text: object) -> float:
    """Seconds of `5s`, `1h30m`, `500ms`, `7d`; a bare number has no unit and is refused."""
    if isinstance(text, str):
        parts = _PART.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text.replace(" ", ""):
            return math.fsum(float(number) * _UNITS[unit] for number, unit in parts)
    raise ValueError(
        f"{text!r} is not a duration; write a number with its unit, like 5s, 10m or 7d"
    )


def parse_change(text: object) -> Change:
    """`10%` is relative; `0.5pp` (percentage points) is absolute, for ratios."""
    if isinstance(text, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%|pp)\s*", text)
        if found:
            size = float(found[1]) / 100
            return Change(relative=size) if found[2] == "%" else Change(absolute=size)
    raise ValueError(f"{text!r} is not a size of change; write 10% or, for a ratio, 0.5pp")


def parse_share(text: object) -> float:
    """A share from 0 to 1, written `1%`."""
    change = parse_change(text)
    if change.absolute or change.relative > 1:
        raise ValueError(f"{text!r} is not a share; write a percentage from 0% to 100%")
    return change.relative


def format_duration(seconds: float) -> str:
    """`90` → `1m30s`; below a minute with one decimal where it matters."""
    if seconds < 60:
        return f"{seconds:.3g}s"
    whole = round(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        amount, whole = divmod(whole, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts[:2])


def format_value(value: float, unit: str = "") -> str:
    """A value as people say it: `412 ms`, `1.3 GiB`, `2.1%`, `12.5 req/s`."""
    if not math.isfinite(value):
        return "n/a"
    if unit == "s":
        for size, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(value) >= size or name == "µs":
                return f"{value / size:.3g} {name}"
    if unit == "By":
        for size, name in ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")):
            if abs(value) >= size or name == "B":
                return f"{value / size:.3g} {name}"
    if unit == "ratio":
        return f"{value * 100:.3g}%"
    return f"{value:.4g} {unit}".rstrip()


def format_effect(effect: float, absolute: bool) -> str:
    """`+80%`, or `+2.1 pp` where the signal is a ratio."""
    if math.isnan(effect):
        return "n/a"
    if math.isinf(effect):
        return "no change at all"
    return f"{effect * 100:+.2g} pp" if absolute else f"{effect:+.0%}"


def rfc3339(time: float) -> str:
    return (
        datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
