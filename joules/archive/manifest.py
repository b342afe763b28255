"""What a campaign consists of, file by file, and the proof that it still does."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from joules.analysis.parallel import parallel_map
from joules.analysis.sidecar import SIDECAR
from joules.analysis.steps import Load, cached_loader, draw, tabulate
from joules.errors import UserError
from joules.models import Closed, read_json
from joules.paper import steps
from joules.study.campaign import SELF, Campaign, figures_of, other_releases
from joules.study.config import LOCAL, Config, check_config
from joules.study.fingerprint import file_sha256, present_sha256

# Options that change what is made from records.
_OPTIONS = ("scale", "region", "pue", "price_usd_per_kwh")
_BUILT = (
    "values.csv",
    "values.tex",
    "captions.tex",
    "tables.tex",
    "questions.tex",
    "sections.tex",
    steps.INJECTED,
    "campaign.tex",
    "paper.pdf",
)


class Manifest(Closed):
    """What a campaign consists of: SHA-256 of every file by its name, and the options it was made with."""

    campaign: str
    experiments: list[str]
    options: dict[str, Any]
    files: dict[str, str]


def write(campaign: Campaign, experiments: Sequence[str], config: Config) -> Path:
    """Writes the manifest of a campaign that has been built; returns its path."""
    # Whose records a question uses is what the campaign has, not what there could be.
    config = config.model_copy(update={"experiments": list(experiments)})
    options = config.model_dump(mode="json", include=set(_OPTIONS))
    if campaign.name != LOCAL:
        # A released campaign is what its records are, whatever the scale of the day.
        del options["scale"]
    body = {
        "campaign": campaign.name,
        "experiments": list(experiments),
        "options": options,
        "files": {
            campaign.relative(path): file_sha256(path) for path in _files(campaign, experiments, config)
        },
    }
    campaign.manifest.write_text(json.dumps(body, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return campaign.manifest


def listed(campaign: Campaign) -> list[Path]:
    """The files that a campaign's manifest lists, sorted."""
    return sorted(campaign.root / name for name in _read(campaign).files)


def _files(campaign: Campaign, experiments: Sequence[str], config: Config) -> list[Path]:
    """Every file of a campaign whose bytes are vouched for: records, tables, verdicts, figures with their
    sidecars, and what the paper is made of. Raises UserError where one is missing."""
    figures = [name for one in [*experiments, SELF] for name in figures_of(one)]
    files = [
        *dict.fromkeys(path for one in experiments for path in campaign.records(one, config)),
        *(path for one in [*experiments, SELF] for path in campaign.tables(one).iterdir()),
        campaign.claims,
        *(campaign.figure_file(name, suffix) for name in figures for suffix in (".pdf", ".png", SIDECAR)),
        *(campaign.build / name for name in _BUILT),
    ]
    for path in files:
        if not path.exists():
            raise UserError(f"{path} is missing: run the workflow first")
    return files


def verify(campaign: Campaign) -> Iterator[str]:
    """Proves a campaign, a line a step: hashes of all files, hashes of all records, and tables, figures,
    verdicts and values made again from the records and compared byte for byte.

    Raises UserError at the first file that is missing, new or not what it was, and names it.
    """
    body = _read(campaign)
    config = check_config(
        {**body.options, "campaign": campaign.name, "experiments": body.experiments}, str(campaign.manifest)
    )
    load = cached_loader(campaign, config)
    stated = {campaign.root / name: digest for name, digest in body.files.items()}
    # Records are hashed as they are read for their tables.
    of_records = [path for path in stated if path.parent.parent == campaign.runs]
    for path in sorted(stated.keys() - set(of_records)):
        _check(campaign, path, stated[path], present_sha256(path))
    loaded = [load(experiment) for experiment in config.experiments]
    read = {campaign.runs / name: digest for each in loaded for name, digest in each.sha256.items()}
    for path in of_records:
        _check(campaign, path, stated[path], read.get(path) or present_sha256(path))
    for path in _files(campaign, config.experiments, config):
        if path not in stated:
            raise UserError(f"{path} is not listed in {campaign.manifest}: it was added")
    yield f"{len(stated)} files have the hashes of {campaign.manifest}"
    yield f"{sum(map(len, loaded))} records have the hashes they were written with"
    yield from _recompute(campaign, config, load)


def _check(campaign: Campaign, path: Path, stated: str, present: str | None) -> None:
    if present is None:
        raise UserError(f"{path} is listed in {campaign.manifest} and is missing")
    if present != stated:
        raise UserError(f"{path} is not what {campaign.manifest} lists: one of the two was changed")


def _read(campaign: Campaign) -> Manifest:
    body = read_json(campaign.manifest, "run the workflow first", campaign.again("manifest"))
    try:
        manifest = Manifest.model_validate(body)
    except ValidationError:
        manifest = None
    if manifest is None or manifest.campaign != campaign.name:
        again = campaign.again("manifest")
        raise UserError(f"{campaign.manifest} was changed, it is not that of {campaign.name}: {again}")
    return manifest


def _recompute(campaign: Campaign, config: Config, load: Load) -> Iterator[str]:
    """Makes everything again from the records in a temporary folder, by the same steps, and compares."""
    experiments = config.experiments
    with tempfile.TemporaryDirectory(prefix="joules-verify-") as folder:
        again = Campaign(campaign.name, Path(folder))
        _link(campaign.runs, again.runs)
        for other in other_releases(campaign):
            _link(other.results, Campaign(other.name, again.root).results)

        def tables_of(name: str) -> None:
            tabulate(again, name, config, load)

        def drawn(name: str) -> None:
            if name == SELF:
                # What the campaign says of itself takes the tables of all questions, and no figure of theirs.
                tables_of(SELF)
            for figure in figures_of(name):
                draw(again, name, figure)

        # Tables of more records than are kept take all processors, and much memory, themselves.
        spread = parallel_map if all(load(experiment).are_kept for experiment in experiments) else map
        for experiment, _ in zip(experiments, spread(tables_of, experiments), strict=True):
            _same_files(campaign, again, again.tables(experiment))
            yield f"tables of {experiment} follow from the records"
        for _ in parallel_map(drawn, [SELF, *experiments]):
            pass
        _same_files(campaign, again, again.tables(SELF))
        yield f"tables of {SELF} follow from the records"
        _same_files(campaign, again, again.figures)
        yield "figures follow from the tables"
        steps.evaluate_claims(again, experiments)
        _same(again.claims, campaign.claims)
        steps.export_values(again, experiments, config)
        _same_files(campaign, again, again.build)
    yield "verdicts and values follow from the tables"


def _link(there: Path, here: Path) -> None:
    here.parent.mkdir(parents=True, exist_ok=True)
    here.symlink_to(there.resolve())


def _same_files(campaign: Campaign, again: Campaign, folder: Path) -> None:
    """Raises UserError at the first file of a folder of `again` that is another one in `campaign`."""
    for path in sorted(folder.iterdir()):
        _same(path, campaign.root / again.relative(path))


def _same(made: Path, stored: Path) -> None:
    if not stored.exists():
        raise UserError(f"{stored} is missing")
    if made.read_bytes() != stored.read_bytes():
        raise UserError(f"{stored} is not what its inputs give: it was changed, or the code was")
