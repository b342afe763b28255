"""Energy from samples of a channel, and rejection of samples that do not determine it."""

import math

import numpy as np
import pytest

from joules.instrument.power_trace import PowerTrace, UncoveredWindow
from joules.instrument.source import Channel

POWER_W = 250.0
COUNTER = Channel("gpu0", "counter", "counter", "cumulative_j", "simulated", resolution_j=1e-3)
MEAN = Channel("gpu0", "sensor", "sampled", "instant_w", "simulated", averaged_s=1.0)


def counted(update_s, until_s, read_s=0.05, phase_s=0.03, power_w=POWER_W, shown=lambda at_s: at_s, seed=0):
    """A trace of a counter that is updated every `update_s` seconds and read with jitter."""
    trace = PowerTrace(COUNTER)
    random = np.random.default_rng(seed)
    at_s = 0.0
    while at_s < until_s:
        updated_s = math.floor((shown(at_s) - phase_s) / update_s) * update_s + phase_s
        trace.append(at_s, 1000.0 + power_w * updated_s)
        at_s += read_s * random.uniform(0.75, 1.25)
    return trace


@pytest.mark.parametrize("update_s", [0.02, 0.1, 1.0])
def test_short_windows_over_slow_counters_are_right_on_average(update_s):
    random = np.random.default_rng(1)
    errors = []
    for seed in range(30):
        start_s = random.uniform(16.0, 17.0)
        trace = counted(update_s, start_s + 4.0, seed=seed)
        trace.discard_before(start_s - 15.0)
        errors.append(trace.energy(start_s, start_s + 1.0).energy_j / POWER_W - 1)
    assert abs(np.mean(errors)) < 0.003
    assert np.max(np.abs(errors)) < 0.02


def test_a_window_begins_before_the_first_update_that_was_seen():
    """The first value that is read dates from the update before."""
    trace = counted(1.0, 6.0)
    estimate = trace.energy(0.2, 4.2)
    assert estimate.energy_j == pytest.approx(4 * POWER_W, rel=0.01)


def test_a_counter_that_stands_still_is_missing():
    trace = counted(0.1, 10.0, shown=lambda at_s: min(at_s, 5.0))
    assert trace.energy(1.0, 4.5).energy_j == pytest.approx(3.5 * POWER_W, rel=0.02)
    with pytest.raises(UncoveredWindow, match=r"stood still for [45]\.\d s"):
        trace.energy(1.0, 7.0)


def test_a_counter_that_never_moved_is_missing():
    trace = counted(0.1, 4.0, shown=lambda _: 1.0)
    with pytest.raises(UncoveredWindow, match="stood still"):
        trace.energy(1.0, 3.0)


def test_a_counter_seen_to_change_once_tells_nothing_yet():
    trace = counted(2.0, 1.4, phase_s=0.53)
    with pytest.raises(UncoveredWindow, match="not updated often enough"):
        trace.energy(0.1, 1.2)


def test_a_window_is_settled_once_its_counter_was_updated_after_it():
    trace = counted(1.0, 8.0)
    assert trace.is_settled(6.9)
    assert not trace.is_settled(7.5)
    assert not trace.is_settled(9.0)


def test_a_window_over_a_counter_that_stands_still_is_settled():
    assert counted(0.1, 8.0, shown=lambda at_s: min(at_s, 3.0)).is_settled(7.5)


def test_a_window_over_a_source_that_fails_is_settled():
    trace = counted(1.0, 8.0)
    trace.note_failure(8.1, "gone")
    assert trace.is_settled(8.05)
    with pytest.raises(UncoveredWindow, match="gone"):
        trace.energy(7.0, 8.2)


def averaged(step_s, until_s=12.0, low_w=80.0, high_w=400.0):
    """A sensor that shows the mean over one second, across a step of power."""
    trace = PowerTrace(MEAN)
    for at_s in np.arange(0.0, until_s, 0.05):
        high_s = min(max(at_s - step_s, 0.0), 1.0)
        trace.append(float(at_s), low_w + (high_w - low_w) * high_s)
    return trace


@pytest.mark.parametrize("step_s", [3.0, 4.9, 5.0, 5.3, 7.0])
def test_a_mean_over_a_second_is_taken_at_the_middle_of_it(step_s):
    estimate = averaged(step_s).energy(3.0, 7.0)
    truth_j = 80.0 * 4.0 + 320.0 * (7.0 - max(step_s, 3.0))
    assert abs(estimate.energy_j - truth_j) <= 1.96 * estimate.uncertainty_j
    if 4 < step_s < 6:
        assert estimate.energy_j == pytest.approx(truth_j, rel=0.01)


def test_what_a_read_takes_is_in_the_uncertainty():
    quick, slow = PowerTrace(COUNTER), PowerTrace(COUNTER)
    for at_s in np.arange(0.0, 5.0, 0.1):
        quick.append(float(at_s), POWER_W * float(at_s))
        slow.append(float(at_s), POWER_W * float(at_s), 0.05)
    assert slow.energy(1.0, 3.0).uncertainty_j > quick.energy(1.0, 3.0).uncertainty_j
