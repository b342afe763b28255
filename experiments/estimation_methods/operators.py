"""The operators of one pass of each workload.

Sizes are those of `workload.py`; a test compares the operations with its counts. An update of a reinforcement
learner has no list, because its game does not run as operators.
"""

from __future__ import annotations

import functools

from joules.analysis.roofline import Operator

_IMAGES, _PIXELS = 8, 224
_VECTOR_ELEMENTS = 2**24
_SMALL_LAYERS, _SMALL_WIDTH, _SMALL_PASSES = 24, 32, 100
_BYTES = 4


@functools.cache
def operators_of_work(work: str) -> tuple[Operator, ...]:
    """The operators of one pass of `work`; empty if they are unknown."""
    if work == "vision":
        from joules.analysis.roofline.operators import operators_of_model

        return operators_of_model("resnet50", _PIXELS, _IMAGES)
    if work == "small_kernels":
        return _SMALL_PASSES * _small_network()
    if work == "memory_bound":
        # Reads two vectors and writes one.
        return (Operator(2.0 * _VECTOR_ELEMENTS, 3.0 * _BYTES * _VECTOR_ELEMENTS),)
    return ()


def _small_network() -> tuple[Operator, ...]:
    import torch
    from torch import nn

    from joules.analysis.roofline.operators import operators_of

    layers: list[nn.Module] = []
    for _ in range(_SMALL_LAYERS):
        layers += [nn.Linear(_SMALL_WIDTH, _SMALL_WIDTH), nn.ReLU()]
    return operators_of(nn.Sequential(*layers), torch.zeros(1, _SMALL_WIDTH))
