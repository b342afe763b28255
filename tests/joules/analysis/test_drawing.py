"""Figures are described once; PDF and page have the same layers and the same stars."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from joules.analysis import statistics
from joules.analysis.drawing import description, page_renderer, print_renderer
from joules.analysis.drawing.description import (
    Axis,
    Figure,
    Layer,
    Panel,
    compare_runs,
    describe_provenance,
)
from joules.analysis.drawing.palette import GREY, INK, Look, assign_looks
from joules.analysis.statistics import geometric_mean, mean_with_interval
from tests import ROOT

RUNS = pd.DataFrame({"arm": ["b", "a", "a", "a"], "energy": [5.0, 1.0, 2.0, 4.0]})
WORDS = {"a": "A", "b": "B", "never": "never run"}
NO_PAIRS = pd.DataFrame(columns=["group", "base", "n", "stars", "statistic"])


def pairs(*rows):
    columns = ["group", "base", "n", "stars"]
    made = pd.DataFrame(rows, columns=columns)
    return made.assign(statistic=made["group"] + "_vs_" + made["base"])


@pytest.fixture
def draw():
    """Draw a described figure; returns its axes."""
    made = []

    def drawn(figure):
        made.append(print_renderer.draw_figure(figure))
        return made[-1].axes

    yield drawn
    for figure in made:
        plt.close(figure)


def layers_of(shown):
    return [layer for panel in shown["panels"] for layer in panel["layers"]]


@pytest.mark.parametrize(("scale", "mean_of"), [("linear", mean_with_interval), ("log", geometric_mean)])
def test_every_block_is_a_point_and_beside_them_is_their_mean(scale, mean_of):
    blocks, intervals, means = compare_runs(RUNS, "arm", "energy", WORDS, NO_PAIRS, Axis(scale=scale)).layers
    assert sorted(blocks.data["value"]) == [1.0, 2.0, 4.0, 5.0]
    assert dict(zip(blocks.data["arm"], blocks.data["place"], strict=True)) == {"a": -0.12, "b": 0.88}
    mean, low, high = mean_of([1.0, 2.0, 4.0])
    of_a = means.data.set_index("arm").loc["a"]
    assert (of_a["mean"], of_a["n"]) == (mean, 3)
    assert intervals.data.set_index("arm").loc["a", ["ci_low", "ci_high"]].tolist() == [low, high]


def test_an_interval_ends_at_limits_that_are_stated():
    runs = pd.DataFrame({"arm": ["a", "a"], "share": [20.0, 90.0]})
    panel = compare_runs(runs, "arm", "share", {"a": "A"}, NO_PAIRS, Axis(limits=(0, 100)))
    assert panel.layers[1].data[["ci_low", "ci_high"]].to_numpy().tolist() == [[0.0, 100.0]]


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_cloud_is_drawn_by_the_points_that_can_be_told_apart(scale):
    many = np.exp(np.random.default_rng(0).normal(0, 3, 50_000))
    runs = pd.DataFrame({"arm": "a", "energy": many})
    points, _, mean = compare_runs(runs, "arm", "energy", {"a": "A"}, NO_PAIRS, Axis(scale=scale)).layers
    assert len(points.data) <= 2001
    place = np.log if scale == "log" else np.asarray
    heights, drawn = np.sort(place(many)), np.sort(place(points.data["value"].to_numpy()))
    above = np.clip(np.searchsorted(drawn, heights), 1, len(drawn) - 1)
    nearest = np.minimum(abs(drawn[above] - heights), abs(heights - drawn[above - 1]))
    assert nearest.max() <= np.ptp(heights) / 2000
    assert mean.data["mean"].item() == (geometric_mean if scale == "log" else mean_with_interval)(many)[0]


def test_points_of_one_height_are_a_point():
    runs = pd.DataFrame({"arm": ["a"] * 3000, "energy": 2.0})
    points = compare_runs(runs, "arm", "energy", {"a": "A"}, NO_PAIRS, Axis()).layers[0]
    assert points.data["value"].tolist() == [2.0]


def test_bands_are_drawn_where_a_column_has_one():
    arms = pd.DataFrame({"arm": ["a"], "energy_band_low": [1.0], "energy_band_high": [3.0]})
    panel = compare_runs(RUNS, "arm", "energy", WORDS, NO_PAIRS, Axis(), arms=arms, factor=10)
    drawn = panel.clip_layer(panel.layers[0]).data
    assert drawn[["band_from", "band_to"]].to_numpy().tolist() == [[10.0, 30.0]]
    assert len(compare_runs(RUNS, "arm", "energy", WORDS, NO_PAIRS, Axis(), arms=arms[["arm"]]).layers) == 3


def test_print_and_page_have_the_same_layers_marks_and_stars(draw):
    arms = pd.DataFrame({"arm": ["a", "b"], "energy_band_low": 0.5, "energy_band_high": 9.0})
    tested = pairs(("b", "a", 9, "**"), ("b", "other", 9, "****"))
    panel = compare_runs(RUNS, "arm", "energy", WORDS, tested, Axis("energy in J", "log"), arms=arms)
    figure = Figure([panel], 3.0)
    (axes,) = draw(figure)
    assert [text.get_text() for text in axes.texts] == ["**"]
    shown = page_renderer.show_figure(figure)
    assert [(star["mark"], star["level"]) for star in shown["panels"][0]["stars"]] == [("**", 0)]
    assert shown["statistics"] == ["b_vs_a"]
    assert shown["note"] == description.STAR_LEVELS
    assert axes.figure.get_supxlabel() == shown["note"]
    points = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
    printed_points = sorted(y for line in points for y in line.get_ydata())
    page_points = sorted(
        row[layer["y"]] for layer in layers_of(shown) if layer["mark"] == "point" for row in layer["rows"]
    )
    assert page_points == pytest.approx(printed_points, rel=1e-5)
    (low, high), (bottom, top) = panel.limits()
    upright = shown["panels"][0]["y"]
    assert (upright["scale"], upright["limits"]) == ("log", [bottom, top])
    assert axes.get_xlim() == (low, high)


@pytest.mark.parametrize("stars", [[None, None], [np.nan, np.nan], ["ns", None], ["****", "ns"]])
def test_pairs_without_stars_are_drawn_without_any(draw, stars):
    """A single replicate, or pairs that do not vary, have no test."""
    runs = pd.DataFrame({"arm": ["a", "b", "c"], "energy": [1.0, 1.0, 2.0]})
    tested = pairs(("a", "c", 4, stars[0]), ("b", "c", 4, stars[1]))
    (axes,) = draw(
        Figure([compare_runs(runs, "arm", "energy", dict(zip("abc", "abc", strict=True)), tested, Axis())], 3)
    )
    drawn = sorted(text.get_text() for text in axes.texts)
    assert drawn == sorted(mark for mark in stars if isinstance(mark, str))


def test_brackets_keep_clear_of_points_intervals_and_one_another(draw):
    """Also on a logarithmic axis, whose limits the ranges below the points extend."""
    runs = pd.DataFrame({"arm": list("aabbccc"), "energy": [100.0, 120, 90, 105, 900, 1000, 1400]})
    arms = pd.DataFrame({"arm": list("abc"), "energy_band_low": 2.0, "energy_band_high": 90.0})
    tested = pairs(("b", "a", 9, "**"), ("c", "a", 9, "**"), ("c", "b", 9, "**"))
    words = dict(zip("abc", "abc", strict=True))
    panel = compare_runs(runs, "arm", "energy", words, tested, Axis("energy in J", "log"), arms=arms)
    (axes,) = draw(Figure([panel], 3))
    brackets = [line for line in axes.get_lines() if line.get_linestyle() != "None"]
    assert len(brackets) == 3
    highest = panel.stars.data.groupby("name")["value"].max()
    assert highest["c"] > 1400
    for bracket in brackets:
        box = bracket.get_window_extent()
        left, right = (round(place) for place in bracket.get_xdata()[[0, -1]])
        below = [axes.transData.transform((0, highest[name]))[1] for name in "abc"[left : right + 1]]
        assert box.y0 > max(below)
        assert not any(box.overlaps(other.get_window_extent()) for other in brackets if other is not bracket)
    stars = [text.get_window_extent() for text in axes.texts]
    assert not any(star.overlaps(other) for star in stars for other in stars if other is not star)


def test_brackets_that_share_a_place_have_levels_of_their_own():
    tested = pairs(("b", "a", 9, "*"), ("d", "a", 9, "*"), ("d", "c", 9, "*"), ("c", "b", 9, "*"))
    words = dict(zip("abcd", "abcd", strict=True))
    runs = pd.DataFrame({"arm": list("abcd"), "energy": 1.0})
    stars = compare_runs(runs, "arm", "energy", words, tested.assign(mark="*"), Axis()).stars
    assert description.stack_brackets(stars) == [0, 2, 0, 1]


def test_a_test_of_three_pairs_does_not_say_that_there_is_no_difference():
    assert description.format_stars("ns", 3) == "n=3"
    assert description.format_stars("ns", 4) == "ns"
    assert description.format_stars("**", 3) == "**"


def test_the_levels_of_stars_are_named():
    assert "* p ≤ .05, ** p ≤ .01, *** p ≤ .001, **** p ≤ .0001" in description.STAR_LEVELS
    assert len(statistics.STARS) == 4


def test_nothing_to_draw_is_a_sentence_without_axes():
    figure = Figure((), note="no ratio was measured")
    drawn = print_renderer.draw_figure(figure)
    assert (drawn.axes, [text.get_text() for text in drawn.texts]) == ([], ["no ratio was measured"])
    plt.close(drawn)
    shown = page_renderer.show_figure(figure)
    assert (shown["panels"], shown["series"], shown["note"]) == ([], [], "no ratio was measured")


def test_many_names_are_told_apart_by_colour_and_shape_together():
    names = [f"name {number}" for number in range(42)]
    made = assign_looks(names)
    assert len({(look.colour, look.shape) for look in made.values()}) == 42
    assert assign_looks(reversed(names)) == made


EVERY_MARK = pd.DataFrame(
    {
        "x": [1.0, 10, 100],
        "y": [1.0, 3, 2],
        "low": [0.5, 2, 1],
        "high": [2.0, 4, 3],
        "kind": ["one", "one", "two"],
        "words": ["first", "second", "third"],
        "colour": ["#112233", "#445566", "#778899"],
        "statistic": ["s.a", "s.b", None],
    }
)


def every_mark():
    layers = [
        Layer("area", EVERY_MARK, "x", "low", y2="high", name="all", opacity=0.2),
        Layer("rect", EVERY_MARK, "x", "low", "y", "high", fill="colour"),
        Layer("line", EVERY_MARK, "x", "y", by="kind", dash="dashed", is_stepped=True, tips=("words",)),
        Layer("rule", EVERY_MARK, "x", "low", y2="high", by="kind"),
        Layer("point", EVERY_MARK, "x", "y", by="kind", is_hollow=True, tips=("words", "x", "absent")),
        Layer("text", EVERY_MARK, "x", "y", text="words", align="right"),
        Layer("label", EVERY_MARK, "x", "y", text="words", look=Look(INK)),
        description.draw_reference(x=3),
        description.draw_reference(y=1),
    ]
    x = Axis("length in m", "log", second="length in feet", factor=3.28)
    series = assign_looks(["one", "two"]) | {"all": Look(GREY)}
    panels = [
        Panel(layers, x, Axis(names=["a", "b", "c", "d", "e"]), "left\nside"),
        Panel([], Axis(), Axis()),
    ]
    return Figure(panels, 3.0, series, columns=2)


def test_every_mark_is_drawn_by_both(draw):
    axes, empty = draw(every_mark())[:2]
    assert len(axes.patches) == 3
    assert {text.get_text() for text in axes.texts} >= {"first", "second", "third"}
    assert not empty.get_lines()
    shown = page_renderer.show_figure(every_mark())
    marks = {layer["mark"] for layer in layers_of(shown)}
    assert marks == {"area", "rect", "line", "rule", "point", "text", "label"}
    assert shown["panels"][0]["x"]["second"] == "length in feet"
    assert [(one["name"], one["shape"] is None) for one in shown["series"]] == [
        ("one", False),
        ("two", False),
        ("all", True),
    ]
    assert shown["statistics"] == ["s.a", "s.b"]
    assert "NaN" not in json.dumps(shown)


def test_references_reach_over_the_whole_panel_and_do_not_widen_it():
    panel = every_mark().panels[0]
    without = replace(panel, layers=panel.layers[:-2])
    (low, high), ends = panel.limits()
    assert panel.limits() == without.limits()
    upright = panel.clip_layer(panel.layers[-2]).data
    assert upright[["x", "y", "x2", "y2"]].to_numpy().tolist() == [[3, ends[0], 3, ends[1]]]
    assert low < 1
    assert high > 100


@pytest.mark.parametrize(
    ("axis", "limits", "expected"),
    [
        (Axis(scale="log"), (0.8, 120.0), {1: "1", 2: "2", 5: "5", 10: "10", 100: "100"}),
        (Axis(scale="log"), (1e-8, 2e6), {1e-6: "10⁻⁶", 1e-3: "0.001", 1: "1", 1e3: "1000"}),
        (Axis(scale="log"), (2e5, 9e5), {5e5: "5×10⁵"}),
        (Axis(scale="symlog"), (-12.0, 120.0), {-10: "-10", 0: "0", 1: "1", 100: "100"}),
        (Axis(names=["a", "b"]), (-0.5, 1.5), {0: "a", 1: "b"}),
    ],
)
def test_ticks_are_decades_in_words(axis, limits, expected):
    found = dict(description.place_ticks(axis, limits))
    for place, words in expected.items():
        assert any(math.isclose(place, there) and words == found[there] for there in found), found
    assert len(found) <= 12


def test_ticks_of_a_linear_axis_are_the_renderers():
    assert description.place_ticks(Axis(), (0.0, 1.0)) is None


def test_a_users_settings_of_matplotlib_change_no_byte(tmp_path):
    """Neither the user's style nor a missing back end."""
    code = (
        "import sys; from pathlib import Path; from joules.analysis.drawing import print_renderer;"
        "from tests.joules.analysis.test_drawing import every_mark;"
        "drawn = print_renderer.draw_figure(every_mark());"
        "print_renderer.save_figure(drawn, Path(sys.argv[1]), 'figure', {})"
    )
    made = []
    for name, settings, environment in (
        ("plain", "", {}),
        (
            "own",
            "lines.linewidth: 9\nfont.size: 20\naxes.grid: True\nsvg.fonttype: none\nfont.family: cursive\n"
            "text.usetex: True\nsavefig.facecolor: red\nsavefig.dpi: 30\nfigure.autolayout: True\n",
            {"MPLBACKEND": "nonsense"},
        ),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "matplotlibrc").write_text(settings)
        command = [sys.executable, "-c", code, str(folder / "out")]
        path = {"PYTHONPATH": str(ROOT), "MATPLOTLIBRC": str(folder), "PATH": "", "HOME": str(tmp_path)}
        subprocess.run(command, cwd=folder, env=path | environment, check=True)
        made.append({file.name: file.read_bytes() for file in (folder / "out").iterdir()})
    assert made[0].keys() == {"figure.pdf", "figure.svg", "figure.provenance.json"}
    assert made[0] == made[1]
    text = made[0]["figure.svg"].decode()
    assert str(tmp_path) not in text
    assert "<dc:date>" not in text


def names_beside(points, names):
    with print_renderer.use_style():
        figure, axes = plt.subplots()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        print_renderer.label_points(axes, [x for x, _ in points], [y for _, y in points], names)
        figure.canvas.draw()
        boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
        edges = (axes.bbox.x0, axes.bbox.x1)
        plt.close(figure)
    return boxes, edges


def test_names_of_points_stay_within_the_axes():
    names = ["left_of_its_point", "right_of_its_point"]
    boxes, (left, right) = names_beside([(0.99, 0.5), (0.01, 0.5)], names)
    assert set(boxes) == set(names)
    assert all(left <= box.x0 and box.x1 <= right for box in boxes.values())


def test_a_name_covers_no_line():
    with print_renderer.use_style():
        figure, axes = plt.subplots()
        axes.plot([0, 1], [0.4, 0.6])
        axes.vlines([0.45], 0, 1)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        print_renderer.label_points(axes, [0.5], [0.5], ["on the line and beside another"])
        (name,) = axes.texts
        assert name.get_ha() == "left"
        assert name.get_va() == "top"
        plt.close(figure)


def test_a_name_that_would_cover_others_is_left_out():
    names = [f"the_same_place_{number}" for number in range(6)]
    by_name, _ = names_beside([(0.5, 0.5)] * 6, names)
    boxes = list(by_name.values())
    assert 1 <= len(boxes) < 6
    assert not any(box.overlaps(other) for box in boxes for other in boxes if other is not box)


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
    assert description.name_model(model, family) == written


def test_a_range_over_models_stands_where_the_axis_has_a_unit_of_energy():
    """It is that of the shown quantity, and not of another energy in the table."""
    arms = pd.DataFrame(
        {
            "provenance": ["modelled"] * 2,
            "energy_per_pass_j": [1.0, 2.0],
            "energy_per_pass_j_band_low": [0.5, 1.2],
            "energy_per_pass_j_band_high": [1.1, 3.0],
            "idle_energy_j": [1.0, 1.0],
            "idle_energy_j_band_low": [0.1, 0.1],
            "idle_energy_j_band_high": [9.0, 9.0],
            "saved_percent": [1.0, 2.0],
        }
    )
    assert describe_provenance(arms) == "modelled"
    assert describe_provenance(arms, "energy_per_pass_j") == "modelled; other models 0.5 to 1.5 times"
    counted = arms[["provenance", "energy_per_pass_j"]].assign(provenance="counter")
    assert describe_provenance(counted, "energy_per_pass_j") == "counter"
    with pytest.raises(ValueError, match="'saved_percent' has no unit of energy"):
        describe_provenance(arms, "saved_percent")
