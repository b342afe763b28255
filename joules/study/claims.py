"""Claims: sentences of the paper that a campaign can support or contradict, declared by an experiment."""

from __future__ import annotations

from typing import Literal

from joules.models import Closed, read_yaml, validate
from joules.study.design import Name, experiment_folder
from joules.study.repository import repository_root


class Claim(Closed):
    """A sentence of the paper that a campaign can support or contradict.

    Verdicts on primary claims are corrected together for their number (Holm), those on secondary claims are
    not. A claim is decided by the row `statistic` of the experiment's table `statistics`: it holds if the
    estimate is on the stated side of `value`. `published` is the figure of `source`, if there is one.
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
    """Reads the claims of an experiment.

    Returns:
        The claims by name.

    Raises:
        UserError: the file is missing or invalid.
    """
    path = experiment_folder(experiment) / "claims.yaml"
    return validate(Claims, read_yaml(path), str(path.relative_to(repository_root()))).claims
