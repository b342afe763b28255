"""What a campaign consists of, file by file, and the proof that it still does."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from joules.analysis.origin import origin_of
from joules.analysis.parallel import parallel_map
from joules.analysis.records import Records
from joules.analysis.sidecar import SIDECAR
from joules.analysis.steps import Load, cached_loader, draw, tabulate
from joules.errors import UserError
from joules.paper import steps
from joules.study.campaign import Campaign, figures_of, other_releases
from joules.study.config import Config, check_config
from joules.study.design import load_design
from joules.study.files import existing_file
from joules.study.fingerprint import file_sha256, present_sha256
from joules.study.manifest import Manifest, read_manifest
from joules.version import VERSION

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


def write(campaign: Campaign, experiments: Sequence[str], config: Config) -> Path:
    """Writes the manifest of a campaign that has been built; returns its path."""
    # Whose records a question uses is what the campaign has, not what there could be.
    config = config.model_copy(update={"experiments": list(experiments)})
    options = config.model_dump(mode="json", include=set(_OPTIONS))
    if not campaign.is_local:
        # A released campaign is what its records are, whatever the scale of the day.
        del options["scale"]
    files = {campaign.relative(path): file_sha256(path) for path in _files(campaign, experiments, config)}
    manifest = Manifest(
        campaign=campaign.name,
        version=VERSION,
        origin=origin_of(campaign),
        experiments=list(experiments),
        options=options,
        files=files,
    )
    body = manifest.model_dump(mode="json")
    campaign.manifest.write_text(json.dumps(body, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return campaign.manifest


def listed(campaign: Campaign) -> list[Path]:
    """The files that a campaign's manifest lists, sorted."""
    return sorted(map(campaign.file_of, read_manifest(campaign).files))


def _files(campaign: Campaign, experiments: Sequence[str], config: Config) -> list[Path]:
    """Every file of a campaign whose bytes are vouched for: records, tables, verdicts, figures with their
    sidecars, and what the paper is made of. Raises UserError where one is missing."""
    figures = [name for one in experiments for name in figures_of(one)]
    files = [
        *dict.fromkeys(path for one in experiments for path in campaign.evidence_files(one, config)),
        *(path for one in experiments for path in campaign.tables(one).iterdir()),
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

    A campaign that another version of this code made is proven by that version: here the hashes of its
    records and of what else is kept are checked, and the last line says what to check out for the rest.

    Raises UserError at the first file that is missing, new or not what it was, and names it.
    """
    manifest = read_manifest(campaign)
    config = _config(campaign, manifest)
    is_whole = manifest.version == VERSION
    load = cached_loader(campaign, config)
    stated = {campaign.file_of(name): digest for name, digest in manifest.files.items()}
    kept = [path for path in stated if is_whole or path.exists()]
    for path in sorted(path for path in kept if path.parent.parent != campaign.runs):
        _check(campaign, path, stated[path], present_sha256(path))
    loaded = check_records(campaign, manifest, load)
    yield f"{len(kept)} files have the hashes of {campaign.manifest}"
    yield f"{sum(map(len, loaded.values()))} records have the hashes they were written with"
    if not is_whole:
        made_by = manifest.version
        yield (
            f"tables, figures and paper were made by version {made_by}, this is {VERSION}: check out "
            f"v{made_by} to verify them"
        )
        return
    for path in _files(campaign, config.experiments, config):
        if path not in stated:
            raise UserError(f"{path} is not listed in {campaign.manifest}: it was added")
    yield from _recompute(campaign, config, load)


def check_records(campaign: Campaign, manifest: Manifest, load: Load | None = None) -> dict[str, Records]:
    """The records of a campaign by experiment, every file and every record proven by its hash.

    Raises:
        UserError: a file that the manifest lists is missing or another one.
    """
    load = load or cached_loader(campaign, _config(campaign, manifest))
    loaded = {name: load(name) for name in manifest.experiments if load_design(name).has_runs}
    # Files are hashed as they are read.
    read = {
        existing_file(campaign.runs / name): digest
        for records in loaded.values()
        for name, digest in records.sha256.items()
    }
    stated = {campaign.file_of(name): digest for name, digest in manifest.files.items()}
    for path, digest in stated.items():
        if path.parent.parent == campaign.runs:
            _check(campaign, path, digest, read.get(path) or present_sha256(path))
    return loaded


def _config(campaign: Campaign, manifest: Manifest) -> Config:
    return check_config(
        {**manifest.options, "campaign": campaign.name, "experiments": manifest.experiments},
        str(campaign.manifest),
    )


def _check(campaign: Campaign, path: Path, stated: str, present: str | None) -> None:
    if present is None:
        raise UserError(f"{path} is listed in {campaign.manifest} and is missing")
    if present != stated:
        raise UserError(f"{path} is not what {campaign.manifest} lists: one of the two was changed")


def _recompute(campaign: Campaign, config: Config, load: Load) -> Iterator[str]:
    """Makes everything again from the records in a temporary folder, by the same steps, and compares."""
    experiments = config.experiments
    of_campaign = [name for name in experiments if load_design(name).evidence == "campaign"]
    others = [name for name in experiments if name not in of_campaign]
    with tempfile.TemporaryDirectory(prefix="joules-verify-") as folder:
        again = Campaign(campaign.name, Path(folder))
        _link(campaign.runs, again.runs)
        for other in other_releases(campaign):
            _link(other.results, Campaign(other.name, again.root).results)
        for source in {source for name in experiments for source in load_design(name).sources}:
            _link(campaign.root / source, again.root / source)

        def tables_of(name: str) -> None:
            tabulate(again, name, config, load)

        def drawn(name: str) -> None:
            if name in of_campaign:
                # They are made from the tables of all other experiments, and from no figure.
                tables_of(name)
            for figure in figures_of(name):
                draw(again, name, figure)

        # Tables of more records than are kept take all processors, and much memory, themselves.
        is_small = all(load(name).is_kept for name in others if load_design(name).has_runs)
        for name, _ in zip(others, (parallel_map if is_small else map)(tables_of, others), strict=True):
            _same_files(campaign, again, again.tables(name))
            yield f"tables of {name} follow from their evidence"
        for _ in parallel_map(drawn, experiments):
            pass
        for name in of_campaign:
            _same_files(campaign, again, again.tables(name))
            yield f"tables of {name} follow from their evidence"
        _same_files(campaign, again, again.figures)
        yield "figures follow from the tables"
        steps.evaluate_claims(again, experiments)
        _same(again.claims, campaign.claims)
        steps.export_values(again, experiments)
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
