"""Opens files as upright sRGB rasters at their stored bit depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import pyvips

from accel.image.alpha import straight_colors
from accel.image.color_management import convert_to_srgb
from accel.image.decode import claim_pixels, decode_error, decode_image, identify, open_image
from accel.image.normal_maps import same_signedness
from accel.image.pixel_data import AlphaMixing, DecodedImage, Pixels, vips_image
from accel.image.raster import Raster, Transfer
from accel.text import clauses, text
from accel.workload import Input, Limits, WorkloadError

TransferChoice = Literal["auto", Transfer]
"""The transfer of the colours, if the caller knows it."""


MAX_LISTED = 3
"""Maximum number of broken files that an error names."""


def open_rasters(
    sources: Sequence[Input],
    limits: Limits,
    transfer: TransferChoice = "auto",
    *,
    levels: bool = True,
    layers: bool = False,
    companions: bool = False,
) -> list[Raster]:
    """Opens all images like `open_raster`. With `companions`, the others have layers only if the first does.

    Raises WorkloadError with the code of the first file that can't be opened, and up to three reasons.
    """
    images: list[Raster] = []
    errors: list[WorkloadError] = []
    for source in sources:
        try:
            image = open_raster(source, limits, transfer, levels=levels, layers=layers)
        except WorkloadError as error:
            errors.append(error)
        else:
            # After an error, the remaining files are only checked.
            if not errors:
                images.append(image)
                layers = layers and bool(images[0].layers or not companions)
    if errors:
        raise _join_errors(errors)
    return images


def _join_errors(errors: Sequence[WorkloadError]) -> WorkloadError:
    first, *others = errors
    reasons = [
        first.reason,
        *(
            text("{name} {reason}", name=error.name, reason=error.reason)
            for error in others[: MAX_LISTED - 1]
        ),
    ]
    if len(errors) > MAX_LISTED:
        reasons.append(text("and {count} more can't be opened", count=len(errors) - MAX_LISTED))
    return WorkloadError(first.code, clauses(reasons), first.name)


def open_raster(
    source: Input,
    limits: Limits,
    transfer: TransferChoice = "auto",
    *,
    levels: bool = True,
    layers: bool = False,
) -> Raster:
    """Opens the first frame of an image, applies its EXIF orientation and converts its profile to sRGB.

    `levels` and `layers` also read the mip levels, and the other faces and layers. `auto` treats RGB integers
    as sRGB unless the file declares them linear; then they are data if there is no alpha. Everything else is
    linear. `linear` means data: values stay unchanged even if the format premultiplies alpha.
    Raises WorkloadError like `decode_image`.
    """
    kind, size = identify(source)
    try:
        if kind.loader is None:
            decoded = _convert_decoded(decode_image(source, limits, mips=levels, layers=layers), transfer)
        else:
            opened = open_image(source, kind, size, limits)
            claim_pixels(source, opened.image)
            decoded = _open_upright(opened.image, kind.name, size, transfer)
    except pyvips.Error as error:
        raise decode_error(source, kind, error) from None
    return as_raster(source.name, decoded, transfer)


def as_raster(name: str, decoded: DecodedImage, transfer: TransferChoice = "auto") -> Raster:
    """Wraps a decoded image in a raster without conversion. Raises WorkloadError `unsupported`."""
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
        images = [tuple(map(_add_third_channel, levels)) for levels in images]
    (pixels, *mips), *others = images
    declared_data = decoded.data and transfer == "auto"
    # Linear integers with alpha are often pictures saved that way, whose hidden colours must stay hidden.
    data = transfer == "linear" or (declared_data and (pixels.dtype.kind == "f" or not alpha))
    curve = _transfer(pixels, alpha, "linear" if declared_data else transfer)
    kind: Literal["color", ""] = "color" if transfer == "srgb" else ""
    first = Raster(
        name, pixels, alpha, curve, decoded.format, tuple(mips), data=data, kind=kind,
        float_bits=decoded.float_bits, read_mips=bool(mips), first_of=decoded.images,
    )  # fmt: skip
    layers = same_signedness(first, [first.with_pixels(levels[0], mips=levels[1:]) for levels in others])
    array = decoded.array and decoded.images == 1 + len(layers)
    return msgspec.structs.replace(first, layers=layers, cube=bool(layers) and decoded.cube, array=array)


def _add_third_channel(pixels: Pixels) -> Pixels:
    """Adds a third channel of 0, as GPUs do when sampling two channels."""
    return np.ascontiguousarray(np.insert(pixels, 2, 0, axis=2))


def _transfer(pixels: Pixels, alpha: bool, choice: TransferChoice) -> Transfer:
    if pixels.dtype.kind == "f":
        return "linear"
    if choice == "auto":
        return "srgb" if pixels.shape[2] - alpha == 3 else "linear"
    return choice


def _open_upright(lazy: pyvips.Image, format: str, size: int, transfer: TransferChoice) -> DecodedImage:
    if lazy.get_typeof("orientation") and lazy.get("orientation") > 1:
        # An image in sequential mode can't be rotated.
        lazy = lazy.copy_memory().autorot()
    pixels, model, alpha = convert_to_srgb(lazy, transfer)
    # 32-bit integers need all the bits of a float.
    stored = lazy.get("bits-per-sample") if lazy.get_typeof("bits-per-sample") else 32
    bits = (16 if stored == 16 and lazy.format == "float" else 32) if pixels.dtype.kind == "f" else 0
    return DecodedImage(_scale_to_16_bits(pixels, lazy), model, alpha, format, size, float_bits=bits)


def _scale_to_16_bits(pixels: Pixels, lazy: pyvips.Image) -> Pixels:
    """Expands the 10 or 12 bits of AVIF to 16; libvips leaves the lower bits 0."""
    bits = lazy.get("bits-per-sample") if lazy.get_typeof("bits-per-sample") else 16
    heif = lazy.get_typeof("heif-compression") != 0
    return pixels | (pixels >> np.uint16(bits)) if heif and 8 < bits < 16 else pixels


def _convert_decoded(decoded: DecodedImage, transfer: TransferChoice) -> DecodedImage:
    """Converts our own readers' output to straight alpha, and from CMYK or an embedded profile to sRGB."""
    inks = decoded.color_model == "cmyk"
    if decoded.has_alpha and transfer != "linear":
        # White is 0 in CMYK.
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
