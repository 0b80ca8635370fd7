"""Files as rasters: upright, in sRGB's colours, at the depth in which they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import pyvips

from accel.image.alpha import straight_colors
from accel.image.color_management import convert_to_srgb
from accel.image.decode import decode_error, decode_image, identify, open_image
from accel.image.normal_maps import same_signedness
from accel.image.pixel_data import AlphaMixing, DecodedImage, Pixels, vips_image
from accel.image.raster import Raster, Transfer
from accel.text import clauses, text
from accel.workload import Input, Limits, WorkloadError

Asked = Literal["auto", Transfer]
"""How the colours are coded, as far as the asker says so."""


LISTED = 3
"""How many of several broken files a message names."""


def open_rasters(
    sources: Sequence[Input],
    limits: Limits,
    transfer: Asked = "auto",
    *,
    levels: bool = True,
    layers: bool = False,
    companions: bool = False,
) -> list[Raster]:
    """All images, as `open_raster`; with `companions`, those after the first have layers only where it has
    some. Where several can't be opened, the error is the first one's and names up to three of them, each with
    its reason."""
    images: list[Raster] = []
    errors: list[WorkloadError] = []
    for source in sources:
        try:
            image = open_raster(source, limits, transfer, levels=levels, layers=layers)
        except WorkloadError as error:
            errors.append(error)
        else:
            # What a failed job opens beside that needn't be kept.
            if not errors:
                images.append(image)
                layers = layers and bool(images[0].layers or not companions)
    if errors:
        raise _joined(errors)
    return images


def _joined(errors: Sequence[WorkloadError]) -> WorkloadError:
    first, *others = errors
    reasons = [
        first.reason,
        *(text("{name} {reason}", name=error.name, reason=error.reason) for error in others[: LISTED - 1]),
    ]
    if len(errors) > LISTED:
        reasons.append(text("and {count} more can't be opened", count=len(errors) - LISTED))
    return WorkloadError(first.code, clauses(reasons), first.name)


def open_raster(
    source: Input,
    limits: Limits,
    transfer: Asked = "auto",
    *,
    levels: bool = True,
    layers: bool = False,
) -> Raster:
    """The first frame of an image: EXIF's orientation applied, an embedded colour profile converted to sRGB;
    with the smaller levels that its file holds, where `levels` are wanted, and the other faces and layers,
    where `layers` are.

    `auto`: integers of three colours are sRGB, unless the file says that no curve codes them; all else is
    linear. Without alpha those are data.
    `linear`: data, whose numbers are kept as they are (`in_srgb`), also where the format multiplies by alpha.
    Raises WorkloadError as `decode_image`.
    """
    kind, size = identify(source)
    try:
        if kind.loader is None:
            decoded = _managed(decode_image(source, limits, mips=levels, layers=layers), transfer)
        else:
            opened = open_image(source, kind, size, limits)
            decoded = _upright(opened.image, kind.name, size, transfer)
    except pyvips.Error as error:
        raise decode_error(source, kind, error) from None
    return as_raster(source.name, decoded, transfer)


def as_raster(name: str, decoded: DecodedImage, transfer: Asked = "auto") -> Raster:
    """What was decoded as it is, under the name that messages give it. Raises WorkloadError `unsupported`."""
    channels = decoded.pixels.shape[2]
    if decoded.color_model == "cmyk" or channels > 4 or channels - decoded.has_alpha not in (1, 2, 3):
        reason = text(
            "has {channels} channels ({color_model}); give grey or RGB, with or without alpha",
            channels=channels,
            color_model=decoded.color_model,
        )
        raise WorkloadError("unsupported", reason, name)
    images, alpha = [(decoded.pixels, *decoded.mips), *decoded.others], decoded.has_alpha
    if channels - alpha == 2:
        images = [tuple(map(_third, levels)) for levels in images]
    (pixels, *mips), *others = images
    said = decoded.data and transfer == "auto"
    # Integers without a curve that have transparency are as often a picture that a tool wrote so: its hidden
    # colours must stay hidden.
    data = transfer == "linear" or (said and (pixels.dtype.kind == "f" or not alpha))
    curve = _transfer(pixels, alpha, "linear" if said else transfer)
    kind: Literal["color", ""] = "color" if transfer == "srgb" else ""
    first = Raster(
        name, pixels, alpha, curve, decoded.format, tuple(mips), data=data, kind=kind,
        float_bits=decoded.float_bits, read_mips=bool(mips), first_of=decoded.images,
    )  # fmt: skip
    layers = same_signedness(first, [first.with_pixels(levels[0], mips=levels[1:]) for levels in others])
    array = decoded.array and decoded.images == 1 + len(layers)
    return msgspec.structs.replace(first, layers=layers, cube=bool(layers) and decoded.cube, array=array)


def _third(pixels: Pixels) -> Pixels:
    """Two colours become three; the third is 0, as GPUs read such a texture."""
    return np.ascontiguousarray(np.insert(pixels, 2, 0, axis=2))


def _transfer(pixels: Pixels, alpha: bool, wanted: Asked) -> Transfer:
    if pixels.dtype.kind == "f":
        return "linear"
    if wanted == "auto":
        return "srgb" if pixels.shape[2] - alpha == 3 else "linear"
    return wanted


def _upright(lazy: pyvips.Image, format: str, size: int, transfer: Asked) -> DecodedImage:
    if lazy.get_typeof("orientation") and lazy.get("orientation") > 1:
        # A file that is read from top to bottom can't be turned.
        lazy = lazy.copy_memory().autorot()
    pixels, model, alpha = convert_to_srgb(lazy, transfer)
    # Of what isn't stored as floats, such as whole numbers of 32 bits, all must be kept.
    stored = lazy.get("bits-per-sample") if lazy.get_typeof("bits-per-sample") else 32
    bits = (16 if stored == 16 and lazy.format == "float" else 32) if pixels.dtype.kind == "f" else 0
    return DecodedImage(_widened(pixels, lazy), model, alpha, format, size, float_bits=bits)


def _widened(pixels: Pixels, lazy: pyvips.Image) -> Pixels:
    """Full scale for the 10 or 12 bits that AVIF has, which libvips puts into the upper ones of 16."""
    bits = lazy.get("bits-per-sample") if lazy.get_typeof("bits-per-sample") else 16
    heif = lazy.get_typeof("heif-compression") != 0
    return pixels | (pixels >> np.uint16(bits)) if heif and 8 < bits < 16 else pixels


def _managed(decoded: DecodedImage, transfer: Asked) -> DecodedImage:
    """What our own readers gave: alpha straight, colours of an embedded profile or of inks as sRGB's."""
    inks = decoded.color_model == "cmyk"
    if decoded.has_alpha and transfer != "linear":
        # Of inks, white is 0.
        mix: AlphaMixing = "multiplied" if inks and decoded.alpha == "on white" else decoded.alpha
        pixels, *mips = (straight_colors(level, mix) for level in (decoded.pixels, *decoded.mips))
        others = tuple(tuple(straight_colors(level, mix) for level in levels) for levels in decoded.others)
        decoded = msgspec.structs.replace(
            decoded, pixels=pixels, mips=tuple(mips), others=others, alpha="straight"
        )
    if decoded.pixels.dtype.kind == "f" or not (inks or decoded.profile):
        return decoded
    models = {"cmyk": "cmyk", "grey": "b-w", "rgb": "srgb"}
    if decoded.pixels.dtype == np.uint16:
        models |= {"grey": "grey16", "rgb": "rgb16"}
    lazy = vips_image(decoded.pixels, models[decoded.color_model])
    if decoded.profile:
        lazy.set_type(pyvips.GValue.blob_type, "icc-profile-data", decoded.profile)
    pixels, model, alpha = convert_to_srgb(lazy, transfer)
    return msgspec.structs.replace(decoded, pixels=pixels, color_model=model, has_alpha=alpha)
