"""What production leads us to expect of every row, as the detectors' `Context`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anomalyd.baseline import transfer
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.transfer import Transfer
from anomalyd.detectors.base import Context, Mask
from anomalyd.judgement import budget, chance
from anomalyd.judgement import changes as changed
from anomalyd.judgement.band import Band
from anomalyd.judgement.fixed import Fixed, fixed, is_total
from anomalyd.judgement.reach import Reach
from anomalyd.judgement.steady import steady
from anomalyd.model import AcceptedChange, Floats, Kind, Labels, Rows
from anomalyd.signals.selector import parse_series
from anomalyd.signals.table import SignalTable

FEWEST = 0.04
"""Share of production's number under way, below which its noise is not taken to grow further."""


class Reference:
    """Joins the signal table with a baseline; arrays over the table's rows, extended as it grows.

    partner intp[n]: the row's profile, -1 if production has none. `run_label` is left out of the
    key by which a row is looked up, since production's series do not carry it. totals: False
    where the environments differ in capacity; rates and sums then have no partner, since ten pods
    do more of everything than two.
    """

    def __init__(
        self,
        table: SignalTable,
        lookup: Lookup | None,
        run_label: str | None,
        totals: bool = True,
        transfer: Transfer | None = None,
        smear: int = 1,
        blip: float = 40.0,
        capacity: float = 1.0,
        ratio: float = 1.0,
        changes: Sequence[AcceptedChange] = (),
    ) -> None:
        self.smear, self._blip, self._capacity, self._ratio = smear, blip, capacity, ratio
        self._table, self._lookup, self._run_label = table, lookup, run_label
        self._transfer, self._changes = transfer, changes
        self._skipped = frozenset(
            signal.name for signal in table.signals if not totals and is_total(signal)
        )
        self._reach = Reach(lookup, transfer)
        self._meta = lookup.baseline.meta if lookup is not None else {}
        self.partner: Rows = np.zeros(0, dtype=np.intp)
        self.extend()

    @property
    def kinds(self) -> list[Kind]:
        return [self._table.signals[i].kind for i in self._table.signal_index]

    @property
    def accepted_runs(self) -> int:
        return self._transfer.runs if self._transfer is not None else 0

    @property
    def known(self) -> bool:
        return self._lookup is not None

    @property
    def series(self) -> int:
        """How many series of production there are to judge by."""
        return len(self._lookup.baseline.profiles.keys) if self._lookup is not None else 0

    def query(self, signal: str) -> str:
        """The resolved query that production's side of `signal` came from, '' if not known."""
        return str(self._meta.get("queries", {}).get(signal, ""))

    def without_row(self, rows: Rows) -> list[tuple[str, Labels]]:
        """Series that production usually has and none of `rows` is the partner of."""
        if self._lookup is None:
            return []
        keys = self._lookup.baseline.profiles.keys
        absent = np.setdiff1d(np.arange(len(keys)), self.partner[rows])
        absent = absent[self._lookup.expected_present(absent)[0]]
        parsed = [parse_series(keys[i]) for i in absent]
        return [key for key in parsed if key[0] not in self._skipped]

    def accept(self, changes: Sequence[AcceptedChange]) -> None:
        """Expect these changes, and no others, from now on."""
        self._changes = changes
        known = fixed(self._table, self._lookup, self._transfer, self.partner)
        self._fixed = changed.expected(known, changes, self._table)

    def extend(self) -> None:
        """Match rows that are new in the table."""
        known, n = len(self.partner), len(self._table)
        if n == known > 0:
            return
        keys = [self._key(row) for row in range(known, n)]
        found = self._lookup.match(keys) if self._lookup else np.full(len(keys), -1, dtype=np.intp)
        skipped = [key.partition("{")[0] in self._skipped for key in keys]
        found = np.where(np.array(skipped, dtype=bool), -1, found)
        self.partner = np.concatenate([self.partner, found]).astype(np.intp)
        self.accept(self._changes)

    def _key(self, row: int) -> str:
        signal = self._table.signals[self._table.signal_index[row]]
        labels = self._table.labels[row]
        return f"{signal.name}{labels.without([self._run_label]) if self._run_label else labels}"

    def assumed(self, rows: Rows) -> Floats:
        """Their expected residual: float64[len(rows)]."""
        return self._fixed.mean[rows]

    def sizes(self, rows: Rows) -> Floats:
        """What 100% is in the residual's scale: float64[len(rows)]."""
        return self._fixed.take(rows).size

    def largest(self, rows: Rows, log: float) -> Floats:
        """As `Fixed.largest`."""
        return self._fixed.take(rows).largest(log)

    def as_effect(self, row: int, shift: float) -> float:
        """As `Fixed.as_effect`."""
        return self._fixed.as_effect(row, shift)

    def passing(self, observed: float, expected: float, row: int, share: float) -> float:
        """As `Fixed.passing`."""
        return self._fixed.passing(observed, expected, row, share)

    def far_beyond(self, load: float) -> bool:
        """Whether what to expect there is a guess, so far is a load from all that were seen."""
        return self._lookup is not None and self._reach.far_beyond(load)

    @property
    def least_load(self) -> float:
        """Per unit of capacity, that production was often seen at, or accepted runs at the most."""
        return self._reach.least

    @property
    def goes_with_load(self) -> Mask:
        """bool[n]: rates of requests, which go with the load of their window, jitter and all."""
        return self._fixed.rate

    def loads_of(self, loads: Sequence[float], window: float, rows: Rows) -> Floats:
        """The load that each of `rows` is looked up at, given those of a run up to its window."""
        calm = steady(loads, self._capacity * window)
        return np.where(self._fixed.rate[rows], loads[-1], calm)

    def bands(self, loads: Floats, rows: Rows, time: float = np.nan) -> Band:
        """As `band`, each row at its own load."""
        band = Band.unknown(len(rows))
        for load in np.unique(loads):
            at = np.flatnonzero(np.isnan(loads) if np.isnan(load) else loads == load)
            band.put(at, self.band(float(load), rows[at], time))
        return band

    def band(self, load: float, rows: Rows, time: float = np.nan) -> Band:
        """Expected values of `rows` at `load` (per unit of capacity) and at `time` (unix seconds;
        NaN: at any hour); arrays of len(rows).

        How often a service is called goes with the load itself, whatever the capacity.
        """
        if self._ratio == 1.0:
            return self._band(load, load, rows, time)
        band, rate = Band.unknown(len(rows)), self._fixed.rate[rows]
        for which, at in ((~rate, load), (rate, load * self._ratio)):
            part = np.flatnonzero(which)
            band.put(part, self._band(at, load, rows[part], time))
        return band

    def _band(self, at: float, load: float, rows: Rows, time: float) -> Band:
        """With production looked up at the load `at`."""
        band = Band.unknown(len(rows))
        has = np.flatnonzero(self.partner[rows] >= 0)
        if self._lookup is None or not has.size:
            return band
        partner = self.partner[rows[has]]
        expected = self._lookup.at(at, partner, time, self._fixed.beyond[rows[has]])
        known, more = self._fixed.known_ratio[rows[has]], self._fixed.more_bad[rows[has]]
        rate, upper = (one + more for one in self._lookup.rates(at, partner))
        counted = np.isfinite(rate)
        steepness = np.where(self._fixed.rate[rows[has]], 0.0, expected.steepness)
        shift = self._shift(load, steepness, rows[has])
        centre, low, high = (
            self._lookup.shifted(value, shift, partner)
            for value in (expected.center, expected.low, expected.high)
        )
        part = Band(
            np.where(counted, rate, centre),
            np.where(counted, np.clip(expected.low, 0.0, rate), low),
            np.where(counted, np.maximum(expected.high, upper), high),
            expected.location + shift,
            steepness,
            np.fmax(upper, known + more),
            self._noise(at, rows[has], centre / np.maximum(expected.center, 1e-9)),
            expected.season,
            expected.extrapolated,
        )
        band.put(has, part)
        return band

    def _noise(self, at: float, rows: Rows, times: Floats) -> Floats:
        """Scale of innovations where staging's values are `times` production's: float64[len(rows)].

        What is under way at once varies as a count does: the fewer, the more.
        """
        if self._lookup is None:
            return np.full(len(rows), np.nan)
        noise = self._lookup.noise(at, self.partner[rows]) * self._fixed.factor[rows]
        fewer = np.where(self._fixed.held[rows], np.clip(times, FEWEST, 1.0), 1.0)
        return np.asarray(noise / np.sqrt(fewer))

    def _shift(self, load: float, steepness: Floats, rows: Rows) -> Floats:
        """How much staging's usual residual differs from 0 at this load: float64[len(rows)]."""
        f = self._fixed
        of_load = f.slope[rows] * self.position(load, rows)
        return f.mean[rows] + of_load + f.shift[rows] * (steepness - f.steepness[rows])

    def position(self, load: float, rows: Rows) -> Floats:
        """What slopes count a load as, see `Reach.stretched`: float64[len(rows)]."""
        return self._reach.stretched(np.full(len(rows), load), self._fixed.stretch[rows])

    def context(
        self,
        time: float,
        window: float,
        values: Floats,
        counts: Floats,
        loads: Floats,
        band: Band,
        answered: Mask,
        rows: Rows,
        lone: Mask | None = None,
        stuck: Mask | None = None,
    ) -> Context:
        """The detectors' view of one window of `rows`; every array has one entry per row. Of stuck
        rows it is known that they are there, and nothing else."""
        f = self._fixed.take(rows)
        old = stuck if stuck is not None else np.zeros(len(rows), dtype=bool)
        counted = f.ratio & np.isfinite(counts) & ~old
        size = np.maximum(np.abs(f.median), band.noise)
        tolerate = np.where(f.logarithmic, np.log1p(f.relative), f.relative * size)
        offered = loads * self._capacity
        most = budget.brief(window, self.smear, self._blip)
        few, sampling = chance.of(f, band.expected, counts, offered, window, self.smear)
        return Context(
            time=time,
            window=window,
            smear=self.smear,
            value=values,
            residual=np.where(counted | few | old, np.nan, self._residual(values, band, rows)),
            season=band.season,
            sampling=sampling,
            noise=band.noise * (1 + f.noisier * self._reach.past_production(loads, f.busier)),
            phi=np.nan_to_num(f.phi),
            wander=f.wander,
            sure=f.sure,
            offset=f.offset,
            slope=f.slope_sd,
            shift=f.shift_sd,
            slope_with_shift=f.both,
            load=self._reach.stretched(loads, f.stretch),
            steepness=np.nan_to_num(band.steepness - f.steepness),
            beyond=self._reach.beyond(loads, f.busier),
            overload=f.overload,
            tolerate=tolerate + f.absolute,
            size=np.where(f.logarithmic, 1.0, size),
            sign=f.sign,
            bad=np.where(counted, values * counts, np.nan),
            total=np.where(counted, counts, np.nan),
            burst=f.burst,
            brief=np.where(f.blips, most, budget.MOST_PER_WINDOW),
            bad_ratio=np.where(counted, _allowed(f, band), np.nan),
            answered=answered,
            shown=f.shown,
            lone=lone if lone is not None else np.zeros(len(rows), dtype=bool),
            few=few,
            ceased=f.rate & (values == 0) & (band.low > 0) & (loads > 0) & ~few,
            usual=f.usual,
            gap=f.gap,
        )

    def _residual(self, values: Floats, band: Band, rows: Rows) -> Floats:
        residual = np.full(len(rows), np.nan)
        has = np.flatnonzero(self.partner[rows] >= 0)
        if self._lookup is not None and has.size:
            transformed = self._lookup.transform(values[has], self.partner[rows[has]])
            residual[has] = transformed - band.location[has]
        return residual


def _allowed(rows: Fixed, band: Band) -> Floats:
    """The error ratio that a good run may have: float64[n]."""
    factors = (transfer.KNOWN_ERROR_FACTOR, transfer.ERROR_FACTOR)
    factor = np.where(np.isfinite(rows.known_ratio), *factors)
    return np.minimum(factor * band.bad_ratio + transfer.ERROR_SLACK, 1.0)
