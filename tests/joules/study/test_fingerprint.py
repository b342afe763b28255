"""Edits that change a fingerprint and edits that do not, on every version of Python."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from joules.study import fingerprint
from joules.study.design import load_design
from joules.study.fingerprint import SourceTree
from joules.study.fingerprint_cache import FingerprintCache
from tests import ROOT, experiments_with_runs

CODE = '''
"""Module."""
import math
import joules.fake.constants as constants
from joules.fake import helper
from joules.fake.more import scaled as grown

SIZE = 3
TABLE = {"a": 1.5, "b": b"x", "c": None, "d": 2j, "é": ...}
NAMES = [name for name in TABLE]


class Thing:
    """Doc."""

    size: int = SIZE

    def grow(self, by: float = 0.1) -> str:
        """Doc."""
        return f"{self.size + by:>{SIZE}} {{braces}} of {by!r}"


def run(x):
    """Doc."""
    # comment
    thing = Thing()
    return helper.twice(x) * constants.FACTOR + grown(x) + math.pi, thing.grow()


def other(name):
    return name
'''
FILES = {
    "__init__.py": "",
    "work.py": CODE,
    "helper.py": "def twice(x):\n    return 2 * x\n",
    "constants.py": "FACTOR = 5\n",
    "more.py": "WEIGHT = 7\n\n\ndef scaled(x):\n    return WEIGHT * x\n",
}
# Computed on Python 3.11; every other version must give the same.
GOLDEN = "c428c40c08b2bdf8902e154f2647fe9c32a047f9b0459bdc9144b4fc99f95023"


def write(root, **changes):
    """Write the package `joules.fake` below `root`, with files changed as (old, new)."""
    folder = root / "joules" / "fake"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        old, new = changes.get(name.removesuffix(".py"), ("", ""))
        assert old in text
        (folder / name).write_text(text.replace(old, new) if old else text)
    return folder


@pytest.fixture
def of(tmp_path):
    """The fingerprint of `run`, or of another name, with files changed."""

    def value(name="run", not_followed=(), **changes):
        write(tmp_path, **changes)
        return SourceTree(tmp_path).fingerprint("joules.fake.work", (name,), not_followed)

    return value


@pytest.mark.parametrize(
    "change",
    [
        ("# comment", "# another"),
        ('    """Doc."""\n    # comment', '    """Docs."""\n\n'),
        (
            "helper.twice(x) * constants.FACTOR",
            "(\n        helper.twice(x)\n        * constants.FACTOR\n    )",
        ),
        ("SIZE = 3\n", "\n\nSIZE = 0x3\n"),
        ('"""Module."""', '"""Another."""'),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(of, change):
    assert of(work=change) == of()


@pytest.mark.parametrize(
    "changes",
    [
        {"work": ("* constants", "- constants")},
        {"work": ("SIZE = 3", "SIZE = 4")},
        {"work": ("SIZE = 3", "SIZE = 3.0")},
        {"work": ("{by!r}", "{by!s}")},
        {"work": ("{{braces}}", "{{brace}}")},
        {"work": ("by: float = 0.1", "by: float = 0.2")},
        {"work": ("math.pi", "math.e")},
        {"helper": ("2 * x", "3 * x")},
        {"constants": ("5", "6")},
        {"more": ("7", "8")},
    ],
)
def test_code_and_constants_that_are_reached_count_wherever_they_are(of, changes):
    assert of(**changes) != of()


@pytest.mark.parametrize(
    "effect",
    [
        "TABLE.update(a=2)",
        "SIZE += 1",
        "if math.pi > 3:\n    SIZE = 9",
        "try:\n    import torch\nexcept ImportError:\n    TABLE.clear()",
        "assert SIZE",
    ],
)
def test_what_a_module_does_when_it_is_imported_counts(of, effect):
    assert of(work=("SIZE = 3\n", f"SIZE = 3\n{effect}\n")) != of()
    assert of(more=("WEIGHT = 7\n", "WEIGHT = 7\nprint(WEIGHT)\n")) != of()


def test_what_is_not_reached_does_not_count(of):
    change = ("return name\n", "return -name\n")
    assert of(work=change) == of()
    assert of("other", work=change) != of("other")
    # The variable of a comprehension is local to it.
    assert of("other", work=("NAMES = [name for", "NAMES = [2 * name for")) == of("other")


def test_what_is_not_followed_counts_by_its_name(of):
    followed_not = ("joules.fake.more",)
    assert of(not_followed=followed_not, more=("7", "8")) == of(not_followed=followed_not)
    assert of(not_followed=("joules.fake.mor",), more=("7", "8")) != of(not_followed=("joules.fake.mor",))


def test_moving_and_renaming_change_nothing(tmp_path, of):
    before = of()
    folder = write(
        tmp_path,
        work=(
            "from joules.fake.more import scaled as grown",
            "from joules.fake.moved import enlarged as grown",
        ),
    )
    moved = FILES["more.py"].replace("scaled", "enlarged").replace("WEIGHT", "MASS")
    (folder / "more.py").write_text("")
    (folder / "moved.py").write_text("'''Elsewhere.'''\n\n" + moved)
    assert SourceTree(tmp_path).fingerprint("joules.fake.work", ("run",)) == before
    (folder / "work.py").rename(folder / "renamed.py")
    assert SourceTree(tmp_path).fingerprint("joules.fake.renamed", ("run",)) == before


def test_two_functions_that_change_places_are_seen(of):
    swapped = {"more": ("return WEIGHT * x", "return 2 * x"), "helper": ("return 2 * x", "return x + x")}
    assert of(**swapped) != of()
    assert len({of(), of(**swapped), of(more=swapped["more"]), of(helper=swapped["helper"])}) == 4


def test_relative_imports_are_followed(of):
    relative = ("from joules.fake import helper", "from . import helper")
    assert of(work=relative) == of()


def test_a_file_is_parsed_once(tmp_path):
    write(tmp_path)
    sources = SourceTree(tmp_path)
    for _ in range(100):
        for name in ("run", "other", "Thing"):
            sources.fingerprint("joules.fake.work", (name,))
    assert sources.parsed <= len(FILES)


def _rewrite_with_its_times(folder):
    """Another constant of the same length, under the file's old time of modification."""
    path = folder / "constants.py"
    times = path.stat()
    path.write_text("FACTOR = 6\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        (lambda _: None, True),
        (_rewrite_with_its_times, False),
        (lambda folder: (folder / "added.py").touch(), False),
        (lambda folder: (folder / "more.py").rename(folder / "moved.py"), False),
        (lambda folder: (folder.parents[1] / ".snakemake" / "fingerprints.json").write_text("{"), False),
    ],
)
def test_fingerprints_are_kept_until_a_file_changes(tmp_path, change, is_kept):
    folder = write(tmp_path)
    (tmp_path / ".snakemake").mkdir()

    def computed():
        sources = SourceTree(tmp_path, FingerprintCache(tmp_path, ("experiments", "joules")))
        return sources.fingerprint("joules.fake.work", ("run",)), sources.parsed

    first, parsed = computed()
    assert parsed
    change(folder)
    again, parsed = computed()
    assert bool(parsed) != is_kept
    assert again == SourceTree(tmp_path).fingerprint("joules.fake.work", ("run",))
    assert not is_kept or again == first


def test_without_the_folder_of_snakemake_no_fingerprint_is_kept(tmp_path):
    write(tmp_path)
    FingerprintCache(tmp_path, ("joules",)).keep("key", "value")
    assert [path.name for path in tmp_path.iterdir()] == ["joules"]


INTERPRETERS = sorted(
    {
        path.resolve()
        for pattern in ("*/bin/python3", "*/bin/python")
        for path in Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob(pattern)
        if path.parent.parent.name.startswith(("3.11", "3.12", "3.13", "3.14"))
    }
)
ELSEWHERE = """
import sys, types, json
sys.path.insert(0, sys.argv[1])
# The packages that the module's neighbours need are not installed for every interpreter.
for name, parts in {"joules.instrument": ["METER_VERSION"], "joules.study.design": ["Scalar"],
                    "joules.study.repository": ["repository_root"]}.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(dict.fromkeys(parts, 0))
import importlib.util
spec = importlib.util.spec_from_file_location("fingerprint", sys.argv[1] + "/joules/study/fingerprint.py")
module = importlib.util.module_from_spec(spec)
sys.modules["fingerprint"] = module
spec.loader.exec_module(module)
from pathlib import Path
fake = module.SourceTree(Path(sys.argv[2])).fingerprint("joules.fake.work", ("run",))
own = module.SourceTree(Path(sys.argv[1]))
real = {name: own.fingerprint(f"experiments.{name}.workload", ("build", "run")) for name in sys.argv[3:]}
print(json.dumps([fake, real]))
"""


@pytest.mark.parametrize("interpreter", [Path(sys.executable), *INTERPRETERS], ids=str)
def test_every_version_of_python_gives_the_same(tmp_path, of, interpreter):
    fake = of()
    assert fake == GOLDEN, (
        "the rules changed by which code is written down: every record's fingerprint did too"
    )
    names = experiments_with_runs()
    own = SourceTree(ROOT)
    real = {name: own.fingerprint(f"experiments.{name}.workload", ("build", "run")) for name in names}
    done = subprocess.run(
        [interpreter, "-c", ELSEWHERE, ROOT, tmp_path, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [fake, real]


def test_a_run_is_named_by_its_parameters_and_the_meter(monkeypatch):
    arms = load_design("flops_vs_energy").runs("smoke")
    arm, parameters = next(iter(arms.items()))
    first = fingerprint.run_fingerprint("flops_vs_energy", arm, parameters)
    assert first == fingerprint.run_fingerprint("flops_vs_energy", arm, dict(parameters))
    assert first != fingerprint.run_fingerprint("flops_vs_energy", arm, {**parameters, "batch_size": 2})
    monkeypatch.setattr(fingerprint, "METER_VERSION", 99)
    assert first != fingerprint.run_fingerprint("flops_vs_energy", arm, parameters)


def test_how_results_are_judged_counts(tmp_path, monkeypatch):
    for package in ("experiments", "joules"):
        for path in (ROOT / package).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    prints = []
    for stretch in (32, 33):
        scoring = tmp_path / "experiments" / "language_models" / "scoring.py"
        scoring.write_text(scoring.read_text().replace("STRETCH = 32", f"STRETCH = {stretch}"))
        monkeypatch.setattr(fingerprint, "source_tree", lambda _root: SourceTree(tmp_path))
        prints.append(fingerprint.run_fingerprint("language_models", "nanogpt", {}))
    assert prints[0] != prints[1]


def test_an_edit_of_one_question_leaves_the_others_alone(tmp_path):
    """estimation_methods and rl_ranking both train PPO, but share only the code that both use."""
    for package in ("experiments", "joules"):
        for path in (ROOT / package).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    asked = ("experiments.estimation_methods.workload", ("build", "run"), fingerprint.STATED_BY_VERSION)
    before = SourceTree(tmp_path).fingerprint(*asked)
    ranking = tmp_path / "experiments" / "rl_ranking" / "workload.py"
    ranking.write_text(ranking.read_text().replace("_RANDOM_EPISODES = 20", "_RANDOM_EPISODES = 21"))
    assert SourceTree(tmp_path).fingerprint(*asked) == before
    shared = tmp_path / "joules" / "workload" / "reinforcement" / "networks.py"
    shared.write_text(shared.read_text().replace("features=512", "features=256"))
    assert SourceTree(tmp_path).fingerprint(*asked) != before
