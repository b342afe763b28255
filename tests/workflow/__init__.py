"""Tests of the workflow as its users run it."""

import re

SMOKE = ("--cores", "all", "--config", "scale=smoke")


def rules_run(output: str) -> list[str]:
    """Names of the rules that a Snakemake run executed, except the target rule."""
    return [rule for rule in re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE) if rule != "all"]
