"""Tests mirror `joules/` and `experiments/`; `tests/workflow` tries the chain as a whole."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = ROOT / "experiments"


def make_repository(folder: Path) -> Path:
    """Gives an empty folder what makes it a clone of the artifact, without questions."""
    (folder / "experiments").mkdir(parents=True)
    (folder / "workflow").mkdir()
    (folder / "Snakefile").touch()
    (folder / "workflow" / "config.yaml").write_text("experiments: []\n")
    return folder
