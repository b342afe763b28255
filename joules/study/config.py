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
from joules.models import Closed, parse_yaml, read_yaml, validate
from joules.study.design import Name, Scalar, Scale, load_design, with_campaign_experiments
from joules.study.repository import repository_root

LOCAL = "local"


def _region(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("YAML reads NO as false; for Norway write NOR")
    if isinstance(value, str) and not re.fullmatch("[A-Z]{3}", value):
        raise ValueError(f"a country is written in three capital letters ({region_hint(value)})")
    return value


def _readable(text: str) -> str:
    if not (repository_root() / text).is_file():
        raise ValueError(f"there is no file '{text}' (a path is relative to the repository)")
    return text


class Config(Closed):
    """The options of a campaign."""

    campaign: Name = Field(
        LOCAL, description="'local' measures here; any other name rebuilds a released campaign"
    )
    scale: Scale = Field("quick", description="size of the experiments, see the README")
    experiments: list[Name] = Field(
        min_length=1, description="what to run, in the order of the paper; workflow/config.yaml lists all"
    )
    region: Annotated[str, BeforeValidator(_region), Field(pattern=r"^[A-Z]{3}$")] = Field(
        "WOR", description="ISO 3166 alpha-3 country of the electricity grid, WOR for the world"
    )
    pue: Annotated[float, Field(ge=1)] = Field(
        1.0, description="power usage effectiveness of the building, 1 for none"
    )
    price_usd_per_kwh: Annotated[float, Field(ge=0)] = Field(
        PRICE_USD_PER_KWH,
        description="price of electricity; the default is the U.S. residential mean of 2022 (EIA)",
    )
    first_seed: Annotated[int, Field(ge=0)] = Field(
        0,
        description="seed of block 0, the next block having the next: of weights, data, learning and the "
        "order of arms; another number makes a campaign whose learning is independent of the released ones",
    )
    text: Annotated[str, AfterValidator(_readable)] | None = Field(
        None, description="a text file (UTF-8) for language models to learn instead of the plays"
    )
    floor_power_w: Annotated[float, Field(ge=0)] | None = Field(
        None, description="least whole-machine power; null is 50 where a GPU is metered, else 0"
    )
    without_gpu: bool = Field(
        False, description="leave GPUs out of every reading, as where one cannot be read and no work uses it"
    )


def read_options() -> dict[str, Any]:
    """The options in `workflow/config.yaml`, not yet checked. Raises UserError where there are none."""
    options = read_yaml(repository_root() / "workflow" / "config.yaml") or {}
    if not isinstance(options, dict):
        raise UserError("workflow/config.yaml: an option is written 'name: value', a line each")
    return options


def paper_order() -> list[str]:
    """All experiments in the order of the paper: those that rest on the whole campaign, then those that
    `workflow/config.yaml` lists."""
    listed = read_options().get("experiments")
    return with_campaign_experiments(map(str, listed) if isinstance(listed, list) else [])


def check_config(options: Mapping[str, Any], source: str = "configuration") -> Config:
    """Checks the options of a campaign.

    Args:
        options: by name; `experiments` default to all of `workflow/config.yaml`.
        source: what a message says the options come from.

    Returns:
        The options, with the experiments that rest on the whole campaign among `experiments`.

    Raises:
        UserError: an option is unknown or invalid, an experiment does not exist or lacks the chosen scale.
    """
    config = validate(Config, {"experiments": paper_order(), **options}, source)
    for experiment in config.experiments:
        design = load_design(experiment)
        if design.has_runs:
            design.at(config.scale)
    return config.model_copy(update={"experiments": with_campaign_experiments(config.experiments)})


def arm_options(config: Config) -> dict[str, Scalar | None]:
    """The options that become parameters of arms. A text stands with its hash, since runs on another are no
    replicates: `path#sha256`."""
    if config.text is None:
        return {"text": None}
    digest = hashlib.sha256((repository_root() / config.text).read_bytes()).hexdigest()
    return {"text": f"{config.text}#{digest}"}


def option_arguments(config: Config, *names: str) -> str:
    """The named options as arguments that hand them to a step of the command line."""
    options = config.model_dump(mode="json")
    given = (f"{name}={json.dumps(options[name], separators=(',', ':'))}" for name in names)
    return " ".join(f"--option {shlex.quote(each)}" for each in given)


def parse_option(text: str) -> tuple[str, Any]:
    """The (name, value) of `name=value`, the value in YAML. Raises UserError on anything else."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"an option is written name=value, not '{text}'")
    try:
        return name, parse_yaml(value)
    except yaml.YAMLError:
        raise UserError(f"the value of '{name}' cannot be read: {value}") from None
