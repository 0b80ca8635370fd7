"""A screen of its own for editors with windows: nobody sees it, and no keys but a test's arrive there."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

SIZE = (1280, 800)
"""Pixels."""


@contextlib.contextmanager
def display(size: tuple[int, int] = SIZE) -> Iterator[str]:
    """Its name, as in `DISPLAY`; needs Xvfb, see `engines.have_display_tools`."""
    read, write = os.pipe()
    screen = "{}x{}x24".format(*size)
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as number:
                yield f":{number.readline().strip()}"
        finally:
            server.terminate()
