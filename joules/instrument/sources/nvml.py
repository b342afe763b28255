"""NVIDIA GPUs through NVML: the energy counter where the device has one, and instant power."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pynvml

from joules.errors import UserError
from joules.instrument.host.gpus import GpuUse, accessible_gpus
from joules.instrument.host.processes import DESCENDANTS, Job, in_initial_pid_namespace
from joules.instrument.source import Channel, Host, Notice, Source, SourceError

# Reasons for which a GPU runs below the clock it was asked for; power capping is how it is meant to work
# at full load and is not among them.
_THROTTLING = {
    pynvml.nvmlClocksThrottleReasonHwSlowdown: "hardware slowdown",
    pynvml.nvmlClocksThrottleReasonSwThermalSlowdown: "thermal slowdown",
    pynvml.nvmlClocksThrottleReasonHwThermalSlowdown: "hardware thermal slowdown",
    pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown: "power brake",
}

# A process holds a GPU for longer than this, since making its context alone takes a large part of a second;
# heat slows one for longer, too.
_LOOK_AROUND_S = 0.5

PowerReader = Callable[[Any], float]
_Seen = TypeVar("_Seen", int, str)


@dataclass(frozen=True)
class _Gpu:
    """What one GPU offers. `there_before` are the processes that used it when it was opened; `seen_s` and
    `throttled_s` say when (seconds of the Unix clock) a process used it last, and what slowed it."""

    handle: Any
    domain: str
    counter: Channel | None
    power: Channel | None
    read_power_w: PowerReader | None
    there_before: frozenset[int]
    seen_s: dict[int, float] = field(default_factory=dict)
    throttled_s: dict[str, float] = field(default_factory=dict)


class Nvml(Source):
    """Every GPU this user may read and that reports its energy or its power: a channel for each.

    `unread` are the domains of GPUs that report neither.

    The job whose share of a GPU is told are all processes that `job` has had since this was opened. Raises
    SourceError where there is no driver or no such GPU, UserError where a GPU is partitioned.
    """

    period_s = 0.05

    def __init__(
        self,
        job: Job = DESCENDANTS,
        same_process_ids: Callable[[], bool] = in_initial_pid_namespace,
    ) -> None:
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as fault:
            raise SourceError(f"no NVIDIA GPU can be read (NVML: {fault})") from None
        gpus = []
        for index, handle in accessible_gpus():
            _refuse_partitions(handle, index)
            gpus.append(_opened(handle, index))
        self._gpus = [gpu for gpu in gpus if gpu.counter or gpu.power]
        self.unread = [gpu.domain for gpu in gpus if gpu not in self._gpus]
        if not self._gpus:
            self.close()
            raise SourceError(
                "the GPU reports neither energy nor power, as is usual for a virtual GPU"
                if gpus
                else "the NVIDIA driver is loaded but shows this user no GPU"
            )
        self._job = job
        self._members: set[int] = set()
        self._looked_s = 0.0
        self.tells_whose = same_process_ids()

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(
            channel for gpu in self._gpus for channel in (gpu.counter, gpu.power) if channel is not None
        )

    def read(self) -> Mapping[Channel, float]:
        if time.monotonic() - self._looked_s >= _LOOK_AROUND_S:
            self._look_around()
        values: dict[Channel, float] = {}
        for gpu in self._gpus:
            try:
                if gpu.counter is not None:
                    millijoules = pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle)
                    values[gpu.counter] = millijoules * 1e-3
                if gpu.power is not None and gpu.read_power_w is not None:
                    values[gpu.power] = gpu.read_power_w(gpu.handle)
            except pynvml.NVMLError as fault:
                raise SourceError(f"NVML lost {gpu.domain}: {fault}") from None
        return values

    def notices(self) -> Sequence[Notice]:
        """GPUs that report nothing, and whether shares can be told."""
        unread = [
            Notice(domain, "NOT READ: it reports neither energy nor power, so no work may run on it")
            for domain in self.unread
        ]
        if self.tells_whose:
            return unread
        says = (
            "not known: the driver counts processes by the host's numbers, which this container does not "
            "share; start it with the host's (--pid=host) where others use the GPU"
        )
        return [*unread, Notice("whose GPU", says, "info")]

    def device_use(self, since_s: float) -> list[GpuUse]:
        """Use of each GPU by the job and by others since an instant of the Unix clock, in seconds.

        The driver counts processes as the host does. In a container with process ids of its own no share can
        be told, and of the others only those that were there before.
        """
        self._look_around()
        since_us = int(since_s * 1e6)
        return [
            GpuUse(
                domain=gpu.domain,
                job_share=_job_share(gpu.handle, self._members, since_us) if self.tells_whose else None,
                load=_load(gpu.handle, since_us),
                foreign_processes=sorted(self._foreign(gpu, since_us)),
                throttling=sorted(_since(gpu.throttled_s, since_us)),
            )
            for gpu in self._gpus
        ]

    def free_share(self) -> float:
        """Free part of the memory of the fullest GPU, between 0 and 1; 1 where the driver does not say, 0
        where a GPU serves one process at a time."""
        rooms = [1.0]
        for gpu in self._gpus:
            with contextlib.suppress(pynvml.NVMLError):
                if pynvml.nvmlDeviceGetComputeMode(gpu.handle) != pynvml.NVML_COMPUTEMODE_DEFAULT:
                    return 0.0
            with contextlib.suppress(pynvml.NVMLError):
                memory = pynvml.nvmlDeviceGetMemoryInfo(gpu.handle)
                rooms.append(memory.free / memory.total)
        return min(rooms)

    def close(self) -> None:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()

    def _look_around(self) -> None:
        self._members |= self._job.processes()
        now_s = time.time()
        for gpu in self._gpus:
            gpu.seen_s.update(dict.fromkeys(_processes(gpu.handle), now_s))
            gpu.throttled_s.update(dict.fromkeys(_throttling(gpu.handle), now_s))
        self._looked_s = time.monotonic()

    def _foreign(self, gpu: _Gpu, since_us: int) -> set[int]:
        present = _since(gpu.seen_s, since_us)
        return present - self._members if self.tells_whose else present & gpu.there_before


def open_sources(host: Host) -> Sequence[Source]:
    """All NVIDIA GPUs as one source."""
    return (Nvml(host.job),)


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


def _opened(handle: Any, index: int) -> _Gpu:
    domain, name = f"gpu{index}", pynvml.nvmlDeviceGetName(handle)
    counter = Channel(
        domain=domain,
        source="nvml-energy",
        provenance="counter",
        form="cumulative_j",
        detail=f"energy counter of {name}",
        resolution_j=1e-3,
    )
    reader = next((reader for reader in _POWER_READERS if _answers(reader, handle)), None)
    power = reader and Channel(
        domain=domain,
        source="nvml-power",
        provenance="sampled",
        form="instant_w",
        detail=f"{_POWER_READERS[reader]} of {name}",
    )
    counts = _answers(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    return _Gpu(handle, domain, counter if counts else None, power, reader, frozenset(_processes(handle)))


def _answers(query: Callable[[Any], object], handle: Any) -> bool:
    try:
        query(handle)
    except pynvml.NVMLError:
        return False
    return True


def _instant_power_w(handle: Any) -> float:
    field = pynvml.nvmlDeviceGetFieldValues(handle, [pynvml.NVML_FI_DEV_POWER_INSTANT])[0]
    if field.nvmlReturn != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(field.nvmlReturn)
    return float(field.value.uiVal) * 1e-3


def _plain_power_w(handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetPowerUsage(handle)) * 1e-3


# The best first: the plain query is a mean over a second on Ampere and later (but for the GA100).
_POWER_READERS: dict[PowerReader, str] = {
    _instant_power_w: "sampled power",
    _plain_power_w: "sampled power, on most GPUs a mean over a second,",
}


def _processes(handle: Any) -> set[int]:
    try:
        return {process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    except pynvml.NVMLError:
        return set()


def _job_share(handle: Any, job: set[int], since_us: int) -> float | None:
    try:
        samples = pynvml.nvmlDeviceGetProcessUtilization(handle, since_us)
    except pynvml.NVMLError:
        return None
    used = sum(sample.smUtil for sample in samples)
    return sum(sample.smUtil for sample in samples if sample.pid in job) / used if used else None


def _since(last_s: Mapping[_Seen, float], since_us: int) -> set[_Seen]:
    # Copied at once: the meter's thread may note another meanwhile.
    return {what for what, at_s in tuple(last_s.items()) if at_s * 1e6 >= since_us}


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
