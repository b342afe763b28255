"""The manifest of a campaign, and the verification of everything it lists."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from joules.analysis.drawing.sidecar import SIDECAR, read_sidecar
from joules.analysis.origin import origin_of
from joules.analysis.parallel import parallel_map
from joules.analysis.records import Records
from joules.analysis.steps import Load, cached_loader, draw, tabulate
from joules.analysis.tables import check_inputs
from joules.errors import UserError
from joules.paper import steps
from joules.paper.outputs import HASHING, check_outputs, hashes_file
from joules.study.campaign import Campaign, figures_of, other_releases
from joules.study.config import Config, check_config
from joules.study.design import load_design
from joules.study.documents import DOCUMENTS
from joules.study.files import existing_file
from joules.study.fingerprint import file_sha256, present_sha256
from joules.study.manifest import Manifest, read_manifest, store_manifest
from joules.version import VERSION

# Options that affect what is made from records.
_OPTIONS = ("scale", "region", "pue", "price_usd_per_kwh")
_BUILT = (
    "values.csv",
    "values.tex",
    "captions.tex",
    "tables.tex",
    "questions.tex",
    "sections.tex",
    "details.tex",
    "campaign.tex",
    *(f"{document}.{kind}" for document in DOCUMENTS for kind in ("pdf", "html")),
)


def write_manifest(campaign: Campaign, experiments: Sequence[str], config: Config) -> Path:
    """Writes the manifest of a campaign.

    Args:
        campaign: A campaign whose paper is built.
        experiments: Its experiments.
        config: Its options.

    Returns:
        Path of the manifest.

    Raises:
        UserError: If a file is missing, or is not what the step wrote that made it.
    """
    # An experiment can use records of the experiments that this campaign has, no others.
    config = config.model_copy(update={"experiments": list(experiments)})
    options = config.model_dump(mode="json", include=set(_OPTIONS))
    if not campaign.is_local:
        # The scale of a released campaign is that of its records.
        del options["scale"]
    paths = _files(campaign, experiments, config)
    _check_made(campaign, experiments)
    files = {campaign.relative(path): file_sha256(path) for path in paths}
    manifest = Manifest(
        campaign=campaign.name,
        version=VERSION,
        origin=origin_of(campaign),
        experiments=list(experiments),
        options=options,
        files=files,
    )
    store_manifest(campaign, manifest)
    return campaign.manifest


def _check_made(campaign: Campaign, experiments: Sequence[str]) -> None:
    """Holds each file of a campaign against what the step that made it has written down.

    Raises:
        UserError: At the first that was modified since, or was made from other files.
    """
    for name in experiments:
        check_inputs(campaign, name)
        for figure in figures_of(name):
            read_sidecar(campaign, figure)
    for step in HASHING:
        check_outputs(campaign, step)
    steps.read_verdicts(campaign, experiments)


def list_files(campaign: Campaign) -> list[Path]:
    """The files that the manifest of a campaign lists, sorted."""
    return sorted(map(campaign.file_of, read_manifest(campaign).files))


def _files(campaign: Campaign, experiments: Sequence[str], config: Config) -> list[Path]:
    """Every file that a manifest lists: records, tables, verdicts, figures with their sidecars, and inputs of
    the paper. Raises UserError if one is missing."""
    figures = [name for one in experiments for name in figures_of(one)]
    files = [
        *dict.fromkeys(path for one in experiments for path in campaign.evidence_files(one, config)),
        *(path for one in experiments for path in campaign.tables(one).iterdir()),
        campaign.claims,
        *(campaign.figure_file(name, suffix) for name in figures for suffix in (".pdf", ".svg", SIDECAR)),
        *(campaign.build / name for name in _BUILT),
        *(hashes_file(campaign, step) for step in HASHING),
    ]
    for path in files:
        if not path.exists():
            raise UserError(f"{path} is missing: run the workflow first")
    return files


def verify_campaign(campaign: Campaign) -> Iterator[str]:
    """Verifies a campaign: hashes of all files and records; then makes tables, figures, verdicts and values
    from the records again and compares them byte for byte.

    Tables and figures made by another version of this code are verified by that version: only hashes are
    checked, and the last line says what to check out.

    Args:
        campaign: A campaign with a manifest.

    Yields:
        A line before the first step, and for each step that has succeeded.

    Raises:
        UserError: At the first file that is missing, added or modified.
    """
    manifest = read_manifest(campaign)
    yield f"campaign {campaign.name}: hashing {len(manifest.files)} files"
    config = read_config(campaign, manifest)
    load = cached_loader(campaign, config)
    stated = {campaign.file_of(name): digest for name, digest in manifest.files.items()}
    kept = [path for path in stated if manifest.is_whole or path.exists()]
    for path in sorted(path for path in kept if path.parent.parent != campaign.runs):
        _check(campaign, path, stated[path], present_sha256(path))
    loaded = check_records(campaign, manifest, load)
    yield f"{len(kept)} files have the hashes of {campaign.manifest}"
    yield f"{sum(map(len, loaded.values()))} records have the hashes they were written with"
    if not manifest.is_whole:
        made_by = manifest.version
        yield (
            f"tables, figures and paper were made by version {made_by}, this is {VERSION} without them: run "
            f"'git checkout v{made_by}' to verify them"
        )
        return
    for path in _files(campaign, config.experiments, config):
        if path not in stated:
            raise UserError(
                f"{path} is not listed in {campaign.manifest}: delete it, or "
                + campaign.rerun_hint("manifest")
            )
    yield from _recompute(campaign, config, load)


def check_records(campaign: Campaign, manifest: Manifest, load: Load | None = None) -> dict[str, Records]:
    """Loads the records of a campaign and checks the hash of each file and record.

    Args:
        campaign: The campaign.
        manifest: Its manifest.
        load: Loads the records of an experiment; None for the default.

    Returns:
        Records by experiment.

    Raises:
        UserError: If a file that the manifest lists is missing or modified.
    """
    load = load or cached_loader(campaign, read_config(campaign, manifest))
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


def read_config(campaign: Campaign, manifest: Manifest) -> Config:
    """The options that a campaign was made with. Raises UserError if they are invalid."""
    return check_config(
        {**manifest.options, "campaign": campaign.name, "experiments": manifest.experiments},
        str(campaign.manifest),
    )


def _check(campaign: Campaign, path: Path, stated: str, present: str | None) -> None:
    if present is None:
        raise UserError(f"{path} is missing, but listed in {campaign.manifest}: restore it")
    if present != stated:
        raise UserError(f"{path} does not match {campaign.manifest}: one of them was modified, restore both")


def _recompute(campaign: Campaign, config: Config, load: Load) -> Iterator[str]:
    """Makes everything from the records again, by the same steps in a temporary folder, and compares."""
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

        def draw_figures(name: str) -> None:
            if name in of_campaign:
                # Made from the tables of all other experiments, and from no figure.
                tables_of(name)
            for figure in figures_of(name):
                draw(again, name, figure)

        # Tables of many records use all processors and much memory by themselves.
        is_small = all(load(name).is_kept for name in others if load_design(name).has_runs)
        for name, _ in zip(others, (parallel_map if is_small else map)(tables_of, others), strict=True):
            _check_same_files(campaign, again, again.tables(name))
            yield f"tables of {name} follow from their evidence"
        for name, _ in zip(experiments, parallel_map(draw_figures, experiments), strict=True):
            yield f"figures of {name} are drawn again"
        for name in of_campaign:
            _check_same_files(campaign, again, again.tables(name))
            yield f"tables of {name} follow from their evidence"
        _check_same_files(campaign, again, again.figures)
        yield "figures follow from the tables; verdicts and values are made again"
        steps.evaluate_claims(again, experiments)
        _check_same(again.claims, campaign.claims)
        steps.export_values(again, experiments)
        _check_same_files(campaign, again, again.build)
    yield "verdicts and values follow from the tables"


def _link(there: Path, here: Path) -> None:
    here.parent.mkdir(parents=True, exist_ok=True)
    here.symlink_to(there.resolve())


def _check_same_files(campaign: Campaign, again: Campaign, folder: Path) -> None:
    """Raises UserError at the first file of a folder of `again` that differs in `campaign`."""
    for path in sorted(folder.iterdir()):
        _check_same(path, campaign.root / again.relative(path))


def _check_same(made: Path, stored: Path) -> None:
    if not stored.exists():
        raise UserError(f"{stored} is missing: restore it")
    if made.read_bytes() != stored.read_bytes():
        raise UserError(f"{stored} differs from what its inputs give: it was modified, or the code was")
