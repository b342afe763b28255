"""What a data sheet says of this machine: the thermal design power (TDP) of its processor and GPUs."""

from __future__ import annotations

from typing import Any

import pynvml

from experiments.energy.sources.codecarbon_model import processor_tdp
from experiments.energy.sources.nvml import accessible_gpus


def nameplate() -> dict[str, Any]:
    """`cpu_tdp_w`, `cpu_tdp_origin` (how CodeCarbon came by it; both None without CodeCarbon) and
    `gpu_tdps_w`, the default power limit in watts of every GPU this user may read."""
    try:
        _, cpu_tdp_w, origin = processor_tdp()
    except ImportError:
        return {"cpu_tdp_w": None, "cpu_tdp_origin": None, "gpu_tdps_w": _gpu_tdps_w()}
    return {"cpu_tdp_w": cpu_tdp_w, "cpu_tdp_origin": origin, "gpu_tdps_w": _gpu_tdps_w()}


def _gpu_tdps_w() -> list[float]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [
            pynvml.nvmlDeviceGetPowerManagementDefaultLimit(handle) / 1000 for _, handle in accessible_gpus()
        ]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()
