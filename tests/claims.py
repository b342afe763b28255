"""Claims for tests."""

from joules.study.claims import Claim


def claim(**given):
    """A claim that something is above zero, changed by what is given."""
    return Claim.model_validate(
        {
            "kind": "primary",
            "statement": "It is.",
            "statistic": "s",
            "comparison": ">",
            "value": 0.0,
            "contradicted_if": "it is not",
            "null_hypothesis": "it is nothing",
            "chance_to_fail": 0.975,
            "declared": {"date": "2026-01-01"},
        }
        | given
    )
