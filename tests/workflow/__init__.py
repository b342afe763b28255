"""Tests of the workflow as its users run it."""

import re

SMOKE = ("--cores", "all", "--config", "scale=smoke")


def rules_run(output: str) -> list[str]:
    """Names of the rules a Snakemake run executed, the target rule aside."""
    return [rule for rule in re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE) if rule != "all"]
