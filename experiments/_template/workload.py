"""Repeats the product of two square matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from experiments.question_name.parameters import Parameters
from joules.workload.repeat import make_synchronizer, repeat_work
from joules.workload.session import Session


@dataclass(frozen=True)
class Prepared:
    """Two matrices on the device that multiplies them."""

    a: Tensor
    b: Tensor
    parameters: Parameters


def build(values: Mapping[str, Any], seed: int) -> Prepared:
    """Make the matrices and warm up, outside the metered window."""
    parameters = Parameters.model_validate(values)
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    a, b = (torch.randn(parameters.side, parameters.side, device=device) for _ in range(2))
    prepared = Prepared(a, b, parameters)
    _multiply(prepared, parameters.warmup_s)
    return prepared


def run(prepared: Prepared, _session: Session) -> dict[str, Any]:
    """Repeat the product for the whole window."""
    return {
        "flops": 2 * prepared.parameters.side**3,
        "passes": len(_multiply(prepared, prepared.parameters.window_s)),
    }


@torch.inference_mode()
def _multiply(prepared: Prepared, least_s: float) -> list[float]:
    return repeat_work(lambda: prepared.a @ prepared.b, make_synchronizer(prepared.a.device.type), least_s, 3)
