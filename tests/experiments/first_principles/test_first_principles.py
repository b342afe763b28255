"""Limits of the machine, and the tables made from its runs."""

import numpy as np
import pandas as pd
import pytest

from experiments.first_principles import figures, report, tables, workload
from experiments.first_principles.parameters import Parameters
from joules.analysis.records import Records
from joules.analysis.steps import tabulate_records
from joules.paper.values import check_bands, check_values
from joules.study.design import load_design
from tests import records

DESIGN = load_design("first_principles")
LIMITS = {
    "matmul": {"flops": 4e10},
    "convolution": {"flops": 6e10},
    "memory": {"bytes_moved": 1e10},
    "launch": {"launches": 4e5},
}
NETWORKS = {
    "resnet18": "ResNet",
    "resnet34": "ResNet",
    "squeezenet1_1": "SqueezeNet",
    "mobilenet_v2": "MobileNet",
    "alexnet": "AlexNet",
    "vgg11": "VGG",
}


@pytest.mark.parametrize("scale", ["smoke", "quick", "standard", "paper"])
def test_every_arm_is_a_valid_setting(scale):
    for parameters in DESIGN.runs(scale).values():
        Parameters.model_validate(parameters)


@pytest.mark.parametrize("limit", list(LIMITS))
def test_a_window_counts_what_its_passes_do(limit):
    prepared = workload.build({"limit": limit, "threads": 1, "warmup_s": 0.01, "window_s": 0.05}, seed=0)
    metrics = workload.run(prepared, records.FakeSession())
    counted = {name: metrics[name] for name in ("flops", "bytes_moved", "launches") if metrics[name]}
    assert list(counted) == list(LIMITS[limit])
    assert metrics["passes"] >= 3
    assert 0 < metrics["quickest_pass_s"] * metrics["passes"] < 60


def at_limits(threads=1, suffix=""):
    for number, (limit, counts) in enumerate(LIMITS.items()):
        metrics = {"threads": threads, "passes": 1, "quickest_pass_s": 1.0}
        metrics |= {"flops": 0.0, "bytes_moved": 0.0, "launches": 0.0, **counts}
        for block in range(2):
            yield records.run(
                f"{limit}{suffix}",
                block,
                experiment="first_principles",
                parameters={"limit": limit},
                metrics=metrics,
                energy_j=20.0 + number,
            )


def of_networks():
    random = np.random.default_rng(0)
    for arm, family in NETWORKS.items():
        for block in range(2):
            yield records.run(
                arm,
                block,
                energy_j=20.0 + block,
                parameters={"family": family, "model": arm, "batch_size": 1, "image_size": 64},
                metrics={"threads": 1, "layers": 20, "inferences": int(random.integers(20, 200))},
            )


def of_layers():
    for block in range(2):
        yield records.run(
            "linear",
            block,
            experiment="layer_kinds",
            parameters={"kind": "linear"},
            metrics={"threads": 1, "passes": 4, "layers": 1, "flops": 2e9, "bytes_moved": 4e9},
        )
        yield records.run(
            "mobilenet_linear",
            block,
            experiment="layer_kinds",
            parameters={"kind": "linear", "model": "mobilenet_v2"},
            metrics={"threads": 1, "passes": 4, "layers": 3, "flops": 2e9, "bytes_moved": 4e9},
        )


def made(*entries):
    return tables.tabulate(Records.from_sequence(entries), DESIGN)


def test_networks_and_layers_are_predicted_from_the_limits_alone():
    rooflines = made(*at_limits(), *of_networks(), *of_layers())["rooflines"].set_index("arm")
    assert set(rooflines.index) == {*NETWORKS, "linear"}
    layer = rooflines.loc["linear"]
    # 2e9 operations at 6e10 a second, 4e9 bytes at 1e10 a second; passes of half a second.
    assert layer["flops_s"] == pytest.approx(2 / 60)
    assert layer["whole_s"] == layer["per_operator_s"] == pytest.approx(0.4)
    assert layer["per_operator_launches_s"] == pytest.approx(0.4 + 1 / 4e5)
    assert layer["time_per_pass_s"] == pytest.approx(0.5)
    # 22 J in two seconds while memory was the limit.
    assert layer["per_operator_j"] == pytest.approx(0.4 * 22 / 2)


def test_threads_without_limits_have_no_roofline():
    assert made(*at_limits(threads=2), *of_networks())["rooflines"].empty


def test_predictors_with_and_without_a_fit_stand_beside_each_other():
    result = made(*at_limits(), *of_networks())
    predictors = result["predictors"].set_index(["predictor", "outcome"])
    assert predictors.loc[("fitted_flops", "time"), "fitted"]
    assert not predictors.loc[("per_operator", "energy"), "fitted"]
    assert (predictors["error_factor"] >= 1).all()
    assert (predictors["worst_factor"] >= predictors["error_factor"]).all()
    assert set(predictors["families"]) == {5}
    statistics = result["statistics"].set_index("statistic")
    ratio = statistics.loc["time_errors.per_operator_launches_vs_flops"]
    parts = [statistics.loc[f"time_error.{name}", "estimate"] for name in ("per_operator_launches", "flops")]
    assert ratio["estimate"] == pytest.approx(parts[0] / parts[1])
    assert ratio["n"] == 5


def test_a_training_is_its_operations_over_utilisation_and_efficiency():
    grids = pd.DataFrame({"region": ["WOR", "A", "B"], "intensity_g_per_kwh": [500.0, 50.0, 1000.0]})
    gpt3 = tables.trainings(grids).set_index("training").loc["GPT-3 175B"]
    at_peak_kwh = 3640 * 24 * 1e15 / 448e9 / 1000
    assert gpt3["least_kwh"] == pytest.approx(at_peak_kwh / 0.462 * 1.1)
    assert gpt3["most_kwh"] == pytest.approx(at_peak_kwh / 0.213 * 1.58)
    # Patterson et al. 2021 publish 1,287 MWh.
    assert gpt3["least_kwh"] < 1.287e6 < gpt3["most_kwh"]
    assert gpt3["worst_region_kg"] / gpt3["best_region_kg"] == pytest.approx(20)


def test_grids_have_the_sources_of_their_electricity():
    grids = made(*at_limits())["grids"].set_index("region")
    assert {"WOR", "USA", "CHN", "FRA"} <= set(grids.index)
    assert grids.loc["FRA", "nuclear_percent"] > 50
    shares = grids.drop("WOR").filter(like="_percent").sum(axis=1)
    assert shares.between(60, 101).all()


def test_this_machine_stands_beside_published_processors():
    processors = made(*at_limits(), *at_limits(2, "_all_cores"))["processors"].set_index("processor")
    assert processors.loc["this machine, one core", "peak_flops_per_s"] == 6e10
    assert "this machine, 2 cores" in processors.index
    v100 = processors.loc["NVIDIA V100 PCIe"].set_index("precision").loc["tensor"]
    assert v100["peak_flops_per_j"] == pytest.approx(448e9)


@pytest.mark.parametrize("others", [True, False])
def test_everything_is_drawn_and_printed(others):
    idles = [
        records.idle(block).model_copy(update={"position": position, "experiment": "first_principles"})
        for block in (0, 1)
        for position in ("before", "after")
    ]
    used = [*of_networks(), *of_layers()] if others else []
    result = tabulate_records("first_principles", Records.from_sequence([*at_limits(), *used, *idles]))
    assert set(result["runs"]["experiment"]) == {"first_principles"}
    for name in DESIGN.figures:
        assert getattr(figures, name)(result).panels
    check_bands(check_values(report.values(result)), report.display(result))
