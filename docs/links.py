"""Links of pages to files of the repository: to the page that shows a file, or to a copy of the file.

A link whose file is not there is left to Sphinx, which warns; `make docs` makes warnings errors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

DOCS = Path(__file__).parent
ROOT = DOCS.parent
# Pages of the site that include a file of the repository.
_PAGES = {
    "README.md": "index",
    "CONTRIBUTING.md": "contributing",
    "MAINTAINING.md": "maintaining",
    "joules/instrument/README.md": "explanation/meter",
}
# READMEs that get a page of their own, below the folder of generated pages.
_OWN_PAGES = ("results/*/README.md", "experiments/[a-z]*/README.md")
GENERATED = "files"


def write_pages() -> dict[str, str]:
    """Writes a page for each README of campaigns and experiments.

    Returns:
        Name of the page by file of the repository.
    """
    pages = dict(_PAGES)
    (DOCS / GENERATED).mkdir(exist_ok=True)
    for path in (DOCS / GENERATED).iterdir():
        path.unlink()
    for pattern in _OWN_PAGES:
        for path in sorted(ROOT.glob(pattern)):
            kind, name, _ = path.relative_to(ROOT).parts
            if name == "local":
                continue
            page = f"{GENERATED}/{kind}-{name}"
            text = f"---\norphan: true\n---\n\n```{{include}} ../../{path.relative_to(ROOT)}\n```\n"
            (DOCS / f"{page}.md").write_text(text, encoding="utf-8")
            pages[str(path.relative_to(ROOT))] = page
    return pages


class ResolveFiles(SphinxTransform):
    """Points links at files of the repository, from the file that they are written in."""

    # After the transforms that parse a page, before links are resolved.
    default_priority = 800
    pages: ClassVar[dict[str, str]] = {}

    def apply(self, **_options: Any) -> None:
        for node in list(self.document.findall(addnodes.pending_xref)):
            target, _, anchor = (node.get("reftargetid") or node["reftarget"]).partition("#")
            if node.get("refdomain") == "doc":
                target, anchor = f"{node['reftarget']}.md", node.get("reftargetid") or ""
            found = self._find(node, target)
            if found is None:
                continue
            name = str(found.relative_to(ROOT))
            page = self.pages.get(name)
            if page is None and found.is_relative_to(DOCS) and found.suffix == ".md":
                page = str(found.relative_to(DOCS).with_suffix(""))
            if page is not None:
                node["refdomain"], node["reftype"] = "doc", "myst"
                node["reftarget"], node["reftargetid"] = page, anchor or None
            else:
                copied = addnodes.download_reference("", "", reftarget=f"/../{name}", refdoc=node["refdoc"])
                copied += node.children or [nodes.Text(name)]
                node.replace_self(copied)

    def _find(self, node: addnodes.pending_xref, target: str) -> Path | None:
        """The file of the repository that a link names, if it is one."""
        written_in = Path(nodes.Element.get(node, "source") or node.source or self.document["source"])
        for folder in (written_in.parent, (DOCS / self.env.docname).parent):
            path = (folder / target).resolve()
            if target and path.is_file() and path.is_relative_to(ROOT):
                return path
        return None


def setup(app: Any) -> dict[str, bool]:
    """Registers the transform."""
    ResolveFiles.pages = write_pages()
    app.add_transform(ResolveFiles)
    return {"parallel_read_safe": True}
