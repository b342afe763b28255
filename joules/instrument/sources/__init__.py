"""Every way this package can read energy, and the discovery of those this machine has."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence

from joules.instrument.host.processes import DESCENDANTS, Job
from joules.instrument.source import Channel, Host, Source, SourceError
from joules.instrument.sources import (
    amdsmi,
    apple,
    battery,
    codecarbon_model,
    cray,
    hwmon,
    load_curve,
    nvml,
    rapl,
)

# Most counters are updated at least ten times a second, the slowest every second.
_PROBES, _MOST_PROBES, _PROBE_EVERY_S = 5, 15, 0.1

# A vendor is a file in this folder and a line here. Of sources of one provenance the first one counts.
SOURCES: Mapping[str, Callable[[Host], Sequence[Source]]] = {
    "nvml": nvml.open_sources,
    "amdsmi": amdsmi.open_sources,
    "rapl": rapl.open_sources,
    "cray": cray.open_sources,
    "hwmon": hwmon.open_sources,
    "battery": battery.open_sources,
    "apple": apple.open_sources,
    "load curve": load_curve.open_sources,
    "codecarbon": codecarbon_model.open_sources,
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
        for name, opener in SOURCES.items():
            if without_gpu and name in GPU_SOURCES:
                absent[name] = "left out on request (without GPUs)"
                continue
            try:
                for source in opener(dataclasses.replace(host, read=_read(sources))):
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
