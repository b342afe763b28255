"""The NVML source against a driver made of plain objects."""

from types import SimpleNamespace

import pynvml
import pytest

from experiments.energy.source import SourceError
from experiments.energy.sources.nvml import GpuUse, Nvml, combined_use, free_gpu_memory_share
from experiments.errors import UserError


class Driver:
    """Two GPUs whose counters and powers a test sets."""

    def __init__(self, monkeypatch):
        self.millijoules, self.milliwatts = [1000, 2000], [70_000, 80_000]
        self.mig, self.lost, self.counter = False, False, True
        self.processes: list[SimpleNamespace] = []
        self.reasons = 0
        self.loads = []
        self.free = [0.9, 0.4]
        for name in dir(self):
            if name.startswith("nvml"):
                monkeypatch.setattr(pynvml, name, getattr(self, name))

    def nvmlInit(self):
        pass

    def nvmlShutdown(self):
        pass

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetName(self, _handle):
        return "NVIDIA Test"

    def nvmlDeviceGetMigMode(self, _handle):
        return (pynvml.NVML_DEVICE_MIG_ENABLE if self.mig else 0, 0)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if self.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        if not self.counter:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return self.millijoules[handle]

    def nvmlDeviceGetFieldValues(self, handle, _fields):
        value = SimpleNamespace(uiVal=self.milliwatts[handle])
        return [SimpleNamespace(nvmlReturn=pynvml.NVML_SUCCESS, value=value)]

    def nvmlDeviceGetComputeRunningProcesses(self, _handle):
        return self.processes

    def nvmlDeviceGetProcessUtilization(self, _handle, _since):
        return self.processes

    def nvmlDeviceGetSamples(self, _handle, _kind, _since):
        values = [SimpleNamespace(sampleValue=SimpleNamespace(uiVal=load)) for load in self.loads]
        return None, values

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(free=80e9 * self.free[handle], total=80e9)

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, _handle):
        return self.reasons


@pytest.fixture
def driver(monkeypatch):
    return Driver(monkeypatch)


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


def test_use_tells_the_job_from_others(driver):
    driver.processes = [SimpleNamespace(pid=10, smUtil=30), SimpleNamespace(pid=11, smUtil=10)]
    driver.reasons = pynvml.nvmlClocksThrottleReasonHwSlowdown
    driver.loads = [100, 50]
    use = Nvml().use({10}, 0)[0]
    assert use.job_share == 0.75
    assert use.load == 0.75
    assert use.foreign_processes == [11]
    assert use.throttling == ["hardware slowdown"]


def test_an_idle_driver_says_nothing_of_shares(driver):
    use = Nvml().use({10}, 0)[1]
    assert (use.domain, use.job_share, use.load, use.foreign_processes) == ("gpu1", None, None, [])


def test_the_fullest_gpu_limits_who_may_rest(driver):
    assert free_gpu_memory_share([Nvml()]) == pytest.approx(0.4)
    assert free_gpu_memory_share([]) == 1


def test_use_over_parts_is_weighted_by_their_duration():
    parts = [
        [GpuUse(domain="gpu0", job_share=1.0, load=None, foreign_processes=[], throttling=[])],
        [GpuUse(domain="gpu0", job_share=0.4, load=0.5, foreign_processes=[7], throttling=["power brake"])],
    ]
    (whole,) = combined_use(parts, [3.0, 1.0])
    assert whole.job_share == pytest.approx(0.85)
    assert (whole.load, whole.foreign_processes, whole.throttling) == (0.5, [7], ["power brake"])
