"""What is told of the first face, layer or slice alone of a file that holds several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from accel.image.raster import Raster


class OfFirst(Struct, frozen=True, kw_only=True):
    """A value that is of one image of each file."""

    first_of: int | None = None
    """How many faces, layers or slices the DDS or KTX2 holds (of several files that which has most): it is of
    the first alone. Null where there is one."""


def first_of(*images: Raster) -> int | None:
    """That number, of a value's inputs."""
    count = max(max(image.first_of, 1 + len(image.layers)) for image in images)
    return count if count > 1 else None
