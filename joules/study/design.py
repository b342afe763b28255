"""What an experiment declares: its folder, its `design.yaml` and the files it consists of."""

from __future__ import annotations

import functools
import importlib
import keyword
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from joules.errors import UserError
from joules.means import Test
from joules.models import Closed, did_you_mean, validate
from joules.study.repository import repository_root
from joules.yaml_files import read_yaml

Scale = Literal["smoke", "quick", "standard", "paper"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Scalar = str | bool | int | float
Contrast = Literal["ratio", "difference"]
# What the tables of an experiment are made from: runs that it measures, records and tables of the whole
# campaign, or files of published readings.
Evidence = Literal["runs", "campaign", "published"]

# Every file of an experiment, and what it is for.
FILES = {
    "__init__.py": "makes the folder a package",
    "design.yaml": "evidence, arms, scales, comparisons, names of tables and figures",
    "tables.py": "`tabulate`, from evidence to tables",
    "report.py": "`values` and `display`, from tables to what the paper prints",
    "figures.py": "one function a figure, which describes its layers",
    "columns.yaml": "what the columns of its tables mean",
    "claims.yaml": "sentences of the paper and the statistic that decides each",
    "README.md": "the question and how it is measured",
}
# Files that only an experiment with runs has.
RUN_FILES = {
    "parameters.py": "`Parameters`, the model every arm is checked against",
    "workload.py": "`build` and `run`, what is metered",
}
# Longest name of an experiment: it is part of the names of files and of rules of the workflow.
_MOST_LETTERS = 60
# Fields of a design that only an experiment with runs has; the first three are required there.
_RUN_FIELDS = ("arms", "scales", "time_limit_s", "comparisons", "uses", "options", "record_power")
_REQUIRED_RUN_FIELDS = _RUN_FIELDS[:3]


class Comparison(Closed):
    """One declared family of paired comparisons, corrected together (Holm)."""

    family: Name
    metric: str
    test: Test
    contrast: Contrast = "ratio"
    pairs: list[tuple[Name, Name]] = Field(min_length=1)


class ScaleDesign(Closed):
    """How large an experiment is at one scale.

    `settings` are parameters of every arm. `analysis` holds numbers that the analysis uses and that are
    declared before anything is measured. The idle machine is measured for `idle_s` seconds before and after a
    block.
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
    evidence: Evidence = Field(
        "runs",
        description="what its tables are made from: runs that it measures, the records and tables of the "
        "whole campaign, or published readings",
    )
    sources: list[str] = Field(
        default_factory=list, description="files of published readings, as paths of the repository"
    )
    arms: dict[Name, dict[str, Scalar]] = Field(default_factory=dict, min_length=1)
    scales: dict[Scale, ScaleDesign] = Field(default_factory=dict)
    comparisons: list[Comparison] = Field(default_factory=list)
    tables: list[Name] = Field(min_length=1)
    figures: dict[Name, str] = Field(min_length=1)
    time_limit_s: PositiveFloat = Field(600.0, description="longest time that a run may take")
    uses: list[Name] = Field(
        default_factory=list, description="other experiments whose records its tables are made from as well"
    )
    options: list[Literal["text"]] = Field(
        default_factory=list,
        description="options of the campaign that become parameters of every arm where they are set",
    )
    learns: bool = Field(
        False,
        description="whether results follow from what is learned, which the same seeds repeat: campaigns "
        "with the same seeds are then no replicates",
    )
    record_power: bool = Field(False, description="store the power over time of each window in its record")

    @model_validator(mode="after")
    def _fits_evidence(self) -> Design:
        given = self.model_fields_set
        for field in _REQUIRED_RUN_FIELDS if self.has_runs else ():
            if field not in given:
                raise ValueError(f"'{field}' is missing: an experiment with evidence 'runs' needs it")
        for field in () if self.has_runs else _RUN_FIELDS:
            if field in given:
                raise ValueError(f"'{field}' needs evidence 'runs', not '{self.evidence}': leave it out")
        if bool(self.sources) != (self.evidence == "published"):
            raise ValueError("'sources' lists the files of evidence 'published', and only those")
        return self

    @property
    def has_runs(self) -> bool:
        """Whether the experiment measures."""
        return self.evidence == "runs"

    @property
    def table_options(self) -> list[str]:
        """Options of the campaign that its tables are made with."""
        if self.evidence == "campaign":
            return ["scale", "experiments", "region", "pue", "price_usd_per_kwh"]
        return ["scale", *(["experiments"] if self.uses else [])] if self.has_runs else []

    @model_validator(mode="after")
    def _names_exist(self) -> Design:
        named = {arm for scale in self.scales.values() if scale.arms != "all" for arm in scale.arms}
        named |= {arm for family in self.comparisons for pair in family.pairs for arm in pair}
        for arm in sorted(named - set(self.arms)):
            raise ValueError(f"no arm is called '{arm}' ({did_you_mean(arm, self.arms)})")
        return self

    def at(self, scale: Scale) -> ScaleDesign:
        """The sizes at `scale`. Raises UserError if the experiment does not define it."""
        if not self.has_runs:
            raise UserError(f"{self.title}: nothing to measure, its evidence is '{self.evidence}'")
        if scale not in self.scales:
            raise UserError(
                f"{self.title}: scale '{scale}' is not defined (defined: {', '.join(self.scales)})"
            )
        return self.scales[scale]

    def runs(
        self, scale: Scale, options: Mapping[str, Scalar | None] | None = None
    ) -> dict[str, dict[str, Scalar]]:
        """Parameters of each arm at `scale`, by arm in the order of the file.

        An arm's own parameters override those of the scale; `options` of the campaign that the experiment
        takes and that are set override both.
        """
        sizes = self.at(scale)
        names = list(self.arms) if sizes.arms == "all" else sizes.arms
        chosen: dict[str, Scalar] = {
            name: value
            for name, value in (options or {}).items()
            if name in self.options and value is not None
        }
        return {name: {**sizes.settings, **self.arms[name], **chosen} for name in names}


def experiments_folder() -> Path:
    """The folder of the repository that holds a folder for each experiment."""
    return repository_root() / "experiments"


def experiment_names() -> list[str]:
    """Experiments of the repository (folders of `experiments/` with a `design.yaml`), sorted."""
    return sorted(path.parent.name for path in experiments_folder().glob("[!_]*/design.yaml"))


def with_campaign_experiments(names: Iterable[str]) -> list[str]:
    """`names` after the experiments about the whole campaign, which every campaign has."""
    whole = [name for name in experiment_names() if load_design(name).evidence == "campaign"]
    return [*whole, *(name for name in names if name not in whole)]


def check_name(name: str) -> None:
    """Checks that an experiment may have a name: it is a module of Python, a file and a rule of the workflow.

    Raises:
        UserError: where it cannot be one of these.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        rule = "use lowercase letters, digits and underscores, a letter first"
    elif keyword.iskeyword(name):
        rule = "it is a keyword of Python, choose another"
    elif len(name) > _MOST_LETTERS:
        name, rule = f"{name[:_MOST_LETTERS]}...", f"use at most {_MOST_LETTERS} letters"
    else:
        return
    raise UserError(f"invalid experiment name '{name}': {rule}")


def experiment_folder(name: str) -> Path:
    """The folder of an experiment. Raises UserError where none has this name, or its name is not one."""
    folder = experiments_folder() / name
    is_listed = folder.name == name and not name.startswith("_") and os.path.isfile(folder / "design.yaml")  # noqa: PTH113
    if not is_listed:
        raise UserError(f"no experiment is called '{name}' ({did_you_mean(name, experiment_names())})")
    check_name(name)
    return folder


def load_design(experiment: str) -> Design:
    """The validated design of `experiment`."""
    path = experiment_folder(experiment) / "design.yaml"
    return _read_design(path, path.read_bytes() if path.is_file() else b"")


# A step loads designs hundreds of times, and parsing one is slow.
@functools.cache
def _read_design(path: Path, _content: bytes) -> Design:
    return validate(Design, read_yaml(path), str(path.relative_to(repository_root())))


def check_complete(experiment: str) -> None:
    """Checks that an experiment has all of its files, before anything is measured.

    Raises UserError that names the missing file: one of its folder, its section of the paper or one of its
    published sources.
    """
    root = repository_root()
    folder = experiment_folder(experiment)
    design = load_design(experiment)
    for source in design.sources:
        if not (root / source).is_file():
            raise UserError(
                f"{source} is missing: experiments/{experiment}/design.yaml lists it in 'sources'"
            )
    for name, purpose in (FILES | (RUN_FILES if design.has_runs else {})).items():
        if not (folder / name).is_file():
            raise UserError(f"experiments/{experiment}/{name} is missing: it holds {purpose}")
    section = root / "paper" / "main" / f"{experiment}.tex"
    if not section.is_file():
        raise UserError(
            f"{section.relative_to(root)} is missing: it is the experiment's section of the paper"
        )


def check_parameters(experiment: str, arms: Mapping[str, Mapping[str, Scalar]]) -> None:
    """Raises UserError if the workload does not accept the parameters of an arm."""
    parameters = importlib.import_module(f"experiments.{experiment}.parameters").Parameters
    for arm, values in arms.items():
        validate(parameters, values, f"experiments/{experiment}/design.yaml, arm {arm}")
