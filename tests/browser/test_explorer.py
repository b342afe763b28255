"""Explorers of released campaigns in a browser: figures, links to records, search, verification."""

import base64
import csv
import gzip
import importlib
import io
import json
import re

import matplotlib.pyplot as plt
import pytest
from axe_playwright_python.sync_playwright import Axe

from joules.analysis.drawing import print_renderer
from joules.analysis.tables import read_tables
from joules.archive import explorer
from joules.study.campaign import Campaign
from tests import ROOT

CAMPAIGNS = ["epyc-2core-standard-2026-11-26b"]
CAMPAIGN = CAMPAIGNS[0]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The explorer of every campaign, as the workflow writes it."""
    folder = tmp_path_factory.mktemp("pages")
    written = {}
    for name in CAMPAIGNS:
        written[name] = folder / f"{name}.html"
        written[name].write_text(explorer.render_page(Campaign(name, ROOT)), encoding="utf-8")
    return written


@pytest.fixture
def go(page, files):
    """Open a view of a campaign's explorer from the disk."""

    def to(fragment="", campaign=CAMPAIGN):
        page.goto(f"{files[campaign].as_uri()}{fragment}")
        page.wait_for_selector("main h2")

    return to


def carried(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(
        re.search(r'<script type="application/json" id="files">(.*?)</script>', text, re.DOTALL)[1]
    )


def heading(page):
    return page.inner_text("main h2")


def follow(page, selector):
    before = heading(page)
    page.click(selector)
    page.wait_for_function("before => document.querySelector('main h2')?.textContent !== before", arg=before)


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_it_is_one_small_file_that_carries_the_campaign_byte_for_byte(files, campaign):
    assert files[campaign].stat().st_size < 15e6
    for name, file in carried(files[campaign]).items():
        assert gzip.decompress(base64.b64decode(file["content"])) == (ROOT / name).read_bytes(), name


def test_it_is_the_same_bytes_each_time(files):
    assert explorer.render_page(Campaign(CAMPAIGN, ROOT)) == files[CAMPAIGN].read_text(encoding="utf-8")


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_its_numbers_are_those_of_the_csvs(page, files, go, campaign):
    """The page and Python's reader parse the same values from the same files, cell by cell."""
    go(campaign=campaign)
    names = [name for name in carried(files[campaign]) if name.endswith(".csv")]
    assert len(names) > 30
    for name in names:
        rows = list(csv.DictReader(io.StringIO((ROOT / name).read_text(encoding="utf-8"))))
        parsed = page.evaluate("name => csv(name)", name)
        assert len(parsed) == len(rows), name
        for row, there in zip(rows, parsed, strict=True):
            for column, cell in row.items():
                value = there[column]
                if isinstance(value, bool):
                    assert cell == str(value), (name, column)
                elif isinstance(value, int | float):
                    assert float(cell) == value, (name, column)
                else:
                    assert cell == (value or ""), (name, column)


def test_it_proves_what_it_shows(page, go):
    go()
    page.wait_for_selector("#proof.good")
    assert "Verified" in page.inner_text("#proof")


def test_one_changed_byte_is_named(page, files, tmp_path):
    text = files[CAMPAIGN].read_text(encoding="utf-8")
    name = f"results/{CAMPAIGN}/claims.csv"
    packed = carried(files[CAMPAIGN])[name]["content"]
    body = bytearray(gzip.decompress(base64.b64decode(packed)))
    body[-2] ^= 1
    forged = base64.b64encode(gzip.compress(bytes(body), mtime=0)).decode()
    copy = tmp_path / "copy.html"
    copy.write_text(text.replace(packed, forged), encoding="utf-8")
    page.goto(copy.as_uri())
    page.wait_for_selector("#proof.bad")
    assert name in page.inner_text("#proof")


def drawn(page):
    """Wait for a chart; returns its data marks."""
    page.wait_for_selector("main .chart svg", timeout=20_000)
    return page.locator("main .chart svg .role-mark :is(path, line, rect)").count()


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_every_figure_is_drawn(page, go, campaign):
    go(campaign=campaign)
    names = page.evaluate("META.questions.flatMap(q => q.figures.map(f => f.name))")
    assert len(names) > 15
    for name in names:
        go(f"#figure/{name}", campaign)
        assert drawn(page) > 2, name


def test_from_a_star_down_to_a_power_trace(page, go):
    go("#figure/methods_ratio")
    drawn(page)
    follow(page, "main table a[href*='ppo_pong']")
    assert all(word in page.inner_text("main dl") for word in ("test", "p_holm", "ci_low"))
    follow(page, "main table a[href^='#run/']")
    text = page.inner_text("main")
    for word in ("energy", "modelled", "flags", "machine", "versions", "Readings", "Power over the window"):
        assert word in text, word
    assert drawn(page) > 0


def test_a_point_leads_to_its_arm(page, go):
    go("#figure/flops_scatter")
    drawn(page)
    page.locator("main .chart svg .mark-symbol.role-mark path").first.click()
    page.wait_for_function("document.querySelector('main h2').textContent !== 'flops scatter'")
    page.wait_for_selector("main a[href^='#run/flops_vs_energy/0/']")
    assert page.locator("#vg-tooltip-element.visible").count() == 0


@pytest.mark.parametrize("figure", ["flops_equal", "layers_equal", "rl_ranking", "language_ranking"])
def test_the_page_has_the_stars_of_the_printed_figure(page, go, figure):
    go(f"#figure/{figure}")
    drawn(page)
    experiment = page.evaluate("name => figureOf(name).question.name", figure)
    module = importlib.import_module(f"experiments.{experiment}.figures")
    described = getattr(module, figure)(read_tables(Campaign(CAMPAIGN, ROOT), experiment))
    drawn_in_print = print_renderer.draw_figure(described)
    stars = sorted(text.get_text() for axes in drawn_in_print.axes for text in axes.texts)
    plt.close(drawn_in_print)
    shown = page.locator("main .chart svg .mark-text.role-mark text").all_text_contents()
    assert sorted(shown) == stars
    assert len(stars) > 2


def test_a_star_leads_to_its_statistic(page, go):
    go("#figure/flops_equal")
    drawn(page)
    page.locator("main .chart svg .mark-text.role-mark text").first.click()
    page.wait_for_function("document.querySelector('main h2').textContent.startsWith('equal_flops.')")


def test_hovering_says_how_a_value_was_read(page, go):
    go("#figure/flops_scatter")
    drawn(page)
    page.locator("main .chart svg .mark-symbol.role-mark path").first.hover()
    page.wait_for_selector("#vg-tooltip-element.visible")
    text = page.inner_text("#vg-tooltip-element")
    for word in ("arm", "blocks", "modelled", "energy_per_inference_j_band_low", "ci_low_j"):
        assert word in text, word


@pytest.mark.parametrize("asked", ["flops.models", "epyc"])
def test_a_number_of_the_paper_is_found_by_key_and_by_text(page, go, asked):
    go()
    page.fill("#query", asked)
    page.press("#query", "Enter")
    page.wait_for_selector("main a[href^='#value/']")
    follow(page, "main a[href^='#value/']")
    assert "raw" in page.inner_text("main dl")


def test_a_number_leads_to_the_table_it_is_from(page, go):
    go("#value/flops.models")
    follow(page, "main dd a")
    assert heading(page).startswith("flops_vs_energy/")


def test_the_axis_can_be_told_in_time_and_linearly(page, go):
    go("#figure/language_ranking")
    drawn(page)
    assert "energy of a training in J" in page.text_content("main .chart")
    page.select_option("#cost", "time")
    page.wait_for_function(
        "document.querySelector('main .chart').textContent.includes('time of a training in s')"
    )
    before = page.inner_html("main .chart")
    page.check("#linear")
    page.wait_for_function("before => document.querySelector('main .chart').innerHTML !== before", arg=before)


def test_families_can_be_left_out(page, go):
    go("#figure/flops_scatter")
    every = drawn(page)
    page.uncheck("input[name=series][value=VGG]")
    page.wait_for_function(
        "n => document.querySelectorAll('main .chart svg .role-mark :is(path, line, rect)').length < n",
        arg=every,
    )


def test_claims_can_be_filtered_by_verdict_and_model(page, go):
    go("#claims")
    count = page.locator("main tbody tr").count
    every = count()
    page.select_option("#wanted", "supported")
    assert 0 < count() < every
    page.select_option("#judged", "under_servers")
    page.select_option("#wanted", "all")
    assert count() == every
    assert page.locator("main th", has_text="under_servers").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_everybody_can_read_it(page, go, width, scheme):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    parts = ["", "#figure/flops_scatter", "#claims", "#values", "#run/estimation_methods/0/vision", "#files"]
    for part in parts:
        go(part)
        if "figure" in part or "run" in part:
            drawn(page)
        page.wait_for_selector("#proof.good")
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 1, part
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == [], part


def test_it_can_be_used_by_keyboard(page, go):
    go()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_what_is_not_there_is_said(page, go):
    for fragment in ("#figure/nothing", "#value/no.such", "#run/flops_vs_energy/99/x", "#nowhere"):
        go(fragment)
        assert heading(page) == "Not here"
