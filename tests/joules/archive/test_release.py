"""Files of a release, checked by the validators of each standard."""

import hashlib
import json
import shutil
import subprocess
import sys

import frictionless
import pandas as pd
import pytest

from joules.analysis import columns
from joules.archive import datapackage
from joules.errors import UserError
from joules.study.citation import citation
from joules.study.config import LOCAL
from joules.version import VERSION
from tests import RELEASED, ROOT


def test_everything_that_names_a_version_names_the_same():
    assert str(citation()["version"]) == VERSION
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_preferred_citation_is_of_the_same_work():
    cited = citation()
    preferred = cited["preferred-citation"]
    assert {name: preferred[name] for name in ("title", "authors", "version")} == {
        name: cited[name] for name in ("title", "authors", "version")
    }
    assert preferred["year"] == cited["date-released"].year


def test_units_and_types_of_a_column():
    energy = datapackage.describe_column("energy_per_pass_j", pd.Series([1.5]))
    assert (energy["type"], energy["unit"]) == ("number", "J")
    assert datapackage.describe_column("arm", pd.Series(["x"]))["type"] == "string"
    assert "unit" not in datapackage.describe_column("words_s", pd.Series(["x"]))


def test_units_are_text_where_each_is_1(tmp_path):
    table = tmp_path / "grokking" / "statistics.csv"
    table.parent.mkdir()
    table.write_text("statistic,unit\na,1\nb,1\n")
    fields = datapackage.describe_table(table, "grokking", "title")["schema"]["fields"]
    assert [field["type"] for field in fields] == ["string", "string"]


@pytest.fixture(scope="module")
def package():
    return datapackage.describe_package(RELEASED)


def test_every_unit_is_of_the_list_and_has_its_code_but_for_currencies(package):
    used = {
        field["unit"]: field.get("ucum")
        for resource in package["resources"]
        for field in resource["schema"]["fields"]
        if "unit" in field
    }
    assert used.keys() <= columns.UNITS
    assert {unit for unit, code in used.items() if code is None} <= {"USD", "USD/kWh"}
    assert (used["kWh"], used["byte"], used["FLOP/J"]) == ("kW.h", "By", "{FLOP}/J")
    assert set(columns.UCUM) == columns.UNITS - {"USD", "USD/kWh"}


def test_a_table_refers_to_the_arms_and_statistics_that_it_names(package):
    keys = {
        resource["path"]: [
            (key["fields"], key["reference"]["resource"]) for key in resource["schema"]["foreignKeys"]
        ]
        for resource in package["resources"]
        if "foreignKeys" in resource["schema"]
    }
    assert keys["tables/layer_kinds/runs.csv"] == [(["arm"], "layer-kinds-arms")]
    assert keys["tables/layer_kinds/power_models.csv"] == [
        (["statistic"], "layer-kinds-statistics"),
        (["power_model"], "campaign-watts"),
    ]
    # Its arms are the rows of the board.
    assert keys["tables/language_models/runs.csv"] == [(["arm"], "language-models-board")]
    assert keys["tables/campaign/evidence.csv"] == [(["experiment", "claim"], "claims")]
    assert "tables/layer_kinds/arms.csv" not in keys


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (pd.DataFrame({"arm": ["x", "y"], "n": [1, 1]}), ["arm"]),
        (pd.DataFrame({"arm": ["x", "x"], "block": [0, 1]}), ["arm", "block"]),
        (pd.DataFrame({"arm": ["x", None]}), []),
        (pd.DataFrame({"arm": []}), []),
        (pd.DataFrame({"arm": ["x", "x"]}), []),
    ],
)
def test_a_key_names_each_row(table, key):
    assert datapackage.find_primary_key(table) == key


def test_every_file_has_a_licence():
    lint = subprocess.run(
        [sys.executable, "-m", "reuse", "--root", str(ROOT), "lint", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, json.loads(lint.stdout)["non_compliant"]


def write_package(folder, package, names=None):
    """Writes a data package with some of its tables, or all."""
    chosen = [each for each in package["resources"] if names is None or each["name"] in names]
    (folder / "datapackage.json").write_text(json.dumps(package | {"resources": chosen}))
    for resource in chosen:
        table = folder / resource["path"]
        table.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(RELEASED.results / resource["path"], table)


def test_a_data_package_is_valid_with_its_references(package, tmp_path):
    write_package(tmp_path, package)
    report = package_report(tmp_path)
    assert report.valid, report.flatten(["title", "fieldName", "note"])


def test_a_power_model_that_is_renamed_in_one_table_is_found(package, tmp_path):
    write_package(tmp_path, package, ["campaign-watts", "campaign-calibration"])
    table = tmp_path / "tables" / "campaign" / "watts.csv"
    table.write_text(table.read_text().replace("boavizta", "another"))
    assert {fault for (fault,) in package_report(tmp_path).flatten(["type"])} >= {"hash-count", "foreign-key"}


def test_a_released_data_package_states_the_hash_of_each_table():
    package = json.loads((RELEASED.results / "datapackage.json").read_text())
    for resource in package["resources"]:
        stored = (RELEASED.results / resource["path"]).read_bytes()
        assert resource["hash"] == f"sha256:{hashlib.sha256(stored).hexdigest()}"


def package_report(folder):
    return frictionless.validate("datapackage.json", type="package", basepath=str(folder))


@pytest.fixture
def copied(tmp_path):
    """A copy of the results of a released campaign."""
    source = next(
        path.parent for path in sorted(ROOT.glob("results/*/datapackage.json")) if path.parent.name != LOCAL
    )
    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    return folder


def test_the_readme_says_what_each_column_means(copied):
    package = json.loads((copied / "datapackage.json").read_text())
    readme = (copied / "README.md").read_text()
    for resource in package["resources"]:
        _, _, described = readme.partition(f"\n`{resource['path']}`: {resource['description']}\n")
        for field in resource["schema"]["fields"]:
            line = f"| `{field['name']}` | {field.get('unit', '')} | {field['description']} |"
            assert line in described.partition("###")[0]


def test_a_column_that_nobody_explained_is_not_released(copied):
    table = copied / "tables" / "grokking" / "arms.csv"
    table.write_text(table.read_text().replace("grok_step", "moment", 1))
    with pytest.raises(UserError, match=r"columns without a description: moment \(grokking/arms.csv\)"):
        datapackage.describe_table(table, "grokking", "title")
