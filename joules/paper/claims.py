"""Verdicts on the claims of the paper."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Mapping, Sequence
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
# Prefix of the columns with the verdict under each power model.
VERDICT_UNDER = "under_"
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
    "deciding_models",
    *(f"{VERDICT_UNDER}{model}" for model in POWER_MODELS),
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
    """Evaluates every claim of the experiments, also under each power model.

    A claim is decided if its whole 95 % interval lies on one side of its bound. A primary claim also has to
    remain decided after Holm's correction over all primary claims. So under each power model, of which those
    that wall meters do not refute decide.

    Args:
        statistics: the table `statistics` of each experiment.
        models: the table `power_models` of each experiment that has runs.

    Returns:
        One row for each claim, with `COLUMNS`.
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
    tables_by_model = {
        model: {
            experiment: rows.set_index("statistic")
            for experiment, table in models.items()
            for rows in [table[table["power_model"] == model]]
        }
        for model in POWER_MODELS
    }
    result = _evaluate(declared, as_read, units)
    under = {
        model: _evaluate(declared, tables, units)
        for model, tables in tables_by_model.items()
        if any(len(table) for table in tables.values())
    }
    deciding = {
        experiment: set(table.loc[table["takes_part"].astype(bool), "power_model"])
        for experiment, table in models.items()
    }
    rows = [
        _row(
            key,
            claim,
            as_read[key[0]],
            result[key],
            # Published readings do not depend on a power model.
            {model: each[key] for model, each in under.items() if key[0] in models},
            deciding.get(key[0], frozenset()),
        )
        for key, claim in declared.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


Key = tuple[str, str]


@dataclass(frozen=True)
class Result:
    """The result of a claim on one set of statistics: verdict after and before correction, evidence in
    words, and p against the bound before and after correction (NaN if there is none)."""

    verdict: Verdict
    uncorrected: Verdict
    evidence: str
    p: float
    p_holm: float


def _evaluate(
    declared: Mapping[Key, Claim], tables: Mapping[str, pd.DataFrame], units: Mapping[Key, str]
) -> dict[Key, Result]:
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
        key: Result(
            verdict=_OPEN if corrected.get(key, 0.0) > 1 - CONFIDENCE else verdict,
            uncorrected=verdict,
            evidence=evidence,
            p=p,
            p_holm=float(corrected.get(key, math.nan)),
        )
        for key, (verdict, evidence, p) in alone.items()
    }


def p_against(bound: float, estimate: float, low: float, high: float, *, n: int, is_ratio: bool) -> float:
    """Two-sided p of the hypothesis that the quantity equals `bound`, by inverting its 95 % interval.

    The distance from the estimate to the bound is divided by the distance to the end of the interval on the
    same side, in quantiles of Student's t with n - 1 degrees of freedom. Ratios use logarithms. The result is
    exact for Student's interval and approximate for a resampled or transformed one.

    Returns:
        p, or NaN without an interval.
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
    key: Key,
    claim: Claim,
    statistics: pd.DataFrame,
    result: Result,
    under: Mapping[str, Result],
    deciding: Collection[str],
) -> dict[str, object]:
    experiment, name = key
    verdicts = {result.verdict, *(each.verdict for model, each in under.items() if model in deciding)}
    row = {"experiment": experiment, "claim": name, **claim.model_dump()} | {
        "verdict": result.verdict if len(verdicts) == 1 else _DEPENDS,
        "p": result.p,
        "p_holm": result.p_holm,
        "uncorrected_verdict": result.uncorrected,
        "as_read_verdict": result.verdict,
        "deciding_models": " ".join(model for model in under if model in deciding),
        **{f"{VERDICT_UNDER}{model}": each.verdict for model, each in under.items()},
        "unflagged_verdict": _OPEN,
        "evidence": result.evidence,
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
        "evidence": result.evidence + _correction(result) + _band(cells),
    }


def _correction(result: Result) -> str:
    """The verdict before correction in words; empty if the correction does not change it."""
    if result.verdict == result.uncorrected:
        return ""
    return f"; {result.uncorrected} before the correction for all primary claims (p {result.p_holm:.2g})"


def _band(cells: pd.Series) -> str:
    """The range of the estimate over power models in words; empty if three digits agree."""
    low, high = (f"{float(cells[column]):.3g}" for column in ("band_low", "band_high"))
    return "" if low == high else f"; {low} to {high} over power models"


def verdict_of(claim: Claim, estimate: float, low: float, high: float) -> tuple[Verdict, str]:
    """The verdict and its evidence in words: decided only if the whole interval lies on one side."""
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


def describe_models(row: Mapping[str, Any]) -> str:
    """The verdicts and the power models that decide and give them, in words."""
    by_verdict: dict[str, list[str]] = {}
    for name, model in POWER_MODELS.items():
        if name not in row["deciding_models"].split():
            continue
        verdict = row.get(f"{VERDICT_UNDER}{name}")
        if isinstance(verdict, str):
            by_verdict.setdefault(verdict, []).append(model.words)
    return "; ".join(f"{verdict} under {_listed(words)}" for verdict, words in by_verdict.items())


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def display(claims: pd.DataFrame) -> pd.DataFrame:
    """The table of verdicts as the paper prints it."""
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
        return f"Whether {inner} depends on the power model: {describe_models(row)} ({evidence})."
    return f"This campaign cannot decide whether {inner} ({evidence})."
