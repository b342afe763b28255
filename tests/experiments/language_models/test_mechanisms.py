"""Entries for mechanisms of the published board, against slow references and their documented properties."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from experiments.language_models import (
    byte_pairs,
    chunker,
    chunker_unrouted,
    device_tables,
    interpolation,
    lwta,
    modern,
    ngrams,
    token_network,
)
from experiments.language_models.kneser_ney import Chain
from experiments.language_models.parameters import Parameters
from experiments.language_models.scoring import STRETCH, stretches
from experiments.language_models.state_space import Scan, StateSpace
from experiments.language_models.training import Network
from tests.experiments.language_models.test_models import ALPHABET, SETTINGS, SIZE, text


def test_only_winners_pass_and_learn():
    x = torch.tensor([[1.0, 3.0, -2.0, -1.0, 5.0, 4.0, 0.5, 2.0]], requires_grad=True)
    for group_size, winners in ((2, [1, 3, 4, 7]), (4, [1, 4])):
        kept = lwta.keep_winners(x, group_size)
        others = [channel for channel in range(8) if channel not in winners]
        torch.testing.assert_close(kept[0, winners], x[0, winners])
        assert not kept[0, others].any()
        (gradient,) = torch.autograd.grad((kept * torch.arange(1.0, 9.0)).sum(), x)
        torch.testing.assert_close(gradient[0, winners], torch.arange(1.0, 9.0)[winners])
        assert not gradient[0, others].any()


def test_weights_of_losers_have_no_gradient():
    torch.manual_seed(0)
    enter = torch.nn.Linear(6, 8)
    x = torch.randn(1, 6)
    lwta.keep_winners(enter(x), 4).sum().backward()
    winners = enter(x).view(2, 4).argmax(dim=1) + torch.tensor([0, 4])
    assert enter.weight.grad.abs().sum(dim=1).nonzero().ravel().tolist() == winners.tolist()


def test_groups_have_to_divide_the_hidden_units():
    values = {"iterations": 1, "learning_rate": 1.0, "optimizer": "adamw", "width": 16}
    with pytest.raises(ValueError, match="group_size 3 does not divide the hidden units"):
        Parameters(entry="lwta", group_size=3, **values, **SETTINGS)


def test_an_interpolation_is_the_mean_of_what_both_predict():
    symbols, held_out = text(3000), text(2000, seed=9)
    starts = stretches(held_out, 5)
    tables = Chain(ngrams.kneser_ney(symbols, [0, 1, 2], ALPHABET))
    network = Network(modern.Modern(ALPHABET, **{**SIZE, "window": 64}), 64)
    torch.nn.init.normal_(network.network.head.weight)
    mixed = interpolation.Interpolated(network, tables, 0.65).probabilities(held_out, starts, STRETCH)
    parts = [model.probabilities(held_out, starts, STRETCH) for model in (network, tables)]
    np.testing.assert_allclose(mixed, 0.65 * parts[0] + 0.35 * parts[1])
    assert np.abs(parts[0] - parts[1]).max() > 0.1


def stepped(decay, taken):
    """The recurrence, symbol by symbol."""
    states = [taken[0]]
    for place in range(1, len(taken)):
        states.append(decay[place] * states[-1] + taken[place])
    return torch.stack(states)


def test_the_scan_is_the_recurrence_and_so_is_its_gradient():
    torch.manual_seed(0)
    decay = torch.rand(23, 3, 4, dtype=torch.float64, requires_grad=True)
    taken = torch.randn(23, 3, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(23, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(Scan.apply(decay, taken), stepped(decay, taken))
    found, wanted = (
        torch.autograd.grad((scan(decay, taken) * weights).sum(), (decay, taken))
        for scan in (Scan.apply, stepped)
    )
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_the_scan_stays_finite_where_its_closed_form_does_not():
    """The states of a long text whose decays are strong, in 32 bits."""
    torch.manual_seed(0)
    logs = -torch.rand(5000, 2, 3) * 2
    taken = torch.randn(5000, 2, 3)
    decay = logs.exp().requires_grad_()
    states = Scan.apply(decay, taken)
    states.square().sum().backward()
    assert torch.isfinite(states).all()
    assert torch.isfinite(decay.grad).all()
    passed = logs.cumsum(dim=0)
    closed = passed.exp() * (taken / passed.exp()).cumsum(dim=0)
    assert not torch.isfinite(closed).all()
    torch.testing.assert_close(states[:20], closed[:20], rtol=1e-3, atol=1e-4)


def test_a_state_space_network_does_not_see_what_it_predicts():
    torch.manual_seed(0)
    network = StateSpace(ALPHABET, layers=2, width=16, states=4)
    torch.nn.init.normal_(network.symbols.weight)
    window = torch.randint(0, ALPHABET, (2, 16))
    changed = window.clone()
    changed[:, 9:] = (changed[:, 9:] + 1) % ALPHABET
    before, after = network(window), network(changed)
    torch.testing.assert_close(before[:, :9], after[:, :9])
    assert not torch.allclose(before[:, 9:], after[:, 9:])
    # What was long ago still matters: more symbols ago than the convolutions of both layers reach.
    changed = window.clone()
    changed[:, 0] = (changed[:, 0] + 1) % ALPHABET
    assert not torch.allclose(network(changed)[:, 12], before[:, 12], atol=1e-7)


def test_initial_time_steps_are_in_the_range_of_the_paper():
    torch.manual_seed(0)
    for block in StateSpace(ALPHABET, layers=2, width=16, states=4).blocks:
        steps = functional.softplus(block.step.bias)
        assert steps.min() >= 1e-3
        assert steps.max() <= 1e-1


@pytest.mark.parametrize(("alphabet", "first"), [(ALPHABET, 0), (256, 256 - ALPHABET)])
@pytest.mark.parametrize("lengths", [[0, 1, 2, 3], [*range(14)], [0, 1, 3, 7, 18]])
def test_tables_of_the_device_are_those_of_the_processor(lengths, alphabet, first):
    symbols = text() + np.uint8(first)
    # As a text that is read by its bytes is.
    symbols.flags.writeable = False
    wanted = ngrams.kneser_ney(symbols, lengths, alphabet)
    found = device_tables.kneser_ney_on("cpu", symbols, lengths, alphabet)
    for one, other in zip(found.tables, wanted.tables, strict=True):
        for exact in ("contexts", "starts", "symbols"):
            np.testing.assert_array_equal(getattr(one, exact), getattr(other, exact))
            assert getattr(one, exact).dtype == getattr(other, exact).dtype
        np.testing.assert_allclose(one.shares, other.shares, rtol=1e-12)
        np.testing.assert_allclose(one.backoff, other.backoff, rtol=1e-12)


def test_discounts_follow_from_counts_of_counts():
    """Six n-grams seen once, three twice, two three times and one four times, by hand."""
    counts = np.array([1] * 6 + [2] * 3 + [3] * 2 + [4] * 1 + [9] * 5)
    assert ngrams.one_discount(counts) == pytest.approx(6 / (6 + 2 * 3))
    # Y = 1/2: D1 = 1 - 2 Y 3/6, D2 = 2 - 3 Y 2/3, D3+ = 3 - 4 Y 1/2.
    assert ngrams.modified_discounts(counts).tolist() == pytest.approx([0.5, 1.0, 2.0])


def naive_encoding(symbols, merges, alphabet):
    """Merges one after the other, from left to right, on a list."""
    symbols = list(symbols)
    for new, pair in enumerate(merges, start=alphabet):
        merged = []
        while symbols:
            taken = 2 if tuple(symbols[:2]) == tuple(pair) else 1
            merged.append(new if taken == 2 else symbols[0])
            symbols = symbols[taken:]
        symbols = merged
    return symbols


def test_the_most_frequent_pair_is_merged_first():
    symbols = np.array([0, 1, 0, 1, 0, 1, 2, 0, 1, 2], dtype=np.uint8)
    tokens = byte_pairs.learn(symbols, 3, 5)
    # Four times 0, 1; then three remain of which two are followed by 2.
    assert tokens.merges.tolist() == [[0, 1], [3, 2]]
    assert tokens.spellings[3:] == ((0, 1), (0, 1, 2))
    assert tokens.encode(symbols.astype(np.uint16)).tolist() == [3, 3, 4, 4]


@pytest.mark.parametrize("vocabulary", [ALPHABET, 40])
def test_encoding_is_merging_in_order_and_loses_nothing(vocabulary):
    # Runs of one symbol overlap with themselves.
    symbols = np.concatenate([text(600), np.repeat(np.uint8([0, 1, 0]), [7, 4, 9]), text(300, seed=2)])
    tokens = byte_pairs.learn(symbols, ALPHABET, vocabulary)
    encoded = tokens.encode(symbols.astype(np.uint16)).tolist()
    assert encoded == naive_encoding(symbols.tolist(), tokens.merges.tolist(), ALPHABET)
    assert [symbol for token in encoded for symbol in tokens.spellings[token]] == symbols.tolist()


@pytest.fixture(scope="module")
def of_tokens():
    """A network on tokens with random weights, and text to predict."""
    torch.manual_seed(0)
    tokens = byte_pairs.learn(text(3000), ALPHABET, 40)
    network = modern.Modern(40, **{**SIZE, "window": 64})
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return token_network.TokenNetwork(tokens, Network(network, 64)), text(400, seed=3)


def test_next_symbols_of_tokens_sum_over_all_that_cover_them(of_tokens):
    """For one place, by the definition: each beginning of a token, and each token that fits."""
    model, held_out = of_tokens
    tokens, starts = model.tokens, np.array([64, 200])
    found = model.probabilities(held_out, starts, STRETCH)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-9)
    for row, start in enumerate(starts):
        for place in (0, 1, 17, 31):
            end = start + place
            window = held_out[start + STRETCH - 64 : end].tolist()
            wanted = np.zeros(ALPHABET)
            for back in range(tokens.longest):
                encoded = naive_encoding(window[: len(window) - back], tokens.merges.tolist(), ALPHABET)
                with torch.inference_mode():
                    logs = model.network.network(torch.tensor([encoded]))[0].double().log_softmax(-1)
                before = sum(float(logs[i, token]) for i, token in enumerate(encoded[1:]))
                since = tuple(window[len(window) - back :])
                for token, spelling in enumerate(tokens.spellings):
                    if len(spelling) > back and spelling[:back] == since:
                        wanted[spelling[back]] += np.exp(before + float(logs[-1, token]))
            np.testing.assert_allclose(found[row, place], wanted / wanted.sum(), rtol=1e-3)


def test_without_merges_next_symbols_are_those_of_the_network():
    torch.manual_seed(0)
    network = Network(modern.Modern(ALPHABET, **{**SIZE, "window": 64}), 64)
    torch.nn.init.normal_(network.network.head.weight)
    held_out = text(400, seed=3)
    tokens = byte_pairs.learn(held_out, ALPHABET, ALPHABET)
    starts = np.array([64, 130])
    found = token_network.TokenNetwork(tokens, network).probabilities(held_out, starts, STRETCH)
    # The network alone reads its windows up to the last symbol of a stretch, from one symbol later.
    wanted = []
    for start in starts:
        window = torch.from_numpy(held_out[start + STRETCH - 64 : start + STRETCH]).long()
        with torch.inference_mode():
            wanted.append(network.network(window[None])[0, -STRETCH - 1 : -1].double().softmax(-1).numpy())
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_the_unrouted_chunker_learns_where_the_chunker_does_and_predicts_everywhere():
    symbols, held_out = text(6000), text(2000, seed=9)
    shared = {"order": 3, "table_share": 0.7, "iterations": 3, "learning_rate": 3e-3, "uncertain_bits": 1.5}
    made = {
        entry.__name__.rpartition(".")[2]: entry.train(
            symbols,
            ALPHABET,
            Parameters(entry=entry.__name__.rpartition(".")[2], network_share=0.6, **shared, **SETTINGS),
            0,
            "cpu",
            None,
        )
        for entry in (chunker, chunker_unrouted)
    }
    starts = stretches(held_out, 20)
    tables = Chain(made["chunker"].tables).probabilities(held_out, starts, STRETCH)
    is_certain = chunker.expected_bits(tables.reshape(-1, ALPHABET)) <= 1.5
    assert 0.02 < is_certain.mean() < 0.98
    changed = {
        name: np.abs(model.probabilities(held_out, starts, STRETCH) - tables).max(axis=-1).ravel() > 1e-9
        for name, model in made.items()
    }
    assert not changed["chunker"][is_certain].any()
    assert changed["chunker_unrouted"].all()
