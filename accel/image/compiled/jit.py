"""A decorator that compiles loops without the GIL, cached on disk if possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def jit(function: F) -> F:
    """Compiles a function for each combination of argument types, when first called with it."""
    try:
        return cast(F, njit(cache=True, nogil=True)(function))
    except RuntimeError:
        # Neither the package folder nor the user's cache folder is writable.
        return cast(F, njit(nogil=True)(function))
