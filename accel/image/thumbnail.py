"""`image.thumbnail`: a preview that fits into a square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from accel.workload import Input, Limits, Output, OutputFile, Params, workload

if TYPE_CHECKING:
    import pyvips


class Thumbnail(Params, frozen=True):
    """How large, and in which format."""

    size: Annotated[int, Meta(ge=1, le=4096, description="Longest side, pixels.")] = 256
    format: Annotated[
        Literal["png", "jpeg", "webp"], Meta(description="File format; JPEG puts transparency on white.")
    ] = "png"


@workload("image.thumbnail", version=1, params=Thumbnail)
def thumbnail(inputs: Sequence[Input], params: Thumbnail, limits: Limits) -> Output:
    """Makes a preview that fits into a square.

    The aspect is kept, nothing is enlarged, the EXIF orientation is honoured, colours become 8 bit sRGB.
    Output file: `thumbnail`. Value: `{width, height}`, pixels.
    """
    # Imported here, as declaring a workload must cost the daemon nothing.
    import pyvips

    from accel.image.load import open_image, undecodable

    opened = open_image(inputs[0], limits)
    try:
        small = pyvips.Image.thumbnail_source(
            # A source, as a file name would be searched for options in brackets.
            pyvips.Source.new_from_file(inputs[0].path),
            params.size,
            height=params.size,
            size="down",
            # libvips 8.18 ignores `fail_on` itself here.
            option_string="fail_on=error",
            output_profile="srgb",
        )
        data = encode(small, params.format)
    except pyvips.Error as error:
        raise undecodable(inputs[0], opened.format, error) from None
    file = OutputFile("thumbnail", f"image/{params.format}", data)
    return Output({"width": small.width, "height": small.height}, [file])


def encode(image: pyvips.Image, format: str) -> bytes:
    """`image` as an 8 bit sRGB (or grey) file without metadata. Raises pyvips.Error."""
    model = "b-w" if image.interpretation in ("b-w", "grey16") else "srgb"
    plain = image.colourspace(model).cast("uchar")
    options: dict[str, Any] = {"compression": 1} if format == "png" else {"Q": 85}
    if format == "jpeg" and plain.hasalpha():
        plain = plain.flatten(background=255)
    data: bytes = plain.write_to_buffer(f".{format}", keep="none", **options)
    return data
