"""Creates an experiment from the template in `experiments/_template`, ready to be measured."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from joules.errors import UserError
from joules.study.config import read_options
from joules.study.design import check_name, experiments_folder
from joules.study.repository import repository_root

# What the template has in place of the name of the experiment.
PLACEHOLDER = "question_name"
# And in place of the day on which its claims are declared.
_TODAY = "declared_today"
_SECTION = "section.tex"
# Has another name in the template, which is not a package that could be imported.
_PACKAGE = "package.py"
_LIST = re.compile(r"^experiments: \[([^\]]*)\]$", re.MULTILINE)


def template_folder() -> Path:
    """The folder whose files a new experiment is made of."""
    return experiments_folder() / "_template"


def new_experiment(name: str) -> list[Path]:
    """Creates an experiment: its folder, its section of the paper and its entry in `workflow/config.yaml`.

    Args:
        name: name of the folder, lowercase letters, digits and underscores.

    Returns:
        The written files, relative to the repository.

    Raises:
        UserError: the name is invalid or taken; nothing was written.
    """
    check_name(name)
    root = repository_root()
    folder = experiments_folder() / name
    section = root / "paper" / "main" / f"{name}.tex"
    for path in (folder, section):
        if path.exists():
            raise UserError(f"{path.relative_to(root)} already exists: choose another name")
    config = root / "workflow" / "config.yaml"
    text = config.read_text(encoding="utf-8")
    if not _LIST.search(text):
        raise UserError(
            "workflow/config.yaml does not list its experiments on one line: write 'experiments: [a, b]'"
        )
    names = ", ".join([*map(str, read_options()["experiments"]), name])
    written = []
    folder.mkdir()
    for template in sorted(path for path in template_folder().iterdir() if path.is_file()):
        file_name = "__init__.py" if template.name == _PACKAGE else template.name
        path = section if template.name == _SECTION else folder / file_name
        text_of = template.read_text(encoding="utf-8").replace(PLACEHOLDER, name)
        path.write_text(text_of.replace(_TODAY, datetime.date.today().isoformat()), encoding="utf-8")
        written.append(path.relative_to(root))
    config.write_text(_LIST.sub(f"experiments: [{names}]", text), encoding="utf-8")
    return [*written, config.relative_to(root)]
