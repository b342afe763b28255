"""The GPUs of this machine and who used them during a window."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pynvml

from joules.models import Closed


class Gpu(Closed):
    """A GPU as its driver names it; memory in GiB, null where it has none apart from the processor's."""

    name: str
    memory_gib: int | None
    driver: str


class GpuUse(Closed):
    """Who used a GPU during a window. `job_share` is the job's part of the SM use the driver sampled and
    `load` the mean share of time, 0 to 1, in which any kernel ran (of the window's end where it outlasts the
    driver's buffer); null where the driver does not say."""

    domain: str
    job_share: float | None
    load: float | None = None
    foreign_processes: list[int]
    throttling: list[str]


def accessible_gpus() -> Iterator[tuple[int, Any]]:
    """Index and handle of every GPU this user may open, once NVML is initialised. A batch system may count
    the other jobs' GPUs and refuse them."""
    for index in range(pynvml.nvmlDeviceGetCount()):
        with contextlib.suppress(pynvml.NVMLError_NoPermission):
            yield index, pynvml.nvmlDeviceGetHandleByIndex(index)


def describe_gpus() -> list[Gpu]:
    """Every GPU this user may open; none where there is no driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        return [
            Gpu(name=str(pynvml.nvmlDeviceGetName(handle)), memory_gib=_memory_gib(handle), driver=driver)
            for _, handle in accessible_gpus()
        ]
    finally:
        pynvml.nvmlShutdown()


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


def job_shares(gpus: Iterable[GpuUse]) -> dict[str, float]:
    """The job's share by domain, of the GPUs whose driver tells it."""
    return {gpu.domain: gpu.job_share for gpu in gpus if gpu.job_share is not None}


def _memory_gib(handle: Any) -> int | None:
    try:
        return round(pynvml.nvmlDeviceGetMemoryInfo(handle).total / 1024**3)
    except pynvml.NVMLError:
        return None
