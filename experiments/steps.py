"""The steps from records to what LaTeX reads. Each reads files, writes files and keeps no state."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from experiments import reproduction
from experiments.analysis import campaign as campaign_tables
from experiments.analysis import claims as claim_tables
from experiments.analysis import plotting, prose, records, sensitivity, tables, values
from experiments.bench.record import Idle, Run
from experiments.campaigns import SELF, Campaign
from experiments.config import LOCAL, Config, load_claims, load_design
from experiments.errors import UserError
from experiments.provenance import code_fingerprint, file_sha256
from experiments.schema import did_you_mean

PAPER = Path("paper", "paper.tex")
# Hashes of what the inject step wrote for LaTeX.
INJECTED = "injected.json"
# To delete a file is not enough: Snakemake does not make again what lies between files that are there.
_AGAIN = "run the workflow again with --forcerun {step}"


def _load(campaign: Campaign, experiment: str, config: Config) -> list[Run | Idle]:
    return records.load(campaign.records(experiment, config))


def tabulate(campaign: Campaign, experiment: str, config: Config) -> None:
    """Writes the tables of an experiment, or those of the campaign itself for 'campaign'."""
    write_tables_of(campaign, experiment, config, campaign.tables(experiment))


def write_tables_of(campaign: Campaign, experiment: str, config: Config, folder: Path) -> None:
    """The same into any `folder`."""
    if experiment == SELF:
        names = config.experiments if campaign.name == LOCAL else campaign.experiments()
        loaded = {name: _load(campaign, name, config) for name in names}
        made = campaign_tables.tabulate(loaded, config)
    else:
        names = [experiment]
        made = _tabulated(experiment, _load(campaign, experiment, config))
    inputs = [path for name in names for path in campaign.records(name, config)]
    tables.write_tables(folder, made, inputs)


def _tabulated(experiment: str, entries: list[Run | Idle]) -> dict[str, pd.DataFrame]:
    analysis, design = _module(experiment, "analysis"), load_design(experiment)
    made: dict[str, pd.DataFrame] = analysis.tabulate(entries, design)
    made["statistics"] = sensitivity.beside(
        made["statistics"],
        made["runs"],
        entries,
        lambda fewer: analysis.tabulate(fewer, design)["statistics"],
    )
    return made


def draw(campaign: Campaign, experiment: str, figure: str) -> None:
    """Draws one figure of an experiment with its provenance beside it."""
    draw_to(campaign, experiment, figure, campaign.figure(figure))


def draw_to(campaign: Campaign, experiment: str, figure: str, stem: Path) -> None:
    """The same under any path without its suffix."""
    known = load_design(experiment).figures
    if figure not in known:
        raise UserError(f"{experiment} has no figure '{figure}' ({did_you_mean(figure, known)})")
    found = tables.read_tables(campaign.tables(experiment))
    with plotting.style():
        drawn = getattr(_module(experiment, "figures"), figure)(found)
        plotting.save(
            drawn,
            stem,
            {
                "figure": figure,
                "campaign": campaign.name,
                "experiment": experiment,
                "tables": str(campaign.tables(experiment)),
                "manifest_sha256": file_sha256(campaign.tables(experiment) / tables.MANIFEST),
                "code_fingerprint": code_fingerprint(f"experiments.{experiment}.figures", [figure]),
            },
        )


def judge(campaign: Campaign, experiments: Sequence[str]) -> None:
    """Writes the verdict on every claim of `experiments`."""
    write_claims(campaign, experiments, campaign.claims)


def write_claims(campaign: Campaign, experiments: Sequence[str], path: Path) -> None:
    """The same into any file."""
    path.write_text(_judged(campaign, experiments), encoding="utf-8")


def _judged(campaign: Campaign, experiments: Sequence[str]) -> str:
    statistics = {name: tables.read_tables(campaign.tables(name))["statistics"] for name in experiments}
    return claim_tables.judge(statistics).to_csv(index=False, lineterminator="\n")


def _verdicts(campaign: Campaign, experiments: Sequence[str]) -> pd.DataFrame:
    """The verdicts as they are stored. Raises UserError where they are not those that the tables give."""
    if campaign.claims.read_text(encoding="utf-8") != _judged(campaign, experiments):
        raise UserError(
            f"{campaign.claims} is not what the tables give, so no paper is made from it: "
            + _AGAIN.format(step="judge")
        )
    return pd.read_csv(campaign.claims)


def inject(campaign: Campaign, experiments: Sequence[str], config: Config) -> None:
    """Writes what LaTeX reads: values, tables and captions. Raises UserError where the prose is at fault."""
    campaign.build.mkdir(parents=True, exist_ok=True)
    collected = write_injected(campaign, experiments, config, campaign.build)
    sources = [PAPER, *(PAPER.parent / "sections" / f"{experiment}.tex" for experiment in experiments)]
    prose.check(
        {path: path.read_text(encoding="utf-8") for path in sources},
        collected,
        {name: claim for experiment in experiments for name, claim in load_claims(experiment).items()},
    )


def write_injected(
    campaign: Campaign, experiments: Sequence[str], config: Config, folder: Path
) -> list[values.Value]:
    """The same into any `folder`, the prose unread; returns the values."""
    own = tables.read_tables(campaign.tables(SELF))
    collected = _of(SELF, campaign_tables.values(own, campaign.name, config))
    captions: list[str] = []
    printed_tables: list[str] = []
    for experiment in experiments:
        analysis = _module(experiment, "analysis")
        found = tables.read_tables(campaign.tables(experiment))
        collected += _of(experiment, analysis.values(found))
        printed_tables += [
            f"\\deftable{{{name}}}{{{values.tabular(table)}}}\n"
            for name, table in analysis.display(found).items()
        ]
        captions += [
            _caption(campaign, own, name, text) for name, text in load_design(experiment).figures.items()
        ]
    verdicts = _verdicts(campaign, experiments)
    collected += claim_tables.values(verdicts)
    # A released campaign is the same whatever is released after it.
    beside = reproduction.comparisons(campaign) if campaign.name == LOCAL else []
    collected += _of(SELF, reproduction.values(beside))
    for name, table in {
        "claims": claim_tables.display(verdicts),
        "provenance": _provenance(campaign, experiments),
        **campaign_tables.display(own),
        **reproduction.display(beside),
    }.items():
        printed_tables.append(f"\\deftable{{{name}}}{{{values.tabular(table)}}}\n")
    checked = values.check(collected)
    values.listing(checked).to_csv(folder / "values.csv", index=False, lineterminator="\n")
    texts = {
        "values.tex": values.macros(checked),
        "captions.tex": "".join(captions),
        "tables.tex": "".join(printed_tables),
        "sections.tex": "".join(f"\\input{{sections/{experiment}}}\n" for experiment in experiments),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    digests = {name: file_sha256(folder / name) for name in texts}
    (folder / INJECTED).write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")
    return checked


def check_printed(campaign: Campaign) -> None:
    """Raises UserError where a number, a table, a caption or a figure that LaTeX is about to read was changed
    after it was made."""
    path = campaign.build / INJECTED
    try:
        stated: dict[str, str] = dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: run the inject step first") from None
    except (ValueError, TypeError):
        raise UserError(f"{path} is torn or was changed: {_AGAIN.format(step='inject')}") from None
    for name, digest in stated.items():
        if file_sha256(campaign.build / name) != digest:
            raise UserError(
                f"{campaign.build / name} was changed after it was injected: {_AGAIN.format(step='inject')}"
            )
    for sidecar in sorted(campaign.figures.glob("*.provenance.json")):
        read_sidecar(campaign, sidecar.name.removesuffix(".provenance.json"))


def _of(experiment: str, found: Sequence[values.Value]) -> list[values.Value]:
    return [dataclasses.replace(value, experiment=experiment) for value in found]


def _provenance(campaign: Campaign, experiments: Sequence[str]) -> pd.DataFrame:
    """What each figure was drawn from and by, as the appendix prints it: first digits of SHA-256."""
    rows = []
    for experiment in experiments:
        for figure in load_design(experiment).figures:
            sidecar = read_sidecar(campaign, figure)
            rows.append(
                {
                    "figure": figure,
                    "file": _brief(sidecar["files"][f"{figure}.pdf"]),
                    "tables": _brief(sidecar["manifest_sha256"]),
                    "code": _brief(sidecar["code_fingerprint"]),
                    "records": ", ".join(
                        _brief(digest) for digest in tables.inputs(campaign.tables(experiment)).values()
                    ),
                }
            )
    return pd.DataFrame(rows)


def _brief(digest: str) -> str:
    # A letter first: digits alone would be set as a number.
    return f"#{digest[:7]}"


def _caption(campaign: Campaign, own: dict[str, pd.DataFrame], figure: str, text: str) -> str:
    sidecar = read_sidecar(campaign, figure)
    machine = own["machine"].iloc[0]
    line = (
        f"Campaign {campaign.name} at {machine['scale']} scale on a {machine['words']}; energy "
        f"{campaign_tables.words(own['instruments'])}; figure "
    )
    digest = sidecar["files"][f"{figure}.pdf"][:12]
    chain = f"\\hyperref[tab:provenance]{{\\texttt{{{digest}}}}}"
    printed = f"{values.escape(text)} {{\\footnotesize {values.escape(line)}{chain}.}}"
    return f"\\defcaption{{{figure}}}{{{printed}}}\n"


def read_sidecar(campaign: Campaign, figure: str) -> dict[str, Any]:
    """The provenance of a figure. Raises UserError where a file of the figure was changed."""
    path = campaign.figure(figure).with_suffix(".provenance.json")
    if not path.exists():
        raise UserError(f"{path} does not exist: draw the figure first")
    try:
        sidecar: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        sidecar = {}
    if not isinstance(sidecar, dict) or not {"files", "manifest_sha256", "code_fingerprint"} <= set(sidecar):
        raise UserError(f"{path} is torn or was changed: {_AGAIN.format(step='draw')}")
    for name, stated in sidecar["files"].items():
        if file_sha256(path.with_name(name)) != stated:
            raise UserError(
                f"{path.with_name(name)} was changed after it was drawn: {_AGAIN.format(step='draw')}"
            )
    return sidecar


def _module(experiment: str, part: str) -> ModuleType:
    return importlib.import_module(f"experiments.{experiment}.{part}")
