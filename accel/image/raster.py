"""The raster that operations work on: pixels, and how they are coded.

Plugins import it at start-up, so numpy isn't imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from numpy.typing import NDArray


Transfer = Literal["srgb", "linear"]
"""Coding of colour channels: by sRGB's curve (IEC 61966-2-1), or in proportion to light or to another
measurement (data). Alpha is always linear."""


Multiplied = Literal["", "light", "codes"]
"""Values that are multiplied by alpha: none, the colours' linear `light`, or their sRGB `codes`. Linear
colours count as light."""


PixelKind = Literal["color", "normal", "data"]
"""Kind of channels: colours, a normal map's unit vectors, or independent values."""


class Raster(Struct, frozen=True):
    """The pixels of an image: upright, with sRGB's primaries, and straight alpha unless `multiplied`."""

    name: str
    """The name by which errors refer to it."""
    pixels: NDArray[Any]
    """Height x width x channels, contiguous; never write to them. Channels: 1 (grey), 2 (grey and alpha), 3
    (RGB), 4 (RGB and alpha). uint8 or uint16, 0 to full scale; or float32, linear and finite."""
    has_alpha: bool
    """Whether the last channel is alpha."""
    transfer: Transfer
    """The coding of the colour channels; floats are always `linear`."""
    format: str
    """The format of its file, for example `png`, in which it is written by default."""
    mips: tuple[NDArray[Any], ...] = ()
    """Smaller levels, largest first, each half of the one before (rounded down, at least 1), of the same
    type and channels; empty for none."""
    data: bool = False
    """Whether the colours are measurements (normals, heights, masks), to which sRGB's curve is never
    applied, not even if floats of three colours become integers."""
    kind: PixelKind | Literal[""] = ""
    """Kind of the channels; empty if not yet known."""
    signed: bool | None = None
    """Whether float vectors are stored as -1 to 1, not coded as 0 to 1; None to find out from the texels.
    `layers` have the value of the first image."""
    float_bits: int = 0
    """The bits of a float channel in its file, 16 or 32, which are written by default; 0 for integers."""
    read_mips: bool = False
    """Whether `mips` were read from its file: a format of one level drops them, but writes computed levels
    as files of their own."""
    first_of: int = 1
    """The number of images (faces, layers, slices) in its file; this image is the first."""
    layers: tuple[Raster, ...] = ()
    """The other faces and layers of its file: images of the same size, levels, type and channels, without
    layers of their own; empty if there are none, or an operation doesn't keep them."""
    cube: bool = False
    """Whether each six of this image and its `layers` are the faces of a cube: +x, -x, +y, -y, +z, -z."""
    array: bool = False
    """Whether it is the only layer, or the only cube, of an array, as in KTX2."""
    below: float | None = None
    """The least value that was clipped when floats became integers; None if none was."""
    above: float | None = None
    """The largest value that was clipped when floats became integers; None if none was."""
    multiplied: Multiplied = ""
    """Multiplication of the colours by alpha, by a last step; floats never as `codes`."""

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[0])

    @property
    def channels(self) -> int:
        """The number of channels, alpha included."""
        return int(self.pixels.shape[2])

    @property
    def bit_depth(self) -> int:
        """The bits of a channel: 8, 16 or 32."""
        return int(self.pixels.dtype.itemsize * 8)

    @property
    def colors(self) -> int:
        """The number of channels that aren't alpha."""
        return self.channels - self.has_alpha

    @property
    def blends(self) -> bool:
        """Whether colours are multiplied by alpha as GPUs blend: DDS and KTX2 have a flag for it, EXR always
        is so."""
        return self.has_alpha and self.multiplied == "light"

    def without_levels(self) -> Raster:
        """Returns the image and its layers with the largest level only."""
        layers = tuple(layer.without_levels() for layer in self.layers)
        return msgspec.structs.replace(self, mips=(), layers=layers)

    def as_light(self) -> NDArray[Any]:
        """Returns the pixels as float32 with full scale 1 and linear colours, for averaging and blending;
        floats as they are. Don't write to them.
        """
        # Imports numpy.
        from accel.image.color import to_linear

        return to_linear(self.pixels, self.colors, self.transfer)

    def with_light(self, light: NDArray[Any], **changes: object) -> Raster:
        """Returns the inverse: the image with such values, rounded to its own type and clipped to 0 to 1,
        unless it has floats. `changes` are as in `with_pixels`.
        """
        from accel.image.color import from_linear

        changed = msgspec.structs.replace(self, **changes)
        colors = light.shape[2] - changed.has_alpha
        values = light.astype("float32", copy=False)
        return self.with_pixels(from_linear(values, colors, changed.transfer, self.pixels.dtype), **changes)

    def with_pixels(self, pixels: NDArray[Any], **changes: object) -> Raster:
        """Returns the image with other pixels and other `changes`; unless given, it has no smaller levels and
        no layers, and `first_of` counts the dropped ones.
        """
        changed = msgspec.structs.replace(self, **{"mips": (), "layers": (), **changes, "pixels": pixels})
        if changed.layers or not self.layers:
            return changed
        count = max(changed.first_of, 1 + len(self.layers))
        return msgspec.structs.replace(changed, cube=False, array=False, first_of=count)
