"""Power of memory by the published rules.

A module sold as so many GB of memory holds as many GiB, so that coefficients a GB are multiplied by GiB here.
"""

from __future__ import annotations

import math
from typing import Literal

Kind = Literal["x86", "arm"]

# Watts a GB of memory.
CLOUD_CARBON_FOOTPRINT_W = 0.392
BOAVIZTA_W = 0.284
GREEN_ALGORITHMS_W = 0.3725
# CodeCarbon before its version 3: 3 W for every 8 GiB.
FORMER_CODECARBON_W = 3 / 8

# Beyond what wall-metered servers had: the published coefficient with the least error on them, see
# `calibration`.
SERVER_W = BOAVIZTA_W

# CodeCarbon's watts of a memory module, by kind of processor.
_MODULE_W: dict[Kind, float] = {"x86": 5.0, "arm": 1.5}
_LEAST_W: dict[Kind, float] = {"x86": 10.0, "arm": 3.0}
_MODULE_SIZES_GIB = (128, 64, 32, 16, 8, 4)


def codecarbon_memory_w(installed_gib: float, kind: Kind) -> float:
    """CodeCarbon's power of memory in watts: a constant a module, less for each beyond the fourth, eighth and
    sixteenth, and not less than two modules' (of ARM 3 W). CodeCarbon 3.3, `external/ram.py`."""
    modules = _modules(installed_gib)
    equivalents = sum(
        weight * min(max(modules - before, 0), count)
        for weight, before, count in ((1.0, 0, 4), (0.9, 4, 4), (0.8, 8, 8), (0.7, 16, 16))
    )
    return max(_MODULE_W[kind] * equivalents, _LEAST_W[kind])


def codecarbon_memory_range_w(installed_gib: float, kind: Kind) -> tuple[float, float]:
    """The range in watts that CodeCarbon's two rules span: the one before version 3 and the present one."""
    ends = (FORMER_CODECARBON_W * installed_gib, codecarbon_memory_w(installed_gib, kind))
    return min(ends), max(ends)


def _modules(installed_gib: float) -> int:
    """How many memory modules CodeCarbon takes a machine to have."""
    for most_gib, modules in ((2, 1), (16, 2), (64, 4), (128, 8)):
        if installed_gib <= most_gib:
            return modules
    size_gib = next(size for size in _MODULE_SIZES_GIB if size <= installed_gib / 8)
    return min(math.ceil(installed_gib / size_gib), 32)
