"""The README of a released campaign: its machine, how its energy was read, the meaning of each column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from joules.analysis.instruments import provenance_words

_OUTLINE = """# {title}

{description}

Cite version {version} as stated in `CITATION.cff`. {licence}: {licence_url}.

| | |
|---|---|
| machine | {words} |
| operating system | {system} |
| measured | {first_measured_at} to {last_measured_at} |
| scale | {scale} |

## How energy was read

{instruments}

## Files

- `runs/<experiment>/block-<n>.jsonl` (`.jsonl.gz` if compressed): records, one run or idle measurement per
  line, each with its SHA-256
- `tables/<experiment>/<table>.csv`: the tables made from them; an empty cell is a missing value
- `claims.csv`: verdicts on the claims of the paper
- `manifest.json`: SHA-256 of every file
- `explorer.html`: a page to explore all of this in a browser, from figures to readings; it is in the archive,
  and the workflow makes it in a clone
- `datapackage.json`, `ro-crate-metadata.json`: machine-readable descriptions

Figures are in `figures/{name}` and the paper is in `paper/build/{name}`, of the repository and the archive.

## Tables

Energy of this campaign is {how}, in every table; so are powers, prices and emissions, which follow from it.
Columns called reference or published hold other people's results.

{index}

{tables}
"""


def write_codebook(package: Mapping[str, Any], machine: pd.Series, instruments: pd.DataFrame) -> str:
    """Writes the README of a campaign.

    Args:
        package: Descriptor of its data package.
        machine: Row of its table 'machine'.
        instruments: Its table 'instruments'.

    Returns:
        The text in Markdown.
    """
    licence = package["licenses"][0]
    return _OUTLINE.format(
        title=package["title"],
        description=package["description"],
        version=package["version"],
        name=package["name"],
        licence=licence["title"],
        licence_url=licence["path"],
        how=provenance_words(instruments),
        instruments=_table(("part", "source", "provenance", "based on"), _read(instruments)),
        index=_table(("table", "rows"), map(_listed, package["resources"])),
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
    head = f"### {resource['title']}\n\n`{resource['path']}`: {resource['description']}"
    return f"{head}\n\n{_table(('column', 'unit', 'meaning'), rows)}"


def _listed(resource: Mapping[str, Any]) -> tuple[str, ...]:
    anchor = re.sub(r"[^\w -]", "", resource["title"].lower()).replace(" ", "-")
    return f"[`{resource['path']}`](#{anchor})", resource["description"]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
