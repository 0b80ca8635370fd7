"""How loops are compiled: once, kept on disk where there is room, without Python's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def jit(function: F) -> F:
    """`function`, compiled when it is first called with its types."""
    try:
        return cast(F, njit(cache=True, nogil=True)(function))
    except RuntimeError:
        # Neither the package's folder nor the user's own for caches can be written to.
        return cast(F, njit(nogil=True)(function))
