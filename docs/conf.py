"""Settings of the site, which `make docs` builds."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]

project = "The energy of machine learning"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "links", "paper"]
html_theme = "furo"
html_title = project
myst_heading_anchors = 3
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
# Forges draw diagrams.
suppress_warnings = ["misc.highlighting_failure"]
