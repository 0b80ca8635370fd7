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
    """Additional output."""

    preview: Annotated[
        int, Meta(ge=0, le=4096, description="Longest side of a PNG preview in pixels; 0 for none.")
    ] = 0


inspect = workload("image.inspect", version=11, params=Inspect, memory=1.1)(
    implementation(
        "accel.image.inspect:inspect",
        """Reports facts about an image: size, channels, alpha, statistics, normals, entropy, seams.

    Channel statistics, alpha and grey are exact over all pixels. Normals, entropy and seams come from a
    regular sample of at most about 256×256. Only the first frame is read.
    Output file: `preview`, if requested. Value: an `Inspection`.
    """,
    )
)


class Compare(Writing, frozen=True):
    """Tolerance and additional output."""

    tolerance: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Largest channel difference at which pixels count as equal, as a share of "
            "full scale.",
        ),
    ] = 0.0
    difference: Annotated[bool, Meta(description="Also return an image of the differences.")] = False
    amplify: Annotated[
        float, Meta(gt=0, le=65536, description="Factor that brightens the differences in that image.")
    ] = 10.0


class ChannelComparison(Struct, frozen=True):
    """Difference between two images in one channel."""

    name: str
    """`r`, `g`, `b`, `a`, or `l` for grey."""
    psnr: float | None
    """Peak signal-to-noise ratio in dB: 10 log10(1 / mean squared error). None if infinite, because the
    channel is identical."""
    ssim: float | None
    """Structural similarity, -1 to 1. None if a side is shorter than the window of 11 pixels."""
    max_error: float
    """The largest absolute difference; full scale is 1."""
    mean_error: float
    """The mean absolute difference; full scale is 1."""


class Comparison(FirstLayer, frozen=True):
    """Difference between two images of the same size."""

    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    bit_depth: int
    """Bits per channel at which the images were compared: 8, 16 or 32."""
    identical: bool
    """Whether all values are equal."""
    psnr: float | None
    """Peak signal-to-noise ratio over all channels in dB. None if infinite, because the images are
    identical."""
    ssim: float | None
    """Structural similarity of luminance (ITU-R BT.709, from stored values), -1 to 1. None if a side is
    shorter than the window of 11 pixels."""
    ssim_channels: float | None
    """Mean structural similarity of all channels."""
    max_error: float
    """The largest absolute difference in any channel; full scale is 1."""
    mean_error: float
    """The mean absolute difference; full scale is 1."""
    differing: Share
    """Share of pixels in which a channel differs by more than the tolerance."""
    channels: Sequence[ChannelComparison]
    """One entry for each channel that either image has."""


compare = operation("image.compare", version=4, params=Compare, inputs=2, makes_files=False)(
    implementation(
        "accel.image.compare:compare",
        """Measures the difference between two images of the same size: PSNR, SSIM, errors.

    SSIM follows Wang, Bovik, Sheikh and Simoncelli (2004): a Gaussian window of 11×11 pixels with a standard
    deviation of 1.5, K1 = 0.01, K2 = 0.03, averaged over all windows inside the image. Values are compared as
    stored. If only one image has colours or alpha, the other's grey counts as red, green and blue, and its
    alpha as opaque. 8 bits are raised to 16 if the other image has 16; integers become linear floats if the
    other image has floats, with a full scale of 1.
    Output file: `difference`, if requested: absolute differences of colours, plus those of alpha in every
    channel. Value: a `Comparison`.
    """,
    )
)


class Fingerprint(Struct, frozen=True):
    """Hashes of an image."""

    file: str
    """SHA-256 of the file."""
    pixels: str
    """Checksum of the decoded image (size, channels, values) as 16 hexadecimal digits. Equal for the same
    picture in any format: 16-bit values that fit 8 bits, grey stored as colour and opaque alpha are
    reduced first. For cube maps, arrays and volumes, the beginning of `file`, because only their first
    image is decoded."""
    perceptual: str
    """Perceptual hash as 16 hexadecimal digits. Similar pictures differ in few of its 64 bits."""
    mean: Sequence[float]
    """Mean red, green, blue and alpha, 0 to 1, from an even sample weighted by alpha. It is close for similar
    images."""
    spread: float
    """Standard deviation of luminance at 32×32 pixels, 0 to 1. The perceptual hash is meaningless for flat
    images; for cube maps, arrays and volumes the spread is 0."""


class NoParams(Params, frozen=True):
    """No parameters."""


fingerprint = workload("image.fingerprint", version=4, params=NoParams)(
    implementation(
        "accel.image.hashes:fingerprint",
        """Computes hashes for finding equal and similar images.

    The hashes cover the file, its pixels and, as a perceptual hash, its appearance.
    Value: a `Fingerprint`.
    """,
    )
)


class FindDuplicates(Params, frozen=True):
    """Kinds of duplicates to find."""

    looks: Annotated[
        bool,
        Meta(description="Also find similar images: smaller or lossy copies, small changes."),
    ] = True


class DuplicateGroup(Struct, frozen=True):
    """Two or more duplicate or similar images."""

    how: Literal["file", "pixels", "looks"]
    """`file`: the same bytes. `pixels`: the same pixels. `looks`: similar. Of images with the same pixels,
    only the first appears in a `looks` group."""
    inputs: Sequence[int]
    """Indices of the inputs, from 0. In a `looks` group, the others are similar to the first."""
    names: Sequence[str]
    """Names of the inputs as requested, in the same (alphabetical) order."""
    wasted: int
    """Total bytes of these files, except the largest."""


class UnreadFile(Struct, frozen=True):
    """An image that couldn't be read."""

    input: int
    """Index of the input, from 0."""
    name: str
    """Name of the input as requested."""
    code: str
    """The error code."""
    reason: AnyText
    """The reason; reads well after "NAME: "."""


class Duplicates(Struct, frozen=True):
    """Groups of duplicate or similar images."""

    groups: Sequence[DuplicateGroup]
    """Sorted alphabetically by name."""
    failed: Sequence[UnreadFile]
    """Images that couldn't be read or decoded; they are in no group."""


find_duplicates = workload("image.find_duplicates", version=4, params=FindDuplicates, inputs=(2, 4096))(
    implementation(
        "accel.image.hashes:find_duplicates",
        """Finds identical files, identical pictures in different files, and similar pictures.

    Identical files are found by SHA-256 and decoded once; identical pixels by checksum, in any format;
    similar pictures by perceptual hash, mean colour and contrast, which excludes flat images. Cube maps,
    arrays and volumes are only compared as files. A broken image is reported and doesn't affect the others.
    Value: a `Duplicates`.
    """,
    )
)


class FindPalette(Writing, frozen=True):
    """Number of colours, and additional output."""

    colors: Annotated[int, Meta(ge=1, le=256, description="Maximum number of colours.")] = 8
    swatch: Annotated[
        bool, Meta(description="Also return an image of the colours: squares of 64 pixels, 16 in a row.")
    ] = False


class PaletteColor(Struct, frozen=True):
    """One colour of a palette."""

    hex: str
    """sRGB, for example `#ff8000`."""
    share: Share
    """Share of the picture, weighted by alpha."""
    oklab: Sequence[float]
    """Lightness (0 to 1), a (green to red) and b (blue to yellow)."""


class Palette(FirstLayer, frozen=True):
    """The colours of a picture, largest share first."""

    colors: Sequence[PaletteColor]
    """Fewer than requested if the picture has fewer; empty if it is entirely transparent."""
    exact: bool
    """Whether these are all colours of the picture, unchanged, instead of means of similar ones."""


palette = operation("image.palette", version=3, params=FindPalette, makes_files=False)(
    implementation(
        "accel.image.palette:palette",
        """Finds the main colours of a picture and the share of each, always with the same result.

    Colours are grouped by k-means in OKLab (Ottosson 2020), where distances match perception. A picture with
    no more colours than requested returns them unchanged. All pixels are used, at 8 bits; light outside 0 to
    1 counts as a screen shows it.
    Output file: `swatch`, if requested. Value: a `Palette`.
    """,
    )
)


class CountValues(Writing, frozen=True):
    """Additional output."""

    percentiles: Annotated[
        list[Annotated[float, Meta(ge=0, le=100)]],
        Meta(max_length=64, description="Percentiles to return, 0 to 100."),
    ] = field(default_factory=lambda: [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0])
    picture: Annotated[
        bool, Meta(description="Also return an image of the histogram: 512×256 pixels, 8-bit PNG by default.")
    ] = False
    scale: Annotated[
        Literal["linear", "log"],
        Meta(description="Scale of the counts in that image; `log` also shows rare values."),
    ] = "linear"


class ChannelHistogram(Struct, frozen=True):
    """Distribution of the values of one channel, on the scale of `Channel` in `image.inspect`."""

    name: str
    """`r`, `g`, `b` or `a`; `l` for grey; `luminance` of three colours (ITU-R BT.709, stored values)."""
    low: float
    """Lower bound of the first bin: 0, or the smallest value of floats."""
    high: float
    """Upper bound of the last bin: 1, or the largest value of floats."""
    counts: Sequence[int]
    """Pixels in each of 256 bins of equal width; for 8 bits, one bin per value."""
    min: float
    """The smallest value."""
    max: float
    """The largest value."""
    mean: float
    """The arithmetic mean."""
    std: float
    """The standard deviation over all pixels."""
    percentiles: Sequence[float]
    """In the requested order: the smallest value that at least this percentage of pixels doesn't exceed."""


class Histogram(FirstLayer, frozen=True):
    """Distribution of the values of each channel."""

    pixels: int
    """Number of pixels: the sum of each channel's counts."""
    channels: Sequence[ChannelHistogram]
    """One entry per channel, plus luminance if there are three colours."""


histogram = operation("image.histogram", version=3, params=CountValues, makes_files=False)(
    implementation(
        "accel.image.palette:histogram",
        """Counts the values of each channel exactly, with percentiles, mean and standard deviation.

    Values are counted as stored, in 256 bins; 8 and 16 bits are scaled to 0..1.
    Output file: `histogram`, if requested: curves of the colours, without alpha and luminance. Value: a
    `Histogram`.
    """,
    )
)
