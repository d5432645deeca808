import numpy as np
from scipy import stats

from anomalyd.detectors.distributions import normal_isf_below


def test_the_normal_score_lies_below_the_true_one_by_next_to_nothing():
    p = np.concatenate([np.logspace(-250, -1, 400), np.linspace(0.1, 0.999, 300)])
    short = stats.norm.isf(p) - normal_isf_below(p)
    assert (short >= 0).all()
    assert short.max() <= 1.5e-3


def test_p_of_zero_and_one_are_finite():
    z = normal_isf_below(np.array([0.0, 1.0]))
    assert np.isfinite(z).all()
    assert z[0] > 30 > -30 > z[1]
