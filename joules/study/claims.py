"""The sentences of the paper that a campaign can support or contradict, as an experiment declares them."""

from __future__ import annotations

from typing import Literal

from joules.models import Closed, read_yaml, validate
from joules.study.design import Name, experiment_folder
from joules.study.repository import repository_root


class Claim(Closed):
    """A sentence of the paper that a campaign can support or contradict.

    Primary claims are what the paper stands for; their verdicts are corrected together for their number.
    Secondary ones are not corrected, and say so.
    """

    statement: str
    kind: Literal["primary", "secondary"]
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
