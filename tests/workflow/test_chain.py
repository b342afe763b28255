"""The workflow from nothing to PDF at the smoke scale, and what each later change rebuilds."""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import frictionless
import pytest

from joules.archive.manifest import verify
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.design import experiment_names, load_design

pytestmark = pytest.mark.alone

SMOKE = ("--cores", "all", "--config", "scale=smoke")
BLOCK = "results/local/runs/flops_vs_energy/block-0.jsonl"
JOURNAL = "results/local/journal/flops_vs_energy/block-0.jsonl"


def rules_run(output):
    """Names of the rules a Snakemake run executed, the target rule aside."""
    return [rule for rule in re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE) if rule != "all"]


def runs(path):
    return [entry for entry in map(json.loads, path.read_text().splitlines()) if entry["kind"] == "run"]


@pytest.fixture(scope="module")
def built(copy_repository):
    """A repository measured and typeset, its measuring process killed once on the way."""
    repository = copy_repository()
    measuring = repository.start("-m", "joules", "measure", "flops_vs_energy", "--option", "scale=smoke")
    for line in measuring.stdout:
        if "run 2/7" in line:
            break
    time.sleep(1)
    measuring.send_signal(signal.SIGKILL)
    measuring.wait()
    repository.recorded_before_kill = runs(repository.path / JOURNAL)
    repository.first = repository.snakemake(*SMOKE)
    assert repository.first.returncode == 0, repository.first.stdout
    return repository


def test_nothing_is_left_outside_of_the_repository(built):
    # A process that is killed cannot take its own away.
    left = [path for path in built.temporary.iterdir() if not path.name.startswith("pymp-")]
    assert left == []


def test_the_end_says_what_the_time_was_spent_on(built):
    assert re.search(r"in all: measured for .*, waited .* for other measurements", built.first.stdout)
    assert re.search(r"^claims +\d+ \w+", built.first.stdout, re.MULTILINE)
    assert re.search(r"^explorer +results/local/explorer.html$", built.first.stdout, re.MULTILINE)


def test_the_paper_is_built(built):
    pdf = built.path / "paper/build/local/paper.pdf"
    assert pdf.read_bytes().startswith(b"%PDF")
    page = built.path / "results/local/explorer.html"
    assert b"epyc-2core-standard" in page.read_bytes(), "released campaigns stand beside it"
    log = (built.path / "paper/build/local/paper.log").read_text(errors="replace")
    assert "Overfull \\hbox (1" not in log


def test_a_killed_measurement_goes_on_where_it_stopped(built):
    kept = built.recorded_before_kill
    assert len(kept) == 2
    recorded = runs(built.path / BLOCK)
    assert len(recorded) == 7
    assert [run for run in recorded if run in kept] == kept
    assert "5 runs to measure, 2 already recorded" in built.first.stdout


def test_nothing_is_left_to_do(built):
    again = built.snakemake(*SMOKE)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cores", "1"],
        ["--cores", "all", "--until", "judge"],
        ["--cores", "all", "--omit-from", "typeset"],
        ["--cores", "all", "--rerun-incomplete"],
        ["--cores", "all", "--dry-run"],
    ],
)
def test_snakemakes_own_options_find_nothing_to_do_either(built, arguments):
    again = built.snakemake(*arguments, "--config", "scale=smoke")
    assert again.returncode == 0, again.stdout
    assert rules_run(again.stdout) == []


def test_a_campaign_that_is_carried_elsewhere_is_proven_there(built, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(built.path, elsewhere, ignore=shutil.ignore_patterns(".snakemake"))
    proven = built.run("-m", "joules", "trace", "--root", str(elsewhere), "--verify")
    assert proven.returncode == 0, proven.stdout
    assert "verdicts and values follow from the tables" in proven.stdout


def test_a_sentence_of_the_paper_rebuilds_the_paper_alone(built):
    built.edit("paper/paper.tex", "Joules are", "Joules, however, are")
    assert rules_run(built.snakemake(*SMOKE).stdout) == ["inject", "typeset", "manifest", "explorer"]


def test_a_comment_in_a_workload_rebuilds_nothing(built):
    built.edit("experiments/flops_vs_energy/workload.py", '"""Forward passes', '"""All forward passes')
    assert rules_run(built.snakemake(*SMOKE).stdout) == []


def test_the_style_of_a_figure_redraws_that_figure(built):
    built.edit("experiments/flops_vs_energy/figures.py", 'color="0.9"', 'color="0.8"')
    again = built.snakemake(*SMOKE)
    assert rules_run(again.stdout) == ["draw", "inject", "typeset", "manifest", "explorer"]
    assert "figures/local/flops_equal.pdf" in again.stdout


def test_a_number_changed_in_a_table_is_refused_until_it_is_rebuilt(built):
    path = built.path / "results/local/tables/flops_vs_energy/arms.csv"
    original = path.read_text()
    path.write_text(original.replace("modelled", "counter", 1))
    assert path.read_text() != original
    refused = built.snakemake(*SMOKE)
    assert refused.returncode != 0
    assert "arms.csv was changed after it was tabulated" in refused.stdout
    assert "--forcerun tabulate_flops_vs_energy" in refused.stdout
    rebuilt = built.snakemake(*SMOKE, "--forcerun", "tabulate_flops_vs_energy")
    assert rebuilt.returncode == 0, rebuilt.stdout
    assert "measure" not in rules_run(rebuilt.stdout)
    assert path.read_text() == original


def test_an_edit_that_kept_the_time_of_the_file_is_found_and_its_remedy_works(built):
    path = built.path / "results/local/tables/layer_kinds/arms.csv"
    original, times = path.read_text(), path.stat()
    path.write_text(original.replace("modelled", "counter", 1))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "Nothing to be done" in built.snakemake(*SMOKE).stdout
    refused = built.joules("trace", "layer_kinds/arms.csv:conv1x1:flops")
    assert refused.returncode == 2
    remedy = re.search(r"--forcerun (\w+)", refused.stdout)[1]
    rebuilt = built.snakemake(*SMOKE, "--forcerun", remedy)
    assert rebuilt.returncode == 0, rebuilt.stdout
    assert path.read_text() == original
    assert built.joules("trace", "layer_kinds/arms.csv:conv1x1:flops").returncode == 0


def test_a_build_that_is_refused_on_its_way_loses_nothing(built):
    """Neither what the refused step had made before, nor what comes after it."""
    files = {
        path: path.read_bytes()
        for folder in ("figures/local", "results/local/tables", "paper/build/local")
        for path in (built.path / folder).rglob("*")
        if path.is_file()
        and path.suffix not in (".log", ".aux", ".fls", ".fdb_latexmk", ".out", ".blg", ".bbl")
    }
    original = (built.path / "paper/paper.tex").read_text()
    built.edit("paper/paper.tex", "Joules", "All 42 joules")
    refused = built.snakemake(*SMOKE, "--forcerun", "draw", "inject", "typeset")
    (built.path / "paper/paper.tex").write_text(original)
    assert refused.returncode != 0
    assert "number typed by hand" in refused.stdout
    assert [
        path.name for path, content in files.items() if not path.exists() or path.read_bytes() != content
    ] == []
    assert built.snakemake(*SMOKE).returncode == 0


def test_an_environment_with_odd_letters_in_its_path_works(built, tmp_path):
    odd = tmp_path / """an {env} $HOME 'a' "b\""""
    odd.symlink_to(Path(sys.executable).parent.parent)
    command = [odd / "bin" / Path(sys.executable).name, "-m", "snakemake", *SMOKE, "--forcerun", "judge"]
    done = subprocess.run(command, cwd=built.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "old", "new", "step", "sentence"),
    [
        (
            "results/local/claims.csv",
            b"inconclusive",
            b"supported",
            "judge",
            "is not what the tables give",
        ),
        (
            "paper/build/local/values.tex",
            b"\\num{",
            b"\\num{4",
            "inject",
            "was changed after it was injected",
        ),
        ("figures/local/flops_equal.pdf", b"%%EOF", b"%%EOF\n", "draw", "was changed after it was drawn"),
    ],
)
def test_what_the_paper_prints_is_refused_where_it_was_edited(built, name, old, new, step, sentence):
    path = built.path / name
    original = path.read_bytes()
    path.write_bytes(original.replace(old, new, 1))
    assert path.read_bytes() != original
    refused = built.snakemake(*SMOKE)
    assert refused.returncode != 0
    assert f"{name} {sentence}" in refused.stdout
    assert f"--forcerun {step}" in refused.stdout
    rebuilt = built.snakemake(*SMOKE, "--forcerun", step)
    assert rebuilt.returncode == 0, rebuilt.stdout
    assert "measure" not in rules_run(rebuilt.stdout)
    assert path.read_bytes() == original


def test_an_edited_record_is_refused(built):
    path = built.path / BLOCK
    original = path.read_bytes()
    path.write_bytes(original.replace(b'"block": 0', b'"block": 1', 1))
    refused = built.snakemake(*SMOKE)
    path.write_bytes(original)
    assert refused.returncode != 0
    assert "was changed after it was written" in refused.stdout
    assert built.snakemake(*SMOKE).returncode == 0


def test_a_typo_is_refused_before_anything_is_measured(built):
    refused = built.snakemake("--cores", "all", "--config", "scale=quik")
    assert refused.returncode != 0
    assert "did you mean 'quick'" in refused.stdout
    assert rules_run(refused.stdout) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            ["campaign=epyc-2core-standard", "experiments=[grokking]"],
            "is rebuilt whole: leave 'experiments' out",
        ),
        (["scale=smoke", "region=NO"], "did you mean 'NOR'"),
        (["scale=smoke", "region=fra"], "did you mean 'FRA'"),
    ],
)
def test_an_option_that_would_be_misread_is_refused(repository, given, sentence):
    refused = repository.snakemake("--cores", "all", "-n", "--config", *given)
    assert refused.returncode != 0
    assert sentence in refused.stdout


def test_a_key_that_stands_twice_is_refused_before_anything_is_measured(repository):
    repository.edit("workflow/config.yaml", "scale: quick", "scale: quick\nscale: standard")
    refused = repository.snakemake("--cores", "all", "-n")
    assert refused.returncode != 0
    assert "'scale' stands twice" in refused.stdout


def test_on_a_cluster_a_block_takes_a_node(repository):
    cluster = ("--workflow-profile", "profiles/slurm", "--config", "scale=smoke")
    unsaid = repository.snakemake(*cluster, "--slurm-init-seconds-before-status-checks", "1")
    assert unsaid.returncode != 0
    assert "say how many logical processors a node has" in unsaid.stdout
    asked = ("--set-threads", "measure=48", "--set-resources", "measure:gpu=1")
    asked += ("--default-resources", "slurm_partition=gpus")
    planned = repository.snakemake(*cluster, *asked, "-n")
    assert planned.returncode == 0, planned.stdout
    blocks = sum(load_design(name).at("smoke").blocks for name in experiment_names())
    assert planned.stdout.count("slurm_extra=--exclusive") == blocks
    assert planned.stdout.count("gpu=1") >= 10


def test_a_figure_and_a_value_are_traced_to_their_runs(built):
    for target in ("figures/local/flops_scatter.pdf", "flops.least.energy"):
        traced = built.joules("trace", target)
        assert traced.returncode == 0, traced.stdout
        assert "resnet50 block 1" in traced.stdout
    assert built.joules("trace", "flops.leest.energy").returncode == 2


def test_the_campaign_is_proven_and_one_byte_anywhere_is_found(built):
    """A byte is changed in every kind of file, and in every single one whose check is quick."""
    manifest = built.path / "results/local/manifest.json"
    proven = built.joules("trace", "--verify")
    assert proven.returncode == 0, proven.stdout
    files = json.loads(manifest.read_text())["files"]
    kinds = {(path.partition("/")[0], path.rpartition(".")[2]) for path in files}
    assert {("results", "jsonl"), ("results", "csv"), ("results", "json"), ("figures", "pdf")} <= kinds
    campaign = Campaign("local")
    with contextlib.chdir(built.path):
        for name in files:
            path = built.path / name
            original = path.read_bytes()
            middle = len(original) // 2
            path.write_bytes(original[:middle] + bytes([original[middle] ^ 1]) + original[middle + 1 :])
            with pytest.raises(UserError, match=re.escape(name)):
                next(verify(campaign))
            path.write_bytes(original)
        next(verify(campaign))


def test_an_edit_with_a_forged_manifest_is_found_by_computing_again(built):
    table = built.path / "results/local/tables/flops_vs_energy/arms.csv"
    original = table.read_bytes()
    forged = original.replace(b"modelled", b"counter", 1)
    assert forged != original
    digests = [hashlib.sha256(content).hexdigest() for content in (original, forged)]
    touched = [table.parent / "manifest.json", built.path / "results/local/manifest.json"]
    kept = {path: path.read_text() for path in touched}
    table.write_bytes(forged)
    inner = kept[touched[0]].replace(*digests)
    touched[0].write_text(inner)
    inner_digests = [hashlib.sha256(text.encode()).hexdigest() for text in (kept[touched[0]], inner)]
    touched[1].write_text(kept[touched[1]].replace(*digests).replace(*inner_digests))
    verified = built.joules("trace", "--verify")
    table.write_bytes(original)
    for path, text in kept.items():
        path.write_text(text)
    assert verified.returncode == 2
    assert "arms.csv is not what its inputs give" in verified.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("paper/paper.tex", "Joules", "All 42 joules", "number typed by hand"),
        ("paper/paper.tex", "\\val{campaign.hours}", "hours", "no source of the paper uses the value"),
        (
            "paper/paper.tex",
            "\\val{campaign.hours}",
            "\\val{campaign.ours}",
            "No val is called 'campaign.ours'",
        ),
        (
            "paper/sections/grokking.tex",
            "\\claim{plateau_is_safe}",
            "Stopping on a high plateau loses at most half a point of accuracy.",
            "is typed out",
        ),
    ],
)
def test_a_fault_of_the_prose_stops_the_build(built, file, old, new, sentence):
    original = (built.path / file).read_text()
    built.edit(file, old, new)
    if "campaign.ours" in new:
        built.edit(file, "\\section{Introduction}", "\\val{campaign.hours}\\section{Introduction}")
    refused = built.snakemake(*SMOKE)
    (built.path / file).write_text(original)
    assert refused.returncode != 0
    assert sentence in refused.stdout


def test_a_released_campaign_is_the_same_bytes_anywhere_and_is_never_measured(built, copy_repository):
    made = []
    for _ in range(2):
        repository = copy_repository()
        # A part of the questions, as some released campaigns have.
        for name in ("flops_vs_energy", "layer_kinds"):
            runs_of = repository.path / "results/released/runs" / name
            shutil.copytree(built.path / "results/local/runs" / name, runs_of)
        arguments = ("--cores", "all", "--config", "campaign=released", "--", "all", "release")
        built_again = repository.snakemake(*arguments)
        assert built_again.returncode == 0, built_again.stdout
        assert "measure" not in rules_run(built_again.stdout)
        # What a clone has: the files, in any order of time, and no memory of having made them.
        shutil.rmtree(repository.path / ".snakemake")
        (repository.path / "results/released/runs/flops_vs_energy/block-0.jsonl").touch()
        assert "Nothing to be done" in repository.snakemake(*arguments).stdout
        files = json.loads((repository.path / "results/released/manifest.json").read_text())["files"]
        made.append((repository, files, (repository.path / "results/released.zip").read_bytes()))
    (first, files, archive), (_, again, archived_again) = made
    assert files == again
    assert archive == archived_again
    packed = set(zipfile.ZipFile(io.BytesIO(archive)).namelist())
    # Names by which files speak of one another hold in the archive.
    assert {f"released/{name}" for name in files} < packed
    assert "released/results/released/explorer.html" in packed
    folder = first.path / "results/released"
    assert frictionless.validate("datapackage.json", type="package", basepath=str(folder)).valid


def test_the_same_inputs_give_the_same_bytes(built):
    # A build that was stopped took its outputs with it.
    assert built.snakemake(*SMOKE).returncode == 0
    files = [
        *(built.path / "figures/local").iterdir(),
        *(built.path / "results/local/tables").rglob("*.csv"),
        built.path / "paper/build/local/paper.pdf",
    ]
    before = {path: path.read_bytes() for path in files}
    for path in [*files, *(built.path / "results/local/tables").rglob("manifest.json")]:
        path.unlink()
    again = built.snakemake(*SMOKE)
    assert again.returncode == 0, again.stdout
    assert "measure" not in rules_run(again.stdout)
    assert [path.name for path in files if path.read_bytes() != before[path]] == []


def test_an_arm_added_to_the_design_is_measured_alone_and_appears_everywhere(built):
    design = "experiments/flops_vs_energy/design.yaml"
    built.edit(design, "\n  vgg11:", "\n  regnet_x_400mf: {family: RegNet, model: regnet_x_400mf}\n  vgg11:")
    built.edit(design, "arms: [squeezenet1_1,", "arms: [regnet_x_400mf, squeezenet1_1,")
    before = (built.path / "figures/local/flops_scatter.pdf").read_bytes()
    again = built.snakemake(*SMOKE)
    assert again.returncode == 0, again.stdout
    assert again.stdout.count("1 runs to measure, 7 already recorded") == 2
    assert "regnet_x_400mf" in (built.path / "results/local/tables/flops_vs_energy/arms.csv").read_text()
    assert "regnet\\_x\\_400mf" in (built.path / "paper/build/local/tables.tex").read_text()
    assert (built.path / "figures/local/flops_scatter.pdf").read_bytes() != before


def test_the_report_is_written(built):
    assert built.snakemake("--report", "report.html", "--config", "scale=smoke").returncode == 0
    assert (built.path / "report.html").stat().st_size > 100_000


def test_a_question_made_from_the_template_reaches_the_paper(repository):
    made = repository.joules("new-experiment", "matrices")
    assert made.returncode == 0, made.stdout
    assert "experiments/matrices/workload.py" in made.stdout
    for check in (("ruff", "check"), ("ruff", "format", "--check")):
        tidy = repository.run("-m", *check, "experiments/matrices")
        assert tidy.returncode == 0, tidy.stdout
    alone = ("--cores", "all", "--config", "scale=smoke", "experiments=[matrices]")
    built = repository.snakemake(*alone)
    assert built.returncode == 0, built.stdout
    assert "error:" not in built.stdout
    build = repository.path / "paper/build/local"
    assert (build / "paper.pdf").read_bytes().startswith(b"%PDF")
    assert "sections/matrices" in (build / "sections.tex").read_text()
    contents = (build / "paper.aux").read_text(errors="replace")
    assert "Products of square matrices" in contents
    assert "tab:matrices" in contents
    released = repository.joules("release")
    assert released.returncode == 0, released.stdout


def test_a_question_that_lacks_a_file_is_refused_before_anything_is_measured(repository):
    (repository.path / "experiments/grokking/columns.yaml").unlink()
    refused = repository.snakemake(*SMOKE)
    assert refused.returncode != 0
    assert "experiments/grokking/columns.yaml is missing" in refused.stdout
    assert rules_run(refused.stdout) == []


def test_two_workflows_never_measure_at_the_same_time(built, copy_repository):
    """Two clones with a block to measure each: the windows of their runs must not overlap."""
    repositories = [copy_repository(), copy_repository()]
    started = [repository.start("-m", "snakemake", *SMOKE, "--", BLOCK) for repository in repositories]
    outputs = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    recorded = [runs(repository.path / BLOCK) for repository in repositories]
    spans = sorted(
        (min(r["measured_at"] for r in each), max(r["measured_at"] for r in each)) for each in recorded
    )
    assert spans[0][1] < spans[1][0]
    assert sum("waiting: this machine is being measured" in output for output in outputs) == 1


def test_a_long_path_of_temporary_files_ends_in_a_sentence(repository):
    folder = repository.path / ("long" * 25)
    folder.mkdir()
    measured = subprocess.run(
        [sys.executable, "-m", "joules", "measure", "flops_vs_energy", "--option", "scale=smoke"],
        cwd=repository.path,
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert measured.returncode == 2
    assert "error: the folder for temporary files has too long a path" in measured.stderr
    assert "Traceback" not in measured.stderr
