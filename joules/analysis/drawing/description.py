"""A figure described once, as layers of marks on data: `print_renderer` and `page_renderer` both draw it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.analysis import columns, statistics
from joules.analysis.drawing.palette import BLUE, GREY, PALE, PLAIN, Dash, Look
from joules.analysis.sensitivity import HIGH, LOW

Mark = Literal["point", "line", "area", "rule", "rect", "text", "label"]
Scale = Literal["linear", "log", "symlog"]
Limits = tuple[float, float]
Tables = Mapping[str, pd.DataFrame]

# Columns in the tooltip of a run and of an arm.
OF_RUN = ("arm", "block", "duration_s", "energy_j", "energy_uncertainty_j", "provenance", "flags")
OF_ARM = ("arm", "blocks", "provenance")

# Above this number of blocks, only those are drawn that are distinct at the resolution of the axis.
_CLOUD = 2_000
_SIZES = {"point": 4.0, "line": 1.2, "rule": 1.0, "text": 7.0, "label": 7.0, "area": 0.0, "rect": 0.0}
# Below so many pairs a difference that was not found says little.
_LEAST_FOR_NS = 4
# From numbers to places along an axis, and back.
SCALES: dict[Scale, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "linear": (float, float),
    "log": (math.log, math.exp),
    "symlog": (math.asinh, math.sinh),
}
_ENERGY_UNITS = ("J", "Wh", "kWh")
_DIGITS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
STAR_LEVELS = (
    ", ".join(f"{mark} p ≤ {f'{limit:g}'.removeprefix('0')}" for limit, mark in reversed(statistics.STARS))
    + ", ns above, after Holm; n, too few blocks to find a difference"
)


@dataclass(frozen=True, eq=False)
class Layer:
    """Marks of one kind on the rows of `data`.

    Args:
        mark: `point`, `rule`, `rect` and `text` draw each row; `line` and `area` connect the rows of a
            series; `label` writes a name next to a point if there is room.
        data: Rows; those without a value in a column that is used are left out.
        x, y: Columns of the place. Infinite ends of rules and rectangles lie at the edge of the panel.
        x2, y2: Columns of the other end (rule, rect) or edge (area).
        by: Column that names the series of a row; its look is in `Figure.series`.
        name: The one series of all rows.
        within: Column that separates the lines of one series.
        look: Look of a layer without series.
        text: Column that is written (text, label).
        fill: Column of colours (rect).
        size: Diameter of points, width of lines, height of letters, in printer's points.
        dash: Dash of this layer's lines, instead of the series'.
        is_stepped: Whether a line goes in steps, each as high as the row to its left.
        align: Alignment of a text at its place.
        tips: Columns that a page shows on hovering.
    """

    mark: Mark
    data: pd.DataFrame
    x: str
    y: str
    x2: str | None = None
    y2: str | None = None
    by: str | None = None
    name: str | None = None
    within: str | None = None
    look: Look = PLAIN
    text: str | None = None
    fill: str | None = None
    size: float | None = None
    opacity: float = 1.0
    is_hollow: bool = False
    dash: Dash | None = None
    is_stepped: bool = False
    align: Literal["left", "center", "right"] = "left"
    tips: Sequence[str] = ()

    @property
    def points(self) -> float:
        """The size, or that of its kind."""
        return _SIZES[self.mark] if self.size is None else self.size

    def has_series(self, name: str) -> bool:
        """Whether rows of a series are among the layer's."""
        return self.name == name or (self.by is not None and name in set(self.data[self.by]))

    def split_series(self, looks: Mapping[str, Look]) -> Iterator[tuple[str | None, pd.DataFrame, Look]]:
        """(name, rows, look) of each series, in order of appearance."""
        if self.by is None:
            yield self.name, self.data, looks[self.name] if self.name is not None else self.look
            return
        for name, rows in self.data.groupby(self.by, sort=False):
            yield str(name), rows, looks[str(name)]


@dataclass(frozen=True)
class Axis:
    """An axis with its unit in the title.

    `names` are words at 0, 1, 2 and so on (from the top on an upright axis). `second` is the title of another
    axis opposite, whose numbers are `factor` times as large.
    """

    title: str = ""
    scale: Scale = "linear"
    names: Sequence[str] | None = None
    limits: tuple[float | None, float | None] = (None, None)
    is_labelled: bool = True
    slant: float = 0
    most_ticks: int = 6
    second: str | None = None
    factor: float = 1.0


@dataclass(frozen=True, eq=False)
class Stars:
    """Marks of statistics.csv above pairs of named places.

    Args:
        pairs: Rows with `group`, `base`, `mark` and `statistic`.
        data: Rows with `name` and `value`, the points that brackets keep clear of.
        order: Names at 0, 1, 2 and so on.
    """

    pairs: pd.DataFrame
    data: pd.DataFrame
    order: Sequence[str]


@dataclass(frozen=True, eq=False)
class Panel:
    """Layers on two axes, and stars above them."""

    layers: Sequence[Layer]
    x: Axis
    y: Axis
    title: str = ""
    stars: Stars | None = None

    def limits(self) -> tuple[Limits, Limits]:
        """Ends of both axes, the same wherever the panel is drawn."""
        return _limits(self.x, self._values("x")), _limits(self.y, self._values("y"))

    def _values(self, axis: str) -> NDArray[np.float64]:
        used = [
            layer.data[name].to_numpy(dtype=np.float64)
            for layer in self.layers
            for name in (getattr(layer, axis), getattr(layer, f"{axis}2"))
            if name is not None and len(layer.data)
        ]
        return np.concatenate([*used, []])

    def clip_layer(self, layer: Layer) -> Layer:
        """The layer with rows that can be drawn, their ends within the axes."""
        used = [layer.x, layer.y, layer.x2, layer.y2, layer.text, layer.fill, layer.by]
        data = layer.data.dropna(subset=[name for name in used if name is not None])
        if layer.mark in ("rule", "rect", "area"):
            for (low, high), names in zip(
                self.limits(), ((layer.x, layer.x2), (layer.y, layer.y2)), strict=True
            ):
                for name in dict.fromkeys(filter(None, names)):
                    data = data.assign(**{name: data[name].astype(float).clip(low, high)})
        return replace(layer, data=data)


@dataclass(frozen=True, eq=False)
class Figure:
    """Panels, row by row.

    Args:
        series: Looks of all series, in the order of the legend.
        height_in: Height in print, in inches.
        width: Width in print, as a share of the text's.
        columns: Panels in a row.
        heights: Relative heights of rows.
        note: Words below all panels; without panels, all there is.
        costs: Versions of the figure for other costs than energy, by name ('time', 'cpu').
    """

    panels: Sequence[Panel]
    height_in: float = 0.4
    series: Mapping[str, Look] = field(default_factory=dict)
    width: float = 1.0
    columns: int = 1
    heights: Sequence[float] | None = None
    note: str = ""
    costs: Mapping[str, Figure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.note and any(panel.stars is not None for panel in self.panels):
            object.__setattr__(self, "note", STAR_LEVELS)


def with_costs(figures: Mapping[str, Figure]) -> Figure:
    """The first of several versions of a figure, one per cost, with all of them as `costs`."""
    return replace(next(iter(figures.values())), costs=figures)


def _limits(axis: Axis, values: NDArray[np.float64]) -> Limits:
    if axis.names is not None:
        return -0.5, max(len(axis.names), 1) - 0.5
    values = values[np.isfinite(values) & ((values > 0) | (axis.scale != "log"))]
    there, back = SCALES[axis.scale]
    low, high = (there(values.min()), there(values.max())) if len(values) else (there(1), there(10))
    padding = 0.05 * (high - low) or 0.5
    stated_low, stated_high = axis.limits
    return (
        back(low - padding) if stated_low is None else stated_low,
        back(high + padding) if stated_high is None else stated_high,
    )


def place_ticks(axis: Axis, limits: Limits) -> list[tuple[float, str]] | None:
    """Places and words of the ticks of an axis; None of a linear one, which each renderer divides."""
    if axis.names is not None:
        return list(enumerate(axis.names if axis.is_labelled else [""] * len(axis.names)))
    if axis.scale == "linear":
        return None
    reach = max(map(abs, limits)) if axis.scale == "symlog" else limits[1]
    least = 1.0 if axis.scale == "symlog" else limits[0]
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(reach))
    decades = math.log10(reach / least)
    digits = (1, 2, 5) if 3 * decades < axis.most_ticks + 1 else (1,)
    step = max(1, math.ceil((decades + 1) / axis.most_ticks))
    powers = [power for power in range(first, last + 1) if power % step == 0]
    places = [digit * 10.0**power for power in powers for digit in digits]
    if axis.scale == "symlog":
        places = [*(-place for place in places), 0.0, *places]
    low, high = limits
    return [
        (place, _number(place) if axis.is_labelled else "")
        for place in sorted(places)
        if low * (1 - 1e-9) <= place <= high * (1 + 1e-9)
    ]


def _number(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}"
    digit, _, power = f"{value:.0e}".partition("e")
    words = f"10{str(int(power)).translate(_DIGITS)}"
    return words if digit == "1" else f"{digit}×{words}"


def draw_reference(*, x: float | None = None, y: float | None = None) -> Layer:
    """A dotted line across the panel, at a place of one axis."""
    row = {"x": x, "x2": x, "y": -math.inf, "y2": math.inf}
    if y is not None:
        row = {"x": -math.inf, "x2": math.inf, "y": y, "y2": y}
    return Layer("rule", pd.DataFrame([row]), "x", "y", "x2", "y2", size=0.8, look=Look(dash="dotted"))


def draw_bands(
    data: pd.DataFrame,
    column: str,
    *,
    x: str | None = None,
    y: str | None = None,
    factor: float = 1.0,
    size: float = 1.0,
) -> list[Layer]:
    """Lines over the band of a column, times `factor`, over power models, if it has one: upright ones at `x`
    or level ones at `y`. They belong below the points."""
    ends = (f"{column}{LOW}", f"{column}{HIGH}")
    if ends[0] not in data:
        return []
    tips = (*(name for name in OF_ARM if name in data), *ends)
    data = data.assign(band_from=factor * data[ends[0]], band_to=factor * data[ends[1]])
    if x is not None:
        return [Layer("rule", data, x, "band_from", y2="band_to", look=Look(PALE), size=size, tips=tips)]
    return [Layer("rule", data, "band_from", str(y), x2="band_to", look=Look(PALE), size=size, tips=tips)]


def compare_runs(
    runs: pd.DataFrame,
    x: str,
    y: str,
    words: Mapping[str, str],
    tested: pd.DataFrame,
    axis: Axis,
    *,
    factor: float = 1.0,
    arms: pd.DataFrame | None = None,
    title: str = "",
    slant: float = 0,
) -> Panel:
    """A panel of runs by name, from left to right: blocks, mean with interval, range over power models.

    Blocks are grey points; the mean is geometric on a logarithmic axis. Stars are above.

    Args:
        runs: Rows with a name in `x` and a value in `y`, which is shown times `factor`.
        words: What is written below each name, in order.
        tested: Rows of statistics.csv whose stars are shown where both of a pair are named.
        axis: The upright axis.
        arms: Rows by `x` with the band of `y`.
    """
    order = list(words)
    shown = runs[runs[x].isin(order)].dropna(subset=[y])
    shown = shown.assign(place=shown[x].map({name: n - 0.12 for n, name in enumerate(order)}).astype(float))
    shown = shown.assign(value=factor * shown[y])
    mean_of = statistics.geometric_mean if axis.scale == "log" else statistics.mean_with_interval
    means = []
    for place, name in enumerate(order):
        values = shown.loc[shown[x] == name, "value"].to_numpy(dtype=np.float64)
        if len(values):
            mean, low, high = mean_of(values)
            means.append((name, place + 0.12, mean, low, high, len(values)))
    table = pd.DataFrame(means, columns=[x, "place", "mean", "ci_low", "ci_high", "n"])
    table[["ci_low", "ci_high"]] = table[["ci_low", "ci_high"]].clip(*axis.limits)
    blue, tips = Look(BLUE), (x, "mean", "ci_low", "ci_high", "n")
    if len(shown) > _CLOUD:
        parts = [
            _distinct(rows, axis.scale == "log") if len(rows) > _CLOUD else rows
            for _, rows in shown.groupby(x, sort=False)
        ]
        shown = pd.concat(parts)
    layers = [
        Layer("point", shown, "place", "value", size=3, look=Look(GREY), tips=(*OF_RUN, y)),
        Layer("rule", table, "place", "ci_low", y2="ci_high", size=1.2, look=blue, tips=tips),
        Layer("point", table, "place", "mean", size=4.5, look=blue, tips=tips),
    ]
    if arms is not None:
        summary = arms.set_index(x).reindex(order).reset_index().assign(place=np.arange(len(order)) + 0.36)
        layers = [*draw_bands(summary, y, x="place", factor=factor), *layers]
    measured, pairs = set(table[x]), tested.dropna(subset=["stars"])
    pairs = pairs[pairs["group"].isin(measured) & pairs["base"].isin(measured)]
    marks = [format_stars(*row) for row in zip(pairs["stars"], pairs["n"], strict=True)]
    tops = table.assign(value=table[["mean", "ci_high"]].max(axis=1))
    # Every name has its place, whether it was measured or not.
    points = pd.concat([shown, tops, pd.DataFrame({x: order})]).rename(columns={x: "name"})
    stars = Stars(pairs.assign(mark=marks), points[["name", "value"]], order)
    return Panel(layers, Axis(names=list(words.values()), slant=slant), axis, title, stars)


def format_stars(stars: str, n: float) -> str:
    """The stars of a test; of one that could hardly have found anything, its n instead of 'ns'."""
    return f"n={n:.0f}" if stars == "ns" and n < _LEAST_FOR_NS else stars


def _distinct(rows: pd.DataFrame, geometric: bool) -> pd.DataFrame:
    """Rows whose values a reader can tell apart: each of the others is nearer to one than a pixel."""
    values = rows["value"].to_numpy(dtype=np.float64)
    heights = np.log(values) if geometric else values
    steps = np.round((heights - heights.min()) / (np.ptp(heights) or 1.0) * _CLOUD)
    return rows.iloc[np.unique(steps, return_index=True)[1]]


def stack_brackets(stars: Stars) -> list[int]:
    """The level of each pair's bracket, from 0 up, so that none crosses another."""
    spans = [
        sorted((stars.order.index(row.group), stars.order.index(row.base)))
        for row in stars.pairs.itertuples()
    ]
    found: dict[int, int] = {}
    for number in sorted(range(len(spans)), key=lambda each: spans[each][1] - spans[each][0]):
        left, right = spans[number]
        taken = {
            level for other, level in found.items() if spans[other][0] <= right and left <= spans[other][1]
        }
        found[number] = next(level for level in range(len(spans)) if level not in taken)
    return [found[number] for number in range(len(spans))]


def describe_provenance(table: pd.DataFrame, energy: str = "") -> str:
    """How the energy in `table` was read, for an axis title.

    Args:
        table: a row an arm or a run, with its `provenance`.
        energy: the column that the axis shows, where it has a unit of energy.

    Returns:
        The provenance; where `energy` is modelled, with the least and the largest factor by which another
        power model would have changed any of its values.

    Raises:
        ValueError: where the column has no unit of energy.
    """
    kinds = ", ".join(sorted(set(table["provenance"])))
    if not energy:
        return kinds
    if columns.unit(energy) not in _ENERGY_UNITS:
        raise ValueError(f"'{energy}' has no unit of energy, so it has no range over power models")
    if f"{energy}{LOW}" not in table:
        return kinds
    every = pd.concat([table[f"{energy}{end}"] / table[energy] for end in (LOW, HIGH)])
    return f"{kinds}; other models {every.min():.2g} to {every.max():.2g} times"


def name_model(model: str, family: str) -> str:
    """Name of a model in the spelling of its family: 'squeezenet1_1' is 'SqueezeNet 1.1'."""
    rest = model.removeprefix(family.lower().replace(" ", "_")).strip("_")
    rest = re.sub(r"(^|_)(x?\d)_(\d(?:gf)?)$", r"\1\2.\3", rest)
    return f"{family} {rest.replace('_', ' ')}".strip()


def to_words(names: Sequence[str], by: str = " ") -> list[str]:
    """Names of code as words: with spaces, or a line each."""
    return [str(name).replace("_", by) for name in names]
