"""Claims: sentences of the paper that a campaign can support or contradict, declared by an experiment."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Literal

from pydantic import Field, field_validator

from joules.models import Closed, validate
from joules.study.design import Name, experiment_folder
from joules.study.repository import repository_root
from joules.yaml_files import read_yaml

# An experiment has at most so many primary claims.
_MOST_PRIMARY = 2


class Declaration(Closed):
    """When the statistic, the relation and the bound of a claim were declared.

    `commit` is the commit that did so, left out until there is one. `data_known` are the data of the
    experiment that were known by then: released campaigns, or `published readings`.
    """

    date: datetime.date
    commit: str | None = Field(None, pattern=r"^[0-9a-f]{7,40}$")
    data_known: list[str] = Field(default_factory=list)


class Elsewhere(Closed):
    """What readings of others say to a claim: the row `statistic` of the statistics of `experiment`, of which
    the claim holds if the estimate is on the stated side of `value`. `words` say what was asked."""

    evidence: Literal["wall meters", "counters", "published"]
    experiment: Name = "published_measurements"
    statistic: str
    comparison: Literal["<", "<=", ">", ">="]
    value: float
    words: str


class Claim(Closed):
    """A sentence of the paper that a campaign can support or contradict.

    Verdicts on the primary claims of an experiment are corrected together for their number (Holm), those on
    secondary claims are not. A claim is decided by the row `statistic` of the experiment's `statistics`: it
    holds if the estimate is on the stated side of `value`. `published` is the figure of `source`, if there is
    one. `contradicted_if` says what would contradict the claim. `chance_to_fail` is the probability that the
    claim is not supported if `null_hypothesis` is true: a claim that cannot fail is a definition.
    `elsewhere` lists statistics of readings of others that ask the same. `read_by` says by what others read
    the energy, if the claim rests on published readings.
    """

    statement: str
    kind: Literal["primary", "secondary"]
    statistic: str
    comparison: Literal["<", "<=", ">", ">="]
    value: float
    contradicted_if: str
    null_hypothesis: str
    chance_to_fail: float = Field(gt=0, le=1)
    declared: Declaration
    published: float | None = None
    source: str | None = None
    read_by: Literal["wall meters", "counters"] | None = None
    elsewhere: list[Elsewhere] = Field(default_factory=list)

    @property
    def is_exploratory(self) -> bool:
        """Whether data of the experiment were known when the claim was declared."""
        return bool(self.declared.data_known)


class Claims(Closed):
    """An experiment's `claims.yaml`: at most two primary claims, each statistic named once."""

    claims: dict[Name, Claim]

    @field_validator("claims")
    @classmethod
    def _few_and_distinct(cls, claims: dict[Name, Claim]) -> dict[Name, Claim]:
        primary = [name for name, claim in claims.items() if claim.kind == "primary"]
        if len(primary) > _MOST_PRIMARY:
            raise ValueError(f"{len(primary)} primary claims: keep at most {_MOST_PRIMARY}")
        for statistic, count in Counter(claim.statistic for claim in claims.values()).items():
            if count > 1:
                raise ValueError(f"{count} claims name the statistic '{statistic}': keep one")
        return claims


def load_claims(experiment: str) -> dict[str, Claim]:
    """Reads the claims of an experiment.

    Returns:
        The claims by name.

    Raises:
        UserError: the file is missing or invalid.
    """
    path = experiment_folder(experiment) / "claims.yaml"
    return validate(Claims, read_yaml(path), str(path.relative_to(repository_root()))).claims
