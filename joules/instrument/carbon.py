"""Carbon, price and everyday equivalents of energy. Grid data comes with CodeCarbon and is read offline.

Sources of the constants:

- Social cost of carbon: Ricke et al. 2018, "Country-level social cost of carbon", Nature Climate Change 8,
  895-900: median 417 US dollars a tonne of CO2, 66 % interval 177 to 805.
- Household electricity: U.S. Energy Information Administration, mean residential customer in 2022,
  10,791 kWh a year.
- Price of electricity: U.S. Energy Information Administration, residential mean of 2022.
- Charge of a phone: U.S. EPA, Greenhouse Gas Equivalencies Calculator: 14.46 Wh a day, less 0.13 W in the 22
  hours in which the phone is full.
- Car: U.S. EPA, Greenhouse Gas Emissions from a Typical Passenger Vehicle (EPA-420-F-23-014): 8,887 g of CO2
  a gallon of gasoline, 22.2 miles a gallon.
- Boiling water: 4.186 kJ/(kg K) from 20 to 100 degrees Celsius.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from joules.errors import UserError
from joules.instrument import codecarbon_data
from joules.models import Closed

JOULES_PER_KWH = 3.6e6
WORLD = "WOR"
# Where CodeCarbon is not installed: IEA, Global Energy & CO2 Status Report 2019, which CodeCarbon uses too.
_WORLD_G_PER_KWH = 475.0

PRICE_USD_PER_KWH = 0.151
SOCIAL_COST_USD_PER_TONNE = (177.0, 417.0, 805.0)
HOUSEHOLD_KWH_PER_YEAR = 10_791.0
PHONE_CHARGE_KWH = (14.46 - 22 * 0.13) / 1000
CAR_G_PER_KM = 8887 / 22.2 / 1.609344
_BOIL_J_PER_LITRE = 4186.0 * 80.0
_LAMP_W = 10.0
_HOURS_PER_YEAR = 8766.0

# What costs less has no equivalents worth a sentence.
_LEAST_PRICE_USD = 0.001
_SMALL, _LARGE = "mµnpf", "kMGTP"

_FOLDER = "data/private_infra"
_GENERATORS = {
    "coal": "coal",
    "gas": "gas",
    "oil": "oil",
    "nuclear": "nuclear",
    "hydroelectricity": "hydro",
    "wind": "wind",
    "solar": "solar",
    "biofuel": "biofuel",
}


@dataclass(frozen=True)
class Grid:
    """Carbon intensity of a region's electricity.

    Attributes:
        region: ISO 3166 alpha-3 code, or 'WOR' for the world.
        name: Name of the region.
        intensity_g_per_kwh: Carbon intensity in grams of CO2 equivalent per kWh.
        source: Source of the data.
        sha256: Hash of the data file; empty if the data is not a file.
        generated_by: Source that generates most of the electricity; None if unknown.
        generated_share: Share of that source; None if unknown.
    """

    region: str
    name: str
    intensity_g_per_kwh: float
    source: str
    sha256: str
    generated_by: str | None = None
    generated_share: float | None = None


class Impact(Closed):
    """Carbon, price and equivalents of an energy. `energy_j` is at the meter; the rest includes the PUE.

    `social_cost_usd` is (low, median, high); a mean U.S. household uses the energy in `household_h` hours.
    """

    energy_j: float
    pue: float
    region: str
    intensity_g_per_kwh: float
    grid_sha256: str
    energy_kwh: float
    emissions_g: float
    price_usd: float
    social_cost_usd: tuple[float, float, float]
    household_h: float
    boiled_litres: float
    lamp_h: float


def grid(region: str) -> Grid:
    """The grid of a region.

    Args:
        region: ISO 3166 alpha-3 code of a country, or 'WOR' for the world.

    Raises:
        UserError: If CodeCarbon has no data of the region, or is not installed.
    """
    if region == WORLD:
        packaged = _packaged("carbon_intensity_per_source.json")
        if packaged is None:
            return Grid(region, "world average", _WORLD_G_PER_KWH, "IEA 2019", "")
        data, digest = packaged
        intensity = float(data["world_average"])
        return Grid(region, "world average", intensity, "IEA 2019, in CodeCarbon", digest)
    packaged = _packaged("global_energy_mix.json")
    if packaged is None:
        raise UserError(
            f"no grid data for region '{region}': install codecarbon, which has data for countries"
        )
    data, digest = packaged
    if region not in data:
        raise UserError(f"no grid data for region '{region}' ({region_hint(region)})")
    entry = data[region]
    most = max(_GENERATORS, key=lambda name: float(entry.get(f"{name}_TWh") or 0.0))
    total_twh = float(entry.get("total_TWh") or 0.0)
    return Grid(
        region,
        entry["country_name"],
        float(entry["carbon_intensity"]),
        f"CodeCarbon, mix of {entry['year']}",
        digest,
        generated_by=_GENERATORS[most] if total_twh else None,
        generated_share=float(entry[f"{most}_TWh"]) / total_twh if total_twh else None,
    )


def grids() -> list[Grid]:
    """The grid of the world, then of every country in CodeCarbon's data, sorted by name."""
    packaged = _packaged("global_energy_mix.json")
    countries = (
        [code for code, entry in packaged[0].items() if "carbon_intensity" in entry] if packaged else []
    )
    return [grid(WORLD), *sorted(map(grid, countries), key=lambda each: each.name)]


def region_hint(text: str) -> str:
    """Suggests a region for an invalid one: accepts two-letter codes, lower case and names of countries."""
    import difflib

    packaged = _packaged("global_energy_mix.json")
    countries = packaged[0] if packaged else {}
    known = {WORLD: WORLD, **{code: code for code in countries}}
    known |= {
        entry["country_name"].upper(): code for code, entry in countries.items() if "country_name" in entry
    }
    upper = text.strip().upper()
    meant = known.get(upper) or known.get(_of_two_letters(upper))
    if meant is None:
        meant = next(iter(difflib.get_close_matches(upper, known, n=1)), None)
    return (
        f"did you mean '{known.get(meant, meant)}'?"
        if meant
        else "use an ISO 3166 alpha-3 code, or WOR for the world"
    )


def _of_two_letters(code: str) -> str:
    """The three-letter code of a country with this two-letter code; empty if there is none."""
    try:
        # Installed with CodeCarbon.
        from pycountry import countries
    except ImportError:
        return ""
    country = countries.get(alpha_2=code)
    return country.alpha_3 if country else ""


def impact(energy_j: float, grid_: Grid, pue: float, price_usd_per_kwh: float) -> Impact:
    """Carbon is energy x PUE x intensity (Henderson et al. 2020, section 4)."""
    drawn_j = energy_j * pue
    drawn_kwh = drawn_j / JOULES_PER_KWH
    emissions_g = drawn_kwh * grid_.intensity_g_per_kwh
    low, median, high = (emissions_g * 1e-6 * cost for cost in SOCIAL_COST_USD_PER_TONNE)
    return Impact(
        energy_j=energy_j,
        pue=pue,
        region=grid_.region,
        intensity_g_per_kwh=grid_.intensity_g_per_kwh,
        grid_sha256=grid_.sha256,
        energy_kwh=drawn_kwh,
        emissions_g=emissions_g,
        price_usd=drawn_kwh * price_usd_per_kwh,
        social_cost_usd=(low, median, high),
        household_h=drawn_kwh / HOUSEHOLD_KWH_PER_YEAR * _HOURS_PER_YEAR,
        boiled_litres=drawn_j / _BOIL_J_PER_LITRE,
        lamp_h=drawn_j / (_LAMP_W * 3600),
    )


def statement(impact_: Impact, grid_: Grid, how: str, factors: tuple[float, float] | None = None) -> str:
    """A carbon impact statement; with equivalents where the electricity costs something.

    Args:
        impact_: The impact.
        grid_: Its grid.
        how: How the energy was read.
        factors: Least and largest energy over the power models, as a multiple of the energy.
    """
    spread = "" if factors is None else f"; {factors[0]:.2g} to {factors[1]:.2g} times that over power models"
    sentence = (
        f"{format_si(1000 * impact_.energy_kwh, 'Wh')} ({how}{spread}; power usage effectiveness "
        f"{impact_.pue:g}) emitted {format_si(impact_.emissions_g, 'g')} of CO2 equivalent on the grid "
        f"'{grid_.name}' ({grid_.intensity_g_per_kwh:g} g/kWh, {grid_.source})."
    )
    if impact_.price_usd < _LEAST_PRICE_USD:
        return sentence
    low, median, high = impact_.social_cost_usd
    return (
        f"{sentence} It cost {impact_.price_usd:.2g} US dollars of electricity and {median:.2g} "
        f"({low:.2g} to {high:.2g}) of harm to society, and would boil {impact_.boiled_litres:.2g} litres of "
        f"water or run a mean U.S. household for {60 * impact_.household_h:.2g} minutes."
    )


def format_si(value: float, unit: str) -> str:
    """A quantity with three digits and a prefix of the SI.

    Example:
        >>> format_si(0.00123, "g")
        '1.23 mg'
    """
    rounded = float(f"{abs(value):.3g}")
    power = math.floor(math.log10(rounded) / 3) if rounded else 0
    power = min(max(power, -len(_SMALL)), len(_LARGE))
    prefix = ("", *_LARGE)[power] if power >= 0 else _SMALL[-power - 1]
    return f"{value / 1000.0**power:.3g} {prefix}{unit}"


def _packaged(name: str) -> tuple[dict[str, Any], str] | None:
    """A table of CodeCarbon and its SHA-256; None if CodeCarbon is not installed."""
    content = codecarbon_data.read_bytes(f"{_FOLDER}/{name}")
    return None if content is None else (json.loads(content), hashlib.sha256(content).hexdigest())
