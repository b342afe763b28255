"""Training for the comparison with published returns, at the smallest size."""

import sys

import pytest

from experiments.rl_ranking.parameters import Parameters
from joules.workload.reinforcement.environments import make_environments
from validation import learning


def test_every_published_return_has_a_training_of_its_length():
    trainings = learning.list_trainings(1.0, 10_000_000)
    lengths = {(each.game, each.algorithm): each.total_steps for each in trainings}
    assert set(learning.PUBLISHED) <= set(lengths)
    assert all(lengths[key] == known.steps for key, known in learning.PUBLISHED.items())
    assert len(learning.list_trainings(0.1, 0)) == 3


@pytest.mark.parametrize("algorithm", ["ppo", "a2c", "dqn"])
def test_a_policy_is_learned_and_evaluated(algorithm):
    (parameters,) = [each for each in learning.list_trainings(0.002, 0) if each.algorithm == algorithm]
    assert isinstance(parameters, Parameters)
    # The shortest episode of CartPole takes eight steps, the longest 500.
    assert 8 <= learning.learn(parameters, seed=0) <= 500


def test_dqn_learns_cartpole_with_the_published_network_and_updates():
    (parameters,) = [each for each in learning.list_trainings(1.0, 0) if each.algorithm == "dqn"]
    games = make_environments(parameters.environment, 1, 0, training=True, threads=1)
    model = learning.make_learner(parameters, games, 0)
    layers = [each.out_features for each in model.q_net.q_net if hasattr(each, "out_features")]
    assert layers == [256, 256, 2]
    assert (model.train_freq.frequency, model.gradient_steps) == (256, 128)
    # Of the steps, .16 have passed when exploration has fallen.
    assert [model.exploration_schedule(1 - done) for done in (0, 0.2, 1)] == pytest.approx([1, 0.04, 0.04])
    assert (model.target_update_interval, model.batch_size, model.learning_rate) == (10, 64, 2.3e-3)


def test_a_row_names_what_was_published(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["learning", "0.01", "1", "1"])
    monkeypatch.setattr(learning, "learn", lambda _, seed: 10.0 * seed)
    learning.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert "500 at 100,000 steps (RL Zoo, benchmark.md, one run)" in lines[1]
    assert lines[-1].endswith("none found")
