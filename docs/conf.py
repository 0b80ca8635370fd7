"""Sphinx: builds this folder's Markdown pages into a site, with `python tools/dev.py docs`."""

from __future__ import annotations

import configparser
from pathlib import Path

_setup = configparser.ConfigParser()
_setup.read(Path(__file__).parent.parent / "setup.cfg", encoding="utf-8")

project = "PopBridge"
author = "The PopBridge authors"
project_copyright = author
release = version = _setup["metadata"]["version"]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
language = "en"
nitpicky = True

myst_heading_anchors = 4
"""Headings have the anchors that GitHub gives them, so that links work in both places."""
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_title = f"PopBridge {release}"
html_theme_options = {"source_edit_link": ""}
html_copy_source = False
html_show_sphinx = False
