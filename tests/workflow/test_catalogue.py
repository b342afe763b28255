"""What the Snakemake workflow catalogue reads of the repository."""

import re

import yaml

from joules.study.config import Config
from tests import ROOT

README = (ROOT / "config" / "README.md").read_text(encoding="utf-8")


def test_each_finding_of_the_linter_is_answered(repository):
    linted = repository.snakemake("--lint")
    findings = set(re.findall(r"^ +\* (.*?):?$", linted.stdout, re.MULTILINE))
    assert findings == set(re.findall(r"^- \*(.*?)\*", README, re.MULTILINE)), linted.stdout
    # No rule has an environment or a container of its own, and none can be asked for.
    rules = re.findall(r"^Lints for rule (\w+)", linted.stdout, re.MULTILINE)
    assert {"measure", "evaluate", "typeset"} <= set(rules)
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage["software-stack-deployment"].values()) == {False}


def test_options_are_where_the_page_says():
    options = yaml.safe_load((ROOT / "workflow" / "config.yaml").read_text())
    assert options.keys() == Config.model_fields.keys()
    assert "](../workflow/config.yaml)" in README
