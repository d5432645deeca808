"""Over what time numbers were averaged, read off numbers that were averaged over so much."""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.replay.recording import Recording
from anomalyd.replay.smear import LEAST_STEPS, LONGEST_SECONDS, averaged_over

SERVICES = 5
HEADERS = tuple(f'latency_p95{{service="{i}"}}' for i in range(SERVICES))


def run(over, samples=300, step=15.0, seed=1) -> Recording:
    """Latencies whose chance is a mean over so many samples, beside a load of its own."""
    rng = np.random.default_rng(seed)
    chance = rng.standard_normal((samples + over - 1, SERVICES))
    mean = sum(chance[k : k + samples] for k in range(over)) / over
    values = 0.2 * np.exp(0.1 * mean)
    load = np.full((samples, 1), 50.0)
    return Recording(step * np.arange(samples), ("load", *HEADERS), np.hstack([load, values]))


@pytest.mark.parametrize("step", [5.0, 15.0])
@pytest.mark.parametrize("over", [1, 2, 4, 8])
def test_the_width_of_the_average_is_found(over, step):
    assert averaged_over([run(over, step=step)], HEADERS) == over * step


def test_several_short_runs_tell_together():
    runs = [run(4, samples=60, seed=seed) for seed in range(6)]
    assert averaged_over(runs, HEADERS) == 60.0


@pytest.mark.parametrize("spoil", [np.nan, 0.0, 1e9])
def test_a_few_samples_that_are_absurd_or_absent_do_not_matter(spoil):
    spoilt = run(4)
    spoilt.values[::60, 1:] = spoil
    assert averaged_over([spoilt], HEADERS) == 60.0


def test_of_too_little_or_of_what_never_moves_nothing_is_concluded():
    assert averaged_over([run(4, samples=LEAST_STEPS)], HEADERS) == 15.0
    flat = run(4)
    flat.values[:] = 7.0
    assert averaged_over([flat], HEADERS) == 15.0


def test_only_what_is_named_tells():
    assert averaged_over([run(4)], HEADERS[:0]) == 15.0
    assert averaged_over([run(4)], HEADERS[:1]) == 60.0


def test_no_longer_average_is_looked_for_than_makes_sense():
    assert averaged_over([run(25)], HEADERS) <= LONGEST_SECONDS
