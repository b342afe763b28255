"""NVIDIA GPUs through NVML: the energy counter where the device has one, and the sensor of power.

A GPU is believed only as far as its own numbers allow: power that it cannot draw is dropped, a counter that
jumps is unknown since its last read, and one that stands still is missing (see `power_trace`). A failure
concerns one GPU, and all others are read on.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import threading
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pynvml

from joules.instrument.calibration import NVIDIA_SENSOR
from joules.instrument.host.gpus import GpuUse, shown_nvidia_gpus, visible_gpus
from joules.instrument.host.processes import in_initial_pid_namespace
from joules.instrument.source import Channel, CounterGap, Host, Notice, Source, SourceError

# Reasons for which a GPU runs below the clock it was asked for; power capping is how it is meant to work
# at full load and is not among them.
_THROTTLING = {
    pynvml.nvmlClocksThrottleReasonHwSlowdown: "hardware slowdown",
    pynvml.nvmlClocksThrottleReasonSwThermalSlowdown: "thermal slowdown",
    pynvml.nvmlClocksThrottleReasonHwThermalSlowdown: "hardware thermal slowdown",
    pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown: "power brake",
}
# Failures after which a GPU answers nothing any more, in words of ours.
_REMEDIES = {
    pynvml.NVML_ERROR_GPU_IS_LOST: "reboot, or reset its PCI slot",
    pynvml.NVML_ERROR_RESET_REQUIRED: "run 'nvidia-smi --gpu-reset'",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "reboot, or reload the kernel module of the driver",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "load the driver with 'modprobe nvidia'",
    pynvml.NVML_ERROR_NO_PERMISSION: "ask for the right to open /dev/nvidia*",
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "install libnvidia-ml.so.1 of the driver (in a container: mount it)",
}

# The briefest processes use a GPU for tenths of a second, and the driver samples use some times a second.
_LOOK_EVERY_S = 0.2
# A process lives longer than this, and heat slows a GPU for longer.
_LOOK_AROUND_EVERY_S = 0.5

# Transients of milliseconds go beyond the limit that a GPU enforces on average, by no more than this.
_MOST_OF_LIMIT = 1.5
# What no GPU draws that does not tell its limit.
_MOST_POWER_W = 3000.0
# A counter that lags shows the energy of this time at once.
_LONGEST_UPDATE_S = 1.0

# GPUs whose plain query of power is a mean over a second: Ampere and later but for the GA100 (NVML's manual).
_MEAN_S = 1.0
_GA100 = re.compile(r"\bA(100|30|800)\b")
# Superchips whose energy counter is that of the module, its processor and their memory included.
_MODULE = re.compile(r"\bG[HB]200\b")
_COVERED_BY_MODULE = frozenset({"cpu", "dram"})

PowerReader = Callable[[Any], float]


@dataclass
class _Gpu:
    """What one GPU offers, and what was seen of its use.

    `listed_s` says when a process was listed last (seconds of the Unix clock) and `throttled_s` what slowed
    the GPU when; `used_at_s`, `users` and `used_percent` are samples of its use by processes.
    """

    domain: str
    handle: Any
    name: str
    uuids: Sequence[str]
    is_partitioned: bool
    counter: Channel | None
    power: Channel | None
    read_power_w: PowerReader | None
    most_w: float
    there_before: frozenset[int] = frozenset()
    last_counted: tuple[float, float] | None = None
    last_use_us: int = 0
    listed_s: dict[int, float] = field(default_factory=dict)
    throttled_s: dict[str, float] = field(default_factory=dict)
    # Arrays, since a command may be metered for days.
    used_at_s: array[float] = field(default_factory=lambda: array("d"))
    users: array[int] = field(default_factory=lambda: array("L"))
    used_percent: array[int] = field(default_factory=lambda: array("L"))

    @property
    def channels(self) -> list[Channel]:
        return [channel for channel in (self.counter, self.power) if channel is not None]

    def uses_since(self, since_s: float) -> list[tuple[int, int]]:
        """(process, per cent) of every sample since an instant of the Unix clock."""
        samples = zip(self.used_at_s, self.users, self.used_percent, strict=True)
        return [(pid, percent) for at_s, pid, percent in samples if at_s >= since_s]


class Nvml(Source):
    """Every NVIDIA GPU of this machine: channels for its counter and its sensor, or one that says why it is
    missing.

    GPUs that the driver refuses to this user, as a batch system has it do with those of other jobs, are left
    out. The job whose share of a GPU is reported are all processes that `host.job` has had since this was
    opened.

    Raises:
        SourceError: where there is no NVIDIA GPU.
    """

    period_s = 0.05

    def __init__(self, host: Host, same_process_ids: Callable[[], bool] = in_initial_pid_namespace) -> None:
        self._host = host
        self._gpus: list[_Gpu] = []
        self._missing: list[Channel] = []
        self._members: set[int] = set()
        # Windows are closed in other threads than that which reads.
        self._lock = threading.Lock()
        self._looked_s = self._looked_around_s = -math.inf
        self._has_own_ids = not same_process_ids()
        shown = shown_nvidia_gpus(host.sys, host.dev)
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as fault:
            if not shown:
                raise SourceError(f"no NVIDIA GPU can be read (NVML: {fault})") from None
            self._missing = _all_missing(shown, fault)
            return
        try:
            refused = self._open_all()
        except pynvml.NVMLError as fault:
            self._missing = _all_missing(shown or ["the driver"], fault)
            return
        if not self.channels:
            self.close()
            if not shown:
                raise SourceError("the NVIDIA driver is loaded but shows this user no GPU")
            self._missing = _all_missing(shown, refused)

    def _open_all(self) -> pynvml.NVMLError | None:
        """Opens every GPU; returns why the driver refused one to this user, None where it refused none."""
        refused = None
        count = pynvml.nvmlDeviceGetCount()
        for index in range(count):
            domain = f"gpu{index}"
            try:
                gpu = _opened(domain, pynvml.nvmlDeviceGetHandleByIndex(index))
            except pynvml.NVMLError_NoPermission as fault:
                refused = fault
            except pynvml.NVMLError as fault:
                self._missing.append(_missing(domain, _reason(fault)))
            else:
                if gpu.channels:
                    self._gpus.append(gpu)
                else:
                    reason = "reports neither energy nor power, as is usual for a virtual GPU"
                    self._missing.append(_missing(domain, reason))
        unlisted = _openable_nodes(self._host.dev)[count:] if count else []
        for index, node in enumerate(unlisted, start=count):
            self._missing.append(_missing(f"gpu{index}", f"{node} is there but the driver does not list it"))
        return refused

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (*(channel for gpu in self._gpus for channel in gpu.channels), *self._missing)

    def read(self) -> Mapping[Channel, float | SourceError]:
        with self._lock:
            self._look(self._host.clock())
        values: dict[Channel, float | SourceError] = {}
        for gpu in self._gpus:
            if gpu.counter is not None:
                values[gpu.counter] = self._read_counter(gpu)
            if gpu.power is not None:
                values[gpu.power] = _read_power(gpu)
        return values

    def notices(self) -> Sequence[Notice]:
        """GPUs that are missing or partitioned, and where shares cannot be known."""
        with self._lock:
            visible = self._visible_to_job()
        notices = [
            Notice(channel.domain, f"NOT READ: {channel.detail}, so no work may run on it")
            for channel in self._missing
        ]
        for place, gpu in enumerate(self._gpus):
            if gpu.is_partitioned and (visible is None or place in visible):
                says = "split by MIG, its energy cannot be divided among instances: use a GPU without MIG"
                notices.append(Notice(gpu.domain, says, "flag"))
        if visible is None:
            says = (
                "unknown, because different GPU models are listed by index: set CUDA_DEVICE_ORDER=PCI_BUS_ID"
            )
            notices.append(Notice("job's GPUs", says, "flag"))
        if self._has_own_ids:
            says = (
                "known only if the job is alone on it, because this container has its own process ids: if "
                "others use the GPU, start the container with the process ids of the host (--pid=host)"
            )
            notices.append(Notice("whose GPU", says, "info"))
        return notices

    def device_use(self, since_s: float) -> list[GpuUse]:
        """Use of each GPU since an instant of the Unix clock, in seconds, by the job and by others."""
        with self._lock:
            self._looked_s = self._looked_around_s = -math.inf
            self._look(self._host.clock())
            visible = self._visible_to_job()
            return [
                self._use(gpu, since_s, is_visible=visible is None or place in visible)
                for place, gpu in enumerate(self._gpus)
            ]

    def free_share(self) -> float:
        """Free part of the memory of the fullest GPU, between 0 and 1; 1 where the driver does not say, 0
        where a GPU serves one process at a time."""
        shares = [1.0]
        for gpu in self._gpus:
            with contextlib.suppress(pynvml.NVMLError):
                if pynvml.nvmlDeviceGetComputeMode(gpu.handle) != pynvml.NVML_COMPUTEMODE_DEFAULT:
                    return 0.0
            with contextlib.suppress(pynvml.NVMLError):
                memory = pynvml.nvmlDeviceGetMemoryInfo(gpu.handle)
                shares.append(memory.free / memory.total)
        return min(shares)

    def close(self) -> None:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()

    def _read_counter(self, gpu: _Gpu) -> float | SourceError:
        try:
            counted_j = pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle) * 1e-3
        except pynvml.NVMLError as fault:
            return _lost(gpu, fault)
        now_s = self._host.clock()
        last, gpu.last_counted = gpu.last_counted, (now_s, counted_j)
        if last is not None and counted_j - last[1] > gpu.most_w * (now_s - last[0] + _LONGEST_UPDATE_S):
            return CounterGap(f"the counter of {gpu.domain} jumped beyond what it can draw", last[0])
        return counted_j

    def _look(self, now_s: float) -> None:
        """Notes who uses the GPUs, and which of them are the job's, where that was not done just before."""
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s, unix_s = now_s, self._host.unix_clock()
        is_new = False
        for gpu in self._gpus:
            listed = _processes(gpu.handle)
            is_new |= not listed <= gpu.listed_s.keys()
            gpu.listed_s.update(dict.fromkeys(listed, unix_s))
            for sample in _uses(gpu.handle, gpu.last_use_us):
                gpu.last_use_us = max(gpu.last_use_us, sample.timeStamp)
                gpu.used_at_s.append(sample.timeStamp * 1e-6)
                gpu.users.append(sample.pid)
                gpu.used_percent.append(sample.smUtil)
        # A process that is listed now may have ended by the next read.
        if is_new or now_s - self._looked_around_s >= _LOOK_AROUND_EVERY_S:
            self._looked_around_s = now_s
            self._members |= self._host.job.processes()
            for gpu in self._gpus:
                gpu.throttled_s.update(dict.fromkeys(_throttling(gpu.handle), unix_s))

    def _use(self, gpu: _Gpu, since_s: float, is_visible: bool) -> GpuUse:
        listed = {pid for pid, at_s in gpu.listed_s.items() if at_s >= since_s}
        # In a namespace of its own a process is listed by its number here (newer drivers) or the host's.
        is_known_here = not self._has_own_ids or bool(listed & self._members)
        foreign = listed - self._members if is_known_here else listed & gpu.there_before
        share, doubts = (
            self._share(listed, foreign, gpu.uses_since(since_s)) if is_known_here else _unknown_share(listed)
        )
        return GpuUse(
            domain=gpu.domain,
            job_share=None if gpu.is_partitioned else share,
            load=_load(gpu.handle, int(since_s * 1e6)),
            foreign_processes=sorted(foreign),
            throttling=sorted(what for what, at_s in gpu.throttled_s.items() if at_s >= since_s),
            doubts=doubts if is_visible else [],
            is_visible=is_visible or bool(listed & self._members),
        )

    def _share(
        self, listed: set[int], foreign: set[int], uses: Sequence[tuple[int, int]]
    ) -> tuple[float | None, list[str]]:
        """The job's share of use, and why it is not known or not certain."""
        unknown = {pid for pid, _ in uses if pid not in self._members | listed}
        # Programs that draw are not listed among those that compute.
        drawing = set() if self._has_own_ids else {pid for pid in unknown if self._exists(pid)}
        if listed and not foreign | drawing:
            return 1.0, []
        if self._has_own_ids and unknown:
            return _unknown_share(listed)
        by_job = sum(percent for pid, percent in uses if pid in self._members and percent <= 100)
        by_others = sum(percent for pid, percent in uses if pid in foreign | drawing and percent <= 100)
        share = by_job / (by_job + by_others) if by_job + by_others else None
        if unknown - drawing or any(percent > 100 for _, percent in uses):
            return share, ["use over 100 % or by processes that were never seen is left out of shares"]
        return share, []

    def _exists(self, pid: int) -> bool:
        return (self._host.proc / str(pid)).exists()

    def _visible_to_job(self) -> set[int] | None:
        """Places of the GPUs that the job may use; None where that cannot be known."""
        names, uuids = [gpu.name for gpu in self._gpus], [gpu.uuids for gpu in self._gpus]
        users = {pid for gpu in self._gpus for pid in gpu.listed_s if pid in self._members}
        environments = [env for env in map(self._environment, users) if env is not None] or [dict(os.environ)]
        visible: set[int] = set()
        for environment in environments:
            places = visible_gpus(environment, names, uuids)
            if places is None:
                return None
            visible |= places
        return visible

    def _environment(self, pid: int) -> dict[str, str] | None:
        """The environment that a process was started in; None where it has ended or is this one."""
        if pid == os.getpid():
            return dict(os.environ)
        try:
            text = (self._host.proc / str(pid) / "environ").read_bytes().decode(errors="replace")
        except OSError:
            return None
        return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)


def open_sources(host: Host) -> Sequence[Source]:
    """All NVIDIA GPUs as one source."""
    return (Nvml(host),)


def _all_missing(shown: Sequence[str], fault: pynvml.NVMLError | None) -> list[Channel]:
    reason = "the driver does not list it" if fault is None else _reason(fault)
    return [_missing(f"gpu{place}", f"{where} is there but {reason}") for place, where in enumerate(shown)]


def _openable_nodes(dev: Path) -> list[str]:
    """Device nodes of GPUs that this user may open; a batch system refuses those of other jobs."""
    openable = []
    for node in shown_nvidia_gpus(dev / "none", dev):
        with contextlib.suppress(OSError):
            os.close(os.open(dev / Path(node).name, os.O_RDWR))
            openable.append(node)
    return openable


def _unknown_share(listed: set[int]) -> tuple[None, list[str]]:
    doubt = "use is reported by the host's process numbers, which this container does not have"
    return None, [doubt] if listed else []


def _missing(domain: str, reason: str) -> Channel:
    return Channel(domain=domain, source="nvml", provenance="missing", form="cumulative_j", detail=reason)


def _reason(fault: pynvml.NVMLError) -> str:
    remedy = _REMEDIES.get(fault.value)
    return f"NVML cannot read it ({fault})" + (f": {remedy}" if remedy else "")


def _lost(gpu: _Gpu, fault: pynvml.NVMLError) -> SourceError:
    return SourceError(f"{gpu.domain} could not be read (NVML: {fault})")


def _opened(domain: str, handle: Any) -> _Gpu:
    name = str(pynvml.nvmlDeviceGetName(handle))
    is_module = bool(_MODULE.search(name))
    covers = _COVERED_BY_MODULE if is_module else frozenset()
    included = ", processor and memory of the module included" if is_module else ""
    counter = None
    if _answers(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle):
        counter = Channel(
            domain=domain,
            source="nvml-energy",
            provenance="counter",
            form="cumulative_j",
            detail=f"energy counter of {name}{included}; {NVIDIA_SENSOR.words}",
            resolution_j=1e-3,
            covers=covers,
            calibration=NVIDIA_SENSOR.share,
        )
    readers = [_module_power_w] if is_module else [_instant_power_w, _plain_power_w]
    reader = next((reader for reader in readers if _answers(reader, handle)), None)
    averaged_s = _averaged_s(handle, name) if reader is _plain_power_w else 0.0
    averaged = f", a mean over {averaged_s:g} s," if averaged_s else ""
    power = reader and Channel(
        domain=domain,
        source="nvml-power",
        provenance="sampled",
        form="instant_w",
        detail=f"sampled power{averaged} of {name}{included}; {NVIDIA_SENSOR.words}",
        covers=covers,
        calibration=NVIDIA_SENSOR.share,
        averaged_s=averaged_s,
    )
    instances = _instances(handle)
    return _Gpu(
        domain=domain,
        handle=handle,
        name=name,
        uuids=[*_uuid(handle), *(uuid for instance in instances or () for uuid in _uuid(instance))],
        is_partitioned=instances is not None,
        counter=counter,
        power=power,
        read_power_w=reader,
        most_w=_most_power_w(handle),
        there_before=frozenset(_processes(handle)),
    )


def _answers(query: Callable[[Any], object], handle: Any) -> bool:
    """Whether a GPU answers a query. Raises NVMLError where it answers none."""
    try:
        query(handle)
    except (pynvml.NVMLError_GpuIsLost, pynvml.NVMLError_ResetRequired):
        raise
    except pynvml.NVMLError:
        return False
    return True


def _uuid(handle: Any) -> list[str]:
    try:
        return [str(pynvml.nvmlDeviceGetUUID(handle))]
    except pynvml.NVMLError:
        return []


def _instances(handle: Any) -> list[Any] | None:
    """Handles of the instances that a GPU is split into by MIG; None where it is not split."""
    try:
        current, _ = pynvml.nvmlDeviceGetMigMode(handle)
    except pynvml.NVMLError:
        return None
    if current != pynvml.NVML_DEVICE_MIG_ENABLE:
        return None
    instances = []
    with contextlib.suppress(pynvml.NVMLError):
        for place in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            with contextlib.suppress(pynvml.NVMLError_NotFound):
                instances.append(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place))
    return instances


def _averaged_s(handle: Any, name: str) -> float:
    try:
        architecture = pynvml.nvmlDeviceGetArchitecture(handle)
    except pynvml.NVMLError:
        return _MEAN_S
    is_mean = architecture >= pynvml.NVML_DEVICE_ARCH_AMPERE and not _GA100.search(name)
    return _MEAN_S if is_mean else 0.0


def _most_power_w(handle: Any) -> float:
    """Power in watts that a GPU never draws more of."""
    try:
        return float(pynvml.nvmlDeviceGetEnforcedPowerLimit(handle)) * 1e-3 * _MOST_OF_LIMIT
    except pynvml.NVMLError:
        return _MOST_POWER_W


def _read_power(gpu: _Gpu) -> float | SourceError:
    assert gpu.read_power_w is not None
    try:
        power_w = gpu.read_power_w(gpu.handle)
    except pynvml.NVMLError as fault:
        return _lost(gpu, fault)
    if power_w > gpu.most_w:
        # Somebody may have raised its limit.
        gpu.most_w = max(gpu.most_w, _most_power_w(gpu.handle))
    if power_w > gpu.most_w:
        return SourceError(f"{gpu.domain} showed more power than it can draw ({gpu.most_w:,.0f} W)")
    if power_w <= 0:
        return SourceError(f"{gpu.domain} reported 0 W, which is impossible for a GPU that responds")
    return power_w


def _instant_power_w(handle: Any) -> float:
    return _field_power_w(handle, pynvml.NVML_FI_DEV_POWER_INSTANT)


def _module_power_w(handle: Any) -> float:
    return _field_power_w(handle, (pynvml.NVML_FI_DEV_POWER_INSTANT, pynvml.NVML_POWER_SCOPE_MODULE))


def _field_power_w(handle: Any, asked: int | tuple[int, int]) -> float:
    found = pynvml.nvmlDeviceGetFieldValues(handle, [asked])[0]
    if found.nvmlReturn != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(found.nvmlReturn)
    return float(found.value.uiVal) * 1e-3


def _plain_power_w(handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetPowerUsage(handle)) * 1e-3


def _processes(handle: Any) -> set[int]:
    # Drivers before R510 lack the newest call.
    for version in (3, 2):
        try:
            query = getattr(pynvml, f"nvmlDeviceGetComputeRunningProcesses_v{version}")
            return {process.pid for process in query(handle)}
        except pynvml.NVMLError_FunctionNotFound:
            continue
        except pynvml.NVMLError:
            break
    return set()


def _uses(handle: Any, since_us: int) -> Iterable[Any]:
    try:
        return pynvml.nvmlDeviceGetProcessUtilization(handle, since_us)
    except pynvml.NVMLError:
        return ()


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
