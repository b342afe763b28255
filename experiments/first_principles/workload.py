"""Measures the limits of a machine: arithmetic in single precision, memory traffic, launches of operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from experiments.first_principles.parameters import Parameters
from joules.workload.repeat import make_synchronizer, repeat_work
from joules.workload.session import Session

# Larger than caches, small enough for a laptop.
_VECTOR_ELEMENTS = 2**24
_SIDE = {"cpu": 1024, "cuda": 8192}
# A convolution in the middle of a ResNet, but wider; on a GPU of many images.
_CHANNELS, _MAP = 256, 56
_IMAGES = {"cpu": 1, "cuda": 64}
_LAUNCHES = 1000
_LEAST_PASSES = 3


@dataclass(frozen=True)
class Work:
    """One pass: operations (a multiply-add is two), bytes read and written, operators launched.

    Only the quantity of the measured limit is counted; the others are zero.
    """

    once: Callable[[], object]
    flops: float = 0.0
    bytes_moved: float = 0.0
    launches: float = 0.0


@dataclass(frozen=True)
class Prepared:
    """Warm work."""

    work: Work
    device: str
    parameters: Parameters


def build(values: Mapping[str, Any], seed: int) -> Prepared:
    """Prepare and warm the work, outside the metered window."""
    parameters = Parameters.model_validate(values)
    torch.manual_seed(seed)
    if parameters.threads != "all":
        torch.set_num_threads(parameters.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    prepared = Prepared(_WORK[parameters.limit](device), device, parameters)
    _pass(prepared, parameters.warmup_s)
    return prepared


def run(prepared: Prepared, _session: Session) -> dict[str, Any]:
    """Repeat passes for the whole window and report the quickest pass.

    Returns:
        Counts of all passes together, and the time of the quickest pass in seconds.
    """
    passes_s = _pass(prepared, prepared.parameters.window_s)
    passes, work = len(passes_s), prepared.work
    return {
        "device": prepared.device,
        "threads": torch.get_num_threads(),
        "passes": passes,
        "quickest_pass_s": min(passes_s),
        "flops": passes * work.flops,
        "bytes_moved": passes * work.bytes_moved,
        "launches": passes * work.launches,
    }


@torch.inference_mode()
def _pass(prepared: Prepared, least_s: float) -> list[float]:
    return repeat_work(prepared.work.once, make_synchronizer(prepared.device), least_s, _LEAST_PASSES)


def _matmul(device: str) -> Work:
    side = _SIDE[device]
    a, b = (torch.randn(side, side, device=device) for _ in range(2))
    out = torch.empty(side, side, device=device)
    return Work(lambda: torch.mm(a, b, out=out), flops=2 * side**3)


def _convolution(device: str) -> Work:
    layer = torch.nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1, bias=False).to(device).eval()
    images = torch.randn(_IMAGES[device], _CHANNELS, _MAP, _MAP, device=device)
    return Work(lambda: layer(images), flops=2 * 9 * _CHANNELS**2 * _MAP**2 * len(images))


def _memory(device: str) -> Work:
    """a = b + s c, the triad of STREAM (McCalpin 1995): reads two vectors and writes one."""
    b, c = (torch.ones(_VECTOR_ELEMENTS, device=device) for _ in range(2))
    a = torch.empty_like(b)
    return Work(lambda: torch.add(b, c, alpha=0.5, out=a), bytes_moved=3 * a.nbytes)


def _launch(device: str) -> Work:
    """Adds one number to one number, many times."""
    one, out = torch.ones(1, device=device), torch.empty(1, device=device)

    def once() -> None:
        for _ in range(_LAUNCHES):
            torch.add(one, one, out=out)

    return Work(once, launches=_LAUNCHES)


_WORK: dict[str, Callable[[str], Work]] = {
    "matmul": _matmul,
    "convolution": _convolution,
    "memory": _memory,
    "launch": _launch,
}
