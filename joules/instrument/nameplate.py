"""Thermal design power (TDP) of the processor and the GPUs of this machine, by their data sheets."""

from __future__ import annotations

from typing import Any

import pynvml

from joules.instrument.host.gpus import accessible_gpus
from joules.instrument.sources.codecarbon_model import processor_tdp


def nameplate() -> dict[str, Any]:
    """`cpu_tdp_w`, `cpu_tdp_origin` (how CodeCarbon found it) and `gpu_tdps_w`, the default power
    limit in watts of every GPU this user may read."""
    tdp = processor_tdp()
    return {"cpu_tdp_w": tdp.power_w, "cpu_tdp_origin": tdp.origin, "gpu_tdps_w": _gpu_tdps_w()}


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
