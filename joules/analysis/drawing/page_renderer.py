"""Figures in a page, as Vega-Lite: the layers that `print_renderer` draws, with tooltips.

A mark's datum keeps the columns that lead on: `statistic`, `arm` and `block`. Rows of a series carry its
name in `series`, by which the page leaves them out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from joules.analysis.drawing import description
from joules.analysis.drawing.description import Axis, Figure, Layer, Limits, Panel
from joules.analysis.drawing.palette import INK, PALE, Look

Spec = dict[str, Any]
# The version of the grammar, and of its script in the package vl-convert.
VEGA_LITE = "6.4"
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"

_CONFIG = {
    "view": {"stroke": None},
    "axis": {"grid": False, "titleFontWeight": "normal"},
    "title": {"fontWeight": "normal", "fontSize": 12},
    "concat": {"spacing": 12},
}
# A layer that has axes and shows nothing.
_UNSEEN: Spec = {"data": {"values": [{}]}, "mark": {"type": "point", "opacity": 0, "aria": False}}
# Pixels of a page for an inch in print, for a printer's point, and for a level of brackets.
_INCH, _POINT, _LEVEL = 90, 1.4, 17
_PANEL_PX = 640
# The page's own colours, light or dark.
_COLOURS = {INK: "currentColor", PALE: "var(--line)"}
_DASHES = {"solid": [1, 0], "dashed": [5, 3], "dotted": [1.5, 2.5]}
_LEADS = ("arm", "block", "statistic", "experiment")
_SIGNIFICANT = 6


def show_figure(figure: Figure) -> Spec:
    """A described figure for a page: its `spec` as Vega-Lite (None where nothing is drawn), the `series` of
    its legend, the `statistics` that it shows, by name, and its `note`."""
    rows = -(-len(figure.panels) // figure.columns)
    weights = figure.heights or [1.0] * rows
    heights = [_INCH * figure.height_in * weight / sum(weights) for weight in weights]
    panels = [
        _panel(panel, figure, round(heights[place // figure.columns]))
        for place, panel in enumerate(figure.panels)
    ]
    spec = {"$schema": _SCHEMA, "config": _CONFIG, "columns": figure.columns, "concat": panels}
    pairs = [panel.stars.pairs for panel in figure.panels if panel.stars is not None]
    named = [*pairs, *(layer.data for panel in figure.panels for layer in panel.layers)]
    statistics = [name for rows in named if "statistic" in rows for name in rows["statistic"].dropna()]
    return {
        "spec": spec if panels else None,
        "series": [_legend(name, look, figure) for name, look in figure.series.items()],
        "statistics": list(dict.fromkeys(statistics)),
        "note": figure.note,
    }


def _panel(panel: Panel, figure: Figure, height: int) -> Spec:
    limits = panel.limits()
    layers: list[Spec] = []
    for layer in panel.layers:
        drawable = panel.clip_layer(layer)
        if layer.mark == "label":
            drawable = _with_room(drawable, panel, _PANEL_PX / figure.columns, height)
        for name, rows, look in drawable.split_series(figure.series):
            if len(rows):
                layers.append(_layer(drawable, rows, look, name))
            if len(rows) and layer.mark == "line" and layer.tips:
                # A line as a whole has no values to tell: its points have, which are not seen.
                layers.append(_layer(replace(drawable, mark="point", opacity=0), rows, look, name))
    # Panels without rows have axes all the same.
    layers.append(dict(_UNSEEN))
    for place, layer_spec in enumerate(layers):
        encoding = layer_spec.setdefault("encoding", {})
        for channel, axis, ends in zip("xy", (panel.x, panel.y), limits, strict=True):
            shown = _axis(axis, ends, channel) if place == 0 else None
            encoding.setdefault(channel, {"datum": ends[0]})
            encoding[channel] |= {"type": "quantitative", "scale": _scale(axis, ends, channel), "axis": shown}
    if panel.stars is not None and len(panel.stars.pairs):
        layers += _stars(panel.stars, layers[0]["encoding"]["x"]["scale"])
    if panel.x.second is not None:
        layers.append(_second(panel.x, limits[0]))
    independent = {"x": "independent", "y": "independent"}
    return {
        "title": {"text": panel.title.split("\n"), "anchor": "middle"} if panel.title else None,
        "width": _PANEL_PX // figure.columns,
        "height": height,
        "layer": layers,
        "resolve": {"scale": independent, "axis": independent},
    }


def _layer(layer: Layer, rows: pd.DataFrame, look: Look, name: str | None) -> Spec:
    """The rows of one series as a layer of constant look."""
    colour = _COLOURS.get(look.colour, look.colour)
    dash = _DASHES[layer.dash or look.dash]
    stroke: Spec = {"stroke": colour, "strokeWidth": _POINT * layer.points, "strokeDash": dash}
    aside = {"left": 5, "center": 0, "right": -5}[layer.align]
    text = {
        "type": "text",
        "fill": colour,
        "fontSize": _POINT * layer.points,
        "align": layer.align,
        "dx": aside,
    }
    fill = "var(--ground)" if layer.is_hollow else colour
    size = (_POINT * layer.points) ** 2
    steps = "step-after" if layer.is_stepped else "linear"
    marks: dict[str, Spec] = {
        "point": stroke
        | {
            "type": "point",
            "shape": look.shape,
            "size": size,
            "strokeWidth": 1.2,
            "strokeDash": [1, 0],
            "fill": fill,
        },
        "line": stroke | {"type": "line", "interpolate": steps, "clip": True},
        "area": {"type": "area", "fill": colour, "clip": True},
        "rule": stroke | {"type": "rule"},
        "rect": {"type": "rect", "fill": colour, "stroke": None},
        "text": text,
        "label": text | {"dy": -6},
    }
    mark = marks[layer.mark] | {"opacity": layer.opacity}
    encoding: Spec = {"x": {"field": layer.x}, "y": {"field": layer.y}}
    for channel, end in (("x2", layer.x2), ("y2", layer.y2), ("detail", layer.within), ("text", layer.text)):
        if end is not None:
            encoding[channel] = {"field": end} | ({} if channel in ("x2", "y2") else {"type": "nominal"})
    if layer.fill is not None:
        encoding["color"] = {"field": layer.fill, "type": "nominal", "scale": None}
        del mark["fill"]
    if layer.mark == "line":
        encoding["order"] = {"value": None}
    used = [layer.x, layer.y, layer.x2, layer.y2, layer.within, layer.text, layer.fill, *_LEADS]
    tips = [tip for tip in dict.fromkeys(layer.tips) if tip in rows]
    if tips:
        encoding["tooltip"] = [{"field": tip, "type": "nominal"} for tip in tips]
    kept = [column for column in dict.fromkeys([*used, *tips]) if column is not None and column in rows]
    values = _values(rows[kept])
    if name is not None:
        values = [value | {"series": name} for value in values]
    return {"data": {"values": values}, "mark": mark, "encoding": encoding}


def _values(rows: pd.DataFrame) -> list[dict[str, Any]]:
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


def _scale(axis: Axis, limits: Limits, channel: str) -> Spec:
    kind: Spec = {"type": axis.scale, "domain": list(limits), "nice": False}
    if axis.scale == "linear":
        kind["zero"] = False
    if axis.scale == "symlog":
        kind["constant"] = 1
    if channel == "y" and axis.names is not None:
        kind["reverse"] = True
    return kind


def _axis(axis: Axis, limits: Limits, channel: str) -> Spec:
    shown: Spec = {"title": axis.title.split("\n")}
    ticks = description.place_ticks(axis, limits)
    if ticks is not None:
        places, words = [place for place, _ in ticks], [text for _, text in ticks]
        shown |= {
            "values": places,
            "labelExpr": f"split({json.dumps(words)}[indexof({json.dumps(places)}, datum.value)], '\\n')",
            "labelOverlap": False if axis.names is not None else "greedy",
        }
        if axis.names is not None:
            shown |= {"labelLimit": 260}
        if axis.slant and channel == "x":
            shown |= {"labelAngle": -axis.slant, "labelAlign": "right"}
    return shown


def _second(axis: Axis, limits: Limits) -> Spec:
    """The axis opposite: a layer without marks, on a scale of its own."""
    ends = [axis.factor * end for end in limits]
    scale = _scale(axis, (ends[0], ends[1]), "x")
    shown = {"orient": "top", "title": axis.second}
    x = {"datum": ends[0], "type": "quantitative", "scale": scale, "axis": shown}
    return _UNSEEN | {"encoding": {"x": x}}


def _stars(stars: description.Stars, scale: Spec) -> Iterator[Spec]:
    """Brackets above the panel, a level of them a few layers."""
    place = {name: number for number, name in enumerate(stars.order)}
    pairs = stars.pairs.assign(
        level=description.stack_brackets(stars),
        left=stars.pairs["base"].map(place).astype(float),
        right=stars.pairs["group"].map(place).astype(float),
    )
    pairs["middle"] = (pairs["left"] + pairs["right"]) / 2
    for level, rows in pairs.groupby("level"):
        high = -4 - _LEVEL * int(str(level))
        kept = [
            "left",
            "right",
            "middle",
            "mark",
            "statistic",
            "estimate",
            "ci_low",
            "ci_high",
            "n",
            "p_holm",
        ]
        data = {"values": _values(rows[[name for name in kept if name in rows]])}
        tips = [{"field": name, "type": "nominal"} for name in kept[4:] if name in rows]
        rule: Spec = {"type": "rule", "stroke": "currentColor"}

        def at(field: str) -> Spec:
            return {"field": field, "type": "quantitative", "scale": scale, "axis": None}

        y, foot = {"value": high}, {"value": high + 4}
        yield {"data": data, "mark": rule, "encoding": {"x": at("left"), "x2": {"field": "right"}, "y": y}}
        for end in ("left", "right"):
            yield {"data": data, "mark": rule, "encoding": {"x": at(end), "y": y, "y2": foot}}
        words = {"type": "text", "baseline": "bottom", "dy": -1, "fontSize": 11, "fill": "currentColor"}
        text = {"field": "mark", "type": "nominal"}
        encoding = {"x": at("middle"), "y": y, "text": text, "tooltip": tips}
        yield {"data": data, "mark": words, "encoding": encoding}


def _with_room(layer: Layer, panel: Panel, width: float, height: float) -> Layer:
    """A layer of labels without those that would cover another, on a panel of about that size."""
    taken: list[tuple[float, float, float]] = []
    kept = []
    places = [
        _share(axis, ends, layer.data[column])
        for axis, ends, column in zip((panel.x, panel.y), panel.limits(), (layer.x, layer.y), strict=True)
    ]
    for x, y, words in zip(*places, layer.data[layer.text], strict=True):
        left, top, right = x * width, y * height, x * width + 6 * len(words)
        is_free = right <= width and all(
            abs(top - other) > 12 or right < start or end < left for start, other, end in taken
        )
        kept.append(is_free)
        if is_free:
            taken.append((left, top, right))
    return replace(layer, data=layer.data[kept])


def _share(axis: Axis, limits: Limits, values: Sequence[float]) -> Any:
    """How far along an axis values lie, from 0 to 1."""
    low, *at, high = map(description.SCALES[axis.scale][0], [limits[0], *values, limits[1]])
    return [(value - low) / (high - low) for value in at]


def _legend(name: str, look: Look, figure: Figure) -> Spec:
    """A series as the legend shows it."""
    layers = [layer for panel in figure.panels for layer in panel.layers if layer.has_series(name)]
    marks = {layer.mark for layer in layers}
    return {
        "name": name,
        "colour": _COLOURS.get(look.colour, look.colour),
        "shape": look.shape if "point" in marks else None,
        "dash": _DASHES[look.dash] if "line" in marks or marks == {"rule"} else None,
        "opacity": 1
        if marks & {"point", "line", "rule"}
        else max((each.opacity for each in layers), default=1),
    }
