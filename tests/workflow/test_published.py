"""An experiment with published evidence: tables, verdicts and figures without a run."""

import csv
import json
import shutil

import pytest
import yaml

from joules.study import design
from tests import RELEASED, ROOT

DESIGN = {
    "title": "Wall meters",
    "question": "Do servers that were metered at the wall draw more than their data sheets say?",
    "evidence": "published",
    "sources": ["experiments/meters/reference/readings.csv"],
    "tables": ["servers", "statistics"],
    "figures": {"meters_power": "Power at the wall, one dot a server."},
}
READINGS = "server,wall_w,data_sheet_w\na,110,100\nb,111,100\nc,112,100\nd,113,100\ne,114,100\n"
TABLES = """
import pandas as pd

from joules.analysis import statistics
from joules.means import MeanSample


def tabulate(sources):
    (path,) = sources
    servers = pd.read_csv(path)
    ratios = servers["wall_w"] / servers["data_sheet_w"]
    row = statistics.row(
        statistic="wall.ratio", family="wall", test="none", metric="wall_w", group="wall", contrast="ratio",
        **statistics.estimate_cells(MeanSample.from_ratios(ratios)),
    )
    return {"servers": servers, "statistics": pd.DataFrame([row], columns=statistics.COLUMNS)}
"""
CLAIM = """
claims:
  wall_draws_more:
    kind: primary
    statement: Servers draw more at the wall than their data sheets say.
    statistic: wall.ratio
    comparison: ">"
    value: 1
    contradicted_if: they draw less
    null_hypothesis: both are equal
    chance_to_fail: 0.975
    declared: {date: 2026-01-01}
"""
FIGURES = """
from joules.analysis.drawing.description import Axis, Figure, Layer, Panel


def meters_power(tables):
    servers = tables["servers"]
    points = servers.assign(place=range(len(servers)))
    axis = Axis(names=list(servers["server"]))
    return Figure([Panel([Layer("point", points, "wall_w", "place")], Axis("power in W"), axis)], 2.0)
"""


@pytest.fixture
def published(repository):
    """A copy with such an experiment, and a released campaign with one experiment with runs."""
    made = repository.joules("new-experiment", "meters")
    assert made.returncode == 0, made.stdout
    folder = repository.path / "experiments" / "meters"
    for name in design.RUN_FILES:
        (folder / name).unlink()
    (folder / "reference").mkdir()
    (folder / "reference" / "readings.csv").write_text(READINGS)
    texts = {"design.yaml": yaml.safe_dump(DESIGN), "tables.py": TABLES, "claims.yaml": CLAIM}
    for name, text in (texts | {"figures.py": FIGURES}).items():
        (folder / name).write_text(text)
    runs = RELEASED.runs / "layer_kinds"
    shutil.copytree(runs, repository.path / "results" / "other" / "runs" / "layer_kinds")
    return repository


def test_published_readings_decide_a_claim_and_are_traced(published):
    of_other = ("--campaign", "other")
    for step in (
        *(("tabulate", name) for name in ("meters", "published_measurements", "layer_kinds", "campaign")),
    ):
        done = published.joules(*step, *of_other)
        assert done.returncode == 0, done.stdout
    for step in (("evaluate",), ("draw", "meters")):
        done = published.joules(*step, *of_other)
        assert done.returncode == 0, done.stdout
    results = published.path / "results" / "other"
    manifest = json.loads((results / "tables" / "meters" / "manifest.json").read_text())
    assert list(manifest["inputs"]) == DESIGN["sources"]
    with (results / "claims.csv").open() as file:
        verdicts = {row["claim"]: row for row in csv.DictReader(file)}
    assert verdicts["wall_draws_more"]["verdict"] == "supported"
    assert verdicts["wall_draws_more"]["band_models"] == ""
    assert len(verdicts) > 1
    figure = "figures/other/meters_power.pdf"
    traced = published.joules("trace", figure, *of_other)
    assert traced.returncode == 0, traced.stdout
    assert DESIGN["sources"][0] in traced.stdout
    published.edit(DESIGN["sources"][0], "b,111", "b,121")
    refused = published.joules("trace", figure, *of_other)
    assert refused.returncode != 0
    assert "--forcerun tabulate_meters" in refused.stdout


def test_the_workflow_plans_it_without_measuring(published):
    chosen = ("--config", "scale=smoke", "experiments=[meters,layer_kinds]")
    planned = published.snakemake("--cores", "all", "-n", *chosen)
    assert planned.returncode == 0, planned.stdout
    assert "rule tabulate_meters" in planned.stdout
    assert "rule tabulate_campaign" in planned.stdout
    assert "results/local/runs/layer_kinds/block-0.jsonl" in planned.stdout
    assert "results/local/runs/meters" not in planned.stdout
    measured = published.joules("measure", "meters", "--option", "scale=smoke")
    assert "nothing to measure, its evidence is 'published'" in measured.stdout
    assert not (ROOT / "experiments" / "meters").exists()
