"""The RO-Crate of a campaign, in its folder and in its archive, checked by the validator of its profiles."""

import hashlib
import json
from importlib import resources
from types import SimpleNamespace

import pandas as pd
import pytest
from rocrate_validator import services
from rocrate_validator.utils.http import HttpRequester

from joules.archive import crate_steps
from joules.archive.crate import describe_crate
from joules.archive.release import list_members
from joules.study.citation import citation
from joules.study.manifest import read_manifest
from tests import RELEASED, ROOT

PROCESS, WORKFLOW = "process-run-crate-0.5", "workflow-run-crate-0.5"
# What the profiles recommend and a crate leaves out, with the reason.
ANSWERED = {
    "The Application SHOULD have a url": "no address is invented: CITATION.cff states none",
    "The SoftwareApplication id SHOULD be an absolute URI": "as above",
    "The organization SHOULD have a URL.": "as above",
    "The `publisher` property of a `Root Data Entity` SHOULD be an `Organization`": "it has no publisher yet",
    "The Action SHOULD have an endTime in ISO 8601 format": "only measuring has times: the same records give "
    "the same bytes whenever they are analysed",
    "The README.md SHOULD be about the crate": "the README is in the folder of the results",
    "The README.md SHOULD have text/markdown as its encodingFormat": "as above",
}
# Terms that RO-Crate 1.1 has at another address than the later version whose context is installed.
TERMS_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}


@pytest.fixture(autouse=True)
def context(monkeypatch):
    """The context of RO-Crate 1.1 from the installed package, so that the validator needs no network."""
    installed = resources.files("rocrate").joinpath("data", "ro-crate.jsonld").read_text(encoding="utf-8")
    body = json.loads(installed)
    body["@context"] |= TERMS_1_1

    def get(_self, url, **_options):
        known = str(url).rstrip("/") == "https://w3id.org/ro/crate/1.1/context"
        answer = body if known else {}
        return SimpleNamespace(
            status_code=200 if known else 404,
            text=json.dumps(answer),
            json=lambda: answer,
            headers={"Content-Type": "application/ld+json"},
            content=json.dumps(answer).encode(),
        )

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)


def find_faults(folder, files, body, profile, severity="RECOMMENDED"):
    """What the validator finds in a crate with these files, recommendations included by default."""
    for name, path in files.items():
        linked = folder / name
        linked.parent.mkdir(parents=True, exist_ok=True)
        linked.symlink_to(path)
    metadata = folder / "ro-crate-metadata.json"
    metadata.unlink(missing_ok=True)
    metadata.write_text(json.dumps(body))
    result = services.validate(
        {
            "rocrate_uri": str(folder),
            "profile_identifier": profile,
            "requirement_severity": severity,
            "offline": True,
            "cache_path": folder.parent / "cache",
        }
    )
    return {issue.message for issue in result.get_issues()}


@pytest.fixture(scope="module")
def tree():
    return describe_crate(RELEASED)


@pytest.fixture(scope="module")
def members():
    return list_members(RELEASED, [RELEASED.results / "README.md"])


@pytest.fixture(scope="module")
def archive(members):
    return describe_crate(RELEASED, members)


def entities(body):
    return {entity["@id"]: entity for entity in body["@graph"]}


def files_of(tree):
    return {
        name: RELEASED.results / name for name, entity in entities(tree).items() if entity["@type"] == "File"
    }


def names(value):
    return [each["@id"] for each in (value if isinstance(value, list) else [value])]


def test_a_crate_conforms_to_process_run_crate_and_is_the_same_each_time(tree, tmp_path):
    assert tree == describe_crate(RELEASED)
    assert find_faults(tmp_path / "crate", files_of(tree), tree, PROCESS) <= set(ANSWERED)


def test_an_archive_conforms_to_workflow_run_crate(archive, members, tmp_path):
    assert find_faults(tmp_path / "crate", members, archive, WORKFLOW) <= set(ANSWERED)


def test_the_validator_finds_a_step_without_software_and_a_missing_licence(tree, tmp_path):
    body = json.loads(json.dumps(tree))
    del entities(body)["#measure-grokking"]["instrument"], entities(body)["./"]["license"]
    faults = find_faults(tmp_path / "crate", files_of(tree), body, PROCESS, "REQUIRED")
    assert any("MUST have an instrument" in fault for fault in faults)
    assert any("license" in fault for fault in faults)


def test_steps_lead_from_designs_to_the_paper(tree, archive, members):
    found = entities(archive)
    assert "experiments/grokking/design.yaml" in names(found["#tabulate-grokking"]["object"])
    assert names(found["#evaluate"]["result"]) == [f"results/{RELEASED.name}/claims.csv"]
    assert f"paper/build/{RELEASED.name}/paper.pdf" in names(found["#typeset"]["result"])
    assert "experiments/grokking/claims.yaml" in names(found["#evaluate"]["object"])
    run = found["#workflow-run"]
    assert names(run["instrument"]) == names(found["./"]["mainEntity"]) == ["Snakefile"]
    assert found["LICENSE"]["description"] == "LICENSE", "the folder of the clone is in the crate"
    # A file that a step made is not an input of the whole workflow.
    assert not set(names(run["object"])) & set(names(run["result"]))
    # In the folder of the results, a file outside has no path but its name and hash.
    outside = entities(tree)["#experiments/grokking/design.yaml"]
    design = members["experiments/grokking/design.yaml"].read_bytes()
    assert outside["sha256"] == hashlib.sha256(design).hexdigest()
    assert "#draw-grokking" not in entities(tree)


def test_a_crate_names_software_as_records_and_manifest_do(tree):
    found = entities(tree)
    machine = pd.read_csv(RELEASED.tables("campaign") / "machine.csv").iloc[0]
    assert found["#package-torch"]["softwareVersion"] == machine["version_torch"]
    assert found["#meter"]["softwareVersion"] == f"meter version {machine['meter_version']}"
    assert found["#joules"]["softwareVersion"] == read_manifest(RELEASED).version
    assert found["#joules"].get("url") == citation().get("repository-code")


@pytest.mark.parametrize("is_current", [True, False])
def test_a_design_that_has_changed_since_is_no_input_of_measuring(is_current, monkeypatch):
    measured = read_manifest(RELEASED).origin.fingerprints
    monkeypatch.setattr(
        crate_steps, "run_fingerprint", lambda name, arm, _: measured[name][arm] if is_current else "other"
    )
    step = next(step for step in crate_steps.list_steps(RELEASED) if step.name == "measure-flops_vs_energy")
    design = "experiments/flops_vs_energy/design.yaml"
    assert step.read == ([ROOT / design] if is_current else [])
    assert step.not_kept == ([] if is_current else [design])


def test_a_crate_states_the_energy_of_its_campaign(tree):
    stated = {
        name: float(entity["value"])
        for name, entity in entities(tree).items()
        if entity.get("propertyID") == "#energy"
    }
    energy = pd.read_csv(RELEASED.tables("campaign") / "energy.csv")
    assert sum(stated.values()) == pytest.approx(energy["spent_j"].sum())
    used = names(entities(tree)["#measure-grokking"]["resourceUsage"])
    assert "#measure-grokking-energy" in used


def test_what_a_crate_states_of_its_files_is_true_of_compressed_ones_too():
    body = json.loads((RELEASED.results / "ro-crate-metadata.json").read_text())
    files = {
        each["@id"]: each["sha256"] for each in body["@graph"] if each["@type"] == "File" and "sha256" in each
    }
    assert any(name.endswith(".jsonl.gz") for name in files)
    for name, stated in files.items():
        assert hashlib.sha256((RELEASED.results / name).read_bytes()).hexdigest() == stated, name
