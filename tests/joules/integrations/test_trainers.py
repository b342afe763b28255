"""Callbacks on small trainings by the real packages (envs/trainers.lock)."""

import ast
import csv
import functools
import re

import pytest
import torch

from joules import Meter, Total
from joules.integrations.training_energy import TrainingEnergy, make_metrics
from tests import ROOT
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


def fit_by_lightning(make_trainer, folder):
    """Trains a line on the processor; returns the logged values of energy by name.

    `make_trainer` takes the arguments of Lightning's Trainer.
    """
    import pytorch_lightning as lightning
    from pytorch_lightning.loggers import CSVLogger

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
    logger = CSVLogger(folder)
    trainer = make_trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=logger,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
        num_sanity_val_steps=1,
    )
    trainer.fit(Line(), batches, batches)
    with open(f"{logger.log_dir}/metrics.csv", newline="") as file:  # noqa: PTH123
        return by_name({name: value for name, value in row.items() if value} for row in csv.DictReader(file))


def make_transformers_trainer(folder, **arguments):
    """A trainer of a line on the processor, with some arguments of TrainingArguments."""
    import transformers

    class Line(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x, labels):
            return {"loss": (self.layer(x) - labels).square().mean()}

    data = [{"x": torch.randn(4), "labels": torch.randn(1)} for _ in range(ROWS)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        **arguments,
    )
    return transformers.Trainer(model=Line(), args=arguments, train_dataset=data, eval_dataset=data)


def by_name(entries):
    """Values of energy by their names, from what was logged together."""
    logged = {}
    for entry in entries:
        for name, value in entry.items():
            if name.startswith("energy/"):
                logged.setdefault(name, []).append(float(value))
    return logged


def test_lightning_logs_energy_by_epoch_step_and_evaluation(tmp_path):
    lightning = pytest.importorskip("pytorch_lightning", reason="install envs/trainers.lock")

    from joules.integrations.lightning import EnergyCallback

    with Meter(sources=[constant()]) as meter:
        callbacks = [EnergyCallback(meter, every_steps=EVERY)]
        logged = fit_by_lightning(functools.partial(lightning.Trainer, callbacks=callbacks), tmp_path)
        check_parts(logged, meter)
        assert len(logged["energy/step_j"]) == EPOCHS * ROWS // BATCH // EVERY
        assert len(logged["energy/evaluation_j"]) == EPOCHS


@pytest.mark.parametrize(
    ("strategy", "steps", "evaluations"), [("epoch", 1, EPOCHS), ("steps", 3, 3), ("steps", 1, 8)]
)
def test_transformers_log_energy_by_epoch_step_and_evaluation(tmp_path, strategy, steps, evaluations):
    pytest.importorskip("transformers", reason="install envs/trainers.lock")
    pytest.importorskip("accelerate", reason="install envs/trainers.lock")

    from joules.integrations.transformers import EnergyCallback

    trainer = make_transformers_trainer(tmp_path, eval_strategy=strategy, eval_steps=steps)
    with Meter(sources=[constant()]) as meter:
        trainer.add_callback(EnergyCallback(trainer, meter, every_steps=EVERY))
        trainer.train()
        logged = by_name(trainer.state.log_history)
        check_parts(logged, meter)
        assert len(logged["energy/evaluation_j"]) == evaluations


PAGE = (ROOT / "docs" / "how-to" / "trainers.md").read_text(encoding="utf-8")
(LIGHTNING, TRANSFORMERS) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def known_power(monkeypatch):
    """Meters that nothing is said of read a processor with a known power."""
    monkeypatch.setattr("joules.integrations.training_energy.Meter", lambda: Meter(sources=[constant()]))


@pytest.mark.usefixtures("known_power")
def test_lightning_logs_energy_with_the_lines_of_the_page(tmp_path):
    lightning = pytest.importorskip("pytorch_lightning", reason="install envs/trainers.lock")

    def make_trainer(**arguments):
        names = {"Trainer": functools.partial(lightning.Trainer, **arguments)}
        exec(LIGHTNING, names)
        return names["trainer"]

    logged = fit_by_lightning(make_trainer, tmp_path)
    assert len(logged["energy/epoch_j"]) == EPOCHS


@pytest.mark.usefixtures("known_power")
def test_transformers_log_what_the_page_shows_with_its_lines(tmp_path):
    pytest.importorskip("transformers", reason="install envs/trainers.lock")
    pytest.importorskip("accelerate", reason="install envs/trainers.lock")
    names = {"Trainer": lambda _rest: make_transformers_trainer(tmp_path, eval_strategy="epoch")}
    exec(
        TRANSFORMERS.replace("EnergyCallback(trainer)", f"EnergyCallback(trainer, every_steps={EVERY})"),
        names,
    )
    names["trainer"].train()
    logged = [
        entry.keys() - {"step"} for entry in names["trainer"].state.log_history if "energy/" in str(entry)
    ]
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    lines = [ast.literal_eval(line).keys() for line in shown.splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert line in logged
