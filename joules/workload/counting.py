"""Counts operators, FLOPs and memory traffic of a network while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

_ATEN = torch.ops.aten
_PRODUCTS = {
    _ATEN.convolution.default,
    _ATEN.addmm.default,
    _ATEN.mm.default,
    _ATEN.bmm.default,
    _ATEN.baddbmm.default,
}


class OperatorCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operators, the bytes they read and write, and the output elements of convolutions and matrix
    products.

    An operator reads each of its inputs (weights included) once and writes each of its outputs once. If it
    returns nothing, as optimiser kernels do, it writes the inputs that its schema marks as written. Views
    move nothing. This is the traffic of a machine that runs one operator after another from memory: caches
    and fused kernels can reduce it.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operators = 0
        self.products = 0
        self.bytes_moved = 0
        self.activations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if not is_view(func):
            self.operators += 1
            self.bytes_moved += _bytes((args, kwargs))
            self.bytes_moved += _bytes(output if func._schema.returns else _written(func, args, kwargs or {}))
            if func in _PRODUCTS:
                self.products += 1
                self.activations += output.numel()
        return output


# Not in inference mode, which does not decompose composite operators.
@torch.no_grad()
def count_inference(network: nn.Module, images: Tensor) -> dict[str, float]:
    """Counts the work of a forward pass. Attention is counted as separate matrix products, also where it runs
    fused.

    Args:
        network: The network.
        images: Its input, [B, ...].

    Returns:
        Per image: `flops` (a multiply-add is two), `bytes_moved`, `activations`. Per forward pass:
        `operators`, `layers` (convolutions and matrix products).
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as flops:
            network(images)
        with OperatorCounter() as operators:
            network(images)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return {
        "flops": flops.get_total_flops() / len(images),
        "bytes_moved": operators.bytes_moved / len(images),
        "activations": operators.activations / len(images),
        "operators": operators.operators,
        "layers": operators.products,
    }


def count_work(work: Callable[[], object]) -> dict[str, float]:
    """Counts one call of a function, including backward passes and weight updates.

    Args:
        work: The function; it is called twice.

    Returns:
        `flops` (a multiply-add is two) and `bytes_moved`.
    """
    with FlopCounterMode(display=False) as flops:
        work()
    with OperatorCounter() as operators:
        work()
    return {"flops": flops.get_total_flops(), "bytes_moved": operators.bytes_moved}


def is_view(func: Any) -> bool:
    """Whether an operator returns a view of its input, which moves no bytes."""
    returned = [value.alias_info for value in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in returned)


def _written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    return [given.get(argument.name) for argument in func._schema.arguments if argument.is_write]


def _bytes(values: Any) -> int:
    return sum(leaf.nbytes for leaf in tree_leaves(values) if isinstance(leaf, Tensor))
