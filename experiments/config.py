"""What a user configures (`workflow/config.yaml`) and what an experiment declares (`design.yaml`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from experiments.errors import UserError
from experiments.schema import Closed, did_you_mean, read_yaml, validate

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(__file__).resolve().parent

Scale = Literal["smoke", "quick", "standard", "paper"]
Test = Literal["paired_t", "sign_flip"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Scalar = str | bool | int | float

LOCAL = "local"
# Fans, disks and boards of a server draw power no source sees; a metered GPU implies a server.
GPU_FLOOR_POWER_W = 50.0


class Config(Closed):
    """The options of a campaign."""

    campaign: Name = Field(
        LOCAL, description="'local' measures here; any other name rebuilds a released campaign"
    )
    scale: Scale = Field("quick", description="size of the experiments, see the README")
    experiments: list[Name] = Field(
        default_factory=lambda: [
            "flops_vs_energy",
            "layer_kinds",
            "rl_ranking",
            "estimation_methods",
            "grokking",
        ],
        min_length=1,
        description="what to run",
    )
    region: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(
        "WOR", description="ISO 3166 alpha-3 country of the electricity grid, WOR for the world"
    )
    pue: Annotated[float, Field(ge=1)] = Field(
        1.0, description="power usage effectiveness of the building, 1 for none"
    )
    price_usd_per_kwh: Annotated[float, Field(ge=0)] = Field(
        0.151, description="price of electricity; the default is the U.S. residential mean of 2022 (EIA)"
    )
    floor_power_w: Annotated[float, Field(ge=0)] | None = Field(
        None, description="least whole-machine power; null is 50 where a GPU is metered, else 0"
    )

    def floor_power_for(self, domains: Iterable[str]) -> float:
        """The floor in watts on a machine whose sources cover `domains`."""
        if self.floor_power_w is not None:
            return self.floor_power_w
        return GPU_FLOOR_POWER_W * any(domain.startswith("gpu") for domain in domains)


class Comparison(Closed):
    """One declared family of paired comparisons, corrected together (Holm)."""

    family: Name
    metric: str
    test: Test
    contrast: Literal["ratio", "difference"] = "ratio"
    pairs: list[tuple[Name, Name]] = Field(min_length=1)


class ScaleDesign(Closed):
    """How large an experiment is at one scale."""

    blocks: PositiveInt
    arms: list[Name] | Literal["all"]
    settings: dict[str, Scalar] = Field(default_factory=dict)


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

    def runs(self, scale: Scale) -> dict[str, dict[str, Scalar]]:
        """Parameters of each arm at `scale`, in the order of the file; an arm's own go before the scale's."""
        sizes = self.at(scale)
        names = list(self.arms) if sizes.arms == "all" else sizes.arms
        return {name: {**sizes.settings, **self.arms[name]} for name in names}


class Claim(Closed):
    """A sentence of the paper that a campaign can support or contradict."""

    statement: str
    statistic: str
    comparison: Literal["<", "<=", ">", ">="]
    value: float
    published: float | None = None
    source: str | None = None


class Claims(Closed):
    """An experiment's `claims.yaml`."""

    claims: dict[Name, Claim]


def experiment_names() -> list[str]:
    """Folders of this package that hold a `design.yaml`, sorted."""
    return sorted(path.parent.name for path in PACKAGE.glob("*/design.yaml"))


def check_experiment(name: str) -> None:
    """Raises UserError where no experiment has this name."""
    known = experiment_names()
    if name not in known:
        raise UserError(f"no experiment is called '{name}' ({did_you_mean(name, known)})")


def load_design(experiment: str) -> Design:
    """The validated design of `experiment`."""
    check_experiment(experiment)
    path = PACKAGE / experiment / "design.yaml"
    return validate(Design, read_yaml(path), str(path.relative_to(ROOT)))


def load_claims(experiment: str) -> dict[str, Claim]:
    """The validated claims of `experiment`, by name."""
    check_experiment(experiment)
    path = PACKAGE / experiment / "claims.yaml"
    return validate(Claims, read_yaml(path), str(path.relative_to(ROOT))).claims


def check_config(options: Mapping[str, Any], source: str = "configuration") -> Config:
    """`options` as a Config whose experiments exist and have the chosen scale.

    Raises UserError naming the fault and the likeliest intention.
    """
    config = validate(Config, dict(options), source)
    for experiment in config.experiments:
        load_design(experiment).at(config.scale)
    return config


def read_options() -> dict[str, Any]:
    """The options in `workflow/config.yaml`, not yet checked. Raises UserError where there are none."""
    options = read_yaml(ROOT / "workflow" / "config.yaml") or {}
    if not isinstance(options, dict):
        raise UserError("workflow/config.yaml: an option is written 'name: value', a line each")
    return options


def option_arguments(config: Config, *names: str) -> str:
    """The named options as arguments that hand them to a step of the command line."""
    options = config.model_dump(mode="json")
    return " ".join(f"--option {name}={json.dumps(options[name], separators=(',', ':'))!r}" for name in names)


def parse_option(text: str) -> tuple[str, Any]:
    """The (name, value) of `name=value`, the value in YAML. Raises UserError on anything else."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"an option is written name=value, not '{text}'")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"the value of '{name}' cannot be read: {value}") from None
