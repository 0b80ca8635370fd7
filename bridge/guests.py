"""What a plugin's own code may do to this process while it is loaded: print, and take its time."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator

log = logging.getLogger(__name__)

SLOW_S = 10.0
"""After so long somebody who waits wants to know for what, seconds."""


@contextlib.contextmanager
def hosted(name: str, slow_s: float = SLOW_S) -> Iterator[None]:
    """Code of `name` runs: what it prints goes to stderr, and what hasn't ended after `slow_s` is told."""
    # Nothing can end it, as it runs in this thread: whoever sees this knows what to uninstall.
    said = "%s is still being loaded after %g s; if that never ends, press Ctrl-C and uninstall it"
    timer = threading.Timer(slow_s, log.warning, (said, name, slow_s))
    timer.daemon = True
    timer.start()
    try:
        # A program may read stdout: `--json` is one object per line, and nothing else.
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        timer.cancel()
