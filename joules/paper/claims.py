"""Whether a campaign supports the paper's sentences."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Literal

import pandas as pd

from joules.analysis import sensitivity
from joules.models import Closed, read_yaml, validate
from joules.paper.values import Value, significant
from joules.study.campaign import SELF
from joules.study.design import Name, experiment_folder
from joules.study.repository import repository_root


class Claim(Closed):
    """A sentence of the paper that a campaign can support or contradict."""

    statement: str
    statistic: str
    comparison: Literal["<", "<=", ">", ">="]
    value: float
    published: float | None = None
    source: str | None = None


class Claims(Closed):
    """An experiment's `claims.yaml`."""

    claims: dict[Name, Claim]


def load_claims(experiment: str) -> dict[str, Claim]:
    """The validated claims of `experiment`, by name."""
    path = experiment_folder(experiment) / "claims.yaml"
    return validate(Claims, read_yaml(path), str(path.relative_to(repository_root()))).claims


Verdict = Literal["supported", "contradicted", "inconclusive"]
_OPEN: Verdict = "inconclusive"

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
    *sensitivity.COLUMNS,
    "unflagged_verdict",
    "comparison",
    "value",
    "published",
    "source",
    "evidence",
]


def evaluate_claims(statistics: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a claim of each experiment, given its `statistics` table."""
    rows = [
        _row(experiment, name, claim, table.set_index("statistic"))
        for experiment, table in statistics.items()
        for name, claim in load_claims(experiment).items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(experiment: str, name: str, claim: Claim, statistics: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"experiment": experiment, "claim": name, **claim.model_dump()}
    if claim.statistic not in statistics.index:
        return row | {
            "verdict": _OPEN,
            "unflagged_verdict": _OPEN,
            "evidence": "not measured at this scale",
        }
    cells = statistics.loc[claim.statistic]
    estimate, low, high = (float(cells[column]) for column in ("estimate", "ci_low", "ci_high"))
    verdict, evidence = verdict_of(claim, estimate, low, high)
    unflagged = {column: float(cells[column]) for column in sensitivity.COLUMNS}
    _, *without_flags = unflagged.values()
    return row | {
        "estimate": estimate,
        "ci_low": low,
        "ci_high": high,
        **unflagged,
        "unflagged_verdict": verdict_of(claim, *without_flags)[0],
        "verdict": verdict,
        "evidence": evidence,
    }


def verdict_of(claim: Claim, estimate: float, low: float, high: float) -> tuple[Verdict, str]:
    """(verdict, why). A claim is decided only where the whole 95 % interval falls on one side."""
    if pd.isna(estimate):
        return _OPEN, "not measured at this scale"
    if pd.isna(low) or pd.isna(high):
        return _OPEN, f"estimate {estimate:.3g} has no interval"
    holds = [_HOLDS[claim.comparison](bound, claim.value) for bound in (low, high)]
    interval = f"{estimate:.3g} [{low:.3g}, {high:.3g}] against {claim.comparison} {claim.value:g}"
    if all(holds):
        return "supported", interval
    if not any(holds):
        return "contradicted", interval
    return _OPEN, f"{interval}: the interval spans the bound"


def display(claims: pd.DataFrame) -> pd.DataFrame:
    """The verdicts as the paper's table prints them."""
    return pd.DataFrame(
        {
            "claim": [str(name).replace("_", " ") for name in claims["claim"]],
            "verdict": claims["verdict"],
            "without flagged runs": [
                "same" if row.unflagged_verdict == row.verdict else row.unflagged_verdict
                for row in claims.itertuples()
            ],
            "evidence": claims["evidence"],
            "published": ["--" if pd.isna(value) else significant(value, 3) for value in claims["published"]],
        }
    )


def values(claims: pd.DataFrame) -> list[Value]:
    """The sentence the paper prints for each claim, the claim itself only where it is supported; and what
    becomes of the verdicts without the runs that carry a flag."""
    sentences = [
        Value(
            f"claim.{row['claim']}",
            _sentence(row["statement"], row["verdict"], row["evidence"]),
            f"claims.csv {row['claim']}",
            experiment=row["experiment"],
        )
        for row in claims.to_dict("records")
    ]
    return sentences + _without_flagged_runs(claims)


def _without_flagged_runs(claims: pd.DataFrame) -> list[Value]:
    decided = claims[claims["verdict"] != _OPEN]
    changed = decided[decided["unflagged_verdict"] != decided["verdict"]]
    turned = changed[changed["unflagged_verdict"] != _OPEN]
    names = ", ".join(str(name).replace("_", " ") for name in turned["claim"])
    return [
        Value(f"claims.{key}", raw, f"claims.csv verdict and unflagged_verdict, {which}", experiment=SELF)
        for key, raw, which in (
            ("decided", len(decided), "the former decided"),
            ("unflagged.kept", len(decided) - len(changed), "decided alike"),
            ("unflagged.open", len(changed) - len(turned), "the former alone decided"),
            ("unflagged.turned", names or "none", "decided to the contrary"),
        )
    ]


def _sentence(statement: str, verdict: str, evidence: str) -> str:
    bare = statement.rstrip(".")
    inner = bare[0].lower() + bare[1:]
    if verdict == "supported":
        return f"{bare} ({evidence})."
    if verdict == "contradicted":
        return f"This campaign contradicts the claim that {inner} ({evidence})."
    return f"This campaign cannot decide whether {inner} ({evidence})."
