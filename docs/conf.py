"""Sphinx: the pages in this folder, Markdown by MyST."""

project = "keras-surgery"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "keras-surgery"
myst_heading_anchors = 3
exclude_patterns = ["_build"]
# Comments in YAML that other tools would not highlight are no reason to fail a build.
suppress_warnings = ["misc.highlighting_failure"]
