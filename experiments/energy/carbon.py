"""From joules to grams of CO2-equivalent, with CodeCarbon's packaged grid data (offline)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from experiments.errors import UserError
from experiments.schema import did_you_mean

JOULES_PER_KWH = 3.6e6
WORLD = "WOR"

_FOLDER = "data/private_infra"


@dataclass(frozen=True)
class Grid:
    """Carbon intensity of a region's electricity in g CO2e per kWh, and the data it came from."""

    region: str
    name: str
    intensity_g_per_kwh: float
    source: str
    sha256: str


def grid(region: str) -> Grid:
    """The grid of an ISO 3166 alpha-3 country, or of the world for 'WOR'.

    Raises UserError where CodeCarbon's table does not have the region.
    """
    if region == WORLD:
        data, digest = _packaged("carbon_intensity_per_source.json")
        return Grid(
            region, "world average", float(data["world_average"]), "IEA 2019, in CodeCarbon", digest
        )
    data, digest = _packaged("global_energy_mix.json")
    if region not in data:
        raise UserError(
            f"configuration: no grid data for region '{region}' ({did_you_mean(region, data)})"
        )
    entry = data[region]
    return Grid(
        region,
        entry["country_name"],
        float(entry["carbon_intensity"]),
        f"CodeCarbon, mix of {entry['year']}",
        digest,
    )


def emissions_g(energy_j: float, pue: float, intensity_g_per_kwh: float) -> float:
    """Grams of CO2-equivalent: energy x PUE x intensity (Henderson et al. 2020, section 4)."""
    return energy_j / JOULES_PER_KWH * pue * intensity_g_per_kwh


def _packaged(name: str) -> tuple[dict[str, Any], str]:
    content = resources.files("codecarbon").joinpath(_FOLDER, name).read_bytes()
    return json.loads(content), hashlib.sha256(content).hexdigest()
