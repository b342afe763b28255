"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from joules.analysis import records
from joules.analysis.drawing.description import Axis, Figure, Tables, compare_runs, describe_provenance


def question_name_energy(tables: Tables) -> Figure:
    """Energy of a product by arm: blocks, geometric mean with interval, and stars from `statistics`."""
    runs, arms = records.select_measured(tables["runs"]), tables["arms"]
    words = {arm: arm for arm in arms["arm"]}
    axis = Axis(f"energy of a product in J\n({describe_provenance(arms, 'energy_per_pass_j')})", "log")
    panel = compare_runs(runs, "arm", "energy_per_pass_j", words, tables["statistics"], axis)
    return Figure([panel], 2.8, width=0.8)
