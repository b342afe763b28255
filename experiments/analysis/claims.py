"""Whether a campaign supports the paper's sentences."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Literal

import pandas as pd

from experiments.analysis.values import Value, significant
from experiments.config import Claim, load_claims

Verdict = Literal["supported", "contradicted", "not testable here"]

_HOLDS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
COLUMNS = [
    "experiment",
    "claim",
    "verdict",
    "statement",
    "statistic",
    "estimate",
    "ci_low",
    "ci_high",
    "comparison",
    "value",
    "published",
    "source",
    "evidence",
]


def judge(statistics: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a claim of each experiment, given its `statistics` table."""
    rows = [
        _row(experiment, name, claim, found.set_index("statistic"))
        for experiment, found in statistics.items()
        for name, claim in load_claims(experiment).items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(experiment: str, name: str, claim: Claim, found: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"experiment": experiment, "claim": name, **claim.model_dump()}
    if claim.statistic not in found.index:
        return row | {"verdict": "not testable here", "evidence": "not measured at this scale"}
    cells = found.loc[claim.statistic]
    estimate, low, high = (float(cells[column]) for column in ("estimate", "ci_low", "ci_high"))
    verdict, evidence = verdict_of(claim, estimate, low, high)
    return row | {
        "estimate": estimate,
        "ci_low": low,
        "ci_high": high,
        "verdict": verdict,
        "evidence": evidence,
    }


def verdict_of(claim: Claim, estimate: float, low: float, high: float) -> tuple[Verdict, str]:
    """(verdict, why). A claim is decided only where the whole 95 % interval falls on one side."""
    if pd.isna(estimate):
        return "not testable here", "not measured at this scale"
    if pd.isna(low) or pd.isna(high):
        return "not testable here", f"estimate {estimate:.3g} has no interval"
    holds = [_HOLDS[claim.comparison](bound, claim.value) for bound in (low, high)]
    interval = f"{estimate:.3g} [{low:.3g}, {high:.3g}] against {claim.comparison} {claim.value:g}"
    if all(holds):
        return "supported", interval
    if not any(holds):
        return "contradicted", interval
    return "not testable here", f"{interval}: the interval spans the bound"


def display(claims: pd.DataFrame) -> pd.DataFrame:
    """The verdicts as the paper's table prints them."""
    return pd.DataFrame(
        {
            "claim": [str(name).replace("_", " ") for name in claims["claim"]],
            "verdict": claims["verdict"],
            "evidence": claims["evidence"],
            "published": ["--" if pd.isna(value) else significant(value, 3) for value in claims["published"]],
        }
    )


def values(claims: pd.DataFrame) -> list[Value]:
    """The sentence the paper prints for each claim: the claim itself only where it is supported."""
    return [
        Value(
            f"claim.{row['claim']}",
            _sentence(row["statement"], row["verdict"], row["evidence"]),
            f"claims.csv {row['claim']}",
            experiment=row["experiment"],
        )
        for row in claims.to_dict("records")
    ]


def _sentence(statement: str, verdict: str, evidence: str) -> str:
    bare = statement.rstrip(".")
    inner = bare[0].lower() + bare[1:]
    if verdict == "supported":
        return f"{bare} ({evidence})."
    if verdict == "contradicted":
        return f"This campaign contradicts the claim that {inner} ({evidence})."
    return f"This campaign cannot decide whether {inner} ({evidence})."
