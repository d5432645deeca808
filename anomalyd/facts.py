"""What is so in one environment, as frozen data: collected by `parity`, read by what explains."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anomalyd.model import Environment


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is so in one environment.

    kind: a name of `anomalyd.parity.kinds.KINDS`. place: where it holds, the same words in both
    environments (`pricing/app`). value: as it is shown; secrets are masked. found: the query, the
    path of the API or the file that said so. service: that it belongs to, '' if to none. number:
    the value in its base unit (cores, bytes, a ratio of 1), NaN where it is no quantity.
    """

    kind: str
    place: str
    side: Environment
    value: str
    found: str
    service: str = ""
    number: float = math.nan
