"""Inspects images, and makes 8-bit previews of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyvips
from msgspec import Struct

from accel.image.alpha import straight_colors
from accel.image.codecs.png import FAST, write_png
from accel.image.color_management import convert_to_srgb
from accel.image.decode import (
    DEVICELESS,
    Format,
    OpenImage,
    decode_error,
    decode_image,
    identify,
    open_image,
    pixel_bytes,
    stream_of,
    without_pixels,
)
from accel.image.normal_maps import NORMAL_SHARE, examine_normals, measure_curl, unit_share
from accel.image.operations.analysis import Inspect
from accel.image.operations.geometry import Thumbnail
from accel.image.pixel_data import DecodedImage, Pixels, full_scale, vips_image
from accel.image.records import Alpha, Channel, Inspection, Normals, Seams
from accel.image.statistics import (
    FloatStatistics,
    IntegerStatistics,
    StripSample,
    entropy,
    hard_edges,
    is_grey,
    sample_pixels,
    seams,
)
from accel.text import text
from accel.workload import Input, Limits, Output, OutputFile, WorkloadError, file_error_code

_MODELS = {"grey": ("b-w", "grey16"), "rgb": ("srgb", "rgb16")}


def thumbnail(inputs: Sequence[Input], params: Thumbnail, limits: Limits) -> Output:
    data, width, height = thumbnail_file(inputs[0], params.size, params.format, limits)
    file = OutputFile("thumbnail", f"image/{params.format}", data)
    return Output({"width": width, "height": height}, [file])


def thumbnail_file(source: Input, size: int, format: str, limits: Limits) -> tuple[bytes, int, int]:
    """Returns a thumbnail file of at most `size` pixels per side, its width and its height.

    Raises WorkloadError.
    """
    kind, length = identify(source)
    opened = None if kind.loader is None else open_image(source, kind, length, limits)
    if opened is None or not _vips_can_shrink(opened.image):
        small = shrink(decode_image(source, limits), size)
        return encode_preview(small, format), small.width, small.height
    try:
        small = (
            average_blocks(opened, source.path, size)
            if _can_average_codes(opened.image, size)
            else resample_preview(opened, source.path, size)
        )
        return encode_preview(small, format), small.width, small.height
    except OSError as error:
        reason = text("can't be read ({strerror})", strerror=error.strerror or error)
        raise WorkloadError(file_error_code(error, "bad_input"), reason, source.name) from None
    except pyvips.Error as error:
        raise decode_error(source, kind, error) from None


def _vips_can_shrink(image: pyvips.Image) -> bool:
    """Whether libvips' thumbnail is correct; for floats it is often black."""
    return image.format in ("uchar", "ushort") or image.interpretation in DEVICELESS


def _can_average_codes(image: pyvips.Image, size: int) -> bool:
    """Whether the stored codes can be averaged, and the image is large enough to average blocks."""
    if image.hasalpha() or image.get_typeof("icc-profile-data"):
        return False
    return (
        image.interpretation in ("b-w", "srgb", "grey16", "rgb16")
        and max(image.width, image.height) >= 2 * size
    )


def average_blocks(opened: OpenImage, path: str, size: int) -> pyvips.Image:
    """Shrinks by averaging whole blocks, then by Lanczos for the remaining factor of less than 2."""
    image = opened.image
    width, height = image.width, image.height
    if opened.format.name == "jpeg":
        image = opened.reopen(path, shrink=_jpeg_shrink(max(width, height) // size, min(width, height)))
    small = fit_size(image, *_fitting_size(width, height, size), "lanczos3")
    # An image in sequential mode can't be rotated.
    turned = small.get_typeof("orientation") and small.get("orientation") > 1
    return small.copy_memory().autorot() if turned else small


def _jpeg_shrink(factor: int, shortest: int) -> int:
    """Returns the factor by which to shrink a JPEG while decoding, leaving a factor of at least 2 to average.

    Thin images aren't shrunk: the decoder would drop rows that don't fill a block.
    """
    return max((scale for scale in (2, 4, 8) if 2 * scale <= factor and 16 * scale <= shortest), default=1)


def _fitting_size(width: int, height: int, size: int) -> tuple[int, int]:
    """Returns the largest width and height that fit into a square of `size`."""
    longest = max(width, height)
    return max(1, round(width * size / longest)), max(1, round(height * size / longest))


def fit_size(image: pyvips.Image, width: int, height: int, kernel: str) -> pyvips.Image:
    """Shrinks an image by averaging whole blocks, then resampling. Takes a tenth of the time of libvips'
    thumbnails."""
    # Scale each side separately, or thin images would lose up to a third of their rows.
    return image.resize(width / image.width, vscale=height / image.height, kernel=kernel, gap=1.0)


def resample_preview(opened: OpenImage, path: str, size: int) -> pyvips.Image:
    """Shrinks with libvips' thumbnail, which applies profiles and weights colours by alpha."""
    # Without a profile, an output profile changes nothing but takes a third longer.
    profile = {"output_profile": "srgb"} if opened.image.get_typeof("icc-profile-data") else {}
    if opened.inflated or opened.differs:
        return opened.image.thumbnail_image(size, height=size, size="down", **profile)
    # libvips 8.18 ignores the `fail_on` argument here.
    how = {"height": size, "size": "down", "option_string": "fail_on=error", **profile}
    if opened.repaired_jpeg:
        return pyvips.Image.thumbnail_buffer(opened.repaired_jpeg, size, **how)
    # From a source, as libvips would parse brackets in a file name as options.
    return pyvips.Image.thumbnail_source(stream_of(path), size, **how)


def shrink(decoded: DecodedImage, size: int) -> pyvips.Image:
    """Returns the image for display, at most `size` pixels per side; never enlarges."""
    small = straighten_alpha(shrink_values(decoded, size), decoded)
    return display_values(small) if decoded.pixels.dtype.kind == "f" else _apply_profile(small, decoded)


def shrink_values(decoded: DecodedImage, size: int) -> pyvips.Image:
    """Like `shrink`, but keeps the values as stored."""
    image = to_vips(decoded)
    if max(image.width, image.height) <= size:
        return image
    return shrink_image(image, size, decoded.pixels.dtype, _weighs_by_alpha(decoded))


def shrink_image(image: pyvips.Image, size: int, dtype: Any, weighs_by_alpha: bool) -> pyvips.Image:
    """Shrinks an image that is larger than `size`; `weighs_by_alpha` weights colours by alpha."""
    sides = _fitting_size(image.width, image.height, size)
    # The remaining factor is less than 2, so two neighbours suffice.
    if not weighs_by_alpha:
        return fit_size(image, *sides, "linear")
    top = float(full_scale(dtype))
    small = fit_size(image.premultiply(max_alpha=top), *sides, "linear").unpremultiply(max_alpha=top)
    return (
        (small if top == 1.0 else small.rint()).cast(image.format).copy(interpretation=image.interpretation)
    )


def _weighs_by_alpha(decoded: DecodedImage) -> bool:
    """Whether colours must be weighted by alpha, to keep hidden colours from showing."""
    if decoded.alpha != "straight" or not decoded.has_alpha or decoded.color_model not in _MODELS:
        return False
    pixels = decoded.pixels
    top = full_scale(pixels.dtype)
    return bool((pixels[..., -1] != top).any())


def straighten_alpha(small: pyvips.Image, decoded: DecodedImage) -> pyvips.Image:
    """Undoes the format's alpha mixing: averaging needs mixed colours, viewers need straight ones."""
    if decoded.alpha == "straight" or not decoded.has_alpha or decoded.color_model == "cmyk":
        return small
    pixels = small.numpy().reshape(small.height, small.width, -1)
    return vips_image(straight_colors(pixels, decoded.alpha), small.interpretation)


def _apply_profile(small: pyvips.Image, decoded: DecodedImage) -> pyvips.Image:
    """Converts colours to sRGB by a profile that libvips didn't read itself."""
    if not decoded.profile:
        return small
    small = small.copy()
    small.set_type(pyvips.GValue.blob_type, "icc-profile-data", decoded.profile)
    pixels, model, _ = convert_to_srgb(small, "auto")
    return vips_image(pixels, _MODELS[model][pixels.itemsize - 1])


def display_values(small: pyvips.Image) -> pyvips.Image:
    """Converts floats for display: clips to 0 to 1 and applies the sRGB curve (IEC 61966-2-1)."""
    values = np.clip(np.nan_to_num(small.numpy().reshape(small.height, small.width, -1)), 0, 1)
    colors = values.shape[2] - bool(small.hasalpha())
    light = values[..., :colors]
    values[..., :colors] = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    pixels = np.round(values * 255).astype(np.uint8)
    # Show the first channel of anything other than grey and RGB.
    pixels = pixels if colors in (1, 3) else pixels[..., :1]
    return vips_image(pixels, "b-w" if pixels.shape[2] < 3 else "srgb")


def to_vips(decoded: DecodedImage) -> pyvips.Image:
    """Wraps the pixels for libvips without copying."""
    return vips_image(decoded.pixels, _interpretation(decoded))


def _interpretation(decoded: DecodedImage) -> str:
    """Returns libvips' name of the colour model of pixels."""
    pixels = decoded.pixels
    grey_or_color = _MODELS.get(decoded.color_model)
    if pixels.dtype.kind == "f":
        # scRGB would trigger automatic conversions in libvips.
        return "srgb" if pixels.shape[2] >= 3 else "b-w"
    if grey_or_color is None:
        return "cmyk" if decoded.color_model == "cmyk" else "multiband"
    return grey_or_color[pixels.itemsize - 1]


def encode_preview(image: pyvips.Image, format: str) -> bytes:
    """Encodes an image as 8-bit sRGB or grey without metadata. Raises pyvips.Error."""
    model = "b-w" if image.interpretation in ("b-w", "grey16") else "srgb"
    plain = image.colourspace(model).cast("uchar")
    if format == "png":
        return write_png(plain.numpy().reshape(plain.height, plain.width, -1), FAST)
    if format == "jpeg" and plain.hasalpha():
        plain = plain.flatten(background=255)
    data: bytes = plain.write_to_buffer(f".{format}", keep="none", Q=85)
    return data


_DEPTHS: dict[int, Literal[8, 16, 32]] = {1: 8, 2: 16, 4: 32}
_NAMES = {"grey": "l", "rgb": "rgb", "cmyk": "cmyk"}


def inspect(inputs: Sequence[Input], params: Inspect, limits: Limits) -> Output:
    (source,) = inputs
    identified = identify(source)
    large = _inspect_large(source, *identified, params.preview, limits)
    if large is not None:
        return Output(*large)
    return Output(*inspect_picture(decode_image(source, limits, identified=identified), params.preview))


def inspect_picture(decoded: DecodedImage, preview: int) -> tuple[Inspection, list[OutputFile]]:
    """Inspects an image. Returns the facts and, unless `preview` is 0, a PNG of at most that many pixels per
    side."""
    value = _inspection(decoded, *_measure(decoded))
    if not preview:
        return value, []
    return value, [OutputFile("preview", "image/png", encode_preview(shrink(decoded, preview), "png"))]


class _Measured(Struct, frozen=True):
    """What the pixels of an image show."""

    statistics: list[Channel]
    alpha: Alpha | None
    grey: bool
    """Whether the first three channels are equal."""
    entropy: float
    normals: Normals | None
    seams: Seams
    hard_edges: float


def _inspection(decoded: DecodedImage, height: int, measured: _Measured) -> Inspection:
    """Returns the facts about an image `height` pixels high; `decoded` may lack its pixels."""
    _, width, count = decoded.pixels.shape
    return Inspection(
        format=decoded.format,
        size=decoded.size,
        compression=decoded.compression,
        width=width,
        height=height,
        power_of_two=not (width & (width - 1) or height & (height - 1)),
        channels=count,
        bit_depth=_DEPTHS[decoded.pixels.itemsize],
        color_model=decoded.color_model,
        has_alpha=measured.alpha is not None,
        alpha=measured.alpha,
        grey=decoded.color_model == "grey" or (_is_colored(decoded) and measured.grey),
        statistics=measured.statistics,
        entropy=measured.entropy,
        normals=measured.normals,
        seams=measured.seams,
        palette=decoded.palette,
        multiplied=decoded.has_alpha and decoded.alpha.startswith("multiplied"),
        levels=decoded.levels,
        images=decoded.images,
        hard_edges=measured.hard_edges,
    )


def _is_colored(decoded: DecodedImage) -> bool:
    return decoded.color_model == "rgb" and decoded.pixels.shape[2] >= 3


def _measure(decoded: DecodedImage) -> tuple[int, _Measured]:
    """Returns the height of an image and what its pixels show."""
    pixels, names = decoded.pixels, _names(decoded)
    table = (
        IntegerStatistics([pixels], has_alpha=decoded.has_alpha)
        if pixels.itemsize < 4
        else FloatStatistics(to_vips(decoded), pixels)
    )
    statistics = [table.channel(index, name) for index, name in enumerate(names)]
    colored, planes = _is_colored(decoded), sample_pixels(pixels)
    means = [c.mean for c in statistics[:3]]
    return len(pixels), _Measured(
        statistics,
        table.alpha(len(names) - 1) if decoded.has_alpha else None,
        colored and len(names) >= 3 and table.colors_equal() and is_grey(pixels),
        entropy(planes),
        examine_normals(pixels, planes, means)[0] if colored and pixels.itemsize < 4 else None,
        seams(pixels),
        hard_edges(pixels, decoded.has_alpha),
    )


STRIPED = frozenset({"png", "tiff", "jpeg"})
"""Formats that libvips decodes row by row."""
LARGE_BYTES = 256 << 20
"""Bytes of pixels from which an image is inspected in strips, as it is read."""
MIN_FILE_BYTES = LARGE_BYTES // 1032
"""No smaller PNG is as large: deflate packs at most 1032 bytes into one (zlib, Technical Details)."""
STRIP_BYTES = 2 << 20


def _inspect_large(
    source: Input, kind: Format, size: int, preview: int, limits: Limits
) -> tuple[Inspection, list[OutputFile]] | None:
    """Like `inspect_picture`, without holding all pixels in memory.

    Returns None for an image that isn't large or is needed as a whole. Raises WorkloadError like
    `decode_image`.
    """
    if kind.name not in STRIPED or size < MIN_FILE_BYTES:
        return None
    opened = open_image(source, kind, size, limits)
    image = opened.image
    width, height = image.width, image.height
    row = width * pixel_bytes(image)
    interlaced = image.get_typeof("interlaced") and image.get("interlaced")
    is_integer = image.format in ("uchar", "ushort")
    if row * height < LARGE_BYTES or interlaced or not is_integer or min(width, height) < 4:
        return None
    decoded = without_pixels(opened)
    try:
        measured = _measure_strips(image, decoded, max(1, STRIP_BYTES // row))
        if measured is None:
            return None
        value = _inspection(decoded, height, measured)
        if not preview:
            return value, []
        # A sequential image can be read once.
        again = open_image(source, kind, size, limits).image
        weighs = measured.alpha is not None and measured.alpha.min < 1 and decoded.color_model in _MODELS
        small = shrink_image(
            again.copy(interpretation=_interpretation(decoded)), preview, decoded.pixels.dtype, weighs
        )
        return value, [OutputFile("preview", "image/png", encode_preview(small, "png"))]
    except pyvips.Error as error:
        raise decode_error(source, kind, error) from None


def _measure_strips(image: pyvips.Image, decoded: DecodedImage, rows: int) -> _Measured | None:
    """Returns what the pixels show, read `rows` rows at a time. None for a normal map, whose waves are
    measured in the whole image."""
    sample = StripSample(image.height, image.width)
    colored, names = _is_colored(decoded), _names(decoded)
    grey = colored

    def strips() -> Iterator[Pixels]:
        nonlocal grey
        region = pyvips.Region.new(image)
        for top in range(0, image.height, rows):
            count = min(rows, image.height - top)
            data = region.fetch(0, top, image.width, count)
            strip = np.frombuffer(data, decoded.pixels.dtype).reshape(count, image.width, image.bands)
            sample.add(top, strip)
            grey = grey and is_grey(strip)
            yield strip

    table = IntegerStatistics(strips(), has_alpha=decoded.has_alpha)
    planes = sample.planes()
    if colored and unit_share(planes[:3] * 2 - 1) >= NORMAL_SHARE:
        return None
    statistics = [table.channel(index, name) for index, name in enumerate(names)]
    means = [c.mean for c in statistics[:3]]
    return _Measured(
        statistics,
        table.alpha(len(names) - 1) if decoded.has_alpha else None,
        grey,
        entropy(planes),
        examine_normals(decoded.pixels, planes, means)[0] if colored else None,
        sample.seams(),
        sample.hard_edges(decoded.has_alpha),
    )


def _names(decoded: DecodedImage) -> list[str]:
    alpha, count = ["a"] if decoded.has_alpha else [], decoded.pixels.shape[2]
    known = [*_NAMES.get(decoded.color_model, ""), *alpha]
    return known if len(known) == count else [*map(str, range(count - len(alpha))), *alpha]


def warm() -> None:
    """Inspects a tiny image, so that the first real one doesn't pay for initialization."""
    y, x = np.mgrid[:64, :64]
    pixels = np.stack([128 + x, 128 + y, 255 - x], -1).astype(np.uint8)
    decoded = DecodedImage(pixels, "rgb", False, "png", 0)
    data = encode_preview(to_vips(decoded), "png")
    with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
        path = Path(folder) / "warm.png"
        path.write_bytes(data)
        decoded = decode_image(Input(path.name, str(path)), Limits())
    inspect_picture(decoded, 16)
    measure_curl(decoded.pixels, sample_pixels(decoded.pixels))
