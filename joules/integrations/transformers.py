"""Callback of Hugging Face's `Trainer`: `trainer.add_callback(EnergyCallback(trainer))`."""

from __future__ import annotations

from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl

from joules.instrument.meter import Meter
from joules.integrations.training_energy import TrainingEnergy


class EnergyCallback(TrainerCallback):
    """Logs energy by epoch, by step and by evaluation with `trainer.log`.

    Metrics are `energy/epoch_j`, `energy/step_j` and `energy/evaluation_j`, in joules, and the same with
    `_s`, in seconds. Modelled energy is `energy/epoch_modelled_j` and so on. Evaluations are not in the
    epoch; those outside of a training are not measured.

    Args:
        trainer: The trainer that the callback is added to.
        meter: A meter; None for a new one.
        every_steps: Steps that are measured together.

    Raises:
        UserError: At the begin of the training, if no energy can be read.
    """

    def __init__(self, trainer: Trainer, meter: Meter | None = None, every_steps: int = 50) -> None:
        self._trainer = trainer
        self._meter = meter
        self._every_steps = every_steps
        self._energy: TrainingEnergy | None = None

    def on_train_begin(self, *_given: Any, **_named: Any) -> None:
        self._energy = TrainingEnergy(self._meter, self._every_steps)
        self._energy.begin("training")

    def on_step_end(self, _arguments: Any, _state: Any, control: TrainerControl, **_named: Any) -> None:
        if self._energy:
            self._log(self._energy.count_step())
            if control.should_evaluate:
                self._energy.begin("evaluation")

    def on_evaluate(self, *_given: Any, **_named: Any) -> None:
        if self._energy:
            self._log(self._energy.end_evaluation())

    def on_epoch_end(self, _arguments: Any, _state: Any, control: TrainerControl, **_named: Any) -> None:
        if self._energy:
            self._log(self._energy.end_epoch())
            self._energy.begin("evaluation" if control.should_evaluate else "training")

    def on_train_end(self, *_given: Any, **_named: Any) -> None:
        if self._energy:
            self._energy.close()
            self._energy = None

    def _log(self, metrics: dict[str, float]) -> None:
        if metrics:
            self._trainer.log(metrics)
