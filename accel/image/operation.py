"""Declarations of operations on images: parameters that they share, what they return, `@operation`.

Declaring must cost no more than msgspec: `operation_runner` does the work, and is imported by the first call.
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
    """How the inputs are read."""

    transfer: Annotated[
        Literal["auto", "srgb", "linear"],
        Meta(
            description="How 8 and 16 bit colours are coded: `srgb` for pictures, `linear` for data "
            "(normals, heights, masks), whose numbers are kept as they are: no colour profile is applied, "
            "nothing multiplied by alpha. `auto` takes three colours for sRGB, unless a KTX2 says that they "
            "are linear, and grey for data. Floats are linear."
        ),
    ] = "auto"


class Writing(Reading, frozen=True):
    """How the results are written."""

    format: Annotated[
        Literal["same", "png", "jpeg", "webp", "avif", "tiff", "tga", "psd", "exr", "hdr", "dds", "ktx2"],
        Meta(description="The file format; `same` is the first input's, or PNG where that can't be written."),
    ] = "same"
    quality: Annotated[int, Meta(ge=1, le=100, description="Of JPEG, AVIF and WebP that isn't lossless.")] = (
        90
    )
    bits: Annotated[
        Literal["same", "8", "16", "32"],
        Meta(
            description="Of a channel: 8 or 16 bit integers, 32 bit floats; of EXR 16 is half floats. A "
            "format that can't hold them takes the nearest."
        ),
    ] = "same"
    lossless: Annotated[bool, Meta(description="Whether WebP and AVIF keep every pixel.")] = False


AnyKind = Literal["auto", "color", "normal", "data"]
"""What the channels are; `auto` looks at them."""

KINDS = (
    "`auto` takes colours for a `normal` map where nine of ten texels are unit vectors that point out of the "
    "surface on the whole (where all are the same, straight out), unless `transfer` is `srgb`; of the rest "
    "sRGB, floats of three colours and what has transparency for `color`, and grey and what is read as "
    "`linear` for `data`. The result says which."
)
"""Of `auto`, for descriptions."""


class Filtering(Writing, frozen=True):
    """How pixels are averaged."""

    kind: Annotated[
        AnyKind,
        Meta(
            description="What the channels are: `color`; `normal`, unit vectors, which are averaged as such "
            "and brought back to length 1; `data`, each channel by itself as it is stored. " + KINDS
        ),
    ] = "auto"
    linear_light: Annotated[
        bool,
        Meta(description="Whether sRGB colours are averaged as light, as eyes do it, not by their codes."),
    ] = True
    alpha_weighted: Annotated[
        bool,
        Meta(
            description="Whether colours count in proportion to their alpha, so that those of transparent "
            "texels give no fringe. Off where the last channel is no transparency."
        ),
    ] = True
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(
            description="What a filter sees beyond the edges: the last texel again, or, for textures that "
            "tile, the opposite edge."
        ),
    ] = "clamp"


Described = Callable[[Mapping[str, str], str], Sequence[OutputFile]]
"""Makes files that describe images, from the name of each image's file and the channel type in those files
(by numpy's name)."""


class Operated(Struct, frozen=True):
    """The result of an operation."""

    images: Mapping[str, Raster] = {}
    """By name, for example `resized`. They are the next operation's inputs, in this order."""
    value: Any = None
    """None stands for the facts of the written images (`Written`), a list if there are several."""
    files: Sequence[OutputFile] = ()
    """Files that aren't images, or are encoded already; they are written beside the images of this or a later
    operation."""
    described: Described | None = None
    """Makes `files` again for other names of the images, if they describe them. A later operation must then
    return one image of the same size for each."""


class Written(Struct, frozen=True, omit_defaults=True):
    """An image that was written."""

    name: str
    """The output file's; with smaller levels in files of their own, the first of them."""
    format: str
    """For example `png`."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    channels: int
    """Their number, alpha included."""
    bit_depth: int
    """Of a channel, as written: 8, 16 or 32; of half floats 16."""
    levels: int
    """Mip levels, the largest included."""
    size: int
    """Bytes of all its files."""
    kind: Literal["color", "normal", "data"] | None = None
    """What the channels were taken for; not there where it didn't matter."""
    first_of: int | None = None
    """How many faces, layers or slices the DDS or KTX2 held that it comes from: it is made of the first
    alone. Not there where that held one, or where all are in the file."""
    images: int = 1
    """Faces and layers in the file; not there for one."""
    below: float | None = None
    """The least value of the largest level's colours, floats that were to be written, where the file holds
    none so low and has its own least instead. Not there where nothing was cut off, or what nobody sees."""
    above: float | None = None
    """The same of the largest."""


class FirstLayer(Struct, frozen=True, kw_only=True):
    """A value that is of one image of each file."""

    first_of: int | None = None
    """How many faces, layers or slices the DDS or KTX2 holds (of several files that which has most): it is of
    the first alone. Null where there is one."""


def first_layer(*images: Raster) -> int | None:
    """`FirstLayer.first_of` of a value's inputs."""
    count = max(max(image.first_of, 1 + len(image.layers)) for image in images)
    return count if count > 1 else None


Operate = Callable[[Sequence["Raster"], Any, Limits], Operated]
"""The function of an operation, on images, parameters and limits. Raises WorkloadError."""


class Operation(Protocol):
    """A declared operation: a workload on files, with the operation on rasters as `operate`."""

    workload: Workload
    """The record."""
    operate: Operate
    """The function on images; what it returns is validated."""
    splits: bool
    """Whether it makes several images of one, so that a later step which takes several has them of one."""
    levels: bool
    """Whether it uses the smaller levels of its inputs; otherwise those of files aren't read."""
    layers: bool
    """Whether it is done on each face and layer of its inputs; otherwise those of files aren't read."""

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
) -> Callable[[Operate], Operation]:
    """Declares a workload that is done on images, not on files, and that can be a step of a pipeline:
    `function(images, params, limits) -> Operated`; it may raise WorkloadError.

    Images are opened and checked against the limits before, and written afterwards by the parameters of
    `Writing`, which `params` extends, or of `Reading` if the operation returns no images. What the function
    returns is validated. A function that makes an image much larger than its inputs calls `check_size` first.
    The pixels of inputs are read-only for plugins.
    The function gets the first image of a cube or an array. With `layers` it is also called for each of the
    others, or gets them itself if it returns files. An image after the first then has as many layers, or one
    for all; those of `companions` are read only if the first has some. `version`, `inputs`, `companions` and
    `cached` are as in `workload`, `splits` and `levels` as in `Operation`.

    Raises TypeError for other parameters, for no inputs, and for a function that a worker can't import.
    """
    if not (isinstance(params, type) and issubclass(params, Reading)):
        kinds = "Writing, or of Reading where it gives no images"
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
            name, version=version, params=params, inputs=inputs, companions=companions, cached=cached
        )
        declared = cast(Operation, record(run))
        declared.workload = structs.replace(declared.workload, operation=True)
        declared.operate = operate
        declared.splits = splits
        declared.levels = levels
        declared.layers = layers
        return declared

    return declare


def holds_layers(params: Reading) -> bool:
    """Whether the file that is written may hold several faces and layers."""
    return not isinstance(params, Writing) or params.format in ("same", "dds", "ktx2")


def check_size(name: str, width: int, height: int, limits: Limits) -> None:
    """Raises WorkloadError `too_large` for an image of more pixels than the limits allow."""
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
