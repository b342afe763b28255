"""The server answers any invalid request with an error message and trains nothing."""

import asyncio
import errno
import json
import socket
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from joules.errors import UserError
from joules.live.server import make_application, serve
from joules.study.config import check_config
from tests import ROOT

TOKEN = "token"


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.chdir(ROOT)


async def answered(app, method, path, body, headers):
    """(status, body) of one request to the application."""
    sent = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), *headers],
        "server": ("127.0.0.1", 1),
        "client": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    said = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], said


def requested(path, body, method="POST", kind=b"application/json"):
    async def go():
        app = make_application("grokking", check_config({}), TOKEN, ROOT)
        async with app.router.lifespan_context(app):
            return await answered(app, method, path, body, [(b"content-type", kind)])

    return asyncio.run(go())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["task", "steps", "seed", "name", "speed", "a", "b"]) | st.text(max_size=8), inner
        )
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=300) | JSON.map(lambda body: json.dumps(body).encode())
ACTS = st.sampled_from(["ask", "pause", "resume", "replay", "begin"]) | st.text(string.printable, max_size=30)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@example(act="0/", body=b"")
@given(act=ACTS, body=BODIES)
def test_whatever_comes_ends_in_a_sentence(act, body):
    # An empty choice is a good one, and would be trained.
    if act == "begin" and body.strip() in (b"{}", b""):
        body = b"[]"
    if act == "end":
        act = "ask"
    status, said = requested(f"/{TOKEN}/{act}", body)
    assert 400 <= status < 500
    assert b"Traceback" not in said


@pytest.mark.parametrize(
    ("act", "body", "words"),
    [
        ("begin", b"{", "invalid request: send JSON"),
        ("begin", b"[" * 9000, "invalid request: send JSON"),
        ("begin", b" " * 20_000, "at most 10000 bytes"),
        ("begin", json.dumps({"task": "rm -rf"}).encode(), "task: "),
        ("begin", json.dumps({"steps": 10**9}).encode(), "steps: "),
        ("begin", json.dumps({"rule": "plateau"}).encode(), "rule: "),
        ("replay", json.dumps({"name": "../../etc/passwd"}).encode(), "unknown recorded run"),
        ("replay", json.dumps({"name": "x", "speed": 1e9}).encode(), "speed: "),
        ("ask", b"{}", "no run is active"),
        ("dance", b"{}", "no run is active"),
    ],
)
def test_a_bad_request_says_what_is_wrong(act, body, words):
    status, said = requested(f"/{TOKEN}/{act}", body)
    assert status in (400, 422)
    assert words in json.loads(said)["error"]


def test_a_form_of_another_site_is_no_request():
    status, said = requested(f"/{TOKEN}/begin", b"{}", kind=b"text/plain")
    assert (status, json.loads(said)["error"]) == (400, "invalid request: send JSON")


def test_no_file_of_the_disk_is_served():
    for path in ("/README.md", f"/{TOKEN}/../README.md", f"/{TOKEN}/live.js", "/joules/live/page/live.js"):
        status, _ = requested(path, b"", method="GET")
        assert status in (404, 405), path


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied"),
            "port 80 is reserved for administrators: use 1024",
        ),
        (OSError(errno.EADDRINUSE, "Address already in use"), "port 80 is in use: choose another"),
    ],
)
def test_a_port_that_cannot_be_had_is_said_once(monkeypatch, capfd, fault, sentence):
    def refuse(_address):
        raise fault

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(UserError, match=sentence):
        serve("grokking", check_config({"scale": "smoke"}), 80, opens_browser=False)
    assert capfd.readouterr().err == ""
