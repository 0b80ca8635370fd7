"""A texture with its mip levels, by what its channels mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from accel.image.coding import Coding, coding
from accel.image.coverage import factor, parted, passing, share
from accel.image.decoded import Pixels
from accel.image.kernels import SLIGHT
from accel.image.levels import Size, line_levels, pixel_levels, sizes
from accel.image.light import Floats, from_light
from accel.image.meaning import kind_of, meant
from accel.image.raster import Raster
from accel.image.resampling import Stored
from accel.image.roughness import raise_channels
from accel.text import text
from accel.workload import WorkloadError

if TYPE_CHECKING:
    from accel.image.mipmaps import Mipmaps


def with_levels(image: Raster, normals: Raster | None, params: Mipmaps) -> Raster:
    """The image with its levels. Raises WorkloadError `bad_params`, `bad_input` or `unsupported`."""
    kind = "data" if normals is not None and params.kind == "auto" else kind_of(image, params.kind)
    how = coding(image, kind, params.linear_light, params.alpha_weighted)
    wanted = sizes(image.width, image.height, params.levels)
    if normals is not None:
        made = _roughened(image, how, normals, wanted, params)
    elif params.coverage:
        made = _covered(image, how, wanted, params)
    else:
        made = pixel_levels(image.pixels, how, wanted, params.filter, params.edge)
    return image.with_pixels(image.pixels, mips=tuple(made), read_mips=False, **meant(image, kind))


def _lines(image: Raster, how: Coding, wanted: list[Size], params: Mipmaps) -> Iterator[Floats]:
    return line_levels(Stored(image.pixels, how), how, wanted, params.filter, params.edge)


def _covered(image: Raster, how: Coding, wanted: list[Size], params: Mipmaps) -> list[Pixels]:
    if not image.has_alpha:
        reason = text("has no alpha channel, whose coverage could be kept; leave coverage out")
        raise WorkloadError("bad_params", reason, image.name)
    drawn = share(image.pixels[..., -1], params.coverage)
    least = passing(params.coverage, how.dtype)
    made = []
    for lines in _lines(image, how, wanted, params):
        alpha = parted(lines[:, -1] - SLIGHT if how.weighted else lines[:, -1])
        level = how.pixels(lines)
        scaled = (alpha * factor(alpha, drawn, least)).clip(0, 1)
        level[..., -1] = from_light(scaled, 0, "linear", how.dtype)
        made.append(level)
    return made


def _roughened(
    image: Raster, how: Coding, normals: Raster, wanted: list[Size], params: Mipmaps
) -> list[Pixels]:
    channels = _channels(image, params)
    if (normals.width, normals.height) != (image.width, image.height):
        reason = text(
            "is {width} x {height}, but {image} is {width_2} x {height_2}; a normal map must "
            "have the size of the roughness map",
            width=normals.width,
            height=normals.height,
            image=image.name,
            width_2=image.width,
            height_2=image.height,
        )
        raise WorkloadError("bad_input", reason, normals.name)
    vectors = _lines(normals, coding(normals, "normal", False, False), wanted, params)
    made = []
    for lines, means in zip(_lines(image, how, wanted, params), vectors, strict=True):
        # The next level is averaged from what isn't raised yet.
        level = lines.copy()
        raise_channels(level, means, channels, params.smoothness)
        made.append(how.pixels(level))
    return made


def _channels(image: Raster, params: Mipmaps) -> list[int]:
    """Where the roughness is. Raises WorkloadError."""
    if params.kind not in ("auto", "data") or params.coverage:
        reason = text(
            "with a normal map as second input kind must be data, without coverage: roughness is no colour"
        )
        raise WorkloadError("bad_params", reason, image.name)
    if params.roughness == "all":
        return list(range(image.colors))
    if params.roughness == "a" and image.has_alpha:
        return [image.colors]
    place = "rgb".find(params.roughness)
    if not 0 <= place < image.colors:
        reason = text("has no channel {channel}, where the roughness should be", channel=params.roughness)
        raise WorkloadError("bad_params", reason, image.name)
    return [place]
