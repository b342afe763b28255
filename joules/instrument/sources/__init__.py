"""Every way this package can read energy, and the discovery of those this machine has."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from joules.instrument.host.gpus import finds_nvml, shown_nvidia_gpus
from joules.instrument.host.processes import DESCENDANTS, Job
from joules.instrument.source import Channel, Host, Source, SourceError

# Most counters are updated at least ten times a second, the slowest every second.
_PROBES, _MOST_PROBES, _PROBE_EVERY_S = 5, 15, 0.1


class Vendor(NamedTuple):
    """A module of this folder, imported unless `missing` says why this machine cannot have the hardware: the
    meter starts without the code of what is not there."""

    module: str
    missing: Callable[[Host], str | None] = lambda _host: None

    def open_sources(self, host: Host) -> Sequence[Source]:
        """Its sources. Raises SourceError where there is none."""
        reason = self.missing(host)
        if reason is not None:
            raise SourceError(reason)
        opened: Sequence[Source] = importlib.import_module(f"{__name__}.{self.module}").open_sources(host)
        return opened


def _needs_folder(name: str) -> Callable[[Host], str | None]:
    """The vendor needs a folder of /sys that is not empty."""

    def missing(host: Host) -> str | None:
        with contextlib.suppress(OSError):
            if any((host.sys / name).iterdir()):
                return None
        return f"there is nothing under /sys/{name}"

    return missing


def _needs_module(name: str, comes_with: str) -> Callable[[Host], str | None]:
    """The vendor needs a Python module."""

    def missing(_host: Host) -> str | None:
        is_there = name in sys.modules or importlib.util.find_spec(name) is not None
        return None if is_there else f"the module {name} is not installed (it comes with {comes_with})"

    return missing


def _needs_nvidia(host: Host) -> str | None:
    """The vendor needs a GPU that the system shows, or the library of its driver."""
    if finds_nvml() or shown_nvidia_gpus(host.sys, host.dev):
        return None
    return "no NVIDIA GPU can be read (NVML: NVML Shared Library Not Found)"


# A vendor is a file in this folder and a line here. Of sources of one provenance the first one counts.
SOURCES: Mapping[str, Vendor] = {
    "nvml": Vendor("nvml", _needs_nvidia),
    "amdsmi": Vendor("amdsmi", _needs_module("amdsmi", "ROCm")),
    "rapl": Vendor("rapl"),
    "cray": Vendor("cray", _needs_folder("cray/pm_counters")),
    "hwmon": Vendor("hwmon", _needs_folder("class/hwmon")),
    "battery": Vendor("battery", _needs_folder("class/power_supply")),
    "apple": Vendor("apple", _needs_module("zeus_apple_silicon", "zeus-apple-silicon, on a Mac")),
    "load curve": Vendor("load_curve"),
    "codecarbon": Vendor("codecarbon_model"),
}

GPU_SOURCES = frozenset({"nvml", "amdsmi"})


def discover(
    job: Job = DESCENDANTS, host: Host | None = None, *, without_gpu: bool = False
) -> tuple[list[Source], dict[str, str]]:
    """Opens every source that this machine has.

    Args:
        job: The processes whose share is reported.
        host: The machine, where it is not this one; its `job` replaces `job`.
        without_gpu: Leave out sources that read GPUs.

    Returns:
        The open sources, and why each of the others does not open, by name.
    """
    host = host or Host(job=job)
    sources: list[Source] = []
    absent: dict[str, str] = {}
    with contextlib.ExitStack() as opened:
        for name, vendor in SOURCES.items():
            if without_gpu and name in GPU_SOURCES:
                absent[name] = "left out on request (without GPUs)"
                continue
            try:
                for source in vendor.open_sources(dataclasses.replace(host, read=_read(sources))):
                    opened.callback(_close, source)
                    sources.append(source)
            except SourceError as reason:
                absent[name] = str(reason)
        opened.pop_all()
    return sources, absent


def failing_channels(sources: Sequence[Source], host: Host | None = None) -> dict[Channel, str]:
    """Reads sources for some tenths of a second, and longer where a counter has not moved yet.

    Returns:
        Why a channel cannot be read, of those for which that holds at the end: a counter that stands still
        answers at first.
    """
    host = host or Host()
    faults: dict[Channel, str] = {}
    first: dict[Channel, float] = {}
    still: set[Channel] = set()
    for probe in range(_MOST_PROBES):
        if probe >= _PROBES and not still:
            break
        for source in sources:
            try:
                values = source.read()
            except SourceError as fault:
                values = dict.fromkeys(source.channels, fault)
            for channel, value in values.items():
                faults.pop(channel, None)
                if isinstance(value, SourceError):
                    faults[channel] = str(value)
                    still.discard(channel)
                elif channel.form == "cumulative_j":
                    (still.add if first.setdefault(channel, value) == value else still.discard)(channel)
        host.sleep(_PROBE_EVERY_S)
    seconds = _MOST_PROBES * _PROBE_EVERY_S
    return faults | dict.fromkeys(still, f"its counter stood still for {seconds:.1f} s")


def _read(sources: Sequence[Source]) -> frozenset[str]:
    channels = [channel for source in sources for channel in source.channels]
    return frozenset(channel.domain for channel in channels if channel.provenance in ("counter", "sampled"))


def _close(source: Source) -> None:
    with contextlib.suppress(SourceError):
        source.close()
