"""The protocol of a source of power or energy: what the meter asks of a counter, a sensor or a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from joules.instrument.host.gpus import GpuUse
from joules.instrument.host.perf import ProcessorCounter
from joules.instrument.host.processes import DESCENDANTS, Job

Provenance = Literal["counter", "sampled", "modelled", "missing"]

Scope = Literal["machine", "job"]

# What the numbers of a channel are: joules counted since some origin, watts at the instant of the
# read, or mean watts since the previous read of the same channel.
Form = Literal["cumulative_j", "instant_w", "mean_w"]

PREFERENCE: tuple[Provenance, ...] = ("counter", "sampled", "modelled", "missing")

# The domain of a reading of the whole machine, which all other domains are parts of.
MACHINE = "machine"


class SourceError(Exception):
    """A source cannot be opened, or a read of it failed. The message is a sentence."""


class CounterGap(SourceError):
    """A counter is read, but what it counted for some time is unknown: it was reset, stood still or jumped.

    Windows that overlap the time from `since_s` (monotonic clock, seconds; default: the instant of this read)
    to this read are missing.
    """

    def __init__(self, message: str, since_s: float | None = None) -> None:
        super().__init__(message)
        self.since_s = since_s


class OpenCounter(Protocol):
    """An open event of the performance monitor."""

    def read(self) -> int: ...

    def close(self) -> None: ...


def read_integer(file: Path) -> int:
    """Reads a number that the kernel shows.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is not an integer of 64 bits.
    """
    number = int(file.read_text())
    if abs(number) >= 2**64:
        raise ValueError(f"{file.name} has more than 64 bits")
    return number


@dataclass(frozen=True)
class Host:
    """The machine as a source sees it; tests and the laboratory replace every part.

    `sys`, `proc` and `dev` are the roots of the kernel's files, `job` the processes whose share is reported,
    `clock` a monotonic clock in seconds, `sleep` what waits on it, `unix_clock` that of a driver's time
    stamps, and `open_counter` opens an event (type, number) of the kernel's performance monitor on a
    processor. `mounted` is where the user of a container mounts what the container hides. `read` are the
    domains that sources opened before count or sample.
    """

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    dev: Path = Path("/dev")
    mounted: Path = Path("/host")
    job: Job = DESCENDANTS
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    unix_clock: Callable[[], float] = time.time
    open_counter: Callable[[int, int, int], OpenCounter] = ProcessorCounter
    read: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Channel:
    """One quantity that a source delivers.

    `scope` is what it includes: the whole machine, or the job alone (see `attribution`).
    `domain` is 'cpu', 'dram', 'gpu<index>' or another part of the machine, or `MACHINE` for all of it;
    `covers` are other domains whose energy is included in this one, so that they are not added to it.
    `source` names the instrument; `detail` describes the basis of the number in words. `resolution_j` is
    the step of a cumulative channel; `range_w` is the range of power that a model can return, which bounds
    its error. `calibration` is the standard uncertainty of the instrument's scale as a share of the energy;
    `averaged_s` is the time before a read over which its power is averaged. `tdp_w` is the thermal design
    power that a model assumes, and `tdp_origin` how it was found. `may_draw_nothing` means that a counter of
    this part may stand still.
    """

    domain: str
    source: str
    provenance: Provenance
    form: Form
    detail: str
    resolution_j: float = 0.0
    range_w: tuple[float, float] | None = None
    scope: Scope = "machine"
    covers: frozenset[str] = frozenset()
    calibration: float = 0.0
    averaged_s: float = 0.0
    tdp_w: float | None = None
    tdp_origin: str | None = None
    may_draw_nothing: bool = False


@dataclass(frozen=True)
class Notice:
    """A sentence for people on a part of a source: `about` 'gpu1', `says` 'NOT READ: ...'.

    `level` is 'info' for `joules doctor` alone, 'warning' where it is also printed before measuring, and
    'flag' where everything measured carries it as a quality flag too.
    """

    about: str
    says: str
    level: Literal["info", "warning", "flag"] = "warning"

    def __str__(self) -> str:
        return f"{self.about}: {self.says}"


class Source(Protocol):
    """An instrument. Subclass it: the methods with a body are for sources that have more to say.

    The constructor opens it and raises SourceError where this machine does not have it.
    """

    # Seconds between two periodic reads.
    period_s: float

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What it delivers, fixed when it is opened."""
        ...

    def read(self) -> Mapping[Channel, float | SourceError]:
        """Reads every channel.

        Returns:
            Of each channel a value in the unit of its form, or the fault for which there is none.

        Raises:
            SourceError: where no channel could be read.
        """
        ...

    def close(self) -> None:
        """Releases what is held open."""
        return

    def notices(self) -> Sequence[Notice]:
        """What people should know about this source now, such as parts that it cannot read."""
        return ()

    def device_use(self, since_s: float) -> list[GpuUse]:
        """Use of each of its devices by the job and by others since an instant of the Unix clock, in
        seconds."""
        return []

    def free_share(self) -> float:
        """Free part of the memory of its fullest device, between 0 and 1; 1 where it has none."""
        return 1.0


def device_use(sources: Iterable[Source], since_s: float) -> list[GpuUse]:
    """Use of every metered device by the job and by others since an instant of the Unix clock, in seconds."""
    by_domain: dict[str, GpuUse] = {}
    for source in sources:
        for use in source.device_use(since_s):
            by_domain.setdefault(use.domain, use)
    return list(by_domain.values())


def free_device_share(sources: Iterable[Source]) -> float:
    """Free part of the memory of the fullest metered device, between 0 and 1; 1 where there is none."""
    return min((source.free_share() for source in sources), default=1.0)
