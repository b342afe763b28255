"""Tests mirror `joules/` and `experiments/`; `tests/workflow` tests the workflow as a whole."""

from pathlib import Path

from joules.study.campaign import Campaign
from joules.study.design import experiment_names, load_design

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = ROOT / "experiments"
# The campaign that is kept whole.
RELEASED = Campaign("epyc-2core-standard-2026-11-26b", ROOT)


def measured_campaigns() -> dict[str, Campaign]:
    """By experiment, the campaign whose records and tables tests use.

    This is the released campaign that is kept whole, or the local one if only that has the experiment.
    """
    found: dict[str, Campaign] = {}
    for campaign in (RELEASED, Campaign("local", ROOT)):
        for path in sorted(campaign.tables("").glob("*/manifest.json")):
            found.setdefault(path.parent.name, campaign)
    return found


def experiments_with_runs() -> list[str]:
    """Experiments of the repository that measure."""
    return [name for name in experiment_names() if load_design(name).has_runs]


def make_repository(folder: Path) -> Path:
    """Turn an empty folder into a clone of the artifact without experiments."""
    (folder / "experiments").mkdir(parents=True)
    (folder / "workflow").mkdir()
    (folder / "Snakefile").touch()
    (folder / "workflow" / "config.yaml").write_text("experiments: []\n")
    return folder
