"""The raster that operations work on: pixels and how they are encoded.

Plugins import it at start-up, so it doesn't import numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from numpy.typing import NDArray


Transfer = Literal["srgb", "linear"]
"""Encoding of the colour channels: the sRGB curve (IEC 61966-2-1), or linear in light or another quantity
(data). Alpha is always linear."""


Multiplied = Literal["", "light", "codes"]
"""What is multiplied by alpha: nothing, linear `light`, or sRGB `codes`. Linear colours count as light."""


PixelKind = Literal["color", "normal", "data"]
"""Content type of the channels: colours, a normal map's unit vectors, or independent values."""


class Raster(Struct, frozen=True):
    """The pixels of an image: upright, with sRGB primaries and, unless `multiplied`, straight alpha."""

    name: str
    """The name used in errors."""
    pixels: NDArray[Any]
    """Height x width x channels, contiguous; never write to them. Channels: 1 (grey), 2 (grey and alpha), 3
    (RGB) or 4 (RGBA). uint8 or uint16, 0 to full scale; or float32, linear and finite."""
    has_alpha: bool
    """Whether the last channel is alpha."""
    transfer: Transfer
    """Encoding of the colour channels; floats are always `linear`."""
    format: str
    """Format of its file, for example `png`, and the default for writing."""
    mips: tuple[NDArray[Any], ...] = ()
    """Smaller mip levels, largest first, each half the previous size (rounded down, at least 1), with the
    same type and channels; may be empty."""
    data: bool = False
    """Whether the colours are measurements (normals, heights, masks), to which the sRGB curve is never
    applied, not even when RGB floats become integers."""
    kind: PixelKind | Literal[""] = ""
    """Content type of the channels; empty if unknown."""
    signed: bool | None = None
    """Whether float vectors are stored as -1 to 1 instead of 0 to 1; None to detect it. `layers` have the
    value of the first image."""
    float_bits: int = 0
    """Bits per float channel in its file, 16 or 32, and the default for writing; 0 for integers."""
    read_mips: bool = False
    """Whether `mips` were read from the file. Formats without mip levels then drop them, whereas computed
    levels become separate files."""
    first_of: int = 1
    """Number of images (faces, layers, slices) in its file; this is the first."""
    layers: tuple[Raster, ...] = ()
    """The other faces and layers of its file: images in the same layout, without layers of their own. Empty
    if there are none or an operation dropped them."""
    cube: bool = False
    """Whether every six of this image and its `layers` are the faces of a cube: +x, -x, +y, -y, +z, -z."""
    array: bool = False
    """Whether it is the only layer or cube of an array, which KTX2 allows."""
    below: float | None = None
    """The lowest value that was clipped when floats became integers, if any."""
    above: float | None = None
    """The highest value that was clipped when floats became integers, if any."""
    multiplied: Multiplied = ""
    """How the colours are multiplied by alpha, by a last step; for floats never `codes`."""

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

    @property
    def channels(self) -> int:
        """Number of channels, including alpha."""
        return int(self.pixels.shape[2])

    @property
    def bit_depth(self) -> int:
        """Bits per channel: 8, 16 or 32."""
        return int(self.pixels.dtype.itemsize * 8)

    @property
    def colors(self) -> int:
        """Number of channels, excluding alpha."""
        return self.channels - self.has_alpha

    @property
    def blends(self) -> bool:
        """Whether alpha is premultiplied in linear light, as GPUs blend it. DDS and KTX2 have a flag for
        this; EXR always is."""
        return self.has_alpha and self.multiplied == "light"

    def without_levels(self) -> Raster:
        """Returns the image and its layers without mip levels."""
        layers = tuple(layer.without_levels() for layer in self.layers)
        return msgspec.structs.replace(self, mips=(), layers=layers)

    def as_light(self) -> NDArray[Any]:
        """Returns the pixels as linear float32 with full scale 1, for averaging and blending. Floats are
        returned as they are. Don't write to them."""
        # This imports numpy.
        from accel.image.color import to_linear

        return to_linear(self.pixels, self.colors, self.transfer)

    def with_light(self, light: NDArray[Any], **changes: object) -> Raster:
        """Returns the image with other pixels, given as linear float32 (see `as_light`).

        Converts to the type of the image: integers are clipped to 0 to 1 and rounded. `changes` are as in
        `with_pixels`.
        """
        from accel.image.color import from_linear

        changed = msgspec.structs.replace(self, **changes)
        colors = light.shape[2] - changed.has_alpha
        values = light.astype("float32", copy=False)
        return self.with_pixels(from_linear(values, colors, changed.transfer, self.pixels.dtype), **changes)

    def with_pixels(self, pixels: NDArray[Any], **changes: object) -> Raster:
        """Returns the image with other pixels and `changes` to its fields.

        Unless they are in `changes`, mip levels and layers are dropped; `first_of` counts dropped layers.
        """
        changed = msgspec.structs.replace(self, **{"mips": (), "layers": (), **changes, "pixels": pixels})
        if changed.layers or not self.layers:
            return changed
        count = max(changed.first_of, 1 + len(self.layers))
        return msgspec.structs.replace(changed, cube=False, array=False, first_of=count)
