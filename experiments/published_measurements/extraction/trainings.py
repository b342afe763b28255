"""Energy by a GPU's counter along trainings of image classifiers, and when their accuracy was final.

From the epochs published by GAISSA-UPC with a study of early stopping: `data/processed/all_data.csv`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.published_measurements.extraction.git import Clone
from joules.errors import UserError

TABLE = "data/processed/all_data.csv"
# Validation accuracy has come within so many points of the mean of the last epochs, or above it.
POINTS, LAST_EPOCHS = (0.5, 1.0, 2.0), 3
PATIENCE_EPOCHS = (3, 5, 10)
COLUMNS = (
    "dataset",
    "mode",
    "intervention",
    "epochs",
    "duration_s",
    "counter_j",
    "sampled_j",
    "final_accuracy",
    "best_accuracy",
    *(f"share_after_{when}_within_{points:g}" for points in POINTS for when in ("first", "staying")),
    *(f"patience_{epochs}_{what}" for epochs in PATIENCE_EPOCHS for what in ("saves", "loses_points")),
    "path",
)
_J_PER_KWH = 3.6e6

Floats = NDArray[np.float64]


def extract(clone: Clone) -> Iterator[dict[str, Any]]:
    """A row a training, in order of data set, mode and intervention.

    Rows have `COLUMNS`: energies of the GPU in J (its counter, and samples of nvidia-smi), times in s,
    accuracies and shares from 0 to 1, losses in points of accuracy.

    Raises:
        UserError: the clone lacks the table.
    """
    text = clone.read(TABLE)
    if text is None:
        raise UserError(f"the clone has no {TABLE}: is it GAISSA-UPC/energydl-full?")
    epochs = pd.read_csv(io.StringIO(text))
    for (dataset, mode, intervention), training in epochs.groupby(["dataset", "mode", "intervention"]):
        named = {"dataset": dataset, "mode": mode, "intervention": int(intervention)}
        yield named | _row(training.sort_values("epoch")) | {"path": TABLE}


def _row(epochs: pd.DataFrame) -> dict[str, Any]:
    counter_j, sampled_j = (epochs[name].to_numpy() * _J_PER_KWH for name in ("gpu_energy", "energy_nvidia"))
    accuracy, loss = (epochs[name].to_numpy() for name in ("val_accuracy", "val_loss"))
    final = float(accuracy[-LAST_EPOCHS:].mean())
    return {
        "epochs": len(epochs),
        "duration_s": float(epochs["duration"].sum()),
        "counter_j": float(counter_j.sum()),
        "sampled_j": float(sampled_j.sum()),
        "final_accuracy": final,
        "best_accuracy": float(accuracy.max()),
        **_shares(counter_j, accuracy, final),
        **_patience(counter_j, accuracy, loss, final),
    }


def _shares(energy_j: Floats, accuracy: Floats, final: float) -> dict[str, float]:
    """Shares of energy spent after the accuracy had come within so many points, for the first time and for
    good."""
    found = {}
    for points in POINTS:
        is_near = accuracy >= final - points / 100
        first = int(np.argmax(is_near)) if is_near.any() else len(accuracy) - 1
        apart = np.flatnonzero(~is_near)
        staying = min(int(apart[-1]) + 1, len(accuracy) - 1) if len(apart) else 0
        for when, epoch in (("first", first), ("staying", staying)):
            found[f"share_after_{when}_within_{points:g}"] = float(
                energy_j[epoch + 1 :].sum() / energy_j.sum()
            )
    return found


def _patience(energy_j: Floats, accuracy: Floats, loss: Floats, final: float) -> dict[str, float | None]:
    """What stopping saves and loses once the validation loss has not fallen for so many epochs; the accuracy
    is that of the epoch at which it stops. Nothing is known of a training whose loss was infinite."""
    if not np.isfinite(loss).all():
        kinds = ("saves", "loses_points")
        return {f"patience_{epochs}_{kind}": None for epochs in PATIENCE_EPOCHS for kind in kinds}
    found: dict[str, float | None] = {}
    for patience in PATIENCE_EPOCHS:
        stop = best = 0
        for stop in range(len(loss)):
            if loss[stop] < loss[best]:
                best = stop
            if stop - best >= patience:
                break
        found[f"patience_{patience}_saves"] = float(1 - energy_j[: stop + 1].sum() / energy_j.sum())
        found[f"patience_{patience}_loses_points"] = float(100 * (final - accuracy[stop]))
    return found
