"""Where the files of a campaign are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from experiments.config import LOCAL, Config, load_design
from experiments.errors import UserError
from experiments.schema import did_you_mean

# The folder of tables about the campaign itself, beside those of its experiments.
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
    def manifest(self) -> Path:
        return self.results / "manifest.json"

    @property
    def build(self) -> Path:
        return Path("paper", "build", self.name)

    @property
    def figures(self) -> Path:
        return Path("figures", self.name)

    def tables(self, experiment: str) -> Path:
        return self.results / "tables" / experiment

    def figure(self, name: str) -> Path:
        """Path of a figure without its suffix."""
        return self.figures / name

    def planned_block_files(self, experiment: str, blocks: int) -> list[Path]:
        """The files of records that `blocks` blocks will have, present or not."""
        folder = self.results / "runs" / experiment
        return [folder / f"block-{number}.jsonl" for number in range(blocks)]

    def records(self, experiment: str, config: Config) -> list[Path]:
        """The files of records that tables are made from: all that the scale asks for in the reader's own
        campaign, all there are, in order of block, in a released one."""
        if self.name == LOCAL:
            return self.planned_block_files(experiment, load_design(experiment).at(config.scale).blocks)
        folder = self.results / "runs" / experiment
        return sorted(folder.glob("block-*.jsonl"), key=lambda path: int(path.stem.split("-")[1]))

    def experiments(self) -> list[str]:
        """Experiments with records, in the order of the paper. Raises UserError where there is none."""
        present = {path.name for path in (self.results / "runs").glob("*") if path.is_dir()}
        order = Config.model_fields["experiments"].get_default(call_default_factory=True)
        found = [*(name for name in order if name in present), *sorted(present - set(order))]
        if not found:
            raise UserError(f"campaign '{self.name}' has no records ({did_you_mean(self.name, released())})")
        return found


def released() -> list[str]:
    """Names of the campaigns in `results/` that can be rebuilt, the reader's own included."""
    return sorted({path.parent.name for path in Path("results").glob("*/runs")} | {LOCAL})


def others(campaign: Campaign) -> list[Campaign]:
    """Released campaigns that are whole, but for this one."""
    found = [Campaign(name) for name in released() if name not in (LOCAL, campaign.name)]
    return [other for other in found if other.manifest.exists()]
