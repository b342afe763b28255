"""Random effects of campaigns nested in machines."""

import numpy as np
import pytest
from scipy import stats

from joules.analysis.pooling import PooledMachines

MACHINES = [np.array([1.0, 1.2, 0.8, 1.4]), np.array([2.0, 2.4]), np.array([1.5])]


def test_every_machine_counts_once():
    pooled = PooledMachines(MACHINES)
    means = [1.1, 2.2, 1.5]
    assert pooled.mean.estimate == pytest.approx(1.6)
    t = stats.ttest_1samp(means, 0)
    assert pooled.mean.interval() == pytest.approx(tuple(t.confidence_interval()))
    low, high = pooled.prediction()
    half = stats.t.ppf(0.975, 2) * np.std(means, ddof=1) * np.sqrt(4 / 3)
    assert (low, high) == pytest.approx((1.6 - half, 1.6 + half))


def test_machines_are_compared_with_the_spread_of_their_campaigns():
    pooled = PooledMachines(MACHINES)
    assert pooled.p_equal == pytest.approx(stats.f_oneway(*MACHINES).pvalue)
    squares = 0.2 + 0.08
    assert pooled.tau_campaigns == pytest.approx(np.sqrt(squares / 4))
    expected = np.var([1.1, 2.2, 1.5], ddof=1) - squares / 4 * (1 / 4 + 1 / 2 + 1) / 3
    assert pooled.tau_machines == pytest.approx(np.sqrt(expected))


def test_without_repeated_campaigns_machines_cannot_be_compared():
    pooled = PooledMachines([np.array([1.0]), np.array([2.0])])
    assert np.isnan([pooled.p_equal, pooled.tau_campaigns, pooled.tau_machines]).all()
    assert np.isfinite(pooled.prediction()).all()
    assert np.isnan(PooledMachines([np.array([1.0, 2.0])]).prediction()).all()
