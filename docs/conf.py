"""The site: `make docs`."""

project = "The energy of machine learning"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = project
myst_heading_anchors = 3
exclude_patterns = ["_build"]
# Diagrams are drawn by forges; links to files of the repository are checked by tests.
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
