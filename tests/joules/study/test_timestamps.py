"""File times of a released campaign in a fresh clone."""

import json

import pytest

from joules.study.campaign import Campaign
from joules.study.fingerprint import file_sha256
from joules.study.timestamps import order_file_times


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Campaign("released")
    files = [made.build / "paper.html", made.claims, made.results / "runs" / "x" / "block-0.jsonl"]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    made.manifest.write_text(json.dumps({"files": {str(path): file_sha256(path) for path in files}}))
    return made, files


def times_ns(files):
    return [path.stat().st_mtime_ns for path in files]


def test_files_take_the_order_in_which_they_are_made(campaign):
    made, files = campaign
    order_file_times(made)
    paper, claims, record = times_ns(files)
    assert record < claims < paper


def test_a_later_edit_is_seen(campaign):
    made, files = campaign
    order_file_times(made)
    files[2].touch()
    before = times_ns(files)
    order_file_times(made)
    assert times_ns(files) == before


def test_a_clone_that_is_anothers_is_left_as_it_is(campaign, monkeypatch):
    made, files = campaign

    def refuse(*_arguments, **_options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.utime", refuse)
    before = times_ns(files)
    order_file_times(made)
    assert times_ns(files) == before


@pytest.mark.parametrize("manifest", ["{", "[]", "{}", '{"files": {"absent": "0"}}'])
def test_what_is_no_manifest_orders_nothing(campaign, manifest):
    made, files = campaign
    made.manifest.write_text(manifest)
    before = times_ns(files)
    order_file_times(made)
    assert times_ns(files) == before
