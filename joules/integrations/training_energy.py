"""Energy of a training by epoch and by step, with its evaluations apart."""

from __future__ import annotations

from joules.instrument.measurement import Measurement
from joules.instrument.meter import Meter
from joules.instrument.window import Window


class TrainingEnergy:
    """Measures pieces of a training: 'training' and 'evaluation' are never open at the same time.

    Args:
        meter: The meter; None for a new one, which is closed with this.
        every_steps: Steps that are measured together. The end of a window waits for the counters, 0.1 s on
            most GPUs.
    """

    def __init__(self, meter: Meter | None, every_steps: int) -> None:
        self.meter = meter or Meter()
        self._is_own = meter is None
        self._every_steps = every_steps
        self._steps = 0
        self._window: Window | None = None
        # Training since the last metrics of steps and of an epoch.
        self._group: list[Measurement] = []
        self._epoch: list[Measurement] = []

    def begin(self, part: str) -> None:
        """Ends what is measured and begins another part, 'training' or 'evaluation'."""
        self.end()
        self._window = self.meter.begin_window(part)

    def end(self) -> Measurement | None:
        """Ends what is measured, if anything is."""
        if self._window is None:
            return None
        measured, self._window = self.meter.end_window(self._window), None
        if measured.name == "training":
            self._group.append(measured)
            self._epoch.append(measured)
        return measured

    def count_step(self) -> dict[str, float]:
        """Counts a step of the training; after every so many, metrics of the mean of them."""
        self._steps += 1
        if self._steps < self._every_steps:
            return {}
        self.begin("training")
        metrics = make_metrics("step", self._group, self._steps)
        self._group, self._steps = [], 0
        return metrics

    def end_epoch(self) -> dict[str, float]:
        """Ends an epoch: metrics of its training, without its evaluations."""
        self.end()
        metrics = make_metrics("epoch", self._epoch)
        self._group, self._epoch, self._steps = [], [], 0
        return metrics

    def end_evaluation(self) -> dict[str, float]:
        """Ends an evaluation; the training goes on."""
        measured = self.end()
        self.begin("training")
        return make_metrics("evaluation", [measured]) if measured else {}

    def close(self) -> None:
        """Ends what is measured, and closes a meter of its own."""
        self.end()
        if self._is_own:
            self.meter.close()


def make_metrics(part: str, measured: list[Measurement], divisor: int = 1) -> dict[str, float]:
    """Energy and time for a logger; none where an energy is missing.

    Modelled energy has another name than measured energy.
    """
    energies_j = [each.energy_j for each in measured if each.energy_j is not None]
    if not measured or len(energies_j) < len(measured):
        return {}
    is_modelled = any(each.provenance == "modelled" for each in measured)
    return {
        f"energy/{part}_{'modelled_' if is_modelled else ''}j": sum(energies_j) / divisor,
        f"energy/{part}_s": sum(each.duration_s for each in measured) / divisor,
    }
