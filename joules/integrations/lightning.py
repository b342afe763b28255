"""Callback of PyTorch Lightning: `Trainer(callbacks=[EnergyCallback()])`."""

from __future__ import annotations

from typing import Any

from joules.instrument.meter import Meter
from joules.integrations.training_energy import TrainingEnergy

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ModuleNotFoundError:
    from pytorch_lightning import Callback, LightningModule, Trainer


class EnergyCallback(Callback):
    """Logs energy by epoch, by step and by evaluation to the loggers of the trainer.

    Metrics are `energy/epoch_j`, `energy/step_j` and `energy/evaluation_j`, in joules, and the same with
    `_s`, in seconds. Modelled energy is `energy/epoch_modelled_j` and so on. Evaluations are not in the
    epoch.

    Args:
        meter: A meter; None for a new one.
        every_steps: Steps that are measured together.

    Raises:
        UserError: At the begin of the training, if no energy can be read.
    """

    def __init__(self, meter: Meter | None = None, every_steps: int = 50) -> None:
        self._meter = meter
        self._every_steps = every_steps
        self._energy: TrainingEnergy | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._energy = TrainingEnergy(self._meter, self._every_steps)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._energy:
            self._energy.begin("training")

    def on_train_batch_end(self, trainer: Trainer, *_given: Any, **_named: Any) -> None:
        if self._energy:
            self._log(trainer, self._energy.count_step())

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._energy:
            self._energy.begin("evaluation")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._energy:
            self._log(trainer, self._energy.end_evaluation())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._energy:
            self._log(trainer, self._energy.end_epoch())

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._energy:
            self._energy.close()
            self._energy = None

    def _log(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        for logger in trainer.loggers if metrics else ():
            logger.log_metrics(metrics, step=trainer.global_step)
