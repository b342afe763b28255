"""Writes `docs/reference/options.md` from the options of a campaign.

python docs/options_reference.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from joules.study.config import Config

PAGE = Path(__file__).parent / "reference" / "options.md"
_INTRODUCTION = """# Options

Made from `joules/study/config.py` by `docs/options_reference.py`.

Options are set in `workflow/config.yaml` or by `snakemake --config name=value`; commands of `joules` take
`--option name=value`. Unknown options are rejected before measuring, with a suggestion. [Commands](cli.md)
lists the options of each command.

| option | default | values | meaning |
|---|---|---|---|
"""
_NOTES = """
`first_seed` is null by default: the seed of the first block is drawn once for each campaign and kept in
`results/local/seeds.json`. A number repeats the seeds of another campaign.

`snakemake --lint` recommends a conda environment for every rule. This workflow uses one environment for all
steps, pinned with hashes in `envs/requirements.lock`, because the versions that measure must be the versions
that the records name. Conda users get the same pins from `envs/environment.yml`.
"""


def main() -> None:
    PAGE.write_text(render_page(), encoding="utf-8")


def render_page() -> str:
    """The page in Markdown."""
    return _INTRODUCTION + "\n".join(_rows()) + "\n" + _NOTES


def _rows() -> Iterator[str]:
    for name, schema in Config.model_json_schema()["properties"].items():
        default = "required" if "default" not in schema else f"`{_spell(schema['default'])}`"
        yield f"| `{name}` | {default} | {_describe_values(schema)} | {schema['description']} |"


def _describe_values(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(map(_describe_values, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_describe_values(schema['items'])}"
    low, high = schema.get("minimum"), schema.get("maximum")
    ends = [f"from {low:g}" if low is not None else "", f"to {high:.7g}" if high is not None else ""]
    return " ".join(filter(None, [schema["type"], *ends]))


def _spell(value: object) -> str:
    return "null" if value is None else str(value)


if __name__ == "__main__":
    main()
