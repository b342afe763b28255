"""Every reader of a file from outside, with a file that is good."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from experiments.language_models.corpus import check_text
from joules.analysis import columns, tables
from joules.analysis.drawing.sidecar import read_sidecar
from joules.analysis.records import load_records, read_stated
from joules.archive.verification import verify_campaign
from joules.bench.journal import Journal, read_records
from joules.bench.progress import load_expectation, summarize_times
from joules.errors import UserError
from joules.instrument.source import Host, Source
from joules.instrument.sources import battery, cray, hwmon, rapl
from joules.models import validate
from joules.paper.steps import read_values
from joules.study.campaign import Campaign
from joules.study.claims import Claims
from joules.study.config import check_config
from joules.study.design import Design
from joules.study.manifest import check_listed_records, read_manifest
from joules.study.repository import repository_root
from joules.study.timestamps import order_file_times
from joules.yaml_files import read_yaml

CAMPAIGN = "fuzzed"
# What every file holds of which a good one states the hash.
_CONTENT = b"key\n"
_DIGEST = hashlib.sha256(_CONTENT).hexdigest()
# A released record of an experiment.
_EXPERIMENT = "layer_kinds"


@dataclasses.dataclass(frozen=True)
class Reader:
    """What reads a file, its place in a folder, and what a good one holds; whether it may be absent."""

    read: Callable[[Path], object]
    place: str
    good: bytes
    may_be_absent: bool = False


def _campaign(folder: Path) -> Campaign:
    return Campaign(CAMPAIGN, folder)


def _options(folder: Path) -> None:
    options = read_yaml(folder / "file")
    check_config(options if isinstance(options, dict) else {})


def _text(folder: Path) -> None:
    try:
        check_text(f"{folder / 'file'}#hash")
    except ValueError as fault:
        # As the model of an arm's parameters has it.
        raise UserError(str(fault)) from None


def _read_source(open_sources: Callable[[Host], Sequence[Source]]) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        for source in open_sources(Host(sys=folder / "sys", sleep=lambda _s: None)):
            source.read()
            source.notices()
            source.close()

    return read


def readers() -> Mapping[str, Reader]:
    """Every reader by its name."""
    root = repository_root()
    template = root / "experiments" / "_template"
    released = max((root / "results").glob("*/tables/*/arms.csv")).parents[2]
    records = (released / "runs" / _EXPERIMENT / "block-0.jsonl").read_bytes()
    few = b"".join(records.splitlines(keepends=True)[:3])
    results, powercap = f"results/{CAMPAIGN}", "class/powercap/intel-rapl:0"
    sidecar = {
        **{"figure": "figure", "campaign": CAMPAIGN, "experiment": _EXPERIMENT, "tables": "results"},
        **{"manifest_sha256": _DIGEST, "code_fingerprint": _DIGEST, "files": {"figure.pdf": _DIGEST}},
    }
    manifest = json.loads((released / "manifest.json").read_bytes()) | {
        **{"campaign": CAMPAIGN, "experiments": [_EXPERIMENT], "files": {f"{results}/x.csv": _DIGEST}},
    }
    whole = json.dumps(manifest).encode()
    times = {"experiment": "x", "block": 0, "finished_at_s": 9.0, "measured_s": 1.0, "waited_s": 1.0}

    def yaml(model: type, name: str) -> Reader:
        return Reader(
            lambda at: validate(model, read_yaml(at / "file"), "file"),
            "file",
            _bytes(template / name).replace(b"declared_today", b"2026-01-01"),
        )

    def sensor(opened: Callable[[Host], Sequence[Source]], place: str, good: bytes) -> Reader:
        return Reader(_read_source(opened), f"sys/{place}", good, may_be_absent=True)

    return {
        "design": yaml(Design, "design.yaml"),
        "claims": yaml(Claims, "claims.yaml"),
        "columns": yaml(columns.Columns, "columns.yaml"),
        "config": Reader(_options, "file", b"scale: smoke\nregion: NOR\npue: 1.1\nexperiments: [grokking]\n"),
        "text": Reader(_text, "file", b"to be or not to be\n" * 6000),
        "stated": Reader(
            lambda at: read_stated(at / "file"),
            "file",
            _bytes(root / "results/epyc-2core-standard/runs/machine.yaml"),
            may_be_absent=True,
        ),
        "records": Reader(lambda at: read_records(at / "file"), "file", few, may_be_absent=True),
        "journal": Reader(lambda at: Journal(at / "file"), "file", few, may_be_absent=True),
        "block": Reader(
            lambda at: load_records([at / f"runs/{_EXPERIMENT}/block-0.jsonl"]),
            f"runs/{_EXPERIMENT}/block-0.jsonl",
            few,
        ),
        "expectation": Reader(
            _expectation, f"{results}/runs/{_EXPERIMENT}/block-0.jsonl", few, may_be_absent=True
        ),
        "times": Reader(
            lambda at: summarize_times(at / "file", 0.0, 10.0),
            "file",
            json.dumps(times).encode(),
            may_be_absent=True,
        ),
        "tables": Reader(
            lambda at: tables.read_tables(_campaign(at), _EXPERIMENT),
            f"{results}/tables/{_EXPERIMENT}/manifest.json",
            json.dumps({"tables": {"runs": _DIGEST}, "inputs": {"block-0.jsonl": _DIGEST}}).encode(),
        ),
        "sidecar": Reader(
            lambda at: read_sidecar(_campaign(at), "figure"),
            f"figures/{CAMPAIGN}/figure.provenance.json",
            json.dumps(sidecar).encode(),
        ),
        "values": Reader(
            lambda at: read_values(_campaign(at)),
            f"paper/build/{CAMPAIGN}/exported.json",
            json.dumps({"values.csv": _DIGEST}).encode(),
        ),
        "manifest": Reader(lambda at: read_manifest(_campaign(at)), f"{results}/manifest.json", whole),
        "verification": Reader(
            lambda at: next(verify_campaign(_campaign(at))), f"{results}/manifest.json", whole
        ),
        "listed records": Reader(
            lambda at: check_listed_records(_campaign(at)),
            f"{results}/manifest.json",
            whole,
            may_be_absent=True,
        ),
        "file times": Reader(
            lambda at: order_file_times(_campaign(at)), f"{results}/manifest.json", whole, may_be_absent=True
        ),
        "RAPL energy": sensor(rapl.open_sources, f"{powercap}/energy_uj", b"80000000\n"),
        "RAPL range": sensor(rapl.open_sources, f"{powercap}/max_energy_range_uj", b"262143328850\n"),
        "RAPL name": sensor(rapl.open_sources, f"{powercap}/name", b"package-0\n"),
        "hwmon energy": sensor(hwmon.open_sources, "class/hwmon/hwmon0/energy1_input", b"9000000\n"),
        "hwmon name": sensor(hwmon.open_sources, "class/hwmon/hwmon0/name", b"power_meter\n"),
        "hwmon power": sensor(hwmon.open_sources, "class/hwmon/hwmon0/device/power1_average", b"90000000\n"),
        "battery": sensor(battery.open_sources, "class/power_supply/BAT0/power_now", b"9000000\n"),
        "Cray counter": sensor(cray.open_sources, "cray/pm_counters/energy", b"1000 J 16 us\n"),
    }


# Other files of the same device, all good.
BESIDE: Mapping[str, bytes] = {
    "sys/class/powercap/intel-rapl:0/name": b"package-0\n",
    "sys/class/powercap/intel-rapl:0/energy_uj": b"80000000\n",
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": b"262143328850\n",
    "sys/class/hwmon/hwmon0/name": b"power_meter\n",
    "sys/class/hwmon/hwmon0/device/power1_average": b"90000000\n",
    "sys/class/power_supply/BAT0/type": b"Battery\n",
    "sys/class/power_supply/BAT0/status": b"Discharging\n",
    "sys/class/power_supply/BAT0/power_now": b"9000000\n",
    f"results/{CAMPAIGN}/manifest.json": b"{}",
    f"results/{CAMPAIGN}/x.csv": _CONTENT,
    f"results/{CAMPAIGN}/tables/{_EXPERIMENT}/runs.csv": _CONTENT,
    f"results/{CAMPAIGN}/tables/{_EXPERIMENT}/manifest.json": _CONTENT,
    f"figures/{CAMPAIGN}/figure.pdf": _CONTENT,
    f"paper/build/{CAMPAIGN}/values.csv": _CONTENT,
}


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def _expectation(folder: Path) -> object:
    return load_expectation(Campaign("local", folder), _EXPERIMENT, "standard")
