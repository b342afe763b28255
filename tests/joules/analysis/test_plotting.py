"""What figures share: points with intervals, colours and shapes, names as they are written."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from joules.analysis import plotting
from joules.analysis.statistics import geometric_mean, mean_with_interval


@pytest.fixture
def axes():
    with plotting.style():
        figure, made = plt.subplots(layout="constrained")
        yield made
        plt.close(figure)


@pytest.mark.parametrize(("geometric", "mean_of"), [(False, mean_with_interval), (True, geometric_mean)])
def test_every_block_is_a_point_and_beside_them_stands_their_mean(axes, geometric, mean_of):
    data = pd.DataFrame({"arm": ["b", "a", "a", "a"], "y": [5.0, 1.0, 2.0, 4.0]})
    plotting.dots(axes, data, "arm", "y", ["a", "b", "never run"], geometric=geometric)
    drawn = [line.get_ydata() for line in axes.get_lines()]
    assert [list(each) for each in drawn if len(each) == 3] == [[1.0, 2.0, 4.0]]
    mean, low, high = mean_of([1.0, 2.0, 4.0])
    assert any(np.allclose(each, [mean]) for each in drawn)
    assert any(np.allclose(each, [low, high]) for each in drawn if len(each) == 2)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "never run"]


def test_nothing_to_draw_is_a_sentence_without_axes():
    figure = plotting.nothing("no ratio was measured")
    (axes,) = figure.axes
    assert not axes.axison
    assert [text.get_text() for text in axes.texts] == ["no ratio was measured"]
    plt.close(figure)


def test_many_names_are_told_apart_by_colour_and_shape_together():
    names = [f"name {number}" for number in range(42)]
    marks = plotting.marks(names)
    assert len({(mark["color"], mark["marker"]) for mark in marks.values()}) == 42
    assert plotting.marks(reversed(names)) == marks


@pytest.mark.parametrize("geometric", [False, True])
def test_a_cloud_is_drawn_by_the_points_that_can_be_told_apart(axes, geometric):
    many = np.exp(np.random.default_rng(0).normal(0, 3, 50_000))
    data = pd.DataFrame({"arm": ["a"] * len(many), "y": many})
    plotting.dots(axes, data, "arm", "y", ["a"], geometric=geometric)
    points = axes.get_lines()[0].get_ydata()
    assert len(points) <= 2001
    heights, drawn = (np.sort(np.log(each) if geometric else each) for each in (many, points))
    above = np.clip(np.searchsorted(drawn, heights), 1, len(drawn) - 1)
    nearest = np.minimum(abs(drawn[above] - heights), abs(heights - drawn[above - 1]))
    assert nearest.max() <= np.ptp(heights) / 2000
    (mean,) = axes.get_lines()[1].get_ydata()
    assert mean == (geometric_mean if geometric else mean_with_interval)(many)[0]


def test_points_of_one_height_are_a_point(axes):
    data = pd.DataFrame({"arm": ["a"] * 3000, "y": 2.0})
    plotting.dots(axes, data, "arm", "y", ["a"])
    assert list(axes.get_lines()[0].get_ydata()) == [2.0]


def test_an_interval_ends_at_limits_that_are_set(axes):
    axes.set_ylim(0, 100)
    plotting.dots(axes, pd.DataFrame({"arm": ["a", "a"], "y": [20.0, 90.0]}), "arm", "y", ["a"])
    (ends,) = [line.get_ydata() for line in axes.get_lines()[2:]]
    assert list(ends) == [0, 100]


def test_brackets_keep_clear_of_points_intervals_and_one_another(axes):
    """On a logarithmic axis, too, whose limits the bands below the points widen."""
    data = pd.DataFrame({"arm": list("aabbccc"), "y": [100.0, 120, 90, 105, 900, 1000, 1400]})
    plotted = {"data": data, "x": "arm", "y": "y", "order": ["a", "b", "c"]}
    plotting.dots(axes, **plotted, geometric=True)
    axes.set(yscale="log", ylabel="energy in J")
    axes.vlines([0.36, 1.36, 2.36], 2, 90)
    drawn = axes.get_lines()
    pairs = pd.DataFrame({"group": ["b", "c", "c"], "base": ["a", "a", "b"], "n": 9, "stars": "**"})
    plotting.stars(axes.figure, [(axes, pairs, plotted)])
    axes.figure.canvas.draw()
    brackets = [line for line in axes.get_lines() if line not in drawn]
    assert len(brackets) == 3
    for bracket in brackets:
        box = bracket.get_window_extent()
        others = [*drawn, *(other for other in brackets if other is not bracket)]
        assert not any(box.overlaps(other.get_window_extent()) for other in others)
    stars = [text.get_window_extent() for text in axes.texts]
    assert not any(star.overlaps(other) for star in stars for other in stars if other is not star)


def test_the_levels_of_stars_stand_below_them(axes):
    plotting.stars(axes.figure, [])
    said = axes.figure.get_supxlabel()
    assert "* p ≤ .05, ** p ≤ .01, *** p ≤ .001, **** p ≤ .0001" in said


@pytest.mark.parametrize(
    ("model", "family", "written"),
    [
        ("squeezenet1_1", "SqueezeNet", "SqueezeNet 1.1"),
        ("wide_resnet50_2", "Wide ResNet", "Wide ResNet 50 2"),
        ("alexnet", "AlexNet", "AlexNet"),
        ("vit_b_16", "ViT", "ViT b 16"),
        ("shufflenet_v2_x1_0", "ShuffleNet", "ShuffleNet v2 x1.0"),
        ("regnet_y_1_6gf", "RegNet", "RegNet y 1.6gf"),
    ],
)
def test_a_model_is_called_as_its_family_is_written(model, family, written):
    assert plotting.plain(model, family) == written
