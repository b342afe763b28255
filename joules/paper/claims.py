"""Whether a campaign supports the paper's sentences."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from joules.analysis import ensemble, sensitivity
from joules.instrument.power_models import POWER_MODELS
from joules.paper.values import Value, significant
from joules.study.campaign import SELF
from joules.study.claims import Claim, load_claims

Verdict = Literal["supported", "contradicted", "inconclusive", "depends on the power model"]
_OPEN: Verdict = "inconclusive"
_DEPENDS: Verdict = "depends on the power model"

_HOLDS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
# Prefix of the columns that hold the verdict under each model of power.
UNDER = "under_"
COLUMNS = [
    "experiment",
    "claim",
    "verdict",
    "statement",
    "statistic",
    "estimate",
    "ci_low",
    "ci_high",
    *ensemble.COLUMNS,
    "as_read_verdict",
    *(f"{UNDER}{model}" for model in POWER_MODELS),
    *sensitivity.COLUMNS,
    "unflagged_verdict",
    "comparison",
    "value",
    "published",
    "source",
    "evidence",
]


def evaluate_claims(
    statistics: Mapping[str, pd.DataFrame], models: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """One row a claim of each experiment, given its `statistics` and its `power_models` tables."""
    rows = [
        _row(
            experiment,
            name,
            claim,
            table.set_index("statistic"),
            models[experiment].query("statistic == @claim.statistic").set_index("power_model"),
        )
        for experiment, table in statistics.items()
        for name, claim in load_claims(experiment).items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(
    experiment: str, name: str, claim: Claim, statistics: pd.DataFrame, models: pd.DataFrame
) -> dict[str, object]:
    row: dict[str, object] = {"experiment": experiment, "claim": name, **claim.model_dump()}
    if claim.statistic not in statistics.index:
        return row | {
            "verdict": _OPEN,
            "as_read_verdict": _OPEN,
            "unflagged_verdict": _OPEN,
            "evidence": "not measured at this scale",
        }
    cells = statistics.loc[claim.statistic]
    estimate, low, high = (float(cells[column]) for column in ("estimate", "ci_low", "ci_high"))
    as_read, evidence = verdict_of(claim, estimate, low, high)
    under = {
        model: verdict_of(claim, *(float(each[column]) for column in ("estimate", "ci_low", "ci_high")))[0]
        for model, each in models.iterrows()
    }
    unflagged = {column: float(cells[column]) for column in sensitivity.COLUMNS}
    _, *without_flags = unflagged.values()
    verdict = as_read if set(under.values()) <= {as_read} else _DEPENDS
    return row | {
        "estimate": estimate,
        "ci_low": low,
        "ci_high": high,
        **{column: cells[column] for column in ensemble.COLUMNS},
        "as_read_verdict": as_read,
        **{f"{UNDER}{model}": each for model, each in under.items()},
        **unflagged,
        "unflagged_verdict": verdict_of(claim, *without_flags)[0],
        "verdict": verdict,
        "evidence": evidence + _band(cells),
    }


def _band(cells: pd.Series) -> str:
    """The range of the estimate over models in words; nothing where they all give the same three digits."""
    low, high = (f"{float(cells[column]):.3g}" for column in ("band_low", "band_high"))
    return "" if low == high else f"; {low} to {high} over power models"


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


def under_words(row: Mapping[str, Any]) -> str:
    """Which models give which verdict, in words."""
    by_verdict: dict[str, list[str]] = {}
    for name, model in POWER_MODELS.items():
        verdict = row.get(f"{UNDER}{name}")
        if isinstance(verdict, str):
            by_verdict.setdefault(verdict, []).append(model.words)
    return "; ".join(f"{verdict} under {_listed(words)}" for verdict, words in by_verdict.items())


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def display(claims: pd.DataFrame) -> pd.DataFrame:
    """The verdicts as the paper's table prints them."""
    return pd.DataFrame(
        {
            "claim": [str(name).replace("_", " ") for name in claims["claim"]],
            "verdict": claims["verdict"],
            "without flagged runs": [
                "same" if row.unflagged_verdict == row.as_read_verdict else row.unflagged_verdict
                for row in claims.itertuples()
            ],
            "evidence": claims["evidence"],
            "published": ["--" if pd.isna(value) else significant(value, 3) for value in claims["published"]],
        }
    )


def values(claims: pd.DataFrame) -> list[Value]:
    """The sentence the paper prints for each claim, the claim itself only where it is supported; and what
    becomes of the verdicts under other models of power, and without the runs that carry a flag."""
    sentences = [
        Value(
            f"claim.{row['claim']}",
            _sentence(row),
            f"claims.csv {row['claim']}",
            experiment=row["experiment"],
        )
        for row in claims.to_dict("records")
    ]
    return [*sentences, *_under_models(claims), *_without_flagged_runs(claims)]


def _under_models(claims: pd.DataFrame) -> list[Value]:
    counts = claims["verdict"].value_counts()
    cells = {
        "claims.all": (len(claims), "rows"),
        "claims.supported": (int(counts.get("supported", 0)), "verdict supported"),
        "claims.contradicted": (int(counts.get("contradicted", 0)), "verdict contradicted"),
        "claims.open": (int(counts.get(_OPEN, 0)), "verdict inconclusive"),
        "claims.depend": (int(counts.get(_DEPENDS, 0)), "verdict depends on the power model"),
        **{
            f"claims.{key}": (int((claims["band_reason"] == reason).sum()), f"band_reason: {reason}")
            for key, reason in (
                ("no_energy", ensemble.NO_ENERGY),
                ("equal_cores", ensemble.EQUAL_CORES),
                ("small_loads", ensemble.SMALL_LOADS),
            )
        },
    }
    return [Value(key, raw, f"claims.csv {which}", experiment=SELF) for key, (raw, which) in cells.items()]


def _without_flagged_runs(claims: pd.DataFrame) -> list[Value]:
    decided = claims[claims["as_read_verdict"] != _OPEN]
    changed = decided[decided["unflagged_verdict"] != decided["as_read_verdict"]]
    turned = changed[changed["unflagged_verdict"] != _OPEN]
    names = ", ".join(str(name).replace("_", " ") for name in turned["claim"])
    return [
        Value(
            f"claims.{key}",
            raw,
            f"claims.csv as_read_verdict and unflagged_verdict, {which}",
            experiment=SELF,
        )
        for key, raw, which in (
            ("decided", len(decided), "the former decided"),
            ("unflagged.kept", len(decided) - len(changed), "decided alike"),
            ("unflagged.open", len(changed) - len(turned), "the former alone decided"),
            ("unflagged.turned", names or "none", "decided to the contrary"),
        )
    ]


def _sentence(row: Mapping[str, Any]) -> str:
    bare, evidence = row["statement"].rstrip("."), row["evidence"]
    inner = bare[0].lower() + bare[1:]
    if row["verdict"] == "supported":
        return f"{bare} ({evidence})."
    if row["verdict"] == "contradicted":
        return f"This campaign contradicts the claim that {inner} ({evidence})."
    if row["verdict"] == _DEPENDS:
        return f"Whether {inner} depends on the power model: {under_words(row)} ({evidence})."
    return f"This campaign cannot decide whether {inner} ({evidence})."
