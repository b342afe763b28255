"""Validation of files that users write: messages name the fault."""

import pytest

from joules.errors import UserError
from joules.yaml_files import read_yaml


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"arms:\n  resnet18: {model: a}\n  resnet18: {model: b}\n",
            "duplicate key 'resnet18'",
        ),
        (b"a: {b: 1, b: 2}", "duplicate key 'b'"),
        (b"title: caf\xe9", "is not UTF-8 text"),
        (b"a: [1", "is not valid YAML"),
        (b"? [1]\n: 2", "a key must be a word"),
        (b"when: 2026-02-31", "is not valid YAML"),
        # Deep enough to overflow the stack of libyaml.
        (b"[" * 100_000, "is not valid YAML"),
        (b"- " * 100_000, "is not valid YAML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, sentence):
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        read_yaml(path)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UserError, match="is a folder, expected a file"):
        read_yaml(tmp_path)


@pytest.mark.parametrize("content", [b"region: NO\n", b"\xef\xbb\xbfregion: NO\r\n"])
def test_norway_is_a_country_also_in_a_file_saved_by_a_spreadsheet(tmp_path, content):
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    assert read_yaml(path) == {"region": "NO"}
