"""Where the files of a campaign are, and the steps between them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from experiments.analysis import campaign as campaign_tables
from experiments.analysis import claims as claim_tables
from experiments.analysis import plotting, records, tables, values
from experiments.bench.record import Idle, Run
from experiments.config import LOCAL, Config, load_design
from experiments.errors import UserError
from experiments.provenance import code_fingerprint, file_sha256
from experiments.schema import did_you_mean

SELF = "campaign"


@dataclass(frozen=True)
class Campaign:
    """A folder of `results/` and what is made from it. Paths are relative to the repository."""

    name: str

    @property
    def results(self) -> Path:
        return Path("results", self.name)

    @property
    def claims(self) -> Path:
        return self.results / "claims.csv"

    @property
    def build(self) -> Path:
        return Path("paper", "build", self.name)

    def tables(self, experiment: str) -> Path:
        return self.results / "tables" / experiment

    def figure(self, name: str) -> Path:
        """Path of a figure without its suffix."""
        return Path("figures", self.name, name)

    def block_files(self, experiment: str) -> list[Path]:
        """The files of records present, in order of block."""
        folder = self.results / "runs" / experiment
        return sorted(folder.glob("block-*.jsonl"), key=lambda path: int(path.stem.split("-")[1]))

    def experiments(self) -> list[str]:
        """Experiments with records, sorted. Raises UserError where there is none."""
        found = sorted(path.name for path in (self.results / "runs").glob("*") if path.is_dir())
        if not found:
            raise UserError(
                f"campaign '{self.name}' has no records ({did_you_mean(self.name, released())})"
            )
        return found


def released() -> list[str]:
    """Names of the campaigns in `results/` that can be rebuilt, the reader's own included."""
    return sorted({path.parent.name for path in Path("results").glob("*/runs")} | {LOCAL})


def _load(campaign: Campaign, experiment: str, config: Config) -> list[Run | Idle]:
    files = campaign.block_files(experiment)
    if campaign.name == LOCAL:
        blocks = load_design(experiment).at(config.scale).blocks
        files = [campaign.results / "runs" / experiment / f"block-{n}.jsonl" for n in range(blocks)]
    return records.load(files)


def tabulate(campaign: Campaign, experiment: str, config: Config) -> None:
    """Writes the tables of an experiment, or those of the campaign itself for 'campaign'."""
    if experiment == SELF:
        names = config.experiments if campaign.name == LOCAL else campaign.experiments()
        loaded = {name: _load(campaign, name, config) for name in names}
        made = campaign_tables.tabulate(loaded, config)
        inputs = [path for name in names for path in campaign.block_files(name)]
    else:
        made = _module(experiment, "analysis").tabulate(
            _load(campaign, experiment, config), load_design(experiment)
        )
        inputs = campaign.block_files(experiment)
    tables.write_tables(campaign.tables(experiment), made, inputs)


def draw(campaign: Campaign, experiment: str, figure: str) -> None:
    """Draws one figure of an experiment with its provenance beside it."""
    known = load_design(experiment).figures
    if figure not in known:
        raise UserError(f"{experiment} has no figure '{figure}' ({did_you_mean(figure, known)})")
    found = tables.read_tables(campaign.tables(experiment))
    with plotting.style():
        drawn = getattr(_module(experiment, "figures"), figure)(found)
        plotting.save(
            drawn,
            campaign.figure(figure),
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
    statistics = {
        name: tables.read_tables(campaign.tables(name))["statistics"] for name in experiments
    }
    claim_tables.judge(statistics).to_csv(campaign.claims, index=False, lineterminator="\n")


def inject(campaign: Campaign, experiments: Sequence[str], config: Config) -> None:
    """Writes what LaTeX reads: values, tables and captions."""
    own = tables.read_tables(campaign.tables(SELF))
    collected = campaign_tables.values(own, campaign.name, config)
    captions: list[str] = []
    campaign.build.mkdir(parents=True, exist_ok=True)
    for experiment in experiments:
        analysis = _module(experiment, "analysis")
        found = tables.read_tables(campaign.tables(experiment))
        collected += analysis.values(found)
        for name, table in analysis.display(found).items():
            (campaign.build / f"{name}.tex").write_text(values.tabular(table), encoding="utf-8")
        captions += [
            _caption(campaign, own, name, text)
            for name, text in load_design(experiment).figures.items()
        ]
    collected += claim_tables.values(pd.read_csv(campaign.claims))
    checked = values.check(collected)
    (campaign.build / "values.tex").write_text(values.macros(checked), encoding="utf-8")
    values.listing(checked).to_csv(
        campaign.build / "values.csv", index=False, lineterminator="\n"
    )
    (campaign.build / "captions.tex").write_text("".join(captions), encoding="utf-8")


def _caption(campaign: Campaign, own: dict[str, pd.DataFrame], figure: str, text: str) -> str:
    sidecar = read_sidecar(campaign, figure)
    machine = own["machine"].iloc[0]
    line = (
        f"Campaign {campaign.name} at {machine['scale']} scale on a {machine['words']}; energy "
        f"{campaign_tables.words(own['instruments'])}; figure "
    )
    digest = sidecar["files"][f"{figure}.pdf"][:12]
    printed = f"{values.escape(text)} {{\\footnotesize {values.escape(line)}\\texttt{{{digest}}}.}}"
    return f"\\defcaption{{{figure}}}{{{printed}}}\n"


def read_sidecar(campaign: Campaign, figure: str) -> dict[str, Any]:
    """The provenance of a figure. Raises UserError where a file of the figure was changed."""
    path = campaign.figure(figure).with_suffix(".provenance.json")
    if not path.exists():
        raise UserError(f"{path} does not exist: draw the figure first")
    sidecar: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for name, stated in sidecar["files"].items():
        if file_sha256(path.with_name(name)) != stated:
            raise UserError(
                f"{path.with_name(name)} was changed after it was drawn: delete it and run the "
                "workflow again"
            )
    return sidecar


def _module(experiment: str, part: str) -> ModuleType:
    return importlib.import_module(f"experiments.{experiment}.{part}")


