"""An image between two operations: its pixels, and how they are to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from numpy.typing import NDArray


Transfer = Literal["srgb", "linear"]
"""How colour channels are coded: by sRGB's curve (IEC 61966-2-1), or in proportion to light (or to whatever
else is measured: data). Alpha is always linear."""


Multiplied = Literal["", "light", "codes"]
"""What alpha was multiplied into: nothing, the colours' `light` (as all is called that no curve codes), or
sRGB's `codes` of it."""


PixelKind = Literal["color", "normal", "data"]
"""What channels are: colours, a normal map's unit vectors, or numbers that each stand for themselves."""


class Raster(Struct, frozen=True):
    """All pixels of one image, upright, colours of the sRGB primaries, mostly without alpha multiplied in."""

    name: str
    """What the asker calls it; error messages name it."""
    pixels: NDArray[Any]
    """Height x width x channels, in one piece, never written to. Channels: 1 (grey), 2 (grey and alpha),
    3 (RGB), 4 (RGB and alpha). uint8 or uint16, 0 to full scale; or float32, linear and finite."""
    has_alpha: bool
    """Whether the last channel is alpha."""
    transfer: Transfer
    """Of the colour channels; floats are always `linear`."""
    format: str
    """The file's that it comes from, for example `png`: what is written unless another is asked for."""
    mips: tuple[NDArray[Any], ...] = ()
    """Smaller levels, largest first, each half of the one before (rounded down, at least 1), of the same
    type and channels; empty for none."""
    data: bool = False
    """Whether the colours are measurements (normals, heights, masks), on which sRGB's curve is never put,
    not even where floats of three colours become integers."""
    kind: PixelKind | Literal[""] = ""
    """What the channels are, where it was said or made out; empty where nobody asked yet."""
    signed: bool | None = None
    """Of floats that are vectors: whether they are stored as -1 to 1, not coded as 0 to 1; None where their
    texels tell. Of `layers` it is what the first is."""
    float_bits: int = 0
    """Of floats in the file that it comes from, 16 or 32 for a channel, which is what is written unless
    another depth is asked for; 0 for what wasn't read as floats."""
    read_mips: bool = False
    """Whether `mips` are those of the file that it comes from: a format that holds one level leaves them out,
    while levels that were made become files of their own there."""
    first_of: int = 1
    """How many images the file holds that it comes from (faces, layers, slices), of which it is the first."""
    layers: tuple[Raster, ...] = ()
    """The other faces and layers of that file, each an image like this one, of the same size, levels, type
    and channels, without layers itself; empty for none, and where an operation doesn't keep them."""
    cube: bool = False
    """Whether each six of this image and its `layers` are the faces of a cube: +x, -x, +y, -y, +z, -z."""
    array: bool = False
    """Whether it is an array of one: its only layer, or its only cube. KTX2 knows such."""
    below: float | None = None
    """The least value that was cut off where integers were made of floats; None for none."""
    above: float | None = None
    """The same of the largest."""
    multiplied: Multiplied = ""
    """How alpha is multiplied in after all, as a last step; of floats never `codes`."""

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
        """Their number, alpha included."""
        return int(self.pixels.shape[2])

    @property
    def bit_depth(self) -> int:
        """Bits of a channel: 8, 16 or 32."""
        return int(self.pixels.dtype.itemsize * 8)

    @property
    def colors(self) -> int:
        """The number of channels that aren't alpha."""
        return self.channels - self.has_alpha

    @property
    def blends(self) -> bool:
        """Whether alpha is multiplied in as a GPU blends: DDS and KTX2 say so, and EXR holds no other."""
        return self.has_alpha and self.multiplied == "light"

    def without_levels(self) -> Raster:
        """The same image, and its layers, with the largest level alone."""
        layers = tuple(layer.without_levels() for layer in self.layers)
        return msgspec.structs.replace(self, mips=(), layers=layers)

    def as_light(self) -> NDArray[Any]:
        """`pixels` as float32 of full scale 1, colours in proportion to light, as they are to be averaged and
        blended; floats as they are. Not to be written to."""
        from accel.image.color import to_linear

        return to_linear(self.pixels, self.colors, self.transfer)

    def with_light(self, light: NDArray[Any], **changes: object) -> Raster:
        """The other way round: the same image with such values, rounded to its own type; what is beyond 0 to
        1 is cut off, except in floats. `changes` are as in `with_pixels`."""
        from accel.image.color import from_linear

        changed = msgspec.structs.replace(self, **changes)
        colors = light.shape[2] - changed.has_alpha
        values = light.astype("float32", copy=False)
        return self.with_pixels(from_linear(values, colors, changed.transfer, self.pixels.dtype), **changes)

    def with_pixels(self, pixels: NDArray[Any], **changes: object) -> Raster:
        """The same image with other pixels and, unless given, no smaller levels and no layers: then it is the
        first of so many."""
        changed = msgspec.structs.replace(self, **{"mips": (), "layers": (), **changes, "pixels": pixels})
        if changed.layers or not self.layers:
            return changed
        count = max(changed.first_of, 1 + len(self.layers))
        return msgspec.structs.replace(changed, cube=False, array=False, first_of=count)
