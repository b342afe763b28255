"""Retiring a released campaign, which keeps only its records, claims and a page."""

import gzip
import shutil
from pathlib import Path

import pandas as pd
import pytest

from joules.archive.retirement import retire_campaign
from joules.archive.verification import verify_campaign
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.fingerprint import file_sha256
from joules.study.manifest import read_manifest
from tests import RELEASED, ROOT

NAME = "epyc-2core-standard-2026-11-26b"


@pytest.fixture
def campaign(tmp_path):
    """A copy of a released campaign that is still complete."""
    made = Campaign(NAME, tmp_path)
    for folder in (made.results, made.figures, made.build):
        shutil.copytree(ROOT / folder.relative_to(tmp_path), folder)
    sources = Path("experiments/published_measurements/reference")
    shutil.copytree(ROOT / sources, tmp_path / sources)
    return made


def test_records_stay_as_they_were_and_the_rest_goes(campaign):
    before = {path.name: path.read_bytes() for path in (campaign.runs / "layer_kinds").iterdir()}
    page = retire_campaign(campaign).read_text(encoding="utf-8")
    assert "| layer_kinds | 48 |" in page
    supported = (pd.read_csv(RELEASED.claims)["verdict"] == "supported").sum()
    assert f"{supported} supported" in page
    after = {path.name: path for path in (campaign.runs / "layer_kinds").iterdir()}
    assert {name.removesuffix(".gz"): gzip.decompress(path.read_bytes()) for name, path in after.items()} == (
        before
    )
    stated = read_manifest(campaign).files
    assert all(
        file_sha256(campaign.file_of(name)) == digest for name, digest in stated.items() if "/runs/" in name
    )
    assert {path.name for path in campaign.results.iterdir()} == {
        "runs",
        "manifest.json",
        "claims.csv",
        "README.md",
    }
    assert not campaign.figures.exists()
    assert not campaign.build.exists()


def test_a_record_that_was_modified_is_not_retired(campaign):
    block = campaign.block_file("layer_kinds", 0)
    block.write_bytes(block.read_bytes().replace(b'"arm":', b'"arm" :', 1))
    with pytest.raises(UserError, match="does not match"):
        retire_campaign(campaign)
    assert (campaign.results / "tables").is_dir()


def test_what_another_version_made_is_proven_by_it(campaign):
    retire_campaign(campaign)
    lines = list(verify_campaign(campaign))
    assert lines[-1].endswith(f"run 'git checkout v{read_manifest(campaign).version}' to verify them")
    block = campaign.block_file("layer_kinds", 1)
    content = gzip.decompress(block.read_bytes())
    block.write_bytes(gzip.compress(content[:-1] + b" \n"))
    with pytest.raises(UserError, match=r"block-1\.jsonl\.gz does not match"):
        list(verify_campaign(campaign))


def test_a_compressed_file_that_is_incomplete_ends_in_a_sentence(campaign):
    retire_campaign(campaign)
    block = campaign.block_file("layer_kinds", 1)
    block.write_bytes(block.read_bytes()[:200])
    with pytest.raises(UserError, match="is incomplete or was modified: restore it"):
        list(verify_campaign(campaign))


def test_the_readers_own_campaign_is_not_retired(tmp_path):
    with pytest.raises(UserError, match="is not released"):
        retire_campaign(Campaign("local", tmp_path))
