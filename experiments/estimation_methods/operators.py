"""The operators of one pass of each workload.

Sizes are those of `workload.py`; a test compares the operations with its counts. An update of a reinforcement
learner has no list, because its game does not run as operators.
"""

from __future__ import annotations

import functools

from joules.analysis.roofline import Operator
from joules.analysis.roofline.networks import operators_of_network

_IMAGES, _PIXELS = 8, 224
_VECTOR_ELEMENTS = 2**24
_SMALL_LAYERS, _SMALL_WIDTH, _SMALL_PASSES = 24, 32, 100
_BYTES = 4


@functools.cache
def operators_of_work(work: str) -> tuple[Operator, ...]:
    """The operators of one pass of `work`; empty if they are unknown."""
    if work == "vision":
        return operators_of_network("resnet50", _PIXELS, _IMAGES)
    if work == "small_kernels":
        return _SMALL_PASSES * _small_network()
    if work == "memory_bound":
        # Reads two vectors and writes one.
        return (Operator(2.0 * _VECTOR_ELEMENTS, 3.0 * _BYTES * _VECTOR_ELEMENTS),)
    return ()


def _small_network() -> tuple[Operator, ...]:
    """Layers of a weight matrix and a bias with ReLU after each, on one vector."""
    width, weights = _SMALL_WIDTH, _SMALL_WIDTH**2
    linear = Operator(2.0 * weights, float(_BYTES) * (weights + 3 * width))
    relu = Operator(0.0, float(_BYTES) * 2 * width)
    return _SMALL_LAYERS * (linear, relu)
