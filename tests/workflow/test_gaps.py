"""Campaigns with failed or unread runs still give tables, figures and prose."""

from __future__ import annotations

import importlib
import json
import random
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.collections import LineCollection

from experiments.campaign import report as campaign_report
from experiments.campaign import tables as campaign_tables
from joules.analysis import columns, records, steps, tables
from joules.analysis.drawing import page_renderer, print_renderer
from joules.analysis.records import Records
from joules.bench.record import Run
from joules.paper import printing, values
from joules.study.campaign import Campaign
from joules.study.design import load_design
from tests import ROOT, measured_campaigns
from tests.records import campaign_evidence, failed, idle, reading, run, unread

MEASURED = {name: campaign for name, campaign in measured_campaigns().items() if load_design(name).has_runs}


def one_in_three(one: Run, _first_arm: str) -> bool:
    return random.Random(f"{one.arm}/{one.block}").random() < 1 / 3


GAPS = {
    "one block left": (failed, lambda one, _: one.block > 0),
    "one arm left": (failed, lambda one, first_arm: one.arm != first_arm),
    "one run in three failed": (failed, one_in_three),
    "one run in three not read": (unread, one_in_three),
}


def printed(source: str, keys: set[str]) -> str:
    """The prose that LaTeX prints if `keys` are defined."""
    condition = re.compile(r"\\ifval\{([^}]*)\}")
    while match := condition.search(source):
        end, branches = match.end(), []
        for _ in range(2):
            end = begin = source.index("{", end) + 1
            depth = 1
            while depth:
                depth += {"{": 1, "}": -1}.get(source[end], 0)
                end += 1
            branches.append(source[begin : end - 1])
        chosen = branches[0 if set(match[1].split(",")) <= keys else 1]
        source = source[: match.start()] + chosen + source[end:]
    return source


def _record_files(experiment):
    """Files from which the tables of an experiment are made, if it was measured."""
    campaign = MEASURED[experiment]
    names = [experiment, *(name for name in load_design(experiment).uses if (campaign.runs / name).is_dir())]
    return [path for name in names for path in sorted((campaign.runs / name).glob("block-*"))]


def marks_of_print(figure):
    """Number of points, lines of an interval or range, and rectangles in a printed figure."""
    lines = [line for axes in figure.axes for line in axes.get_lines()]
    collections = [each for axes in figure.axes for each in axes.collections]
    return {
        "point": sum(len(line.get_xdata()) for line in lines if line.get_marker() not in ("", "None")),
        "rule": sum(len(each.get_segments()) for each in collections if isinstance(each, LineCollection)),
        "rect": sum(len(axes.patches) for axes in figure.axes),
    }


def marks_of_page(shown):
    """The same numbers for a figure in a page, without brackets, which print draws as lines."""
    found = dict.fromkeys(("point", "rule", "rect"), 0)
    for layer in [layer for panel in shown["panels"] for layer in panel["layers"]]:
        if layer["mark"] in found:
            found[layer["mark"]] += len(layer["rows"])
    return found


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("experiment", MEASURED)
def test_what_is_missing_stops_nothing(experiment, gap, tmp_path):
    spoil, spoilt = GAPS[gap]
    design = load_design(experiment)
    first_arm = next(iter(design.arms))
    entries = [
        spoil(entry) if isinstance(entry, Run) and spoilt(entry, first_arm) else entry
        for entry in records.load_records(_record_files(experiment))
    ]
    report, figures = (
        importlib.import_module(f"experiments.{experiment}.{part}") for part in ("report", "figures")
    )
    campaign = Campaign("local", tmp_path)
    tables.write_tables(
        campaign.tables(experiment), steps.tabulate_records(experiment, Records.from_sequence(entries)), {}
    )
    read = tables.read_tables(campaign, experiment)
    for figure in design.figures:
        described = getattr(figures, figure)(read)
        in_print, in_page = print_renderer.draw_figure(described), page_renderer.show_figure(described)
        assert marks_of_page(in_page) == marks_of_print(in_print), figure
        json.dumps(in_page, allow_nan=False)
        plt.close(in_print)
    for table in report.display(read).values():
        assert not re.search(r"\b(nan|inf)\b", printing.tabular(table))
    keys = {value.key for value in values.check_values(report.values(read))}
    texts = [ROOT / "paper" / part / f"{experiment}.tex" for part in ("main", "supplement")]
    prose = "".join(printed(path.read_text(), keys) for path in texts if path.exists())
    used = {key for key in re.findall(r"\\val\{([^}]*)\}", prose) if not key.startswith("campaign.")}
    assert used <= keys
    if gap == "one run in three failed":
        for emptied in without_text(campaign, experiment, read):
            values.check_values(report.values(emptied))
            report.display(emptied)


def without_text(campaign, experiment, read):
    """The tables with each column of text in turn empty that has an empty cell (nobody is disqualified)."""
    for name, table in read.items():
        for column in columns.text_columns(experiment, name) & set(table):
            if table[column].isna().any() and table[column].notna().any():
                path = campaign.tables(experiment) / f"{name}.csv"
                content = path.read_bytes()
                table.assign(**{column: None}).to_csv(path, index=False)
                yield {**read, name: tables.read_table(path)}
                path.write_bytes(content)


def test_prose_is_printed_where_all_its_values_are_there():
    source = r"a \ifval{x,y}{b \ifval{z}{c}{d {e}}}{f} g"
    assert printed(source, {"x", "y"}) == "a b d {e} g"
    assert printed(source, {"x"}) == "a f g"


def test_a_run_whose_energy_was_not_read_is_no_result():
    lost = unread(run("two"))
    assert [one.has_result for one in (run(), lost, failed(run()))] == [True, False, False]
    table = records.runs_table([run(), lost, idle(), idle(position="after")])
    assert list(records.select_measured(table)["arm"]) == ["one"]


def test_rest_that_was_not_read_is_not_rest_without_power():
    unread_rest = idle(position="after").model_copy(update={"readings": [reading(None)]})
    (row,) = records.runs_table([run(), idle(), unread_rest]).to_dict("records")
    assert row["idle_power_w"] == pytest.approx(2.0)
    assert "not measured on both sides" in row["flags"]


def test_a_campaign_says_what_of_its_own_energy_was_not_read():
    lost = unread(run("two")).model_copy(update={"spent": run().spent.model_copy(update={"energy_j": None})})
    made = campaign_tables.tabulate(campaign_evidence(Records.from_sequence([run(), lost, idle()])))
    (energy,) = made["energy"].to_dict("records")
    assert (energy["failed"], energy["unread"], energy["unread_s"]) == (0, 1, 4.0)
    keys = {value.key for value in campaign_report.values(made)}
    assert "campaign.unread.hours" in keys
    source = Path(ROOT, "paper", "paper.tex").read_text()
    assert "in none of\nthese numbers" in printed(source.partition("\\begin{document}")[2], keys)
