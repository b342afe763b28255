"""Instructions counted by the processor: an outcome of a run that does not depend on a power model."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from joules.instrument.host.perf import UnknownSystem, open_event

_DEVICES = Path("/sys/bus/event_source/devices")

# linux/perf_event.h
_HARDWARE = 0
_COUNT_INSTRUCTIONS = 1
_DISABLED, _INHERIT, _NO_KERNEL, _NO_HYPERVISOR, _ENABLE_ON_EXEC = 1 << 0, 1 << 1, 1 << 5, 1 << 6, 1 << 12
_FORMAT_TIMES = 1 | 2
_DEVICE_SHIFT = 32
_READ = struct.Struct("=QQQ")

# If another user had the counter for more than this share of the time, the count is not used.
_LENT_SHARE = 0.01


class NotCountedError(Exception):
    """Instructions cannot be counted here; the message says why."""


@dataclass(frozen=True)
class Event:
    """A kind of event of the kernel's performance monitor and its number."""

    kind: int
    number: int


def instruction_events() -> list[Event]:
    """The event that counts instructions; one for each kind of core where a processor has several."""
    kinds = sorted(int((path.parent / "type").read_text()) for path in _DEVICES.glob("*/cpus"))
    if len(kinds) < 2:
        return [Event(_HARDWARE, _COUNT_INSTRUCTIONS)]
    return [Event(_HARDWARE, kind << _DEVICE_SHIFT | _COUNT_INSTRUCTIONS) for kind in kinds]


class DescendantCounter:
    """Counts events, in user mode, in every program that this thread starts after the counter was opened.

    A program counts from its execution on, with all its threads, forks and what these execute; this process
    never counts. A child that was forked and executed nothing does not count either.

    Raises NotCountedError where the processor or the kernel counts nothing for this user.
    """

    def __init__(self, events: list[Event] | None = None) -> None:
        self._files: list[int] = []
        try:
            for event in instruction_events() if events is None else events:
                self._files.append(_open(event))
        except NotCountedError:
            self.close()
            raise

    def read(self) -> int | None:
        """Events so far; None where the hardware did not count all of the time the programs ran."""
        counts = [_READ.unpack(os.read(file, _READ.size)) for file in self._files]
        ran_ns = max(enabled_ns for _, enabled_ns, _ in counts)
        # A thread counts on one kind of core at a time.
        if sum(running_ns for _, _, running_ns in counts) < (1 - _LENT_SHARE) * ran_ns:
            return None
        return sum(count for count, _, _ in counts)

    def close(self) -> None:
        """Stops counting."""
        while self._files:
            os.close(self._files.pop())


def _open(event: Event) -> int:
    """A file that counts `event` in what this thread executes. Disabled here, it is enabled by execution."""
    flags = _DISABLED | _INHERIT | _NO_KERNEL | _NO_HYPERVISOR | _ENABLE_ON_EXEC
    try:
        return open_event(event.kind, event.number, pid=0, cpu=-1, flags=flags, read_format=_FORMAT_TIMES)
    except UnknownSystem as unknown:
        raise NotCountedError(str(unknown)) from None
    except OSError as refused:
        raise NotCountedError(_reason(refused.errno or 0)) from None


def _reason(fault: int) -> str:
    if fault in (errno.EACCES, errno.EPERM):
        return (
            "no permission to count: run 'sudo sysctl kernel.perf_event_paranoid=2' (it lasts until the "
            "next boot), in a container allow perf_event_open"
        )
    if fault in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
        return "the processor's counters are not available (usual in a virtual machine)"
    return f"the kernel refused: {os.strerror(fault)}"
