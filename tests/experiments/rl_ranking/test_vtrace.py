"""V-trace against a slow reference, against n-step returns, and inside A2C."""

import copy

import pytest
import torch
from stable_baselines3 import A2C
from torchrl.objectives.value.functional import vtrace_advantage_estimate

from experiments.rl_ranking.vtrace import VtraceA2C, targets
from joules.workload.reinforcement.environments import make_environments
from joules.workload.reinforcement.networks import MinAtarNetwork

STEPS, COPIES, GAMMA = 12, 3, 0.97
OPTIONS = {
    "n_steps": 5,
    "learning_rate": 7e-4,
    "seed": 0,
    "policy_kwargs": {"features_extractor_class": MinAtarNetwork, "net_arch": []},
}


@pytest.fixture
def rollout():
    """Rewards, ends, values, next value, log weights; episodes end within it and at its last step."""
    torch.manual_seed(1)
    ends = torch.rand(STEPS, COPIES) < 0.2
    ends[-1, 0] = True
    ends[4, 1] = True
    return {
        "rewards": torch.randn(STEPS, COPIES),
        "ends": ends,
        "values": torch.randn(STEPS, COPIES),
        "next_value": torch.randn(COPIES),
        "log_weights": 0.7 * torch.randn(STEPS, COPIES),
    }


def ours(rollout, log_weights):
    return targets(
        rollout["rewards"],
        GAMMA * (~rollout["ends"]).float(),
        rollout["values"],
        rollout["next_value"],
        log_weights.exp(),
    )


def n_step_returns(rollout):
    returns = torch.empty(STEPS, COPIES)
    following = rollout["next_value"]
    for step in reversed(range(STEPS)):
        following = rollout["rewards"][step] + GAMMA * (~rollout["ends"][step]).float() * following
        returns[step] = following
    return returns


def test_targets_are_those_of_torchrl(rollout):
    values, advantages = ours(rollout, rollout["log_weights"])
    following = torch.cat([rollout["values"][1:], rollout["next_value"][None]])
    shape = (1, STEPS, COPIES)
    theirs_advantages, theirs_values = vtrace_advantage_estimate(
        GAMMA,
        log_pi=rollout["log_weights"].view(shape),
        log_mu=torch.zeros(shape),
        state_value=rollout["values"].view(shape),
        next_state_value=following.view(shape),
        reward=rollout["rewards"].view(shape),
        done=rollout["ends"].view(shape),
    )
    torch.testing.assert_close(values, theirs_values[0])
    torch.testing.assert_close(advantages, theirs_advantages[0])


def test_on_policy_targets_are_n_step_returns_across_episode_ends(rollout):
    values, advantages = ours(rollout, torch.zeros(STEPS, COPIES))
    torch.testing.assert_close(values, n_step_returns(rollout))
    torch.testing.assert_close(advantages, n_step_returns(rollout) - rollout["values"])


def test_off_policy_targets_are_not_n_step_returns(rollout):
    values, _ = ours(rollout, rollout["log_weights"])
    assert (values - n_step_returns(rollout)).abs().max() > 0.1


def test_nothing_leaks_back_over_an_episodes_end(rollout):
    changed = {**rollout, "rewards": rollout["rewards"].clone()}
    changed["rewards"][5:, 1] += 100
    before, _ = ours(rollout, rollout["log_weights"])
    after, _ = ours(changed, rollout["log_weights"])
    torch.testing.assert_close(before[:5, 1], after[:5, 1])
    assert not torch.allclose(before[5:, 1], after[5:, 1])


def games():
    return make_environments("minatar/breakout", 4, 0, training=True, threads=1)


def weights_after(model, steps):
    model.learn(steps)
    return {name: weight.clone() for name, weight in model.policy.state_dict().items()}


def test_without_lag_it_is_a2c():
    theirs = weights_after(A2C("CnnPolicy", games(), **copy.deepcopy(OPTIONS)), 400)
    corrected = weights_after(VtraceA2C("CnnPolicy", games(), lag=0, **copy.deepcopy(OPTIONS)), 400)
    for name, weight in theirs.items():
        torch.testing.assert_close(corrected[name], weight, msg=name)


def test_with_lag_the_correction_has_work_to_do():
    model = VtraceA2C("CnnPolicy", games(), lag=4, **copy.deepcopy(OPTIONS))
    model.learn(2000)
    assert 0.5 < model.mean_rho < 0.9999
