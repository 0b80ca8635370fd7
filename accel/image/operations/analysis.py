"""Declares inspect, compare, fingerprint, find_duplicates, palette and histogram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from accel.image.operation import FirstLayer, Writing, operation
from accel.image.records import Share
from accel.text import AnyText
from accel.workload import Params, implementation, workload


class Inspect(Params, frozen=True):
    """What else to make of the same decode."""

    preview: Annotated[
        int, Meta(ge=0, le=4096, description="Longest side of a PNG preview, pixels; 0 makes none.")
    ] = 0


inspect = workload("image.inspect", version=10, params=Inspect)(
    implementation(
        "accel.image.inspect:inspect",
        """Tells an image's facts: size, channels, alpha, statistics, normals, entropy, seams.

    Channel statistics, alpha and grey are exact over all pixels; normals, entropy and seams come from a
    regular sample of at most about 256 x 256. Only the first frame is looked at.
    Output file: `preview`, if asked for. Value: an `Inspection`.
    """,
    )
)


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


class Comparison(FirstLayer, frozen=True):
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


compare = operation("image.compare", version=4, params=Compare, inputs=2)(
    implementation(
        "accel.image.compare:compare",
        """Measures how far one image is from another of the same size: PSNR, SSIM, errors.

    SSIM is that of Wang, Bovik, Sheikh and Simoncelli (2004): a Gaussian window of 11 x 11 pixels with a
    standard deviation of 1.5, K1 = 0.01, K2 = 0.03, the mean over all windows that lie inside. Values are
    compared as they are stored. Where only one image has colours or alpha, the other's grey is taken for red,
    green and blue, and its alpha for full; 8 bit are raised to 16 beside 16, and integers become linear
    floats beside floats, whose full scale is 1.
    Output file: `difference`, if asked for: the colours' absolute differences, alpha's added to all of them.
    Value: a `Comparison`.
    """,
    )
)


class Fingerprint(Struct, frozen=True):
    """What is compared of two images."""

    file: str
    """SHA-256 of the file's bytes: the same file."""
    pixels: str
    """Checksums, 64 bits as 16 hexadecimal digits, of what is decoded (size, channels, values;
    16 bits that hold no more than 8, grey colours and full alpha are reduced): the same picture in any
    format. Of a cube, an array or a volume, of which the first image alone is decoded, the begin of
    `file`."""
    perceptual: str
    """Perceptual hash, 64 bits as 16 hexadecimal digits: nearly the same picture where few bits differ."""
    mean: Sequence[float]
    """Mean colour, 0..1, red, green, blue and alpha, of an even sample, each texel counting as much as it is
    seen; look-alikes must agree in it."""
    spread: float
    """Standard deviation, 0..1, of the luminance at 32 x 32 pixels, as the perceptual hash sees it; the hash
    of flat images says nothing, nor does that of a cube, an array or a volume, whose spread is 0."""


class NoParams(Params, frozen=True):
    """There is nothing to choose."""


fingerprint = workload("image.fingerprint", version=4, params=NoParams)(
    implementation(
        "accel.image.hashes:fingerprint",
        """Tells what finds equal and nearly equal images: hashes of file and pixels, a perceptual hash.

    Value: a `Fingerprint`.
    """,
    )
)


class FindDuplicates(Params, frozen=True):
    """What counts as equal."""

    looks: Annotated[
        bool,
        Meta(
            description="Whether to look for images that are nearly the same too: smaller or lossy copies, "
            "small changes."
        ),
    ] = True


class DuplicateGroup(Struct, frozen=True):
    """Two or more images that are alike."""

    how: Literal["file", "pixels", "looks"]
    """What they share: all bytes, all pixels, or only the looks. Of images that share all pixels, only the
    first is in a group of `looks`."""
    inputs: Sequence[int]
    """Which they are, counted from 0; of `looks`, the first is the one that the others are like."""
    names: Sequence[str]
    """What the asker calls them, in the same order, which is alphabetical."""
    wasted: int
    """Bytes of all these files but the largest."""


class UnreadFile(Struct, frozen=True):
    """An image that couldn't be looked at."""

    input: int
    """Which it is, counted from 0."""
    name: str
    """What the asker calls it."""
    code: str
    """The error's code."""
    reason: AnyText
    """What is wrong with it; it reads well after "NAME: "."""


class Duplicates(Struct, frozen=True):
    """The images that are alike."""

    groups: Sequence[DuplicateGroup]
    """In alphabetical order of their names."""
    failed: Sequence[UnreadFile]
    """What couldn't be read or decoded, and is in no group."""


find_duplicates = workload("image.find_duplicates", version=4, params=FindDuplicates, inputs=(2, 4096))(
    implementation(
        "accel.image.hashes:find_duplicates",
        """Finds the same files, the same pictures in other files, and pictures that look the same.

    Equal files are known by SHA-256 and decoded once; equal pixels by their checksums, whatever the format;
    looks by perceptual hash, mean colour and contrast, so that flat images are never said to look alike.
    Cubes, arrays and volumes are equal as files alone. A broken image is told and costs the others nothing.
    Value: a `Duplicates`.
    """,
    )
)


class FindPalette(Writing, frozen=True):
    """How many colours."""

    colors: Annotated[int, Meta(ge=1, le=256, description="Most colours to give.")] = 8
    swatch: Annotated[
        bool, Meta(description="Whether to give a picture of them: squares of 64 pixels, 16 in a row.")
    ] = False


class PaletteColor(Struct, frozen=True):
    """One colour of a palette."""

    hex: str
    """sRGB, for example `#ff8000`."""
    share: Share
    """Of the picture, transparent parts counting as much as they are seen."""
    oklab: Sequence[float]
    """Lightness 0 to 1, a (green to red) and b (blue to yellow)."""


class Palette(FirstLayer, frozen=True):
    """The colours of a picture, those with the largest share first."""

    colors: Sequence[PaletteColor]
    """Fewer than asked for where the picture has fewer; none where nothing of it is seen."""
    exact: bool
    """Whether these are all colours of the picture, each as it is, rather than means of similar ones."""


palette = operation("image.palette", version=3, params=FindPalette)(
    implementation(
        "accel.image.palette:palette",
        """Finds the few colours that stand for a picture, and the share of each; the same every time.

    Colours are grouped by k-means in OKLab (Ottosson 2020), where distances are about as large as they look;
    those of a picture with no more than asked for are given as they are. Looked at are all pixels, at 8 bit;
    of light beyond 0 to 1 what a screen shows.
    Output file: `swatch`, if asked for. Value: a `Palette`.
    """,
    )
)


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


class Histogram(FirstLayer, frozen=True):
    """How often each value occurs."""

    pixels: int
    """Their number, the sum of each channel's counts."""
    channels: Sequence[ChannelHistogram]
    """One for each channel, and one for the luminance of three colours."""


histogram = operation("image.histogram", version=3, params=CountValues)(
    implementation(
        "accel.image.palette:histogram",
        """Counts how often each value occurs in each channel, exactly, with percentiles, mean and deviation.

    Values are counted as they are stored, 8 and 16 bit scaled to 0..1, in 256 bins.
    Output file: `histogram`, if asked for: the curves of the colours, without alpha and luminance.
    Value: a `Histogram`.
    """,
    )
)
