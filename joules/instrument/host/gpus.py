"""The GPUs of this machine, those that a job may use, and who used them during a window."""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from joules.models import Closed

_NVIDIA_PCI_VENDOR = "0x10de"
_PCI_DISPLAY_CLASS = "0x03"


class Gpu(Closed):
    """A GPU as its driver names it; memory in GiB, null where it has none apart from the processor's."""

    name: str
    memory_gib: int | None
    driver: str


class GpuUse(Closed):
    """Who used a GPU during a window. `job_share` is the job's part of the SM use the driver sampled and
    `load` the mean share of time, 0 to 1, in which any kernel ran (of the window's end where it outlasts the
    driver's buffer); null where the driver does not say. `doubts` say why a share is unknown or uncertain. A
    GPU that is not `is_visible` to the job is none of its own."""

    domain: str
    job_share: float | None
    load: float | None = None
    foreign_processes: list[int]
    throttling: list[str]
    doubts: list[str] = Field(default_factory=list)
    is_visible: bool = True


def finds_nvml() -> bool:
    """Whether the driver's library may be there. Where it is not, its bindings need not be imported, which
    takes as long as importing half of NumPy."""
    if "pynvml" in sys.modules or sys.platform != "linux":
        return True
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


def accessible_gpus() -> Iterator[tuple[int, Any]]:
    """Index and handle of every GPU this user may open, once NVML is initialised. A batch system may count
    the other jobs' GPUs and refuse them.

    Raises:
        pynvml.NVMLError: where the GPUs cannot be counted.
    """
    import pynvml

    for index in range(pynvml.nvmlDeviceGetCount()):
        with contextlib.suppress(pynvml.NVMLError):
            yield index, pynvml.nvmlDeviceGetHandleByIndex(index)


def describe_gpus() -> list[Gpu]:
    """Every GPU this user may open; none where the driver does not answer."""
    if not finds_nvml():
        return []
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    described = []
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        for _, handle in accessible_gpus():
            with contextlib.suppress(pynvml.NVMLError):
                name = str(pynvml.nvmlDeviceGetName(handle))
                described.append(Gpu(name=name, memory_gib=_memory_gib(handle), driver=driver))
    except pynvml.NVMLError:
        return described
    finally:
        pynvml.nvmlShutdown()
    return described


def shown_nvidia_gpus(sys: Path, dev: Path) -> list[str]:
    """NVIDIA GPUs that the system shows, whether or not their driver answers: device nodes, else PCI
    addresses.

    Args:
        sys: Where the kernel's /sys is.
        dev: Where /dev is.
    """
    nodes = sorted(node.name for node in dev.glob("nvidia*") if re.fullmatch(r"nvidia\d+", node.name))
    if nodes:
        return [f"/dev/{node}" for node in nodes]
    devices = sorted((sys / "bus/pci/devices").glob("*"))
    return [
        f"PCI {device.name}"
        for device in devices
        if _text(device / "vendor") == _NVIDIA_PCI_VENDOR
        and _text(device / "class").startswith(_PCI_DISPLAY_CLASS)
    ]


def visible_gpus(
    environment: Mapping[str, str], names: Sequence[str], uuids: Sequence[Sequence[str]]
) -> set[int] | None:
    """GPUs that CUDA shows to a process, as places in the lists.

    Args:
        environment: That of the process; `CUDA_VISIBLE_DEVICES` lists indices, UUIDs of GPUs or of MIG
            instances, or their beginnings, and ends at the first that fits none (CUDA C++ Programming Guide,
            environment variables).
        names: Of every GPU that this user may open its name, in the order of PCI.
        uuids: Of every such GPU its UUID and those of its MIG instances.

    Returns:
        The places; None where an index is listed and the order of indices is not known: unlike GPUs are
        numbered the fastest first unless `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`.
    """
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return set(range(len(names)))
    is_ordered = environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" or len(set(names)) <= 1
    visible = set()
    for word in (part.strip() for part in listed.split(",")):
        if re.fullmatch(r"\d+", word):
            if not is_ordered:
                return None
            fits = [int(word)] if int(word) < len(names) else []
        else:
            fits = [place for place, known in enumerate(uuids) if _is_among(word, known)]
        if not fits:
            break
        visible.add(fits[0])
    return visible


def _is_among(word: str, uuids: Sequence[str]) -> bool:
    return bool(word) and any(uuid.startswith(word) for uuid in uuids)


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
        doubts=sorted({doubt for part in parts for doubt in part.doubts}),
        is_visible=any(part.is_visible for part in parts),
    )


def _mean(values: Sequence[float | None], durations_s: Sequence[float]) -> float | None:
    """Mean of what is known, weighted by duration."""
    known = [(value, s) for value, s in zip(values, durations_s, strict=True) if value is not None]
    return sum(value * s for value, s in known) / sum(s for _, s in known) if known else None


def job_shares(gpus: Iterable[GpuUse]) -> dict[str, float]:
    """The job's share by domain, for the GPUs whose driver reports it."""
    return {gpu.domain: gpu.job_share for gpu in gpus if gpu.job_share is not None}


def _memory_gib(handle: Any) -> int | None:
    import pynvml

    try:
        return round(pynvml.nvmlDeviceGetMemoryInfo(handle).total / 1024**3)
    except pynvml.NVMLError:
        return None


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
