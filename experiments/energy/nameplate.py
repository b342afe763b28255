"""What a data sheet says of this machine: the thermal design power (TDP) of its processor and GPUs."""

from __future__ import annotations

from typing import Any

import pynvml

from experiments.energy.sources.codecarbon_model import processor_tdp


def nameplate() -> dict[str, Any]:
    """`cpu_tdp_w`, `cpu_tdp_origin` (how CodeCarbon came by it; both None without CodeCarbon) and
    `gpu_tdps_w`, the default power limit of every GPU in watts."""
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
            pynvml.nvmlDeviceGetPowerManagementDefaultLimit(pynvml.nvmlDeviceGetHandleByIndex(index)) / 1000
            for index in range(pynvml.nvmlDeviceGetCount())
        ]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()
