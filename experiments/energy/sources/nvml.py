"""NVIDIA GPUs through NVML: the energy counter where the device has one, and instant power."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pynvml

from experiments.energy import contention
from experiments.energy.source import Channel, Source, SourceError
from experiments.errors import UserError
from experiments.schema import Closed

# Reasons for which a GPU runs below the clock it was asked for; power capping is how it is meant to work
# at full load and is not among them.
_THROTTLING = {
    pynvml.nvmlClocksThrottleReasonHwSlowdown: "hardware slowdown",
    pynvml.nvmlClocksThrottleReasonSwThermalSlowdown: "thermal slowdown",
    pynvml.nvmlClocksThrottleReasonHwThermalSlowdown: "hardware thermal slowdown",
    pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown: "power brake",
}


class GpuUse(Closed):
    """Who used a GPU during a window. `job_share` is the job's part of the SM use the driver sampled and
    `load` the mean share of time, 0 to 1, in which any kernel ran (of the window's end where it outlasts the
    driver's buffer); null where the driver does not say."""

    domain: str
    job_share: float | None
    load: float | None = None
    foreign_processes: list[int]
    throttling: list[str]


class Nvml:
    """Every GPU of the machine, a counter channel and a power channel each.

    Raises SourceError where there is no driver or no GPU, UserError where a GPU is partitioned.
    """

    period_s = 0.05

    def __init__(self) -> None:
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as fault:
            raise SourceError(f"no NVIDIA GPU can be read (NVML: {_text(fault)})") from None
        self._handles: list[tuple[Any, Channel | None, Channel]] = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            _refuse_partitions(handle, index)
            self._handles.append((handle, _counter(handle, index), _power(handle, index)))
        if not self._handles:
            self.close()
            raise SourceError("the NVIDIA driver is loaded but reports no GPU")

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(
            channel
            for _, counter, power in self._handles
            for channel in (counter, power)
            if channel is not None
        )

    def read(self) -> Mapping[Channel, float]:
        values: dict[Channel, float] = {}
        for handle, counter, power in self._handles:
            try:
                if counter is not None:
                    millijoules = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
                    values[counter] = millijoules * 1e-3
                values[power] = _instant_power_w(handle)
            except pynvml.NVMLError as fault:
                raise SourceError(f"NVML lost {power.domain}: {_text(fault)}") from None
        return values

    def use(self, job: Collection[int], since_us: int) -> list[GpuUse]:
        """Use of each GPU since `since_us` (microseconds of the Unix clock) by the processes `job`
        and by others."""
        return [
            GpuUse(
                domain=power.domain,
                job_share=_job_share(handle, job, since_us),
                load=_load(handle, since_us),
                foreign_processes=sorted(_processes(handle) - set(job)),
                throttling=_throttling(handle),
            )
            for handle, _, power in self._handles
        ]

    def free_memory_share(self) -> float:
        """Free part of the memory of the fullest GPU, between 0 and 1; 1 where the driver does not say."""
        shares = [1.0]
        for handle, _, _ in self._handles:
            with contextlib.suppress(pynvml.NVMLError):
                memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
                shares.append(memory.free / memory.total)
        return min(shares)

    def close(self) -> None:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def use_of_gpus(sources: Iterable[Source], since_wall_s: float) -> list[GpuUse]:
    """Use of every metered GPU by this process's descendants and by others since an instant of the wall
    clock."""
    return [
        gpu
        for source in sources
        if isinstance(source, Nvml)
        for gpu in source.use(contention.descendants(), int(since_wall_s * 1e6))
    ]


def combined_use(parts: Sequence[Sequence[GpuUse]], durations_s: Sequence[float]) -> list[GpuUse]:
    """Use of the same GPUs over several windows taken as one."""
    return [_combined(gpu, durations_s) for gpu in zip(*parts, strict=True)]


def _combined(parts: Sequence[GpuUse], durations_s: Sequence[float]) -> GpuUse:
    return GpuUse(
        domain=parts[0].domain,
        job_share=_mean([part.job_share for part in parts], durations_s),
        load=_mean([part.load for part in parts], durations_s),
        foreign_processes=sorted({pid for part in parts for pid in part.foreign_processes}),
        throttling=sorted({reason for part in parts for reason in part.throttling}),
    )


def _mean(values: Sequence[float | None], durations_s: Sequence[float]) -> float | None:
    """Mean of what is known, weighted by duration."""
    known = [(value, s) for value, s in zip(values, durations_s, strict=True) if value is not None]
    return sum(value * s for value, s in known) / sum(s for _, s in known) if known else None


def free_gpu_memory_share(sources: Iterable[Source]) -> float:
    """Free part of the memory of the fullest metered GPU; 1 where there is none."""
    return min((source.free_memory_share() for source in sources if isinstance(source, Nvml)), default=1.0)


def job_shares(gpus: Iterable[GpuUse]) -> dict[str, float]:
    """The job's share by domain, of the GPUs whose driver tells it."""
    return {gpu.domain: gpu.job_share for gpu in gpus if gpu.job_share is not None}


def _refuse_partitions(handle: Any, index: int) -> None:
    try:
        current, _ = pynvml.nvmlDeviceGetMigMode(handle)
    except pynvml.NVMLError:
        return
    if current == pynvml.NVML_DEVICE_MIG_ENABLE:
        raise UserError(
            f"GPU {index} is split by MIG and its energy cannot be told apart by instance: "
            "measure on a GPU without MIG"
        )


def _counter(handle: Any, index: int) -> Channel | None:
    try:
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return None
    return Channel(
        domain=f"gpu{index}",
        source="nvml-energy",
        provenance="counter",
        form="cumulative_j",
        detail=f"energy counter of {pynvml.nvmlDeviceGetName(handle)}",
        resolution_j=1e-3,
    )


def _power(handle: Any, index: int) -> Channel:
    return Channel(
        domain=f"gpu{index}",
        source="nvml-power",
        provenance="sampled",
        form="instant_w",
        detail=f"sampled power of {pynvml.nvmlDeviceGetName(handle)}",
    )


def _instant_power_w(handle: Any) -> float:
    """Instant power; the plain power query is a one-second mean on Ampere and later."""
    field = pynvml.nvmlDeviceGetFieldValues(handle, [pynvml.NVML_FI_DEV_POWER_INSTANT])[0]
    if field.nvmlReturn == pynvml.NVML_SUCCESS:
        return float(field.value.uiVal) * 1e-3
    return float(pynvml.nvmlDeviceGetPowerUsage(handle)) * 1e-3


def _processes(handle: Any) -> set[int]:
    try:
        return {process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    except pynvml.NVMLError:
        return set()


def _job_share(handle: Any, job: Collection[int], since_us: int) -> float | None:
    try:
        samples = pynvml.nvmlDeviceGetProcessUtilization(handle, since_us)
    except pynvml.NVMLError:
        return None
    used = sum(sample.smUtil for sample in samples)
    return sum(sample.smUtil for sample in samples if sample.pid in job) / used if used else None


def _load(handle: Any, since_us: int) -> float | None:
    try:
        _, samples = pynvml.nvmlDeviceGetSamples(handle, pynvml.NVML_GPU_UTILIZATION_SAMPLES, since_us)
    except pynvml.NVMLError:
        return None
    return sum(sample.sampleValue.uiVal for sample in samples) / len(samples) / 100 if samples else None


def _throttling(handle: Any) -> list[str]:
    try:
        reasons = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    except pynvml.NVMLError:
        return []
    return [words for bit, words in _THROTTLING.items() if reasons & bit]


def _text(fault: pynvml.NVMLError) -> str:
    return str(fault)
