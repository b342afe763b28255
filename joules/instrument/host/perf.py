"""Counters of the kernel's performance monitor, by perf_event_open(2)."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

# Number of perf_event_open, for which the C library has no function.
_SYSTEM_CALLS = {"x86_64": 298, "aarch64": 241, "ppc64le": 319, "s390x": 331, "riscv64": 241}
_CLOSE_ON_EXEC = 8
# The first published size of the structure (linux/perf_event.h); later kernels take the rest as zero.
_ATTRIBUTES = struct.Struct("=IIQQQQQIIQ")
_COUNT = struct.Struct("=Q")


class UnknownSystem(OSError):
    """The number of the system call is not known on this kind of machine."""


def open_event(kind: int, number: int, *, pid: int, cpu: int, flags: int = 0, read_format: int = 0) -> int:
    """Opens a counter.

    Args:
        kind: Type of the event: the number of its performance monitor.
        number: The event within that monitor (`config`).
        pid: The process to count, 0 for this thread, -1 for all.
        cpu: The processor to count on, -1 for any.
        flags: Bits of `perf_event_attr` from `disabled` on.
        read_format: What a read of the file returns.

    Returns:
        The number of an open file.

    Raises:
        OSError: where the kernel refuses, with its reason as `errno`; UnknownSystem where it cannot be asked.
    """
    call = _SYSTEM_CALLS.get(platform.machine()) if platform.system() == "Linux" else None
    if call is None:
        raise UnknownSystem(f"not known how to count on {platform.system()} {platform.machine()}")
    attributes = ctypes.create_string_buffer(
        _ATTRIBUTES.pack(kind, _ATTRIBUTES.size, number, 0, 0, read_format, flags, 0, 0, 0),
        _ATTRIBUTES.size,
    )
    no_group = -1
    file = ctypes.CDLL(None, use_errno=True).syscall(
        ctypes.c_long(call),
        attributes,
        ctypes.c_long(pid),
        ctypes.c_long(cpu),
        ctypes.c_long(no_group),
        ctypes.c_ulong(_CLOSE_ON_EXEC),
    )
    if file < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(file)


class ProcessorCounter:
    """One event counted on one processor for all processes. Raises OSError if the kernel refuses."""

    def __init__(self, kind: int, number: int, cpu: int) -> None:
        self._file = open_event(kind, number, pid=-1, cpu=cpu)

    def read(self) -> int:
        """Events since it was opened."""
        return int(_COUNT.unpack(os.read(self._file, _COUNT.size))[0])

    def close(self) -> None:
        """Stops counting."""
        os.close(self._file)
