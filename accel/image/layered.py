"""Cubes and arrays: an operation on one image is done on each face and layer."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from accel.text import text

if TYPE_CHECKING:
    from accel.image.operation import Operate, Operated
    from accel.image.raster import Raster
    from accel.workload import Limits, WorkloadError


def on_layers(operate: Operate) -> Operate:
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
    from accel.image.held import alike
    from accel.image.tangent import signed_alike

    if not all(alike(first, each) for each in others):
        raise _uneven(source.name)
    return replace(first, layers=signed_alike(first, others), cube=source.cube)
