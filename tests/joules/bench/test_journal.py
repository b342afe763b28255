"""Records on the disk: complete or rejected, never silently wrong."""

import json
import os

import pytest

from joules.bench.journal import Journal, read_records, write_records
from joules.bench.record import format_record
from joules.errors import UserError
from tests.records import idle, run


def test_what_is_written_is_read_back(tmp_path):
    entries = [idle(), run(), run("two")]
    write_records(tmp_path / "block-0.jsonl", entries)
    assert read_records(tmp_path / "block-0.jsonl") == entries


def test_a_record_may_be_written_in_another_way(tmp_path):
    path = tmp_path / "block-0.jsonl"
    body = json.loads(format_record(run()))
    path.write_text(json.dumps(dict(reversed(body.items())), separators=(",", ":")) + "\n")
    assert read_records(path) == [run()]


def test_a_torn_last_line_is_cut_off_and_said(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append(run("one"))
    journal.append(run("two"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    reopened = Journal(path)
    assert [entry.arm for entry in reopened.records] == ["one"]
    assert "incomplete" in reopened.recovered
    reopened.append(run("two"))
    assert [entry.arm for entry in read_records(path)] == ["one", "two"]


def test_an_edited_record_is_refused_by_line(tmp_path):
    path = tmp_path / "block-0.jsonl"
    edited = format_record(run("two", energy_j=20.0)).replace('"energy_j": 20.0', '"energy_j": 2.0', 1)
    path.write_text(format_record(run("one")) + edited)
    with pytest.raises(UserError, match="line 2 was modified after it was written"):
        read_records(path)


def test_a_record_of_another_schema_is_refused(tmp_path):
    path = tmp_path / "block-0.jsonl"
    path.write_text(format_record(run().model_copy(update={"schema_version": 99})))
    with pytest.raises(UserError, match="schema version 99"):
        read_records(path)


@pytest.mark.parametrize("line", ["[]\n", "{}\n", "nonsense\n", json.dumps({"sha256": "x"}) + "\n"])
def test_anything_else_is_refused(tmp_path, line):
    path = tmp_path / "block-0.jsonl"
    path.write_text(line)
    with pytest.raises(UserError, match="line 1"):
        read_records(path)


def test_a_full_disk_leaves_what_was_written(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append(run("one"))

    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"No space left on device.*are kept"):
        journal.append(run("two"))
    monkeypatch.undo()
    assert [entry.arm for entry in Journal(path).records] == ["one"]
