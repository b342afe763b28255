"""The NVML source against a driver made of plain objects."""

from types import SimpleNamespace

import pynvml
import pytest

from joules.errors import UserError
from joules.instrument.host.gpus import GpuUse, combined_use, describe_gpus
from joules.instrument.source import SourceError, free_device_share
from joules.instrument.sources.nvml import Nvml
from tests.driver import Driver


@pytest.fixture
def driver(monkeypatch):
    return Driver(monkeypatch)


def of(*processes):
    """A job with these processes."""
    return SimpleNamespace(processes=lambda: set(processes))


def test_every_gpu_has_a_counter_and_a_power(driver):
    values = {(c.domain, c.provenance): value for c, value in Nvml().read().items()}
    assert values == {
        ("gpu0", "counter"): 1.0,
        ("gpu1", "counter"): 2.0,
        ("gpu0", "sampled"): 70.0,
        ("gpu1", "sampled"): 80.0,
    }


def test_a_gpu_without_a_counter_is_sampled(driver):
    driver.counter = False
    assert {channel.provenance for channel in Nvml().channels} == {"sampled"}


def test_partitioned_gpus_are_refused(driver):
    driver.mig = True
    with pytest.raises(UserError, match="split by MIG"):
        Nvml()


def test_a_gpu_that_is_lost_is_said(driver):
    source = Nvml()
    driver.lost = True
    with pytest.raises(SourceError, match="NVML lost gpu0"):
        source.read()


def test_power_is_the_instant_one_where_the_driver_has_it(driver):
    assert {c.detail for c in Nvml().channels if c.provenance == "sampled"} == {
        "sampled power of NVIDIA Test"
    }
    driver.instant = False
    (detail,) = {c.detail for c in Nvml().channels if c.provenance == "sampled"}
    assert "mean over a second" in detail


def test_a_counter_alone_is_enough(driver):
    driver.power = False
    assert {channel.provenance for channel in Nvml().read()} == {"counter"}


def test_a_gpu_that_reports_nothing_is_no_source(driver):
    driver.power = driver.counter = False
    with pytest.raises(SourceError, match="neither energy nor power"):
        Nvml()


def test_a_gpu_that_reports_nothing_beside_one_that_does_is_named(driver):
    driver.silent = {1}
    source = Nvml()
    assert {channel.domain for channel in source.channels} == {"gpu0"}
    assert source.unread == ["gpu1"]
    assert [str(notice)[:14] for notice in source.notices()] == ["gpu1: NOT READ"]


def test_gpus_of_other_jobs_are_left_out(driver):
    driver.refused = {0}
    assert {channel.domain for channel in Nvml().channels} == {"gpu1"}
    assert len(describe_gpus()) == 1
    driver.refused = {0, 1}
    with pytest.raises(SourceError, match="shows this user no GPU"):
        Nvml()


def test_a_gpu_may_share_the_memory_of_its_processor(driver):
    driver.free = [None, 0.5]
    assert [gpu.memory_gib for gpu in describe_gpus()] == [None, 75]
    assert Nvml().free_share() == 0.5


def test_use_tells_the_job_from_others(driver):
    driver.processes = [SimpleNamespace(pid=10, smUtil=30), SimpleNamespace(pid=11, smUtil=10)]
    driver.reasons = pynvml.nvmlClocksThrottleReasonHwSlowdown
    driver.loads = [100, 50]
    use = Nvml(job=of(10)).device_use(0)[0]
    assert use.job_share == 0.75
    assert use.load == 0.75
    assert use.foreign_processes == [11]
    assert use.throttling == ["hardware slowdown"]


def test_what_happened_within_a_window_is_told_though_it_is_over(driver, monkeypatch):
    clock_s = [1000.0]
    monkeypatch.setattr("time.time", lambda: clock_s[0])
    source = Nvml(job=of(10))
    driver.processes = [SimpleNamespace(pid=10, smUtil=30), SimpleNamespace(pid=11, smUtil=10)]
    driver.reasons = pynvml.nvmlClocksThrottleReasonHwSlowdown
    source.read()
    driver.processes, driver.reasons = [], 0
    clock_s[0] = 1010.0
    use = source.device_use(995)[0]
    assert (use.foreign_processes, use.throttling) == ([11], ["hardware slowdown"])
    later = source.device_use(1005)[0]
    assert (later.foreign_processes, later.throttling) == ([], [])


def test_an_idle_driver_says_nothing_of_shares(driver):
    use = Nvml(job=of(10)).device_use(0)[1]
    assert (use.domain, use.job_share, use.load, use.foreign_processes) == ("gpu1", None, None, [])


def test_a_job_that_has_ended_is_still_the_job(driver):
    live = {10}
    source = Nvml(job=SimpleNamespace(processes=lambda: set(live)))
    source.read()
    live.clear()
    driver.processes = [SimpleNamespace(pid=10, smUtil=30)]
    assert source.device_use(0)[0].job_share == 1.0


def test_in_a_container_no_share_is_told(driver):
    """The driver counts processes as the host does: the job's own would pass for another's."""
    driver.processes = [SimpleNamespace(pid=70001, smUtil=30)]
    source = Nvml(job=of(10), same_process_ids=lambda: False)
    driver.processes = [SimpleNamespace(pid=70001, smUtil=30), SimpleNamespace(pid=70002, smUtil=60)]
    use = source.device_use(0)[0]
    assert (use.job_share, use.foreign_processes) == (None, [70001])


def test_the_fullest_gpu_limits_who_may_rest(driver):
    assert free_device_share([Nvml()]) == pytest.approx(0.4)
    assert free_device_share([]) == 1


def test_a_gpu_for_one_process_at_a_time_has_no_room_for_another(driver):
    driver.mode = pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS
    assert free_device_share([Nvml()]) == 0


def test_use_over_parts_is_weighted_by_their_duration():
    parts = [
        [GpuUse(domain="gpu0", job_share=1.0, load=None, foreign_processes=[], throttling=[])],
        [GpuUse(domain="gpu0", job_share=0.4, load=0.5, foreign_processes=[7], throttling=["power brake"])],
    ]
    (whole,) = combined_use(parts, [3.0, 1.0])
    assert whole.job_share == pytest.approx(0.85)
    assert (whole.load, whole.foreign_processes, whole.throttling) == (0.5, [7], ["power brake"])
