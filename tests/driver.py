"""A simulated NVIDIA driver: answers of `pynvml` that a test sets."""

import time
from types import SimpleNamespace

import pynvml


class Driver:
    """Two GPUs whose counters and powers a test sets."""

    def __init__(self, monkeypatch):
        self.millijoules, self.milliwatts = [1000, 2000], [70_000, 80_000]
        self.mig, self.lost, self.counter, self.power, self.instant = False, False, True, True, True
        self.refused: set[int] = set()
        self.silent: set[int] = set()
        self.mode = pynvml.NVML_COMPUTEMODE_DEFAULT
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
        if index in self.refused:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)
        return index

    def nvmlSystemGetDriverVersion(self):
        return "580.1"

    def nvmlDeviceGetName(self, _handle):
        return "NVIDIA Test"

    def nvmlDeviceGetMigMode(self, _handle):
        return (pynvml.NVML_DEVICE_MIG_ENABLE if self.mig else 0, 0)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if self.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        if not self.counter or handle in self.silent:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return self.millijoules[handle]

    def nvmlDeviceGetFieldValues(self, handle, _fields):
        answers = self.power and self.instant and handle not in self.silent
        status = pynvml.NVML_SUCCESS if answers else pynvml.NVML_ERROR_NOT_SUPPORTED
        return [SimpleNamespace(nvmlReturn=status, value=SimpleNamespace(uiVal=self.milliwatts[handle]))]

    def nvmlDeviceGetPowerUsage(self, handle):
        if not self.power or handle in self.silent:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return self.milliwatts[handle]

    def nvmlDeviceGetComputeRunningProcesses_v3(self, _handle):
        return self.processes

    def nvmlDeviceGetProcessUtilization(self, _handle, since_us):
        now_us = int(time.time() * 1e6)
        return [
            SimpleNamespace(pid=process.pid, smUtil=process.smUtil, timeStamp=now_us)
            for process in self.processes
            if now_us > since_us
        ]

    def nvmlDeviceGetSamples(self, _handle, _kind, _since):
        values = [SimpleNamespace(sampleValue=SimpleNamespace(uiVal=load)) for load in self.loads]
        return None, values

    def nvmlDeviceGetComputeMode(self, _handle):
        return self.mode

    def nvmlDeviceGetMemoryInfo(self, handle):
        if self.free[handle] is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return SimpleNamespace(free=80e9 * self.free[handle], total=80e9)

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, _handle):
        return self.reasons
