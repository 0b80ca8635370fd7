"""@operation: declare, chain, map over layers; implementations named as "module:function"."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, cast

from msgspec import Meta, Struct, structs
from msgspec.structs import replace

from accel.devices.report import fault_of
from accel.text import text
from accel.workload import Input, Limits, Output, OutputFile, Params, Workload, WorkloadError, workload

if TYPE_CHECKING:
    from accel.image.raster import Raster


def map_layers(operate: Operate) -> Operate:
    """The operation on the first of its images and on each layer of that, all taken for what the first is."""

    @functools.wraps(operate)
    def on_all(images: Sequence[Raster], params: Any, limits: Limits) -> Operated:
        count = len(images[0].layers)
        _check_number(images, count + 1)
        alone = [replace(image, layers=(), cube=False) for image in images]
        done = operate(alone, params, limits)
        if not count or not done.images:
            return done
        _check_size(images[0].name, done, count + 1, limits)
        _check_square(images[0], done)
        rest = [
            operate([_layer(image, index, count, done) for image in images], params, limits).images
            for index in range(count)
        ]
        if any(each.keys() != done.images.keys() for each in rest):
            raise _uneven(images[0].name)
        made = {
            name: _joined(images[0], image, [each[name] for each in rest])
            for name, image in done.images.items()
        }
        return replace(done, images=made)

    return on_all


def _check_number(images: Sequence[Raster], count: int) -> None:
    """Raises WorkloadError `bad_input` for a second image of several that don't belong to those of the first:
    its first alone would count for all of them."""
    for image in images[1:]:
        number = max(1 + len(image.layers), image.first_of)
        if count > 1 < number and 1 + len(image.layers) != count:
            from accel.workload import WorkloadError

            reason = text(
                "holds {number} images, but {name} {count}; give as many, or one",
                number=number,
                name=images[0].name,
                count=count,
            )
            raise WorkloadError("bad_input", reason, image.name)


def _layer(image: Raster, index: int, count: int, done: Operated) -> Raster:
    """The input for a layer: of a second image, such as a normal map, its own layer where it has as many."""
    if len(image.layers) != count:
        return replace(image, layers=(), cube=False)
    first = next(iter(done.images.values()))
    # What is no normal map is told from one alone where nobody says more.
    return replace(image.layers[index], kind=first.kind or "color")


def _check_size(name: str, done: Operated, count: int, limits: Limits) -> None:
    """Raises WorkloadError `too_large` for images that are more together than one may be here."""
    width, height = next(iter(done.images.values())).pixels.shape[1::-1]
    if width * height * count > limits.max_pixels:
        from accel.workload import WorkloadError

        reason = text(
            "would become {count} images of {width} x {height} ({width_2} megapixels in all), "
            "more than the limit of {max_pixels} megapixels; raise images.max_pixels, or choose "
            "a smaller size",
            count=count,
            width=width,
            height=height,
            width_2=f"{(width * height * count / 1e6):,.1f}",
            max_pixels=f"{(limits.max_pixels / 1e6):,.1f}",
        )
        raise WorkloadError("too_large", reason, name)


def _check_square(source: Raster, done: Operated) -> None:
    """Raises WorkloadError `bad_params` for faces that no cube has."""
    for image in done.images.values():
        if source.cube and image.width != image.height:
            from accel.workload import WorkloadError

            reason = text(
                "is a cube map, whose faces are square: none can be {width} x {height}; give both "
                "sides the same length",
                width=image.width,
                height=image.height,
            )
            raise WorkloadError("bad_params", reason, source.name)


def _uneven(name: str) -> WorkloadError:
    from accel.workload import WorkloadError

    return WorkloadError("internal", text("the operation gave layers of another size, type or number"), name)


def _joined(source: Raster, first: Raster, others: Sequence[Raster]) -> Raster:
    """Raises WorkloadError `internal` for layers that no texture has together."""
    from accel.image.normal_maps import same_signedness
    from accel.image.operation_checks import check_same_layout

    if not all(check_same_layout(first, each) for each in others):
        raise _uneven(source.name)
    return replace(first, layers=same_signedness(first, others), cube=source.cube)


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


Described = Callable[[Mapping[str, str], str], Sequence[OutputFile]]
"""Files that tell of images: by what each image's file is called, and the type of channels in those files
(numpy's name)."""


class Operated(Struct, frozen=True):
    """What an operation gives."""

    images: Mapping[str, Raster] = {}
    """By name, for example `resized`; unique in one result. The next operation's inputs, in this order."""
    value: Any = None
    """None for the facts of what is written (`Written`): one where there is one image, else a list."""
    files: Sequence[OutputFile] = ()
    """What isn't an image, or is coded already: written beside the images, and beside those of a next
    operation."""
    described: Described | None = None
    """What makes `files` anew for images of other names, where they tell of the images: then a next operation
    must give one image for each, of the same size."""


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


Operate = Callable[[Sequence["Raster"], Any, Limits], Operated]
"""What an operation does with images, parameters and limits. Raises WorkloadError."""


class Operation(Protocol):
    """A declared operation: a workload on files, with the operation on rasters as `operate`."""

    workload: Workload
    """The record."""
    operate: Operate
    """The function on images, with what it gives held against what a Raster promises."""
    splits: bool
    """Whether it makes several images of one, so that a later step which takes several has them of one."""
    levels: bool
    """Whether smaller levels of its inputs go into what it gives; those of files aren't read otherwise."""
    layers: bool
    """The same of other faces and layers: it is done on each of them."""

    def __call__(self, inputs: Sequence[Input], params: Any, limits: Limits, /) -> Output: ...


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
    `Writing`, which `params` extends; of `Reading` where it gives no images. What it gives is held against
    what a `Raster` promises. Whoever makes something much larger than what came in asks `check_size` first.
    Pixels of what comes in can't be written to, but by PopBridge's own.
    The function sees the first image of a cube or an array; with `layers` it is called for each of the others
    too, or sees them itself where it gives files. An image after the first has as many then, or is one for
    all; of `companions` they are read only where the first has some. `version`, `inputs`, `companions` and
    `cached` are as in `workload`, `splits` and `levels` as in `Operation`.

    Raises TypeError for other parameters, for no inputs, and for a function that a worker can't import.
    """
    _check_declared(name, params, inputs)

    def declare(function: Operate) -> Operation:
        operate = _checked(function) if _is_own(function) else _isolated(function)

        @functools.wraps(function)
        def run(given: Sequence[Input], params: Any, limits: Limits) -> Output:
            from accel.image.open_raster import open_rasters

            several = layers and holds_layers(params)
            images = open_rasters(
                given, limits, params.transfer, levels=levels, layers=several, companions=companions
            )
            return output(declared.operate(images, params, limits), params)

        record = workload(
            name, version=version, params=params, inputs=inputs, companions=companions, cached=cached
        )
        declared = cast(Operation, record(run))
        declared.workload = structs.replace(declared.workload, operation=True)
        declared.operate = map_layers(operate) if layers and issubclass(params, Writing) else operate
        declared.splits = splits
        declared.levels = levels
        declared.layers = layers
        return declared

    return declare


def _is_own(function: Operate) -> bool:
    """Whether it came with PopBridge."""
    return function.__module__.partition(".")[0] == "accel"


def _checked(function: Operate) -> Operate:
    @functools.wraps(function)
    def operate(images: Sequence[Raster], params: Any, limits: Limits) -> Operated:
        from accel.image.operation_checks import validate_operated

        return validate_operated(function(images, params, limits), params, limits, own=True)

    return operate


def _isolated(function: Operate) -> Operate:
    """So that the step is at fault which is at fault, and not one before or after it."""

    @functools.wraps(function)
    def operate(images: Sequence[Raster], params: Any, limits: Limits) -> Operated:
        from accel.image.operation_checks import read_only_view, validate_operated, writable_copy

        return writable_copy(
            validate_operated(
                function([read_only_view(image) for image in images], params, limits), params, limits
            )
        )

    return operate


def holds_layers(params: Reading) -> bool:
    """Whether the file that is written may hold several faces and layers."""
    return not isinstance(params, Writing) or params.format in ("same", "dds", "ktx2")


def _check_declared(name: str, params: object, inputs: int | tuple[int, int]) -> None:
    if not (isinstance(params, type) and issubclass(params, Reading)):
        kinds = "Writing, or of Reading where it gives no images"
        raise TypeError(f"operation {name}: params is {params!r}; it must be a subclass of {kinds}")
    if inputs == 0 or (isinstance(inputs, tuple) and 0 in inputs):
        raise TypeError(f"operation {name}: inputs is {inputs!r}; it works on one image at least")


def output(done: Operated, params: Reading) -> Output:
    """The result of a last operation, its images as files. Raises WorkloadError."""
    from accel.image.encode import save

    files, facts = list(done.files), []
    for name, image in done.images.items():
        assert isinstance(params, Writing), "an operation that gives images takes the parameters of Writing"
        made, written = save(name, image, params)
        files += made
        facts.append(written)
    value = (facts[0] if len(facts) == 1 else facts) if done.value is None else done.value
    return Output(value, files)


def check_size(name: str, width: int, height: int, limits: Limits) -> None:
    """Raises WorkloadError `too_large` for an image that nobody may make here."""
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


@contextmanager
def blame_step(step: str) -> Iterator[None]:
    """Raises WorkloadError, by what `step` is called, for whatever is raised in it; of a device and of memory
    others know what to do."""
    try:
        yield
    # A plugin's code may raise anything.
    except (Exception, SystemExit) as error:
        if not isinstance(error, WorkloadError) and fault_of(error):
            raise
        raise _told(step, error) from _cause(error)


def _told(step: str, error: BaseException) -> WorkloadError:
    if not isinstance(error, WorkloadError):
        error = WorkloadError("internal", text("the workload failed ({name})", name=type(error).__name__))
    return WorkloadError(error.code, f"{step}: {error.reason}", error.name, fault=error.fault, step=step)


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ if isinstance(error, WorkloadError) else error


class FirstLayer(Struct, frozen=True, kw_only=True):
    """A value that is of one image of each file."""

    first_of: int | None = None
    """How many faces, layers or slices the DDS or KTX2 holds (of several files that which has most): it is of
    the first alone. Null where there is one."""


def first_layer(*images: Raster) -> int | None:
    """That number, of a value's inputs."""
    count = max(max(image.first_of, 1 + len(image.layers)) for image in images)
    return count if count > 1 else None


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
