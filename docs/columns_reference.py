"""Writes `docs/reference/columns.md` from the meanings of all tables and columns.

python docs/columns_reference.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from joules.analysis import columns
from joules.study.design import experiment_folder, experiment_names, load_design

PAGE = Path(__file__).parent / "reference" / "columns.md"


def main() -> None:
    PAGE.write_text(render_page(), encoding="utf-8")


def render_page() -> str:
    """The page in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Tables and columns"
    yield ""
    yield (
        "Made from the files `columns.yaml` by `docs/columns_reference.py`. Tables are "
        "`results/<campaign>/tables/<experiment>/<table>.csv`. An empty cell is a missing value; a star in a "
        "name stands for a part that differs. A column `X` may have the ends of its 95 % interval (`X_low`, "
        "`X_high`) and of its range over power models (`X_band_low`, `X_band_high`)."
    )
    yield ""
    codes = ", ".join(
        f"{unit} (`{columns.UCUM[unit]}`)" for unit in sorted(columns.UNITS & columns.UCUM.keys())
    )
    yield (
        f"Units, with their code of [UCUM](https://ucum.org): {codes}. Of currencies, for which UCUM has "
        f"none: {', '.join(sorted(columns.UNITS - columns.UCUM.keys()))}. Other units are refused."
    )
    yield ""
    yield "## Tables of every experiment"
    yield from _tables(columns.meanings(columns.SHARED))
    for experiment in experiment_names():
        design = load_design(experiment)
        yield ""
        yield f"## {design.title}: `{experiment}`"
        yield ""
        rows = [(table, columns.row_meaning(experiment, table)) for table in design.tables]
        yield "; ".join(f"`{table}.csv`, one row a {row}" if row else f"`{table}.csv`" for table, row in rows)
        yield from _tables(columns.meanings(experiment_folder(experiment)))


def _tables(meanings: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for table, words in meanings.items():
        yield ""
        yield f"### {'any table' if table == columns.ANY else f'{table}.csv'}"
        yield ""
        yield "| column | unit | meaning |"
        yield "|---|---|---|"
        for name, text in words.items():
            yield f"| `{name}` | {columns.unit(name) or ''} | {text.replace('|', '∣')} |"


if __name__ == "__main__":
    main()
