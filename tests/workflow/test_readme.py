"""Statements of README files about campaigns agree with the campaigns."""

import functools
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag

import pandas as pd
import pytest

from joules.study.files import read_content
from tests import RELEASED, ROOT

README = (ROOT / "README.md").read_text()
# The campaigns that the minutes are of, newest first: an experiment's are of the first that has it.
SCALES = {
    "quick": ["epyc-2core-quick-2026-11-26b"],
    "standard": [RELEASED.name],
}


@functools.cache
def minutes(campaign):
    """Minutes that each experiment of a campaign took, according to its records."""
    spent_s = {}
    for path in sorted((ROOT / "results" / campaign / "runs").glob("*/block-*")):
        lines = read_content(path).splitlines()
        seconds = sum(json.loads(line)["spent"]["duration_s"] for line in lines)
        spent_s[path.parent.name] = spent_s.get(path.parent.name, 0.0) + seconds
    return {experiment: seconds / 60 for experiment, seconds in spent_s.items()}


@pytest.mark.parametrize("experiment", RELEASED.measured_experiments())
def test_the_minutes_of_an_experiment_are_those_of_released_campaigns(experiment):
    row = next(line for line in README.splitlines() if line.startswith(f"| [{experiment}]"))
    stated = re.findall(r"\| (\d+) min(?= \|)", row)
    measured = [
        next(minutes(name)[experiment] for name in campaigns if experiment in minutes(name))
        for campaigns in SCALES.values()
    ]
    assert stated == [f"{each:.0f}" for each in measured]


def test_every_released_campaign_is_named_and_no_other():
    released = {path.parent.name for path in ROOT.glob("results/*/manifest.json")} - {"local"}
    page = (ROOT / "docs" / "reference" / "campaigns.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| \[`([a-z0-9_.-]+)`\]\(", page, re.MULTILINE))
    assert named == released


# A number of a README is followed by the key of the value that it is, in the paper of this campaign.
_VALUE = re.compile(r"([\d,]*\.?\d+)<!-- ([\w.]+) -->")


def readmes_with_values():
    pages = [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "experiments").glob("*/README.md")),
    ]
    return [page for page in pages if _VALUE.search(page.read_text(encoding="utf-8"))]


def test_answers_are_those_of_verdicts():
    verdicts = pd.read_csv(RELEASED.claims).set_index("claim")["verdict"]
    stated = [
        (claim, verdict)
        for verdict, claims in re.findall(r"<!-- ([a-z ]+): ([\w, ]+) -->", README)
        for claim in claims.split(", ")
    ]
    assert stated
    assert [(claim, verdicts[claim]) for claim, _ in stated] == stated


def test_the_front_page_is_short():
    assert len(README.splitlines()) < 120


@pytest.mark.parametrize("page", readmes_with_values(), ids=lambda page: page.parent.name)
def test_numbers_of_a_readme_are_those_of_the_released_campaign(page):
    values = pd.read_csv(ROOT / "paper" / "build" / RELEASED.name / "values.csv", dtype=str).set_index("key")[
        "raw"
    ]
    stale = []
    for number, key in _VALUE.findall(page.read_text(encoding="utf-8")):
        decimals = len(number.partition(".")[2])
        now = f"{float(values[key]):.{decimals}f}".removeprefix("0" if number.startswith(".") else "")
        if now != number:
            stale.append(f"{key} is {now}, the page says {number}")
    assert stale == []


def test_what_came_out_has_no_number_of_its_own():
    page = (ROOT / "experiments" / "grokking" / "README.md").read_text(encoding="utf-8")
    told = page.partition("## Results")[2]
    # Names, and sizes of the design and the schedule, are not results.
    bare = re.sub(r"`[^`]*`|a²\+b²|1,500 steps|20,000|200 steps", "", _VALUE.sub("", told))
    assert re.findall(r"\d", bare) == []
    assert len(_VALUE.findall(told)) > 20


_MEASURED = re.compile(r"\d %|\d steps/s|\d times ours")


@pytest.mark.parametrize(
    "page", sorted((ROOT / "experiments").glob("*/README.md")), ids=lambda page: page.parent.name
)
def test_what_was_measured_beside_campaigns_names_its_day(page):
    """A section with a measured number without a key names the date and the machine."""
    for section in re.split(r"^(?=## )", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
        bare = [line for line in section.splitlines() if _MEASURED.search(_VALUE.sub("", line))]
        # Shares from a design or from a publication are not measured here.
        bare = [line for line in bare if not re.search(r"interval|published|paper|at least|95 %", line)]
        assert not bare or re.search(r"(AMD|Intel).*\(\d+ \w+ 20\d\d\)", section, re.DOTALL), bare


_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", ".snakemake", "local"} & set(path.relative_to(ROOT).parts)
)


def heading_anchors(page):
    """Fragments of a page's headings, as code-hosting sites generate them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_of_a_page_is_dead(page):
    dead = []
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        there = page.parent / name if name else page
        if not there.exists() or (fragment and fragment not in heading_anchors(there)):
            dead.append(target)
    assert dead == []


def build_site(folder, docs=ROOT / "docs"):
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", docs, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class _Links(HTMLParser):
    """Links of a page, references that are plain text, and ids."""

    def __init__(self, page):
        super().__init__()
        self.links, self.plain, self.ids, self._depth = [], [], set(), 0
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        stated = dict(attributes)
        self.ids.add(stated.get("id"))
        if tag == "a":
            self._depth += 1
            self.links.append(stated.get("href") or "")
        elif "xref" in (stated.get("class") or "") and not self._depth:
            self.plain.append(stated)

    def handle_endtag(self, tag):
        self._depth -= tag == "a"


def test_the_site_is_built_and_every_link_works(tmp_path):
    built = build_site(tmp_path)
    assert built.returncode == 0, built.stderr
    assert "First steps" in (tmp_path / "index.html").read_text(encoding="utf-8")
    pages = {path.resolve(): _Links(path) for path in tmp_path.rglob("*.html")}
    # Views of the explorer.
    explored = {
        *("main", "figures", "claims", "values", "tables"),
        *(f"value/{key}" for key in pd.read_csv(RELEASED.build / "values.csv")["key"]),
        *(f"claim/{name}" for name in pd.read_csv(RELEASED.claims)["claim"]),
        *(f"figure/{path.stem}" for path in RELEASED.figures.glob("*.svg")),
    }
    faults = []
    for path, page in pages.items():
        faults += [(path.name, plain) for plain in page.plain]
        for link in page.links:
            name, fragment = urldefrag(unquote(link))
            there = (path.parent / name).resolve() if name else path
            is_local = link and not re.match("[a-z]+:", link)
            shown = explored if there.name == "explorer.html" else pages[there].ids if there in pages else ()
            if is_local and (not there.exists() or (fragment and fragment not in shown)):
                faults.append((path.name, link))
    assert faults == []
    assert sum(len(page.links) for page in pages.values()) > 1000
    paper = RELEASED.relative(RELEASED.build / "paper.html")
    assert paper in pages[tmp_path / "index.html"].links
    assert any("explorer.html#value/" in link for link in pages[tmp_path / paper].links)
    found = (tmp_path / "searchindex.js").read_text(encoding="utf-8").lower()
    for word in ("price_usd_per_kwh", "energy_attributed_j"):
        assert word in found, f"the search does not find {word}"


def test_a_link_to_nothing_stops_the_build(copy_repository, tmp_path):
    clone = copy_repository()
    page = clone.path / "docs" / "how-to" / "extend.md"
    page.write_text(page.read_text(encoding="utf-8") + "\nSee [this](../../NOWHERE.md).\n", encoding="utf-8")
    built = build_site(tmp_path / "site", clone.path / "docs")
    assert built.returncode != 0
    assert "NOWHERE" in built.stderr
