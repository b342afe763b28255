"""The sentence that the paper prints for a claim and its verdict."""

import pandas as pd
import pytest

from joules.paper.claims import state_claim


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
    assert state_claim(pd.DataFrame([row])) == sentence
