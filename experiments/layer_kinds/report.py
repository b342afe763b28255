"""Values of the text and printed tables of this experiment's section of the paper."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.layer_kinds.tables import KINDS
from joules.paper.printing import significant
from joules.paper.rows import derive, pick
from joules.paper.values import Value, cell_values, statistic_values

_SHARES = {of: f"{of}_percent" for of in ("flops", "parameters", "energy", "time")}
_PRINTED = {
    "operations in %": ("this campaign", "flops_percent"),
    "energy in %": ("this campaign", "energy_percent"),
    "time in %": ("this campaign", "time_percent"),
    "operations (Caffe) in %": ("published", "flops_percent"),
    "training time (Caffe) in %": ("published", "time_percent"),
}


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values that the paper prints about this experiment."""
    arms, shares = pick(tables, "arms"), pick(tables, "shares")
    # A layer by itself, as its kind is named, on one core.
    alone = arms.where("arm == kind")
    busy = "cpu_per_pass_s / time_per_pass_s"
    origins = {"here": "this campaign", "published": "published"}
    return [
        Value("layers.blocks", arms.max("blocks")),
        Value("layers.maps", derive(list_sizes, alone.where("kind != 'linear'"))),
        Value("layers.busy.min", alone.min(busy), 2),
        Value("layers.busy.max", alone.max(busy), 2),
        Value("layers.mflops", alone.cell("flops") / 1e6, 3),
        *cell_values("layers.intensity", alone, ["kind"], {"": "intensity_flops_per_byte"}, 2),
        *(
            value
            for key, origin in origins.items()
            for value in cell_values(
                f"layers.{key}", shares.where(origin=origin), ["kind"], _SHARES, 2, r"\percent"
            )
        ),
        *statistic_values("layers", tables),
    ]


def list_sizes(layers: pd.DataFrame) -> str:
    """List the sides of the feature maps of `layers`, in pixels."""
    return " and ".join(f"{size:.0f}" for size in sorted(set(layers["image_size"])))


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Printed table: shares by kind of layer, here and published."""
    shares = tables["shares"].set_index(["origin", "kind"])

    def printed(kind: str, origin: str, column: str) -> str:
        return significant(shares.loc[(origin, kind), column], 3) if (origin, kind) in shares.index else "--"

    rows = [
        {"layer kind": words} | {head: printed(kind, *place) for head, place in _PRINTED.items()}
        for kind, words in KINDS.items()
    ]
    return {"layers_shares": pd.DataFrame(rows)}
