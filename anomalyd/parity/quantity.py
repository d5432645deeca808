"""Quantities as Kubernetes writes them: `500m`, `2Gi`, `1e3`.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import math
import re

from anomalyd.units import format_value

_QUANTITY = re.compile(
    r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?"
)
_SUFFIX = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    **{name: 1000.0 ** (i + 1) for i, name in enumerate("kMGTPE")},
    **{f"{name}i": 1024.0 ** (i + 1) for i, name in enumerate("KMGTPE")},
}


def quantity(text: str) -> float:
    """The number that `text` stands for, NaN where it is none."""
    found = _QUANTITY.fullmatch(text.strip())
    if not found:
        return math.nan
    number = float(found[1] + (found[2] or ""))
    return number * _SUFFIX.get(found[3] or "", 1.0)


def shown(resource: str, value: float) -> str:
    """`2 cores`, `512 MiB`, or the number of anything else."""
    if resource == "cpu":
        return f"{value:g} cores"
    return format_value(value, "By") if resource == "memory" else f"{value:g}"
