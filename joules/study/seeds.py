"""The seeds of a campaign: drawn once and kept, so that campaigns are independent of one another."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from joules.errors import UserError
from joules.models import read_json
from joules.study.campaign import Campaign
from joules.study.config import MOST_FIRST_SEED, Config

# Released campaigns have used seeds below this one.
_LEAST_DRAWN = 10_000
_KEY = "first_seed"


def settle_first_seed(campaign: Campaign, config: Config) -> int:
    """The seed of block 0: the option, or else the seed that the campaign has, drawn at its first use.

    It is written into the campaign, so that a campaign that is continued keeps its seeds.

    Raises:
        UserError: the file of the campaign is damaged or cannot be written.
    """
    path = campaign.seeds_file
    if config.first_seed is not None:
        _write(path, config.first_seed)
    elif not path.exists():
        _write(path, _LEAST_DRAWN + secrets.randbelow(MOST_FIRST_SEED - _LEAST_DRAWN))
    return _read(path)


def _read(path: Path) -> int:
    remedy = "set the option first_seed once, to the seed of block 0 of the campaign's records"
    seed = read_json(path, remedy, remedy, (_KEY,))[_KEY]
    if type(seed) is not int or not 0 <= seed <= MOST_FIRST_SEED:
        raise UserError(f"{path} has no valid seed: {remedy}")
    return seed


def _write(path: Path, first_seed: int) -> None:
    """Replaces the file as a whole, so that no other process reads a part of it."""
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({_KEY: first_seed}) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as fault:
        raise UserError(
            f"cannot write {path} ({fault.strerror}): free disk space or fix its permissions, then run again"
        ) from None
