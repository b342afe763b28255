"""What a network asks of a machine, counted while it runs."""

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
    """Counts operators, the bytes they read and write, and the elements convolutions and matrix products
    put out.

    An operator reads its inputs (weights included) and writes its outputs once each, or the inputs that its
    schema marks as written where it returns nothing (optimiser kernels do); views move nothing. Caches may
    serve some of it, and a fused kernel moves less: this is the traffic of a machine that executes one
    operator after the other from memory.
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
        if not _is_view(func):
            self.operators += 1
            self.bytes_moved += _bytes((args, kwargs))
            self.bytes_moved += _bytes(output if func._schema.returns else _written(func, args, kwargs or {}))
            if func in _PRODUCTS:
                self.products += 1
                self.activations += output.numel()
        return output


# Not in inference mode, which hands over composite operators whole.
@torch.no_grad()
def count(network: nn.Module, images: Tensor) -> dict[str, float]:
    """Per image: FLOPs (a multiply-add is two), bytes moved, activations. Per forward pass: operators and
    layers (convolutions and matrix products).

    Attention is counted as the products it is made of, although it may run fused.
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
    """FLOPs (a multiply-add is two) and bytes moved of one call of `work`, backward passes and updates of
    weights included. `work` is called twice."""
    with FlopCounterMode(display=False) as flops:
        work()
    with OperatorCounter() as operators:
        work()
    return {"flops": flops.get_total_flops(), "bytes_moved": operators.bytes_moved}


def _is_view(func: Any) -> bool:
    returned = [value.alias_info for value in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in returned)


def _written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    return [given.get(argument.name) for argument in func._schema.arguments if argument.is_write]


def _bytes(values: Any) -> int:
    return sum(leaf.nbytes for leaf in tree_leaves(values) if isinstance(leaf, Tensor))
