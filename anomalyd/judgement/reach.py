"""How far a load is from those that are known."""

from __future__ import annotations

import numpy as np

from anomalyd.baseline import transfer
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.transfer import Transfer
from anomalyd.model import Floats

FAR = 1.5
"""Times the largest load known, beyond which to expect anything is a guess."""


class Reach:
    """Where production and accepted runs were seen; loads are per unit of capacity. Nothing is far
    from a production that was not conditioned on load."""

    def __init__(self, lookup: Lookup | None, known: Transfer | None) -> None:
        self._lookup = lookup if lookup is not None and lookup.conditioned else None
        self._most = lookup.most_load if lookup is not None else np.inf
        self._accepted = known.most_load if known is not None else 0.0
        self._usual = known.centre if known is not None and known.runs else None

    @property
    def least(self) -> float:
        """What is ordinary at the quietest: of production, or of accepted runs at their most."""
        if self._lookup is None:
            return 0.0
        least = float(np.exp(self._lookup.baseline.profiles.load_bins[0]))
        return min(least, self._accepted) if self._accepted > 0 else least

    def far_beyond(self, load: float) -> bool:
        """Whether what to expect at that load is a guess."""
        return bool(np.isfinite(load) and load > FAR * max(self._most, self._accepted))

    def beyond(self, loads: Floats, busier: Floats) -> Floats:
        """Log load beyond any that production was often seen at; what accepted runs were repeatedly
        seen at counts for less."""
        past = self.past_production(loads, busier)
        repeated = self.past_production(np.full(len(loads), self._accepted), busier)
        return past - (1 - transfer.REPEATED) * np.minimum(past, repeated)

    def past_production(self, loads: Floats, busier: Floats) -> Floats:
        """Log load beyond any that production was often seen at, of rows that are as busy as with
        `busier` more of it."""
        return np.maximum(self._past(loads) + busier, 0.0)

    def _past(self, loads: Floats) -> Floats:
        if self._lookup is None:
            return np.zeros(len(loads))
        top = self._lookup.baseline.profiles.load_bins[-1]
        return np.nan_to_num(np.log(np.where(loads > 0, loads, np.nan)) - top, nan=0.0)

    def stretched(self, loads: Floats, stretch: Floats) -> Floats:
        """Log load from where accepted runs mostly were, or from the middle of production's range;
        each unit beyond that range is counted `stretch` times more."""
        if self._lookup is None:
            return np.zeros(len(loads))
        bins = self._lookup.baseline.profiles.load_bins
        middle = (bins[0] + bins[-1]) / 2 if self._usual is None else self._usual
        position = np.log(np.where(loads > 0, loads, np.nan))
        beyond, beyond_at_middle = (
            one - np.clip(one, bins[0], bins[-1]) for one in (position, middle)
        )
        return np.nan_to_num(position - middle + stretch * (beyond - beyond_at_middle))
