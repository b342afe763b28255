"""What figures share: points with intervals, colours and shapes, names as they are written."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from joules.analysis import plotting
from joules.analysis.statistics import mean_ci, mean_with_interval


@pytest.fixture
def axes():
    with plotting.style():
        figure, made = plt.subplots(layout="constrained")
        yield made
        plt.close(figure)


@pytest.mark.parametrize(("geometric", "mean_of"), [(False, mean_with_interval), (True, mean_ci)])
def test_every_block_is_a_point_and_beside_them_stands_their_mean(axes, geometric, mean_of):
    data = pd.DataFrame({"arm": ["b", "a", "a", "a"], "y": [5.0, 1.0, 2.0, 4.0]})
    plotting.dots(axes, data, "arm", "y", ["a", "b", "never run"], geometric=geometric)
    drawn = [line.get_ydata() for line in axes.get_lines()]
    assert [list(each) for each in drawn if len(each) == 3] == [[1.0, 2.0, 4.0]]
    mean, low, high = mean_of([1.0, 2.0, 4.0])
    assert any(np.allclose(each, [mean]) for each in drawn)
    ends = np.concatenate([path.vertices[:, 1] for path in axes.collections[0].get_paths()])
    assert [ends.min(), ends.max()] == pytest.approx([low, high])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "never run"]


def test_many_names_are_told_apart_by_colour_and_shape_together():
    names = [f"name {number}" for number in range(42)]
    marks = plotting.marks(names)
    assert len({(mark["color"], mark["marker"]) for mark in marks.values()}) == 42
    assert plotting.marks(reversed(names)) == marks


def test_the_legend_of_stars_says_their_levels(axes):
    plotting.legend_of_stars(axes.figure)
    said = axes.figure.get_supxlabel()
    assert "* p ≤ .05, ** p ≤ .01, *** p ≤ .001, **** p ≤ .0001" in said


@pytest.mark.parametrize(
    ("model", "family", "written"),
    [
        ("squeezenet1_1", "SqueezeNet", "SqueezeNet 1.1"),
        ("wide_resnet50_2", "Wide ResNet", "Wide ResNet 50 2"),
        ("alexnet", "AlexNet", "AlexNet"),
        ("vit_b_16", "ViT", "ViT b 16"),
    ],
)
def test_a_model_is_called_as_its_family_is_written(model, family, written):
    assert plotting.plain(model, family) == written
