"""How to cite the artifact, read from `CITATION.cff`, the only file that names its title and authors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from joules.errors import UserError
from joules.study.repository import repository_root
from joules.yaml_files import read_yaml


def citation_file() -> Path:
    """The file that says how to cite the artifact."""
    return repository_root() / "CITATION.cff"


def citation() -> dict[str, Any]:
    """The fields of `CITATION.cff`. Raises UserError if it cannot be read or has no title or no authors."""
    cited: dict[str, Any] = read_yaml(citation_file())
    if not cited.get("title"):
        raise UserError(f"{citation_file()} has no title: add one")
    if not cited.get("authors"):
        raise UserError(f"{citation_file()} names no authors: list them, each with 'name' or 'given-names'")
    return cited


def author_name(author: dict[str, str]) -> str:
    """The name of a person or an organisation as it is printed."""
    return author.get("name") or " ".join(
        author[part] for part in ("given-names", "name-particle", "family-names") if part in author
    )
