"""Tracing a value to the rows of the tables from which it was computed."""

import pandas as pd
import pytest

from experiments.flops_vs_energy import report
from joules.archive import lineage
from joules.paper.values import check_values, listing
from joules.study.campaign import Campaign
from tests import ROOT

RELEASED = Campaign("epyc-2core-standard-2026-11-26b", ROOT)


@pytest.fixture
def traced(monkeypatch):
    """The first lines of the trace of a value, up to the files."""
    tables = {path.stem: pd.read_csv(path) for path in RELEASED.tables("flops_vs_energy").glob("*.csv")}
    values = listing(check_values(report.values(tables))).astype(str).assign(experiment="flops_vs_energy")
    monkeypatch.setattr(lineage, "read_values", lambda _campaign: values.set_index("key"))

    def lines(key):
        return [line for line in lineage.trace(key, RELEASED) if "sha256" not in line and "block" not in line]

    return lines, tables


def test_the_only_row_is_named_with_its_cell(traced):
    lines, tables = traced
    least = tables["arms"].query("factor.isna()").sort_values("energy_per_inference_j").iloc[0]
    _, source, rows, row, *rest = lines("flops.least.time")
    assert source.startswith("  from flops_vs_energy: 1000 * (time_per_inference_s in arms.csv where factor")
    assert rows.startswith("  1 row: arms.csv where factor.isna() where energy_per_inference_j ==")
    assert row.startswith(f"    arm {least['arm']}, family {least['family']}")
    assert row.endswith(f"time_per_inference_s = {least['time_per_inference_s']}")
    assert rest == []


def test_of_many_rows_the_first_are_listed(traced):
    lines, tables = traced
    count = int(tables["arms"]["factor"].isna().sum())
    _, _, rows, *listed, more = lines("flops.cv")
    assert rows == f"  {count} rows: arms.csv where factor.isna()"
    assert len(listed) == 20
    assert more == f"    and {count - 20} more"
