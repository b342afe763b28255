"""Where the files of a campaign are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from joules.errors import UserError
from joules.models import did_you_mean
from joules.study.config import LOCAL, Config, paper_order
from joules.study.design import experiment_names, load_design, with_campaign_experiments
from joules.study.files import COMPRESSED, existing_file

# The experiment whose tables describe a campaign as a whole: `machine`, `instruments` and `energy`.
CAMPAIGN = "campaign"
# The table that the machinery adds where there are runs: every statistic under every power model.
POWER_MODELS = "power_models"
STATED = "machine.yaml"
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})[a-z]?$")
BLOCK_FILE = re.compile(r"block-(0|[1-9][0-9]*)\.jsonl(?:\.gz)?")


@dataclass(frozen=True)
class Campaign:
    """A folder of `results/` and what is made from it.

    `root` is the folder that holds `results/`, `figures/` and `paper/build/`: the repository, to which paths
    are relative by default, or a copy somewhere else.
    """

    name: str
    root: Path = Path()

    @property
    def is_local(self) -> bool:
        """Whether this is the reader's own campaign, the only one that measures."""
        return self.name == LOCAL

    @property
    def results(self) -> Path:
        return self.root / "results" / self.name

    @property
    def claims(self) -> Path:
        return self.results / "claims.csv"

    @property
    def reanalysis(self) -> Path:
        """Verdicts of a later version on a campaign that was retired, made once."""
        return self.results / "reanalysis.csv"

    @property
    def latest_claims(self) -> Path:
        """The verdicts of the latest version that analysed the campaign."""
        return self.reanalysis if self.reanalysis.exists() else self.claims

    @property
    def manifest(self) -> Path:
        return self.results / "manifest.json"

    @property
    def explorer(self) -> Path:
        """The page on which a campaign can be explored."""
        return self.results / "explorer.html"

    @property
    def archive(self) -> Path:
        return self.root / "results" / f"{self.name}.zip"

    @property
    def runs(self) -> Path:
        return self.results / "runs"

    @property
    def stated(self) -> Path:
        """Facts about the machine that a released campaign's records lack, stated later with the reason to
        believe them. Few campaigns have the file."""
        return self.runs / STATED

    @property
    def build(self) -> Path:
        return self.root / "paper" / "build" / self.name

    @property
    def figures(self) -> Path:
        return self.root / "figures" / self.name

    def relative(self, path: Path) -> str:
        """The name of a file within the campaign, whatever its root and whether it is kept compressed."""
        return path.relative_to(self.root).as_posix().removesuffix(COMPRESSED)

    def file_of(self, name: str) -> Path:
        """The file whose name `relative` gave, compressed or not."""
        return existing_file(self.root / name)

    def rerun_hint(self, *steps: str) -> str:
        """The command that runs steps of the workflow again.

        Deleting their files is not enough: Snakemake makes a missing file again only if something needs it.
        """
        chosen = "" if self.is_local else f" --config campaign={self.name}"
        return f"run 'snakemake --cores all{chosen} --forcerun {' '.join(steps)}'"

    def redraw_hint(self, figure: str) -> str:
        """The command that draws a figure again, with the others of its experiment."""
        for name in experiment_names():
            if figure in figures_of(name):
                return self.rerun_hint(f"draw_{name}")
        return "no experiment has this figure: delete its files"

    def tables(self, experiment: str) -> Path:
        return self.results / "tables" / experiment

    def figure_file(self, figure: str, suffix: str) -> Path:
        """A file of a figure: `suffix` is '.pdf', '.svg' or '.provenance.json'."""
        return self.figures / f"{figure}{suffix}"

    def block_file(self, experiment: str, block: int) -> Path:
        """The records that tables are made from, one file a block."""
        return existing_file(self.runs / experiment / f"block-{block}.jsonl")

    def journal_file(self, experiment: str, block: int) -> Path:
        """Every record ever taken of a block. A file a block, since blocks may be measured at the same time
        on several nodes of a cluster."""
        return self.results / "journal" / experiment / f"block-{block}.jsonl"

    @property
    def machine_file(self) -> Path:
        """The machine on which the first block of the reader's own campaign was started."""
        return self.results / "journal" / "machine.txt"

    def log_file(self, experiment: str, block: int, arm: str) -> Path:
        """What the child of a run printed."""
        return self.results / "logs" / experiment / f"block-{block}" / f"{arm}.log"

    @property
    def times_file(self) -> Path:
        """What measuring each block took, a line a block."""
        return self.results / "logs" / "times.jsonl"

    @property
    def seeds_file(self) -> Path:
        """The seed of block 0 of the reader's own campaign; the records of a released one name its seeds."""
        return self.results / "seeds.json"

    def block_files(self, experiment: str, config: Config) -> list[Path]:
        """The files of an experiment's records: all that the scale asks for in the reader's own campaign,
        present or not; all there are, in order of block, in a released one.

        Raises UserError where a released campaign has another file among its records.
        """
        if self.is_local:
            design = load_design(experiment)
            blocks = design.at(config.scale).blocks if design.has_runs else 0
            return [self.block_file(experiment, block) for block in range(blocks)]
        numbered: dict[int, Path] = {}
        for path in (self.runs / experiment).iterdir() if (self.runs / experiment).is_dir() else ():
            number = BLOCK_FILE.fullmatch(path.name)
            if number is None:
                raise UserError(
                    f"unexpected file {path}, block files are named block-<n>.jsonl: move or delete it"
                )
            if int(number[1]) in numbered:
                raise UserError(f"{path} exists twice, compressed and not: delete one")
            numbered[int(number[1])] = path
        return [numbered[number] for number in sorted(numbered)]

    def sources(self, experiment: str, config: Config) -> list[str]:
        """Experiments whose records an experiment's tables are made from."""
        design = load_design(experiment)
        if design.evidence == "published":
            return []
        present = self.experiments(config)
        if design.evidence == "campaign":
            return [name for name in present if load_design(name).has_runs]
        return [experiment, *(name for name in design.uses if name in present)]

    def record_files(self, experiment: str, config: Config) -> list[Path]:
        """The files of those records."""
        return [path for name in self.sources(experiment, config) for path in self.block_files(name, config)]

    def evidence_files(self, experiment: str, config: Config) -> list[Path]:
        """The files that an experiment's tables are made from, apart from other tables: records with what was
        stated of their machine, or published readings."""
        design = load_design(experiment)
        if design.sources:
            return [self.root / source for source in design.sources]
        return [*self.record_files(experiment, config), *([self.stated] if self.stated.exists() else [])]

    def evidence_folder(self, experiment: str) -> Path:
        """The folder that the names of those files are relative to in the manifest of the tables."""
        return self.root if load_design(experiment).sources else self.runs

    def tables_read(self, experiment: str, config: Config) -> list[str]:
        """Experiments whose tables an experiment's tables are made from."""
        if load_design(experiment).evidence != "campaign":
            return []
        return [name for name in self.experiments(config) if load_design(name).evidence != "campaign"]

    def experiments(self, config: Config | None = None) -> list[str]:
        """Experiments that the campaign is built with, in the order of the paper: those that `config` chooses
        in the reader's own, in a released one those with records and those that need none.

        Without `config` the reader's own has what a released one would have. Raises UserError where there are
        no records.
        """
        if self.is_local and config is not None:
            return config.experiments
        measured = self.measured_experiments()
        order = paper_order()
        present = [name for name in order if name in measured or not load_design(name).has_runs]
        return with_campaign_experiments([*present, *(name for name in measured if name not in order)])

    def measured_experiments(self) -> list[str]:
        """Experiments with records, sorted. Raises UserError where there are none."""
        names = sorted(path.name for path in self.runs.glob("*") if path.is_dir())
        if not names:
            known = [other.name for other in campaigns(self.root)]
            raise UserError(f"campaign '{self.name}' has no records ({did_you_mean(self.name, known)})")
        return names


def tables_of(experiment: str) -> list[str]:
    """Names of the tables of an experiment."""
    design = load_design(experiment)
    return [*design.tables, *([POWER_MODELS] if design.has_runs else [])]


def figures_of(experiment: str) -> dict[str, str]:
    """Captions of the figures of an experiment by name."""
    return load_design(experiment).figures


def campaigns(root: Path = Path()) -> list[Campaign]:
    """Campaigns that can be rebuilt, the local one included, sorted by name."""
    names = {path.parent.name for path in (root / "results").glob("*/runs")} | {LOCAL}
    return [Campaign(name, root) for name in sorted(names)]


def other_releases(campaign: Campaign) -> list[Campaign]:
    """Released campaigns with a manifest, without this one."""
    return [
        other
        for other in campaigns(campaign.root)
        if not other.is_local and other.name != campaign.name and other.manifest.exists()
    ]


def earlier_releases(campaign: Campaign) -> list[Campaign]:
    """Released campaigns whose name ends in no later day than a campaign's, so that what is made of them
    stays the same whatever is released later; all of them for the local campaign."""
    return [
        other
        for other in other_releases(campaign)
        if campaign.is_local or _day(other.name) <= _day(campaign.name)
    ]


def _day(name: str) -> str:
    found = _DAY.search(name)
    return found[1] if found else ""


def compared_releases(campaign: Campaign) -> list[Campaign]:
    """Released campaigns that a campaign's results are compared with.

    A released campaign is compared with none, so that it stays the same whatever is released later.
    """
    return other_releases(campaign) if campaign.is_local else []
