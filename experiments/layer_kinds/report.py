"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from experiments.layer_kinds.tables import KINDS
from joules.paper.values import Value, significant, statistic_values


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    arms, shares = tables["arms"], tables["shares"]
    alone = arms[arms["model"].isna() & arms["factor"].isna()]
    busy = alone["cpu_per_pass_s"] / alone["time_per_pass_s"]
    inside = shares[shares["origin"] == "this campaign"]
    published = shares[shares["origin"] != "this campaign"]
    exported = [
        Value("layers.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
        Value("layers.maps", _maps(alone), "arms.csv image_size of the single convolutions, distinct"),
        *(
            Value(
                f"layers.busy.{end}",
                float(getattr(busy, end)()),
                "arms.csv cpu_per_pass_s / time_per_pass_s",
                2,
            )
            for end in ("min", "max")
        ),
        Value("layers.mflops", alone["flops"].iloc[0] / 1e6, "arms.csv flops of the single layers", 3),
        *(
            Value(
                f"layers.intensity.{row.kind}",
                row.intensity_flops_per_byte,
                f"arms.csv {row.arm} intensity_flops_per_byte",
                2,
            )
            for row in alone.itertuples()
        ),
        *statistic_values("layers", tables["statistics"]),
    ]
    for origin, table in (("here", inside), ("published", published)):
        for row in table.to_dict("records"):
            exported += [
                Value(
                    f"layers.{origin}.{row['kind']}.{name}",
                    row[f"{name}_percent"],
                    f"shares.csv {row['origin']} {row['kind']} {name}_percent",
                    2,
                    r"\percent",
                    on_demand=True,
                )
                for name in ("flops", "parameters", "energy", "time")
                if np.isfinite(row[f"{name}_percent"])
            ]
    return exported


def _maps(alone: pd.DataFrame) -> str:
    sizes = alone.loc[alone["kind"] != "linear", "image_size"]
    return " and ".join(f"{size:.0f}" for size in sorted(set(sizes)))


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Shares by kind, here and published, as the paper prints them."""
    wide = tables["shares"].set_index(["origin", "kind"])
    rows = []
    for kind, words in KINDS.items():
        row = {"layer kind": words}
        for label, origin, column in (
            ("operations", "this campaign", "flops_percent"),
            ("energy", "this campaign", "energy_percent"),
            ("time", "this campaign", "time_percent"),
            ("operations (Caffe)", "published", "flops_percent"),
            ("training time (Caffe)", "published", "time_percent"),
        ):
            present = (origin, kind) in wide.index
            row[f"{label} in %"] = significant(wide.loc[(origin, kind), column], 3) if present else "--"
        rows.append(row)
    return {"layers_shares": pd.DataFrame(rows)}
