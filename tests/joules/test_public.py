"""The public API of the package: names, types and documentation."""

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import joules
from joules.version import VERSION
from joules.workload.session import Session
from tests import ROOT

DOCS = ROOT / "docs"
CLASSES = [getattr(joules, name) for name in joules.__all__ if inspect.isclass(getattr(joules, name))]
FUNCTIONS = [
    function
    for owner in (joules.Meter, joules.Windows, joules.Measurement, Session)
    for name, function in vars(owner).items()
    if not name.startswith("_") and inspect.isfunction(function)
]


def test_the_package_names_its_version_and_ships_its_types():
    assert joules.__version__ == VERSION
    assert (Path(joules.__file__).parent / "py.typed").is_file()


def test_every_public_name_is_on_the_page_of_the_api():
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r":: joules\.(\w+)(?:\(\))?$", page, re.MULTILINE))
    assert documented == set(joules.__all__)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda each: each.__qualname__)
def test_every_argument_of_a_public_function_is_documented(function):
    arguments = [name for name in inspect.signature(function).parameters if name != "self"]
    documentation = inspect.getdoc(function)
    assert [name for name in arguments if f"    {name}: " not in documentation] == []


@pytest.mark.parametrize("owner", CLASSES, ids=lambda each: each.__name__)
def test_every_property_of_a_public_class_is_typed_and_documented(owner):
    assert inspect.getdoc(owner)
    assert "__getattr__" not in vars(owner)
    for name, value in vars(owner).items():
        if isinstance(value, property):
            assert inspect.getdoc(value), name
            assert inspect.signature(value.fget).return_annotation is not inspect.Signature.empty, name


def test_every_field_of_a_result_is_documented():
    for result in (joules.Measurement, joules.Reading, joules.Total, joules.Repeats, joules.Repeat):
        documentation = inspect.getdoc(result)
        assert [name for name in result.model_fields if f"    {name}: " not in documentation] == []


@pytest.mark.parametrize("script", sorted(path.stem for path in DOCS.glob("*_reference.py")))
def test_a_generated_page_is_current(script):
    spec = importlib.util.spec_from_file_location(script, DOCS / f"{script}.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert reference.PAGE.read_text(encoding="utf-8") == reference.render_page(), (
        f"run 'python docs/{script}.py'"
    )


SCRIPT = Path(__file__).with_name("uses_public_names.py")


def test_a_typed_script_uses_every_public_name():
    text = SCRIPT.read_text(encoding="utf-8")
    assert [name for name in joules.__all__ if not re.search(rf"\b{name}\b", text)] == []
    for command in (["-m", "mypy", "--strict", "--follow-imports=silent"], []):
        done = subprocess.run(
            [sys.executable, *command, str(SCRIPT)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "window 'unknown' is not open" in done.stdout
