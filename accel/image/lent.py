"""Images in the hands of a function that didn't come with PopBridge: it can read them, and no more."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from accel.image.decoded import Pixels
from accel.image.operation import Operated
from accel.image.raster import Raster


def lent(image: Raster) -> Raster:
    """The same image, of whose arrays numpy refuses to change a value."""
    return _with_arrays(image, lambda array: _view(array, writable=False))


def returned(done: Operated) -> Operated:
    """What was made of such images, for whoever is next: a compiled loop is another one for arrays that can't
    be written to, and takes seconds to be compiled anew."""
    return replace(done, images={name: _with_arrays(image, _writable) for name, image in done.images.items()})


def _with_arrays(image: Raster, change: Callable[[Pixels], Pixels]) -> Raster:
    pixels, *mips = map(change, (image.pixels, *image.mips))
    layers = tuple(_with_arrays(layer, change) for layer in image.layers)
    return replace(image, pixels=pixels, mips=tuple(mips), layers=layers)


def _writable(array: Pixels) -> Pixels:
    if array.flags.writeable:
        return array
    try:
        return _view(array, writable=True)
    # Its memory is somebody's who lets nobody write to it, as bytes are.
    except ValueError:
        return array.copy()


def _view(array: Pixels, writable: bool) -> Pixels:
    made = array.view()
    made.flags.writeable = writable
    return made
