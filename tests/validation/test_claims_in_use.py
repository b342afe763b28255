"""Nulls of claims: the skewness that samples tell of, and decisions under it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.flops_vs_energy.predictors import against_flops
from joules.analysis.inference import CorrelationSample, ExtremeSample, MedianSample
from joules.means import MeanSample
from joules.study.claims import load_claims
from tests import RELEASED
from validation import claims_in_use

TRIALS = 400
# Two standard errors above 5 %.
LIMIT = 0.05 + 0.022
ABOVE = load_claims("flops_vs_energy")["small_images_save_less_than_operations"]
BELOW = load_claims("first_principles")["fit_beats_roofline"]
COLUMNS = (np.arange(20.0), np.arange(20.0) + np.cos(np.arange(20.0)))


def used(sample, claim=ABOVE, skewness=0.0):
    return claims_in_use.Used("experiment", "name", claim, sample, skewness)


@pytest.mark.parametrize("skewness", [-2.0, 0.0, 1.0])
def test_draws_have_mean_variance_and_skewness(skewness):
    drawn = claims_in_use.draw_pearson(np.random.default_rng(0), skewness, (200_000,))
    moments = drawn.mean(), drawn.var(), claims_in_use.sample_skewness(drawn)
    assert moments == pytest.approx((0, 1, skewness), abs=0.05)


def test_the_skewness_of_a_population_is_not_taken_for_that_of_small_samples():
    random = np.random.default_rng(1)
    found = claims_in_use.sample_skewness(claims_in_use.draw_pearson(random, 1.5, (4000, 4)))
    table = pd.DataFrame({"source": np.arange(4000) % 20, "n": 4, "skewness": found})
    assert found.mean() < 0.6
    assert claims_in_use.estimate_skewness(table) == pytest.approx(1.6, abs=0.3)


def test_normal_values_decide_either_way_in_half_of_five_per_cent():
    sample = MeanSample.from_logs(np.arange(4.0))
    for decided in claims_in_use.decide(used(sample), COLUMNS, 2000).values():
        assert decided.shares == pytest.approx((0.025, 0.025), abs=0.01)


def test_a_claim_of_less_is_supported_by_intervals_below():
    sample = MeanSample.from_logs(np.arange(4.0))
    of_less, of_more = (
        claims_in_use.decide(used(sample, claim, 2.0), COLUMNS, 1000)["skewness 2.0"]
        for claim in (BELOW, ABOVE)
    )
    assert of_less.shares == of_more.shares[::-1]
    assert of_less.shares[0] > LIMIT > of_less.shares[1]


def test_an_extreme_is_tried_with_one_part_at_the_bound():
    parts = tuple(MeanSample.from_values(np.arange(8.0) + shift) for shift in range(3))
    nulls = claims_in_use.decide(used(ExtremeSample(parts, is_largest=False)), COLUMNS, TRIALS)
    together, alone = (decided.shares[0] for decided in list(nulls.values())[:2])
    # Parts that are equal lie above together: all three give the same.
    assert alone == pytest.approx(together, abs=0.02)
    assert alone <= LIMIT


def test_correlations_are_decided_as_often_as_stated():
    claim = ABOVE.model_copy(update={"value": 0.5})
    (decided,) = claims_in_use.decide(used(CorrelationSample(0.9, 20), claim), COLUMNS, TRIALS).values()
    assert max(decided.shares) <= LIMIT


def test_two_primary_claims_are_corrected_together():
    p, supported = np.array([0.04, 0.04, 0.02, 0.5]), np.array([True, True, True, False])
    one = claims_in_use.Decisions(supported, ~supported, p)
    other = dataclasses.replace(one, p=np.array([0.5, 0.04, 0.5, 0.5]))
    # Doubled, .04 rejects nothing, not even twice; .02 does.
    assert claims_in_use.support_of_two(one, other) == 0.25


def test_claims_of_the_released_paper_have_their_samples(monkeypatch):
    # Reading all records of all campaigns takes long.
    measured = ["flops_vs_energy", "rl_ranking", "grokking"]
    monkeypatch.setattr(claims_in_use, "campaigns", lambda _: [RELEASED])
    monkeypatch.setattr(type(RELEASED), "measured_experiments", lambda _: measured)
    samples = claims_in_use.read_samples(RELEASED)
    found = {each.name: each for each in claims_in_use.claims_in_use(samples, RELEASED.name)}
    assert 0 < found["cores_save_energy"].skewness <= 4
    assert found["tdp_exceeds_the_wall"].skewness == 0
    # Systems and families are no replicates of one another; scores are no logarithms.
    assert isinstance(found["operations_miss_half_at_the_wall"].sample, MedianSample)
    assert found["bytes_and_layers_help"].sample.test == "skewed_t"
    for name in ("control_gains_nothing", "plateau_beats_patience"):
        assert {part.test for part in found[name].sample.parts} == {"skewed_t"}


def test_a_system_that_is_far_from_all_others_decides_no_claim():
    claim = load_claims("published_measurements")["operations_miss_half_at_the_wall"]
    values = (0.06, 0.2, 0.21, 0.22, 0.24, 0.25, 0.26, 0.3, 0.32, 0.33, 0.34, 0.35, 0.36)
    used = claims_in_use.Used("published_measurements", "one", claim, MedianSample(values), 0.0)
    (decided,) = claims_in_use.decide(used, (np.zeros(3), np.zeros(3)), 400).values()
    assert max(decided.shares) <= claims_in_use.LEVEL


def test_families_that_are_skewed_have_the_wider_interval():
    errors = pd.DataFrame({"flops": np.zeros(5), "bytes": [0.1, 0.1, 0.1, 0.1, 2.0]})
    (row,) = against_flops(errors, pd.Series(list("abcde")))
    student = MeanSample.from_logs(errors["bytes"]).interval()
    assert row["ci_high"] > student[1]
