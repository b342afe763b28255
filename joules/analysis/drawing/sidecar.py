"""Provenance file of a figure: the data and code that it was drawn from."""

from __future__ import annotations

from pydantic import ValidationError

from joules.analysis.tables import MANIFEST
from joules.errors import UserError
from joules.models import Closed, read_json
from joules.study.campaign import Campaign
from joules.study.fingerprint import check_unchanged, present_sha256

# How the name of the file ends.
SIDECAR = ".provenance.json"


class Sidecar(Closed):
    """What a figure was drawn from and by: `files` with their SHA-256, those of the tables' manifest, and the
    fingerprint of the code."""

    figure: str
    campaign: str
    experiment: str
    tables: str
    manifest_sha256: str
    code_fingerprint: str
    files: dict[str, str]


def check_drawn(campaign: Campaign, figure: str) -> Sidecar:
    """The provenance of a figure. Raises UserError where a file of the figure was changed."""
    path = campaign.figure_file(figure, SIDECAR)
    again = campaign.redraw_hint(figure)
    body = read_json(path, "draw the figure first", again)
    try:
        sidecar = Sidecar.model_validate(body)
    except ValidationError:
        raise UserError(f"{path} is incomplete or was modified: {again}") from None
    for name, stated in sidecar.files.items():
        check_unchanged(campaign.figures / name, stated, "drawn", again)
    return sidecar


def read_sidecar(campaign: Campaign, figure: str) -> Sidecar:
    """The provenance of a figure. Raises UserError where a file of the figure was changed, or its tables were
    made again after it was drawn."""
    sidecar = check_drawn(campaign, figure)
    tables = campaign.tables(sidecar.experiment)
    if present_sha256(tables / MANIFEST) != sidecar.manifest_sha256:
        raise UserError(f"{tables} does not match figure {figure}: {campaign.redraw_hint(figure)}")
    return sidecar
