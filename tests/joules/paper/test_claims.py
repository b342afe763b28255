"""The sentence that the paper prints for a claim and its verdict."""

import pandas as pd
import pytest

from joules.analysis import sensitivity
from joules.errors import UserError
from joules.paper import claims
from joules.paper.claims import state_claim, state_claim_briefly
from joules.power.models import POWER_MODELS
from tests.claims import claim


@pytest.mark.parametrize(
    ("statement", "verdict", "sentence"),
    [
        ("A step costs less.", "supported", "A step costs less (e)."),
        ("A step costs less.", "inconclusive", "This campaign cannot decide whether a step costs less (e)."),
        (
            "The step costs less.",
            "contradicted",
            "This campaign contradicts the claim that the step costs less (e).",
        ),
        ("PPO learns.", "inconclusive", "This campaign cannot decide whether PPO learns (e)."),
        (
            "ResNet-50 uses less.",
            "contradicted",
            "This campaign contradicts the claim that ResNet-50 uses less (e).",
        ),
    ],
)
def test_a_name_keeps_its_capitals_in_a_sentence(statement, verdict, sentence):
    row = {"claim": "any", "statement": statement, "verdict": verdict, "evidence": "e"}
    row |= {"declaration": "before the data"}
    assert state_claim(pd.DataFrame([row])) == sentence
    assert state_claim_briefly(pd.DataFrame([row])) == sentence.replace(" (e)", "")


BOUND = 1.0
MODELS = tuple(POWER_MODELS)[:2]


def evaluate(monkeypatch, as_read, other, p=(0.001, 0.001), kind="primary"):
    """The verdict where the default model gives one (estimate, low, high) and another model another one."""
    monkeypatch.setattr(claims, "load_claims", lambda _experiment: {"c": claim(kind=kind, value=BOUND)})
    unknown = dict.fromkeys([*sensitivity.UNFLAGGED_COLUMNS, *sensitivity.MODEL_COLUMNS], float("nan"))
    columns = ("estimate", "ci_low", "ci_high")
    rows = [
        {"statistic": "s", "power_model": model, "takes_part": True, "p_bound": each}
        | dict(zip(columns, numbers, strict=True))
        for model, numbers, each in zip(MODELS, (as_read, other), p, strict=True)
    ]
    (row,) = claims.evaluate_claims(
        {"any": pd.DataFrame([rows[0] | unknown])}, {"any": pd.DataFrame(rows)}
    ).to_dict("records")
    return row


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ((1.3, 1.1, 1.5), "supported"),
        # The interval widens, the estimate stays on its side.
        ((1.3, 0.9, 1.8), "inconclusive"),
        ((0.9, 0.7, 1.2), "depends on the power model"),
        ((0.8, 0.7, 0.9), "depends on the power model"),
    ],
)
def test_a_verdict_depends_on_the_power_model_where_the_estimate_crosses_the_bound(
    monkeypatch, other, verdict
):
    row = evaluate(monkeypatch, (1.4, 1.2, 1.6), other)
    assert (row["verdict"], row["as_read_verdict"]) == (verdict, "supported")
    assert ("inconclusive under" in row["evidence"]) == (verdict == "inconclusive")


def test_the_correction_makes_no_verdict_depend_on_the_power_model(monkeypatch):
    """It multiplies the largest p of all models once."""
    row = evaluate(monkeypatch, (1.4, 1.01, 1.8), (1.4, 1.01, 1.8), p=(0.03, 0.06))
    assert (row["p"], row["p_holm"], row["verdict"]) == (0.06, 0.06, "inconclusive")
    assert row["uncorrected_verdict"] == "supported"


def test_a_claim_that_was_declared_after_the_data_says_so(monkeypatch):
    late = claim(declared={"date": "2026-11-25", "commit": "3e2ff087a9", "data_known": ["one", "two"]})
    monkeypatch.setattr(claims, "load_claims", lambda _experiment: {"late": late, "early": claim()})
    table = claims.evaluate_claims({"any": pd.DataFrame(columns=["statistic"])}, {})
    assert table["declaration"].to_list() == ["exploratory", "before the data"]
    assert table.loc[0, ["declared_on", "declared_in", "data_known"]].to_list() == [
        "2026-11-25",
        "3e2ff087a9",
        "one two",
    ]
    assert state_claim(table[:1]).endswith("(not measured in this campaign; exploratory).")
    assert claims.display(table)["declared"].to_list() == [
        "exploratory, 2026-11-25",
        "before the data, 2026-01-01",
    ]


def test_tables_that_do_not_say_which_models_take_part_are_to_be_made_again():
    models = pd.DataFrame({"statistic": ["a"], "power_model": ["codecarbon"], "estimate": [1.0]})
    statistics = pd.DataFrame({"statistic": ["a"], "contrast": ["ratio"], "unit": ["1"], "estimate": [1.0]})
    with pytest.raises(UserError, match="lacks takes_part, p_bound: run 'joules tabulate layer_kinds'"):
        claims.evaluate_claims({"layer_kinds": statistics}, {"layer_kinds": models})


def test_published_readings_and_not_a_campaign_decide_their_claims():
    row = {"claim": "any", "statement": "A step costs less.", "verdict": "inconclusive", "evidence": "e"}
    published = pd.DataFrame([row | {"read_by": "wall meters", "declaration": "before the data"}])
    assert state_claim(published) == "The published readings cannot decide whether a step costs less (e)."
    contradicted = published.assign(verdict="contradicted")
    assert (
        state_claim(contradicted) == "The published readings contradict the claim that a step costs less (e)."
    )
