"""Live page of a training run: what the child process reports and what the page shows."""

from __future__ import annotations

import functools
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, cast

import torch
from pydantic import Field, model_validator

from experiments.grokking import rules, workload
from experiments.grokking.parameters import Architecture, Parameters, Task
from experiments.grokking.rules import GROKKED, Evaluation
from joules.errors import UserError
from joules.live.contracts import READ, Energies, Recorded
from joules.live.session import LiveSession
from joules.models import Closed
from joules.study.campaign import Campaign, campaigns
from joules.study.files import read_content

RULES = {"plateau": "high plateau", "predictor": "predicted step"}

# The same values as the arms of the design.
_MODULUS, _DECAY, _EVALUATE_EVERY = 59, 1.0, 10
_WIDTHS: dict[Architecture, int] = {"transformer": 64, "mlp": 128}
_EXPERIMENT = "grokking"
# Half width of a 95 % interval in standard deviations.
_REACH = 1.96

Number = Annotated[int, Field(ge=0, lt=_MODULUS)]


class Choices(Closed):
    """The user's choices for a run."""

    task: Task = "add"
    architecture: Architecture = "transformer"
    learning_rate: Annotated[float, Field(ge=1e-4, le=1e-2)] = 3e-3
    train_fraction: Annotated[float, Field(ge=0.2, le=0.8)] = 0.5
    steps: Annotated[int, Field(ge=200, le=6000)] = 3000
    seed: Annotated[int, Field(ge=0, le=10_000)] = 0


class Question(Closed):
    """A pair of numbers for the network to classify; without numbers, a random held-out pair."""

    a: Number | None = None
    b: Number | None = None

    @model_validator(mode="after")
    def _is_pair(self) -> Question:
        if (self.a is None) != (self.b is None):
            raise ValueError("give both numbers, or neither")
        return self


def make_parameters(choices: Choices) -> dict[str, Any]:
    """Convert a user's choices to parameters of the workload."""
    given = Parameters(
        **choices.model_dump(exclude={"seed"}),
        modulus=_MODULUS,
        width=_WIDTHS[choices.architecture],
        weight_decay=_DECAY,
        evaluate_every=_EVALUATE_EVERY,
    )
    return given.model_dump()


# --- in the child ------------------------------------------------------------------------------------------

build = workload.build


def run(prepared: workload.Prepared, session: LiveSession) -> dict[str, Any]:
    """Run the workload's training and report every evaluation.

    The rule 'fixed' is called after each evaluation and never stops. Here it also reports the evaluation and
    pauses the run when requested.
    """
    from experiments.grokking.step_model import WINDOW_STEPS

    answer = _Examiner(prepared)

    def report(history: Sequence[Evaluation]) -> bool:
        latest = history[-1]
        session.report_point(
            lambda: asdict(latest) | _signals(prepared, is_judged=latest.step == WINDOW_STEPS)
        )
        session.pause_if_due(latest.step / prepared.parameters.steps, answer)
        return False

    rules.RULES["fixed"] = report
    return workload.run(prepared, session)


@torch.inference_mode()
def _signals(prepared: workload.Prepared, *, is_judged: bool) -> dict[str, float | None]:
    """Norms of weights and gradients; with `is_judged`, also the share of inactive units."""
    weights = list(prepared.network.parameters())
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    active = prepared.network(prepared.train.pairs)[1] if is_judged else None
    return {
        "gradient_norm": float(torch.nn.utils.get_total_norm(gradients)),
        "weight_norm": float(torch.nn.utils.get_total_norm(weights)),
        "sparsity": None if active is None else float((active == 0).float().mean()),
    }


class _Examiner:
    """Answers questions with the current network."""

    def __init__(self, prepared: workload.Prepared) -> None:
        self._prepared = prepared
        self._drawn = random.Random(0)
        self._held_out = [tuple(pair) for pair in prepared.held_out.pairs.tolist()]
        self._results = {
            tuple(pair): result
            for examples in (prepared.train, prepared.held_out)
            for pair, result in zip(examples.pairs.tolist(), examples.results.tolist(), strict=True)
        }

    @torch.inference_mode()
    def __call__(self, question: Mapping[str, int | None]) -> dict[str, Any]:
        pair = (question["a"], question["b"])
        if None in pair:
            pair = self._drawn.choice(self._held_out)
        logits, _ = self._prepared.network(torch.tensor([pair], device=self._prepared.device))
        shares = torch.softmax(logits[0].double(), dim=0).tolist()
        return {
            "a": pair[0],
            "b": pair[1],
            "right": self._results.get(pair),
            "is_held_out": pair in set(self._held_out),
            "answer": max(range(len(shares)), key=shares.__getitem__),
            "shares": [round(share, 6) for share in shares],
        }


# --- in the server ------------------------------------------------------------------------------------------


class Watching:
    """Tracks where rules would have stopped, when the network grokked, and the energy since then."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        from experiments.grokking.step_model import WINDOW_STEPS

        self._given = Parameters.model_validate(given)
        self._window_steps = WINDOW_STEPS
        self._history: list[Evaluation] = []
        self._signals: list[tuple[float, ...]] = []
        self._stops: dict[str, tuple[int, Energies]] = {}
        self._predicted: tuple[float, float, float] | None = None
        self._grok_step: int | None = None

    def observe(self, point: Mapping[str, Any], energies_j: Energies) -> dict[str, Any]:
        """Update with an evaluation.

        Returns:
            Where each rule stops and the energy since then, under each power model; the predicted step with
            its interval; and the first step at which the network has grokked.
        """
        latest = Evaluation(**{name: point[name] for name in Evaluation.__dataclass_fields__})
        self._history.append(latest)
        if latest.step <= self._window_steps:
            signals = (point["gradient_norm"], point["weight_norm"], point["sparsity"])
            self._signals.append((latest.step, *signals))
        if self._grok_step is None and latest.accuracy >= GROKKED:
            self._grok_step = latest.step
        if self._predicted is None and latest.step == self._window_steps:
            self._predicted = predict_step(self._given, self._history, self._signals)
        if rules.plateau(self._history):
            self._stops.setdefault("plateau", (latest.step, energies_j))
        if self._predicted is not None and latest.step >= _safety() * self._predicted[0]:
            self._stops.setdefault("predictor", (latest.step, energies_j))
        return {
            "grok_step": self._grok_step,
            "predicted_step": self._predicted,
            "prediction_outcome": self._judge_prediction(latest.step),
            "stops": {name: _since(step, at_j, energies_j) for name, (step, at_j) in self._stops.items()},
        }

    def _judge_prediction(self, step: int) -> str | None:
        """What became of the prediction; None while it is open. An interval that holds every step of the
        schedule would be right whatever happens."""
        if self._predicted is None:
            return None
        _, low, high = self._predicted
        if high - low >= self._given.steps:
            return "interval wider than the schedule"
        if self._grok_step is None:
            return "missed" if step > high else None
        return "hit" if low <= self._grok_step <= high else "missed"


def _since(step: int, at_j: Energies, now_j: Energies) -> dict[str, float]:
    wasted_j = {name: now_j[name] - energy_j for name, energy_j in at_j.items() if name in now_j}
    return {
        "step": step,
        "energy_j": at_j[READ],
        "wasted_j": wasted_j[READ],
        "wasted_low_j": min(wasted_j.values()),
        "wasted_high_j": max(wasted_j.values()),
    }


def start_watch(given: Mapping[str, Any]) -> Watching:
    """Start tracking a run with these parameters."""
    return Watching(given)


def _safety() -> float:
    from experiments.grokking.stopping import SAFETY

    return SAFETY


def predict_step(
    given: Parameters, history: Sequence[Evaluation], signals: Sequence[Sequence[float]]
) -> tuple[float, float, float] | None:
    """Predicts the step at which the network has grokked.

    Uses the coefficients of the newest released campaign that has them for this architecture. The interval
    follows from the errors on tasks that the model had not seen, assumed normal in the logarithm of the step.

    Returns:
        The step and the ends of its 95 % interval; None if no campaign has coefficients.
    """
    from experiments.grokking.step_model import features

    found = features(history, signals, given.learning_rate, given.weight_decay, given.train_fraction)
    for campaign in _released():
        tables = _tables(campaign)
        own = tables["coefficients"].query("architecture == @given.architecture").set_index("feature")
        judged = (
            tables["predictions"].query("architecture == @given.architecture").dropna(subset=["unseen_task"])
        )
        if len(own) and len(judged):
            log_step = own.loc["intercept", "coefficient"] + sum(
                own.loc[name, "coefficient"] * (value - own.loc[name, "mean"]) / own.loc[name, "scale"]
                for name, value in found.items()
            )
            errors = [
                math.log(row.grok_step / row.unseen_task)
                for row in judged.itertuples()
                if row.unseen_task > 0
            ]
            spread = math.sqrt(sum(error**2 for error in errors) / len(errors))
            low, middle, high = (math.exp(log_step + reach * spread) for reach in (-_REACH, 0.0, _REACH))
            return middle, low, high
    return None


def _tables(campaign: Campaign) -> Mapping[str, Any]:
    from joules.analysis.tables import read_tables

    return read_tables(campaign, _EXPERIMENT)


def _released() -> list[Campaign]:
    """Released campaigns that have runs of this experiment, newest first."""
    import pandas as pd

    found = [each for each in campaigns() if each.manifest.exists() and each.tables(_EXPERIMENT).is_dir()]
    measured = {
        each.name: str(pd.read_csv(each.tables("campaign") / "machine.csv").iloc[0]["last_measured_at"])
        for each in found
    }
    return sorted(found, key=lambda each: measured[each.name], reverse=True)


def _replayable() -> list[Campaign]:
    """For each kind of machine the released campaign that can be shown best: a whole one, or the newest."""
    from joules.study.manifest import read_manifest

    best: dict[str, tuple[tuple[bool, str], Campaign]] = {}
    for campaign in campaigns():
        if campaign.is_local or not (campaign.manifest.exists() and (campaign.runs / _EXPERIMENT).is_dir()):
            continue
        origin = read_manifest(campaign).origin
        rank = (campaign.tables(_EXPERIMENT).is_dir(), origin.last_measured_at)
        if origin.words not in best or rank > best[origin.words][0]:
            best[origin.words] = (rank, campaign)
    return [campaign for _, campaign in sorted(best.values(), key=lambda each: each[0], reverse=True)]


@functools.cache
def list_replays() -> list[str]:
    """Runs of the full schedule in a released campaign of each kind of machine, as
    '<campaign>: <arm>, block <n>'."""
    return [
        f"{campaign.name}: {entry['arm']}, block {entry['block']}"
        for campaign in _replayable()
        for path in sorted((campaign.runs / _EXPERIMENT).iterdir())
        for entry in map(json.loads, read_content(path).splitlines())
        if entry["kind"] == "run"
        and entry["failure"] is None
        and entry["parameters"].get("rule", "fixed") == "fixed"
    ]


def load_replay(name: str) -> Recorded:
    """A recorded run, with its energies under each power model.

    Raises:
        UserError: If there is none of this name.
    """
    from experiments.grokking.outcomes import evaluations_of
    from joules.analysis import records, sensitivity
    from joules.analysis.records import Records
    from joules.bench.record import Run

    if name not in list_replays():
        raise UserError(f"unknown recorded run '{name}': choose one of the list")
    campaign, _, rest = name.partition(": ")
    arm, _, block = rest.partition(", block ")
    loaded = records.load_records([Campaign(campaign).block_file(_EXPERIMENT, int(block))])
    found = next(entry for entry in loaded if isinstance(entry, Run) and entry.arm == arm)
    alone = Records.from_sequence([found])
    by_model = {READ: found} | {
        model: cast(Run, next(iter(records.recompute_under(alone, model))))
        for model in sensitivity.select_models(records.alternative_models([alone]), [alone])
    }
    points = [
        (
            {**asdict(evaluation), "gradient_norm": gradient, "weight_norm": weight, "sparsity": sparsity},
            found.steps[place].time_s,
            {model: run_.steps[place].energy_j or 0.0 for model, run_ in by_model.items()},
        )
        for place, (evaluation, (_, gradient, weight, sparsity)) in enumerate(
            zip(evaluations_of(found), found.metrics["signals"], strict=True)
        )
    ]
    provenance = {
        reading.domain: reading.provenance for reading in found.readings if reading.scope == "machine"
    }
    return Recorded(dict(found.parameters), found.seed, provenance, points)
