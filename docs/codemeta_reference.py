"""Writes `codemeta.json` (https://codemeta.github.io) from `CITATION.cff` and `pyproject.toml`.

python docs/codemeta_reference.py
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from joules.study.citation import author_name, citation

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "codemeta.json"


def main() -> None:
    PAGE.write_text(render_page(), encoding="utf-8")


def render_page() -> str:
    """The file in JSON. An address or a DOI is in it once `CITATION.cff` states one."""
    cited = citation()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    preferred = cited["preferred-citation"]
    stated = {"codeRepository": cited.get("repository-code"), "identifier": cited.get("doi")}
    body = {
        "@context": "https://w3id.org/codemeta/3.0",
        "type": "SoftwareSourceCode",
        "name": cited["title"],
        "identifier": project["name"],
        "description": cited["abstract"],
        "version": str(cited["version"]),
        "datePublished": str(cited["date-released"]),
        "license": f"https://spdx.org/licenses/{cited['license']}",
        "author": [_author(author) for author in cited["authors"]],
        "keywords": cited["keywords"],
        "programmingLanguage": "Python",
        "runtimePlatform": f"Python {project['requires-python']}",
        "softwareRequirements": project["dependencies"],
        "referencePublication": {
            "type": "ScholarlyArticle",
            "name": preferred["title"],
            "author": [_author(author) for author in preferred["authors"]],
        },
    } | {name: text for name, text in stated.items() if text}
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _author(author: dict[str, str]) -> dict[str, Any]:
    if "name" in author:
        return {"type": "Organization", "name": author_name(author)}
    return {
        "type": "Person",
        "givenName": author["given-names"],
        "familyName": author["family-names"],
    } | ({"id": author["orcid"]} if "orcid" in author else {})


if __name__ == "__main__":
    main()
