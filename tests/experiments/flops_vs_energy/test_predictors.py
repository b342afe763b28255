"""Predictors of energy, on published data and on data with a known answer."""

import numpy as np
import pandas as pd
import pytest

from experiments.flops_vs_energy import predictors


def r2(associations, group, outcome="energy_per_inference_j", predictor="flops"):
    rows = associations.query("group == @group and outcome == @outcome and predictor == @predictor")
    return rows["r2"].item()


def test_the_published_figures_come_out_of_the_published_runs():
    associations = predictors.associations(predictors.reference())
    assert r2(associations, "all") == pytest.approx(0.09, abs=0.005)
    assert r2(associations, "VGG") > 0.99
    assert r2(associations, "DenseNet") == pytest.approx(0.755, abs=0.001)
    assert r2(associations, "all", outcome="latency_median_s") == pytest.approx(0.005, abs=0.001)


def test_the_published_share_is_that_without_one_family():
    reference = predictors.reference()
    (row,) = (
        predictors.associations(reference[reference["family"] != "HarDNet"])
        .query("group == 'all' and predictor == 'flops' and outcome == 'energy_per_inference_j'")
        .to_dict("records")
    )
    # As published, truncated: R squared .083 and Pearson's r .289.
    assert row["r2"] == pytest.approx(0.083, abs=0.001)
    assert row["pearson"] == pytest.approx(0.289, abs=0.0005)


def cross_validation(table):
    return predictors.cross_validation(table, predictors.unseen_errors(table))


def arms(seed=0):
    random = np.random.default_rng(seed)
    bytes_moved = np.exp(random.normal(18, 1, 24))
    return pd.DataFrame(
        {
            "family": [f"family {index // 4}" for index in range(24)],
            "flops": np.exp(random.normal(21, 1, 24)),
            "parameters": np.exp(random.normal(16, 1, 24)),
            "activations": np.exp(random.normal(15, 1, 24)),
            "layers": random.integers(10, 100, 24),
            "bytes_moved": bytes_moved,
            "energy_per_inference_j": 1e-9 * bytes_moved * np.exp(random.normal(0, 0.05, 24)),
            "latency_median_s": 1e-10 * bytes_moved,
        }
    )


def test_the_predictor_that_drives_energy_is_found():
    regressions = cross_validation(arms()).set_index("regression")
    assert regressions["error_factor"].idxmin() in ("bytes", "flops_bytes_layers")
    assert regressions.loc["bytes", "r2"] > 0.95
    assert regressions.loc["flops", "r2"] < 0.2


def test_each_regression_is_set_against_operations_alone():
    table = arms()
    against = predictors.against_flops(predictors.unseen_errors(table), table["family"])
    rows = {row["group"]: row for row in against}
    assert {row["n"] for row in against} == {6}
    assert rows["bytes"]["estimate"] < rows["bytes"]["ci_high"] < 1
    assert rows["bytes"]["stars"] != "ns"
    assert rows["parameters"]["ci_high"] > 1


def test_intervals_hold_their_estimate():
    associations = predictors.associations(arms()).query("group == 'all'")
    for name in ("r2", "pearson", "spearman"):
        assert (associations[f"{name}_low"] <= associations[name]).all()
        assert (associations[name] <= associations[f"{name}_high"]).all()


def test_too_few_families_cannot_be_cross_validated():
    assert cross_validation(arms().query("family == 'family 0'")).empty
