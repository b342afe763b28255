"""The README of a released campaign: what it is, how its energy was read, and what each column means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from joules.analysis.instruments import provenance_words

_OUTLINE = """# {title}

{description}

Cite version {version} as `CITATION.cff` says. {licence}: {licence_url}.

| | |
|---|---|
| machine | {words} |
| operating system | {system} |
| measured | {first_measured_at} to {last_measured_at} |
| scale | {scale} |

## How energy was read

{instruments}

## Files

- `runs/<experiment>/block-<n>.jsonl`: the records, one run or idle reading a line, each with its own SHA-256
- `tables/<experiment>/<table>.csv`: what is tabulated from them; an empty cell is a missing value
- `claims.csv`: what the campaign says of the paper's claims
- `manifest.json`: SHA-256 of every file
- `explorer.html`: a page to walk all of this in a browser, from a figure down to a reading; in the archive,
  and made by the workflow in a clone
- `datapackage.json`, `ro-crate-metadata.json`: what this page says, for machines

Figures are in `figures/{name}`, the paper is in `paper/build/{name}`, of the repository and of the archive.

## Tables

Energy of this campaign is {how}, in every table; so is what follows from it, powers, prices and
emissions among them. What is called reference or published is other people's.

{tables}
"""


def codebook(package: Mapping[str, Any], machine: pd.Series, instruments: pd.DataFrame) -> str:
    """Markdown made from the descriptor of a data package, the campaign's machine and its instruments."""
    licence = package["licenses"][0]
    return _OUTLINE.format(
        title=package["title"],
        description=package["description"],
        version=package["version"],
        name=package["name"],
        licence=licence["title"],
        licence_url=licence["path"],
        how=provenance_words(instruments),
        instruments=_table(("part", "read by", "provenance", "what it rests on"), _read(instruments)),
        tables="\n\n".join(_described(resource) for resource in package["resources"]),
        **{
            name: machine[name]
            for name in ("words", "system", "first_measured_at", "last_measured_at", "scale")
        },
    )


def _read(instruments: pd.DataFrame) -> Iterable[tuple[str, ...]]:
    return instruments[["domain", "source", "provenance", "detail"]].itertuples(index=False, name=None)


def _described(resource: Mapping[str, Any]) -> str:
    rows = [
        (f"`{field['name']}`", field.get("unit", ""), field["description"])
        for field in resource["schema"]["fields"]
    ]
    return f"### {resource['title']}\n\n`{resource['path']}`\n\n{_table(('column', 'unit', 'meaning'), rows)}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
