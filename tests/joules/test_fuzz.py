"""Everything that reads from outside, on damaged inputs: a result or a one-line error.

`python -m validation.fuzz` tries ten thousand inputs each.
"""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joules.errors import UserError
from joules.study.config import check_config, parse_option
from validation import fuzz
from validation.fuzz import cases, fuzz_reader, run_case
from validation.fuzz_readers import readers

NAMES = ["pue", "region", "scale"]
INPUTS = 100


@pytest.fixture(scope="module")
def every_case(tmp_path_factory):
    return cases(tmp_path_factory.mktemp("fuzzed"))


@pytest.mark.parametrize("name", [*readers(), "marks of the bench", "answers of NVML"])
def test_what_went_wrong_ends_in_a_sentence(name, every_case):
    _, faults = run_case(name, every_case[name], INPUTS)
    assert faults == []


@pytest.mark.parametrize("name", readers())
def test_a_good_file_is_read(name, tmp_path):
    reader = readers()[name]
    fuzz_reader(reader, tmp_path)
    reader.read(tmp_path)


@pytest.mark.parametrize("name", [name for name, reader in readers().items() if not reader.may_be_absent])
def test_a_file_that_is_absent_or_a_folder_ends_in_a_sentence(name, tmp_path):
    reader = readers()[name]
    fuzz_reader(reader, tmp_path)
    path = tmp_path / reader.place
    for stand_in in (path.unlink, path.mkdir):
        stand_in()
        with pytest.raises(UserError):
            reader.read(tmp_path)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(st.text(max_size=40) | st.builds("{}={}".format, st.sampled_from(NAMES), st.text()))
def test_an_option_ends_in_a_value_or_a_sentence(text):
    with contextlib.suppress(UserError):
        check_config(dict([parse_option(text)]))


def test_a_name_of_nothing_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["fuzz", "recods"])
    with pytest.raises(SystemExit) as refused:
        fuzz.main()
    assert refused.value.code == 2
    assert "nothing that is fuzzed is called 'recods'" in capsys.readouterr().err
