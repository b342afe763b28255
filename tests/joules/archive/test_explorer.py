"""What the explorer shows; tests/browser opens it."""

from joules.archive.explorer import render_page
from joules.study.campaign import Campaign
from joules.study.manifest import Manifest, Origin
from tests import make_repository


def test_the_page_shows_the_experiments_of_the_manifest(tmp_path, monkeypatch):
    """An interrupted build leaves records without tables, which a build of other experiments finds."""
    make_repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    campaign = Campaign("local")
    (campaign.runs / "grokking").mkdir(parents=True)
    origin = Origin(
        machine="m",
        words="4-core machine",
        scale="smoke",
        energy="modelled",
        first_measured_at="2026-01-02T02:04:05+00:00",
        last_measured_at="2026-01-02T03:04:05+00:00",
        fingerprints={},
    )
    manifest = Manifest(campaign="local", version="1", origin=origin, experiments=[], options={}, files={})
    campaign.claims.touch()
    campaign.manifest.write_text(manifest.model_dump_json())
    assert '"questions":[]' in render_page(campaign).replace(" ", "")
