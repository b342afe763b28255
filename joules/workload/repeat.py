"""Repeats a piece of work, for workloads whose unit is one pass."""

from __future__ import annotations

import time
from collections.abc import Callable


def repeat_work(
    work: Callable[[], object], synchronize: Callable[[], None], least_s: float, least_passes: int
) -> list[float]:
    """Calls a function until a minimum time and a minimum number of calls are reached.

    Args:
        work: The function.
        synchronize: Waits until the device has finished.
        least_s: Minimum time, in seconds.
        least_passes: Minimum number of calls.

    Returns:
        Duration of each call in seconds, including the device's work.
    """
    passes_s: list[float] = []
    start_s = time.perf_counter()
    before_s = start_s
    while before_s - start_s < least_s or len(passes_s) < least_passes:
        work()
        synchronize()
        now_s = time.perf_counter()
        passes_s.append(now_s - before_s)
        before_s = now_s
    return passes_s


def make_synchronizer(device: str) -> Callable[[], None]:
    """Makes a function that waits until a device (a torch device type) has finished all queued work."""
    import torch

    return torch.cuda.synchronize if device == "cuda" else lambda: None
