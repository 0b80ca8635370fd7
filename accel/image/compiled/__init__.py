"""Loops over pixels that numba compiles, where it is installed (the extra `fast`): one module for each kind.

The modules below import numba and are imported only once `available` says so; numpy does the same work
without them, several times slower.
"""

from __future__ import annotations

import functools
import importlib.util


@functools.cache
def available() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None
