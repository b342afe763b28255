"""Traces, readings and the meter, against power with a known integral."""

import math
import re
import time
import tracemalloc

import pytest

from joules.errors import UserError
from joules.instrument import power_trace as traces
from joules.instrument.reading import primary, summed
from joules.instrument.reading_arrays import one_window
from joules.instrument.sampler import Sampler, check_coverage
from joules.instrument.source import Channel, CounterGap, Notice, SourceError
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
    whole = one_window([reading(10.0, provenance="counter"), reading(5.0, domain="dram")], 1.0).total(0)
    assert whole is not None
    assert (whole.energy_j, whole.provenance, whole.floored) == (15.0, "modelled", False)
    assert whole.uncertainty_j == 2.0


def test_the_floor_raises_a_total_and_says_so():
    whole = one_window([reading(10.0)], duration_s=2.0, floor_power_w=50.0).total(0)
    assert whole is not None
    assert (whole.energy_j, whole.floored) == (100.0, True)


def test_a_missing_domain_leaves_no_total():
    assert one_window([reading(10.0), reading(None, domain="dram")], 1.0).total(0) is None
    assert one_window([], 1.0).total(0) is None


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


class Moved:
    """A clock that a test sets."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def test_a_window_across_a_counter_that_was_set_back_is_not_read():
    reads = iter(range(1000))

    def counter(_instant_s):
        number = next(reads)
        if number == 5:
            raise CounterGap("set back")
        return 10.0 * number if number < 5 else 10.0 * (number - 5)

    channel = Channel("cpu", "rapl", "counter", "cumulative_j", "test")
    moved = Moved()
    sampler = Sampler([Replay({channel: counter}, clock=moved)], clock=moved)
    for _ in range(12):
        sampler.sample()
        moved.now_s += 1.0
    before, across, after = (sampler.readings(start, end)[0] for start, end in ((1, 3), (3, 8), (7, 10)))
    assert (before.energy_j, after.energy_j) == (20.0, 30.0)
    assert across.provenance == "missing"
    assert "is not known" in across.detail
    assert sampler.faults(3, 8) == ["set back"]


def test_a_source_that_fails_for_hours_is_counted_and_takes_no_memory():
    """The first and the last failed read are kept, with their number."""

    def fails(_instant_s):
        raise SourceError("the sensor does not answer")

    moved = Moved()
    sampler = Sampler([Replay({channel(): fails}, clock=moved)], clock=moved)
    tracemalloc.start()
    for count in range(10_000):
        if count == 1000:
            early_bytes, _ = tracemalloc.get_traced_memory()
        sampler.sample()
        moved.now_s += 0.5
    late_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sampler.faults(0.0, 5000.0) == ["the sensor does not answer (10000 reads within 4999.5 s)"]
    # Less than a number a read.
    assert late_bytes - early_bytes < 9000 * 8
    sampler.discard_before(6000.0)
    assert sampler.faults(0.0, 7000.0) == []


def test_one_channel_of_a_source_fails_and_the_others_are_read():
    class Halved(Replay):
        def read(self):
            values = super().read()
            return values | {lost: SourceError("this one is lost")}

    kept, lost = channel(domain="cpu"), channel(domain="dram")
    moved = Moved()
    sampler = Sampler([Halved({kept: lambda _: 5.0, lost: lambda _: 7.0}, clock=moved)], clock=moved)
    for _ in range(5):
        sampler.sample()
        moved.now_s += 1.0
    by_domain = {each.domain: each for each in sampler.readings(1.0, 3.0)}
    assert by_domain["cpu"].energy_j == pytest.approx(10.0)
    assert by_domain["dram"].provenance == "missing"
    assert sampler.faults(1.0, 3.0) == ["this one is lost (5 reads within 4.0 s)"]


def test_calibration_is_the_same_error_in_every_part():
    """Errors of samples add in quadrature over parts; the error of the scale adds linearly."""
    part = reading(100.0, provenance="counter", uncertainty_j=5.0, calibration_j=3.0)
    (whole,) = summed([[part], [part]])
    assert (whole.random_j, whole.calibration_j) == (pytest.approx(4.0 * math.sqrt(2)), 6.0)
    assert whole.uncertainty_j == pytest.approx(math.hypot(6.0, 4.0 * math.sqrt(2)))


def test_what_another_reading_covers_is_not_added():
    module = reading(100.0, domain="gpu0", provenance="counter", covers=("cpu", "dram"))
    parts = [module, reading(30.0), reading(5.0, domain="dram")]
    assert [each.domain for each in primary(parts)] == ["gpu0"]
    assert one_window(parts, 1.0).total(0).energy_j == 100.0
    machine = reading(170.0, domain="machine", provenance="sampled")
    assert one_window([*parts, machine], 1.0).total(0).energy_j == 170.0
    lost = machine.model_copy(update={"provenance": "missing", "energy_j": None, "uncertainty_j": None})
    assert one_window([*parts, lost], 1.0).total(0).energy_j == 100.0
    assert one_window([lost], 1.0).total(0) is None


def test_a_channel_that_fails_does_not_hold_back_what_the_others_have_reached():
    def stands_still(_instant_s):
        raise CounterGap("stands still")

    moved = Moved()
    channels = {channel(): stands_still, channel(domain="dram"): lambda _: 5.0}
    sampler = Sampler([Replay({one: value}, clock=moved) for one, value in channels.items()], clock=moved)
    for _ in range(4):
        sampler.sample()
        assert sampler.last_sample_s == moved.now_s
        moved.now_s += 1.0


def test_what_a_model_says_of_a_domain_that_is_measured_is_not_repeated():
    class Guessing(Replay):
        def notices(self):
            return (Notice("cpu", "a guess"), Notice("dram", "another"))

    models = {channel(domain=domain, provenance="modelled"): lambda _: 5.0 for domain in ("cpu", "dram")}
    alone = Sampler([Guessing(models)])
    assert len(alone.notices()) == 2
    both = Sampler([Guessing(models), Replay({channel(): lambda _: 7.0})])
    both.sample()
    assert [str(notice) for notice in both.notices()] == ["dram: another"]
