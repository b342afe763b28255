"""Verdicts on the claims of the paper."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from joules.analysis import sensitivity
from joules.analysis.statistics import holm
from joules.errors import UserError
from joules.means import CONFIDENCE
from joules.paper.printing import significant
from joules.paper.rows import derive, pick
from joules.paper.values import Value
from joules.power.models import POWER_MODELS
from joules.study.campaign import CAMPAIGN
from joules.study.campaign import POWER_MODELS as MODELS_TABLE
from joules.study.claims import Claim, Elsewhere, load_claims

Verdict = Literal["supported", "contradicted", "inconclusive", "depends on the power model"]
OPEN: Verdict = "inconclusive"
_DEPENDS: Verdict = "depends on the power model"
DECIDED: tuple[Verdict, ...] = ("supported", "contradicted")
# A claim is decided over campaigns if at least so many are replicates of one another.
LEAST_CAMPAIGNS = 3
# Whether data of the experiment were known when a claim was declared.
BEFORE_THE_DATA, EXPLORATORY = "before the data", "exploratory"

_HOLDS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
# Columns of the table `power_models` that earlier versions did not write.
_DECIDING = ("takes_part", "p_bound")
# Prefix of the columns with the verdict under each power model.
VERDICT_UNDER = "under_"
COLUMNS = [
    "experiment",
    "claim",
    "kind",
    "verdict",
    "statement",
    "statistic",
    "contrast",
    "estimate",
    "ci_low",
    "ci_high",
    "n",
    "unit",
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
    "contradicted_if",
    "null_hypothesis",
    "chance_to_fail",
    "declaration",
    "declared_on",
    "declared_in",
    "data_known",
    "published",
    "source",
    "read_by",
    "evidence",
]


def evaluate_claims(
    statistics: Mapping[str, pd.DataFrame], models: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Evaluates every claim of the experiments, also under each power model.

    An interval decides a claim if it lies on one side of the bound as a whole. A claim is decided if the
    intervals under all power models that take part decide it alike, and depends on the power model if they do
    not and the estimate crosses the bound. A primary claim also has to remain decided after Holm's correction
    over the primary claims of its experiment, of the largest p that any of these models gives.

    Args:
        statistics: the table `statistics` of each experiment.
        models: the table `power_models` of each experiment that has runs.

    Returns:
        One row for each claim, with `COLUMNS`.

    Raises:
        UserError: tables of an earlier version lack a column that verdicts need.
    """
    for experiment, table in models.items():
        lacking = [name for name in _DECIDING if name not in table]
        if lacking:
            raise UserError(
                f"the table 'power_models' of '{experiment}' lacks {', '.join(lacking)}: run "
                f"'joules tabulate {experiment}' for this campaign again"
            )
    rows = []
    for experiment, table in statistics.items():
        of_models = models.get(experiment, pd.DataFrame(columns=sensitivity.MODEL_TABLE_COLUMNS))
        results = {
            name: _evaluate(claim, table, of_models) for name, claim in load_claims(experiment).items()
        }
        # All primary claims count, also those that this campaign did not measure.
        primary = {name: result.p for name, result in results.items() if result.claim.kind == "primary"}
        corrected = dict(zip(primary, holm(np.nan_to_num(list(primary.values()), nan=1.0)), strict=True))
        rows += [
            _row(experiment, name, result, float(corrected[name]) if result.is_tested else math.nan)
            for name, result in results.items()
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def evaluate_tables(tables: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """`evaluate_claims` of the tables of a campaign, by experiment and name."""
    return evaluate_claims(
        {name: of["statistics"] for name, of in tables.items() if "statistics" in of},
        {name: of[MODELS_TABLE] for name, of in tables.items() if MODELS_TABLE in of},
    )


@dataclass(frozen=True)
class Result:
    """The result of a claim before correction.

    Attributes:
        cells: the row of the statistics that decides it; None if it was not measured.
        as_read: verdict and evidence by the interval of the energy as it was read.
        under: verdict by the interval under each power model.
        deciding: models that take part.
        verdict: over all models that take part.
        p: largest p against the bound over these models, 1 where they disagree about the side; NaN if there
            is none.
    """

    claim: Claim
    cells: Mapping[str, Any] | None
    as_read: tuple[Verdict, str]
    under: Mapping[str, Verdict]
    deciding: Sequence[str]
    verdict: Verdict
    p: float

    @property
    def is_tested(self) -> bool:
        """Whether its p is corrected."""
        return self.claim.kind == "primary" and not math.isnan(self.p)


def _evaluate(claim: Claim, statistics: pd.DataFrame, models: pd.DataFrame) -> Result:
    found = statistics[statistics["statistic"] == claim.statistic].to_dict("records")
    if not found:
        return Result(claim, None, (OPEN, "not measured in this campaign"), {}, [], OPEN, math.nan)
    (cells,) = found
    as_read = _verdict_of_row(claim, cells)
    by_model = {
        row["power_model"]: row for row in models[models["statistic"] == claim.statistic].to_dict("records")
    }
    under = {model: _verdict_of_row(claim, by_model[model])[0] for model in POWER_MODELS if model in by_model}
    deciding = [model for model in under if by_model[model]["takes_part"]]
    rows = [cells, *(by_model[model] for model in deciding)]
    verdicts = {as_read[0], *(under[model] for model in deciding)}
    estimates = [float(row["estimate"]) for row in rows if pd.notna(row["estimate"])]
    crosses = len({_HOLDS[claim.comparison](estimate, claim.value) for estimate in estimates}) > 1
    verdict = as_read[0] if len(verdicts) == 1 else _DEPENDS if crosses else OPEN
    p = max((float(row["p_bound"]) for row in rows if pd.notna(row["p_bound"])), default=math.nan)
    return Result(claim, cells, as_read, under, deciding, verdict, 1.0 if verdict == _DEPENDS else p)


def _verdict_of_row(claim: Claim, cells: Mapping[str, Any]) -> tuple[Verdict, str]:
    verdict, evidence = verdict_of(
        claim, *(float(cells[column]) for column in ("estimate", "ci_low", "ci_high"))
    )
    says_why = pd.isna(cells["estimate"]) and isinstance(cells.get("note"), str)
    return verdict, str(cells["note"]) if says_why else evidence


def _row(experiment: str, name: str, result: Result, p_holm: float) -> dict[str, object]:
    claim, cells = result.claim, result.cells
    is_kept = result.verdict not in DECIDED or not p_holm > 1 - CONFIDENCE
    verdict = result.verdict if is_kept else OPEN
    row = {"experiment": experiment, "claim": name, **claim.model_dump(exclude={"declared"})} | {
        "verdict": verdict,
        "p": result.p,
        "p_holm": p_holm,
        "uncorrected_verdict": result.verdict,
        "as_read_verdict": result.as_read[0],
        "deciding_models": " ".join(result.deciding),
        **{f"{VERDICT_UNDER}{model}": each for model, each in result.under.items()},
        "unflagged_verdict": OPEN,
        "declaration": EXPLORATORY if claim.is_exploratory else BEFORE_THE_DATA,
        "declared_on": claim.declared.date.isoformat(),
        "declared_in": claim.declared.commit,
        "data_known": " ".join(claim.declared.data_known),
        "evidence": result.as_read[1],
    }
    if cells is None:
        return row
    unflagged = {column: float(cells[column]) for column in sensitivity.UNFLAGGED_COLUMNS}
    ends = (unflagged[f"unflagged_{column}"] for column in ("estimate", "ci_low", "ci_high"))
    reason = _reason(result) if is_kept else _correction(result.verdict, p_holm)
    return row | {
        **{column: float(cells[column]) for column in ("estimate", "ci_low", "ci_high")},
        **{column: cells.get(column) for column in ("n", "contrast", "unit")},
        **{column: cells[column] for column in sensitivity.MODEL_COLUMNS},
        **unflagged,
        "unflagged_verdict": verdict_of(claim, *ends)[0],
        "evidence": result.as_read[1] + reason + _band(cells),
    }


def _reason(result: Result) -> str:
    """Why the interval as it was read decides and the claim is inconclusive all the same."""
    if result.verdict != OPEN or result.as_read[0] == OPEN:
        return ""
    undecided = [POWER_MODELS[model].words for model in result.deciding if result.under[model] == OPEN]
    return f"; {result.as_read[0]} as it was read, inconclusive under {_listed(undecided)}"


def _correction(verdict: Verdict, p_holm: float) -> str:
    return f"; {verdict} before the correction for the primary claims of its question (p {p_holm:.2g})"


def _band(cells: Mapping[str, Any]) -> str:
    """The range of the estimate over power models in words; empty if three digits agree."""
    low, high = (f"{float(cells[column]):.3g}" for column in ("band_low", "band_high"))
    return "" if low == high else f"; {low} to {high} over power models"


def holds(claim: Claim | Elsewhere, value: float) -> bool:
    """Whether a number is on the side of the bound that a claim states."""
    return bool(_HOLDS[claim.comparison](value, claim.value))


def verdict_of(claim: Claim | Elsewhere, estimate: float, low: float, high: float) -> tuple[Verdict, str]:
    """The verdict and its evidence in words: decided only if the whole interval lies on one side."""
    if pd.isna(estimate):
        return OPEN, "not measured in this campaign"
    if pd.isna(low) or pd.isna(high):
        return OPEN, f"estimate {estimate:.3g} has no interval"
    sides = [holds(claim, bound) for bound in (low, high)]
    interval = f"{estimate:.3g} [{low:.3g}, {high:.3g}] against {claim.comparison} {claim.value:g}"
    if all(sides):
        return "supported", interval
    if not any(sides):
        return "contradicted", interval
    return OPEN, f"{interval}: the interval spans the bound"


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
            "declared": [f"{row.declaration}, {row.declared_on}" for row in claims.itertuples()],
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
    """The sentence the paper prints for each claim, the claim itself only where it is supported; and how many
    verdicts change under other power models, and without the runs that carry a flag."""
    every = pick({"claims": claims}, "claims")
    decided = every.where(f"as_read_verdict != {OPEN!r}")
    changed = decided.where("unflagged_verdict != as_read_verdict")
    counts = {
        "all": every,
        "primary": every.where(kind="primary"),
        "corrected": every.where("uncorrected_verdict != campaign_verdict"),
        "replicated": every.where(f"replicates >= {LEAST_CAMPAIGNS}"),
        "unreplicated": every.where("campaign_verdict != verdict"),
        "supported": every.where(verdict="supported"),
        "contradicted": every.where(verdict="contradicted"),
        "open": every.where(verdict=OPEN),
        "depend": every.where(verdict=_DEPENDS),
        "exploratory": every.where(declaration=EXPLORATORY),
        "no_energy": every.where(band_reason=sensitivity.NO_ENERGY),
        "equal_cores": every.where(band_reason=sensitivity.EQUAL_CORES),
        "small_loads": every.where(band_reason=sensitivity.SMALL_LOADS),
        "decided": decided,
        "unflagged.kept": decided.where("unflagged_verdict == as_read_verdict"),
        "unflagged.open": changed.where(unflagged_verdict=OPEN),
    }
    turned = changed.where(f"unflagged_verdict != {OPEN!r}")
    return [
        *(
            Value(f"claim.{row['claim']}", derive(state_claim, row), experiment=row["experiment"])
            for row in every.each("claim")
        ),
        *(
            Value(
                f"claim.{row['claim']}.brief",
                derive(state_claim_briefly, row),
                on_demand=True,
                experiment=row["experiment"],
            )
            for row in every.each("claim")
        ),
        *(Value(f"claims.{key}", rows.count(), experiment=CAMPAIGN) for key, rows in counts.items()),
        Value("claims.unflagged.turned", turned.names("claim"), experiment=CAMPAIGN),
    ]


def state_claim(claims: pd.DataFrame) -> str:
    """The sentence that states the first of `claims`, its verdict and the evidence."""
    (row,) = claims.to_dict("records")
    models = f": {describe_models(row)}" if row["verdict"] == _DEPENDS else ""
    exploratory = "; exploratory" if row["declaration"] == EXPLORATORY else ""
    return f"{_state_verdict(row)}{models} ({row['evidence']}{exploratory})."


def state_claim_briefly(claims: pd.DataFrame) -> str:
    """The sentence that states the first of `claims` and its verdict."""
    (row,) = claims.to_dict("records")
    return f"{_state_verdict(row)}{' (exploratory)' if row['declaration'] == EXPLORATORY else ''}."


def _state_verdict(row: Mapping[str, Any]) -> str:
    bare = row["statement"].rstrip(".")
    first, _, _ = bare.partition(" ")
    # A name keeps its capitals: PPO, ResNet-50.
    inner = bare[0].lower() + bare[1:] if first[1:].islower() or len(first) == 1 else bare
    if row["verdict"] == "supported":
        return str(bare)
    is_published = pd.notna(row.get("read_by"))
    if row["verdict"] == "contradicted":
        who = "The published readings contradict" if is_published else "This campaign contradicts"
        return f"{who} the claim that {inner}"
    if row["verdict"] == _DEPENDS:
        return f"Whether {inner} depends on the power model"
    if row.get("campaign_verdict") in DECIDED:
        return f"The campaigns on this machine together cannot decide whether {inner}"
    who = "The published readings" if is_published else "This campaign"
    return f"{who} cannot decide whether {inner}"
