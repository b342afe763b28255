"""Tasks, networks, rules and predictor, and the tables made from runs."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from experiments.grokking import frontier, outcomes, replay, report, step_model, tables, workload
from experiments.grokking.fleet import fleet
from experiments.grokking.networks import make
from experiments.grokking.parameters import Parameters
from experiments.grokking.rules import RULES, Evaluation, first_sustained, stop_step
from experiments.grokking.tasks import split
from joules.analysis.records import Records
from joules.bench.record import Phase, Step
from joules.instrument import carbon
from joules.study.design import load_design
from tests import records

SMALL = {**load_design("grokking").runs("smoke")["add_mlp"], "steps": 40}


@pytest.mark.parametrize("scale", ["smoke", "quick", "standard", "paper"])
def test_every_arm_is_a_valid_setting(scale):
    for parameters in load_design("grokking").runs(scale).values():
        Parameters.model_validate(parameters)


def test_a_modulus_that_is_not_prime_is_refused():
    with pytest.raises(ValidationError, match="odd prime"):
        Parameters.model_validate({**SMALL, "modulus": 57})


def test_division_undoes_multiplication():
    for part in split("divide", 23, 0.5, 0):
        a, b = part.pairs.T
        assert torch.equal(part.results * b % 23, a)
        assert b.min() > 0


@pytest.mark.parametrize(
    ("task", "result"),
    [("add", 1), ("subtract", 3), ("multiply", 1), ("squares", 0), ("quadratic", 3), ("cubic", 2)],
)
def test_tasks_by_hand(task, result):
    # 4 and 1 modulo 5, but 4 x 4 for the product.
    a, b = (4, 4) if task == "multiply" else (4, 1) if task == "subtract" else (4, 2)
    train, held_out = split(task, 5, 0.5, 0)
    pairs, results = torch.cat([train.pairs, held_out.pairs]), torch.cat([train.results, held_out.results])
    of_pair = results[(pairs[:, 0] == a) & (pairs[:, 1] == b)]
    assert of_pair.tolist() == [result]


def test_every_pair_is_on_one_side_only():
    train, held_out = split("add", 23, 0.3, 1)
    assert len(train.pairs) == round(0.3 * 23**2)
    assert len(set(map(tuple, torch.cat([train.pairs, held_out.pairs]).tolist()))) == 23**2


@pytest.mark.parametrize("architecture", ["transformer", "mlp"])
def test_networks_are_their_naive_form_with_its_gradients(architecture):
    torch.manual_seed(0)
    network = make(architecture, 23, 32)
    train, _ = split("add", 23, 0.5, 0)
    fast, _ = network(train.pairs)
    naive = network.naive(train.pairs)
    torch.testing.assert_close(fast, naive)
    weights = list(network.parameters())
    gradients = [torch.autograd.grad(logits.square().mean(), weights) for logits in (fast, naive)]
    for gradient, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-6)


def test_operations_of_a_step_worked_out_by_hand():
    prepared = workload.build({**SMALL, "architecture": "mlp"}, 0)
    modulus, width, examples = SMALL["modulus"], SMALL["width"], len(prepared.train.pairs)
    forward = 2 * (2 * modulus * width * 4 * width) + 2 * examples * 4 * width * modulus
    # Both factors of every product want a gradient, which is a product each.
    assert prepared.step_counts["flops_per_step"] == 3 * forward


@pytest.mark.parametrize("architecture", ["transformer", "mlp"])
def test_the_same_seed_gives_the_same_curve_to_the_bit(architecture):
    values = {**SMALL, "architecture": architecture}
    first, second = (workload.run(workload.build(values, 3), records.FakeSession()) for _ in range(2))
    assert first == second
    assert (
        first["evaluations"] != workload.run(workload.build(values, 4), records.FakeSession())["evaluations"]
    )


def test_a_diverging_training_fails_with_a_sentence():
    with pytest.raises(ValueError, match="learning diverged"):
        workload.run(workload.build({**SMALL, "learning_rate": 1e30}, 0), records.FakeSession())


def test_a_rule_stops_the_training_it_is_given(monkeypatch):
    monkeypatch.setitem(workload.RULES, "plateau", lambda history: history[-1].step >= 20)
    session = records.FakeSession()
    results = workload.run(workload.build({**SMALL, "rule": "plateau"}, 0), session)
    assert results["steps"] == 20
    assert session.steps == [10, 20]


def curve(accuracies, losses=None, every=50):
    losses = losses or [1.0] * len(accuracies)
    return [
        Evaluation(every * (place + 1), 1.0, 1.0, loss, accuracy)
        for place, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True))
    ]


def test_understanding_is_sustained_to_the_end():
    assert first_sustained(curve([0.2, 0.96, 0.5, 0.95, 0.99]), 0.95) == 200
    assert first_sustained(curve([0.96, 0.97, 0.5]), 0.95) is None


def test_patience_mistakes_the_plateau_before_grokking_for_the_end():
    history = curve([0.3] * 8 + [1.0] * 8, [1.0] + [2.0] * 7 + [0.1] * 8)
    assert stop_step(history, RULES["patience"]) == 250
    assert stop_step(history, RULES["patience_accuracy"]) == 250


def test_patience_on_accuracy_ignores_the_loss():
    history = curve([0.1 * place for place in range(1, 11)] + [0.9] * 6, [1.0] * 16)
    assert stop_step(history, RULES["patience"]) == 250
    assert stop_step(history, RULES["patience_accuracy"]) == 700


def test_a_high_plateau_is_waited_for_and_a_low_one_is_not_taken():
    history = curve([0.3] * 8 + [1.0] * 8)
    assert stop_step(history, RULES["plateau"]) == 550
    assert stop_step(history[:8], RULES["plateau"]) == 400
    broken = curve([0.99, 0.5, 0.99, 0.99, 0.99, 0.99])
    assert stop_step(broken, RULES["plateau"]) == 250


def test_the_fixed_schedule_never_stops():
    assert stop_step(curve([1.0] * 50), RULES["fixed"]) == 2500


def learnable_runs():
    random = np.random.default_rng(0)
    rows = []
    for task in range(5):
        for block in range(3):
            features = {name: random.normal() for name in step_model.FEATURES}
            steps = math.exp(6 + 0.5 * features["loss_gap"] + 0.01 * random.normal())
            rows.append({"task": task, "arm": task, "block": block, "grok_step": steps, **features})
    return pd.DataFrame(rows)


def test_the_predictor_finds_what_is_there_on_tasks_it_has_not_seen():
    runs = learnable_runs()
    steps = runs["grok_step"].to_numpy()
    r2, factor = step_model.errors(steps, step_model.held_out_predictions(runs, "task").to_numpy())
    _, baseline = step_model.errors(steps, step_model.others_mean(runs, "task").to_numpy())
    assert r2 > 0.7
    assert factor < baseline


def test_exported_coefficients_are_the_model():
    runs = learnable_runs()
    table = step_model.coefficients(runs).set_index("feature")
    scaled = (runs[step_model.FEATURES] - table["mean"].drop("intercept")) / table["scale"].drop("intercept")
    by_hand = table.loc["intercept", "coefficient"] + scaled @ table["coefficient"].drop("intercept")
    model = step_model.fit_step_model(runs)
    np.testing.assert_allclose(
        by_hand.to_numpy(dtype=float), model.predict(runs[step_model.FEATURES].to_numpy())
    )


def test_a_prediction_has_not_seen_its_own_task():
    runs = learnable_runs()
    changed = runs.copy()
    changed.loc[changed["task"] == 0, "grok_step"] *= 100
    before, after = (step_model.held_out_predictions(table, "task") for table in (runs, changed))
    assert np.allclose(before[runs["task"] == 0], after[runs["task"] == 0])
    assert not np.allclose(before[runs["task"] == 1], after[runs["task"] == 1])


def test_siblings_are_the_other_runs_of_the_arm():
    runs = pd.DataFrame({"arm": ["x", "x", "y"], "grok_step": [100.0, 400.0, 7.0]})
    means = step_model.siblings_mean(runs)
    assert means.tolist()[:2] == [pytest.approx(400), pytest.approx(100)]
    assert math.isnan(means[2])


def trained(arm, block, accuracies, **changes):
    history = curve(accuracies)
    energy_j = 10.0 * len(accuracies)
    return records.run(
        experiment="grokking",
        arm=arm,
        block=block,
        parameters=load_design("grokking").runs("standard")[arm],
        steps=[
            Step(index=e.step, time_s=place + 1.0, energy_j=10.0 * (place + 1))
            for place, e in enumerate(history)
        ],
        metrics={
            "parameters": 1,
            "flops_per_step": 2e6,
            "bytes_moved_per_step": 1e6,
            "steps": history[-1].step,
            "evaluations": [[e.step, e.train_loss, e.train_accuracy, e.loss, e.accuracy] for e in history],
            "signals": [[e.step, 1.0, 10.0 - 0.01 * place, 0.5] for place, e in enumerate(history)],
        },
        **changes,
    ), energy_j


def test_waste_is_the_energy_after_grokking():
    run, _ = trained("add_mlp", 0, [0.2] * 5 + [0.96] * 5 + [1.0] * 10)
    course = outcomes.describe_course(run)
    assert course["grok_step"] == 300
    assert course["waste_j"] == pytest.approx(140)
    assert course["waste"] == pytest.approx(0.7)
    assert course["waste99"] == pytest.approx(0.45)
    assert course["memorising_j"] + course["waiting_j"] + course["waste_j"] == pytest.approx(200)


def test_a_campaign_where_nothing_grokked_still_has_its_tables():
    runs = [trained(arm, block, [0.2] * 20)[0] for arm in ("add_mlp", "add_transformer") for block in (0, 1)]
    made = tables.tabulate(Records.from_sequence(runs), load_design("grokking"))
    assert made["runs"]["grok_step"].isna().all()
    assert made["rules"].empty
    report.values(made)
    report.display(made)


def test_rules_are_compared_on_the_same_trainings():
    runs = [
        trained(arm, block, [0.3] * (8 + block) + [1.0] * (12 - block))[0]
        for arm in ("add_mlp", "subtract_mlp")
        for block in (0, 1)
    ]
    made = tables.tabulate(Records.from_sequence(runs), load_design("grokking"))
    means = made["statistics"].set_index("statistic")["estimate"]
    assert means["rule_saved.fixed"] == 0
    assert means["rule_lost_points.patience"] == pytest.approx(70)
    assert means["rule_lost_points.plateau"] == 0
    assert 0 < means["rule_saved.plateau"] < means["rule_saved.oracle"]
    assert 0 < means["frontier.plateau_over_oracle"] < 1
    assert 0 < means["frontier.plateau_over_every_safe_rule"] < means["rule_saved.plateau"]
    assert means["rule_too_early.patience"] == 1


def frontier_rows(saved):
    return pd.DataFrame(
        [
            {
                "arm": "a",
                "block": block,
                "rule": rule,
                "setting": setting,
                "lost_points": lost,
                "saved": share,
            }
            for block in range(3)
            for (rule, setting), (share, lost) in saved.items()
        ]
    )


def test_the_plateau_is_compared_with_the_best_of_all_safe_rules():
    saved = {
        frontier.OURS: (0.5, 0.0),
        ("oracle", np.nan): (0.6, 0.0),
        ("patience", 100.0): (0.9, 50.0),
        ("patience", 3000.0): (-0.1, 0.0),
        ("patience_accuracy", 400.0): (0.4, 0.1),
        ("patience_accuracy", 800.0): (0.3, 0.0),
    }
    rows = {row["statistic"]: row for row in frontier.frontier_statistics(frontier_rows(saved))}
    least = rows["frontier.plateau_over_every_safe_rule"]
    assert least["estimate"] == pytest.approx(0.1)
    assert least["base"] == "patience_accuracy of 400"


def test_a_patience_that_costs_more_than_no_rule_is_no_rival():
    saved = {
        frontier.OURS: (0.5, 0.0),
        ("oracle", np.nan): (0.6, 0.0),
        ("patience", 100.0): (0.9, 50.0),
        ("patience", 3000.0): (-0.1, 0.0),
    }
    rows = {row["statistic"]: row for row in frontier.frontier_statistics(frontier_rows(saved))}
    least = rows["frontier.plateau_over_every_safe_rule"]
    assert (least["estimate"], least["base"]) == (pytest.approx(0.5), "no rule")


def test_fleets_scale():
    table = fleet(3600.0, carbon.grid("WOR"), 1.0, 0.1)
    assert table["waste_per_run_wh"].tolist() == [1.0] * 4
    assert table["energy_kwh"].tolist() == [1.0, 10.0, 100.0, 1000.0]
    assert table["price_usd"].iloc[-1] == pytest.approx(100)


def random_histories(count=60):
    """Runs whose losses and accuracies rise and fall at random."""
    random = np.random.default_rng(0)
    for _ in range(count):
        length = int(random.integers(3, 60))
        accuracies = np.clip(np.cumsum(random.normal(0.03, 0.1, length)), 0, 1)
        losses = np.abs(np.cumsum(random.normal(-0.02, 0.2, length))) + 0.1
        yield [
            Evaluation(50 * (place + 1), 0.1, 1.0, float(loss), float(accuracy))
            for place, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True))
        ]


def course_of(history, watching_j=0.0):
    steps = np.ones(len(history))
    return replay.course(history, np.cumsum(steps), np.cumsum(watching_j * steps))


def test_settings_are_swept_with_the_rules_that_stop_trainings():
    for history in random_histories():
        of = course_of(history)
        for rule in replay.PATIENCES:
            assert history[replay.patience_place(of, 200, rule)].step == stop_step(history, RULES[rule])
        assert history[replay.plateau_place(of, 100)].step == stop_step(history, RULES["plateau"])


def test_no_rule_that_is_safe_on_a_training_beats_the_oracle():
    for history in random_histories():
        of = course_of(history)
        oracle = replay.oracle_place(of)
        assert of.lost_points[oracle] <= replay.SAFE_POINTS
        places = [
            *(
                replay.patience_place(of, steps, rule)
                for rule in replay.PATIENCES
                for steps in frontier.PATIENCE_STEPS
            ),
            *(replay.plateau_place(of, steps) for steps in frontier.PLATEAU_STEPS),
            *range(len(history)),
        ]
        for place in places:
            assert of.saved(place) <= of.saved(oracle, 0) or of.lost_points[place] > replay.SAFE_POINTS


def test_watching_is_charged_to_the_rule_that_needs_it():
    history = curve([0.2] * 5 + [1.0] * 5)
    of = course_of(history, watching_j=0.2)
    assert of.monitoring == pytest.approx(0.2 / 0.8)
    # Stopped half-way: without watching half is left, with it a quarter of what was used more.
    assert of.saved(4, watched_steps=0) == pytest.approx(0.5)
    assert of.saved(4) == pytest.approx(0.5 - 0.5 * 0.25)
    assert of.saved(4, watched_steps=history[1].step) == pytest.approx(0.5 - 2 * 0.2 / 8)
    assert of.saved(9) == pytest.approx(-0.25)
    assert replay.watched_steps("oracle") == replay.watched_steps("fixed") == 0


def test_a_record_that_does_not_tell_evaluations_apart_has_them_for_nothing():
    run, _ = trained("add_mlp", 0, [0.2] * 5 + [1.0] * 15)
    assert replay.course_of(run).monitoring == 0
    assert frontier.monitoring_statistics({("add_mlp", 0): run}, {}) == []
    phases = [Phase(name="evaluation", start_s=k, end_s=k + 0.1, energy_j=2.0) for k in range(20)]
    told = run.model_copy(update={"phases": phases})
    course = replay.course_of(told)
    assert course.monitoring == pytest.approx(40 / 160)
    (row,) = frontier.monitoring_statistics({("add_mlp", 0): told}, {("add_mlp", 0): course})
    assert row["estimate"] == pytest.approx(0.25)


def test_waste_is_a_choice_of_schedule():
    run, _ = trained("add_mlp", 0, [0.2] * 5 + [1.0] * 15)
    fixed = pd.DataFrame([{"arm": "add_mlp", "block": 0, "grok_step": 300.0, "steps": 1000}])
    table = frontier.schedules(fixed, {("add_mlp", 0): run}).set_index("schedule")
    # A step takes the same energy throughout.
    for length in (500, 1000, 2000, 20000):
        assert table.loc[length, "waste"] == pytest.approx(1 - 300 / length)
    assert table.loc[1000, "extrapolated"] == 0
    assert table.loc[2000, "extrapolated"] == 1
    assert frontier.length_for(table.reset_index(), 0.7) == pytest.approx(1000)
    assert math.isnan(frontier.length_for(table.reset_index(), 0.01))


def test_a_step_after_grokking_is_set_against_one_before():
    run, _ = trained("add_mlp", 0, [0.2] * 5 + [1.0] * 15)
    fixed = pd.DataFrame([{"arm": "add_mlp", "block": 0, "grok_step": 300.0, "steps": 1000}])
    rows = {row["statistic"]: row for row in frontier.step_statistics(fixed, {("add_mlp", 0): run})}
    assert rows["step_energy.after_over_before"]["estimate"] == pytest.approx(1.0)
    assert rows["grok_step.median"]["estimate"] == 300
