"""Entries of the board against slow references and their documented properties."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from experiments.language_models import chunker, context_mixing, corpus, mixer, ngrams
from experiments.language_models.entries import ENTRIES
from experiments.language_models.modern import Modern
from experiments.language_models.muon import Muon, orthogonalize
from experiments.language_models.nanogpt import NanoGpt
from experiments.language_models.parameters import Parameters
from experiments.language_models.scoring import STRETCH, score, stretches
from experiments.language_models.training import checkpoints
from joules.study.design import load_design

ALPHABET = 12
SIZE = {"layers": 2, "heads": 2, "width": 16, "window": 16}
SETTINGS = {"least_s": 0.01, "stretches": 20, "checkpoints": 3, "checkpoint_stretches": 10}
# A text with habits: what follows depends on what precedes.
_RANDOM = np.random.default_rng(0)
_MOVES = _RANDOM.dirichlet(np.full(ALPHABET, 0.2), size=(ALPHABET, ALPHABET))


def text(length=4000, seed=1):
    random = np.random.default_rng(seed)
    symbols = [0, 1]
    for _ in range(length - 2):
        symbols.append(int(random.choice(ALPHABET, p=_MOVES[symbols[-2], symbols[-1]])))
    return np.array(symbols, dtype=np.uint8)


def slow_kneser_ney(symbols, lengths, history, alphabet, has_one_discount=False):
    """Probabilities after `history`, computed with dictionaries by the published formula."""
    symbols = symbols.tolist()
    grams = Counter(tuple(symbols[end - lengths[-1] : end + 1]) for end in range(lengths[-1], len(symbols)))
    counts = {lengths[-1]: grams}
    for shorter, longer in zip(lengths[-2::-1], lengths[:0:-1], strict=True):
        # In how many ways an n-gram is continued to the left.
        counts[shorter] = Counter(gram[longer - shorter :] for gram in counts[longer])
    chances = np.full(alphabet, 1 / alphabet)
    for length in lengths:
        table = counts[length]
        of_counts = Counter(table.values())
        n1, n2, n3, n4 = (of_counts[number] for number in (1, 2, 3, 4))
        off = {1: 0.5, 2: 0.5, 3: 0.5}
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            off = {1: 1 - 2 * y * n2 / n1, 2: 2 - 3 * y * n3 / n2, 3: 3 - 4 * y * n4 / n3}
            off = {number: min(max(each, 0.05), number - 0.05) for number, each in off.items()}
        if has_one_discount:
            off = dict.fromkeys((1, 2, 3), n1 / (n1 + 2 * n2) if n1 and n2 else 0.5)
        context = tuple(history[len(history) - length :])
        following = {gram[-1]: count for gram, count in table.items() if gram[:-1] == context}
        if not following:
            continue
        total = sum(following.values())
        taken = {symbol: off[min(count, 3)] for symbol, count in following.items()}
        chances = chances * sum(taken.values()) / total
        for symbol, count in following.items():
            chances[symbol] += (count - taken[symbol]) / total
    return chances


@pytest.mark.parametrize(("alphabet", "first"), [(ALPHABET, 0), (256, 256 - ALPHABET)])
@pytest.mark.parametrize("lengths", [[0, 1], [0, 1, 2, 3], [0, 1, 3], [0, 1, 2, 11], [0, 1, 7, 10, 12]])
@pytest.mark.parametrize("has_one_discount", [False, True])
def test_kneser_ney_is_its_formula(lengths, alphabet, first, has_one_discount):
    symbols, held_out = text() + np.uint8(first), text(400, seed=2) + np.uint8(first)
    # Long contexts of the training text come again in what is predicted.
    held_out[100:300] = symbols[1000:1200]
    fitted = ngrams.kneser_ney(symbols, lengths, alphabet, has_one_discount=has_one_discount)
    positions = np.arange(20, 400, 7)
    found = fitted.probabilities(held_out, positions)
    for place, chances in zip(positions, found, strict=True):
        history = held_out[:place].tolist()
        wanted = slow_kneser_ney(symbols, lengths, history, alphabet, has_one_discount)
        np.testing.assert_allclose(chances, wanted, rtol=1e-9)


@pytest.mark.parametrize("lengths", [[0], [0, 1, 2, 3, 4, 5], [*range(8), 9, 12, 18]])
def test_probabilities_sum_to_one_after_any_context(lengths):
    fitted = ngrams.kneser_ney(text(), lengths, ALPHABET)
    anything = np.random.default_rng(3).integers(0, ALPHABET, 3000).astype(np.uint8)
    chances = fitted.probabilities(anything, np.arange(30, 3000))
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-12)
    assert (chances > 0).all()


def test_orders_nest():
    """A model that knows a context also knows its suffixes."""
    fitted = ngrams.kneser_ney(text(), [0, 1, 2, 3, 5, 12], ALPHABET)
    held_out = text(2000, seed=5)
    positions = np.arange(20, 2000)
    shapes = np.full((len(positions), ALPHABET), 1 / ALPHABET)
    known = [table.refine(held_out, positions, shapes.copy()) for table in fitted.tables]
    for shorter, longer in itertools.pairwise(known):
        assert not (longer & ~shorter).any()
    assert known[0].all()
    assert 0 < known[3].mean() < 1


def test_long_contexts_are_told_apart():
    """Each different hashed context has one table entry."""
    symbols = text(3000)
    table = ngrams.raw_counts(symbols, 12, 0.5, ALPHABET)
    different = {tuple(symbols[end - 12 : end]) for end in range(12, len(symbols))}
    assert len(table.contexts) == len(different)


def test_discounts_of_a_text_too_small_to_estimate_them():
    assert ngrams.modified_discounts(np.array([1, 1, 1])).tolist() == [0.5, 0.5, 0.5]


def test_raw_counts_are_shares_of_what_follows():
    symbols = np.array([0, 1, 0, 1, 0, 2], dtype=np.uint8)
    chances = np.full((1, 3), 1 / 3)
    assert ngrams.raw_counts(symbols, 1, 0.6, ALPHABET).refine(symbols, np.array([1]), chances).all()
    # After 0 came 1 twice and 2 once; six tenths of a count are spread over three symbols.
    np.testing.assert_allclose(chances[0], [0.2 / 3.6, 2.2 / 3.6, 1.2 / 3.6])


def test_the_mixers_gradient_is_that_of_finite_differences():
    random = np.random.default_rng(0)
    logs = np.log(random.dirichlet(np.ones(ALPHABET), size=(4, 50)))
    weights, situations = random.normal(size=(3, 4)), random.integers(0, 3, 50)
    targets = random.integers(0, ALPHABET, 50).astype(np.uint8)
    _, gradient = mixer.cost_and_gradient(weights, logs, situations, targets)
    step = 1e-6
    for place in np.ndindex(*weights.shape):
        costs = []
        for sign in (1, -1):
            moved = weights.copy()
            moved[place] += sign * step
            costs.append(mixer.cost_and_gradient(moved, logs, situations, targets)[0])
        assert gradient[place] == pytest.approx((costs[0] - costs[1]) / (2 * step), abs=1e-7)


def test_an_expert_alone_is_what_it_says():
    chances = np.random.default_rng(0).dirichlet(np.ones(ALPHABET), size=5)
    mixed = mixer.mix(np.ones((1, 1)), np.log(chances)[None], np.zeros(5, dtype=np.int64))
    np.testing.assert_allclose(mixed, chances)


def test_mixing_beats_every_table():
    texts = corpus.load()
    values = {"entry": "context_mixing", "order": 6, "table_share": 0.8, **SETTINGS}
    alphabet = texts.symbols
    model = context_mixing.train(texts.train[:300_000], alphabet, Parameters(**values), 0, "cpu", None)
    _, mixed = score(model, texts.validation, 200)
    alone = [context_mixing.Mixed([table], alphabet, np.ones((2, 1))) for table in model.tables]
    assert mixed < min(score(one, texts.validation, 200)[1] for one in alone)


@pytest.mark.parametrize("shape", [(16, 16), (3, 64, 16), (2, 16, 48)])
def test_orthogonalised_matrices_have_singular_values_about_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalize(torch.randn(*shape) * 7))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_muon_moves_along_the_singular_vectors_of_the_gradient():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(8, 8))
    weight.grad = torch.randn(8, 8)
    left, _, right = torch.linalg.svd(weight.grad)
    Muon([weight], lr=0.1).step()
    moved = -(left.T @ weight.detach() @ right.T) / 0.1
    diagonal = moved.diag()
    assert (diagonal > 0.6).all()
    torch.testing.assert_close(moved, diagonal.diag(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("network", [NanoGpt, Modern])
def test_networks_do_not_see_what_they_predict(network):
    torch.manual_seed(0)
    made = network(ALPHABET, **SIZE)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    window = torch.randint(0, ALPHABET, (2, 16))
    changed = window.clone()
    changed[:, 9:] = (changed[:, 9:] + 1) % ALPHABET
    before, after = made(window), made(changed)
    torch.testing.assert_close(before[:, :9], after[:, :9])
    assert not torch.allclose(before[:, 9:], after[:, 9:])


def test_rotary_positions_make_attention_depend_on_distance():
    """The product of a rotated query and a rotated key depends only on their distance."""
    made = Modern(ALPHABET, **SIZE)
    from experiments.language_models.modern import _rotated

    torch.manual_seed(0)
    query, key = (torch.randn(1, 1, 1, 8).expand(1, 1, 16, 8) for _ in range(2))
    turned = [_rotated(x, (made.cos, made.sin)) for x in (query, key)]
    products = (turned[0] @ turned[1].mT)[0, 0]
    torch.testing.assert_close(products[5, 2], products[12, 9])
    assert not torch.isclose(products[5, 2], products[5, 4])


def _values(entry):
    small = {"order": 3, "table_share": 0.7, "iterations": 12, "learning_rate": 3e-3, "uncertain_bits": 0.5}
    network = {**SIZE, "batch": 4, "window": 64, "optimizer": "muon", "matrix_learning_rate": 0.02}
    of_mechanism = {"group_size": 4, "states": 4, "vocabulary": 256, "network_share": 0.6}
    return Parameters(entry=entry, **small, **network, **of_mechanism, **SETTINGS)


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_same_seed_gives_the_same_model(entry):
    symbols, held_out = text(6000), text(2000, seed=9)
    starts = stretches(held_out, 20)
    found = []
    for seed in (3, 3, 4):
        noted = []
        model = ENTRIES[entry](
            symbols,
            ALPHABET,
            _values(entry),
            seed,
            "cpu",
            lambda step, _, noted=noted: noted.append(step),
        )
        found.append(model.probabilities(held_out, starts, STRETCH))
        assert model.nbytes > 0
        assert noted == (sorted(checkpoints(12, 3)) if _values(entry).is_watched else [])
    np.testing.assert_array_equal(found[0], found[1])
    is_random = entry not in ("kneser_ney", "device_tables", "context_mixing")
    assert np.array_equal(found[0], found[2]) != is_random
    np.testing.assert_allclose(found[0].sum(axis=-1), 1, atol=1e-9)


def test_networks_on_tables_learn_from_text_that_is_not_counted():
    """Otherwise the tables would be more accurate in training than on new text."""
    symbols = text(6000)
    split = int(0.7 * 6000)
    model = chunker.train(symbols, ALPHABET, _values("chunker"), 0, "cpu", None)
    again = ngrams.kneser_ney(symbols[:split], [0, 1, 2], ALPHABET)
    for mine, other in zip(model.tables.tables, again.tables, strict=True):
        np.testing.assert_array_equal(mine.shares, other.shares)


def test_stretches_do_not_overlap_and_cover_the_text():
    symbols = text(4000)
    starts = stretches(symbols, 10**6)
    assert (np.diff(starts) >= STRETCH).all()
    assert starts[0] == 64
    assert starts[-1] + STRETCH == len(symbols)
    assert len(stretches(symbols, 7)) == 7


def test_checkpoints_end_with_the_last_step():
    assert checkpoints(2000, 5) == {20, 63, 200, 632, 2000}
    assert max(checkpoints(7, 10)) == 7


@pytest.mark.parametrize("scale", ["smoke", "quick", "standard", "paper"])
def test_every_arm_is_a_valid_setting(scale):
    for parameters in load_design("language_models").runs(scale).values():
        Parameters.model_validate(parameters)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"entry": "nanogpt"}, "nanogpt needs iterations, learning_rate"),
        ({"entry": "kneser_ney", "order": 8, "longer": "9 8"}, "lengths rise"),
        (
            {"entry": "modern", "iterations": 1, "learning_rate": 1.0, "optimizer": "muon"},
            "muon needs matrix_learning_rate",
        ),
    ],
)
def test_an_arm_that_lacks_something_is_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        Parameters(**values, **SETTINGS)
