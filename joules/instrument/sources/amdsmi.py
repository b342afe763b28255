"""AMD GPUs by AMD's own library, where its Python module `amdsmi` is installed (it comes with ROCm).

Interface: "AMD SMI Python API". The energy accumulator is in units of `counter_resolution` microjoules;
before version 6.2.1 its name was 'power'.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joules.instrument.calibration import UNSTATED
from joules.instrument.counter import Accumulator
from joules.instrument.host.gpus import GpuUse
from joules.instrument.host.processes import Job, in_initial_pid_namespace
from joules.instrument.source import Channel, Host, Notice, Source, SourceError

# No card draws more than this.
_MOST_POWER_W = 2000.0
_STILL_S = 1.0
_LOOK_EVERY_S = 0.5
_NOT_KNOWN = ("N/A", None, 0xFFFF)
# Of cards with two dies the first one reports for both, the second one nothing.
_TWO_DIES = ("MI250",)


@dataclass
class _Card:
    """A GPU. `loads` and `seen_s` say when (Unix clock, seconds) it was how busy, and who used it."""

    handle: Any
    number: int
    domain: str
    name: str
    counter: Channel | None = None
    power: Channel | None = None
    counted: Accumulator | None = None
    loads: list[tuple[float, float]] = field(default_factory=list)
    seen_s: dict[int, float] = field(default_factory=dict)
    listed_s: float = -math.inf


class AmdSmi(Source):
    """The energy counter and the power of every card.

    Raises:
        SourceError: If the module, the driver or a card is missing.
    """

    period_s = 0.1

    def __init__(self, host: Host) -> None:
        self._clock = host.clock
        self._job: Job = host.job
        self._members: set[int] = set()
        self._looked_s = -math.inf
        self._library = _library()
        self._notices: list[Notice] = []
        try:
            handles = self._library.amdsmi_get_processor_handles()
            by_address = sorted(handles, key=self._library.amdsmi_get_gpu_device_bdf)
            self._visible = _visible_cards(len(handles), os.environ)
            self._cards = [self._opened(handle, number) for number, handle in enumerate(by_address)]
        except self._library.AmdSmiException as fault:
            self.close()
            raise SourceError(f"AMD's driver does not answer: {fault}") from None
        if not self.channels:
            self.close()
            raise SourceError("AMD's library shows no GPU that reports energy or power")

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(channel for card in self._cards for channel in (card.counter, card.power) if channel)

    def notices(self) -> Sequence[Notice]:
        """Dies and cards that report nothing."""
        return self._notices

    def read(self) -> Mapping[Channel, float | SourceError]:
        if self._clock() - self._looked_s >= _LOOK_EVERY_S:
            self._look_around()
        values: dict[Channel, float | SourceError] = {}
        for card in self._cards:
            if card.counter and card.counted:
                values[card.counter] = self._answer(card, self._total_j)
            if card.power:
                values[card.power] = self._answer(card, self._power_w)
        return values

    def device_use(self, since_s: float) -> list[GpuUse]:
        """Use of each card that reports. A share is known where the job was alone, or was not there."""
        self._look_around()
        return [self._use(card, since_s) for card in self._cards if card.counter or card.power]

    def close(self) -> None:
        with contextlib.suppress(self._library.AmdSmiException):
            self._library.amdsmi_shut_down()

    def _opened(self, handle: Any, number: int) -> _Card:
        name = str(self._library.amdsmi_get_gpu_asic_info(handle).get("market_name", "AMD GPU"))
        card = _Card(handle, number, f"gpu-amd{number}", name)
        counted_j, power_w = self._quietly(self._counted_j, card), self._quietly(self._power_w, card)
        if any(two in name for two in _TWO_DIES):
            if number % 2 and not power_w:
                says = f"reports nothing: gpu-amd{number - 1} reports for both dies of {name}"
                self._notices.append(Notice(card.domain, says, "info"))
                return card
            name = f"both dies of {name}"
        # A counter at zero without a power is none.
        if counted_j is not None and (counted_j or power_w is not None):
            card.counter = _channel(card.domain, f"energy counter of {name}", is_counter=True)
            card.counted = Accumulator(
                f"{card.domain} (amdsmi)", _MOST_POWER_W, counted_j, self._clock(), still_s=_STILL_S
            )
        if power_w is not None:
            card.power = _channel(card.domain, f"sampled power of {name}", is_counter=False)
        if not (card.counter or card.power):
            says = "NOT READ: it reports neither energy nor power, so no work may run on it"
            self._notices.append(Notice(card.domain, says))
        return card

    def _quietly(self, query: Callable[[_Card], float], card: _Card) -> float | None:
        try:
            return query(card)
        except (self._library.AmdSmiException, ValueError, KeyError, TypeError):
            return None

    def _answer(self, card: _Card, query: Callable[[_Card], float]) -> float | SourceError:
        try:
            return query(card)
        except SourceError as gap:
            return gap
        except (self._library.AmdSmiException, ValueError, KeyError, TypeError) as fault:
            return SourceError(f"amdsmi lost {card.domain}: {fault}")

    def _counted_j(self, card: _Card) -> float:
        energy = self._library.amdsmi_get_energy_count(card.handle)
        counts = energy["energy_accumulator"] if "energy_accumulator" in energy else energy["power"]
        return float(counts) * float(energy["counter_resolution"]) * 1e-6

    def _total_j(self, card: _Card) -> float:
        assert card.counted is not None
        card.counted.add(self._counted_j(card), self._clock())
        return card.counted.total_j

    def _power_w(self, card: _Card) -> float:
        """Current power if the card reports it, otherwise its firmware's mean. An unknown value is 'N/A'."""
        info = self._library.amdsmi_get_power_info(card.handle)
        told = [info.get(name) for name in ("current_socket_power", "average_socket_power")]
        known = [number for number in told if number not in _NOT_KNOWN]
        if not known:
            raise ValueError("it reports no power")
        watts = float(known[0])
        if not 0 <= watts <= _MOST_POWER_W:
            raise ValueError(f"it says {watts:.4g} W")
        return watts

    def _look_around(self) -> None:
        self._members |= self._job.processes()
        self._looked_s, now_s = self._clock(), time.time()
        for card in self._cards:
            with contextlib.suppress(self._library.AmdSmiException, KeyError, TypeError, ValueError):
                activity = self._library.amdsmi_get_gpu_activity(card.handle)
                card.loads.append((now_s, float(activity["gfx_activity"]) / 100))
            with contextlib.suppress(self._library.AmdSmiException, KeyError, TypeError, ValueError):
                processes = self._library.amdsmi_get_gpu_process_list(card.handle)
                card.seen_s.update({int(process["pid"]): now_s for process in processes})
                card.listed_s = now_s

    def _use(self, card: _Card, since_s: float) -> GpuUse:
        card.loads = [seen for seen in card.loads if seen[0] >= since_s]
        loads = [load for _, load in card.loads]
        present = {pid for pid, at_s in card.seen_s.items() if at_s >= since_s}
        own, foreign = present & self._members, present - self._members
        share: float | None = 1.0 if own else 0.0
        doubts: list[str] = []
        if card.listed_s < since_s:
            share, doubts = None, ["the library does not list its processes"]
        elif foreign and not own and not in_initial_pid_namespace():
            share, doubts = (
                None,
                ["the library lists processes by the numbers of the host, unknown here"],
            )
            foreign = set()
        elif own and foreign:
            share, doubts = None, ["the library does not say how busy each of its processes kept it"]
        return GpuUse(
            domain=card.domain,
            job_share=share,
            load=sum(loads) / len(loads) if loads else None,
            foreign_processes=sorted(foreign),
            throttling=[],
            doubts=doubts,
            is_visible=bool(own) or card.number in self._visible,
        )


def open_sources(host: Host) -> Sequence[Source]:
    """All AMD GPUs as one source."""
    return (AmdSmi(host),)


def _library() -> Any:
    """The module, initialised. It prints and raises whatever it likes where the driver is missing."""
    try:
        with contextlib.redirect_stdout(None):
            library = importlib.import_module("amdsmi")
    except ImportError:
        raise SourceError("the module amdsmi is not installed (it comes with ROCm)") from None
    except Exception as fault:
        raise SourceError(f"no AMD GPU can be read by amdsmi ({type(fault).__name__}: {fault})") from None
    try:
        library.amdsmi_init()
    except library.AmdSmiException as fault:
        raise SourceError(f"no AMD GPU can be read by amdsmi ({fault})") from None
    return library


def _visible_cards(count: int, environment: Mapping[str, str]) -> set[int]:
    """Numbers of the cards that ROCm shows to processes with this environment, as far as it names them so."""
    shown = list(range(count))
    for name in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        chosen = environment.get(name, "").replace(" ", "").split(",")
        if all(number.isdigit() for number in chosen):
            shown = [shown[int(number)] for number in chosen if int(number) < len(shown)]
    return set(shown)


def _channel(domain: str, words: str, *, is_counter: bool) -> Channel:
    return Channel(
        domain=domain,
        source="amdsmi-energy" if is_counter else "amdsmi-power",
        provenance="counter" if is_counter else "sampled",
        form="cumulative_j" if is_counter else "instant_w",
        detail=f"{words}; {UNSTATED.words}",
        resolution_j=1e-3 if is_counter else 0.0,
        calibration=UNSTATED.share,
    )
