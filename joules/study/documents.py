"""The documents of the paper and the files with their text."""

from __future__ import annotations

from collections.abc import Sequence

from joules.study.repository import repository_root

# What is typeset, each to a PDF and a web page of its name.
DOCUMENTS = ("paper", "supplement")


def list_sources(experiments: Sequence[str]) -> list[str]:
    """Lists the files with the text of the paper and its supplement, relative to the repository: one for each
    document, then for each experiment its section, and its details where it has any."""
    return [
        *(f"paper/{document}.tex" for document in DOCUMENTS),
        *(f"paper/main/{experiment}.tex" for experiment in experiments),
        *(f"paper/supplement/{experiment}.tex" for experiment in list_detailed(experiments)),
    ]


def list_detailed(experiments: Sequence[str]) -> list[str]:
    """Lists those experiments that have details in the supplement."""
    folder = repository_root() / "paper" / "supplement"
    return [experiment for experiment in experiments if (folder / f"{experiment}.tex").is_file()]
