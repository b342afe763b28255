"""Figures for a browser: Vega-Lite by Altair, on tables that the page carries.

A chart names the tables it reads and holds no data of its own, so that it is the same for every campaign and
what is seen is what the tables say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from joules.analysis.palette import HUES, YELLOW
from joules.analysis.sensitivity import HIGH, LOW

Spec = dict[str, Any]
# The version of the grammar, and of its script in the package vl-convert.
VEGA_LITE = "6.4"

# Grey stands for black, which a dark page would swallow; shapes repeat what colours say.
COLOURS = (*HUES, "#7F7F7F", YELLOW)
# One fewer than the colours, so that no two of many groups look alike.
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
HEIGHT = 320
_LOG_LABEL = "format(datum.value, datum.value < 1e-3 || datum.value >= 1e5 ? '.0e' : '~g')"
_SECOND = {"x": alt.X2, "y": alt.Y2}
# What is said of every point that is one run, or one arm.
OF_RUN = ("arm", "block", "duration_s", "energy_j", "energy_uncertainty_j", "provenance", "flags")
OF_ARM = ("arm", "blocks", "provenance")


def of(table: str, where: str | None = None) -> alt.Chart:
    """A chart of the rows of a table for which `where`, an expression of Vega, holds."""
    chart = alt.Chart(alt.NamedData(name=table))
    return chart if where is None else chart.transform_filter(where)


def described(
    chart: Any,
    tables: Sequence[str],
    costs: Mapping[str, Sequence[str]] | None = None,
    families: Sequence[str] = (),
) -> Spec:
    """The specification of a chart with what the page needs to know of it: the tables it reads, the columns
    by which its axis of cost can be told ('energy' first; 'time', 'cpu', 'steps'; its title is then 'energy …
    in J'), and the families of statistics that its stars are of."""
    spec: Spec = chart.configure_range(category=list(COLOURS), symbol=list(SHAPES)).to_dict()
    return spec | {
        "usermeta": {
            "tables": list(tables),
            "costs": {name: list(fields) for name, fields in (costs or {}).items()},
            "families": list(families),
        }
    }


def banded(column: str) -> tuple[str, str, str]:
    """A column of what goes with energy, with the ends of its band over models of power."""
    return column, f"{column}{LOW}", f"{column}{HIGH}"


def exact(column: str) -> tuple[str, str, str]:
    """A column that no model of power moves, in the place of a banded one."""
    return column, column, column


def tips(*names: str) -> list[alt.Tooltip]:
    """What is said of a mark on hovering, column by column, as the table has it; the page rounds what it
    shows."""
    return [alt.Tooltip(f"{name.partition(':')[0]}:N") for name in names]


def points(
    chart: alt.Chart,
    x: alt.X,
    y: alt.Y,
    said: Sequence[str],
    *,
    group: str | None = None,
    shape: str | None = None,
    x_ends: tuple[str, str] | None = None,
    y_ends: tuple[str, str] | None = None,
) -> alt.LayerChart:
    """Points with lines over the ends of their intervals or bands; a click on the legend picks a group."""
    encoding: dict[str, Any] = {"x": x, "y": y}
    if group is not None:
        picked = alt.selection_point(fields=[group], bind="legend", name="picked")
        encoding["opacity"] = alt.condition(picked, alt.value(0.9), alt.value(0.08))
    lines = []
    for channel, place, ends in (("x", x, x_ends), ("y", y, y_ends)):
        if ends is not None:
            low, high = ends
            there = f"isValid(datum.{low}) && isValid(datum.{high})"
            if place.to_dict().get("scale", {}).get("type") == "log":
                there += f" && datum.{low} > 0"
            lines.append(
                chart.transform_filter(there)
                .mark_rule(color="#999999")
                .encode(
                    **(encoding | {channel: type(place)(f"{low}:Q"), f"{channel}2": _SECOND[channel](high)})
                )
            )
    if group is not None:
        encoding["color"] = alt.Color(f"{group}:N", title=group)
        chart = chart.add_params(picked)
    if group is not None or shape is not None:
        encoding["shape"] = alt.Shape(f"{shape or group}:N", title=shape or group)
    marks = chart.mark_point(filled=True, size=60).encode(**encoding, tooltip=tips(*said))
    return alt.layer(*lines, marks).properties(width="container", height=HEIGHT)


def log(field: str, title: str, kind: type[alt.X] | type[alt.Y] = alt.X) -> Any:
    """A logarithmic axis."""
    return kind(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(labelExpr=_LOG_LABEL, labelOverlap="greedy", labelSeparation=6),
    )


def linear(field: str, title: str, kind: type[alt.X] | type[alt.Y] = alt.X, *, zero: bool = True) -> Any:
    """A linear axis, from zero unless said otherwise."""
    return kind(f"{field}:Q", title=title, scale=alt.Scale(zero=zero))


def named(field: str, title: str = "", kind: type[alt.X] | type[alt.Y] = alt.Y, order: Any = None) -> Any:
    """An axis of names, in the order of the table unless said otherwise."""
    return kind(f"{field}:N", title=title, sort=order)


def faceted(chart: alt.LayerChart | alt.Chart, table: str, by: str, columns: int) -> alt.FacetChart:
    """A panel for every value of a column of the table that the chart, or its layers, are of."""
    chart = chart.copy(deep=True)
    for part in [chart, *getattr(chart, "layer", [])]:
        part.data = alt.Undefined
    return chart.facet(
        facet=alt.Facet(f"{by}:N", title="", sort=None), columns=columns, data=alt.NamedData(name=table)
    )
