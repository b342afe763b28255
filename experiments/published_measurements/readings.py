"""The published readings in `reference/`, each file checked against the hash that `sources.yaml` states."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from joules.errors import UserError
from joules.models import Closed, read_yaml, validate
from joules.study.fingerprint import check_unchanged

FOLDER = Path(__file__).parent / "reference"
SOURCES = FOLDER / "sources.yaml"
RESTORE = "restore it, or extract it again (python -m experiments.published_measurements.extract)"


class Source(Closed):
    """Where a file of `reference/` comes from.

    `repository` is a public repository as owner/name, `commit` the one that was read, `paths` the files in it,
    `rule` how rows were made of them, `licence` that of the repository ('none' where it states none: then the
    file holds facts that were computed here), `command` what makes the file again from a clone.
    """

    repository: str
    commit: str
    paths: str
    licence: str
    rule: str
    command: str
    sha256: str


def load_sources() -> dict[str, Source]:
    """The source of every file of `reference/`, by its name.

    Raises:
        UserError: `sources.yaml` cannot be read or lacks a field.
    """
    listed = read_yaml(SOURCES)
    if not isinstance(listed, dict):
        raise UserError(f"{SOURCES} lists no files: {RESTORE}")
    return {name: validate(Source, body, f"{SOURCES}, {name}") for name, body in listed.items()}


def read(name: str) -> pd.DataFrame:
    """A file of `reference/` as a table.

    Raises:
        UserError: the file is missing or not what `sources.yaml` states.
    """
    sources = load_sources()
    if name not in sources:
        raise UserError(f"{SOURCES} does not list {name}: add its repository, commit, licence and rule")
    path = FOLDER / name
    check_unchanged(path, sources[name].sha256, "extracted", RESTORE)
    return pd.read_csv(path)
