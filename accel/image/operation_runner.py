"""Runs operations on files and on each layer, and validates their results.

Plugins get read-only images, so that writing to them raises in the step at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, get_args

import numpy as np
from msgspec.structs import replace

from accel.image.encode import save
from accel.image.normal_maps import same_signedness
from accel.image.open_raster import open_rasters
from accel.image.operation import Operate, Operated, Operation, Reading, Writing, check_size, holds_layers
from accel.image.pixel_data import MAX_VALUE, Pixels
from accel.image.raster import Multiplied, PixelKind, Raster, Transfer
from accel.text import AnyText, Text, text
from accel.workload import Input, Limits, Output, WorkloadError, check_files, is_encodable, type_name


def run(operation: Operation, inputs: Sequence[Input], params: Any, limits: Limits) -> Output:
    """Opens the inputs, calls the operation and writes its images. Raises WorkloadError."""
    images = open_rasters(
        inputs,
        limits,
        params.transfer,
        levels=operation.levels,
        layers=operation.layers and holds_layers(params),
        companions=operation.workload.companions,
    )
    return write_output(operation.operate(images, params, limits), params)


def write_output(operated: Operated, params: Reading) -> Output:
    """Writes the images of the final operation and returns its result. Raises WorkloadError."""
    files, facts = list(operated.files), []
    for name, image in operated.images.items():
        assert isinstance(params, Writing), "an operation that gives images takes the parameters of Writing"
        written, fact = save(name, image, params)
        files += written
        facts.append(fact)
    value = (facts[0] if len(facts) == 1 else facts) if operated.value is None else operated.value
    return Output(value, files)


def operate(
    function: Operate, each_layer: bool, images: Sequence[Raster], params: Any, limits: Limits
) -> Operated:
    """Calls an operation's function, once or for each layer, and validates the result.

    Raises WorkloadError.
    """
    own = function.__module__.partition(".")[0] == "accel"

    def run_validated(images: Sequence[Raster], params: Any, limits: Limits) -> Operated:
        if own:
            return validate_operated(function(images, params, limits), params, limits, own=True)
        operated = function([read_only_view(image) for image in images], params, limits)
        return writable_copy(validate_operated(operated, params, limits))

    if each_layer:
        return map_layers(run_validated, images, params, limits)
    return run_validated(images, params, limits)


def map_layers(operate: Operate, images: Sequence[Raster], params: Any, limits: Limits) -> Operated:
    """Runs the operation on the first image and on each of its layers, all treated as the first one's kind.

    Raises WorkloadError: `bad_input` if another input has several layers but not as many as the first,
    `too_large` if the results are too large together, `bad_params` for cube faces that aren't square, and
    `internal` for results that can't be layers of one texture.
    """
    first = images[0]
    count = 1 + len(first.layers)
    for image in images[1:]:
        number = max(1 + len(image.layers), image.first_of)
        if count > 1 < number and 1 + len(image.layers) != count:
            reason = text(
                "holds {number} images, but {name} {count}; give as many, or one",
                number=number,
                name=first.name,
                count=count,
            )
            raise WorkloadError("bad_input", reason, image.name)
    single = [replace(image, layers=(), cube=False) for image in images]
    operated = operate(single, params, limits)
    if count == 1 or not operated.images:
        return operated
    _check_sizes(first, operated, count, limits)
    others = [
        operate([_layer(image, index, count - 1, operated) for image in images], params, limits).images
        for index in range(count - 1)
    ]
    uneven = WorkloadError(
        "internal", text("the operation gave layers of another size, type or number"), first.name
    )
    if any(each.keys() != operated.images.keys() for each in others):
        raise uneven
    joined = {}
    for name, image in operated.images.items():
        layers = [each[name] for each in others]
        if not all(check_same_layout(image, layer) for layer in layers):
            raise uneven
        joined[name] = replace(image, layers=same_signedness(image, layers), cube=first.cube)
    return replace(operated, images=joined)


def _layer(image: Raster, index: int, count: int, operated: Operated) -> Raster:
    """Returns the input for a layer. An image with `count` layers, such as a normal map, contributes its own
    layer; otherwise its only image serves for all.
    """
    if len(image.layers) != count:
        return replace(image, layers=(), cube=False)
    first = next(iter(operated.images.values()))
    # The first layer decides the kind: another might look like a normal map by chance.
    return replace(image.layers[index], kind=first.kind or "color")


def _check_sizes(source: Raster, operated: Operated, count: int, limits: Limits) -> None:
    width, height = next(iter(operated.images.values())).pixels.shape[1::-1]
    if width * height * count > limits.max_pixels:
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
        raise WorkloadError("too_large", reason, source.name)
    for image in operated.images.values():
        if source.cube and image.width != image.height:
            reason = text(
                "is a cube map, whose faces are square: none can be {width} x {height}; give both "
                "sides the same length",
                width=image.width,
                height=image.height,
            )
            raise WorkloadError("bad_params", reason, source.name)


PIXEL_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))
"""All in native byte order."""

LARGEST = float(np.finfo(np.float32).max)
"""The largest finite float32."""

ALLOWED: Mapping[str, tuple[object, ...]] = {
    "has_alpha": (False, True),
    "transfer": get_args(Transfer),
    "data": (False, True),
    "kind": (*get_args(PixelKind), ""),
    "signed": (False, True, None),
    "float_bits": (0, 16, 32),
    "read_mips": (False, True),
    "multiplied": get_args(Multiplied),
    "cube": (False, True),
    "array": (False, True),
}
"""Allowed values for the fields of a Raster."""


def validate_operated(operated: object, params: Reading, limits: Limits, *, own: bool = False) -> Operated:
    """Validates an operation's result and makes its pixels contiguous. `own` marks accel's operations.

    Raises WorkloadError `internal` for invalid results, `too_large` for an image beyond the limits.
    """
    if not isinstance(operated, Operated):
        raise _invalid(text("the operation gave {kind_of}, not Operated", kind_of=type_name(operated)))
    images = operated.images
    if not isinstance(images, Mapping):
        raise _invalid(
            text("the operation's images are {kind_of}, not a dict of Raster", kind_of=type_name(images))
        )
    if images and not isinstance(params, Writing):
        raise _invalid(text("the operation returns images, so its parameters must be a subclass of Writing"))
    if operated.described is not None and not callable(operated.described):
        kind_of = type_name(operated.described)
        raise _invalid(text("the operation's described is {kind_of}, not a function", kind_of=kind_of))
    check_files(operated.files)
    # Accel's own filters may slightly overshoot the largest value of a file.
    bound = LARGEST if own else MAX_VALUE
    checked = {_check_name(name): _check_image(name, image, limits, bound) for name, image in images.items()}
    same = all(image is images[name] for name, image in checked.items())
    return operated if same else replace(operated, images=checked)


def _check_name(name: object) -> str:
    if not isinstance(name, str) or not name or not is_encodable(name):
        raise _invalid(
            text("the operation calls an image {name}; it must be text", name=format(repr(name), ".80"))
        )
    return name


def _check_image(name: str, image: object, limits: Limits, bound: float) -> Raster:
    label = text("the operation's image {name}", name=repr(name))
    first = _check_layer(label, image, limits, bound)
    if not isinstance(first.layers, tuple):
        kind_of = type_name(first.layers)
        raise _invalid(
            text("{image} has layers that are {kind_of}, not a tuple of Raster", kind_of=kind_of), label
        )
    layers = []
    for index, each in enumerate(first.layers, 1):
        layer_label = text("the operation's image {name}, layer {index}", name=repr(name), index=index)
        layer = _check_layer(layer_label, each, limits, bound)
        if layer.layers or not check_same_layout(first, layer):
            raise _invalid(
                text("{image} must be of the size, levels, type and channels of the first, without layers"),
                layer_label,
            )
        layers.append(layer)
    if first.cube and (1 + len(layers)) % 6:
        raise _invalid(text("{image} is a cube of {count} faces, not of six", count=1 + len(layers)), label)
    same = all(each is other for each, other in zip(layers, first.layers, strict=True))
    return first if same else replace(first, layers=tuple(layers))


def check_same_layout(one: Raster, other: Raster) -> bool:
    """Whether both can be layers of one texture."""
    shapes = [[level.shape for level in (each.pixels, *each.mips)] for each in (one, other)]
    same = shapes[0] == shapes[1] and one.pixels.dtype == other.pixels.dtype
    return same and (one.transfer, one.has_alpha) == (other.transfer, other.has_alpha)


def _check_layer(label: Text, image: object, limits: Limits, bound: float) -> Raster:
    """Validates a single image without its layers."""
    if not isinstance(image, Raster):
        if isinstance(image, np.ndarray):
            reason = text(
                "{image} is {kind_of}, not Raster: return with_pixels(...) or with_light(...) of the image "
                "that it is made of",
                kind_of=type_name(image),
            )
        else:
            reason = text("{image} is {kind_of}, not Raster", kind_of=type_name(image))
        raise _invalid(reason, label)
    _check_fields(label, image)
    _check_pixels(label, image.pixels)
    _check_channels(label, image)
    _check_levels(label, image)
    check_size(image.name, image.width, image.height, limits)
    levels = (image.pixels, *image.mips)
    for level in levels:
        # A NaN makes both extremes NaN, and comparisons with NaN are false.
        with np.errstate(invalid="ignore"):
            if level.dtype.kind == "f" and not (-bound <= level.min() and level.max() <= bound):
                raise _invalid(text("{image} has values beyond ±1e12, or NaN"), label)
    if all(level.flags.c_contiguous for level in levels):
        return image
    pixels, *mips = map(np.ascontiguousarray, levels)
    return replace(image, pixels=pixels, mips=tuple(mips))


def _check_fields(label: Text, image: Raster) -> None:
    for field in ("name", "format"):
        if not isinstance(getattr(image, field), str):
            raise _wrong_field(label, image, field, text("text"))
    for field, allowed in ALLOWED.items():
        value = getattr(image, field)
        # Compare types too, as 1 == True; and comparing an array would return an array.
        if not any(type(value) is type(one) and value == one for one in allowed):
            reason = text(
                "{image} has the {field} {value}; it must be one of {known}",
                field=field,
                value=format(repr(value), ".80"),
                known=list(map(repr, allowed)),
            )
            raise _invalid(reason, label)
    if type(image.first_of) is not int or image.first_of < 1:
        raise _wrong_field(label, image, "first_of", text("a whole number, at least 1"))
    for field in ("below", "above"):
        if not isinstance(getattr(image, field), float | None):
            raise _wrong_field(label, image, field, text("a float or None"))


def _wrong_field(label: Text, image: Raster, field: str, must: Text) -> WorkloadError:
    value = format(repr(getattr(image, field)), ".80")
    return _invalid(
        text("{image} has the {field} {value}; it must be {must}", field=field, value=value, must=must), label
    )


def _check_pixels(label: Text, pixels: object) -> None:
    # Subclasses such as masked arrays and matrices behave differently.
    if type(pixels) is not np.ndarray:
        kind_of = type_name(pixels)
        raise _invalid(
            text("{image} has pixels that are {kind_of}, not numpy.ndarray", kind_of=kind_of), label
        )
    if pixels.dtype not in PIXEL_TYPES:
        reason = text(
            "{image} has pixels of type {dtype}; it must be one of uint8, uint16, float32",
            dtype=str(pixels.dtype),
        )
        raise _invalid(reason, label)
    if pixels.ndim != 3 or 0 in pixels.shape:
        shape = " x ".join(map(str, pixels.shape)) or "()"
        raise _invalid(
            text("{image} has pixels of shape {shape}; it must be height x width x channels", shape=shape),
            label,
        )


def _check_channels(label: Text, image: Raster) -> None:
    if image.colors not in (1, 3):
        if image.has_alpha:
            reason = text(
                "{image} has {count} channels with alpha; grey or RGB may have one more for alpha",
                count=image.channels,
            )
        else:
            reason = text(
                "{image} has {count} channels without alpha; grey or RGB may have one more for alpha",
                count=image.channels,
            )
        raise _invalid(reason, label)
    if image.pixels.dtype.kind == "f":
        if image.transfer != "linear":
            raise _invalid(text("{image} is of floats, whose transfer must be 'linear'"), label)
        if image.multiplied == "codes":
            raise _invalid(
                text("{image} has float pixels, where alpha can only be premultiplied as 'light'"), label
            )


def _check_levels(label: Text, image: Raster) -> None:
    if not isinstance(image.mips, tuple):
        kind_of = type_name(image.mips)
        raise _invalid(
            text("{image} has mips that are {kind_of}, not a tuple of arrays", kind_of=kind_of), label
        )
    for level, mip in enumerate(image.mips, 1):
        _check_pixels(text("{image}, mip {level},", image=label, level=level), mip)
    for level, (larger, mip) in enumerate(pairwise((image.pixels, *image.mips)), 1):
        height, width, channels = larger.shape
        expected = (max(1, height // 2), max(1, width // 2), channels)
        if mip.shape != expected or mip.dtype != image.pixels.dtype:
            reason = text(
                "{image} has mip {level} of {shape}; it must be of {expected}",
                level=level,
                shape=f"{' x '.join(map(str, mip.shape))} {mip.dtype}",
                expected=f"{' x '.join(map(str, expected))} {image.pixels.dtype}",
            )
            raise _invalid(reason, label)


def _invalid(reason: Text, label: AnyText = "") -> WorkloadError:
    return WorkloadError("internal", reason.fill(image=label) if label else reason)


def read_only_view(image: Raster) -> Raster:
    """Returns the image with read-only arrays."""
    return _with_arrays(image, lambda array: _view(array, writable=False))


def writable_copy(operated: Operated) -> Operated:
    """Returns the result with writable arrays, copied only if necessary.

    For read-only arrays numba would compile its loops again, which takes seconds.
    """
    images = {name: _with_arrays(image, _writable) for name, image in operated.images.items()}
    return replace(operated, images=images)


def _with_arrays(image: Raster, change: Callable[[Pixels], Pixels]) -> Raster:
    pixels, *mips = map(change, (image.pixels, *image.mips))
    layers = tuple(_with_arrays(layer, change) for layer in image.layers)
    return replace(image, pixels=pixels, mips=tuple(mips), layers=layers)


def _writable(array: Pixels) -> Pixels:
    if array.flags.writeable:
        return array
    try:
        return _view(array, writable=True)
    # The memory belongs to an immutable object such as bytes.
    except ValueError:
        return array.copy()


def _view(array: Pixels, writable: bool) -> Pixels:
    view = array.view()
    view.flags.writeable = writable
    return view
