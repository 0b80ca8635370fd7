"""Declares operations on images: shared parameters, results and the decorator `operation`.

Declaring imports little more than msgspec: `operation_runner` does the work, imported on the first call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, cast

from msgspec import Meta, Struct, structs

from accel.text import text
from accel.workload import (
    Input,
    Limits,
    Output,
    OutputFile,
    Params,
    Workload,
    WorkloadError,
    implementation,
    workload,
)

if TYPE_CHECKING:
    from accel.image.raster import Raster


class Reading(Params, frozen=True):
    """Options for reading the inputs."""

    transfer: Annotated[
        Literal["auto", "srgb", "linear"],
        Meta(
            description="Encoding of 8- and 16-bit colours. `srgb`: pictures. `linear`: data such "
            "as normals, heights and masks; values are used as stored, without applying a colour "
            "profile or alpha. `auto`: sRGB for three colour channels, unless a KTX2 file declares "
            "them linear; data for grey. Floats are always linear."
        ),
    ] = "auto"


class Writing(Reading, frozen=True):
    """Options for writing the results."""

    format: Annotated[
        Literal["same", "png", "jpeg", "webp", "avif", "tiff", "tga", "psd", "exr", "hdr", "dds", "ktx2"],
        Meta(description="File format. `same`: that of the first input, or PNG if it can't be written."),
    ] = "same"
    quality: Annotated[
        int, Meta(ge=1, le=100, description="Quality of JPEG, and of WebP and AVIF without `lossless`.")
    ] = 90
    bits: Annotated[
        Literal["same", "8", "16", "32"],
        Meta(
            description="Bits per channel. 8 and 16 are integers, 32 is float; in EXR, 16 is half "
            "float. A format without this depth uses its nearest one."
        ),
    ] = "same"
    lossless: Annotated[bool, Meta(description="Compress WebP and AVIF without loss.")] = False


AnyKind = Literal["auto", "color", "normal", "data"]
"""The content type of the channels; `auto` detects it."""

KINDS = (
    "`auto` detects `normal` if at least 90% of the texels are unit vectors "
    "that point out of the surface on average (straight out if all are equal) and `transfer` "
    "isn't `srgb`. Otherwise, sRGB, three-channel floats and images with transparency are "
    "`color`; grey images and images read as `linear` are `data`. The result reports the "
    "kind."
)
"""Description of `auto`."""


class Filtering(Writing, frozen=True):
    """Options for averaging pixels."""

    kind: Annotated[
        AnyKind,
        Meta(
            description="Content of the channels. `color`: colours. `normal`: unit vectors; "
            "averages are normalised. `data`: independent channels, averaged as stored. " + KINDS
        ),
    ] = "auto"
    linear_light: Annotated[
        bool,
        Meta(
            description="Average sRGB colours in linear light, as the eye does, instead of by "
            "their sRGB values."
        ),
    ] = True
    alpha_weighted: Annotated[
        bool,
        Meta(
            description="Weight colours by alpha, which avoids fringes from transparent texels. "
            "Turn it off if the last channel isn't transparency."
        ),
    ] = True
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(
            description="Texels beyond the edges. `clamp` repeats the edge texel; `wrap` uses the "
            "opposite edge, for tiling textures."
        ),
    ] = "clamp"


Described = Callable[[Mapping[str, str], str], Sequence[OutputFile]]
"""Writes files that describe images. Takes the output file name of each image, and the channel type in those
files as a numpy dtype name."""


class Operated(Struct, frozen=True):
    """The result of an operation."""

    images: Mapping[str, Raster] = {}
    """Output images by name, for example `resized`. They are the next operation's inputs, in this order."""
    value: Any = None
    """The result's value. None stands for the facts about the written images: a `Written`, or a list of
    them."""
    files: Sequence[OutputFile] = ()
    """Files that aren't images, or are already encoded."""
    described: Described | None = None
    """Rebuilds `files` for other image names, if they describe images. Later operations must then keep the
    number and size of the images."""


class Written(Struct, frozen=True, omit_defaults=True):
    """Facts about a written image."""

    name: str
    """Name of the output file; of the first one if each level has its own file."""
    format: str
    """File format, for example `png`."""
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    channels: int
    """Number of channels, including alpha."""
    bit_depth: int
    """Bits per channel as written: 8, 16 or 32; 16 for half floats."""
    levels: int
    """Number of mip levels, including the largest."""
    size: int
    """Total bytes of its files."""
    kind: Literal["color", "normal", "data"] | None = None
    """The content type used for the channels; absent if it made no difference."""
    first_of: int | None = None
    """Number of faces, layers or slices in the source DDS or KTX2, if only the first was used. Absent if
    there is only one or all were written."""
    images: int = 1
    """Number of faces and layers in the file; absent for 1."""
    below: float | None = None
    """Lowest float colour of the largest level before clipping to the format's range. Absent if nothing
    visible was clipped."""
    above: float | None = None
    """Highest float colour before clipping, likewise."""


class FirstLayer(Struct, frozen=True, kw_only=True):
    """Base of results that describe only the first image of a file."""

    first_of: int | None = None
    """Number of faces, layers or slices in the DDS or KTX2 file (the largest of several). Only the first is
    described. Null if there is only one."""


def first_layer(*images: Raster) -> int | None:
    """Returns `FirstLayer.first_of` for these inputs."""
    count = max(max(image.first_of, 1 + len(image.layers)) for image in images)
    return count if count > 1 else None


Operate = Callable[[Sequence["Raster"], Any, Limits], Operated]
"""An operation's function. Takes images, parameters and limits; raises WorkloadError."""


class Operation(Protocol):
    """A declared operation: a workload on files, with `operate` as its function on images."""

    workload: Workload
    """The workload's record."""
    operate: Operate
    """The function on images, with its result validated."""
    splits: bool
    """Whether it returns several images per image. A later step with several inputs then gets all images of
    one source."""
    levels: bool
    """Whether it uses the mip levels of its inputs; otherwise files are read without them."""
    layers: bool
    """Whether it runs on every face and layer of its inputs; otherwise only the first is read from files."""

    def __call__(self, inputs: Sequence[Input], params: Any, limits: Limits, /) -> Output: ...


_operate = implementation("accel.image.operation_runner:operate", "Calls a function on images.")
_run = implementation("accel.image.operation_runner:run", "Runs an operation on files.")


def operation(
    name: str,
    *,
    version: int,
    params: type[Reading],
    inputs: int | tuple[int, int] = 1,
    companions: bool = False,
    cached: bool = True,
    splits: bool = False,
    levels: bool = False,
    layers: bool = False,
    makes_files: bool | None = None,
    memory: float = 2.0,
) -> Callable[[Operate], Operation]:
    """Declares `function(images, params, limits) -> Operated` as a workload and as a step of pipelines. The
    function may raise WorkloadError.

    Inputs are opened and checked against the limits first; plugins must not write to their pixels. `params`
    extends `Writing`, which says how the returned images are written, or `Reading` for an operation that
    returns none. Results are validated. A function whose output is much larger than its inputs must call
    `check_size` before creating it. `makes_files` is by default whether `params` extends `Writing`.
    `memory` is the peak memory as a multiple of the largest decoded input.

    The function gets the first image of a cube or array. With `layers`, it is also called for each of the
    others, or gets them all if it returns files. Further inputs then need as many layers, or a single one for
    all; those of `companions` are read only if the first input has several. The other arguments are as in
    `workload` and `Operation`.

    Raises TypeError if `params` is no such class, if `inputs` allows none, or if a worker can't import the
    function.
    """
    if not (isinstance(params, type) and issubclass(params, Reading)):
        kinds = "Writing, or of Reading if it returns no images"
        raise TypeError(f"operation {name}: params is {params!r}; it must be a subclass of {kinds}")
    if inputs == 0 or (isinstance(inputs, tuple) and 0 in inputs):
        raise TypeError(f"operation {name}: inputs is {inputs!r}; it works on one image at least")

    def declare(function: Operate) -> Operation:
        each_layer = layers and issubclass(params, Writing)

        @functools.wraps(function)
        def run(inputs: Sequence[Input], params: Any, limits: Limits) -> Output:
            output: Output = _run(declared, inputs, params, limits)
            return output

        @functools.wraps(function)
        def operate(images: Sequence[Raster], params: Any, limits: Limits) -> Operated:
            operated: Operated = _operate(function, each_layer, images, params, limits)
            return operated

        record = workload(
            name, version=version, params=params, inputs=inputs, companions=companions, cached=cached,
            makes_files=issubclass(params, Writing) if makes_files is None else makes_files,
            memory=memory,
        )  # fmt: skip
        declared = cast(Operation, record(run))
        declared.workload = structs.replace(declared.workload, operation=True)
        declared.operate = operate
        declared.splits = splits
        declared.levels = levels
        declared.layers = layers
        return declared

    return declare


def holds_layers(params: Reading) -> bool:
    """Whether the output file can store several faces and layers."""
    return not isinstance(params, Writing) or params.format in ("same", "dds", "ktx2")


def check_size(name: str, width: int, height: int, limits: Limits) -> None:
    """Raises WorkloadError `too_large` if the image has more pixels than the limits allow."""
    if width * height > limits.max_pixels:
        reason = text(
            "would become {width} x {height} ({width_2} megapixels), more than the limit of "
            "{max_pixels} megapixels",
            width=width,
            height=height,
            width_2=f"{(width * height / 1e6):,.1f}",
            max_pixels=f"{(limits.max_pixels / 1e6):,.1f}",
        )
        raise WorkloadError("too_large", reason, name)
