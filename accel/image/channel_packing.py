"""Packs channels of several images into one image, and extracts them again."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyvips
from msgspec.structs import replace

from accel.image.encode import WRITERS, clipped_extremes_of_all
from accel.image.operation import Operated, check_size
from accel.image.operations.channels import (
    COMPLEMENTS,
    LAYOUTS,
    LETTERS,
    NEUTRAL,
    ChannelSource,
    PackChannels,
    UnpackChannels,
    channels,
)
from accel.image.pixel_coding import at_depth
from accel.image.pixel_data import Pixels, vips_image
from accel.image.raster import Raster
from accel.image.statistics import data_format, plane_index, plane_of
from accel.text import text
from accel.workload import Limits, WorkloadError


def pack_channels(images: Sequence[Raster], params: PackChannels, limits: Limits) -> Operated:
    sources = plan_channels(params, [image.name for image in images])
    used = [images[source.input] for source in sources if source.input is not None]
    width, height = _size(used, params.size)
    check_size(used[0].name, width, height, limits)
    if loses_alpha(params, sources):
        name = params.format.upper()
        reason = text(
            "{name} can't store alpha, which {layout} needs; choose another format",
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
    packed = Raster(
        first.name, pixels, len(sources) > 3, "linear", format, data=True, kind="data",
        first_of=max(one.first_of for one in images), **clipped_in_packing(images, sources),
    )  # fmt: skip
    return Operated({"packed": packed})


def clipped_in_packing(images: Sequence[Raster], sources: Sequence[ChannelSource]) -> dict[str, Any]:
    """Returns `below` and `above` for the channels that are packed as integers."""
    used = [_grey(images[each.input], each.channel) for each in sources if each.input is not None]
    return clipped_extremes_of_all(used, (0, 1))


def loses_alpha(params: PackChannels, sources: Sequence[ChannelSource]) -> bool:
    """Whether a fourth channel is packed that the requested format can't store."""
    return len(sources) > 3 and params.format != "same" and not WRITERS[params.format].alpha


def _size(images: Sequence[Raster], policy: str) -> tuple[int, int]:
    """Returns the width and height of the result."""
    first = images[0]
    for one in images:
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
    return max(one.width for one in images), max(one.height for one in images)


def _values(
    images: Sequence[Raster], source: ChannelSource, shape: tuple[int, int], dtype: np.dtype[Any]
) -> Pixels | int:
    top = int(np.iinfo(dtype).max)
    if source.input is None:
        value = int((source.value or 0.0) * top + 0.5)
        return top - value if source.invert else value
    values = _enlarge(_at_depth(images[source.input], source.channel, dtype), shape)
    # Inverting all bits is the same as subtracting from full scale.
    return ~values if source.invert else values


def _at_depth(image: Raster, channel: str, dtype: np.dtype[Any]) -> Pixels:
    return at_depth(_grey(image, channel), dtype).pixels[..., 0]


def _grey(image: Raster, channel: str) -> Raster:
    values = plane_of(image, channel)[..., None]
    return image.with_pixels(values, has_alpha=False, transfer="linear", data=True, kind="data")


def _enlarge(values: Pixels, shape: tuple[int, int]) -> Pixels:
    """Enlarges linearly between texel centres, repeating the edges."""
    if values.shape == shape:
        return values
    higher, wider = shape[0] / values.shape[0], shape[1] / values.shape[1]
    # libvips' `resize` shifts an enlarged image by a fraction of a texel, and its 16-bit interpolation is off
    # by up to 36 steps. Its float interpolation is exact.
    result = vips_image(values[..., None].astype(np.float32), "b-w").affine(
        [wider, 0, 0, higher],
        interpolate=pyvips.Interpolate.new("bilinear"),
        oarea=[0, 0, shape[1], shape[0]],
        odx=(wider - 1) / 2,
        ody=(higher - 1) / 2,
        extend="copy",
    )
    rounded: Pixels = (result.numpy().reshape(shape) + np.float32(0.5)).astype(values.dtype)
    return rounded


def unpack_channels(images: Sequence[Raster], params: UnpackChannels, limits: Limits) -> Operated:
    (image,) = images
    if params.layout == "rgba":
        letters = LETTERS[: image.colors] + "a" * image.has_alpha
        return Operated({letter: extract_channel(image, letter) for letter in letters})
    fields = channels(params.layout)
    if image.colors != 3:
        reason = text("is grey, so it can't be a packed {layout} map", layout=params.layout)
        raise WorkloadError("bad_input", reason, image.name)
    if "a" in fields and not image.has_alpha:
        reason = text(
            "has no alpha channel, where {layout} stores {fields}", layout=params.layout, fields=fields["a"]
        )
        raise WorkloadError("bad_input", reason, image.name)
    result: dict[str, Raster] = {}
    for letter, field in fields.items():
        invert = params.as_roughness and field == "smoothness"
        result[COMPLEMENTS[field] if invert else field] = extract_channel(image, letter, invert)
    return Operated(result)


def extract_channel(image: Raster, channel: str, invert: bool = False) -> Raster:
    """Returns a channel as a grey image with the same depth and levels. `invert` subtracts it from full
    scale."""
    at = plane_index(image, channel)
    levels = [np.ascontiguousarray(level[..., at, None]) for level in (image.pixels, *image.mips)]
    if invert:
        levels = [1 - level if level.dtype.kind == "f" else ~level for level in levels]
    return image.with_pixels(
        levels[0], mips=tuple(levels[1:]), has_alpha=False, transfer="linear", data=True, kind="data",
        format=data_format(image, levels[0]),
    )  # fmt: skip


Pairs = Sequence[tuple[str, ChannelSource]]
"""Pairs of a channel or map name and its source."""

UNUSED_INPUT = "-"
"""The name in `holds` of an input that only `channels` uses."""


def plan_channels(params: PackChannels, names: Sequence[str]) -> list[ChannelSource]:
    """Returns the sources of red, green, blue and, if used, alpha.

    Raises WorkloadError `bad_params`.
    """
    fields = _fields(params, len(names))
    from_inputs = _by_channel(_input_pairs(params, names, fields), fields, "holds")
    by_letter = {**from_inputs, **_by_channel(_check_sources(params.channels), fields, "channels")}
    sources = [
        by_letter.get(letter) or ChannelSource(value=NEUTRAL.get(field, 0.0))
        for letter, field in zip(LETTERS, fields, strict=False)
    ]
    _check_use(sources, names)
    return sources


def _fields(params: PackChannels, count: int) -> tuple[str, ...]:
    if params.layout != "rgba":
        return LAYOUTS[params.layout]
    in_order = count if not (params.holds or params.channels) else 0
    alpha = "a" in params.channels or "a" in params.holds or in_order > 3
    return tuple(LETTERS if alpha else LETTERS[:3])


def _input_pairs(params: PackChannels, names: Sequence[str], fields: Sequence[str]) -> Pairs:
    """Returns the map in each input, from `holds` or the order of the layout."""
    holds = params.holds or ([] if params.channels else _in_order(params.layout, names, fields))
    if holds and len(holds) != len(names):
        reason = text(
            "`holds` names {count} inputs, but there are {count_2}", count=len(holds), count_2=len(names)
        )
        raise WorkloadError("bad_params", reason)
    return [(hold, ChannelSource(input=index)) for index, hold in enumerate(holds) if hold != UNUSED_INPUT]


def _in_order(layout: str, names: Sequence[str], fields: Sequence[str]) -> list[str]:
    maps = [field for field in fields if field != "unused"]
    enough = len(names) <= len(maps) if layout == "rgba" else len(names) == len(maps)
    if not enough:
        reason = text(
            "{layout} takes {count} inputs in this order: {maps}; got {count_2}. Say with "
            "`holds` what each one holds",
            layout=layout,
            count=len(maps),
            maps=[*maps],
            count_2=len(names),
        )
        raise WorkloadError("bad_params", reason)
    return maps[: len(names)]


def _check_sources(sources: Mapping[str, ChannelSource]) -> Pairs:
    for name, source in sources.items():
        if (source.input is None) == (source.value is None):
            raise WorkloadError(
                "bad_params", text("`channels`: {name} needs either an input or a value", name=name)
            )
    return list(sources.items())


def _by_channel(pairs: Pairs, fields: Sequence[str], where: str) -> dict[str, ChannelSource]:
    found: dict[str, ChannelSource] = {}
    for name, source in pairs:
        letter, turned = _find_channel(name, fields, where)
        if letter in found:
            raise WorkloadError(
                "bad_params", text("`{where}` fills channel {letter} twice", where=where, letter=letter)
            )
        found[letter] = replace(source, invert=source.invert != turned)
    return found


def _find_channel(name: str, fields: Sequence[str], where: str) -> tuple[str, bool]:
    """Finds a channel by its letter, the name of its map or the name of the map's complement.

    Returns its letter, and whether the name is the complement's.
    """
    letters = list(LETTERS[: len(fields)])
    if name in letters:
        return name, False
    for wanted, turned in ((name, False), (COMPLEMENTS.get(name), True)):
        if wanted in fields and wanted != "unused":
            return letters[fields.index(wanted)], turned
    maps = [field for field in fields if field != "unused"]
    known = dict.fromkeys([*maps, *letters])
    complements = [each for each, other in COMPLEMENTS.items() if other in maps]
    close = difflib.get_close_matches(name.lower(), [each for each in (*maps, *complements) if each[1:]], 1)
    hint = text("; did you mean {close}?", close=close[0]) if close else ""
    raise WorkloadError(
        "bad_params",
        text(
            "`{where}` names {name}; it must be one of {known}{hint}",
            where=where,
            name=repr(name),
            known=[*known],
            hint=hint,
        ),
    )


def _check_use(sources: Sequence[ChannelSource], names: Sequence[str]) -> None:
    used = {source.input for source in sources if source.input is not None}
    if used and max(used) >= len(names):
        reason = text(
            "`channels` names input {used}, but there are {count}, counted from 0",
            used=max(used),
            count=len(names),
        )
        raise WorkloadError("bad_params", reason)
    for index, name in enumerate(names):
        if index not in used:
            raise WorkloadError("bad_params", text("isn't used by any channel; leave it out"), name)
