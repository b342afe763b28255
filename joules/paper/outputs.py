"""Holds the outputs of steps against the hashes that the steps wrote down."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from joules.analysis.drawing.sidecar import SIDECAR, check_drawn
from joules.analysis.tables import is_tabulated, verify_tables
from joules.models import read_json
from joules.study.campaign import Campaign, figures_of
from joules.study.fingerprint import check_unchanged, file_sha256

# Steps that write the hashes of their outputs, and what these then are, in messages.
HASHING = {"evaluate": "evaluated", "export": "exported", "typeset": "typeset"}


def hashes_file(campaign: Campaign, step: str) -> Path:
    """The file of the hashes of a step's outputs, in the same folder."""
    return (campaign.results if step == "evaluate" else campaign.build) / f"{HASHING[step]}.json"


def write_outputs(campaign: Campaign, step: str, texts: Mapping[str, str]) -> None:
    """Writes the outputs of a step by their names, and their hashes. Where it is interrupted there are no
    hashes, and the step is run again."""
    path = hashes_file(campaign, step)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    for name, text in texts.items():
        (path.parent / name).write_text(text, encoding="utf-8")
    hash_outputs(campaign, step, texts)


def hash_outputs(campaign: Campaign, step: str, names: Iterable[str]) -> None:
    """Writes the hashes of a step's outputs."""
    path = hashes_file(campaign, step)
    digests = {name: file_sha256(path.parent / name) for name in names}
    path.write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")


def check_outputs(campaign: Campaign, step: str) -> None:
    """Raises UserError where an output of a step was changed since, or the step was not run."""
    path, again = hashes_file(campaign, step), campaign.rerun_hint(step)
    for name, stated in read_json(path, f"build the paper of campaign {campaign.name} first", again).items():
        check_unchanged(path.parent / name, stated, HASHING[step], again)


def check_edits(campaign: Campaign, experiments: Sequence[str], arguments: Collection[str]) -> None:
    """Holds all that was made of a campaign against what its steps wrote down.

    Snakemake takes the outputs of a step that refused an edited file for current: a later command would say
    nothing.

    Args:
        campaign: the campaign.
        experiments: its experiments.
        arguments: of Snakemake's command line; what it makes again is not checked.

    Raises:
        UserError: a file was changed since.
    """

    def is_checked(step: str) -> bool:
        return not any(word.endswith(("--forceall", "-F", step)) for word in arguments)

    for name in experiments:
        if is_tabulated(campaign, name) and is_checked(f"tabulate_{name}"):
            verify_tables(campaign, name)
        for figure in figures_of(name) if is_checked(f"draw_{name}") else ():
            if campaign.figure_file(figure, SIDECAR).exists():
                check_drawn(campaign, figure)
    for step in HASHING:
        if hashes_file(campaign, step).exists() and is_checked(step):
            check_outputs(campaign, step)
