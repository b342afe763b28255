"""Doing the same piece of work over and over, for workloads whose unit is one pass."""

from __future__ import annotations

import time
from collections.abc import Callable


def repeat(
    work: Callable[[], object], synchronize: Callable[[], None], least_s: float, least_passes: int
) -> list[float]:
    """Calls `work` until both limits are reached; returns the seconds of each call, device included."""
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


def synchronizer(device: str) -> Callable[[], None]:
    """What waits until `device` (a torch device type) has done all that was asked of it."""
    import torch

    return torch.cuda.synchronize if device == "cuda" else lambda: None
