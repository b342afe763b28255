"""`envs/measure.in` names all packages that measuring needs in addition to the usual scientific ones."""

import importlib.metadata
import subprocess
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import ROOT, experiments_with_runs

USUAL = [
    *("torch", "torchvision", "numpy", "scipy", "pandas", "matplotlib", "seaborn"),
    *("cloudpickle", "psutil", "pyyaml", "nvidia-ml-py"),
]
# Every package that was not named is made as if it were not installed.
MEASURE = """
import importlib, importlib.metadata, sys
from packaging.utils import canonicalize_name
allowed = set(sys.argv[1].split())
for module, names in importlib.metadata.packages_distributions().items():
    if module not in ("joules", "experiments") and allowed.isdisjoint(map(canonicalize_name, names)):
        sys.modules[module] = None
import joules.bench.child, joules.bench.measure, joules.cli
from joules.instrument.nameplate import nameplate
from joules.instrument.sources import discover
for name in sys.argv[2:]:
    importlib.import_module(f"experiments.{name}.workload")
nameplate()
assert "codecarbon" not in discover()[1], discover()[1]
"""


def required_by(names):
    """Names of distributions and of all their requirements."""
    reached, waiting = set(), [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        try:
            wanted = map(Requirement, importlib.metadata.requires(name) or [])
        except importlib.metadata.PackageNotFoundError:
            continue
        waiting += [
            canonicalize_name(r.name) for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})
        ]
    return reached


def test_measuring_needs_nothing_else():
    lines = (ROOT / "envs" / "measure.in").read_text().splitlines()
    carried = {line for line in lines if not line.startswith("#")}
    allowed = required_by(USUAL) | carried | {"packaging"}
    command = [sys.executable, "-c", MEASURE, " ".join(allowed), *experiments_with_runs()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
