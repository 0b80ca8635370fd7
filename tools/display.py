"""A screen of its own for editors with windows: nobody sees it, and no keys but a test's arrive there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from bridge.demo.editor import virtual_screen

SIZE = (1280, 800)
"""Pixels."""


@contextlib.contextmanager
def display(size: tuple[int, int] = SIZE) -> Iterator[str]:
    """Yields its name, as in `DISPLAY`; needs Xvfb, see `engines.have_display_tools`."""
    with virtual_screen(size) as env:
        yield env["DISPLAY"]
