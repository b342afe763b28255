"""Figures in a page: the layers that `print_renderer` draws, as JSON that `chart.js` draws.

A row keeps the columns that lead on: `statistic`, `arm`, `block` and `experiment`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from joules.analysis.drawing import description
from joules.analysis.drawing.description import Axis, Figure, Layer, Limits, Panel, Stars
from joules.analysis.drawing.palette import INK, PALE, Look

Spec = dict[str, Any]
# Pixels of a page for an inch in print and for a printer's point.
_INCH, _POINT = 90, 1.4
# The page's own colours, light or dark.
_COLOURS = {INK: "var(--ink)", PALE: "var(--band)"}
_DASHES = {"solid": "", "dashed": "5 3", "dotted": "1.5 2.5"}
_LEADS = ("arm", "block", "statistic", "experiment")
_SIGNIFICANT = 6


def chart_script() -> str:
    """The script that draws what `show_figure` describes."""
    return (Path(__file__).parent / "page" / "chart.js").read_text(encoding="utf-8")


def show_figure(figure: Figure) -> Spec:
    """A described figure for a page: its panels, the `series` of its legend, the `statistics` that it shows,
    by name, and its `note`."""
    rows = -(-len(figure.panels) // figure.columns)
    weights = figure.heights or [1.0] * rows
    pairs = [panel.stars.pairs for panel in figure.panels if panel.stars is not None]
    named = [*pairs, *(layer.data for panel in figure.panels for layer in panel.layers)]
    statistics = [name for rows in named if "statistic" in rows for name in rows["statistic"].dropna()]
    return {
        "columns": figure.columns,
        "heights": [round(_INCH * figure.height_in * weight / sum(weights)) for weight in weights],
        "panels": [_panel(panel, figure) for panel in figure.panels],
        "series": [_legend(name, look, figure) for name, look in figure.series.items()],
        "statistics": list(dict.fromkeys(statistics)),
        "note": figure.note,
    }


def _panel(panel: Panel, figure: Figure) -> Spec:
    x, y = (_axis(*each) for each in zip((panel.x, panel.y), panel.limits(), strict=True))
    layers = [
        _layer(drawable, rows, look, name)
        for drawable in map(panel.clip_layer, panel.layers)
        for name, rows, look in drawable.split_series(figure.series)
        if len(rows)
    ]
    stars = [] if panel.stars is None else list(_stars(panel.stars))
    return {"title": panel.title, "x": x, "y": y, "layers": layers, "stars": stars}


def _layer(layer: Layer, rows: pd.DataFrame, look: Look, name: str | None) -> Spec:
    """The rows of one series as a layer of constant look."""
    used = [layer.x, layer.y, layer.x2, layer.y2, layer.within, layer.text, layer.fill, *_LEADS]
    tips = [tip for tip in dict.fromkeys(layer.tips) if tip in rows]
    kept = [column for column in dict.fromkeys([*used, *tips]) if column is not None and column in rows]
    stated = {
        "mark": layer.mark,
        "x": layer.x,
        "y": layer.y,
        "x2": layer.x2,
        "y2": layer.y2,
        "within": layer.within,
        "text": layer.text,
        "fill": layer.fill,
        "series": name,
        "colour": _COLOURS.get(look.colour, look.colour),
        "shape": look.shape,
        "dash": _DASHES[layer.dash or look.dash],
        "size": round(_POINT * layer.points, 2),
        "opacity": layer.opacity,
        "is_hollow": layer.is_hollow,
        "is_stepped": layer.is_stepped,
        "align": layer.align,
        "tips": tips,
    }
    return {key: value for key, value in stated.items() if value not in (None, "")} | {
        "rows": _rows(rows[kept])
    }


def _rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as they go into a page: numbers of six significant digits, nothing where there is no value."""
    body = json.loads(rows.to_json(orient="records", double_precision=15))
    return [
        {
            name: float(f"{value:.{_SIGNIFICANT}g}") if isinstance(value, float) else value
            for name, value in row.items()
            if value is not None
        }
        for row in body
    ]


def _axis(axis: Axis, limits: Limits) -> Spec:
    return {
        "title": axis.title,
        "scale": axis.scale,
        "limits": list(limits),
        "names": None if axis.names is None else list(axis.names),
        "ticks": description.place_ticks(axis, limits) if axis.names is None else None,
        "is_labelled": axis.is_labelled,
        "slant": axis.slant,
        "second": axis.second,
        "factor": axis.factor,
    }


def _stars(stars: Stars) -> Iterator[dict[str, Any]]:
    """Brackets above the panel, each with its level."""
    place = {name: number for number, name in enumerate(stars.order)}
    pairs = stars.pairs.assign(
        level=description.stack_brackets(stars),
        left=stars.pairs["base"].map(place).astype(float),
        right=stars.pairs["group"].map(place).astype(float),
    )
    shown = ["level", "left", "right", "mark", "statistic", "estimate", "ci_low", "ci_high", "n", "p_holm"]
    yield from _rows(pairs[[name for name in shown if name in pairs]])


def _legend(name: str, look: Look, figure: Figure) -> Spec:
    """A series as the legend shows it."""
    layers = [layer for panel in figure.panels for layer in panel.layers if layer.has_series(name)]
    marks = {layer.mark for layer in layers}
    is_area = not marks & {"point", "line", "rule"}
    return {
        "name": name,
        "colour": _COLOURS.get(look.colour, look.colour),
        "shape": look.shape if "point" in marks else None,
        "dash": _DASHES[look.dash] if "line" in marks or marks == {"rule"} else None,
        "opacity": max((each.opacity for each in layers), default=1) if is_area else 1,
    }
