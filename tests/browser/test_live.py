"""A live training run in a browser."""

import contextlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests import ROOT

pytestmark = pytest.mark.alone

# It groks soonest: after seconds on two cores.
QUICK = {"task": "add", "architecture": "mlp", "learning_rate": 0.01, "train_fraction": 0.7, "steps": 2500}
# Long enough for a busy machine; what is shown in time ends a wait at once.
SOON_MS, LATER_MS = 60_000, 180_000


@contextlib.contextmanager
def server():
    command = [sys.executable, "-m", "joules", "live", "--no-browser"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    address = re.search(r"http://127\.0\.0\.1:\d+/\S+/", process.stdout.readline())[0]
    yield process, address
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(10)


@pytest.fixture(scope="module")
def live():
    """A server in a separate process, and its address."""
    with server() as started:
        yield started


@contextlib.contextmanager
def watching(opened, started):
    """A page at the address of a server, which is the only address that it may access."""
    page, asked = opened
    process, address = started
    page.goto(address)
    page.wait_for_selector("#region option", state="attached")
    yield page, process
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


@pytest.fixture
def watched(opened, live):
    """A page of the server that several tests share."""
    with watching(opened, live) as (page, process):
        yield page, process
    # A page that is left ends its training: the next test finds the server as it was.
    page.goto("about:blank")
    deadline_s = time.monotonic() + SOON_MS / 1000
    while process.poll() is None and trainings(process) and time.monotonic() < deadline_s:
        time.sleep(0.1)


def begin(page, **choices):
    page.evaluate("() => (document.querySelector('#choices details').open = true)")
    for name, value in {**QUICK, **choices}.items():
        field = page.locator(f"#fields [name={name}]")
        if field.evaluate("element => element.tagName") == "SELECT":
            field.select_option(str(value))
        else:
            field.fill(str(value))
    # The page may show what is left of the training before.
    page.evaluate("anew()")
    page.click("#begin")
    page.wait_for_function("() => latest !== null", timeout=LATER_MS)


def told(page, words):
    page.wait_for_function(
        "words => document.getElementById('told').textContent.includes(words)", arg=words, timeout=SOON_MS
    )


def ask(page):
    """Ask about a held-out pair; returns 'right' or 'wrong'."""
    before = page.locator("#answers tr").count()
    page.click("#draw")
    page.wait_for_function(
        "n => document.querySelectorAll('#answers tr').length > n", arg=before, timeout=SOON_MS
    )
    return page.locator("#answers tr").last.locator("td:nth-child(3)").get_attribute("class")


def trainings(process):
    """Children of the server that train; only they have the workload's number of threads."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] if child.num_threads() > 1 else []
    return found


def test_a_network_that_has_not_learned_yet_answers_wrongly(watched):
    page, _ = watched
    begin(page, learning_rate=1e-4, train_fraction=0.2)
    assert [ask(page) for _ in range(3)].count("wrong") >= 2


def test_a_training_is_watched_until_its_waste_grows(watched):
    page, _ = watched
    begin(page, learning_rate=0.005)
    page.wait_for_function("() => latest.grok_step !== null", timeout=LATER_MS)
    page.wait_for_function("() => latest.stops.plateau", timeout=LATER_MS)
    first = page.evaluate("latest.stops.plateau.wasted_j")
    first_stop = page.evaluate("latest.stops.plateau.step")
    page.wait_for_function("before => latest.stops.plateau.wasted_j > before", arg=first, timeout=SOON_MS)
    assert [ask(page) for _ in range(3)].count("right") == 3
    frozen = page.evaluate("points.filter(p => p.stops.plateau).map(p => p.stops.plateau.energy_j)")
    assert len(set(frozen)) == 1
    low, middle, high = page.evaluate(
        "['wasted_low_j', 'wasted_j', 'wasted_high_j'].map(name => latest.stops.plateau[name])"
    )
    assert low <= middle <= high
    outcome = page.evaluate("latest.prediction_outcome")
    assert outcome in ("hit", "missed", "interval wider than the schedule")
    assert outcome in page.inner_text("#facts")
    usual, stopped, wasted = page.locator("#sides .side").all_inner_texts()
    assert "Usual training" in usual
    assert f"step {first_stop:,}" in stopped
    assert all(word in wasted for word in (" J", "CO₂e", "US", "%"))
    wasted = page.inner_text("#year")
    page.locator("#fleet").fill("6")
    assert page.inner_text("#year") != wasted
    assert [each["id"] for each in Axe().run(page).response["violations"]] == []


def test_who_loads_the_page_again_goes_on_watching(watched):
    page, _ = watched
    begin(page)
    seen = page.evaluate("points.length")
    page.reload()
    page.wait_for_function("n => points.length > n", arg=seen, timeout=SOON_MS)
    assert page.evaluate("points[0].step") == 10


def test_it_can_be_paused_and_stopped_and_begun_again(watched):
    page, process = watched
    begin(page)
    page.click("#pause")
    told(page, "Paused.")
    at = page.evaluate("latest.step")
    time.sleep(1.5)
    assert page.evaluate("latest.step") == at
    page.click("#pause")
    page.wait_for_function("at => latest.step > at", arg=at, timeout=SOON_MS)
    page.click("#stop")
    told(page, "Stopped.")
    assert not trainings(process)
    begin(page, task="subtract", seed=3)
    told(page, "task subtract, seed 3")


def test_a_page_that_is_closed_ends_the_training(watched):
    page, process = watched
    begin(page)
    assert trainings(process)
    page.goto("about:blank")
    time.sleep(1.5)
    assert not trainings(process)


def test_a_recorded_training_is_played_again(watched):
    page, _ = watched
    assert page.input_value("#speed") == "1"
    page.fill("#speed", "100")
    page.select_option("#recorded", label=page.inner_text("#recorded option >> nth=-1"))
    page.click("#replay button")
    told(page, "The run has ended.")
    assert page.evaluate("latest.step") > 1000
    page.click("#draw")
    told(page, "no run is active")


def test_the_network_is_asked_the_same_questions_before_and_after(watched):
    page, process = watched
    begin(page, steps=200, train_fraction=0.8)
    told(page, "The run has ended. Its network can still be asked.")
    page.wait_for_function(
        """() => document.querySelectorAll('#answers tr').length === 3
        && [...document.querySelectorAll('#answers td:nth-child(4)')].every(each => each.textContent)""",
        timeout=SOON_MS,
    )
    latest = page.locator("#answers td:nth-child(4)").all_inner_texts()
    assert all("step 200" in text for text in latest)
    assert all("step 200" not in text for text in page.locator("#answers td:nth-child(3)").all_inner_texts())
    assert ask(page) in ("right", "wrong")
    begin(page)
    assert len(trainings(process)) == 1


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_everything_is_in_view(watched, width, height):
    page, _ = watched
    page.set_viewport_size({"width": width, "height": height})
    page.fill("#speed", "1000")
    page.select_option("#recorded", index=0)
    page.click("#replay button")
    told(page, "The run has ended.")
    beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert beyond <= 0
    assert [each["id"] for each in Axe().run(page).response["violations"]] == []
    if width > 1000:
        for shown in ("#sides", "#accuracy svg", "#energy svg", "#fleet", "#answers"):
            box = page.locator(shown).bounding_box()
            assert box["y"] + box["height"] <= height, shown


def test_it_waits_while_a_campaign_measures(watched):
    from joules.bench.lock import machine_lock

    page, _ = watched
    with machine_lock("a campaign of a test", print):
        page.click("#begin")
        told(page, "in use by a campaign of a test")
        page.click("#stop")
        told(page, "Stopped.")


def test_an_interrupt_ends_the_child(opened):
    with server() as started, watching(opened, started) as (page, process):
        begin(page)
        training = trainings(process)
        assert training
        helpers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        for children, within_s in ((training, 1.0), (helpers, 5.0)):
            _, alive = psutil.wait_procs(children, timeout=within_s)
            assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]
        assert process.wait(5) == 0


@pytest.mark.parametrize("path", ["/", "/events", "/begin", "/wrong/", "/wrong/events"])
def test_without_the_token_nothing_is_served(live, path):
    _, address = live
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(address.rsplit("/", 2)[0] + path, timeout=5)
    assert refused.value.code == 404


def test_another_host_or_origin_is_not_answered(live):
    _, address = live
    for name, value in (("Host", "evil.example"), ("Sec-Fetch-Site", "cross-site")):
        request = urllib.request.Request(
            f"{address}begin", data=b"{}", headers={"Content-Type": "application/json", name: value}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        assert refused.value.code == 400
