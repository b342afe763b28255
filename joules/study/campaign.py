"""Where the files of a campaign are."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from joules.errors import UserError
from joules.models import did_you_mean
from joules.study.config import LOCAL, Config, paper_order
from joules.study.design import experiment_names, load_design
from joules.study.files import COMPRESSED, existing_file

# The folder of tables about the campaign itself, beside those of its experiments.
SELF = "campaign"
# The table that the machinery adds to those of every experiment: its statistics under every model of power.
POWER_MODELS = "power_models"
STATED = "machine.yaml"
CAMPAIGN_TABLES = ["machine", "instruments", "energy", "flags", "watts", "headlines"]
CAMPAIGN_FIGURES = {
    "power_watts": (
        "What every model of power gives this machine at rest, with one core and with all cores busy. A "
        "model that does not cover it stands with the reason."
    ),
    "power_headlines": (
        "The ratios that decide claims of this paper under every model of power, one line each, sorted by "
        "their spread between models: estimate and 95 % interval; black, as the energy was read."
    ),
}
_BLOCK_FILE = re.compile(r"block-(0|[1-9][0-9]*)\.jsonl(?:\.gz)?")


@dataclass(frozen=True)
class Campaign:
    """A folder of `results/` and what is made from it.

    `root` is the folder that holds `results/`, `figures/` and `paper/build/`: the repository, to which paths
    are relative by default, or a copy somewhere else.
    """

    name: str
    root: Path = Path()

    @property
    def results(self) -> Path:
        return self.root / "results" / self.name

    @property
    def claims(self) -> Path:
        return self.results / "claims.csv"

    @property
    def manifest(self) -> Path:
        return self.results / "manifest.json"

    @property
    def explorer(self) -> Path:
        """The page that walks the campaign."""
        return self.results / "explorer.html"

    @property
    def archive(self) -> Path:
        return self.root / "results" / f"{self.name}.zip"

    @property
    def runs(self) -> Path:
        return self.results / "runs"

    @property
    def stated(self) -> Path:
        """What a released campaign's records do not tell of its machine and was stated later, with the reason
        to believe it. Few campaigns have the file."""
        return self.runs / STATED

    def records(self, experiment: str, config: Config) -> list[Path]:
        """The files that tables are made from: `read_files`, and what was stated of the machine."""
        return [*self.read_files(experiment, config), *([self.stated] if self.stated.exists() else [])]

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
        """The file with a name that `relative` gave."""
        return existing_file(self.root / name)

    def again(self, *steps: str) -> str:
        """How to have steps of the workflow done again. Files that are there are not made again for being
        deleted: Snakemake makes what lies between them only where it is asked to."""
        chosen = "" if self.name == LOCAL else f" --config campaign={self.name}"
        return f"run 'snakemake --cores all{chosen} --forcerun {' '.join(steps)}'"

    def drawn_again(self, figure: str) -> str:
        """How to have a figure drawn again, with the others of its experiment."""
        return self.again(f"draw_{_owner(figure)}")

    def tables(self, experiment: str) -> Path:
        return self.results / "tables" / experiment

    def figure_file(self, figure: str, suffix: str) -> Path:
        """A file of a figure: `suffix` is '.pdf', '.png' or '.provenance.json'."""
        return self.figures / f"{figure}{suffix}"

    def block_file(self, experiment: str, block: int) -> Path:
        """The records that tables are made from, one file a block."""
        return existing_file(self.runs / experiment / f"block-{block}.jsonl")

    def journal_file(self, experiment: str, block: int) -> Path:
        """Every record ever taken of a block. A file a block, since blocks may be measured at the same time
        on several nodes of a cluster."""
        return self.results / "journal" / experiment / f"block-{block}.jsonl"

    def log_file(self, experiment: str, block: int, arm: str) -> Path:
        """What the child of a run printed."""
        return self.results / "logs" / experiment / f"block-{block}" / f"{arm}.log"

    @property
    def times_file(self) -> Path:
        """What measuring each block took, a line a block."""
        return self.results / "logs" / "times.jsonl"

    def block_files(self, experiment: str, config: Config) -> list[Path]:
        """The files of records that tables are made from: all that the scale asks for in the reader's own
        campaign, present or not; all there are, in order of block, in a released one.

        Raises UserError where a released campaign has a file among its records that is none.
        """
        if self.name == LOCAL:
            blocks = load_design(experiment).at(config.scale).blocks
            return [self.block_file(experiment, block) for block in range(blocks)]
        numbered: dict[int, Path] = {}
        for path in (self.runs / experiment).iterdir() if (self.runs / experiment).is_dir() else ():
            number = _BLOCK_FILE.fullmatch(path.name)
            if number is None:
                raise UserError(
                    f"{path} is no file of a block, which are named block-0.jsonl and so on: move it away"
                )
            if int(number[1]) in numbered:
                raise UserError(f"{path} exists twice, compressed and not: delete one")
            numbered[int(number[1])] = path
        return [numbered[number] for number in sorted(numbered)]

    def read_questions(self, experiment: str, config: Config) -> list[str]:
        """The experiments whose records an experiment's tables are made from: itself, and those that it uses,
        as far as the campaign has them."""
        present = config.experiments if self.name == LOCAL else self.experiments()
        return [experiment, *(name for name in load_design(experiment).uses if name in present)]

    def read_files(self, experiment: str, config: Config) -> list[Path]:
        """The files of those records."""
        names = self.read_questions(experiment, config)
        return [path for name in names for path in self.block_files(name, config)]

    def experiments(self) -> list[str]:
        """Experiments with records, in the order of the paper. Raises UserError where there is none."""
        present = {path.name for path in self.runs.glob("*") if path.is_dir()}
        order = paper_order()
        names = [*(name for name in order if name in present), *sorted(present - set(order))]
        if not names:
            known = [other.name for other in campaigns(self.root)]
            raise UserError(f"campaign '{self.name}' has no records ({did_you_mean(self.name, known)})")
        return names


def tables_of(experiment: str) -> list[str]:
    """Names of the tables of an experiment, or of those of the campaign itself for 'campaign'."""
    return CAMPAIGN_TABLES if experiment == SELF else [*load_design(experiment).tables, POWER_MODELS]


@functools.cache
def _owner(figure: str) -> str:
    return next((name for name in experiment_names() if figure in figures_of(name)), SELF)


def figures_of(experiment: str) -> dict[str, str]:
    """Captions of the figures of an experiment, or of those of the campaign itself, by name."""
    return CAMPAIGN_FIGURES if experiment == SELF else load_design(experiment).figures


def figures_module(experiment: str) -> str:
    """The module that draws those figures, a function each."""
    return "joules.analysis.campaign_figures" if experiment == SELF else f"experiments.{experiment}.figures"


def charts_module(experiment: str) -> str:
    """The module that draws those figures for a browser, a function each."""
    return "joules.analysis.campaign_charts" if experiment == SELF else f"experiments.{experiment}.charts"


def campaigns(root: Path = Path()) -> list[Campaign]:
    """Campaigns that can be rebuilt, the reader's own included, sorted by name."""
    names = {path.parent.name for path in (root / "results").glob("*/runs")} | {LOCAL}
    return [Campaign(name, root) for name in sorted(names)]


def other_releases(campaign: Campaign) -> list[Campaign]:
    """Released campaigns that are whole, but for this one."""
    return [
        other
        for other in campaigns(campaign.root)
        if other.name not in (LOCAL, campaign.name) and other.manifest.exists()
    ]
