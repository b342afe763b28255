"""Whether a campaign supports the paper's sentences."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from joules.analysis import sensitivity
from joules.analysis.statistics import CONFIDENCE, holm
from joules.paper.printing import significant
from joules.paper.rows import derive, pick
from joules.paper.values import Value
from joules.power.models import POWER_MODELS
from joules.study.campaign import CAMPAIGN
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
    "kind",
    "verdict",
    "statement",
    "statistic",
    "estimate",
    "ci_low",
    "ci_high",
    *sensitivity.MODEL_COLUMNS,
    "p",
    "p_holm",
    "uncorrected_verdict",
    "as_read_verdict",
    *(f"{UNDER}{model}" for model in POWER_MODELS),
    *sensitivity.UNFLAGGED_COLUMNS,
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
    """One row a claim of each experiment, given its `statistics` and, where it has runs, its `power_models`.

    A claim is decided where its whole 95 % interval falls on one side of its bound, a primary one where it
    still does after Holm's correction over all primary claims; under each model of power apart.
    """
    declared = {
        (experiment, name): claim
        for experiment in statistics
        for name, claim in load_claims(experiment).items()
    }
    as_read = {experiment: table.set_index("statistic") for experiment, table in statistics.items()}
    units = {
        (experiment, statistic): unit
        for experiment, table in as_read.items()
        for statistic, unit in table["unit"].items()
    }
    by_model = {
        model: {
            experiment: rows.set_index("statistic")
            for experiment, table in models.items()
            for rows in [table[table["power_model"] == model]]
        }
        for model in POWER_MODELS
    }
    judged = _judged(declared, as_read, units)
    under = {
        model: _judged(declared, tables, units)
        for model, tables in by_model.items()
        if any(len(table) for table in tables.values())
    }
    rows = [
        _row(
            key,
            claim,
            as_read[key[0]],
            judged[key],
            # No power model enters what published readings say.
            {model: each[key] for model, each in under.items() if key[0] in models},
        )
        for key, claim in declared.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


Key = tuple[str, str]


@dataclass(frozen=True)
class Judged:
    """A claim on one set of statistics: its verdict and the one before correction, in words why, its p
    against the bound and that corrected over the primary claims (NaN where there is none)."""

    verdict: Verdict
    uncorrected: Verdict
    evidence: str
    p: float
    p_holm: float


def _judged(
    declared: Mapping[Key, Claim], tables: Mapping[str, pd.DataFrame], units: Mapping[Key, str]
) -> dict[Key, Judged]:
    alone: dict[Key, tuple[Verdict, str, float]] = {}
    for key, claim in declared.items():
        table = tables.get(key[0], pd.DataFrame())
        if claim.statistic not in table.index:
            alone[key] = (_OPEN, "not measured at this scale", math.nan)
            continue
        cells = table.loc[claim.statistic]
        numbers = [float(cells[column]) for column in ("estimate", "ci_low", "ci_high")]
        verdict, evidence = verdict_of(claim, *numbers)
        is_ratio = units[key[0], claim.statistic] == "ratio"
        p = p_against(claim.value, *numbers, n=int(cells["n"]), is_ratio=is_ratio)
        alone[key] = (verdict, evidence, p)
    tested = [
        key for key, claim in declared.items() if claim.kind == "primary" and not math.isnan(alone[key][2])
    ]
    corrected = dict(zip(tested, holm(np.array([alone[key][2] for key in tested])), strict=True))
    return {
        key: Judged(
            verdict=_OPEN if corrected.get(key, 0.0) > 1 - CONFIDENCE else verdict,
            uncorrected=verdict,
            evidence=evidence,
            p=p,
            p_holm=float(corrected.get(key, math.nan)),
        )
        for key, (verdict, evidence, p) in alone.items()
    }


def p_against(bound: float, estimate: float, low: float, high: float, *, n: int, is_ratio: bool) -> float:
    """Two-sided p of the estimate being `bound`, by inverting its 95 % interval: the distance to the bound
    over that to the end of the interval on its side, in quantiles of Student's t at n - 1 degrees of freedom;
    distances of ratios are those of their logarithms.

    That is the t test itself where the interval is Student's, and an approximation where it was resampled or
    transformed. NaN without an interval.
    """
    from scipy import special

    if any(math.isnan(number) for number in (estimate, low, high)) or n < 2:
        return math.nan
    end = low if bound < estimate else high
    if is_ratio:
        bound, estimate, end = (math.log(number) for number in (bound, estimate, end))
    if bound == estimate:
        return 1.0
    if end == estimate:
        return 0.0
    quantile = float(special.stdtrit(n - 1, (1 + CONFIDENCE) / 2))
    distance = quantile * abs(bound - estimate) / abs(end - estimate)
    return float(2 * special.stdtr(n - 1, -distance))


def _row(
    key: Key, claim: Claim, statistics: pd.DataFrame, judged: Judged, under: Mapping[str, Judged]
) -> dict[str, object]:
    experiment, name = key
    verdicts = {judged.verdict, *(each.verdict for each in under.values())}
    row = {"experiment": experiment, "claim": name, **claim.model_dump()} | {
        "verdict": judged.verdict if len(verdicts) == 1 else _DEPENDS,
        "p": judged.p,
        "p_holm": judged.p_holm,
        "uncorrected_verdict": judged.uncorrected,
        "as_read_verdict": judged.verdict,
        **{f"{UNDER}{model}": each.verdict for model, each in under.items()},
        "unflagged_verdict": _OPEN,
        "evidence": judged.evidence,
    }
    if claim.statistic not in statistics.index:
        return row
    cells = statistics.loc[claim.statistic]
    unflagged = {column: float(cells[column]) for column in sensitivity.UNFLAGGED_COLUMNS}
    _, *without_flags = unflagged.values()
    return row | {
        **{column: float(cells[column]) for column in ("estimate", "ci_low", "ci_high")},
        **{column: cells[column] for column in sensitivity.MODEL_COLUMNS},
        **unflagged,
        "unflagged_verdict": verdict_of(claim, *without_flags)[0],
        "evidence": judged.evidence + _correction(judged) + _band(cells),
    }


def _correction(judged: Judged) -> str:
    """What the correction took, in words; nothing where it took nothing."""
    if judged.verdict == judged.uncorrected:
        return ""
    return f"; {judged.uncorrected} before the correction for all primary claims (p {judged.p_holm:.2g})"


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
            "kind": claims["kind"],
            "verdict": claims["verdict"],
            "without flagged runs": [
                "same" if row.unflagged_verdict == row.uncorrected_verdict else row.unflagged_verdict
                for row in claims.itertuples()
            ],
            "evidence": claims["evidence"],
            "published": ["--" if pd.isna(value) else significant(value, 3) for value in claims["published"]],
        }
    )


def values(claims: pd.DataFrame) -> list[Value]:
    """The sentence the paper prints for each claim, the claim itself only where it is supported; and how many
    verdicts change under other power models, and without the runs that carry a flag."""
    every = pick({"claims": claims}, "claims")
    decided = every.where(f"uncorrected_verdict != {_OPEN!r}")
    changed = decided.where("unflagged_verdict != uncorrected_verdict")
    counts = {
        "all": every,
        "primary": every.where(kind="primary"),
        "corrected": every.where("uncorrected_verdict != as_read_verdict"),
        "supported": every.where(verdict="supported"),
        "contradicted": every.where(verdict="contradicted"),
        "open": every.where(verdict=_OPEN),
        "depend": every.where(verdict=_DEPENDS),
        "no_energy": every.where(band_reason=sensitivity.NO_ENERGY),
        "equal_cores": every.where(band_reason=sensitivity.EQUAL_CORES),
        "small_loads": every.where(band_reason=sensitivity.SMALL_LOADS),
        "decided": decided,
        "unflagged.kept": decided.where("unflagged_verdict == uncorrected_verdict"),
        "unflagged.open": changed.where(unflagged_verdict=_OPEN),
    }
    turned = changed.where(f"unflagged_verdict != {_OPEN!r}")
    return [
        *(
            Value(f"claim.{row['claim']}", derive(state_claim, row), experiment=row["experiment"])
            for row in every.each("claim")
        ),
        *(Value(f"claims.{key}", rows.count(), experiment=CAMPAIGN) for key, rows in counts.items()),
        Value("claims.unflagged.turned", turned.names("claim"), experiment=CAMPAIGN),
    ]


def state_claim(claims: pd.DataFrame) -> str:
    """The sentence that states the first of `claims` and its verdict."""
    (row,) = claims.to_dict("records")
    bare, evidence = row["statement"].rstrip("."), row["evidence"]
    first, _, _ = bare.partition(" ")
    # A name keeps its capitals: PPO, ResNet-50.
    inner = bare[0].lower() + bare[1:] if first[1:].islower() or len(first) == 1 else bare
    if row["verdict"] == "supported":
        return f"{bare} ({evidence})."
    if row["verdict"] == "contradicted":
        return f"This campaign contradicts the claim that {inner} ({evidence})."
    if row["verdict"] == _DEPENDS:
        return f"Whether {inner} depends on the power model: {under_words(row)} ({evidence})."
    return f"This campaign cannot decide whether {inner} ({evidence})."
