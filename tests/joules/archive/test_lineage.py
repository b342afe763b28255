"""Tracing a value to the rows of the tables from which it was computed."""

import pandas as pd
import pytest

from experiments.flops_vs_energy import report
from joules.archive import lineage
from joules.errors import UserError
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


LISTING = pd.DataFrame(
    [
        ("a.share", "14.93", "14.9", r"\percent"),
        ("a.time", "14.91", "14.9", ""),
        ("b.energy", "15.2", "15.2", r"\joule"),
        ("b.name", "AMD EPYC", "AMD EPYC", ""),
        *((f"c.{number}", str(100 + number), str(100 + number), "") for number in range(9)),
    ],
    columns=["key", "raw", "printed", "unit"],
).assign(experiment="x", source="")


@pytest.fixture
def found(monkeypatch):
    monkeypatch.setattr(lineage, "read_values", lambda _campaign: LISTING.set_index("key"))
    monkeypatch.setattr(lineage, "_tables", lambda *_arguments: iter(()))
    return lambda text: list(lineage.trace(text, RELEASED))


@pytest.fixture
def listed(found):
    def collect(text):
        lines = []
        with pytest.raises(UserError, match=f"no value has the key '{text}': use one of the keys listed"):
            lines.extend(lineage.trace(text, RELEASED))
        return lines

    return collect


def test_values_are_found_by_their_printed_text(found, listed):
    assert listed("14.9") == [
        "'14.9' is printed by",
        "  a.share = 14.9 percent (x)",
        "  a.time = 14.9 (x)",
    ]
    assert found("15.2")[0] == "b.energy = 15.2 (printed 15.2 joule)"
    assert listed("epyc")[1:] == ["  b.name = AMD EPYC (x)"]


def test_the_five_nearest_values_are_named_where_none_is_printed_so(listed):
    head, *nearest = listed("15.0")
    assert head == "'15.0' is nearest to"
    assert [line.split()[0] for line in nearest] == ["a.share", "a.time", "b.energy", "c.0", "c.1"]


def test_what_resembles_no_value_is_refused(found):
    with pytest.raises(UserError, match=r"unknown value 'a\.shore' \(did you mean 'a\.share'"):
        found("a.shore")
    with pytest.raises(UserError, match=r"whole table: name a cell of it, as in 'grokking/arms\.csv:<row>:"):
        found("results/local/tables/grokking/arms.csv")
    # As the shell completes it.
    with pytest.raises(UserError, match=r"README\.md' is not traced: use figures/<campaign>/<figure>\.pdf"):
        found(str(ROOT / "README.md"))


def test_a_star_lists_the_runs_of_its_arms_alone():
    target = "layer_kinds/statistics.csv:equal_flops_layers.linear_vs_conv1x1:stars"
    lines = list(lineage.trace(target, RELEASED))
    arms = [line.split()[0] for line in lines if line.startswith("      ") and " block " in line]
    assert set(arms) == {"linear", "conv1x1"}
