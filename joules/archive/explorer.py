"""The explorer: a page that leads from a figure to its statistics, to its runs, to the record of a run.

The page is one file that opens from disk. It contains the tables, verdicts, values and records of a campaign,
compressed, and its manifest. It shows what it parses from these bytes and checks their hashes. Charts are the
layers of the printed figures, described from the same tables.
"""

from __future__ import annotations

import base64
import csv
import gzip
import importlib
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

from pandas import DataFrame

from joules.analysis import columns, contracts, tables
from joules.analysis.drawing.page_renderer import chart_script, show_figure
from joules.analysis.drawing.sidecar import read_sidecar
from joules.analysis.parallel import parallel_map
from joules.archive.verification import list_files
from joules.study.campaign import Campaign, tables_of
from joules.study.design import load_design
from joules.study.files import read_content
from joules.study.fingerprint import check_unchanged
from joules.study.manifest import read_manifest

_PAGE = Path(__file__).parent / "page"
# Parts of the page's script, in order.
_SCRIPTS = ("files", "elements", "pointing", "figures", "walk", "lists", "app")


def write_page(campaign: Campaign) -> Path:
    """Writes the explorer of a campaign that has a manifest.

    Returns:
        Path of the page.
    """
    campaign.explorer.write_text(render_page(campaign), encoding="utf-8")
    return campaign.explorer


def render_page(campaign: Campaign) -> str:
    """The explorer of a campaign as HTML, the same for the same files."""
    manifest = read_manifest(campaign)
    # First what each step has written of its own files: its remedy makes an edited table again.
    described = list(parallel_map(partial(_question, campaign), manifest.experiments))
    charts = {figure: chart for _, of_figures in described for figure, chart in of_figures.items()}
    shown = list(_shown(campaign))
    for path in shown:
        stated = manifest.files[campaign.relative(path)]
        check_unchanged(path, stated, "listed", campaign.rerun_hint("manifest"))
    packed = [campaign.manifest, *shown]
    files = dict(zip(map(campaign.relative, packed), parallel_map(_packed, packed), strict=True))
    meta = {
        "campaign": campaign.name,
        "title": f"Campaign {campaign.name}",
        "manifest": campaign.relative(campaign.manifest),
        "origin": manifest.origin.model_dump(exclude={"fingerprints"}),
        "questions": [question for question, _ in described],
        "meanings": _meanings(campaign, manifest.experiments),
        "files": list(files),
    }
    scripts = [chart_script(), *((_PAGE / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)]
    return Template((_PAGE / "page.html").read_text(encoding="utf-8")).substitute(
        title=meta["title"],
        style=(_PAGE / "style.css").read_text(encoding="utf-8"),
        app="\n".join(scripts),
        meta=_json(meta),
        charts=_carry("chart", {name: _json(chart) for name, chart in charts.items()}),
        files=_carry("file", files),
    )


def _shown(campaign: Campaign) -> Iterator[Path]:
    """The listed files that the page shows."""
    kinds = (".csv", ".jsonl")
    yield from (path for path in list_files(campaign) if Path(campaign.relative(path)).suffix in kinds)


def _question(campaign: Campaign, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the page says of an experiment, and its charts by figure."""
    design = load_design(name)
    table_set = tables.read_tables(campaign, name)
    figures, charts = [], {}
    for figure, caption in design.figures.items():
        described, charts[figure] = _figure(campaign, figure, table_set)
        figures.append({"name": figure, "caption": " ".join(caption.split())} | described)
    return {"name": name, "title": design.title, "question": design.question, "figures": figures}, charts


def _figure(
    campaign: Campaign, name: str, table_set: Mapping[str, DataFrame]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where a figure comes from, and its charts by cost."""
    sidecar = read_sidecar(campaign, name)
    module = importlib.import_module(f"experiments.{sidecar.experiment}.figures")
    describe: contracts.Figure = getattr(module, name)
    used = _Noted(table_set)
    figure = describe(used)
    origin = {
        "tables": list(used.names),
        "source": f"experiments/{sidecar.experiment}/figures.py, {name}",
        "code": sidecar.code_fingerprint[:16],
        "sha256": sidecar.files[f"{name}.pdf"][:16],
    }
    costs = figure.costs or {"energy": figure}
    return origin, {cost: show_figure(told) for cost, told in costs.items()}


class _Noted(Mapping[str, DataFrame]):
    """Tables that note which of them are read."""

    def __init__(self, table_set: Mapping[str, DataFrame]) -> None:
        self._tables = table_set
        self.names: dict[str, None] = {}

    def __getitem__(self, name: str) -> DataFrame:
        self.names[name] = None
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def _meanings(campaign: Campaign, experiments: list[str]) -> dict[str, dict[str, str]]:
    """Meaning of each column, by '<experiment>/<table>' and by column."""
    found: dict[str, dict[str, str]] = {}
    for experiment in experiments:
        for table in tables_of(experiment):
            words = _words(campaign.tables(experiment) / f"{table}.csv", experiment, table)
            found[f"{experiment}/{table}"] = words
    return found | {"claims": _words(campaign.claims, "", "claims")}


def _words(path: Path, experiment: str, table: str) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file), [])
    meanings = {column: columns.meaning(experiment, table, column) for column in header}
    return {column: words for column, words in meanings.items() if words is not None}


def _carry(kind: str, texts: Mapping[str, str]) -> str:
    return "\n".join(
        f'<script type="text/plain" data-{kind}="{name}">{text}</script>' for name, text in texts.items()
    )


def _packed(path: Path) -> str:
    return base64.b64encode(gzip.compress(read_content(path), mtime=0)).decode("ascii")


def _json(body: object) -> str:
    # In HTML, '</' would end the script that contains it.
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
