"""The workflow from nothing to PDF at scale smoke, and what each later change rebuilds."""

import json
import re
import signal
import time

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

# The first test measures and typesets a whole campaign.
pytestmark = [pytest.mark.alone, pytest.mark.timeout(3600)]

SMOKE = ("--cores", "all", "--config", "scale=smoke")
BLOCK = "results/local/runs/flops_vs_energy/block-0.jsonl"
JOURNAL = "results/local/journal/flops_vs_energy/block-0.jsonl"


def rules_run(output):
    """Names of the rules that a Snakemake run executed, except the target rule."""
    return [rule for rule in re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE) if rule != "all"]


def runs(path):
    return [entry for entry in map(json.loads, path.read_text().splitlines()) if entry["kind"] == "run"]


@pytest.fixture(scope="module")
def built(copy_repository):
    """A repository that was measured and typeset, with the measuring process killed once."""
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
    assert re.search(r"took .*: measuring .*, waiting for other", built.first.stdout)
    assert re.search(r"^claims +\d+ \w+", built.first.stdout, re.MULTILINE)
    assert re.search(r"^explorer +results/local/explorer.html$", built.first.stdout, re.MULTILINE)


def test_everything_is_measured_before_anything_is_built(built):
    # What is built in between leaves a core without work, and the next block waits for it.
    rules = rules_run(built.first.stdout)
    assert set(rules[: rules.count("measure")]) == {"measure"}


def test_the_paper_is_built(built):
    build = built.path / "paper/build/local"
    for document in ("paper", "supplement"):
        assert (build / f"{document}.pdf").read_bytes().startswith(b"%PDF")
        log = (build / f"{document}.log").read_text(errors="replace")
        too_wide_pt = map(float, re.findall(r"Overfull \\hbox \(([\d.]+)pt", log))
        assert max(too_wide_pt, default=0.0) < 10, document
    page = built.path / "results/local/explorer.html"
    assert b"epyc-2core-standard" in page.read_bytes(), "released campaigns are missing"


def test_the_paper_is_for_all_readers(built):
    build = built.path / "paper/build/local"
    keys = {f"#value/{key}" for key in pd.read_csv(build / "values.csv")["key"]}
    for document in ("paper", "supplement"):
        page = BeautifulSoup((build / f"{document}.html").read_text(encoding="utf-8"), "html.parser")
        figures = page.find_all("img")
        assert figures
        for figure in figures:
            assert len(figure["alt"]) > 20
            assert (build / figure["src"]).is_file()
        assert all(table.find("th") for table in page.find_all("table") if table.find("td"))
        led = {link["href"].partition(".html")[2] for link in page.find_all("a", href=re.compile("#value/"))}
        assert led
        assert led <= keys
        pdf = PdfReader(build / f"{document}.pdf")
        assert page.title.string == pdf.metadata.title
        root = pdf.trailer["/Root"]
        assert (page.html["lang"], page.html["lang"]) == (root["/Lang"], "en-GB")
        assert root["/ViewerPreferences"]["/DisplayDocTitle"]
        sections = [" ".join(each.get_text().split()) for each in page.find_all("h2", class_=None)]
        assert [each.title for each in pdf.outline] == sections
        drawn = b"".join(each.get_contents().get_data() for each in pdf.pages)
        assert len(re.findall(rb"/Figure\s*<<\s*/Alt\s*<FEFF", drawn)) == len(figures)


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
        ["--cores", "all", "--until", "evaluate"],
        ["--cores", "all", "--omit-from", "typeset"],
        ["--cores", "all", "--rerun-incomplete"],
        ["--cores", "all", "--dry-run"],
    ],
)
def test_snakemakes_own_options_find_nothing_to_do_either(built, arguments):
    again = built.snakemake(*arguments, "--config", "scale=smoke")
    assert again.returncode == 0, again.stdout
    assert rules_run(again.stdout) == []


def test_a_sentence_of_the_paper_rebuilds_the_paper_alone(built):
    built.edit("paper/paper.tex", "\\end{abstract}", "One more sentence.\n\\end{abstract}")
    assert rules_run(built.snakemake(*SMOKE).stdout) == ["export", "typeset", "manifest", "explorer"]


def test_a_comment_in_a_workload_rebuilds_nothing(built):
    built.edit("experiments/flops_vs_energy/workload.py", '"""Inference of one', '"""Inference of just one')
    assert rules_run(built.snakemake(*SMOKE).stdout) == []


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


# Tests whose subject is every experiment.
_OF_EVERY_EXPERIMENT = (
    "tests/joules/analysis/test_columns.py",
    "tests/workflow/test_readme.py",
    "tests/workflow/test_gaps.py",
    "-k",
    "matrices or explained or minutes",
)


def test_an_experiment_made_from_the_template_is_green_and_reaches_the_paper(repository):
    made = repository.joules("new-experiment", "matrices")
    assert made.returncode == 0, made.stdout
    assert "experiments/matrices/workload.py" in made.stdout
    for check in (("ruff", "check"), ("ruff", "format", "--check")):
        tidy = repository.run("-m", *check, "experiments/matrices")
        assert tidy.returncode == 0, tidy.stdout
    unmeasured = repository.run("-m", "pytest", "-q", *_OF_EVERY_EXPERIMENT)
    assert unmeasured.returncode == 0, unmeasured.stdout
    alone = ("--cores", "all", "--config", "scale=smoke", "experiments=[matrices]")
    built = repository.snakemake(*alone)
    assert built.returncode == 0, built.stdout
    measured = repository.run("-m", "pytest", "-q", *_OF_EVERY_EXPERIMENT)
    assert measured.returncode == 0, measured.stdout
    tried = [int(re.search(r"(\d+) passed", run.stdout)[1]) for run in (unmeasured, measured)]
    assert tried[1] > tried[0]
    assert "error:" not in built.stdout
    build = repository.path / "paper/build/local"
    assert (build / "paper.pdf").read_bytes().startswith(b"%PDF")
    assert "main/matrices" in (build / "sections.tex").read_text()
    contents = (build / "paper.aux").read_text(errors="replace")
    assert "Products of square matrices" in contents
    assert "tab:matrices" in contents
    released = repository.joules("release")
    assert released.returncode == 0, released.stdout


def test_two_workflows_never_measure_at_the_same_time(built, copy_repository):
    """Two clones measure one block each; the windows of their runs must not overlap."""
    block = "results/local/runs/first_principles/block-0.jsonl"
    repositories = [copy_repository(), copy_repository()]
    started = [repository.start("-m", "snakemake", *SMOKE, "--", block) for repository in repositories]
    outputs = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    recorded = [runs(repository.path / block) for repository in repositories]
    spans = sorted(
        (min(r["measured_at"] for r in each), max(r["measured_at"] for r in each)) for each in recorded
    )
    assert spans[0][1] < spans[1][0]
    # A third measurement on this machine makes both wait.
    assert any("waiting: this machine is in use" in output for output in outputs)
