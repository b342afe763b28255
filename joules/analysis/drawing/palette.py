"""Colours and shapes of all figures, in print and in a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# Neutral colours: emphasis, points behind a mean, ranges. In dark mode a page shows ink as light.
INK, GREY, PALE = "#000000", "#7F7F7F", "#C4C4C4"
# Okabe and Ito 2008: distinguishable with every kind of colour vision; their yellow is too pale for lines.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = HUES = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)
COLOURS = (*HUES, INK)
# Names of `chart.js`; matplotlib's are in `print_renderer`.
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")

Dash = Literal["solid", "dashed", "dotted"]


@dataclass(frozen=True)
class Look:
    """What a thing looks like in every figure: its colour, the shape of its points, the dash of its lines."""

    colour: str = GREY
    shape: str = "circle"
    dash: Dash = "solid"


# Look of marks without a series or a look of their own.
PLAIN = Look()


def mix_colour(share: float) -> str:
    """A pale colour for a number from -1 (red) over 0 (white) to 1 (blue)."""
    colour = BLUE if share > 0 else VERMILION
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 + 0.7 * abs(share) * (part - 255)):02X}" for part in parts)


def assign_looks(names: Iterable[str]) -> dict[str, Look]:
    """A look for each name, the same for the same set of names. No two of up to 42 names share colour and
    shape."""
    return {
        name: Look(COLOURS[number % len(COLOURS)], SHAPES[number % len(SHAPES)])
        for number, name in enumerate(sorted(set(names)))
    }
