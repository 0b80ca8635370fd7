"""Every operation on images, by name: what a pipeline can be made of."""

from __future__ import annotations

from accel.image.bleed_alpha import bleed_alpha
from accel.image.convert import convert
from accel.image.make_tileable import make_tileable
from accel.image.mipmaps import mipmaps
from accel.image.operation import Operation
from accel.image.premultiply import premultiply
from accel.image.resize import resize

OPERATIONS: dict[str, Operation] = {
    each.workload.name: each
    for each in (
        bleed_alpha,
        convert,
        make_tileable,
        mipmaps,
        premultiply,
        resize,
    )
}  # fmt: skip
