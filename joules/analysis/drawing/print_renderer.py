"""Figures in print, by matplotlib: PDF for the paper, SVG to look at."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from operator import mul
from pathlib import Path
from typing import Any

# Before matplotlib is imported, which refuses a back end that it does not know.
os.environ["MPLBACKEND"] = "agg"

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.path import Path as Line
from matplotlib.ticker import NullLocator
from matplotlib.transforms import Bbox

from joules.analysis.drawing import description as described
from joules.analysis.drawing.description import Axis, Layer, Panel
from joules.analysis.drawing.palette import Look
from joules.analysis.drawing.sidecar import SIDECAR
from joules.study.fingerprint import file_sha256

# Width of the paper's text, in inches.
TEXT_IN = 6.3

_SHAPES = {
    "circle": "o",
    "square": "s",
    "triangle-up": "^",
    "diamond": "D",
    "triangle-down": "v",
    "cross": "P",
}
_DASHES = {"solid": "-", "dashed": "--", "dotted": ":"}
_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.titlesize": 7,
    "legend.frameon": False,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.02,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "pdf.fonttype": 42,
    "svg.hashsalt": "fixed",
}


@contextmanager
def use_style() -> Iterator[None]:
    """Plots drawn in the body start from matplotlib's defaults, whatever the user's own are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def draw_figure(described_figure: described.Figure) -> Figure:
    """A described figure, drawn. Close it after use."""
    of = described_figure
    with use_style():
        if not of.panels:
            figure = plt.figure(figsize=(TEXT_IN, of.height_in))
            figure.text(0.5, 0.5, of.note, ha="center", va="center")
            return figure
        rows = -(-len(of.panels) // of.columns)
        figure, grid = plt.subplots(
            rows,
            of.columns,
            figsize=(TEXT_IN * of.width, of.height_in),
            layout="constrained",
            squeeze=False,
            height_ratios=of.heights,
        )
        for axes in grid.flat[len(of.panels) :]:
            axes.set_axis_off()
        for axes, panel in zip(grid.flat, of.panels, strict=False):
            _draw_panel(axes, panel, of.series)
        handles = [
            _handle(name, look, [layer for panel in of.panels for layer in panel.layers])
            for name, look in of.series.items()
        ]
        if handles:
            # A label of the figure would lie below its legend.
            figure.legend(handles=handles, loc="outside lower center", ncols=4, title=of.note or None)
        elif of.note:
            figure.supxlabel(of.note, fontsize=7)
        # Until it is drawn a figure knows no sizes. Brackets stay where they are put: they come last.
        _place_artists(grid.flat[0])
        for axes, panel in zip(grid.flat, of.panels, strict=False):
            for layer in panel.layers:
                if layer.mark == "label":
                    data = panel.clip_layer(layer).data
                    label_points(axes, data[layer.x], data[layer.y], data[layer.text])
            if panel.stars is not None:
                _draw_stars(axes, panel.stars)
    return figure


def _draw_panel(axes: Axes, panel: Panel, looks: Mapping[str, Look]) -> None:
    for order, layer in enumerate(panel.layers):
        drawable = panel.clip_layer(layer)
        for _, rows, look in drawable.split_series(looks):
            if len(rows):
                _draw_layer(axes, drawable, rows, look, 2 + order / 100)
    axes.set_title(panel.title)
    for axis, which, limits in zip((panel.x, panel.y), "xy", panel.limits(), strict=True):
        _set_axis(axes, axis, which, limits)


def _set_axis(axes: Axes, axis: Axis, which: str, limits: tuple[float, float]) -> None:
    is_named = axis.names is not None
    if not is_named:
        getattr(axes, f"set_{which}scale")(axis.scale, **({"linthresh": 1} if axis.scale == "symlog" else {}))
    ends = limits[::-1] if which == "y" and is_named else limits
    axes.set(**{f"{which}lim": ends, f"{which}label": axis.title})
    ticks = described.place_ticks(axis, limits)
    if ticks is not None:
        ruler = axes.xaxis if which == "x" else axes.yaxis
        ruler.set_ticks(
            [place for place, _ in ticks], [word for _, word in ticks], fontsize=7 + (not is_named)
        )
        ruler.set_minor_locator(NullLocator())
        if axis.slant:
            plt.setp(ruler.get_ticklabels(), rotation=axis.slant, ha="right", rotation_mode="anchor")
    if axis.second is not None:
        factor = axis.factor
        upper = axes.secondary_xaxis("top", functions=(partial(mul, factor), partial(mul, 1 / factor)))
        upper.tick_params(labelsize=7)
        upper.set_xlabel(axis.second, fontsize=7)


def _draw_layer(axes: Axes, layer: Layer, rows: pd.DataFrame, look: Look, order: float) -> None:
    """Draws the rows of one series."""
    style: dict[str, Any] = {"color": look.colour, "alpha": layer.opacity, "zorder": order}
    x, y, dash = rows[layer.x], rows[layer.y], _DASHES[layer.dash or look.dash]
    ends = [rows[end].to_list() for end in (layer.x, layer.y, layer.x2 or layer.x, layer.y2 or layer.y)]
    if layer.mark == "point":
        fill = "white" if layer.is_hollow else look.colour
        axes.plot(x, y, _SHAPES[look.shape], markerfacecolor=fill, markersize=layer.points, **style)
    elif layer.mark == "line":
        steps = "steps-post" if layer.is_stepped else "default"
        for _, part in rows.groupby(layer.within, sort=False) if layer.within else [("", rows)]:
            line = part[layer.x], part[layer.y], dash
            axes.plot(*line, drawstyle=steps, linewidth=layer.points, **style)
    elif layer.mark == "area":
        axes.fill_between(x, y, rows[layer.y2], linewidth=0, **style)
    elif layer.mark == "rule":
        segments = [[(left, low), (right, high)] for left, low, right, high in zip(*ends, strict=True)]
        lines = LineCollection(segments, linewidths=layer.points, linestyles=dash, **style)
        axes.add_collection(lines, autolim=False)
    elif layer.mark == "rect":
        colours = [look.colour] * len(rows) if layer.fill is None else rows[layer.fill]
        for left, low, right, high, colour in zip(*ends, colours, strict=True):
            style |= {"color": colour}
            axes.add_patch(Rectangle((left, low), right - left, high - low, linewidth=0, **style))
    elif layer.mark == "text":
        style |= {"ha": layer.align, "va": "center_baseline", "fontsize": layer.points}
        aside = ({"left": 4, "center": 0, "right": -4}[layer.align], 0)
        style |= {"textcoords": "offset points", "annotation_clip": False}
        for left, low, words in zip(x, y, rows[layer.text], strict=True):
            axes.annotate(words, (left, low), aside, **style)


def _handle(name: str, look: Look, layers: Sequence[Layer]) -> Line2D | Patch:
    """What the legend shows of a series: its point, its line or both, or else its area."""
    of_it = [layer for layer in layers if layer.has_series(name)]
    marks = {layer.mark for layer in of_it}
    if not marks & {"point", "line", "rule"}:
        opacity = max((layer.opacity for layer in of_it), default=1)
        return Patch(color=look.colour, alpha=opacity, label=name, linewidth=0)
    is_line = "line" in marks or "point" not in marks
    is_hollow = all(layer.is_hollow for layer in of_it if layer.mark == "point")
    return Line2D(
        [],
        [],
        color=look.colour,
        linestyle=_DASHES[look.dash] if is_line else "",
        marker=_SHAPES[look.shape] if "point" in marks else "",
        markerfacecolor="white" if is_hollow else look.colour,
        markersize=4,
        linewidth=1,
        label=name,
    )


def label_points(axes: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str]) -> None:
    """Writes each name next to its point, without overlapping points, lines, bars or other names.

    A name is left out if there is no such place within the axes. Call last, after scales and limits are set.
    """
    _place_artists(axes)
    places: list[dict[str, Any]] = [
        {"xytext": (4, 3), "ha": "left", "va": "bottom"},
        {"xytext": (-4, 3), "ha": "right", "va": "bottom"},
        {"xytext": (4, -3), "ha": "left", "va": "top"},
        {"xytext": (-4, -3), "ha": "right", "va": "top"},
    ]
    pixels = axes.transData.transform(list(zip(x, y, strict=True)))
    taken = [Bbox.from_bounds(left - 3, low - 3, 6, 6) for left, low in pixels]
    lines = list(_drawn_lines(axes))
    for point, name in zip(zip(x, y, strict=True), names, strict=True):
        for place in places:
            text = axes.annotate(name, point, textcoords="offset points", fontsize=7, **place)
            box = text.get_window_extent()
            within = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
            within &= axes.bbox.y0 <= box.y0 and box.y1 <= axes.bbox.y1
            is_free = not any(box.overlaps(other) for other in taken)
            if within and is_free and not any(line.intersects_bbox(box, filled=False) for line in lines):
                taken.append(box)
                break
            text.remove()


def _place_artists(axes: Axes) -> None:
    """Gives the axes of the figure the places that they have when it is drawn."""
    figure = axes.get_figure(root=True)
    if figure is not None and (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)


def _drawn_lines(axes: Axes) -> Iterator[Line]:
    """What is drawn as a line, in pixels."""
    for line in axes.get_lines():
        if line.get_linestyle() != "None":
            yield line.get_transform().transform_path(line.get_path())
    for collection in axes.collections:
        if isinstance(collection, LineCollection):
            yield from map(collection.get_transform().transform_path, collection.get_paths())


def _draw_stars(axes: Axes, stars: described.Stars) -> None:
    """Brackets with the marks of statistics.csv. Nothing is tested here."""
    if stars.pairs.empty:
        return
    # Its import takes a second, which figures without stars do not need.
    from statannotations.Annotator import Annotator

    # Brackets lie above the axis that ends at its stated limit.
    low, high = axes.get_ylim()
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= high])
    # What brackets keep clear of is read from lines that lie above one name each.
    highest = stars.data.groupby("name")["value"].max().dropna()
    posts = [
        axes.plot([place, place], [highest[name]] * 2, alpha=0)[0]
        for place, name in enumerate(stars.order)
        if name in highest
    ]
    plotted = {"data": stars.data, "x": "name", "y": "value", "order": list(stars.order)}
    pairs = list(zip(stars.pairs["group"], stars.pairs["base"], strict=True))
    annotator = Annotator(axes, pairs, verbose=False, **plotted)
    annotator.configure(text_format="star", loc="inside", line_width=0.8, fontsize=8, text_offset=0)
    annotator.set_custom_annotations(list(stars.pairs["mark"]))
    # It draws the figure after each bracket, of which only the sizes count.
    vars(axes.figure.canvas)["draw_idle"] = partial(_place_artists, axes)
    annotator.annotate()
    del vars(axes.figure.canvas)["draw_idle"]
    for post in posts:
        post.remove()


def save_figure(figure: Figure, folder: Path, name: str, provenance: dict[str, Any]) -> None:
    """Writes `<name>.pdf`, `<name>.svg` and `<name>.provenance.json`; same inputs, same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    pdf, svg, stated = (folder / f"{name}{suffix}" for suffix in (".pdf", ".svg", SIDECAR))
    # Where drawing is interrupted, nothing says what the files are, and they are drawn again.
    stated.unlink(missing_ok=True)
    with use_style():
        figure.savefig(pdf, metadata={"CreationDate": None, "Producer": None, "Creator": None})
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    sidecar = provenance | {"files": {path.name: file_sha256(path) for path in (pdf, svg)}}
    stated.write_text(json.dumps(sidecar, indent=2, sort_keys=True) + "\n", encoding="utf-8")
