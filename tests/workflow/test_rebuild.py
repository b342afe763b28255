"""Files of a released campaign, and what each change of them rebuilds. Nothing here measures."""

import contextlib
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import frictionless
import pytest

from joules.archive.verification import verify_campaign
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.claims import load_claims
from tests import ROOT
from tests.conftest import link_environment
from tests.workflow import rules_run

RELEASED = ("--cores", "1", "--config", "campaign=released")
# A part of the questions, as some released campaigns have.
SOURCE = ROOT / "results/epyc-2core-standard-2026-11-26b/runs"
TRACE = ("trace", "--campaign", "released")
QUESTION = "layer_kinds"
RECORD = f"results/released/runs/{QUESTION}/block-0.jsonl"
EXTRA_RECORD = f"results/released/runs/{QUESTION}/block-99.jsonl"


# A user's own settings, and a home folder that cannot be written.
HOSTILE = {
    **{"HOME": "/dev/null/none", "MPLBACKEND": "module://nowhere", "MATPLOTLIBRC": "hostile"},
    **{
        "TEXINPUTS": "/nowhere",
        "PYTHONSAFEPATH": "1",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "OMP_NUM_THREADS": "1",
    },
}


def _release(repository, environment=None):
    """Build a campaign of released records in a copy of the repository."""
    repository.environment |= environment or {}
    (repository.path / "hostile").write_text("text.usetex: True\nfont.size: 30\nsavefig.facecolor: red\n")
    shutil.copytree(SOURCE / QUESTION, repository.path / "results/released/runs" / QUESTION)
    done = repository.snakemake(*RELEASED, "--", "all", "release")
    assert done.returncode == 0, done.stdout
    assert "measure" not in rules_run(done.stdout)
    return repository


@pytest.fixture(scope="module")
def built(copy_repository):
    return _release(copy_repository())


def test_a_released_campaign_is_the_same_bytes_anywhere(built, copy_repository):
    other = _release(copy_repository(), HOSTILE)
    # What a clone has: the files, in any order of time, and no memory of having made them.
    shutil.rmtree(other.path / ".snakemake")
    (other.path / RECORD).touch()
    assert "Nothing to be done" in other.snakemake(*RELEASED, "--", "all", "release").stdout
    manifests = [
        json.loads((each.path / "results/released/manifest.json").read_text()) for each in (built, other)
    ]
    assert manifests[0]["files"] == manifests[1]["files"]
    archives = [(each.path / "results/released.zip").read_bytes() for each in (built, other)]
    assert archives[0] == archives[1]
    packed = set(zipfile.ZipFile(io.BytesIO(archives[0])).namelist())
    # Names by which files speak of one another hold in the archive.
    assert {f"released/{name}" for name in manifests[0]["files"]} < packed
    assert "released/results/released/explorer.html" in packed
    folder = str(other.path / "results/released")
    assert frictionless.validate("datapackage.json", type="package", basepath=folder).valid


def test_a_campaign_that_is_carried_elsewhere_is_proven_there(built, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(built.path, elsewhere, ignore=shutil.ignore_patterns(".snakemake"))
    proven = built.run("-m", "joules", *TRACE, "--root", str(elsewhere), "--verify")
    assert proven.returncode == 0, proven.stdout
    assert "verdicts and values follow from the tables" in proven.stdout


def test_the_style_of_a_figure_redraws_its_question(built):
    built.edit("experiments/layer_kinds/figures.py", '"operations": Look(GREY)', '"operations": Look(BLUE)')
    again = built.snakemake(*RELEASED)
    assert rules_run(again.stdout) == ["draw_layer_kinds", "export", "typeset", "manifest", "explorer"]


def test_a_number_changed_in_a_table_is_refused_until_it_is_rebuilt(built):
    path = built.path / "results/released/tables/layer_kinds/arms.csv"
    original = path.read_text()
    path.write_text(original.replace("modelled", "counter", 1))
    assert path.read_text() != original
    manifest = (built.path / "results/released/manifest.json").read_bytes()
    for _ in range(2):
        refused = built.snakemake(*RELEASED)
        assert refused.returncode != 0, refused.stdout
        assert "arms.csv was changed after it was tabulated" in refused.stdout
        assert "--forcerun tabulate_layer_kinds" in refused.stdout
        assert rules_run(refused.stdout) == []
    for command in ("draw", "evaluate", "export", "manifest", "explorer"):
        named = [QUESTION] if command in ("draw", "export", "evaluate", "manifest") else []
        alone = built.joules(command, "--campaign", "released", *named)
        assert alone.returncode == 2, command
        assert "arms.csv was changed after it was tabulated" in alone.stdout
    assert (built.path / "results/released/manifest.json").read_bytes() == manifest
    rebuilt = built.snakemake(*RELEASED, "--forcerun", "tabulate_layer_kinds")
    assert rebuilt.returncode == 0, rebuilt.stdout
    assert "measure" not in rules_run(rebuilt.stdout)
    assert path.read_text() == original


def test_an_edit_that_kept_the_time_of_the_file_is_found_and_its_remedy_works(built):
    path = built.path / "results/released/tables/layer_kinds/arms.csv"
    original, times = path.read_text(), path.stat()
    path.write_text(original.replace("modelled", "counter", 1))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "arms.csv was changed after it was tabulated" in built.snakemake(*RELEASED).stdout
    refused = built.joules(*TRACE, "layer_kinds/arms.csv:conv1x1:flops")
    assert refused.returncode == 2
    remedy = re.search(r"--forcerun (\w+)", refused.stdout)[1]
    rebuilt = built.snakemake(*RELEASED, "--until", remedy, "--forcerun", remedy)
    assert rebuilt.returncode == 0, rebuilt.stdout
    assert path.read_text() == original
    assert built.joules(*TRACE, "layer_kinds/arms.csv:conv1x1:flops").returncode == 0


def test_a_build_that_is_refused_on_its_way_loses_nothing(built):
    """Neither the earlier output of the failed step nor the output of later steps is lost."""
    files = {
        path: path.read_bytes()
        for folder in ("figures/released", "results/released/tables", "paper/build/released")
        for path in (built.path / folder).rglob("*")
        if path.is_file() and path.suffix not in (".log", ".aux")
    }
    original = (built.path / "paper/paper.tex").read_text()
    built.edit("paper/paper.tex", "\\end{abstract}", "All 42 joules.\n\\end{abstract}")
    refused = built.snakemake(*RELEASED, "--forcerun", "draw_layer_kinds", "export", "typeset")
    (built.path / "paper/paper.tex").write_text(original)
    assert refused.returncode != 0
    # The last that is printed, below Snakemake's own words, names the log.
    (failed,) = re.findall(r"^failed: .*number typed by hand.* \(log: (.*)\)$", refused.stdout, re.M)
    assert "number typed by hand" in (built.path / failed).read_text()
    assert [
        path.name for path, content in files.items() if not path.exists() or path.read_bytes() != content
    ] == []
    assert built.snakemake(*RELEASED).returncode == 0


def test_an_environment_with_odd_letters_in_its_path_works(built, tmp_path):
    python = link_environment(tmp_path / """an {env} $HOME 'a' "b\"""")
    done = built.snakemake(*RELEASED, "--forcerun", "evaluate", python=python)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "old", "new", "refusing", "remedy", "sentence"),
    [
        (
            "results/released/claims.csv",
            b"supported",
            b"refuted",
            "export",
            "evaluate",
            "was changed after it was evaluated",
        ),
        (
            "paper/build/released/values.tex",
            b"\\num{",
            b"\\num{4",
            "typeset",
            "export",
            "was changed after it was exported",
        ),
        (
            "figures/released/layers_equal.pdf",
            b"%%EOF",
            b"%%EOF\n",
            "typeset",
            "draw_layer_kinds",
            "was changed after it was drawn",
        ),
        (
            "figures/released/layers_equal.svg",
            b"</svg>",
            b"</svg>\n",
            "manifest",
            "draw_layer_kinds",
            "was changed after it was drawn",
        ),
        (
            "paper/build/released/paper.pdf",
            b"%%EOF",
            b"%%EOF\n",
            "manifest",
            "typeset",
            "was changed after it was typeset",
        ),
    ],
)
def test_an_edited_file_is_refused_by_the_step_that_reads_it_and_at_every_start(
    built, name, old, new, refusing, remedy, sentence
):
    path = built.path / name
    original = path.read_bytes()
    path.write_bytes(original.replace(old, new, 1))
    assert path.read_bytes() != original
    manifest = (built.path / "results/released/manifest.json").read_bytes()
    alone = built.joules(refusing, "--campaign", "released", *([] if refusing == "typeset" else [QUESTION]))
    started = built.snakemake(*RELEASED)
    path.write_bytes(original)
    assert (alone.returncode, started.returncode) == (2, 1)
    # Verdicts are computed again instead.
    assert f"{name} {'does not match the tables' if refusing == 'export' else sentence}" in alone.stdout
    assert f"{name} {sentence}" in started.stdout
    assert rules_run(started.stdout) == []
    for refused in (alone, started):
        assert f"--forcerun {remedy}" in refused.stdout
    assert (built.path / "results/released/manifest.json").read_bytes() == manifest


def _edit(path):
    path.write_bytes(path.read_bytes().replace(b'"block": 0', b'"block": 1', 1))


@pytest.mark.parametrize(
    ("spoil", "name", "sentence"),
    [
        (_edit, RECORD, "was modified"),
        (Path.unlink, RECORD, "is missing"),
        (lambda path: shutil.copy(path.with_name("block-0.jsonl"), path), EXTRA_RECORD, "is not listed in"),
    ],
)
def test_records_are_held_against_the_manifest_before_anything_is_built(built, spoil, name, sentence):
    path = built.path / name
    original = path.read_bytes() if path.exists() else None
    spoil(path)
    refused = built.snakemake(*RELEASED, "--forcerun", "tabulate_layer_kinds")
    path.unlink(missing_ok=True)
    if original:
        path.write_bytes(original)
    assert refused.returncode != 0
    assert f"{name} {sentence}" in refused.stdout
    assert rules_run(refused.stdout) == []


def test_an_edited_record_of_a_campaign_without_a_manifest_is_refused(built):
    path = built.path / RECORD
    original = path.read_bytes()
    _edit(path)
    refused = built.joules("tabulate", QUESTION, "--campaign", "released")
    path.write_bytes(original)
    assert refused.returncode == 2
    assert "was modified after it was written" in refused.stdout


def test_a_figure_and_a_value_are_traced_to_their_runs(built):
    for target in ("figures/released/layers_equal.pdf", "layers.all_cores.conv1x1_all_cores_vs_conv1x1"):
        traced = built.joules(*TRACE, target)
        assert traced.returncode == 0, traced.stdout
        assert "conv1x1 block 1" in traced.stdout
    several = built.joules(*TRACE, "layers.all_cores.conv1x1")
    assert several.returncode == 2
    assert "layers.all_cores.conv1x1_all_cores_vs_conv1x1" in several.stdout
    assert "use one of the keys listed" in several.stdout


def _hash_files(campaign):
    """Verifies no more than hashes; returns the line that says so."""
    _, hashed = itertools.islice(verify_campaign(campaign), 2)
    return hashed


def test_the_campaign_is_proven_and_one_byte_anywhere_is_found(built):
    """One byte is changed in a file of every kind, and in every file whose check is fast."""
    manifest = built.path / "results/released/manifest.json"
    proven = built.joules(*TRACE, "--verify")
    assert proven.returncode == 0, proven.stdout
    files = json.loads(manifest.read_text())["files"]
    kinds = {(path.partition("/")[0], path.rpartition(".")[2]) for path in files}
    assert {("results", "jsonl"), ("results", "csv"), ("results", "json"), ("figures", "pdf")} <= kinds
    campaign = Campaign("released")
    with contextlib.chdir(built.path):
        for name in files:
            path = built.path / name
            original = path.read_bytes()
            middle = len(original) // 2
            path.write_bytes(original[:middle] + bytes([original[middle] ^ 1]) + original[middle + 1 :])
            try:
                with pytest.raises(UserError, match=re.escape(name)):
                    _hash_files(campaign)
            finally:
                path.write_bytes(original)
        assert _hash_files(campaign).startswith(f"{len(files)} files have the hashes of ")


def test_an_edit_with_a_forged_manifest_is_found_by_computing_again(built):
    table = built.path / "results/released/tables/layer_kinds/arms.csv"
    original = table.read_bytes()
    forged = original.replace(b"modelled", b"counter", 1)
    assert forged != original
    digests = [hashlib.sha256(content).hexdigest() for content in (original, forged)]
    touched = [table.parent / "manifest.json", built.path / "results/released/manifest.json"]
    kept = {path: path.read_text() for path in touched}
    table.write_bytes(forged)
    inner = kept[touched[0]].replace(*digests)
    touched[0].write_text(inner)
    inner_digests = [hashlib.sha256(text.encode()).hexdigest() for text in (kept[touched[0]], inner)]
    touched[1].write_text(kept[touched[1]].replace(*digests).replace(*inner_digests))
    verified = built.joules(*TRACE, "--verify")
    table.write_bytes(original)
    for path, text in kept.items():
        path.write_text(text)
    assert verified.returncode == 2
    assert "arms.csv differs from what its inputs give" in verified.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("paper/paper.tex", "\\end{abstract}", "All 42 joules.\n\\end{abstract}", "number typed by hand"),
        ("paper/paper.tex", "\\val{campaign.hours}", "hours", "unused value 'campaign.hours'"),
        (
            "paper/paper.tex",
            "\\val{campaign.hours}",
            "\\val{campaign.ours}",
            "No val is called 'campaign.ours'",
        ),
        (
            "paper/supplement/layer_kinds.tex",
            "\\claim{depthwise_operations_cost_more}",
            "\\claim{depthwise_operations_cost_more} "
            + load_claims(QUESTION)["depthwise_operations_cost_more"].statement,
            "typed statement of claim",
        ),
    ],
)
def test_a_fault_of_the_prose_stops_the_build(built, file, old, new, sentence):
    original = (built.path / file).read_text()
    built.edit(file, old, new)
    if "campaign.ours" in new:
        built.edit(file, "\\section{Introduction}", "\\val{campaign.hours}\\section{Introduction}")
    refused = built.joules("export", "--campaign", "released")
    if refused.returncode == 0:
        refused = built.joules("typeset", "--campaign", "released")
    (built.path / file).write_text(original)
    assert refused.returncode == 2
    assert sentence in refused.stdout
