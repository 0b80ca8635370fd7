"""Planes of several images as the channels of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvips

from accel.image.cut import cut_off_all
from accel.image.decoded import Pixels
from accel.image.light import at_depth
from accel.image.operation import check_size
from accel.image.planes import data_format, index, plane
from accel.image.raster import Raster
from accel.image.save import WRITERS
from accel.image.vips_image import image_of
from accel.text import text
from accel.workload import Limits, WorkloadError

if TYPE_CHECKING:
    from accel.image.pack_channels import ChannelSource, PackChannels


def packed(
    images: Sequence[Raster], sources: Sequence[ChannelSource], params: PackChannels, limits: Limits
) -> Raster:
    """One image of three or four channels. Raises WorkloadError."""
    used = [images[source.input] for source in sources if source.input is not None]
    width, height = _size(used, params.size)
    check_size(used[0].name, width, height, limits)
    if loses_alpha(params, sources):
        name = params.format.upper()
        reason = text(
            "{name} holds no alpha, in which {layout} keeps values; give another format",
            name=name,
            layout=params.layout,
        )
        raise WorkloadError("bad_params", reason)
    deep = params.bits in ("16", "32") or (params.bits == "same" and any(one.bit_depth > 8 for one in used))
    pixels = np.empty((height, width, len(sources)), np.uint16 if deep else np.uint8)
    for channel, source in enumerate(sources):
        pixels[..., channel] = _values(images, source, (height, width), pixels.dtype)
    first = images[0]
    format = data_format(first, pixels)
    return Raster(
        first.name, pixels, len(sources) > 3, "linear", format, data=True, kind="data",
        first_of=max(one.first_of for one in images), **lost(images, sources),
    )  # fmt: skip


def lost(images: Sequence[Raster], sources: Sequence[ChannelSource]) -> dict[str, Any]:
    """`below` and `above` of what is packed of these, as integers."""
    used = [_grey(images[each.input], each.channel) for each in sources if each.input is not None]
    return cut_off_all(used, (0, 1))


def loses_alpha(params: PackChannels, sources: Sequence[ChannelSource]) -> bool:
    """Whether the file that is asked for has no room for a fourth channel that there is."""
    return len(sources) > 3 and params.format != "same" and not WRITERS[params.format].alpha


def _size(used: Sequence[Raster], policy: str) -> tuple[int, int]:
    """Width and height."""
    first = used[0]
    for one in used:
        if policy == "refuse" and (one.width, one.height) != (first.width, first.height):
            reason = text(
                "is {width} x {height}, but {first} {width_2} x {height_2}; make them equal, or "
                "choose `size=largest`",
                width=one.width,
                height=one.height,
                first=first.name,
                width_2=first.width,
                height_2=first.height,
            )
            raise WorkloadError("bad_params", reason, one.name)
    return max(one.width for one in used), max(one.height for one in used)


def _values(
    images: Sequence[Raster], source: ChannelSource, shape: tuple[int, int], dtype: np.dtype[Any]
) -> Pixels | int:
    top = int(np.iinfo(dtype).max)
    if source.input is None:
        value = int((source.value or 0.0) * top + 0.5)
        return top - value if source.invert else value
    values = _enlarged(_at_depth(images[source.input], source.channel, dtype), shape)
    # Full scale less a value is the value with all its bits turned.
    return ~values if source.invert else values


def _at_depth(image: Raster, channel: str, dtype: np.dtype[Any]) -> Pixels:
    return at_depth(_grey(image, channel), dtype).pixels[..., 0]


def _grey(image: Raster, channel: str) -> Raster:
    values = plane(image, channel)[..., None]
    return image.with_pixels(values, has_alpha=False, transfer="linear", data=True, kind="data")


def _enlarged(values: Pixels, shape: tuple[int, int]) -> Pixels:
    """Linear between the centres of texels, the edges continued."""
    if values.shape == shape:
        return values
    higher, wider = shape[0] / values.shape[0], shape[1] / values.shape[1]
    # Not libvips' `resize`, which enlarges a fraction of a texel to the right and down; floats, as its
    # interpolation of 16 bit is off by up to 36 steps.
    made = image_of(values[..., None].astype(np.float32), "b-w").affine(
        [wider, 0, 0, higher],
        interpolate=pyvips.Interpolate.new("bilinear"),
        oarea=[0, 0, shape[1], shape[0]],
        odx=(wider - 1) / 2,
        ody=(higher - 1) / 2,
        extend="copy",
    )
    rounded: Pixels = (made.numpy().reshape(shape) + np.float32(0.5)).astype(values.dtype)
    return rounded


def single(image: Raster, channel: str, invert: bool = False) -> Raster:
    """One channel as a grey image of the same depth and levels; inverted, full scale less it."""
    at = index(image, channel)
    levels = [np.ascontiguousarray(level[..., at, None]) for level in (image.pixels, *image.mips)]
    if invert:
        levels = [1 - level if level.dtype.kind == "f" else ~level for level in levels]
    return image.with_pixels(
        levels[0], mips=tuple(levels[1:]), has_alpha=False, transfer="linear", data=True, kind="data",
        format=data_format(image, levels[0]),
    )  # fmt: skip
