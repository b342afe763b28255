"""The NVML source against a simulated driver of Python objects."""

import csv
import dataclasses
import math
from importlib.resources import files
from types import SimpleNamespace

import pynvml
import pytest

from joules.instrument.calibration import NVIDIA_SENSOR
from joules.instrument.host.gpus import GpuUse, combined_use, describe_gpus, visible_gpus
from joules.instrument.source import Host, SourceError, free_device_share
from joules.instrument.sources.nvml import Nvml
from tests.driver import Driver


@pytest.fixture
def driver(monkeypatch):
    return Driver(monkeypatch)


@pytest.fixture
def machine(tmp_path):
    """A host without device nodes, on which a job has the given processes."""
    (tmp_path / "dev").mkdir()

    def made(*processes):
        job = SimpleNamespace(processes=lambda: set(processes))
        return Host(sys=tmp_path, proc=tmp_path, dev=tmp_path / "dev", job=job)

    return made


def use_of(source, since_s=0.0):
    return source.device_use(since_s)[0]


def test_every_gpu_has_a_counter_and_a_power(driver, machine):
    values = {(c.domain, c.provenance): value for c, value in Nvml(machine()).read().items()}
    assert values == {
        ("gpu0", "counter"): 1.0,
        ("gpu1", "counter"): 2.0,
        ("gpu0", "sampled"): 70.0,
        ("gpu1", "sampled"): 80.0,
    }


def test_a_gpu_without_a_counter_is_sampled(driver, machine):
    driver.counter = False
    assert {channel.provenance for channel in Nvml(machine()).channels} == {"sampled"}


def test_a_partitioned_gpu_is_read_as_a_whole_and_flagged(driver, machine):
    driver.mig = True
    source = Nvml(machine())
    assert {channel.domain for channel in source.channels} == {"gpu0", "gpu1"}
    assert [notice.level for notice in source.notices() if "split by MIG" in notice.says] == ["flag", "flag"]
    assert use_of(source).job_share is None


def test_a_gpu_that_is_lost_is_said(driver, machine):
    source = Nvml(machine())
    driver.lost = True
    faults = {
        channel.provenance: str(value)
        for channel, value in source.read().items()
        if isinstance(value, SourceError)
    }
    assert "gpu1 could not be read" in faults["counter"]
    assert "sampled" not in faults


def test_power_is_the_instant_one_where_the_driver_has_it(driver, machine):
    (detail,) = {c.detail for c in Nvml(machine()).channels if c.provenance == "sampled"}
    assert detail.startswith("sampled power of NVIDIA Test")
    driver.instant = False
    (detail,) = {c.detail for c in Nvml(machine()).channels if c.provenance == "sampled"}
    assert "a mean over 1 s" in detail


def test_a_counter_alone_is_enough(driver, machine):
    driver.power = False
    assert {channel.provenance for channel in Nvml(machine()).read()} == {"counter"}


def test_a_gpu_that_reports_nothing_is_missing(driver, machine):
    driver.silent = {1}
    source = Nvml(machine())
    provenances = {channel.domain: channel.provenance for channel in source.channels}
    assert provenances == {"gpu0": "sampled", "gpu1": "missing"}
    assert "gpu1" not in {channel.domain for channel in source.read()}
    assert [str(notice)[:14] for notice in source.notices()][:1] == ["gpu1: NOT READ"]


def test_gpus_of_other_jobs_are_left_out(driver, machine):
    driver.refused = {0}
    assert {channel.domain for channel in Nvml(machine()).channels} == {"gpu1"}
    assert len(describe_gpus()) == 1
    driver.refused = {0, 1}
    with pytest.raises(SourceError, match="shows this user no GPU"):
        Nvml(machine())


def test_gpus_that_the_system_shows_are_missing_where_all_are_refused(driver, machine):
    driver.refused = {0, 1}
    host = machine()
    (host.dev / "nvidia0").touch()
    (channel,) = Nvml(host).channels
    assert (channel.domain, channel.provenance) == ("gpu0", "missing")
    assert "Insufficient Permissions" in channel.detail


def test_a_gpu_that_the_driver_does_not_list_is_missing(driver, machine):
    host = machine()
    for number in range(3):
        (host.dev / f"nvidia{number}").touch()
    missing = [channel for channel in Nvml(host).channels if channel.provenance == "missing"]
    assert [(channel.domain, channel.detail) for channel in missing] == [
        ("gpu2", "/dev/nvidia2 is there but the driver does not list it")
    ]


def test_a_gpu_may_share_the_memory_of_its_processor(driver, machine):
    driver.free = [None, 0.5]
    assert [gpu.memory_gib for gpu in describe_gpus()] == [None, 75]
    assert Nvml(machine()).free_share() == 0.5


def test_use_tells_the_job_from_others(driver, machine):
    driver.processes = [SimpleNamespace(pid=10, smUtil=30), SimpleNamespace(pid=11, smUtil=10)]
    driver.reasons = pynvml.nvmlClocksThrottleReasonHwSlowdown
    driver.loads = [100, 50]
    use = Nvml(machine(10)).device_use(0)[0]
    assert use.job_share == 0.75
    assert use.load == 0.75
    assert use.foreign_processes == [11]
    assert use.throttling == ["hardware slowdown"]


def test_what_happened_within_a_window_is_told_though_it_is_over(driver, machine):
    now_s = [1000.0]
    source = Nvml(dataclasses.replace(machine(10), unix_clock=lambda: now_s[0]))
    driver.processes = [SimpleNamespace(pid=10, smUtil=30), SimpleNamespace(pid=11, smUtil=10)]
    driver.reasons = pynvml.nvmlClocksThrottleReasonHwSlowdown
    source.read()
    driver.processes, driver.reasons = [], 0
    now_s[0] = 1010.0
    use = use_of(source, 995)
    assert (use.foreign_processes, use.throttling) == ([11], ["hardware slowdown"])
    later = use_of(source, 1005)
    assert (later.foreign_processes, later.throttling) == ([], [])


def test_an_idle_driver_says_nothing_of_shares(driver, machine):
    use = Nvml(machine(10)).device_use(0)[1]
    assert (use.domain, use.job_share, use.load, use.foreign_processes) == ("gpu1", None, None, [])


def test_a_job_that_has_ended_is_still_the_job(driver, machine):
    live = {10}
    job = SimpleNamespace(processes=lambda: set(live))
    source = Nvml(dataclasses.replace(machine(), job=job))
    source.read()
    live.clear()
    driver.processes = [SimpleNamespace(pid=10, smUtil=30)]
    assert source.device_use(0)[0].job_share == 1.0


def test_in_a_container_no_share_is_told(driver, machine):
    """The driver uses the host's process numbers, which may belong to other processes in the container."""
    driver.processes = [SimpleNamespace(pid=70001, smUtil=30)]
    source = Nvml(machine(10), same_process_ids=lambda: False)
    driver.processes = [SimpleNamespace(pid=70001, smUtil=30), SimpleNamespace(pid=70002, smUtil=60)]
    use = source.device_use(0)[0]
    assert (use.job_share, use.foreign_processes) == (None, [70001])


def test_the_fullest_gpu_limits_who_may_rest(driver, machine):
    assert free_device_share([Nvml(machine())]) == pytest.approx(0.4)
    assert free_device_share([]) == 1


def test_a_gpu_for_one_process_at_a_time_has_no_room_for_another(driver, machine):
    driver.mode = pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS
    assert free_device_share([Nvml(machine())]) == 0


def test_use_over_parts_is_weighted_by_their_duration():
    parts = [
        [GpuUse(domain="gpu0", job_share=1.0, load=None, foreign_processes=[], throttling=[])],
        [GpuUse(domain="gpu0", job_share=0.4, load=0.5, foreign_processes=[7], throttling=["power brake"])],
    ]
    (whole,) = combined_use(parts, [3.0, 1.0])
    assert whole.job_share == pytest.approx(0.85)
    assert (whole.load, whole.foreign_processes, whole.throttling) == (0.5, [7], ["power brake"])


GPUS = ["NVIDIA H100"] * 3
UUIDS = [["GPU-aaaa"], ["GPU-bbbb", "MIG-cccc"], ["GPU-bbcc"]]


@pytest.mark.parametrize(
    ("environment", "places"),
    [
        ({}, {0, 1, 2}),
        ({"CUDA_VISIBLE_DEVICES": "1"}, {1}),
        ({"CUDA_VISIBLE_DEVICES": "2, 0"}, {0, 2}),
        ({"CUDA_VISIBLE_DEVICES": "GPU-bbb"}, {1}),
        ({"CUDA_VISIBLE_DEVICES": "MIG-cccc"}, {1}),
        # The first that fits none ends the list.
        ({"CUDA_VISIBLE_DEVICES": "0,-1,2"}, {0}),
        ({"CUDA_VISIBLE_DEVICES": "0,7,2"}, {0}),
        ({"CUDA_VISIBLE_DEVICES": ""}, set()),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, set()),
    ],
)
def test_gpus_are_visible_as_cuda_has_it(environment, places):
    assert visible_gpus(environment, GPUS, UUIDS) == places


def test_the_order_of_unlike_gpus_is_known_where_it_is_that_of_pci():
    names = ["NVIDIA H100", "NVIDIA T400", "NVIDIA T400"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "1"}, names, UUIDS) is None
    listed = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert visible_gpus(listed, names, UUIDS) == {1}
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "GPU-aaaa"}, names, UUIDS) == {0}


def test_stated_intervals_cover_the_recordings_of_an_external_meter():
    """Each recording is compared with intervals computed from the other recordings."""
    table = files("joules.instrument") / "reference" / "gpu_sensor_against_external_meter.csv"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 7
    for row in rows:
        read_j, truth_j = float(row["sensor_instant_j"]), float(row["external_meter_j"])
        assert abs(read_j - truth_j) <= 1.96 * NVIDIA_SENSOR.share * read_j
        others = [float(other["error_percent"]) / 100 for other in rows if other is not row]
        held_out = math.sqrt(sum(error**2 for error in others) / len(others))
        assert abs(read_j - truth_j) <= 1.96 * held_out * read_j


def test_stated_intervals_contain_calibration(driver, machine):
    assert {channel.calibration for channel in Nvml(machine()).channels} == {NVIDIA_SENSOR.share}
    assert all("7 recordings" in channel.detail for channel in Nvml(machine()).channels)
