"""Processors and memory that control groups (of a container or a batch system) allow this process to use.

Files of both versions of the interface: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of the kernel.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

_PROC = Path("/proc/self")


def usable_cores() -> int:
    """Number of logical processors that this process may use; a batch system or a container may allow fewer
    than the machine has."""
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # More threads than a quota has whole cores would be stopped in the middle of their work.
    return max(math.floor(min(granted, processor_quota_cores())), 1)


def processor_quota_cores() -> float:
    """Seconds of processor time allowed per second; infinite without a limit."""
    quotas = (_quota_cores(group) for group in _groups("cpu"))
    return min((quota for quota in quotas if quota is not None), default=float("inf"))


def free_memory_share() -> float:
    """Free share of the usable memory, by the tightest limit; between 0 and 1."""
    share_of_machine = _available_memory_bytes() / installed_memory_bytes()
    shares = (_free_share(group) for group in _groups("memory"))
    return min([share_of_machine, *(share for share in shares if share is not None)])


def installed_memory_bytes() -> int:
    """Memory of this machine."""
    try:
        return int(psutil.virtual_memory().total)
    except (OSError, KeyError):
        # Without /proc/meminfo.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _available_memory_bytes() -> int:
    """Memory that can be used without swapping; without /proc/meminfo, that which nothing uses."""
    try:
        return int(psutil.virtual_memory().available)
    except (OSError, KeyError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _quota_cores(group: Path) -> float | None:
    words = _words(group / "cpu.max") or [
        *_words(group / "cpu.cfs_quota_us"),
        *_words(group / "cpu.cfs_period_us"),
    ]
    if len(words) != 2 or words[0] in ("max", "-1"):
        return None
    return int(words[0]) / int(words[1])


def _free_share(group: Path) -> float | None:
    limit = _words(group / "memory.max") or _words(group / "memory.limit_in_bytes")
    used = _words(group / "memory.current") or _words(group / "memory.usage_in_bytes")
    if not limit or not used or limit[0] == "max":
        return None
    statistics = _words(group / "memory.stat")
    named = dict(zip(statistics[::2], statistics[1::2], strict=False))
    # Pages of files not used for a while count as used and are given up first when memory is short.
    given_up = int(named.get("total_inactive_file", named.get("inactive_file", 0)))
    return min(max(1 - (int(used[0]) - given_up) / int(limit[0]), 0.0), 1.0)


def _groups(controller: str) -> Iterator[Path]:
    """Folders of the control groups this process is in, each followed by those it lies in."""
    memberships: dict[str, Path] = {}
    for line in _lines(_PROC / "cgroup"):
        _, controllers, path = line.split(":", 2)
        memberships |= {name: Path(path) for name in controllers.split(",")}
    for line in _lines(_PROC / "mountinfo"):
        mount, _, filesystem = line.partition(" - ")
        kind, _, options = filesystem.split(" ", 2)
        # The second version has one tree for all controllers, whose membership has no name.
        name = {"cgroup": controller, "cgroup2": ""}.get(kind, kind)
        if name not in memberships or name not in ("", *options.split(",")):
            continue
        root, folder = map(Path, mount.split(" ")[3:5])
        group = memberships[name]
        # A container may see its own group as the root of what is mounted.
        inside = group.relative_to(root) if group.is_relative_to(root) else Path()
        yield from (folder / part for part in (inside, *inside.parents))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _words(file: Path) -> list[str]:
    return " ".join(_lines(file)).split()
