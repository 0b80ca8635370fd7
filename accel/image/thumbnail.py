"""`image.thumbnail`: a preview that fits into a square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from accel.workload import Input, Limits, Output, OutputFile, Params, workload


class Thumbnail(Params, frozen=True):
    """How large, and in which format."""

    size: Annotated[int, Meta(ge=1, le=4096, description="Longest side, pixels.")] = 256
    format: Annotated[
        Literal["png", "jpeg", "webp"], Meta(description="File format; JPEG puts transparency on white.")
    ] = "png"


@workload("image.thumbnail", version=8, params=Thumbnail)
def thumbnail(inputs: Sequence[Input], params: Thumbnail, limits: Limits) -> Output:
    """Makes a preview that fits into a square.

    The aspect is kept, nothing is enlarged, the EXIF orientation is honoured, colours become 8 bit sRGB; of
    HDR values what is brighter than 1 is white. Integers are averaged by their sRGB codes and not as light,
    which for a preview would take two to three times as long: fine light patterns on dark ground come out
    darker than they look. `image.resize` averages as light. Opaque images are averaged in whole blocks, and
    what is left, less than a half, by Lanczos.
    Output file: `thumbnail`. Value: `{width, height}`, pixels.
    """
    # Imported here, as declaring a workload must cost the daemon nothing.
    from accel.image.preview import thumbnail_file

    data, width, height = thumbnail_file(inputs[0], params.size, params.format, limits)
    file = OutputFile("thumbnail", f"image/{params.format}", data)
    return Output({"width": width, "height": height}, [file])
