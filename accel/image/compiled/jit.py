"""The decorator that compiles loops: cached on disk if possible, without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def jit(function: F) -> F:
    """Compiles a function when it is first called with arguments of new types."""
    try:
        return cast(F, njit(cache=True, nogil=True)(function))
    except RuntimeError:
        # Neither the package's folder nor the user's cache folder is writable.
        return cast(F, njit(nogil=True)(function))
