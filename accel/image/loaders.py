"""libvips' loaders: which are allowed, and images of which no more than the header was read."""

from __future__ import annotations

from typing import Any

import pyvips

LOADERS = ("Png", "Jpeg", "Webp", "Tiff", "Nsgif", "Heif")
"""The loaders that are allowed, by the names of libvips' classes."""

READING = {"access": "sequential", "fail_on": "error"}


def _restrict() -> None:
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in LOADERS:
        pyvips.operation_block_set(f"VipsForeignLoad{loader}", False)
    pyvips.concurrency_set(1)
    # The cache would serve stale pixels of a file that another program rewrote.
    pyvips.cache_set_max(0)


_restrict()


def lazy(path: str, loader: str, **options: Any) -> pyvips.Image:
    """An image whose header was read, by libvips' operation. Raises pyvips.Error and OSError."""
    options |= READING
    try:
        return getattr(pyvips.Image, loader)(path, **options)
    except UnicodeEncodeError:
        return getattr(pyvips.Image, f"{loader}_source")(stream_of(path), **options)


def stream_of(path: str) -> pyvips.Source:
    """The file for libvips, whatever its name. Raises pyvips.Error and OSError."""
    try:
        return pyvips.Source.new_from_file(path)
    except UnicodeEncodeError:
        # libvips takes names in UTF-8 alone; it keeps a duplicate of the descriptor.
        with open(path, "rb") as file:
            return pyvips.Source.new_from_descriptor(file.fileno())


def from_memory(contents: bytes, loader: str) -> pyvips.Image:
    """The image of a file's `contents`, which have to outlive it. Raises pyvips.Error."""
    # As a buffer it would be copied; of a source pyvips keeps nothing.
    return getattr(pyvips.Image, f"{loader}_source")(pyvips.Source.new_from_memory(contents), **READING)
