"""`image.compare`: how far one image is from another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from accel.image.first import OfFirst, first_of
from accel.image.inspection import Share
from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class Compare(Writing, frozen=True):
    """What counts, and what else to make."""

    tolerance: Annotated[
        float,
        Meta(ge=0, le=1, description="By how much of full scale a channel may differ in an equal pixel."),
    ] = 0.0
    difference: Annotated[bool, Meta(description="Whether to give a picture of the differences.")] = False
    amplify: Annotated[
        float, Meta(gt=0, le=65536, description="By how much differences are brightened in that picture.")
    ] = 10.0


class ChannelComparison(Struct, frozen=True):
    """How far two images are apart in one channel."""

    name: str
    """`r`, `g`, `b`, `a`, or `l` for grey."""
    psnr: float | None
    """Peak signal-to-noise ratio, dB: 10 log10(1 / mean squared error); None where it is infinite, as the
    channel is identical."""
    ssim: float | None
    """Structural similarity, -1 to 1; None where a side is shorter than its window of 11 pixels."""
    max_error: float
    """The largest difference; full scale is 1."""
    mean_error: float
    """The mean of the absolute differences; full scale is 1."""


class Comparison(OfFirst, frozen=True):
    """How far two images of the same size are apart."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    bit_depth: int
    """At which they were compared: 8, 16 or 32."""
    identical: bool
    """Whether no value differs at all."""
    psnr: float | None
    """Peak signal-to-noise ratio over all channels, dB; None where it is infinite, as they are identical."""
    ssim: float | None
    """Structural similarity of the luminance (ITU-R BT.709, of the values as stored), -1 to 1; None where a
    side is shorter than its window of 11 pixels."""
    ssim_channels: float | None
    """The mean of all channels' structural similarity."""
    max_error: float
    """The largest difference in any channel; full scale is 1."""
    mean_error: float
    """The mean of the absolute differences; full scale is 1."""
    differing: Share
    """Share of pixels of which a channel differs by more than the tolerance."""
    channels: Sequence[ChannelComparison]
    """One for each channel that either image has."""


@operation("image.compare", version=4, params=Compare, inputs=2)
def compare(images: Sequence[Raster], params: Compare, limits: Limits) -> Operated:
    """Measures how far one image is from another of the same size: PSNR, SSIM, errors.

    SSIM is that of Wang, Bovik, Sheikh and Simoncelli (2004): a Gaussian window of 11 x 11 pixels with a
    standard deviation of 1.5, K1 = 0.01, K2 = 0.03, the mean over all windows that lie inside. Values are
    compared as they are stored. Where only one image has colours or alpha, the other's grey is taken for red,
    green and blue, and its alpha for full; 8 bit are raised to 16 beside 16, and integers become linear
    floats beside floats, whose full scale is 1.
    Output file: `difference`, if asked for: the colours' absolute differences, alpha's added to all of them.
    Value: a `Comparison`.
    """
    import msgspec

    from accel.image.differences import compared, matched, picture

    one, other = matched(*images)
    value = msgspec.structs.replace(compared(one, other, params.tolerance), first_of=first_of(*images))
    return Operated({"difference": picture(one, other, params.amplify)} if params.difference else {}, value)
