"""The steps from tables to the paper. Each reads files, writes files and keeps no state."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import cast

import pandas as pd

from joules.analysis import tables
from joules.analysis.drawing.sidecar import read_sidecar
from joules.analysis.instruments import is_modelled, provenance_words
from joules.errors import UserError
from joules.means import CONFIDENCE
from joules.paper import claims, comparison, families, printing, prose, replication, values
from joules.paper.contracts import Report
from joules.paper.outputs import check_outputs, hash_outputs, write_outputs
from joules.paper.rows import derive
from joules.paper.typeset import run_latex
from joules.paper.webpages import write_pages
from joules.study.campaign import CAMPAIGN, Campaign, figures_of
from joules.study.citation import author_name, citation
from joules.study.claims import load_claims
from joules.study.design import load_design
from joules.study.documents import list_detailed, list_sources
from joules.study.repository import repository_root

# Tables that grow with the claims, figures or families of a campaign, and go over pages.
_LONG = ("claims", "evidence", "claims_by_campaign", "provenance", "families")
# Hashes in a row of the table of provenance: LaTeX cannot set one of thousands.
_IN_A_ROW = 60


def evaluate_claims(campaign: Campaign, experiments: Sequence[str]) -> None:
    """Writes the verdict on every claim of `experiments`."""
    write_outputs(campaign, "evaluate", {campaign.claims.name: _evaluated(campaign, experiments)})


def _evaluated(campaign: Campaign, experiments: Sequence[str]) -> str:
    read = {name: tables.read_tables(campaign, name) for name in experiments}
    verdicts = replication.decide_over_campaigns(
        claims.evaluate_tables(read), read[CAMPAIGN]["replication"], campaign.name
    )
    return verdicts.to_csv(index=False, lineterminator="\n")


def _tables_named(table: str, read: Mapping[str, Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """The table of this name of each experiment that has it."""
    return {
        experiment: of_experiment[table]
        for experiment, of_experiment in read.items()
        if table in of_experiment
    }


def read_verdicts(campaign: Campaign, experiments: Sequence[str]) -> pd.DataFrame:
    """The verdicts as they are stored. Raises UserError where they are not those that the tables give."""
    if campaign.claims.read_text(encoding="utf-8") != _evaluated(campaign, experiments):
        raise UserError(f"{campaign.claims} does not match the tables: " + campaign.rerun_hint("evaluate"))
    return pd.read_csv(campaign.claims)


def check_prose(experiments: Sequence[str], exported: Sequence[values.Value]) -> None:
    """Raises UserError where the paper's sources are at fault, given the values that they may print."""
    root = repository_root()
    prose.check_sources(
        {Path(name): (root / name).read_text(encoding="utf-8") for name in list_sources(experiments)},
        exported,
        {name: claim for one in experiments for name, claim in load_claims(one).items()},
    )


def export_values(campaign: Campaign, experiments: Sequence[str]) -> list[values.Value]:
    """Writes what LaTeX reads (values, tables and captions); returns the values."""
    read = {experiment: tables.read_tables(campaign, experiment) for experiment in experiments}
    instruments = read[CAMPAIGN]["instruments"]
    captions = [
        _caption(campaign, instruments, name, text)
        for experiment in experiments
        for name, text in figures_of(experiment).items()
    ]
    collected = [values.Value("campaign.name", derive(name_campaign, campaign.name), experiment=CAMPAIGN)]
    printed: dict[str, pd.DataFrame] = {}
    for experiment, table_set in read.items():
        report = cast(Report, importlib.import_module(f"experiments.{experiment}.report"))
        collected += _of(experiment, report.values(table_set))
        printed |= report.display(table_set)
    verdicts = read_verdicts(campaign, experiments)
    collected += claims.values(verdicts)
    compared = comparison.compare_with_releases(campaign) if campaign.is_local else []
    collected += _of(CAMPAIGN, comparison.values(compared))
    printed |= {
        "claims": claims.display(verdicts),
        "provenance": _provenance(campaign, experiments),
        **families.display(_tables_named("statistics", read)),
        **comparison.display(compared),
    }
    checked = values.check_values(collected)
    if is_modelled(instruments):
        values.check_bands(checked, printed)
        prose.check_heads(
            printed,
            {
                f"{name}/{table}": list(pd.read_csv(campaign.tables(name) / f"{table}.csv", nrows=0))
                for name, of_experiment in read.items()
                for table in of_experiment
            },
        )
    texts = {
        "values.csv": values.listing(checked).to_csv(index=False, lineterminator="\n"),
        "values.tex": values.macros(checked),
        "captions.tex": "".join(captions),
        "tables.tex": "".join(
            f"\\deftable{{{name}}}{{"
            + (printing.long_table(name, table) if name in _LONG else printing.tabular(table))
            + "}\n"
            for name, table in printed.items()
        ),
        "questions.tex": "".join(
            f"\\item {printing.escape(load_design(experiment).question)}\n" for experiment in experiments
        ),
        "sections.tex": "".join(f"\\input{{main/{experiment}}}\n" for experiment in experiments),
        "details.tex": "".join(f"\\input{{supplement/{name}}}\n" for name in list_detailed(experiments)),
    }
    write_outputs(campaign, "export", texts)
    return checked


def name_campaign(campaign: str) -> str:
    """The name of the campaign's folder in `results/`."""
    return campaign


def typeset_paper(campaign: Campaign) -> list[Path]:
    """Typesets the paper of a campaign and its supplement; returns the PDFs and the web pages.

    Raises UserError if a number, table, caption or figure was changed after it was exported or drawn.
    """
    check_outputs(campaign, "export")
    for sidecar in sorted(campaign.figures.glob("*.provenance.json")):
        read_sidecar(campaign, sidecar.name.removesuffix(".provenance.json"))
    cited = citation()
    macros = {
        "papertitle": printing.escape(cited["title"]),
        "authors": r" \and ".join(printing.escape(author_name(author)) for author in cited["authors"]),
        "figurefolder": f"figures/{campaign.name}",
        "explorerpage": Path(os.path.relpath(campaign.explorer, campaign.build)).as_posix(),
    }
    places = (repository_root() / "paper", campaign.figures.parent, campaign.build, macros)
    made = [*run_latex(*places), *write_pages(*places)]
    hash_outputs(campaign, "typeset", [path.name for path in made])
    return made


def read_values(campaign: Campaign) -> pd.DataFrame:
    """Every value of a campaign's paper, by its key, as text.

    Raises UserError if there are none or if they were changed after they were exported.
    """
    check_outputs(campaign, "export")
    return pd.read_csv(campaign.build / "values.csv", dtype=str, keep_default_na=False).set_index("key")


def _of(experiment: str, exported: Sequence[values.Value]) -> list[values.Value]:
    return [dataclasses.replace(value, experiment=experiment) for value in exported]


def _provenance(campaign: Campaign, experiments: Sequence[str]) -> pd.DataFrame:
    """What each figure was drawn from and by, as the appendix prints it: first digits of SHA-256."""
    rows = []
    for experiment in experiments:
        for figure in figures_of(experiment):
            sidecar = read_sidecar(campaign, figure)
            rows.append(
                {
                    "figure": printing.Link(figure, f"figure/{figure}"),
                    "file": _brief(sidecar.files[f"{figure}.pdf"]),
                    "tables": _brief(sidecar.manifest_sha256),
                    "code": _brief(sidecar.code_fingerprint),
                    "records": brief_digests(tables.read_inputs(campaign, experiment).values()),
                }
            )
    return pd.DataFrame(rows)


def brief_digests(digests: Collection[str]) -> str:
    """First digits of hashes, in a cell of a table; of more than LaTeX can set in a row it says how many, and
    where they are."""
    listed = ", ".join(_brief(digest) for digest in itertools.islice(digests, _IN_A_ROW))
    more = len(digests) - _IN_A_ROW
    return f"{listed} and {more} more, which the manifest of the tables lists" if more > 0 else listed


def _brief(digest: str) -> str:
    # A letter first: digits alone would be set as a number.
    return f"#{digest[:7]}"


def _caption(campaign: Campaign, instruments: pd.DataFrame, figure: str, text: str) -> str:
    sidecar = read_sidecar(campaign, figure)
    source = f"experiments/{sidecar.experiment}/figures.py"
    digest = sidecar.files[f"{figure}.pdf"][:12]
    design = load_design(sidecar.experiment)
    runs = campaign.tables(sidecar.experiment) / "runs.csv"
    blocks = pd.read_csv(runs, usecols=["block"])["block"].nunique() if design.has_runs else 0
    is_published = design.evidence == "published"
    words = "as published, read by meters and counters" if is_published else provenance_words(instruments)
    spread = f"$n={blocks}$ blocks, " if blocks else ""
    if "interval" in text and "% interval" not in text:
        spread += f"{100 * CONFIDENCE:.0f}\\,\\% intervals, "
    chain = f"\\hyperref[tab:provenance]{{\\texttt{{{digest}}}}}"
    walk = printing.Link("open in the explorer", f"figure/{figure}").latex()
    line = (
        f"{spread}{'energy' if spread else 'Energy'} {printing.escape(words)}; {chain}, drawn by "
        f"\\source{{{source}}}{{{printing.escape(source)}}}; {walk}."
    )
    spoken = text.encode("utf-16-be").hex().upper()
    return (
        f"\\defcaption{{{figure}}}{{{printing.escape(text)}}}\n\\defchain{{{figure}}}{{{line}}}\n"
        f"\\defalt{{{figure}}}{{FEFF{spoken}}}\n"
    )
