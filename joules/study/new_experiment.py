"""A question of one's own, made from a template that measures, tabulates, draws and prints from the start."""

from __future__ import annotations

import re
from pathlib import Path

from joules.errors import UserError
from joules.study.config import paper_order
from joules.study.design import experiments_folder
from joules.study.repository import repository_root

TEMPLATE = Path(__file__).parent / "template"
# Stands in the template wherever the name of the question does.
PLACEHOLDER = "question_name"
_SECTION = "section.tex"
# By another name in the template, which is not to be imported.
_PACKAGE = "package.py"
_LIST = re.compile(r"^experiments: \[([^\]]*)\]$", re.MULTILINE)


def new_experiment(name: str) -> list[Path]:
    """Writes the folder of a question, its section of the paper and its entry in `workflow/config.yaml`;
    returns the files.

    Raises UserError where the name is no name or is taken, before anything is written.
    """
    root = repository_root()
    folder = experiments_folder() / name
    section = root / "paper" / "sections" / f"{name}.tex"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"'{name}' is no name of an experiment: use small letters, digits and underscores")
    for path in (folder, section):
        if path.exists():
            raise UserError(f"{path.relative_to(root)} is there already: choose another name")
    config = root / "workflow" / "config.yaml"
    listed = config.read_text(encoding="utf-8")
    if not _LIST.search(listed):
        raise UserError(
            "workflow/config.yaml does not list its experiments on one line: write 'experiments: [a, b]'"
        )
    order = ", ".join([*paper_order(), name])
    written = []
    folder.mkdir()
    for template in sorted(TEMPLATE.iterdir()):
        if template.is_file():
            name_there = "__init__.py" if template.name == _PACKAGE else template.name
            path = section if template.name == _SECTION else folder / name_there
            path.write_text(template.read_text(encoding="utf-8").replace(PLACEHOLDER, name), encoding="utf-8")
            written.append(path.relative_to(root))
    config.write_text(_LIST.sub(f"experiments: [{order}]", listed), encoding="utf-8")
    return [*written, config.relative_to(root)]
