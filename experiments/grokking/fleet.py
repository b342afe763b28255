"""Impact of the energy spent after grokking, for many runs a year.

`python -m experiments.grokking.fleet --help` prints the table for a campaign of your choice.
"""

from __future__ import annotations

import argparse
import sys

import pandas as pd

from joules.analysis.tables import read_tables
from joules.errors import UserError
from joules.instrument.carbon import JOULES_PER_KWH, PRICE_USD_PER_KWH, WORLD, Grid, grid, impact
from joules.study.campaign import Campaign
from joules.study.config import LOCAL
from joules.study.repository import repository_root

RUNS_PER_YEAR = (1_000, 10_000, 100_000, 1_000_000)


def fleet(waste_j: float, grid: Grid, pue: float, price_usd_per_kwh: float) -> pd.DataFrame:
    """Tabulate energy, emissions and costs by number of runs a year.

    Args:
        waste_j: Energy spent after grokking in one run, in joules.
        grid: Electricity grid.
        pue: Power usage effectiveness of the data centre.
        price_usd_per_kwh: Price of electricity.

    Returns:
        One row per number of runs a year.
    """
    rows = []
    for runs in RUNS_PER_YEAR:
        means = impact(runs * waste_j, grid, pue, price_usd_per_kwh)
        rows.append(
            {
                "runs_per_year": runs,
                "waste_per_run_wh": 1000 * waste_j / JOULES_PER_KWH,
                "energy_kwh": means.energy_kwh,
                "emissions_kg": means.emissions_g / 1000,
                "price_usd": means.price_usd,
                "social_cost_usd": means.social_cost_usd[1],
                "household_days": means.household_h / 24,
                "boiled_litres": means.boiled_litres,
            }
        )
    return pd.DataFrame(rows)


def main() -> int:
    """Print energy, carbon and costs of a campaign's mean energy after grokking, by runs a year."""
    parser = argparse.ArgumentParser(prog="python -m experiments.grokking.fleet", description=main.__doc__)
    parser.add_argument("--campaign", default=LOCAL, help="folder of results/ (default: local)")
    parser.add_argument(
        "--region", default=WORLD, help="ISO 3166 alpha-3 country of the grid (WOR: the world)"
    )
    parser.add_argument(
        "--pue", type=float, default=1.0, help="power usage effectiveness of the building (1)"
    )
    parser.add_argument("--price", type=float, default=PRICE_USD_PER_KWH, help="US dollars a kWh (0.151)")
    options = parser.parse_args()
    # Imported here because it imports matplotlib, which the tables do not need.
    from joules.analysis.drawing.description import describe_provenance

    try:
        tables = read_tables(Campaign(options.campaign, repository_root()), "grokking")
        # Only runs of a fixed schedule; a run that a rule stopped wastes less.
        waste_j = tables["runs"].query("rule == 'fixed'")["waste_j"].dropna()
        if waste_j.empty:
            raise UserError(f"no run of campaign '{options.campaign}' grokked: choose another one")
        table = fleet(float(waste_j.mean()), grid(options.region), options.pue, options.price)
    except UserError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    print(f"energy {describe_provenance(tables['arms'])}")
    print(table.to_string(index=False, float_format=lambda number: f"{number:.4g}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
