"""Power at the wall and speed of inference runs, from the logs that are published with MLPerf Inference
results.

The rules are those of MLPerf's own checker: a run counts where its log says VALID, and its power is the mean
of the external meter's readings between `power_begin` and `power_end`. The meter's clock and that of the
measured system may be in different time zones, which both name. The scenario is the one that the log names:
the same measurement is handed in under several scenarios and accuracy targets, and counts once, by its
content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from experiments.published_measurements.extraction.git import Clone
from experiments.published_measurements.extraction.rows import LeftOut

_RUN = re.compile(
    r"(?P<division>[^/]+)/(?P<submitter>[^/]+)/results/(?P<system>[^/]+)/(?P<network>[^/]+)/(?P<folder>[^/]+)"
    r"/performance/run_1/spl\.txt"
)
_CLOCK = "%m-%d-%Y %H:%M:%S.%f"
# How the reason begins why a folder is left out that holds the measurement of another.
COPY = "the same measurement as "
_ACCURACY = re.compile(r"accuracy=([\d.]+)%")
# What MLPerf calls the speed of a run, by scenario.
_RATES = {
    "offline": ("Samples per second",),
    "server": ("Completed samples per second", "Scheduled samples per second"),
    "singlestream": ("QPS w/ loadgen overhead",),
}

COLUMNS = (
    "version",
    "division",
    "submitter",
    "system",
    "network",
    "scenario",
    "folder",
    "window_s",
    "power_samples",
    "mean_power_w",
    "min_power_w",
    "max_power_w",
    "power_before_w",
    "inferences_per_s",
    "mean_latency_s",
    "energy_per_inference_j",
    "accuracy_percent",
    "weights",
    "framework",
    "processor",
    "processors",
    "cores_per_processor",
    "accelerator",
    "accelerators",
    "system_type",
    "path",
)


class Incomplete(Exception):
    """A run that lacks a part; the message names it."""


def extract(clone: Clone, version: str) -> Iterator[dict[str, Any] | LeftOut]:
    """A row a distinct run of a clone of `inference_results_<version>`, in order of path, and what is left
    out.

    Rows have `COLUMNS`: power in W, energy in J, times in s, rates in 1/s. `power_before_w` is the mean power
    recorded before the window, while the system waits for its load.
    """
    seen: dict[str, str] = {}
    for blob in clone.files():
        found = _RUN.fullmatch(blob.path)
        if found is None:
            continue
        first = seen.setdefault(blob.sha, blob.path)
        if first != blob.path:
            yield LeftOut(blob.path, f"{COPY}{first}")
            continue
        try:
            yield _row(clone, blob.path, version, found.groupdict())
        except Incomplete as reason:
            yield LeftOut(blob.path, str(reason))


def _row(clone: Clone, path: str, version: str, named: Mapping[str, str]) -> dict[str, Any]:
    run = path.removesuffix("spl.txt")
    of_scenario = run.removesuffix("performance/run_1/")
    submitter = f"{named['division']}/{named['submitter']}"
    detail = _parse_detail(_text(clone, f"{run}mlperf_log_detail.txt"))
    summary = _parse_summary(_text(clone, f"{run}mlperf_log_summary.txt"))
    if detail.get("result_validity") != "VALID":
        raise Incomplete(f"the log says {detail.get('result_validity', 'nothing')} instead of VALID")
    begin, end = (_instant(detail, key) for key in ("power_begin", "power_end"))
    before, window = _split_power(
        _parse_power(_text(clone, path)), begin, end, _offset(clone, f"{of_scenario}performance/power/")
    )
    scenario = str(detail.get("effective_scenario", "")).lower().replace("_", "")
    latency_s = summary.get("Mean latency (ns)", float("nan")) / 1e9
    rate = _rate(scenario, detail, summary, latency_s)
    mean_w = sum(window) / len(window)
    return {
        "version": version,
        **named,
        "scenario": scenario,
        "window_s": (end - begin).total_seconds(),
        "power_samples": len(window),
        "mean_power_w": mean_w,
        "min_power_w": min(window),
        "max_power_w": max(window),
        "power_before_w": sum(before) / len(before) if before else None,
        "inferences_per_s": rate,
        "mean_latency_s": latency_s,
        "energy_per_inference_j": mean_w / rate,
        "accuracy_percent": _accuracy(clone.read(f"{of_scenario}accuracy/accuracy.txt")),
        "weights": _weights(clone, submitter, named),
        **_system(clone.read(f"{submitter}/systems/{named['system']}.json")),
        "path": run,
    }


def _split_power(
    power: list[tuple[datetime, float]], begin: datetime, end: datetime, offset: timedelta
) -> tuple[list[float], list[float]]:
    """Watts before and between two instants of the measured system's clock.

    Some submitters name time zones while both logs are in UTC: where the stated `offset` puts no reading into
    the window, both clocks are taken to be the same.
    """
    for shift in (offset, timedelta()):
        window = [watts for at, watts in power if begin < at + shift < end]
        if window:
            return [watts for at, watts in power if at + shift <= begin], window
    raise Incomplete("the meter has no reading between power_begin and power_end")


def _text(clone: Clone, path: str) -> str:
    text = clone.read(path)
    if text is None:
        raise Incomplete(f"{path.rpartition('/')[2]} is missing")
    return text


def _parse_detail(text: str) -> dict[str, Any]:
    """The last value of each key of MLPerf's log."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        _, is_entry, body = line.partition(":::MLLOG ")
        if is_entry:
            try:
                entry = json.loads(body)
            except ValueError:
                continue
            found[entry["key"]] = entry["value"]
    return found


def _parse_summary(text: str) -> dict[str, float]:
    """The numbers of MLPerf's summary by their names."""
    found = {}
    for line in text.splitlines():
        name, _, number = line.rpartition(":")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            continue
    return found


def _parse_power(text: str) -> list[tuple[datetime, float]]:
    """Readings of the external meter: instants of its clock, and watts."""
    readings = []
    for line in text.splitlines():
        cells = line.split(",")
        if cells[0] == "Time" and cells[2:3] == ["Watts"]:
            readings.append((datetime.strptime(cells[1], _CLOCK), float(cells[3])))
    return readings


def _instant(detail: Mapping[str, Any], key: str) -> datetime:
    try:
        return datetime.strptime(detail[key], _CLOCK)
    except (KeyError, TypeError, ValueError):
        raise Incomplete(f"the log has no {key}") from None


def _offset(clone: Clone, folder: str) -> timedelta:
    """What is added to the meter's clock to have that of the measured system."""
    meter_s, system_s = (_zone_s(clone, f"{folder}{name}.json") for name in ("server", "client"))
    return timedelta(seconds=meter_s - system_s)


def _zone_s(clone: Clone, path: str) -> float:
    """Seconds by which a clock is behind UTC."""
    found = re.search(r'"timezone":\s*(-?\d+)', _text(clone, path))
    if found is None:
        raise Incomplete(f"{path.rpartition('/')[2]} names no time zone")
    return float(found[1])


def _rate(scenario: str, detail: Mapping[str, Any], summary: Mapping[str, float], latency_s: float) -> float:
    """Inferences a second."""
    if scenario == "multistream":
        return float(detail["effective_samples_per_query"]) / latency_s
    for name in _RATES.get(scenario, ()):
        if name in summary:
            return summary[name]
    raise Incomplete(f"the summary has no rate of scenario '{scenario}'")


def _accuracy(text: str | None) -> float | None:
    """Accuracy in per cent, where the run was checked for one."""
    found = _ACCURACY.findall(text or "")
    return float(found[-1]) if found else None


def _weights(clone: Clone, submitter: str, named: Mapping[str, str]) -> str | None:
    """Data types of the network's weights, as the submitter states them."""
    folder = f"{submitter}/measurements/{named['system']}/{named['network']}/{named['folder']}"
    for name in (f"{named['system']}_{named['folder']}", named["system"]):
        text = clone.read(f"{folder}/{name}.json")
        if text is not None:
            found = re.search(r'"weight_data_types":\s*"([^"]*)"', text)
            return found[1] if found else None
    return None


def _system(text: str | None) -> dict[str, Any]:
    """Processors and accelerators of the measured system."""
    try:
        stated = json.loads(text or "{}")
    except ValueError:
        stated = {}
    nodes = _number(stated.get("number_of_nodes")) or 1
    processors, accelerators = (
        _number(stated.get(key)) for key in ("host_processors_per_node", "accelerators_per_node")
    )
    return {
        "framework": stated.get("framework"),
        "processor": stated.get("host_processor_model_name"),
        "processors": None if processors is None else nodes * processors,
        "cores_per_processor": _number(stated.get("host_processor_core_count")),
        "accelerator": stated.get("accelerator_model_name") or None,
        "accelerators": None if accelerators is None else nodes * accelerators,
        "system_type": stated.get("system_type"),
    }


def _number(stated: object) -> int | None:
    found = re.match(r"\s*(\d+)", str(stated))
    return int(found[1]) if found else None
