"""Compares other meters with this one, on the same work at the same time.

    pip install --require-hashes -r envs/peers.lock
    python -m validation.peers [SECONDS]

Each peer meters a piece of work while this meter runs. Prints the energy of the peer divided by that of this
meter, or why a peer cannot be compared on this machine.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from joules.instrument.carbon import JOULES_PER_KWH
from joules.instrument.reading_arrays import one_window
from joules.instrument.sampler import Sampler
from joules.instrument.sources import discover
from validation.arguments import parse_numbers

Finish = Callable[[], float]


def codecarbon(mode: str) -> Finish:
    """Starts CodeCarbon; the result is joules."""
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="USA",
        measure_power_secs=1,
        tracking_mode=mode,
        save_to_file=False,
        log_level="critical",
        allow_multiple_runs=True,
    )
    tracker.start()

    def finish() -> float:
        tracker.stop()
        return float(tracker.final_emissions_data.energy_consumed) * JOULES_PER_KWH

    return finish


def carbontracker() -> Finish:
    """Starts Carbontracker on one epoch; the result is joules."""
    from carbontracker import parser
    from carbontracker.tracker import CarbonTracker

    folder = tempfile.mkdtemp()
    tracker = CarbonTracker(epochs=1, update_interval=1, log_dir=folder, verbose=0)
    tracker.epoch_start()

    def finish() -> float:
        tracker.epoch_end()
        tracker.stop()
        logs = parser.parse_all_logs(log_dir=folder)
        if not logs or not logs[0]["actual"]:
            raise RuntimeError("reads no component of this machine")
        return float(logs[0]["actual"]["energy (kWh)"]) * JOULES_PER_KWH

    return finish


def eco2ai() -> Finish:
    """Starts Eco2AI; the result is joules."""
    import eco2ai as package

    file = Path(tempfile.mkdtemp(), "emission.csv")
    tracker = package.Tracker(project_name="peers", experiment_description="peers", file_name=str(file))
    tracker.start()

    def finish() -> float:
        tracker.stop()
        return float(tracker.consumption()) * JOULES_PER_KWH

    return finish


def zeus() -> Finish:
    """Starts a window of Zeus; the result is joules."""
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor()
    monitor.begin_window("peers")

    def finish() -> float:
        measurement = monitor.end_window("peers")
        energies = [*measurement.gpu_energy.values(), *(measurement.cpu_energy or {}).values()]
        if not energies:
            raise RuntimeError("reads neither a GPU nor a CPU counter of this machine")
        return float(sum(energies))

    return finish


PEERS: dict[str, Callable[[], Finish]] = {
    "CodeCarbon, machine": lambda: codecarbon("machine"),
    "CodeCarbon, process": lambda: codecarbon("process"),
    "Carbontracker": carbontracker,
    "Eco2AI": eco2ai,
    "Zeus": zeus,
}


def work(seconds: float) -> None:
    """Products of matrices on all cores."""
    a = torch.randn(512, 512)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        torch.mm(a, a)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Suppress the output of other meters."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def main(seconds: float) -> None:
    logging.disable(logging.CRITICAL)
    sources, _ = discover()
    with Sampler(sources) as meter:
        for name, start in PEERS.items():
            try:
                with silence():
                    finish = start()
                meter.sample()
                start_s = meter.now()
                work(seconds)
                end_s = meter.now()
                with silence():
                    theirs_j = finish()
                meter.flush()
            except (Exception, SystemExit) as fault:
                print(f"{name}: cannot be compared here ({type(fault).__name__}: {fault})", flush=True)
                continue
            ours = one_window(meter.readings(start_s, end_s), end_s - start_s).total(0)
            assert ours is not None
            print(
                f"{name}: {theirs_j:.1f} J, ours {ours.energy_j:.1f} J ({ours.provenance}), "
                f"x{theirs_j / ours.energy_j:.3f} over {end_s - start_s:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main(parse_numbers(__doc__, seconds=20.0).seconds)
