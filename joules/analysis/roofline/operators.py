"""The operators of a forward pass, as the rooflines take them.

Apart from those, since it needs PyTorch, whose import a step that lists nothing must not pay for.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from joules.analysis.roofline import Operator
from joules.workload.counting import OperatorCounter

_DRAWS = {torch.ops.aten.uniform_.default, torch.ops.aten.normal_.default}


@functools.cache
def operators_of_model(model: str, image_size: int, batch_size: int) -> tuple[Operator, ...]:
    """The operators of a forward pass of a torchvision network, on tensors of the processor: those without
    numbers would be taken apart into other operators than those that run."""
    auxiliary = {"aux_logits": False, "init_weights": False} if model in ("googlenet", "inception_v3") else {}
    with _NoArithmetic():  # type: ignore[no-untyped-call]
        network = torchvision.models.get_model(model, weights=None, **auxiliary).eval()
    return operators_of(network, torch.zeros(batch_size, 3, image_size, image_size))


# Not in inference mode, which hands over composite operators whole.
@torch.no_grad()
def operators_of(network: nn.Module, value: Tensor) -> tuple[Operator, ...]:
    """The operators of one forward pass, views left out, by the rules of `OperatorCounter`."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with _NoArithmetic(), _Listing() as listing:  # type: ignore[no-untyped-call]
            network(value)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return tuple(listing.found)


class _NoArithmetic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Weights are zero, not drawn, and products not computed: an operator is its kind and its sizes. To draw
    the weights of a VGG takes longer than its pass."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _DRAWS:
            return args[0].zero_()
        # Operators that PyTorch counts, except fused ones, which return more than their product.
        if func._overloadpacket in flop_registry and len(func._schema.returns) == 1:
            sizes = [value.to("meta") if isinstance(value, Tensor) else value for value in args]
            output = func(*sizes, **(kwargs or {}))
            return torch.zeros(output.shape, dtype=output.dtype)
        return func(*args, **(kwargs or {}))


class _Listing(OperatorCounter):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Operator] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        operators, bytes_moved = self.operators, self.bytes_moved
        output = super().__torch_dispatch__(func, types, args, kwargs)
        if self.operators > operators:
            count = flop_registry.get(func._overloadpacket)
            flops = count(*args, **(kwargs or {}), out_val=output) if count else 0
            self.found.append(Operator(float(flops), float(self.bytes_moved - bytes_moved)))
        return output
