"""Files of a release, checked by the validators of each standard."""

import hashlib
import json
import shutil
import subprocess
import sys
from importlib import resources
from types import SimpleNamespace

import frictionless
import pandas as pd
import pytest
from rocrate_validator import services
from rocrate_validator.utils.http import HttpRequester

from joules.archive import crate, datapackage
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.citation import citation
from joules.study.config import LOCAL
from joules.version import VERSION
from tests import RELEASED, ROOT


def test_everything_that_names_a_version_names_the_same():
    assert str(citation()["version"]) == VERSION
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()


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


def test_a_table_refers_to_the_arms_and_statistics_that_it_names():
    keys = {
        resource["path"]: [
            (key["fields"], key["reference"]["resource"]) for key in resource["schema"]["foreignKeys"]
        ]
        for resource in datapackage.describe_package(RELEASED)["resources"]
        if "foreignKeys" in resource["schema"]
    }
    assert keys["tables/layer_kinds/runs.csv"] == [(["arm"], "layer-kinds-arms")]
    assert keys["tables/layer_kinds/power_models.csv"] == [(["statistic"], "layer-kinds-statistics")]
    assert "tables/layer_kinds/arms.csv" not in keys


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (pd.DataFrame({"arm": ["x", "y"], "n": [1, 1]}), ["arm"]),
        (pd.DataFrame({"arm": ["x", "x"], "block": [0, 1]}), ["arm", "block"]),
        (pd.DataFrame({"arm": ["x", None]}), []),
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


@pytest.fixture
def crate_context(monkeypatch):
    """A copy of the context, so that the validator needs no network.

    It is the copy in the package rocrate, of a later version with the same terms.
    """
    context = resources.files("rocrate").joinpath("data", "ro-crate.jsonld").read_text(encoding="utf-8")

    def get(_self, url, **_options):
        known = str(url).rstrip("/") == "https://w3id.org/ro/crate/1.1/context"
        body = json.loads(context) if known else {}
        return SimpleNamespace(
            status_code=200 if known else 404,
            text=json.dumps(body),
            json=lambda: body,
            headers={"Content-Type": "application/ld+json"},
            content=json.dumps(body).encode(),
        )

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)


def package_report(folder):
    return frictionless.validate("datapackage.json", type="package", basepath=str(folder))


def crate_faults(folder, cache):
    result = services.validate(
        {
            "rocrate_uri": str(folder),
            "profile_identifier": "ro-crate-1.1",
            "requirement_severity": "REQUIRED",
            "offline": True,
            "cache_path": cache / "cache",
        }
    )
    return [issue.message for issue in result.get_issues()]


@pytest.fixture
def copied(tmp_path):
    """A copy of the results of a released campaign."""
    source = next(
        path.parent for path in sorted(ROOT.glob("results/*/datapackage.json")) if path.parent.name != LOCAL
    )
    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    return folder


def test_a_released_data_package_is_valid_and_an_edited_table_is_not(copied):
    report = package_report(copied)
    assert report.valid, report.flatten(["title", "fieldName", "note"])
    table = next((copied / "tables").rglob("arms.csv"))
    table.write_text(table.read_text().replace("1", "2", 1))
    assert not package_report(copied).valid


def test_a_released_crate_is_valid_and_one_without_its_licence_is_not(copied, crate_context, tmp_path):
    assert crate_faults(copied, tmp_path) == []
    metadata = copied / "ro-crate-metadata.json"
    body = json.loads(metadata.read_text())
    root = next(entity for entity in body["@graph"] if entity["@id"] == "./")
    del root["license"], root["datePublished"]
    metadata.write_text(json.dumps(body))
    assert crate_faults(copied, tmp_path)


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


def test_a_crate_made_now_is_valid_and_the_same_each_time(copied, crate_context, tmp_path):
    made = [crate.describe_crate(Campaign(copied.name, ROOT)) for _ in range(2)]
    assert made[0] == made[1]
    (copied / "ro-crate-metadata.json").write_text(json.dumps(made[0]))
    assert crate_faults(copied, tmp_path) == []
    software = next(entity for entity in made[0]["@graph"] if entity["@id"] == "#software")
    assert software.get("url") == citation().get("repository-code")


def test_what_a_crate_states_of_its_files_is_true_of_compressed_ones_too(copied):
    body = json.loads((copied / "ro-crate-metadata.json").read_text())
    files = {each["@id"]: each["sha256"] for each in body["@graph"] if "sha256" in each}
    assert any(name.endswith(".jsonl.gz") for name in files)
    for name, stated in files.items():
        assert hashlib.sha256((copied / name).read_bytes()).hexdigest() == stated, name


def test_a_crate_states_the_energy_of_its_campaign(copied):
    body = json.loads((copied / "ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in body["@graph"]}
    stated = float(entities["#usage-energy"]["value"])
    energy = pd.read_csv(copied / "tables" / "campaign" / "energy.csv")
    assert stated == pytest.approx(energy["spent_j"].sum())
    assert {"@id": "#usage-energy"} in entities["#campaign"]["resourceUsage"]
