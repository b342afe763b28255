"""What the energy wasted by one training means when many people train."""

from __future__ import annotations

import pandas as pd

from experiments.energy.carbon import JOULES_PER_KWH, Grid, impact

RUNS_PER_YEAR = (1_000, 10_000, 100_000, 1_000_000)


def fleet(waste_j: float, grid: Grid, pue: float, price_usd_per_kwh: float) -> pd.DataFrame:
    """One row a number of runs a year, with the energy, carbon and money that a waste of `waste_j` joules a
    run comes to."""
    rows = []
    for runs in RUNS_PER_YEAR:
        found = impact(runs * waste_j, grid, pue, price_usd_per_kwh)
        rows.append(
            {
                "runs_per_year": runs,
                "waste_per_run_wh": 1000 * waste_j / JOULES_PER_KWH,
                "energy_kwh": found.energy_kwh,
                "emissions_kg": found.emissions_g / 1000,
                "price_usd": found.price_usd,
                "social_cost_usd": found.social_cost_usd[1],
                "household_days": found.household_h / 24,
                "boiled_litres": found.boiled_litres,
            }
        )
    return pd.DataFrame(rows)
