"""The look all figures share, and how a figure reaches the disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.path import Path as Line
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from statannotations.Annotator import Annotator

from joules.analysis import columns, statistics
from joules.analysis.palette import HUES
from joules.analysis.sensitivity import HIGH, LOW
from joules.analysis.sidecar import SIDECAR
from joules.study.fingerprint import file_sha256

# Widths of a text column of the paper, in inches.
COLUMN_IN = 6.3

COLOURS = (*HUES, "#000000")
BLUE, VERMILION, GREEN, *_ = COLOURS
_SHAPES = ("o", "s", "^", "D", "v", "P")

# Of more points than this above a name, those are drawn that can be told apart: as many as this from the
# lowest to the highest, on a column that has fewer pixels.
_CLOUD = 2_000

# Below so many pairs a difference that was not found says little.
_LEAST_FOR_NS = 4

_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.02,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 7,
    "axes.prop_cycle": cycler(color=COLOURS),
    "pdf.fonttype": 42,
    "svg.hashsalt": "fixed",
}


@contextmanager
def style() -> Iterator[None]:
    """Plots drawn in the body look like the paper's; no display is needed."""
    mpl.use("agg")
    with mpl.rc_context(), sns.axes_style("ticks"):
        mpl.rcParams.update(_STYLE)
        yield


def nothing(words: str) -> Figure:
    """A sentence, where there is nothing to draw."""
    figure, axes = plt.subplots(figsize=(COLUMN_IN, 0.4), layout="constrained")
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center")
    return figure


def marks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """A colour and a shape for each name, the same for the same set of names: keywords of matplotlib's plots.
    No two of up to 42 names share both."""
    return {
        name: {
            "color": COLOURS[number % len(COLOURS)],
            "marker": _SHAPES[number % len(_SHAPES)],
        }
        for number, name in enumerate(sorted(set(names)))
    }


def provenance(table: pd.DataFrame) -> str:
    """How the energy in `table` was read, for an axis label; where it is modelled, with the least and the
    largest factor by which another model of power would have moved any number of it."""
    kinds = ", ".join(sorted(set(table["provenance"])))
    whole = ["energy_j"] if "energy_j" in table else [name for name in table if columns.unit(name) == "J"]
    factors = [
        table[f"{name}{end}"] / table[name]
        for name in whole
        for end in (LOW, HIGH)
        if f"{name}{end}" in table
    ]
    if not factors:
        return kinds
    every = pd.concat(factors)
    return f"{kinds}; other models {every.min():.2g} to {every.max():.2g} times"


def bands(axes: Axes, places: Any, table: pd.DataFrame, column: str, scale: float = 1.0) -> None:
    """A thin vertical line at each of `places` over the band of a column; nothing where it has none."""
    if f"{column}{LOW}" in table:
        axes.vlines(
            places, scale * table[f"{column}{LOW}"], scale * table[f"{column}{HIGH}"], color="0.75", zorder=0
        )


def spans(axes: Axes, places: Any, table: pd.DataFrame, column: str) -> None:
    """A thin horizontal line at each of `places` over the band of a column; nothing where it has none."""
    if f"{column}{LOW}" in table:
        axes.hlines(places, table[f"{column}{LOW}"], table[f"{column}{HIGH}"], color="0.3", linewidth=0.8)


def label_points(axes: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str]) -> None:
    """Writes each name beside its point where it stays within the axes and covers no point, line or legend
    and no name written before; where there is no such place, the name is left out. Call last, with scales,
    limits and legend set."""
    axes.figure.canvas.draw()
    places: list[dict[str, Any]] = [
        {"xytext": (4, 3), "ha": "left", "va": "bottom"},
        {"xytext": (-4, 3), "ha": "right", "va": "bottom"},
        {"xytext": (4, -3), "ha": "left", "va": "top"},
        {"xytext": (-4, -3), "ha": "right", "va": "top"},
    ]
    pixels = axes.transData.transform(list(zip(x, y, strict=True)))
    taken = [Bbox.from_bounds(left - 3, low - 3, 6, 6) for left, low in pixels]
    legend = axes.get_legend()
    if legend is not None:
        taken.append(legend.get_window_extent())
    lines = list(_lines(axes))
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


def _lines(axes: Axes) -> Iterator[Line]:
    """What is drawn as a line, in pixels."""
    for line in axes.get_lines():
        if line.get_linestyle() != "None":
            yield line.get_transform().transform_path(line.get_path())
    for collection in axes.collections:
        if isinstance(collection, LineCollection):
            yield from map(collection.get_transform().transform_path, collection.get_paths())


def plain(model: str, family: str) -> str:
    """A model as its family is written, and what tells it apart: 'squeezenet1_1' is 'SqueezeNet 1.1'."""
    rest = model.removeprefix(family.lower().replace(" ", "_")).strip("_")
    rest = re.sub(r"(^|_)(x?\d)_(\d(?:gf)?)$", r"\1\2.\3", rest)
    return f"{family} {rest.replace('_', ' ')}".strip()


def stars(figure: Figure, compared: Iterable[tuple[Axes, pd.DataFrame, Mapping[str, Any]]]) -> None:
    """Draws stars on panels of a figure of constrained layout, and says below it what they stand for.

    `compared` are a panel each: a seaborn plot, rows of statistics.csv, and the plot's data, x, y and order.
    Nothing is tested here: what the figure shows is what the table says. Call last, with scales, limits and
    labels set: brackets stay where they are put.
    """
    levels = ", ".join(
        f"{mark} p ≤ {f'{limit:g}'.removeprefix('0')}" for limit, mark in reversed(statistics.STARS)
    )
    figure.supxlabel(f"{levels}, ns above, after Holm; n, too few blocks to find a difference", fontsize=7)
    # Until it is drawn a plot knows neither its limits nor its place.
    figure.canvas.draw()
    for axes, rows, plotted in compared:
        _annotate(axes, rows, plotted)


def _annotate(axes: Axes, statistics: pd.DataFrame, plotted: Mapping[str, Any]) -> None:
    present = set(plotted["order"])
    rows = [
        row for row in statistics.dropna(subset=["stars"]).itertuples() if {row.group, row.base} <= present
    ]
    if not rows:
        return
    annotator = Annotator(axes, [(row.group, row.base) for row in rows], verbose=False, **plotted)
    annotator.configure(text_format="star", loc="inside", line_width=0.8, fontsize=8, text_offset=0)
    annotator.set_custom_annotations([_mark(row) for row in rows])
    annotator.annotate()


def _mark(row: Any) -> str:
    """The stars of a row; of a test that could hardly have found anything, its n instead of 'ns'."""
    return f"n={row.n:.0f}" if row.stars == "ns" and row.n < _LEAST_FOR_NS else str(row.stars)


def dots(
    axes: Axes, data: pd.DataFrame, x: str, y: str, order: Sequence[str], geometric: bool = False
) -> None:
    """Every row of `data` as a small grey point above its name in `order`, and beside them their mean as a
    dot with its interval; the geometric mean for axes that are logarithmic. Of thousands of rows a point
    stands for all that no reader could tell from it; mean and interval are those of every row."""
    for place, name in enumerate(order):
        values = data.loc[data[x] == name, y].dropna().to_numpy(dtype=np.float64)
        points = _apart(values, geometric) if len(values) > _CLOUD else values
        axes.plot(np.full(len(points), place - 0.12), points, "o", color="0.65", markersize=3)
        if not len(values):
            continue
        mean, low, high = (statistics.geometric_mean if geometric else statistics.mean_with_interval)(values)
        axes.plot(place + 0.12, mean, "o", color=BLUE, markersize=4.5)
        if np.isfinite(low):
            # No error bar, which brackets do not keep clear of. Where limits are set it ends at them.
            ends = (low, high) if axes.get_autoscaley_on() else np.clip((low, high), *axes.get_ylim())
            axes.plot([place + 0.12] * 2, ends, color=BLUE, linewidth=1.2)
    axes.set_xticks(range(len(order)), order)
    axes.set_xlim(-0.5, max(len(order), 1) - 0.5)


def _apart(values: NDArray[np.float64], geometric: bool) -> NDArray[np.float64]:
    heights = np.log(values) if geometric else values
    steps = np.round((heights - heights.min()) / (np.ptp(heights) or 1.0) * _CLOUD)
    return values[np.unique(steps, return_index=True)[1]]


def save(figure: Figure, folder: Path, name: str, provenance: dict[str, Any]) -> None:
    """Writes `<name>.pdf`, `<name>.png` and `<name>.provenance.json`; same inputs, same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    pdf, png = folder / f"{name}.pdf", folder / f"{name}.png"
    figure.savefig(pdf, metadata={"CreationDate": None, "Producer": None, "Creator": None})
    figure.savefig(png, dpi=200, metadata={"Software": None})
    plt.close(figure)
    sidecar = provenance | {"files": {path.name: file_sha256(path) for path in (pdf, png)}}
    (folder / f"{name}{SIDECAR}").write_text(
        json.dumps(sidecar, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
