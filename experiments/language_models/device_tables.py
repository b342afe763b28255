"""Board entry: the tables of `kneser_ney`, counted by PyTorch on the GPU where there is one.

A sort and a count of equal neighbours take the place of NumPy's `unique`. PyTorch has no arithmetic on
unsigned 64-bit keys, so keys are signed here, shifts mask the sign, and keys are sorted with their sign
flipped, which is the order of unsigned keys.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from experiments.language_models.contracts import Note
from experiments.language_models.keys import ODD, Packing, Symbols
from experiments.language_models.kneser_ney import Chain
from experiments.language_models.ngrams import NGrams, Table, modified_discounts
from experiments.language_models.parameters import Parameters

_SIGN = -(2**63)


def kneser_ney_on(device: str, text: Symbols, lengths: Sequence[int], alphabet: int) -> NGrams:
    """Build on `device` the tables that `ngrams.kneser_ney` builds."""
    packing, tables = Packing(alphabet), []
    symbols = torch.tensor(text, device=device).long()
    positions = torch.arange(lengths[-1], len(symbols), device=device)
    keys = _gram_keys(packing, symbols, positions, lengths[-1])
    for length, shorter in zip(reversed(lengths), [*reversed(lengths[:-1]), 0], strict=True):
        # Stable, so that of equal n-grams the first in the text is kept.
        ordered, order = torch.sort(keys ^ _SIGN, stable=True)
        grams, counts = torch.unique_consecutive(ordered, return_counts=True)
        grams ^= _SIGN
        if length <= packing.most:
            keys = grams & (2 ** (int(packing.bits) * (shorter + 1)) - 1)
        else:
            positions = positions[order[counts.cumsum(0) - counts]]
            keys = _gram_keys(packing, symbols, positions, shorter)
        tables.append(_tabulate(packing, length, grams, counts))
    return NGrams(tables[::-1], alphabet)


def _gram_keys(packing: Packing, symbols: Tensor, positions: Tensor, length: int) -> Tensor:
    """See `Packing.gram_keys`."""
    bits, odd = int(packing.bits), int(ODD) + 2 * _SIGN
    keys = torch.zeros_like(positions)
    for back in range(min(length, packing.most), 0, -1):
        keys = (keys << bits) | symbols[positions - back]
    for back in range(packing.most + 1, length + 1):
        keys = (keys ^ _shifted(keys, 29)) * odd + symbols[positions - back]
    if length > packing.most:
        keys = _shifted((keys ^ _shifted(keys, 32)) * odd, bits)
    return (keys << bits) | symbols[positions]


def _shifted(keys: Tensor, bits: int) -> Tensor:
    """Shift to the right as unsigned numbers."""
    return (keys >> bits) & (2 ** (64 - bits) - 1)


def _tabulate(packing: Packing, length: int, grams: Tensor, counts: Tensor) -> Table:
    """See `ngrams.tabulate`."""
    # The discounts depend on the numbers of n-grams that were seen up to four times.
    estimated = modified_discounts(counts.clamp(max=5).cpu().numpy())
    by_count = torch.from_numpy(np.concatenate([[0.0], estimated])).to(counts.device)
    discounts = by_count[counts.clamp(max=3)]
    contexts, sizes = torch.unique_consecutive(_shifted(grams, int(packing.bits)), return_counts=True)
    of_context = torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)
    left = torch.zeros(len(sizes), dtype=torch.float64, device=sizes.device)
    total = torch.zeros_like(left)
    left.index_add_(0, of_context, discounts)
    total.index_add_(0, of_context, counts.double())
    shares = (counts - discounts) / total[of_context]
    return Table(
        packing=packing,
        length=length,
        contexts=contexts.cpu().numpy().astype(np.uint64),
        starts=np.concatenate([[0], sizes.cumsum(0).cpu().numpy()]),
        symbols=(grams & (2 ** int(packing.bits) - 1)).to(torch.uint8).cpu().numpy(),
        shares=shares.cpu().numpy(),
        backoff=(left / total).cpu().numpy(),
    )


def train(text: Symbols, alphabet: int, parameters: Parameters, seed: int, device: str, note: Note) -> Chain:
    """Count on the device. Nothing is random, and no checkpoints are reported."""
    return Chain(kneser_ney_on(device, text, parameters.lengths, alphabet))
