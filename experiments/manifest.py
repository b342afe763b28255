"""What a campaign consists of, file by file, and the proof that it still does."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments import steps
from experiments.bench.journal import read_entries
from experiments.campaigns import SELF, Campaign
from experiments.config import LOCAL, Config, check_config, load_design
from experiments.errors import UserError
from experiments.provenance import file_sha256

# Options that change what is made from records.
_OPTIONS = ("scale", "region", "pue", "price_usd_per_kwh")
_BUILT = (
    "values.csv",
    "values.tex",
    "captions.tex",
    "tables.tex",
    "sections.tex",
    steps.INJECTED,
    "campaign.tex",
    "paper.pdf",
)


def write(campaign: Campaign, experiments: Sequence[str], config: Config) -> Path:
    """Writes the manifest of a campaign that has been built; returns its path."""
    options = config.model_dump(mode="json", include=set(_OPTIONS))
    if campaign.name != LOCAL:
        # A released campaign is what its records are, whatever the scale of the day.
        del options["scale"]
    body = {
        "campaign": campaign.name,
        "experiments": list(experiments),
        "options": options,
        "files": {str(path): file_sha256(path) for path in _files(campaign, experiments, config)},
    }
    campaign.manifest.write_text(json.dumps(body, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return campaign.manifest


def listed(campaign: Campaign) -> list[Path]:
    """The files that a campaign's manifest lists, sorted."""
    return sorted(map(Path, _read(campaign)["files"]))


def _files(campaign: Campaign, experiments: Sequence[str], config: Config) -> list[Path]:
    """Every file of a campaign whose bytes are vouched for, sorted: records, tables, verdicts, figures with
    their sidecars, and what the paper is made of. Raises UserError where one is missing."""
    figures = [campaign.figure(name) for one in experiments for name in load_design(one).figures]
    found = [
        *(path for one in experiments for path in campaign.records(one, config)),
        *(path for one in [*experiments, SELF] for path in campaign.tables(one).iterdir()),
        campaign.claims,
        *(stem.with_suffix(suffix) for stem in figures for suffix in (".pdf", ".png", ".provenance.json")),
        *(campaign.build / name for name in _BUILT),
    ]
    for path in found:
        if not path.exists():
            raise UserError(f"{path} is missing: run the workflow first")
    return sorted(found)


def verify(campaign: Campaign) -> Iterator[str]:
    """Proves a campaign, a line a step: hashes of all files, hashes of all records, and tables, figures,
    verdicts and values made again from the records and compared byte for byte.

    Raises UserError at the first file that is missing, new or not what it was, and names it.
    """
    body = _read(campaign)
    config = check_config({**body["options"], "campaign": campaign.name, "experiments": body["experiments"]})
    stated = {Path(name): digest for name, digest in body["files"].items()}
    for path, digest in stated.items():
        if not path.exists():
            raise UserError(f"{path} is listed in {campaign.manifest} and is missing")
        if file_sha256(path) != digest:
            raise UserError(f"{path} is not what {campaign.manifest} lists: one of the two was changed")
    for path in _files(campaign, config.experiments, config):
        if path not in stated:
            raise UserError(f"{path} is not listed in {campaign.manifest}: it was added")
    yield f"{len(stated)} files have the hashes of {campaign.manifest}"
    records = sum(len(read_entries(path)) for path in stated if path.suffix == ".jsonl")
    yield f"{records} records have the hashes they were written with"
    yield from _recompute(campaign, config)


def _read(campaign: Campaign) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(campaign.manifest.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{campaign.manifest} does not exist: run the workflow first") from None
    except ValueError:
        raise UserError(f"{campaign.manifest} was changed: it is no JSON") from None
    if set(body) != {"campaign", "experiments", "options", "files"} or body["campaign"] != campaign.name:
        raise UserError(f"{campaign.manifest} was changed: it is not the manifest of {campaign.name}")
    return body


def _recompute(campaign: Campaign, config: Config) -> Iterator[str]:
    experiments = config.experiments
    with tempfile.TemporaryDirectory() as folder:
        for experiment in [*experiments, SELF]:
            steps.write_tables_of(campaign, experiment, config, Path(folder, experiment))
            for path in sorted(Path(folder, experiment).iterdir()):
                _same(path, campaign.tables(experiment) / path.name)
            yield f"tables of {experiment} follow from the records"
    with tempfile.TemporaryDirectory() as folder:
        for experiment in experiments:
            for figure in load_design(experiment).figures:
                steps.draw_to(campaign, experiment, figure, Path(folder, figure))
        for path in sorted(Path(folder).iterdir()):
            _same(path, campaign.figures / path.name)
    yield "figures follow from the tables"
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder)
        steps.write_claims(campaign, experiments, again / "claims.csv")
        _same(again / "claims.csv", campaign.claims)
        steps.write_injected(campaign, experiments, config, again)
        for path in sorted(again.iterdir()):
            if path.name != campaign.claims.name:
                _same(path, campaign.build / path.name)
    yield "verdicts and values follow from the tables"


def _same(made: Path, stored: Path) -> None:
    if not stored.exists():
        raise UserError(f"{stored} is missing")
    if made.read_bytes() != stored.read_bytes():
        raise UserError(f"{stored} is not what its inputs give: it was changed, or the code was")
