"""`image.histogram`: how often each value occurs in each channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct, field

from accel.image.first import OfFirst
from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class CountValues(Writing, frozen=True):
    """What else to tell."""

    percentiles: Annotated[
        list[Annotated[float, Meta(ge=0, le=100)]],
        Meta(max_length=64, description="Percentages, 0 to 100, whose values are given."),
    ] = field(default_factory=lambda: [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0])
    picture: Annotated[
        bool, Meta(description="Whether to give a picture of it: 512 x 256 pixels, 8 bit PNG unless asked.")
    ] = False
    scale: Annotated[
        Literal["linear", "log"],
        Meta(description="How heights in that picture follow from counts; `log` shows rare values too."),
    ] = "linear"


class ChannelHistogram(Struct, frozen=True):
    """How often values occur in one channel; all values on the scale of `Channel` in `image.inspect`."""

    name: str
    """`r`, `g`, `b`, `a`, `l` for grey, or `luminance` of three colours (ITU-R BT.709, as stored)."""
    low: float
    """Where the first bin begins: 0, or of floats the smallest value."""
    high: float
    """Where the last bin ends: 1, or of floats the largest value."""
    counts: Sequence[int]
    """Pixels in each of 256 bins of equal width: of 8 bit one for each value."""
    min: float
    """The smallest value."""
    max: float
    """The largest value."""
    mean: float
    """The arithmetic mean."""
    std: float
    """The standard deviation over all pixels."""
    percentiles: Sequence[float]
    """In the order asked for: the smallest value that at least so many percent of the pixels don't exceed."""


class Histogram(OfFirst, frozen=True):
    """How often each value occurs."""

    pixels: int
    """Their number, the sum of each channel's counts."""
    channels: Sequence[ChannelHistogram]
    """One for each channel, and one for the luminance of three colours."""


@operation("image.histogram", version=3, params=CountValues)
def histogram(images: Sequence[Raster], params: CountValues, limits: Limits) -> Operated:
    """Counts how often each value occurs in each channel, exactly, with percentiles, mean and deviation.

    Values are counted as they are stored, 8 and 16 bit scaled to 0..1, in 256 bins.
    Output file: `histogram`, if asked for: the curves of the colours, without alpha and luminance.
    Value: a `Histogram`.
    """
    from accel.image.tallies import counted, drawn

    (image,) = images
    value = counted(image, params.percentiles)
    return Operated({"histogram": drawn(image, value, params.scale)} if params.picture else {}, value)
