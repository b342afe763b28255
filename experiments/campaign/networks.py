"""Operations and energy of an inference by network: this machine beside meters of others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pandas as pd

THIS_MACHINE = "this machine"
_VERSION = re.compile(r"mobilenet_v(\d)")
_OTHERS = "other families"
_COLUMNS = ["system", "meter", "network", "family", "multiply_adds_m", "energy_per_inference_j"]


def tabulate_networks(tables: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """Tabulate float32 networks, one inference at a time, wherever their energy was read.

    Args:
        tables: Tables of each experiment by name; those of `flops_vs_energy` and `published_measurements` are
            used where the campaign has them.

    Returns:
        One row per system and network, and per run where a wall meter read a network several times. A
        multiply-add is two of the operations that `flops_vs_energy` counts. Families are those of mobile
        networks; all others are one.
    """
    parts = [pd.DataFrame(columns=_COLUMNS)]
    if "flops_vs_energy" in tables:
        parts += _counted(tables["flops_vs_energy"])
    if "published_measurements" in tables:
        parts.append(_at_the_wall(tables["published_measurements"]))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)[_COLUMNS]


def _counted(tables: Mapping[str, pd.DataFrame]) -> Iterator[pd.DataFrame]:
    arms, published = tables["arms"], tables["reference"]
    arms = arms[arms["factor"].isna()]
    for system, networks, meter in (
        (THIS_MACHINE, arms, arms["provenance"]),
        ("Titan V", published, "sampled"),
    ):
        yield networks.assign(
            system=system,
            meter=meter,
            network=networks["arm"],
            family=[_family(*names) for names in zip(networks["arm"], networks["family"], strict=True)],
            multiply_adds_m=networks["flops"] / 2e6,
        )


def _at_the_wall(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    runs = tables["runs"]
    named = runs.assign(
        system=runs["system"].map(
            tables["systems"].dropna(subset="short_name").set_index("system")["short_name"]
        ),
        meter="wall meter",
        network=runs["published_network"],
        family=runs["family"].str.replace("-lite", ""),
    )
    is_alone = (named["scenario"] == "singlestream") & (named["precision"] == "float32")
    return named[is_alone].dropna(subset=["system", "multiply_adds_m"])


def _family(network: str, family: str) -> str:
    """The family of a network as it is coloured: MobileNets by their version."""
    version = _VERSION.match(network)
    if version:
        return f"MobileNet V{version[1]}"
    return family if family == "EfficientNet" else _OTHERS
