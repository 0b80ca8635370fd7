"""Every operation on images, by name: what a pipeline can be made of."""

from __future__ import annotations

from accel.ai.embed_image import embed_image
from accel.ai.ocr import ocr
from accel.ai.remove_background import remove_background
from accel.ai.upscale import upscale
from accel.image.atlas import atlas
from accel.image.bleed_alpha import bleed_alpha
from accel.image.compare import compare
from accel.image.compress import compress
from accel.image.convert import convert
from accel.image.histogram import histogram
from accel.image.make_tileable import make_tileable
from accel.image.mipmaps import mipmaps
from accel.image.normal_convention import normal_convention
from accel.image.normal_flip import normal_flip
from accel.image.normal_from_height import normal_from_height
from accel.image.operation import Operation
from accel.image.pack_channels import pack_channels
from accel.image.palette import palette
from accel.image.premultiply import premultiply
from accel.image.resize import resize
from accel.image.unpack_channels import unpack_channels
from accel.texture.estimate_pbr import estimate_pbr

OPERATIONS: dict[str, Operation] = {
    each.workload.name: each
    for each in (
        atlas,
        bleed_alpha,
        compare,
        compress,
        convert,
        embed_image,
        estimate_pbr,
        histogram,
        make_tileable,
        mipmaps,
        normal_convention,
        normal_flip,
        normal_from_height,
        ocr,
        pack_channels,
        palette,
        premultiply,
        remove_background,
        resize,
        unpack_channels,
        upscale,
    )
}
