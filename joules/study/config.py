"""What a user configures: the options of a campaign, in `workflow/config.yaml` or on the command line."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BeforeValidator, Field

from joules.errors import UserError
from joules.instrument.carbon import PRICE_USD_PER_KWH, region_hint
from joules.models import Closed, validate
from joules.study.design import Name, Scalar, Scale, load_design, with_campaign_experiments
from joules.study.repository import repository_root
from joules.yaml_files import parse_yaml, read_yaml

LOCAL = "local"
# Games are seeded with a thousand times the seed of a block, and an emulator takes seeds below 2^31.
MOST_FIRST_SEED = 2_000_000


def _region(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("YAML reads NO as false: write NOR for Norway")
    if isinstance(value, str) and not re.fullmatch("[A-Z]{3}", value):
        raise ValueError(f"invalid country '{value}': use three capital letters ({region_hint(value)})")
    return value


def _readable(text: str) -> str:
    if not (repository_root() / text).is_file():
        raise ValueError(f"no file '{text}': give a path relative to the repository")
    return text


def _list(names: Any) -> Any:
    if isinstance(names, str):
        raise ValueError(f"write a list, experiments='[\"{names}\"]'")
    return names


def _distinct(names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' is listed {names.count(name)} times: list it once")
    return names


class Config(Closed):
    """The options of a campaign."""

    campaign: Name = Field(
        LOCAL, description="'local' measures here; any other name rebuilds a released campaign"
    )
    scale: Scale = Field("quick", description="size of the experiments, see the README")
    experiments: Annotated[list[Name], BeforeValidator(_list), AfterValidator(_distinct)] = Field(
        min_length=1, description="what to run, in the order of the paper; workflow/config.yaml lists all"
    )
    region: Annotated[str, BeforeValidator(_region), Field(pattern=r"^[A-Z]{3}$")] = Field(
        "WOR", description="country of the electricity grid, ISO 3166 alpha-3 code (WOR: world average)"
    )
    pue: Annotated[float, Field(ge=1)] = Field(
        1.0, description="power usage effectiveness of the building (1: no overhead)"
    )
    price_usd_per_kwh: Annotated[float, Field(ge=0)] = Field(
        PRICE_USD_PER_KWH,
        description="price of electricity; the default is the U.S. residential mean of 2022 (EIA)",
    )
    first_seed: Annotated[int, Field(ge=0, le=MOST_FIRST_SEED)] | None = Field(
        None,
        description="seed of weights, data, learning and the order of arms in block 0; each later block "
        "adds 1. With null, a campaign draws its seed when it starts; with the seed of another campaign, "
        "networks learn the same as there",
    )
    text: Annotated[str, AfterValidator(_readable)] | None = Field(
        None, description="a text file (UTF-8) for language models to learn instead of the plays"
    )
    floor_power_w: Annotated[float, Field(ge=0)] | None = Field(
        None, description="least power of the whole machine; null is 50 if a GPU is metered, else 0"
    )
    without_gpu: bool = Field(
        False, description="do not read GPUs, for example if one cannot be read and no run uses it"
    )


def read_options() -> dict[str, Any]:
    """Reads the options in `workflow/config.yaml` without checking them. Raises UserError if it cannot."""
    options = read_yaml(repository_root() / "workflow" / "config.yaml") or {}
    if not isinstance(options, dict):
        raise UserError("workflow/config.yaml has no options: write one 'name: value' a line")
    return options


def paper_order() -> list[str]:
    """All experiments in the order of the paper, starting with those about the whole campaign."""
    listed = read_options().get("experiments")
    return with_campaign_experiments(map(str, listed) if isinstance(listed, list) else [])


def check_config(options: Mapping[str, Any], source: str = "configuration") -> Config:
    """Checks the options of a campaign.

    Args:
        options: by name; `experiments` default to all of `workflow/config.yaml`.
        source: what a message says the options come from.

    Returns:
        The options, with the experiments about the whole campaign among `experiments`.

    Raises:
        UserError: an option is unknown or invalid, an experiment does not exist or lacks the chosen scale.
    """
    # Snakemake's command line reads null as a word.
    given = {name: None if value == "null" else value for name, value in options.items()}
    config = validate(Config, {"experiments": paper_order(), **given}, source)
    for experiment in config.experiments:
        design = load_design(experiment)
        if design.has_runs:
            design.at(config.scale)
    return config.model_copy(update={"experiments": with_campaign_experiments(config.experiments)})


def arm_options(config: Config) -> dict[str, Scalar | None]:
    """The options that become parameters of arms.

    A text is given as `path#sha256`: runs on different texts are not replicates.
    """
    if config.text is None:
        return {"text": None}
    digest = hashlib.sha256((repository_root() / config.text).read_bytes()).hexdigest()
    return {"text": f"{config.text}#{digest}"}


def option_arguments(config: Config, *names: str) -> str:
    """The named options as command-line arguments of a step, quoted for a shell."""
    options = config.model_dump(mode="json")
    given = (f"{name}={json.dumps(options[name], separators=(',', ':'))}" for name in names)
    return " ".join(f"--option {shlex.quote(each)}" for each in given)


def parse_option(text: str) -> tuple[str, Any]:
    """Parses `name=value`, the value in YAML.

    Returns:
        The name and the value.

    Raises:
        UserError: there is no `=`, or the value is not YAML.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"invalid option '{text}': write name=value")
    try:
        return name, parse_yaml(value)
    except yaml.YAMLError:
        raise UserError(f"invalid value of '{name}': {value} is not YAML") from None
