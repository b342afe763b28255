"""All readers of external files, on damaged files: a result or a one-line error."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joules.analysis import columns, tables
from joules.analysis.drawing.sidecar import read_sidecar
from joules.analysis.records import read_stated
from joules.archive.verification import verify_campaign
from joules.bench.journal import Journal, read_records
from joules.bench.record import format_record
from joules.errors import UserError
from joules.models import read_yaml, validate
from joules.paper.steps import read_values
from joules.study.campaign import Campaign
from joules.study.claims import Claims
from joules.study.config import check_config, parse_option
from joules.study.design import Design
from joules.study.timestamps import order_file_times
from tests import QUESTIONS, ROOT, records

NAMES = ["pue", "region", "scale"]
# Together more than ten thousand.
FUZZ = settings(max_examples=1000, deadline=None, database=None, derandomize=True)
CAMPAIGN = "fuzzed"
DIGEST = "0" * 64


def campaign(folder):
    return Campaign(CAMPAIGN, folder)


def design(folder):
    validate(Design, read_yaml(folder / "file"), "file").runs("smoke")


def config(folder):
    options = read_yaml(folder / "file")
    check_config(options if isinstance(options, dict) else {})


def claims(folder):
    validate(Claims, read_yaml(folder / "file"), "file")


def meanings(folder):
    validate(columns.Columns, read_yaml(folder / "file"), "file")


def stated(folder):
    read_stated(folder / "file")


def entries(folder):
    read_records(folder / "file")


def journal(folder):
    Journal(folder / "file")


def table_manifest(folder):
    tables.read_tables(campaign(folder), "grokking")


def sidecar(folder):
    read_sidecar(campaign(folder), "figure")


def values(folder):
    read_values(campaign(folder))


def whole(folder):
    next(verify_campaign(campaign(folder)))


def times(folder):
    order_file_times(campaign(folder))


RECORDS = format_record(records.run()) + format_record(records.idle())
SIDECAR = {
    "figure": "figure",
    "campaign": CAMPAIGN,
    "experiment": "grokking",
    "tables": "results",
    "manifest_sha256": DIGEST,
    "code_fingerprint": DIGEST,
    "files": {"figure.pdf": DIGEST},
}
MANIFEST = {
    "campaign": CAMPAIGN,
    "experiments": ["grokking"],
    "options": {"pue": 1.0},
    "files": {"results/x.csv": DIGEST},
}
# What reads, the file it reads, and what a good one holds.
READERS = {
    "design": (design, "file", (QUESTIONS / "_template" / "design.yaml").read_text()),
    "config": (config, "file", "scale: smoke\nregion: NOR\npue: 1.1\nexperiments: [grokking]\n"),
    "claims": (claims, "file", (QUESTIONS / "_template" / "claims.yaml").read_text()),
    "columns": (meanings, "file", (QUESTIONS / "_template" / "columns.yaml").read_text()),
    "stated": (stated, "file", (ROOT / "results/epyc-2core-standard/runs/machine.yaml").read_text()),
    "records": (entries, "file", RECORDS),
    "journal": (journal, "file", RECORDS),
    "tables": (
        table_manifest,
        f"results/{CAMPAIGN}/tables/grokking/manifest.json",
        json.dumps({"tables": {"runs": DIGEST}, "inputs": {"grokking/block-0.jsonl": DIGEST}}),
    ),
    "sidecar": (sidecar, f"figures/{CAMPAIGN}/figure.provenance.json", json.dumps(SIDECAR)),
    "values": (values, f"paper/build/{CAMPAIGN}/exported.json", json.dumps({"values.csv": DIGEST})),
    "manifest": (whole, f"results/{CAMPAIGN}/manifest.json", json.dumps(MANIFEST)),
    "times": (times, f"results/{CAMPAIGN}/manifest.json", json.dumps(MANIFEST)),
}

_SPOILS = [b"\r\n", b"\xef\xbb\xbf", b";", b"1,5", b"NaN", b"1e999", b"-", b'"', b"{", b"[" * 2000]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoilt(draw, good):
    """The bytes of a damaged file: truncated, overwritten, duplicated or saved by a spreadsheet."""
    content = good.encode()
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(start + 40, len(content))))
        put_in = draw(
            st.binary(max_size=12)
            | st.sampled_from(_SPOILS)
            | anything.map(lambda value: json.dumps(value).encode())
        )
        content = content[:start] + put_in + content[end:]
    return draw(st.sampled_from([content, content[: len(content) // 2], content * 2, b""]) | st.just(content))


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_went_wrong_ends_in_a_sentence(name, tmp_path_factory):
    read, place, good = READERS[name]
    folder = tmp_path_factory.mktemp(name)
    path: Path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)

    @settings(FUZZ, suppress_health_check=list(HealthCheck))
    @given(spoilt(good))
    def reads(content):
        path.write_bytes(content)
        with contextlib.suppress(UserError):
            read(folder)

    reads()
    for stand_in in (path.mkdir, lambda: None):
        path.unlink(missing_ok=True) if not path.is_dir() else path.rmdir()
        stand_in()
        if name not in ("journal", "times", "records", "stated"):
            with pytest.raises(UserError):
                read(folder)


@settings(FUZZ)
@given(st.text(max_size=40) | st.builds("{}={}".format, st.sampled_from(NAMES), st.text()))
def test_an_option_ends_in_a_value_or_a_sentence(text):
    with contextlib.suppress(UserError):
        check_config(dict([parse_option(text)]))
