"""Callbacks on small trainings by the real packages (envs/trainers.lock)."""

import csv

import pytest
import torch

from joules import Meter, Total
from joules.integrations.training_energy import TrainingEnergy, make_metrics
from tests.joules.instrument.test_benchmark import measurement
from tests.joules.instrument.test_meter import POWER_W, constant

ROWS, BATCH, EPOCHS, EVERY = 64, 16, 2, 2


def check_parts(logged, meter):
    """Every window is in a metric of its part, and none in two."""
    trained_j, evaluated_j = (
        sum(each.energy_j for each in meter.windows if each.name == part)
        for part in ("training", "evaluation")
    )
    assert len(logged["energy/epoch_j"]) == EPOCHS
    assert sum(logged["energy/evaluation_j"]) == pytest.approx(evaluated_j)
    assert sum(logged["energy/epoch_j"]) <= trained_j * (1 + 1e-9)
    assert sum(logged["energy/step_j"]) * EVERY <= sum(logged["energy/epoch_j"]) * (1 + 1e-9)
    for part in ("epoch", "step", "evaluation"):
        assert logged[f"energy/{part}_j"] == pytest.approx([POWER_W * s for s in logged[f"energy/{part}_s"]])


class CountingMeter:
    """Its windows have 1, 2, 4, ... joules."""

    def __init__(self, provenance):
        self.ended = 0
        self.provenance = provenance

    def begin_window(self, name):
        return name

    def end_window(self, name):
        self.ended += 1
        total = Total(
            energy_j=2.0 ** (self.ended - 1), uncertainty_j=0.0, provenance=self.provenance, floored=False
        )
        return measurement(name=name, total=total)


def test_an_evaluation_between_steps_is_in_neither_their_metrics_nor_the_epochs():
    energy = TrainingEnergy(CountingMeter("counter"), every_steps=3)
    energy.begin("training")
    assert energy.count_step() == {}
    energy.begin("evaluation")
    assert energy.end_evaluation() == {"energy/evaluation_j": 2, "energy/evaluation_s": 2}
    assert energy.count_step() == {}
    assert energy.count_step() == {"energy/step_j": (1 + 4) / 3, "energy/step_s": pytest.approx(4 / 3)}
    assert energy.end_epoch() == {"energy/epoch_j": 1 + 4 + 8, "energy/epoch_s": 6}
    assert energy.end() is None


def test_modelled_energy_is_named_so_and_missing_energy_is_not_logged():
    energy = TrainingEnergy(CountingMeter("modelled"), every_steps=1)
    energy.begin("training")
    assert energy.end_epoch()["energy/epoch_modelled_j"] == 1
    assert make_metrics("epoch", [measurement(), measurement(total=None)]) == {}


def test_lightning_logs_energy_by_epoch_step_and_evaluation(tmp_path):
    lightning = pytest.importorskip("pytorch_lightning", reason="install envs/trainers.lock")
    from pytorch_lightning.loggers import CSVLogger

    from joules.integrations.lightning import EnergyCallback

    class Line(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch, _index):
            return (self.layer(batch[0]) - batch[1]).square().mean()

        validation_step = training_step

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.01)

    data = torch.utils.data.TensorDataset(torch.randn(ROWS, 4), torch.randn(ROWS, 1))
    batches = torch.utils.data.DataLoader(data, BATCH)
    logger = CSVLogger(tmp_path)
    with Meter(sources=[constant()]) as meter:
        trainer = lightning.Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            logger=logger,
            callbacks=[EnergyCallback(meter, every_steps=EVERY)],
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            log_every_n_steps=1,
            num_sanity_val_steps=1,
        )
        trainer.fit(Line(), batches, batches)
        logged = {}
        with open(f"{logger.log_dir}/metrics.csv", newline="") as file:  # noqa: PTH123
            for row in csv.DictReader(file):
                for name, value in row.items():
                    if name.startswith("energy/") and value:
                        logged.setdefault(name, []).append(float(value))
        check_parts(logged, meter)
        assert len(logged["energy/step_j"]) == EPOCHS * ROWS // BATCH // EVERY
        assert len(logged["energy/evaluation_j"]) == EPOCHS


@pytest.mark.parametrize(
    ("strategy", "steps", "evaluations"), [("epoch", 1, EPOCHS), ("steps", 3, 3), ("steps", 1, 8)]
)
def test_transformers_log_energy_by_epoch_step_and_evaluation(tmp_path, strategy, steps, evaluations):
    transformers = pytest.importorskip("transformers", reason="install envs/trainers.lock")
    pytest.importorskip("accelerate", reason="install envs/trainers.lock")

    from joules.integrations.transformers import EnergyCallback

    class Line(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x, labels):
            return {"loss": (self.layer(x) - labels).square().mean()}

    data = [{"x": torch.randn(4), "labels": torch.randn(1)} for _ in range(ROWS)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        eval_strategy=strategy,
        eval_steps=steps,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(model=Line(), args=arguments, train_dataset=data, eval_dataset=data)
    with Meter(sources=[constant()]) as meter:
        trainer.add_callback(EnergyCallback(trainer, meter, every_steps=EVERY))
        trainer.train()
        logged = {}
        for entry in trainer.state.log_history:
            for name, value in entry.items():
                if name.startswith("energy/"):
                    logged.setdefault(name, []).append(value)
        check_parts(logged, meter)
        assert len(logged["energy/evaluation_j"]) == evaluations
