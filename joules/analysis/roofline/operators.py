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
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import flop_registry

from joules.analysis.roofline import Operator
from joules.workload.counting import OperatorCounter, is_view


@functools.cache
def operators_of_model(model: str, image_size: int, batch_size: int) -> tuple[Operator, ...]:
    """The operators of a forward pass of a torchvision network, on tensors of the processor: those without
    numbers would be taken apart into other operators than those that run."""
    auxiliary = {"aux_logits": False, "init_weights": False} if model in ("googlenet", "inception_v3") else {}
    with _NothingDrawn():  # type: ignore[no-untyped-call]
        network = torchvision.models.get_model(model, weights=None, **auxiliary).eval()
    return operators_of(network, torch.empty(batch_size, 3, image_size, image_size))


# Not in inference mode, which hands over composite operators whole.
@torch.no_grad()
def operators_of(network: nn.Module, value: Tensor) -> tuple[Operator, ...]:
    """The operators of one forward pass, views left out, by the rules of `OperatorCounter`."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with _NothingComputed(), _Listing() as listing:  # type: ignore[no-untyped-call]
            network(value)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return tuple(listing.found)


class _NothingDrawn(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Weights are not drawn: to draw those of a VGG takes longer than its pass."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten.uniform_.default:
            return args[0]
        if func is torch.ops.aten.normal_.default:
            # A truncated distribution is drawn until all numbers are within its ends.
            return args[0].zero_()
        return func(*args, **(kwargs or {}))


class _NothingComputed(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """An operator is its kind and its sizes, and those of its output are known without numbers."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten.native_batch_norm.default:
            # The processor's saves no statistics in inference, other than the one of meta tensors.
            return torch.empty_like(args[0]), torch.empty(0), torch.empty(0)
        if func._schema.is_mutable:
            return args[0]
        if is_view(func):
            return func(*args, **(kwargs or {}))
        sizes = tree_map_only(Tensor, lambda value: value.to("meta"), args)
        return tree_map_only(Tensor, _without_numbers, func(*sizes, **(kwargs or {})))


def _without_numbers(value: Tensor) -> Tensor:
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)


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
