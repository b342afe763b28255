"""Quantities: the source sentence of a number is sufficient to recompute it."""

import ast
import importlib
import math
import re

import pandas as pd
import pytest

from joules.errors import UserError
from joules.paper import quantities
from joules.paper.quantities import constant
from joules.paper.rows import derive, pick
from joules.paper.values import Value, check_values, listing, read_cells
from tests import RELEASED, ROOT

REPORTS = sorted(ROOT.glob("experiments/*/report.py"))
TABLES = {
    "runs": pd.DataFrame(
        {
            "arm": ["a", "a", "b", "b"],
            "time_s": [1.0, 3.0, 2.0, math.nan],
            "energy_j": [10.0, 30.0, 40.0, 5.0],
            "energy_j_band_low": [5.0, 15.0, 20.0, 2.5],
            "energy_j_band_high": [20.0, 60.0, 80.0, 10.0],
        }
    )
}
LEAF = re.compile(
    r"(?:(number of rows|number of different values of|(?:min|max|sum|median|mode|names) of) ?)?"
    r"(.*?) ?in (\w+)\.csv((?: where .+)*)"
)
COMBINED = re.compile(r"(\(.*\)|[\d.e+-]+) ([*/]) (\(.*\)|[\d.e+-]+)")


def recompute(sentence, tables):
    """The result of a source sentence, computed with pandas alone from the tables that it names."""
    if combined := COMBINED.fullmatch(sentence):
        left, sign, right = combined.groups()
        left, right = (
            recompute(part[1:-1], tables) if part.startswith("(") else float(part) for part in (left, right)
        )
        return left * right if sign == "*" else left / right
    how, column, table, filters = LEAF.fullmatch(sentence).groups()
    rows = tables[table]
    for query in filters.split(" where ")[1:]:
        rows = rows.query(query, engine="python")
    if how == "number of rows":
        return len(rows)
    cells = rows.eval(column, engine="python")
    if how is None:
        assert cells.nunique(dropna=False) == 1
        return cells.iloc[0]
    if how == "names of":
        return ", ".join(str(name).replace("_", " ") for name in cells) or "none"
    if how == "mode of":
        return cells.mode().iloc[0]
    return getattr(cells, "nunique" if how.startswith("number") else how.split()[0])()


def released_tables(experiment):
    return {path.stem: pd.read_csv(path) for path in RELEASED.tables(experiment).glob("*.csv")}


@pytest.mark.parametrize(
    "experiment", [name for name in RELEASED.experiments() if RELEASED.tables(name).is_dir()]
)
def test_a_reader_can_compute_every_number_from_its_source(experiment):
    tables = released_tables(experiment)
    values = importlib.import_module(f"experiments.{experiment}.report").values(tables)
    tables["statistics"] = tables.get("statistics", pd.DataFrame()).head(20)
    recomputed = 0
    for value in check_values(values):
        # A function or constant is looked up by its name. Of hundreds of statistics the first are enough.
        if " in experiments/" in value.source or " in joules/" in value.source:
            continue
        statistic = re.search(r"statistic == '(.*)'", value.source)
        if statistic and statistic[1] not in set(tables["statistics"]["statistic"]):
            continue
        expected = recompute(value.source, tables)
        assert value.raw == (expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-12))
        recomputed += 1
    assert recomputed > 5


def test_number_source_cells_and_range_come_together():
    rows = pick(TABLES, "runs").where("time_s.notna()", arm="a")
    mean_power_w = rows.sum("energy_j") / rows.sum("time_s")
    assert mean_power_w.raw == 10.0
    assert mean_power_w.band == (5.0, 20.0)
    where = "runs.csv where time_s.notna() where arm == 'a'"
    assert mean_power_w.source == f"(sum of energy_j in {where}) / (sum of time_s in {where})"
    assert [str(cells) for cells in mean_power_w.cells] == [where, where]
    assert (1e3 * rows.max("energy_j")).band == (15e3, 60e3)
    assert (1e3 * rows.max("time_s")).band is None


def test_rows_are_selected_one_filter_after_another():
    rows = pick(TABLES, "runs")
    assert rows.where(arm="a").largest("time_s")["energy_j"] == 30.0
    assert rows.where("time_s.isna()").count().raw == 1
    assert [(group["arm"], len(group)) for group in rows.each("arm")] == [("a", 2), ("b", 2)]
    for group in rows.each("arm", "time_s"):
        assert rows.where(*group.filters).frame.equals(group.frame)


def test_a_cell_of_rows_that_differ_is_refused():
    rows = pick(TABLES, "runs")
    with pytest.raises(UserError, match=r"time_s differs between the rows of runs\.csv where arm == 'a'"):
        _ = rows.where(arm="a").cell("time_s").raw
    assert math.isnan(rows.where(arm="c").cell("time_s").raw)
    assert math.isnan((rows.sum("time_s") / rows.where(arm="c").count()).raw)


def test_a_derived_quantity_names_its_function_and_its_rows():
    made = derive(count_pairs, pick(TABLES, "runs").where(arm="a"), 2)
    assert made.raw == 1
    assert made.source == (
        "count_pairs(runs.csv where arm == 'a', 2) in tests/joules/paper/test_quantities.py"
    )
    assert constant(quantities, "_WORDS").source == "_WORDS in joules/paper/quantities.py"
    for nameless in (lambda: 1, len):
        with pytest.raises(TypeError, match="no name to look it up by"):
            derive(nameless, pick(TABLES, "runs"))


def count_pairs(rows, size):
    return len(rows) // size


@pytest.mark.parametrize("typed", [1, 1.5, "twelve"])
def test_a_value_cannot_be_typed(typed):
    with pytest.raises(TypeError, match="'any' is typed by hand"):
        Value("any", typed)


def test_a_number_that_is_no_count_keeps_its_decimals():
    tables = {"any": pd.DataFrame({"number": [9.8736, 12.0]})}
    first, second = (
        Value("any", pick(tables, "any").where(f"number == {number}").cell("number"))
        for number in (9.8736, 12.0)
    )
    assert (first.raw, first.printed) == (9.8736, "9.87")
    assert (second.raw, second.printed) == (12, "12")


def test_no_report_types_a_source():
    assert len(REPORTS) >= 9
    for report in REPORTS:
        tree = ast.parse(report.read_text(encoding="utf-8"))
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        documentation = {
            ast.get_docstring(node, clean=False)
            for node in ast.walk(tree)
            if hasattr(node, "body") and isinstance(node, ast.Module | ast.FunctionDef)
        }
        typed = [
            text
            for text in texts
            if isinstance(text, str) and text not in documentation and re.search(r"\.(csv|yaml|py)\b", text)
        ]
        assert typed == [], report
    # Nor can a quantity be given a sentence: none has a field of text but the name it looks up.
    for kind in quantities.Quantity.__subclasses__():
        assert "source" not in getattr(kind, "__dataclass_fields__", {})
        assert isinstance(vars(kind)["source"], property)


def test_cells_survive_the_listing():
    value = Value("any", 2 * pick(TABLES, "runs").where(arm="a").max("time_s"), 2)
    (listed,) = listing([value]).to_dict("records")
    assert read_cells(listed["cells"]) == list(value.quantity.cells)
    assert (listed["raw"], listed["printed"]) == (6.0, "6.0")
