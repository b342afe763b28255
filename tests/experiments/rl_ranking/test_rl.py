"""Environments, training runs, and the tables made from them."""

import numpy as np
import pandas as pd
import pytest
import torch
from gymnasium import spaces
from pydantic import ValidationError

from experiments.rl_ranking import budgets, curves, report, workload
from experiments.rl_ranking import tables as made
from experiments.rl_ranking.parameters import Parameters
from joules.analysis import ranking
from joules.analysis.records import Records
from joules.bench.record import Phase, Step
from joules.study.design import load_design
from joules.workload.reinforcement import environments
from joules.workload.reinforcement.environments import make_environments
from tests import records

SMALL = {
    **load_design("rl_ranking").runs("smoke")["minatar_breakout_a2c"],
    "steps": 400,
    "length": 1.0,
    "evaluation_episodes": 4,
}


@pytest.mark.parametrize("scale", ["smoke", "quick", "standard", "paper"])
def test_every_arm_is_a_valid_setting(scale):
    for parameters in load_design("rl_ranking").runs(scale).values():
        Parameters.model_validate(parameters)


def test_a_foreign_hyperparameter_is_refused():
    with pytest.raises(ValidationError, match="not taken: lag"):
        Parameters.model_validate({**SMALL, "lag": 3})


@pytest.mark.parametrize("name", ["minatar/breakout", "ale_ram/pong", "ale/pong"])
def test_every_kind_of_environment_steps_and_begins_again(name):
    games = make_environments(name, 3, 0, training=True, threads=1)
    seen = games.reset()
    assert seen.shape == (3, *games.observation_space.shape)
    assert seen.dtype == games.observation_space.dtype
    kept = seen.copy()
    for _ in range(5):
        games.step(np.array([1, 0, 1]))
    np.testing.assert_array_equal(seen, kept, err_msg="an observation handed out was written over")


def test_the_same_seed_plays_the_same_game():
    def play():
        games = make_environments("minatar/space_invaders", 2, 7, training=True, threads=1)
        games.reset()
        return [games.step(np.array([step % 4, 3]))[1].tolist() for step in range(200)]

    assert play() == play()


def test_minatar_returns_are_sums_of_rewards():
    games = make_environments("minatar/breakout", 2, 0, training=True, threads=1)
    games.reset()
    sums, random = np.zeros(2), np.random.default_rng(0)
    finished = 0
    while finished < 20:
        _, rewards, over, infos = games.step(random.integers(3, size=2))
        sums += rewards
        for copy in np.flatnonzero(over):
            assert infos[copy]["episode"]["r"] == sums[copy]
            assert "terminal_observation" in infos[copy]
            sums[copy] = 0
            finished += 1


class PaidGames:
    """Simulates ALE: rewards of seven, a lost life at the second step, a new game at the fourth."""

    single_observation_space = spaces.Box(0, 255, (4, 84, 84), np.uint8)
    single_action_space = spaces.Discrete(6)

    def __init__(self, *_, **__):
        self.step_number = 0

    def reset(self, seed):
        return np.zeros((1, 4, 84, 84), np.uint8), {"episode_frame_number": np.array([0])}

    def step(self, actions):
        self.step_number += 1
        ended = self.step_number in (2, 4)
        frames = self.step_number * 4 if self.step_number < 4 else 1
        info = {"episode_frame_number": np.array([frames]), "final_obs": np.zeros((1, 4, 84, 84), np.uint8)}
        seen = np.zeros((1, 4, 84, 84), np.uint8)
        return seen, np.array([7]), np.array([ended]), np.array([False]), info


@pytest.mark.parametrize(("training", "learned"), [(True, 1.0), (False, 7.0)])
def test_returns_are_unclipped_and_of_whole_games(training, learned, monkeypatch):
    monkeypatch.setattr(environments, "AtariVectorEnv", PaidGames)
    games = environments.AtariVecEnv("breakout", 1, 0, training=training, threads=1)
    games.reset()
    returns = []
    for _ in range(4):
        _, rewards, _, infos = games.step(np.array([0]))
        assert rewards.tolist() == [learned]
        returns += [info["episode"]["r"] for info in infos if "episode" in info]
    assert returns == [28.0]


def test_scaled_weights_are_scaled_pixels():
    games = make_environments("ale/pong", 2, 0, training=True, threads=1)
    arm = load_design("rl_ranking").runs("standard")["pong_pixels_a2c"]
    ours = workload.make_model(Parameters.model_validate(arm), games, 0).policy
    stock = workload.algorithm(Parameters.model_validate(arm), games, 0).policy
    stock.features_extractor.load_state_dict(
        dict(
            zip(
                stock.features_extractor.state_dict(),
                ours.features_extractor.state_dict().values(),
                strict=True,
            )
        )
    )
    pixels = torch.randint(256, (2, 4, 84, 84), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    features, wanted = ours.extract_features(pixels), stock.extract_features(pixels)
    torch.testing.assert_close(features, wanted)
    assert wanted.std() > 0


def test_a_run_evaluates_where_it_was_asked_to():
    session = records.FakeSession()
    results = workload.run(workload.build(SMALL, 0), session)
    assert len(results["evaluations"]) == 2
    assert session.steps == [round(step) for step, _, _ in results["evaluations"]]
    assert results["evaluations"][-1][0] == results["steps"] >= 400


def test_evaluation_leaves_learning_as_it_was():
    """A run with evaluations ends in the same weights as one with a single evaluation."""
    weights = []
    for evaluations in (1, 4):
        prepared = workload.build({**SMALL, "evaluations": evaluations}, 0)
        workload.run(prepared, records.FakeSession())
        weights.append(torch.nn.utils.parameters_to_vector(prepared.model.policy.parameters()))
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


def twin_counts(name, **changes):
    arm = load_design("rl_ranking").runs("standard")[name]
    return workload.count_arm_update(Parameters.model_validate(arm | changes), 0, torch.get_num_threads())


def test_the_operations_of_an_update_are_those_worked_out_by_hand():
    """Backward, weights and inputs cost a forward pass each, without the inputs of the first layer."""
    convolution = 2 * 8 * 8 * 16 * (4 * 3 * 3)
    products = 2 * (1024 * 128 + 128 * 3 + 128 * 1)
    sample = 2 * convolution + 3 * products
    assert twin_counts("minatar_breakout_a2c")["flops_per_update"] == 16 * 5 * sample
    ppo = twin_counts("minatar_breakout_ppo", rollout_steps=32)
    assert ppo["flops_per_update"] == 16 * 32 * sample
    # The network learns from a batch, and its twin that is the target only looks at it.
    values = 2 * (1024 * 128 + 128 * 3)
    batch = 32 * (2 * convolution + 3 * values + convolution + values)
    assert twin_counts("minatar_breakout_dqn")["flops_per_update"] == batch


def test_counting_leaves_learning_as_it_was(monkeypatch):
    weights = []
    for _ in range(2):
        prepared = workload.build(SMALL, 0)
        results = workload.run(prepared, records.FakeSession())
        weights.append(torch.nn.utils.parameters_to_vector(prepared.model.policy.parameters()))
        monkeypatch.setattr(workload, "count_update", lambda *_: {})
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)
    assert results["updates"] == results["steps"] / (SMALL["environments"] * SMALL["rollout_steps"])


def test_a_diverging_run_is_an_error_with_a_sentence():
    prepared = workload.build(SMALL, 0)
    with torch.no_grad():
        next(prepared.model.policy.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match="learning diverged"):
        workload.run(prepared, records.FakeSession())


def run(arm, algorithm, block, returns):
    """A run of 40 J with an evaluation of 2 J after every 10 J of training."""
    marks = range(1, len(returns) + 1)
    return records.run(
        arm,
        block,
        energy_j=12.0 * len(returns),
        experiment="rl_ranking",
        duration_s=12.0 * len(returns),
        parameters={
            "game": "Game",
            "algorithm": algorithm,
            "network": "minatar",
            "environments": 1,
            "yardstick_return": 10.0,
        },
        steps=[Step(index=100 * k, time_s=12.0 * k - 2, energy_j=12.0 * k - 2) for k in marks],
        phases=[Phase(name="evaluation", start_s=12.0 * k - 2, end_s=12.0 * k, energy_j=2.0) for k in marks],
        metrics={
            "steps": 100 * len(returns),
            "random_return": 0.0,
            "updates": 10 * len(returns),
            "flops_per_decision": 1.0,
            "bytes_moved_per_decision": 2.0,
            "flops_per_update": 50.0,
            "bytes_moved_per_update": 60.0,
            "parameters": 1,
            "evaluations": [[100.0 * k, value, 0.1] for k, value in zip(marks, returns, strict=True)],
        },
    )


def design_with(budget_s):
    """The design with another budget at the scale of these runs, whose mean training power is one watt."""
    design = load_design("rl_ranking")
    design.scales["smoke"].analysis["budget_s"] = budget_s
    return design


@pytest.fixture
def tables():
    runs = [
        run(f"game_{name}", name, block, [gain * k + 0.1 * block for k in range(1, 5)])
        for block in range(4)
        for name, gain in (("ppo", 2.0), ("a2c", 1.0))
    ]
    idles = [records.idle(block, position) for block in range(4) for position in ("before", "after")]
    return made.tabulate(Records.from_sequence([*runs, *idles]), design_with(40.0))


def test_evaluation_is_not_charged_to_training(tables):
    curve = tables["evaluations"].query("arm == 'game_ppo' and block == 0")
    assert curve["energy_j"].tolist() == [0, 10, 20, 30, 40]
    assert tables["runs"]["training_energy_j"].tolist() == [40.0] * 8


def test_outcomes_worked_out_by_hand(tables):
    first = tables["runs"].query("arm == 'game_ppo' and block == 0").iloc[0]
    assert first["area_score"] == pytest.approx(0.4)
    assert first["energy_to_threshold_j"] == pytest.approx(25)
    assert first["score_per_kwh"] == pytest.approx(0.8 / (40 / 3.6e6))


def test_the_budget_is_the_designs_and_not_the_cheapest_runs():
    runs = [run("game_ppo", "ppo", block, [2.0, 4.0]) for block in (0, 1)]
    runs += [run("game_a2c", "a2c", block, [2.0, 4.0, 6.0, 8.0]) for block in (0, 1)]
    idles = [records.idle(block, position) for block in (0, 1) for position in ("before", "after")]
    table = made.tabulate(Records.from_sequence([*runs, *idles]), design_with(40.0))["runs"].set_index(
        ["arm", "block"]
    )
    assert set(table["area_budget_j"]) == {40.0}
    # The shorter ones end at 20 J with a score of .4, which holds on.
    assert table.loc[("game_ppo", 0), "area_score"] == pytest.approx((20 * 0.2 + 20 * 0.4) / 40)
    assert table.loc[("game_a2c", 0), "area_score"] == pytest.approx(0.4)
    assert table.loc[("game_a2c", 0), "area_score_by_steps"] == pytest.approx(0.2)


def test_budgets_are_areas_and_have_the_ends_of_the_declared_range():
    grid = budgets.budget_grid(4.0, 15.0)
    assert {4.0, 15.0} <= set(grid)
    assert (min(grid), max(grid)) == (2.0, 22.5)
    runs = [run("game_ppo", "ppo", block, [2.0, 4.0, 6.0, 8.0]) for block in (0, 1)]
    evaluations = curves.evaluations(Records.from_sequence(runs))
    areas = budgets.areas(evaluations, [20.0, 40.0]).set_index("budget_s")["area_score"]
    # The score rises by .2 in 10 J, at one watt.
    assert areas[20.0].to_list() == pytest.approx([0.2, 0.2])
    assert areas[40.0].to_list() == pytest.approx([0.4, 0.4])


def learning_that_crosses():
    """Scores over the budget: the first algorithm is ahead from the second budget on, the last never."""
    scores = {"ppo": [0.1, 0.4, 0.7], "a2c": [0.2, 0.3, 0.4], "dqn": [0.0, 0.1, 0.2]}
    return pd.DataFrame(
        [
            ["Breakout", f"game_{name}", name, block, budget_s, score + 0.001 * block]
            for name, of_budgets in scores.items()
            for budget_s, score in zip((5.0, 10.0, 15.0), of_budgets, strict=True)
            for block in range(4)
        ],
        columns=["game", "arm", "algorithm", "block", "budget_s", "area_score"],
    )


def test_an_order_holds_over_a_range_of_budgets_or_not_at_all():
    family = load_design("rl_ranking").comparisons[0]
    pairs = [("game_ppo", "game_a2c"), ("game_dqn", "game_a2c"), ("game_a2c", "game_absent")]
    compared = [family.model_copy(update={"pairs": pairs})]
    rows = budgets.over_budgets(learning_that_crosses(), compared, 5.0, 15.0)
    by_name = pd.DataFrame(rows).set_index("statistic")["estimate"]
    assert by_name["least_over_budgets.game_ppo_vs_game_a2c"] == pytest.approx(-0.1)
    assert by_name["most_over_budgets.game_ppo_vs_game_a2c"] == pytest.approx(0.3)
    assert by_name["most_over_budgets.game_dqn_vs_game_a2c"] == pytest.approx(-0.2)
    assert len(by_name) == 4
    late = budgets.over_budgets(learning_that_crosses(), compared, 10.0, 15.0)
    assert pd.DataFrame(late).set_index("statistic")["estimate"].iloc[0] == pytest.approx(0.1)


def test_the_first_places_are_told_in_order_of_the_budget():
    table = budgets.budgets_table(learning_that_crosses(), 5.0, 10.0)
    assert table["in_range"].sum() == 6
    assert report.describe_first_places(table) == "A2C from 5 s, then PPO from 10 s"


def test_a_step_is_a_decision_and_its_share_of_the_updates(tables):
    arm = tables["arms"].iloc[0]
    assert (arm["flops_per_step"], arm["bytes_moved_per_step"]) == (1 + 5, 2 + 6)


def test_games_on_pixels_are_taken_together_with_the_others_and_left_out():
    """Five arms: energy correlates with operations only if the arm on pixels is included."""
    energies_j = {"ppo": 1.0, "a2c": 1.1, "dqn": 1.1, "a2c_vtrace": 1.0}
    arms = pd.DataFrame(
        {
            "network": ["minatar"] * 4 + ["nature"],
            "flops_per_step": [1.0, 2.0, 3.0, 4.0, 1000.0],
            "bytes_moved_per_step": [1.0, 1.1, 1.1, 1.0, 100.0],
            "energy_per_step_j": [*energies_j.values(), 100.0],
        }
    )
    shares = {row["statistic"]: row["estimate"] for row in made.shares_explained(arms)}
    assert shares["flops_energy_r2.all"] > 0.99
    assert shares["flops_energy_r2.without_pixels"] == pytest.approx(0.0, abs=1e-9)
    assert shares["bytes_energy_r2.without_pixels"] == pytest.approx(1.0)


def test_the_better_learner_takes_the_first_place(tables):
    ranks = tables["ranks"].query("spent == 'energy'").set_index("algorithm")
    assert ranks.loc["ppo", "place"] == 1
    assert ranks.loc["ppo", "place_1"] == 1.0
    assert not ranks.loc["ppo", "inconclusive"]
    assert ranks.loc["ppo", "place_error"] == 0
    assert tables["arms"]["learned"].all()


def test_places_are_uncertain_where_blocks_disagree():
    runs = pd.DataFrame(
        {
            "game": "Game",
            "algorithm": ["a", "b"] * 4,
            "block": [0, 0, 1, 1, 2, 2, 3, 3],
            "score": [1, 0, 0, 1, 1, 0, 0, 1.1],
        }
    )
    ranks = curves.place_probabilities(runs, "score").set_index("algorithm")
    assert 0.2 < ranks.loc["a", "place_1"] < 0.8
    assert ranks["inconclusive"].all()
    share = ranks.loc["a", "place_1"]
    assert ranks.loc["a", "place_error"] == pytest.approx((share * (1 - share) / ranking.RESAMPLES) ** 0.5)


def test_what_is_held_equal_decides_the_order():
    """One algorithm learns in few slow steps, the other in many fast ones."""
    runs = [run("game_dqn", "dqn", block, [5.0 + 0.1 * block, 9.0]) for block in range(3)]
    for block in range(3):
        quick = run("game_a2c", "a2c", block, [2.0, 4.0 + 0.1 * block, 8.0, 9.0])
        # Ten times as many steps for the same energy and time.
        marks = [mark.model_copy(update={"index": 10 * mark.index}) for mark in quick.steps]
        evaluations = [[10 * step, mean, std] for step, mean, std in quick.metrics["evaluations"]]
        metrics = {**quick.metrics, "evaluations": evaluations, "steps": 10 * quick.metrics["steps"]}
        runs.append(quick.model_copy(update={"steps": marks, "metrics": metrics}))
    idles = [records.idle(block, position) for block in range(3) for position in ("before", "after")]
    tables = made.tabulate(Records.from_sequence([*runs, *idles]), design_with(20.0))
    first = tables["ranks"].query("place == 1").set_index("spent")["algorithm"]
    assert first.to_dict() == {"energy": "dqn", "time": "dqn", "steps": "dqn"}
    steps = tables["runs"].groupby("algorithm")["area_score_by_steps"].mean()
    energy = tables["runs"].groupby("algorithm")["area_score"].mean()
    assert steps["dqn"] / steps["a2c"] > 2 * energy["dqn"] / energy["a2c"]


def test_a_game_in_which_nothing_was_learned_has_no_order_and_no_stars():
    runs = [
        run(f"pong_ram_{name}", name, block, [0.01 * block, -0.01 * block])
        for block in range(4)
        for name in ("ppo", "dqn")
    ]
    idles = [records.idle(block, position) for block in range(4) for position in ("before", "after")]
    tables = made.tabulate(Records.from_sequence([*runs, *idles]), load_design("rl_ranking"))
    assert not tables["arms"]["learned"].any()
    assert tables["ranks"].empty
    assert tables["budgets"].empty
    assert tables["improvements"].empty
    row = tables["statistics"].query("family == 'pong_memory'").iloc[0]
    assert row["note"] == "nothing was learned in this game"
    assert pd.isna(row["stars"])
    assert report.display(tables)["rl_places"]["game"].to_list() == ["nothing was learned"]


def test_the_probability_of_improvement_counts_pairs_of_runs():
    runs = pd.DataFrame({"game": "Game", "algorithm": ["a"] * 2 + ["b"] * 2, "score": [1.0, 2.0, 1.0, 0.0]})
    table = curves.improvements(runs, "score").set_index(["algorithm", "other"])["probability"]
    assert table["a", "b"] == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert table["b", "a"] == pytest.approx(1 - table["a", "b"])


def test_the_interquartile_mean_leaves_the_outer_quarters_out():
    assert ranking.interquartile_mean(np.array([0.0, 1.0, 2.0, 100.0])) == pytest.approx(1.5)


def test_a_threshold_never_reached_has_no_energy():
    energy, score = np.array([0.0, 10.0]), np.array([0.0, 0.4])
    assert np.isnan(curves.energy_to_reach(energy, score, 0.5))


def test_the_published_order_comes_out_of_the_published_table():
    board = made.published()
    order = {game: list(group["algorithm"]) for game, group in board.groupby("game")}
    assert order == {
        "Pong": ["a2c_vtrace", "ppo", "dqn", "a2c"],
        "Breakout": ["ppo", "a2c_vtrace", "a2c", "dqn"],
    }
