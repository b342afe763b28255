"""Samples sources in the background; computes the energy between any two instants."""

from __future__ import annotations

import math
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from joules.errors import UserError
from joules.instrument.power_trace import HISTORY_S, PowerTrace, UncoveredWindow
from joules.instrument.reading import PowerCourse, Reading
from joules.instrument.source import MACHINE, Channel, CounterGap, Notice, Source, SourceError

# Faults of one kind that follow one another within this time are counted as one episode, so that a source
# that fails for hours takes no memory.
_SAME_EPISODE_S = 1.0
# Reads of counters and sensors come so much earlier or later than their period, at random: in step with the
# updates of a counter they would tell little of its pace, and in step with power they would miss its course.
_DITHER = 0.25
# What lags is waited for in such steps, and not for longer than this.
_FLUSH_STEP_S = 0.02
_LONGEST_FLUSH_S = 4.0


@dataclass
class _Episode:
    """Consecutive reads that failed in one way, the first and the last kept (monotonic clock, seconds)."""

    first_s: float
    last_s: float
    reads: int = 1


def check_coverage(sources: Sequence[Source]) -> None:
    """Raises UserError if a GPU is metered without the CPU, or nothing is metered."""
    domains = {channel.domain for source in sources for channel in source.channels}
    if not domains:
        raise UserError(
            "no source of energy was found: install the pinned packages of envs/ "
            "(CodeCarbon models the CPU if nothing measures it)"
        )
    covered = domains.union(*(channel.covers for source in sources for channel in source.channels))
    if any(domain.startswith("gpu") for domain in domains) and not covered & {"cpu", MACHINE}:
        raise UserError(
            "a GPU is metered but the CPU is not: make RAPL readable or install CodeCarbon from envs/"
        )


class Sampler:
    """Samples sources until it is closed. Use it as a context manager.

    Args:
        sources: Open sources; they are closed with the sampler.
        clock: Monotonic clock in seconds, on which all instants are.

    Raises:
        UserError: If the sources do not cover the machine.
    """

    def __init__(self, sources: Sequence[Source], clock: Callable[[], float] = time.monotonic) -> None:
        check_coverage(sources)
        self._sources = list(sources)
        self._clock = clock
        self._traces = {channel: PowerTrace(channel) for source in sources for channel in source.channels}
        self._faults: dict[str, list[_Episode]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._due_s = [clock()] * len(self._sources)
        self._dither = random.Random(0)
        self._thread = threading.Thread(target=self._poll, name="sampler", daemon=True)

    def __enter__(self) -> Sampler:
        self.sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._thread.join()
        for source in self._sources:
            source.close()

    @property
    def channels(self) -> list[Channel]:
        return list(self._traces)

    def notices(self) -> list[Notice]:
        """Notices of the sources, except those of a model about a domain that is measured."""
        with self._lock:
            measured = {
                domain
                for channel, trace in self._traces.items()
                if channel.provenance in ("counter", "sampled") and trace.is_answering
                for domain in (channel.domain, *channel.covers)
            }
        return [
            notice
            for source in self._sources
            for notice in source.notices()
            if not (_is_model(source) and measured & {notice.about, MACHINE})
        ]

    def now(self) -> float:
        return self._clock()

    @property
    def last_sample_s(self) -> float:
        """The latest instant that every channel has reached which answered when it was last read."""
        with self._lock:
            reached = [trace.end_s for trace in self._traces.values() if trace.is_answering]
        return min(reached, default=self._clock())

    def sample(self) -> None:
        """Reads every source now. A failed read leaves a gap and is counted."""
        for source in self._sources:
            self._read(source)

    def read_due(self) -> float:
        """Reads the sources whose period has passed.

        Returns:
            The instant at which the next read is due, on the clock of the sampler.
        """
        now_s = self._clock()
        for index, source in enumerate(self._sources):
            if self._due_s[index] <= now_s:
                self._read(source)
                self._due_s[index] = now_s + source.period_s * self._spread(source)
        return min(self._due_s)

    def _spread(self, source: Source) -> float:
        # A model of mean power depends on the time between its reads.
        if all(channel.form == "mean_w" for channel in source.channels):
            return 1.0
        return self._dither.uniform(1 - _DITHER, 1 + _DITHER)

    def flush(self) -> None:
        """Waits until further samples would change nothing of a window that ends now: until slow counters and
        means have caught up with it, or are known to stand still."""
        end_s = self.now()
        self.sample()
        waiting = list(self._traces.values())
        while self.now() < end_s + _LONGEST_FLUSH_S and not self._closing.is_set():
            with self._lock:
                waiting = [trace for trace in waiting if not trace.is_settled(end_s)]
            if not waiting:
                return
            self._pause(_FLUSH_STEP_S)

    def _pause(self, seconds: float) -> None:
        self._closing.wait(seconds)

    def readings(self, start_s: float, end_s: float) -> list[Reading]:
        """One reading per channel for the window; 'missing' if its samples do not cover it."""
        with self._lock:
            return [self._reading(trace, start_s, end_s) for trace in self._traces.values()]

    def power(self, start_s: float, end_s: float) -> list[PowerCourse]:
        """The course of power over the window, one for every channel of the whole machine."""
        with self._lock:
            steps = {
                channel: trace.power(start_s, end_s)
                for channel, trace in self._traces.items()
                if channel.scope == "machine" and not trace.is_missing
            }
        return [
            PowerCourse(
                domain=channel.domain,
                source=channel.source,
                form=channel.form,
                from_s=[at_s for at_s, _ in course],
                power_w=[watts for _, watts in course],
            )
            for channel, course in steps.items()
        ]

    def faults(self, start_s: float, end_s: float) -> list[str]:
        """Messages of failed reads in the window, each with the number of reads."""
        with self._lock:
            within = {
                sentence: [one for one in episodes if one.first_s <= end_s and one.last_s >= start_s]
                for sentence, episodes in self._faults.items()
            }
            return sorted(_counted(sentence, episodes) for sentence, episodes in within.items() if episodes)

    def discard_before(self, before_s: float) -> None:
        """Drops samples that no window after `before_s` needs, keeping memory flat over a long block."""
        before_s -= HISTORY_S
        with self._lock:
            for trace in self._traces.values():
                trace.discard_before(before_s)
            for sentence, episodes in self._faults.items():
                self._faults[sentence] = [one for one in episodes if one.last_s >= before_s]

    def _poll(self) -> None:
        # Signals are for the threads of the program that is metered.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while not self._closing.is_set():
            self._closing.wait(max(self.read_due() - self._clock(), 0.001))

    def _read(self, source: Source) -> None:
        with self._lock:
            before_s = self._clock()
            values: Mapping[Channel, float | SourceError]
            try:
                values = source.read()
            except SourceError as fault:
                values = dict.fromkeys(source.channels, fault)
            except Exception as fault:
                # A failed read, for whatever reason, must not end the sampling.
                values = dict.fromkeys(source.channels, _unforeseen(source, fault))
            # A read takes time; its value belongs to the middle of it.
            after_s = self._clock()
            at_s = (before_s + after_s) / 2
            for channel, value in values.items():
                trace = self._traces[channel]
                if not isinstance(value, SourceError):
                    trace.append(at_s, value, after_s - before_s)
                    continue
                if isinstance(value, CounterGap):
                    trace.append_break(at_s if value.since_s is None else value.since_s, at_s)
                trace.note_failure(at_s, str(value))
                self._note_fault(str(value), at_s)

    def _note_fault(self, sentence: str, at_s: float) -> None:
        episodes = self._faults.setdefault(sentence, [])
        if not episodes or at_s - episodes[-1].last_s > _SAME_EPISODE_S:
            episodes.append(_Episode(at_s, at_s))
        # Channels of one read may share its fault.
        elif episodes[-1].last_s != at_s:
            episodes[-1].last_s = at_s
            episodes[-1].reads += 1

    @staticmethod
    def _reading(trace: PowerTrace, start_s: float, end_s: float) -> Reading:
        channel = trace.channel
        try:
            estimate = trace.energy(start_s, end_s)
        except UncoveredWindow as gap:
            return Reading(
                scope=channel.scope,
                domain=channel.domain,
                source=channel.source,
                provenance="missing",
                energy_j=None,
                uncertainty_j=None,
                samples=0,
                detail=str(gap),
            )
        calibration_j = channel.calibration * abs(estimate.energy_j)
        return Reading(
            scope=channel.scope,
            domain=channel.domain,
            source=channel.source,
            provenance=channel.provenance,
            energy_j=estimate.energy_j,
            uncertainty_j=math.hypot(estimate.uncertainty_j, calibration_j),
            calibration_j=calibration_j,
            covers=tuple(sorted(channel.covers)),
            samples=estimate.samples,
            detail=channel.detail,
            tdp_w=channel.tdp_w,
            tdp_origin=channel.tdp_origin,
        )


def _is_model(source: Source) -> bool:
    return {channel.provenance for channel in source.channels} == {"modelled"}


def _unforeseen(source: Source, fault: Exception) -> SourceError:
    names = ", ".join(sorted({channel.source for channel in source.channels}))
    return SourceError(f"a read of {names} failed ({type(fault).__name__}: {fault})")


def _counted(sentence: str, episodes: Sequence[_Episode]) -> str:
    reads = sum(episode.reads for episode in episodes)
    if reads == 1:
        return sentence
    return f"{sentence} ({reads} reads within {episodes[-1].last_s - episodes[0].first_s:.1f} s)"
