"""Sources of published files: the `sources.yaml` in their folder."""

from __future__ import annotations

from pathlib import Path

from joules.errors import UserError
from joules.models import Closed, validate
from joules.study.fingerprint import check_unchanged
from joules.yaml_files import read_yaml

SOURCES = "sources.yaml"


class Source(Closed):
    """Where a file of published readings comes from.

    `repository` is a public repository as owner/name or another publication, `commit` the one that was read,
    `paths` the files in it, `rule` how rows were made of them, `licence` that of the repository ('none' where
    it states none: then the file holds facts that were computed here), `command` what makes the file again.
    """

    repository: str
    commit: str
    paths: str
    licence: str
    rule: str
    command: str
    sha256: str


def load_sources(folder: Path) -> dict[str, Source]:
    """The source of every file of a folder by the file's name; none where the folder has no `sources.yaml`.

    Raises:
        UserError: `sources.yaml` cannot be read or lacks a field.
    """
    path = folder / SOURCES
    if not path.is_file():
        return {}
    listed = read_yaml(path)
    if not isinstance(listed, dict):
        raise UserError(f"{path} lists no files: restore it")
    return {name: validate(Source, body, f"{path}, {name}") for name, body in listed.items()}


def check_source(path: Path) -> Source:
    """The source of a file of published readings.

    Raises:
        UserError: the file is not listed, missing or not what `sources.yaml` states.
    """
    listed = load_sources(path.parent)
    if path.name not in listed:
        raise UserError(
            f"{path.parent / SOURCES} does not list {path.name}: add its repository, commit, licence and rule"
        )
    source = listed[path.name]
    check_unchanged(path, source.sha256, "extracted", f"restore it, or extract it again ({source.command})")
    return source
