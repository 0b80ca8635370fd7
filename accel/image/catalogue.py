"""Every operation on images, by name: what a pipeline can be made of."""

from __future__ import annotations

from accel.ai.embed_image import embed_image
from accel.ai.ocr import ocr
from accel.ai.remove_background import remove_background
from accel.ai.upscale import upscale
from accel.image.convert import convert
from accel.image.operation import Operation

OPERATIONS: dict[str, Operation] = {
    each.workload.name: each
    for each in (
        convert,
        embed_image,
        ocr,
        remove_background,
        upscale,
    )
}  # fmt: skip
