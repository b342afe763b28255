"""Features of meters, each checked in the code of the installed package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joules.yaml_files import read_yaml

_FILE = Path(__file__).with_suffix(".yaml")


def check_features(site: Path, meters: Sequence[str]) -> list[list[str]]:
    """Rows of the table of features.

    Args:
        site: Folder with the packages of all meters.
        meters: Their names, in order of the columns.

    Returns:
        For each feature its name, and for each meter 'yes', in what way, or 'no'.

    Raises:
        ValueError: If the code of a package does not bear out what the file says of it.
    """
    code = {
        meter: {
            str(path.relative_to(site / meter)): path.read_text(encoding="utf-8", errors="replace")
            for path in sorted((site / meter).rglob("*.py"))
        }
        for meter in meters
    }
    return [
        [each["feature"], *(_entry(each, meter, code[meter]) for meter in meters)]
        for each in read_yaml(_FILE)
    ]


def _entry(feature: dict[str, Any], meter: str, code: dict[str, str]) -> str:
    if meter not in feature:
        found = [name for name, text in code.items() if re.search(feature["none of"], text)]
        if found:
            raise ValueError(f"{meter} may have '{feature['feature']}': read {', '.join(found)}")
        return "no"
    file, text = feature[meter]
    if text not in code.get(file, ""):
        raise ValueError(f"no '{text}' in {file} of {meter}: '{feature['feature']}' was not found")
    return str(feature.get("partly", {}).get(meter, "yes"))
