"""A machine whose files show a known course of power: what sources read is compared with its integral."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from joules.instrument.flags import flags_of
from joules.instrument.reading import primary, total
from joules.instrument.sampler import Sampler
from joules.instrument.source import Channel, Host
from tests.replay import Replay

STEP_S = 0.1


def ramp(at_s):
    """Watts that rise from 100 by 5 a second."""
    return 100.0 + 5.0 * at_s


def ramp_j(at_s, scale=1.0):
    """The integral of `ramp` from 0."""
    return scale * (100.0 * at_s + 2.5 * at_s**2)


@dataclass
class FakeHost:
    """A clock and the files that go with it: `shows` holds a function of time for each file's content."""

    root: Path
    now_s: float = 0.0
    shows: dict = field(default_factory=dict)
    events: dict = field(default_factory=dict)

    @property
    def host(self):
        return Host(
            sys=self.root / "sys",
            proc=self.root / "proc",
            dev=self.root / "dev",
            mounted=self.root / "host",
            clock=lambda: self.now_s,
            sleep=self.advance,
            open_counter=self._open_counter,
        )

    def write(self, path, content):
        """A file under the root; a function of time is written anew whenever the clock moves."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            self.shows[file] = content
            content = content(self.now_s)
        file.write_text(str(content))

    def advance(self, seconds):
        self.now_s += seconds
        for file, content in self.shows.items():
            value = content(self.now_s)
            if value is None:
                file.unlink(missing_ok=True)
            elif file.parent.exists():
                file.write_text(str(value))

    def zone(self, folder, name, energy_j, range_uj=262_143_328_850, limit_w=None, of=""):
        """A zone of powercap whose counter holds `energy_j(t)` and wraps."""
        path = f"sys/class/powercap/{of}{folder}"
        self.write(f"{path}/name", name + "\n")
        self.write(f"{path}/energy_uj", lambda at_s: _wrapped(energy_j(at_s), range_uj))
        if range_uj:
            self.write(f"{path}/max_energy_range_uj", range_uj)
        if limit_w:
            self.write(f"{path}/constraint_0_power_limit_uw", round(limit_w * 1e6))

    def measure(self, sources, start_s=1.0, end_s=6.0, model_w=50.0):
        """Readings, total and flags of a window over `sources` beside a model of every domain."""
        domains = {channel.domain for source in sources for channel in source.channels} | {"cpu", "dram"}
        models = {
            Channel(domain, "model", "modelled", "mean_w", "model", range_w=(0.0, 2 * model_w)): lambda _: (
                model_w
            )
            for domain in sorted(domains & {"cpu", "dram"})
        }
        everything = [*sources, Replay(models, clock=lambda: self.now_s)]
        sampler = Sampler(everything, clock=lambda: self.now_s)
        opened_s = self.now_s
        while self.now_s < opened_s + end_s + 0.5:
            sampler.sample()
            self.advance(STEP_S)
        readings = sampler.readings(opened_s + start_s, opened_s + end_s)
        faults = sampler.faults(opened_s + start_s, opened_s + end_s)
        return Read(
            readings,
            total(readings, end_s - start_s, 0.0),
            flags_of(readings, None, (), end_s - start_s, faults),
            opened_s,
        )

    def _open_counter(self, kind, number, cpu):
        fault_or_count = self.events.get((kind, number, cpu), PermissionError(13, "Permission denied"))
        if isinstance(fault_or_count, Exception):
            raise fault_or_count
        opened = fault_or_count(self.now_s)
        return FakeCounter(lambda: fault_or_count(self.now_s) - opened)


@dataclass
class FakeCounter:
    read: object

    def close(self):
        pass


@dataclass
class Read:
    readings: list
    total: object
    flags: list
    opened_s: float

    def of(self, domain, source):
        return next(r for r in self.readings if (r.domain, r.source) == (domain, source))

    def best(self, domain):
        return next((r for r in primary(self.readings) if r.domain == domain), None)


def _wrapped(energy_j, range_uj):
    if isinstance(energy_j, str) or energy_j is None:
        return energy_j
    microjoules = math.floor(energy_j * 1e6)
    return microjoules % range_uj if range_uj else microjoules
