"""What a question declares: its folder, its `design.yaml` and the files a question consists of."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from joules.errors import UserError
from joules.models import Closed, did_you_mean, read_yaml, validate
from joules.study.repository import repository_root

Scale = Literal["smoke", "quick", "standard", "paper"]
Test = Literal["paired_t", "sign_flip"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Scalar = str | bool | int | float

# Every file of a question, and what it is for.
FILES = {
    "__init__.py": "makes the folder a package",
    "design.yaml": "arms, scales, comparisons, names of tables and figures",
    "parameters.py": "`Parameters`, the model every arm is checked against",
    "workload.py": "`build` and `run`, what is metered",
    "tables.py": "`tabulate`, from records to tables",
    "report.py": "`values` and `display`, from tables to what the paper prints",
    "figures.py": "one function a figure",
    "charts.py": "the same figures for a browser, one function each",
    "columns.yaml": "what the columns of its tables mean",
    "claims.yaml": "sentences of the paper and the statistic that decides each",
    "README.md": "the question and what is particular about measuring it",
}


class Comparison(Closed):
    """One declared family of paired comparisons, corrected together (Holm)."""

    family: Name
    metric: str
    test: Test
    contrast: Literal["ratio", "difference"] = "ratio"
    pairs: list[tuple[Name, Name]] = Field(min_length=1)


class ScaleDesign(Closed):
    """How large an experiment is at one scale.

    `settings` go into every arm; `analysis` holds numbers that the analysis takes and that are to be declared
    before anything is measured. The machine is read at rest for `idle_s` before a block's runs and after.
    """

    blocks: PositiveInt
    arms: list[Name] | Literal["all"]
    idle_s: PositiveFloat = 2.0
    settings: dict[str, Scalar] = Field(default_factory=dict)
    analysis: dict[str, float] = Field(default_factory=dict)


class Design(Closed):
    """An experiment's `design.yaml`."""

    title: str
    question: str
    arms: dict[Name, dict[str, Scalar]] = Field(min_length=1)
    scales: dict[Scale, ScaleDesign]
    comparisons: list[Comparison] = Field(default_factory=list)
    tables: list[Name] = Field(min_length=1)
    figures: dict[Name, str] = Field(min_length=1)
    time_limit_s: PositiveFloat
    uses: list[Name] = Field(
        default_factory=list, description="questions whose records its tables are made from, beside its own"
    )
    options: list[Literal["text"]] = Field(
        default_factory=list, description="options of the campaign that every arm takes where they are set"
    )
    record_power: bool = Field(False, description="keep the course of power over each window in its record")

    @model_validator(mode="after")
    def _names_exist(self) -> Design:
        named = {arm for scale in self.scales.values() if scale.arms != "all" for arm in scale.arms}
        named |= {arm for family in self.comparisons for pair in family.pairs for arm in pair}
        for arm in sorted(named - set(self.arms)):
            raise ValueError(f"no arm is called '{arm}' ({did_you_mean(arm, self.arms)})")
        return self

    def at(self, scale: Scale) -> ScaleDesign:
        """The sizes at `scale`. Raises UserError where the experiment does not define it."""
        if scale not in self.scales:
            raise UserError(
                f"{self.title}: scale '{scale}' is not defined (defined: {', '.join(self.scales)})"
            )
        return self.scales[scale]

    def runs(
        self, scale: Scale, options: Mapping[str, Scalar | None] | None = None
    ) -> dict[str, dict[str, Scalar]]:
        """Parameters of each arm at `scale`, in the order of the file; an arm's own go before the scale's,
        and those of the campaign's `options` that the experiment takes and that are set before both."""
        sizes = self.at(scale)
        names = list(self.arms) if sizes.arms == "all" else sizes.arms
        chosen: dict[str, Scalar] = {
            name: value
            for name, value in (options or {}).items()
            if name in self.options and value is not None
        }
        return {name: {**sizes.settings, **self.arms[name], **chosen} for name in names}


def experiments_folder() -> Path:
    """The folder of the repository that holds a folder for each question."""
    return repository_root() / "experiments"


def experiment_names() -> list[str]:
    """Questions of the repository (folders of `experiments/` with a `design.yaml`), sorted."""
    return sorted(path.parent.name for path in experiments_folder().glob("*/design.yaml"))


def experiment_folder(name: str) -> Path:
    """The folder of a question. Raises UserError where no question has this name."""
    known = experiment_names()
    if name not in known:
        raise UserError(f"no experiment is called '{name}' ({did_you_mean(name, known)})")
    return experiments_folder() / name


def load_design(experiment: str) -> Design:
    """The validated design of `experiment`."""
    path = experiment_folder(experiment) / "design.yaml"
    return _read_design(path, path.read_bytes() if path.is_file() else b"")


# A step asks for designs by the hundred, of every figure for one, and to parse one takes a while.
@functools.cache
def _read_design(path: Path, _content: bytes) -> Design:
    return validate(Design, read_yaml(path), str(path.relative_to(repository_root())))


def check_complete(experiment: str) -> None:
    """Raises UserError where a question lacks a file, its section of the paper included: what would be
    missed at the end of a campaign is missed at its start."""
    root = repository_root()
    folder = experiment_folder(experiment)
    for name, purpose in FILES.items():
        if not (folder / name).is_file():
            raise UserError(f"experiments/{experiment}/{name} is missing: it holds {purpose}")
    section = root / "paper" / "sections" / f"{experiment}.tex"
    if not section.is_file():
        raise UserError(f"{section.relative_to(root)} is missing: it is the question's section of the paper")


def check_parameters(experiment: str, arms: Mapping[str, Mapping[str, Scalar]]) -> None:
    """Raises UserError where an arm's parameters are not what the workload takes."""
    parameters = importlib.import_module(f"experiments.{experiment}.parameters").Parameters
    for arm, values in arms.items():
        validate(parameters, values, f"experiments/{experiment}/design.yaml, arm {arm}")
