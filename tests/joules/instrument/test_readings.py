"""Traces, readings and the meter, against powers whose integral is known."""

import math
import re
import time

import pytest

from joules.errors import UserError
from joules.instrument import power_trace as traces
from joules.instrument.reading import primary, summed, total
from joules.instrument.sampler import Sampler, check_coverage
from joules.instrument.source import Channel, SourceError
from tests.records import reading
from tests.replay import Replay


def channel(form="instant_w", domain="cpu", provenance="sampled", **more):
    return Channel(domain=domain, source="replay", provenance=provenance, form=form, detail="test", **more)


def filled(form, function, period_s=0.01, until_s=10.0, **more):
    trace = traces.PowerTrace(channel(form, **more))
    for step in range(round(until_s / period_s) + 1):
        trace.append(step * period_s, function(step * period_s))
    return trace


def test_the_integral_of_a_ramp_is_exact():
    trace = filled("instant_w", lambda t: 3 * t)
    assert trace.energy(1.005, 4.005).energy_j == pytest.approx(1.5 * (4.005**2 - 1.005**2), rel=1e-6)


def test_a_counter_is_interpolated_between_reads():
    trace = filled("cumulative_j", lambda t: 100 + 50 * t)
    assert trace.energy(2.003, 7.005).energy_j == pytest.approx(50 * 5.002)


def test_a_counter_updated_slowly_loses_nothing():
    """Updated every 100 ms and read every 10 ms: the stale value between updates is not a pause."""
    trace = filled("cumulative_j", lambda t: 200 * math.floor(t * 10 + 1e-9) / 10)
    estimate = trace.energy(1.05, 8.05)
    assert estimate.energy_j == pytest.approx(1400, rel=0.005)
    assert 0 < estimate.uncertainty_j < 20


def test_a_counter_that_goes_backwards_is_no_reading():
    trace = filled("cumulative_j", lambda t: 50 * t if t < 5 else 50 * (t - 5))
    with pytest.raises(traces.UncoveredWindow, match="went backwards"):
        trace.energy(2.0, 7.0)
    assert trace.energy(6.0, 9.0).energy_j == pytest.approx(150)


def test_mean_power_counts_only_the_part_inside_the_window():
    trace = traces.PowerTrace(channel("mean_w", provenance="modelled", range_w=(1.0, 10.0)))
    for instant, power in ((0.0, 0.0), (1.0, 2.0), (2.0, 6.0), (3.0, 10.0)):
        trace.append(instant, power)
    estimate = trace.energy(0.5, 2.5)
    assert estimate.energy_j == pytest.approx(0.5 * 2 + 6 + 0.5 * 10)
    assert estimate.uncertainty_j == pytest.approx(4.5 * 2.0)


@pytest.mark.parametrize("window", [(-1.0, 2.0), (9.0, 11.0), (3.0, 3.0), (4.0, 3.0)])
def test_a_window_the_samples_do_not_span_is_refused(window):
    with pytest.raises(traces.UncoveredWindow):
        filled("instant_w", lambda _: 1.0).energy(*window)


def test_discarding_keeps_what_later_windows_need():
    trace = filled("cumulative_j", lambda t: 7 * t)
    trace.discard_before(5.005)
    assert trace.energy(5.005, 9.0).energy_j == pytest.approx(7 * 3.995)
    with pytest.raises(traces.UncoveredWindow):
        trace.energy(4.0, 6.0)


def test_a_counter_is_preferred_and_both_readings_are_kept():
    counted = reading(10.0, domain="gpu0", provenance="counter")
    sampled = reading(11.0, domain="gpu0", provenance="sampled")
    assert primary([sampled, counted]) == [counted]


def test_the_total_is_as_good_as_its_worst_part():
    whole = total([reading(10.0, provenance="counter"), reading(5.0, domain="dram")], 1.0, 0.0)
    assert whole is not None
    assert (whole.energy_j, whole.provenance, whole.floored) == (15.0, "modelled", False)
    assert whole.uncertainty_j == 2.0


def test_the_floor_raises_a_total_and_says_so():
    whole = total([reading(10.0)], duration_s=2.0, floor_power_w=50.0)
    assert whole is not None
    assert (whole.energy_j, whole.floored) == (100.0, True)


def test_a_missing_domain_leaves_no_total():
    assert total([reading(10.0), reading(None, domain="dram")], 1.0, 0.0) is None
    assert total([], 1.0, 0.0) is None


def replay(domain, **more):
    return Replay({channel(domain=domain, **more): lambda _: 5.0}, period_s=0.01)


def test_parts_of_a_window_add_up():
    """Errors of a counter are independent between parts; those of a model are not."""
    first = [reading(3.0, provenance="counter"), reading(5.0, domain="dram")]
    second = [reading(4.0, provenance="counter"), reading(6.0, domain="dram")]
    counted, modelled = summed([first, second])
    assert (counted.energy_j, counted.samples) == (7.0, 6)
    assert counted.uncertainty_j == pytest.approx(2**0.5)
    assert (modelled.energy_j, modelled.uncertainty_j) == (11.0, 2.0)


def test_a_part_that_was_not_read_leaves_the_whole_missing():
    (whole,) = summed([[reading(3.0)], [reading(None)]])
    assert (whole.energy_j, whole.provenance) == (None, "missing")


def test_half_a_reading_is_refused():
    with pytest.raises(UserError, match="the CPU is not"):
        check_coverage([replay("gpu0")])
    with pytest.raises(UserError, match="no source"):
        check_coverage([])
    check_coverage([replay("cpu")])
    check_coverage([replay("cpu"), replay("gpu0")])


def test_the_meter_reads_a_window_from_its_sources():
    with Sampler([replay("cpu")]) as meter:
        start_s = meter.now()
        time.sleep(0.1)
        end_s = meter.now()
        meter.flush()
        (whole,) = meter.readings(start_s, end_s)
    assert whole.energy_j == pytest.approx(5.0 * (end_s - start_s))
    assert whole.provenance == "sampled"


def test_a_source_lost_midway_is_missing_and_said():
    lost_s = time.monotonic() + 0.05

    def power(instant_s):
        if instant_s > lost_s:
            raise SourceError("NVML lost gpu0: the driver went away")
        return 5.0

    with Sampler([replay("cpu"), Replay({channel(domain="gpu0"): power}, period_s=0.01)]) as meter:
        start_s = meter.now()
        time.sleep(0.15)
        end_s = meter.now()
        meter.flush()
        by_domain = {reading.domain: reading for reading in meter.readings(start_s, end_s)}
        faults = meter.faults(start_s, end_s)
    assert by_domain["gpu0"].provenance == "missing"
    assert by_domain["gpu0"].energy_j is None
    assert by_domain["cpu"].energy_j is not None
    (fault,) = faults
    assert re.fullmatch(r"NVML lost gpu0: the driver went away \(\d+ reads within 0\.\d s\)", fault)


def test_a_read_that_fails_in_an_unforeseen_way_is_said_and_sampling_goes_on():
    reads = []

    def power(instant_s):
        reads.append(instant_s)
        if len(reads) == 3:
            raise ZeroDivisionError("division by zero")
        return 5.0

    with Sampler([Replay({channel(): power}, period_s=0.01)]) as meter:
        start_s = meter.now()
        time.sleep(0.15)
        end_s = meter.now()
        meter.flush()
        (whole,) = meter.readings(start_s, end_s)
        faults = meter.faults(start_s, end_s)
    assert whole.samples > 3
    assert faults == ["a read of replay failed (ZeroDivisionError: division by zero)"]
