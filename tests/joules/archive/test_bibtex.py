"""BibTeX of a campaign and of its files."""

import hashlib
import re

import pytest

from joules.archive.bibtex import cite
from joules.errors import UserError
from tests import RELEASED, ROOT


def test_an_entry_of_a_table_has_its_hash_and_how_its_energy_was_read():
    text = cite(RELEASED, "grokking/arms.csv")
    path = RELEASED.tables("grokking") / "arms.csv"
    assert hashlib.sha256(path.read_bytes()).hexdigest() in text
    assert "tables/grokking/arms.csv of campaign" in text
    assert "modelled, not measured" in text
    assert re.findall(r"^@(\w+)", text, re.MULTILINE) == ["misc", "software"]
    # Braces match, so that BibTeX reads every field.
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize(
    ("file", "sentence"),
    [("arms.csv", "several files 'arms.csv': name one of"), ("grokking/arm.csv", "among .* known")],
)
def test_a_file_that_is_not_one_of_the_campaigns_is_refused(file, sentence):
    with pytest.raises(UserError, match=sentence):
        cite(RELEASED, file)


def test_the_example_of_the_documentation_is_what_is_printed():
    page = (ROOT / "docs" / "how-to" / "cite.md").read_text(encoding="utf-8")
    command, printed = re.search(r"```console\n\$ joules cite ([^\n]*)\n(.*?)```", page, re.DOTALL).groups()
    _, name, file = command.split()
    stated = re.search(r"SHA-256 ([0-9a-f]{64})", printed)[1]
    assert hashlib.sha256((ROOT / "results" / name / file).read_bytes()).hexdigest() == stated
    assert printed.strip() == cite(type(RELEASED)(name, RELEASED.root), file)
