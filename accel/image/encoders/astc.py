"""ASTC of 8 bits, by ARM's encoder."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from astc_encoder import ASTCConfig, ASTCContext, ASTCImage, ASTCProfile, ASTCSwizzle, ASTCType

from accel.image.decoded import Pixels
from accel.image.encoders.bc import Effort
from accel.image.encoders.strips import rgba
from accel.image.readers.blocks import Block

_QUALITY = {"fast": 10, "normal": 60, "best": 98}
"""The encoder's presets fast, medium and thorough."""


# What is made for one kind of blocks takes 20 ms, a tenth of a fast image; some are kept for the next.
@lru_cache(maxsize=4)
def astc(block: Block, effort: Effort, srgb: bool) -> Callable[[Pixels], bytes]:
    """An encoder of strips; for one thread."""
    profile = ASTCProfile.LDR_SRGB if srgb else ASTCProfile.LDR
    config = ASTCConfig(profile, block.width, block.height, 1, _QUALITY[effort])
    context = ASTCContext(config)
    # Never `from_str`: it makes capitals inside the text that it is given, a constant of the whole program.
    as_it_is = ASTCSwizzle()

    def encoded(strip: Pixels) -> bytes:
        pixels = rgba(strip)
        image = ASTCImage(ASTCType.U8, pixels.shape[1], pixels.shape[0], 1, pixels.tobytes())
        data: bytes = context.compress(image, as_it_is)
        return data

    return encoded
