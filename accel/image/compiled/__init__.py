"""Pixel loops compiled by numba, if installed (the extra `fast`).

The modules here import numba, so check `available` before importing them. Without numba, numpy does the same
work several times slower.
"""

from __future__ import annotations

import functools
import importlib.util


@functools.cache
def available() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None
