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
from joules.study.files import read_content
from joules.study.fingerprint import file_sha256
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
    """The files in a page, packed, by name."""
    return dict(re.findall(r'data-file="([^"]*)">(.*?)</script>', path.read_text(encoding="utf-8")))


def heading(page):
    return page.inner_text("main h2")


def follow(page, selector):
    before = heading(page)
    page.click(selector)
    page.wait_for_function("before => document.querySelector('main h2')?.textContent !== before", arg=before)


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_it_is_one_small_file_that_carries_the_campaign_byte_for_byte(files, campaign):
    assert files[campaign].stat().st_size < 10e6
    for name, file in carried(files[campaign]).items():
        kept = Campaign(campaign, ROOT).file_of(name)
        assert gzip.decompress(base64.b64decode(file)) == read_content(kept), name


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
                    assert cell.lower() == str(value).lower(), (name, column)
                elif isinstance(value, int | float):
                    assert float(cell) == value, (name, column)
                else:
                    assert cell == (value or ""), (name, column)


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_a_name_has_one_look_and_a_figure_few_colours(files, campaign):
    found = re.findall(r'data-chart="([^"]*)">(.*?)</script>', files[campaign].read_text(encoding="utf-8"))
    looks = {}
    for figure, text in found:
        for shown in json.loads(text).values():
            assert len({one["colour"] for one in shown["series"]}) <= 7, figure
            assert all(panel["layers"] for panel in shown["panels"]), f"{figure} has an empty panel"
            for one in shown["series"]:
                looks.setdefault(one["name"], {})[figure] = one["colour"]
    assert {name: by for name, by in looks.items() if len(set(by.values())) > 1} == {}
    assert len(looks) > 30


def test_it_says_what_agrees_and_with_what_to_compare(page, files, go):
    go()
    page.wait_for_selector("#proof.good")
    manifest = ROOT / "results" / CAMPAIGN / "manifest.json"
    said = page.inner_text("#proof")
    assert file_sha256(manifest)[:16] in said
    assert f"{len(carried(files[CAMPAIGN])) - 1} files agree" in said


def test_one_changed_byte_is_named(page, files, tmp_path):
    text = files[CAMPAIGN].read_text(encoding="utf-8")
    name = f"results/{CAMPAIGN}/claims.csv"
    packed = carried(files[CAMPAIGN])[name]
    body = bytearray(gzip.decompress(base64.b64decode(packed)))
    body[-2] ^= 1
    forged = base64.b64encode(gzip.compress(bytes(body), mtime=0)).decode()
    copy = tmp_path / "copy.html"
    copy.write_text(text.replace(packed, forged), encoding="utf-8")
    page.goto(copy.as_uri())
    page.wait_for_selector("#proof.bad")
    assert name in page.inner_text("#proof")


def drawn(page):
    """Wait for a chart; returns its marks."""
    page.wait_for_selector("main .chart svg .mark *", state="attached")
    return page.locator("main .chart svg .mark *").count()


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_every_figure_is_drawn(page, go, campaign):
    go(campaign=campaign)
    names = page.evaluate("META.questions.flatMap(q => q.figures.map(f => f.name))")
    assert len(names) > 15
    notes = page.evaluate(
        "names => names.map(name => Object.values(chartOf(name))[0])"
        ".map(told => told.panels.length ? null : told.note)",
        names,
    )
    assert notes.count(None) > 15
    for name, note in zip(names, notes, strict=True):
        go(f"#figure/{name}", campaign)
        if note is None:
            assert drawn(page) > 2, name
            continue
        page.wait_for_selector("main .chart .note")
        assert note, name
        assert page.inner_text("main .chart") == f"{note}.", name
        assert page.locator("main .controls button:text-is('SVG')").count() == 0, name


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
    assert "The line has the SHA-256 that it states. Its file has that of the manifest." in text
    file, number = re.search(r"Line (\d+) of (\S+)\.", text).groups()[::-1]
    page.click("details.raw summary")
    assert page.inner_text("details.raw pre") == (ROOT / file).read_text().splitlines()[int(number) - 1]


def test_a_point_leads_to_its_arm(page, go):
    go("#figure/flops_scatter")
    drawn(page)
    page.locator("main .chart svg .mark.point path").first.click()
    page.wait_for_function("() => document.querySelector('main h2').textContent !== 'flops scatter'")
    page.wait_for_selector("main a[href^='#run/flops_vs_energy/0/']")
    assert page.locator("#tip:not([hidden])").count() == 0


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
    shown = page.locator("main .chart svg .star").all_text_contents()
    assert sorted(shown) == stars
    assert len(stars) > 2


def test_labels_cover_no_other(page, go):
    go("#figure/flops_scatter")
    drawn(page)
    boxes = [each.bounding_box() for each in page.locator("main .chart svg .mark.label text").all()]
    assert len(boxes) > 20
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            is_beside = (
                one["x"] + one["width"] <= other["x"] + 1 or other["x"] + other["width"] <= one["x"] + 1
            )
            assert is_beside or abs(one["y"] - other["y"]) >= 8, (one, other)


def test_a_star_leads_to_its_statistic(page, go):
    go("#figure/flops_equal")
    drawn(page)
    page.locator("main .chart svg .star").first.click()
    page.wait_for_function("() => document.querySelector('main h2').textContent.startsWith('equal_flops.')")


def test_hovering_says_how_a_value_was_read(page, go):
    go("#figure/flops_scatter")
    drawn(page)
    page.locator("main .chart svg .mark.point path").first.hover()
    page.wait_for_selector("#tip:not([hidden])")
    text = page.inner_text("#tip")
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
        "() => document.querySelector('main .chart').textContent.includes('time of a training in s')"
    )
    before = page.inner_html("main .chart")
    page.check("#linear")
    page.wait_for_function("before => document.querySelector('main .chart').innerHTML !== before", arg=before)


def test_ticks_of_a_linear_axis_differ(page, go):
    go("#figure/flops_scatter?linear=1")
    drawn(page)
    texts = page.locator("main .chart svg > g:first-of-type > text").all_text_contents()
    assert "2×10¹⁰" in texts
    # Both axes have a 0.
    assert len(set(texts)) == len(texts) - 1


def test_families_can_be_left_out(page, go):
    go("#figure/flops_scatter")
    every = drawn(page)
    page.uncheck("input[name=series][value=VGG]")
    page.wait_for_function(
        "n => document.querySelectorAll('main .chart svg .mark *').length < n",
        arg=every,
    )


def test_claims_can_be_filtered_by_verdict_and_model(page, go):
    go("#claims")
    count = page.locator("main tbody tr").count
    every = count()
    page.select_option("#wanted", "supported")
    assert 0 < count() < every
    page.select_option("#judged", "under_servers")
    page.select_option("#wanted", "")
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


def test_marks_are_reached_by_keyboard(page, go):
    go("#figure/flops_scatter")
    drawn(page)
    page.focus("main .chart")
    said = []
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        said.append(page.inner_text("#tip"))
    assert len(set(said)) == 3
    page.keyboard.press("Escape")
    assert page.is_hidden("#tip")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#tip") == said[1]
    page.keyboard.press("Enter")
    page.wait_for_selector("main a[href^='#run/flops_vs_energy/']")
    assert page.is_hidden("#tip")


def test_marks_are_reached_by_touch(browser, files):
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(f"{files[CAMPAIGN].as_uri()}#figure/flops_scatter")
    drawn(page)
    page.locator("main .chart svg .mark.point path").first.tap()
    page.wait_for_selector("#tip a")
    page.tap("#tip a")
    page.wait_for_selector("main a[href^='#run/flops_vs_energy/']")
    context.close()


def test_a_view_has_its_state_in_its_address(page, go):
    go("#figure/language_ranking")
    drawn(page)
    page.select_option("#cost", "time")
    page.check("#linear")
    assert page.url.endswith("?cost=time&linear=1")
    go("#claims")
    page.select_option("#wanted", "supported")
    page.click("main th button:text('estimate')")
    address = page.url
    rows = page.locator("main tbody tr").all_inner_texts()
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("main tbody tr")
    assert page.locator("main tbody tr").all_inner_texts() == rows
    estimates = [float(text) for text in page.locator("main tbody td:nth-child(6)").all_inner_texts()]
    assert estimates == sorted(estimates)
    assert len(estimates) > 2


def test_a_table_is_filtered(page, go):
    go("#table/flops_vs_energy/arms")
    every = page.locator("main tbody tr").count()
    page.fill("main caption input", "VGG")
    left = page.locator("main tbody tr").all_inner_texts()
    assert 0 < len(left) < every
    assert all("VGG" in text for text in left)


@pytest.mark.parametrize("asked", ["predictors", "energy_uncertainty_j"])
def test_tables_and_columns_are_found(page, go, asked):
    go(f"#search/{asked}")
    page.wait_for_selector("main a[href^='#table/']")
    assert page.inner_text("main h2") != f"0 found for “{asked}”"


def test_the_verdict_of_a_claim_is_seen_on_a_phone(page, go):
    page.set_viewport_size({"width": 390, "height": 800})
    go("#claims")
    boxes = [each.bounding_box() for each in page.locator("main .verdict").all()]
    assert len(boxes) > 40
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)


def test_a_chart_and_its_data_can_be_saved(page, go, tmp_path):
    go("#figure/flops_equal")
    drawn(page)
    saved = {}
    for name in ("runs.csv", "SVG", "PNG"):
        with page.expect_download() as waits:
            page.click(f"main .controls button:text-is('{name}')")
        saved[name] = tmp_path / name
        waits.value.save_as(saved[name])
    table = ROOT / "results" / CAMPAIGN / "tables" / "flops_vs_energy" / "runs.csv"
    assert saved["runs.csv"].read_bytes() == table.read_bytes()
    assert "var(" not in saved["SVG"].read_text(encoding="utf-8")
    picture = plt.imread(saved["PNG"])
    assert picture.shape[1] > 2000
    assert picture[..., :3].min() < 0.5


def test_a_changed_record_is_said_to_be_changed(page, files, tmp_path):
    text = files[CAMPAIGN].read_text(encoding="utf-8")
    name = f"results/{CAMPAIGN}/runs/estimation_methods/block-0.jsonl"
    packed = carried(files[CAMPAIGN])[name]
    forged = gzip.decompress(base64.b64decode(packed)).replace(b'"arm": "vision"', b'"arm": "vision" ')
    assert forged != gzip.decompress(base64.b64decode(packed))
    copy = tmp_path / "copy.html"
    copy.write_text(text.replace(packed, base64.b64encode(gzip.compress(forged)).decode()), encoding="utf-8")
    page.goto(f"{copy.as_uri()}#run/estimation_methods/0/vision")
    page.wait_for_selector("main p.bad")
    assert "The line does not have the SHA-256 that it states." in page.inner_text("main p.bad")


def test_the_front_page_answers_each_question(page, go):
    go()
    page.wait_for_selector("main .card .chart svg")
    text = page.inner_text("main")
    for words in ("machine", "modelled, not measured", "2026-11-26", "wall meters", "counters", "published"):
        assert words in text, words
    answered = page.locator("main .card:has(.answer .verdict):has(.chart svg)").count()
    assert answered >= page.evaluate("META.questions.length") - 1


def test_what_is_not_there_is_said(page, go):
    for fragment in ("#figure/nothing", "#value/no.such", "#run/flops_vs_energy/99/x", "#nowhere"):
        go(fragment)
        assert heading(page) == "Not here"
