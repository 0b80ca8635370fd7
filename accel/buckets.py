"""The sizes at which shapes repeat: rows of a batch and lengths of rows are rounded up to them."""

from __future__ import annotations

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""What policies measure batches at, and what is compiled or captured once serves for."""


def bucket(count: int) -> int:
    """The least of SIZES that isn't below `count`; beyond the last, `count` itself."""
    return next((size for size in SIZES if size >= count), count)
