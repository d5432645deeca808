"""OTLP's metric names as Prometheus has them, so that presets find one as they find the other.

Reference: OpenTelemetry, "Prometheus and OpenMetrics Compatibility", and otlptranslator.
"""

from __future__ import annotations

import re
from functools import lru_cache

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "m": "meters",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
}
_PER = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
_NO_NAME = re.compile(r"[^a-zA-Z0-9:]+")
_ANNOTATION = re.compile(r"\{[^}]*\}")


@lru_cache(maxsize=4096)
def metric_name(name: str, unit: str, *, counter: bool = False, gauge: bool = False) -> str:
    """`http.server.duration` in `ms` is `http_server_duration_milliseconds`; a counter ends with
    `_total`, a gauge of unit 1 with `_ratio`."""
    words = [word for word in _NO_NAME.split(name) if word]
    for suffix in _suffixes(unit):
        if suffix not in words:
            words.append(suffix)
    if gauge and unit == "1" and "ratio" not in words:
        words.append("ratio")
    if counter:
        words = [*(word for word in words if word != "total"), "total"]
    joined = "_".join(words)
    return f"_{joined}" if joined[:1].isdigit() else joined


def _suffixes(unit: str) -> list[str]:
    whole, _, per = (_ANNOTATION.sub("", part).strip() for part in unit.partition("/"))
    found = [_UNITS.get(whole, _words(whole))] if whole not in ("", "1") else []
    if per:
        found += ["per", _PER.get(per, _words(per))]
    return [suffix for suffix in found if suffix]


def _words(unit: str) -> str:
    return _NO_NAME.sub("_", unit).strip("_")
