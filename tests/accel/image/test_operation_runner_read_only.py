"""A plugin's function can't change what others have; what it makes is for whoever is next as any other."""

import numpy as np
import pytest
from msgspec.structs import replace

from accel.image.operation import Operated, Reading, Writing, operation
from accel.image.operation_runner import read_only_view, writable_copy
from tests.accel.image.operation_helpers import operate, raster


def whole():
    """An image with a level and a layer."""
    pixels, small = np.zeros((4, 6, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)
    image = raster(pixels)
    return image.with_pixels(pixels, mips=(small,), layers=(image.with_pixels(pixels.copy()),))


def arrays(image):
    yield from (image.pixels, *image.mips)
    for layer in image.layers:
        yield from arrays(layer)


def test_no_array_of_an_image_can_be_written_to_while_it_is_lent():
    image = whole()
    for array in arrays(read_only_view(image)):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
    assert replace(read_only_view(image), pixels=image.pixels, mips=image.mips, layers=image.layers) == image
    assert all(array.flags.writeable for array in arrays(image))


def test_what_comes_back_is_no_copy_and_as_others_are():
    image = whole()
    (made,) = writable_copy(Operated({"same": read_only_view(image)})).images.values()
    for one, other in zip(arrays(image), arrays(made), strict=True):
        assert other.flags.writeable and np.shares_memory(one, other)


def test_what_lies_in_memory_that_nobody_may_write_to_is_copied():
    sealed = np.frombuffer(bytes(12), np.uint8).reshape(2, 2, 3)
    (made,) = writable_copy(Operated({"made": raster(sealed)})).images.values()
    assert made.pixels.flags.writeable and not np.shares_memory(made.pixels, sealed)


@operation("theirs.spoil", version=1, params=Writing)
def spoil(images, params, limits):
    """Writes into what it was given."""
    images[0].pixels[:] = 1
    return Operated({"spoilt": images[0]})


@operation("theirs.crop", version=1, params=Writing)
def crop(images, params, limits):
    """Gives a part of what it was given."""
    return Operated({"cropped": images[0].with_pixels(images[0].pixels[1:])})


def test_a_function_that_writes_into_its_inputs_is_stopped():
    image = whole()
    with pytest.raises(ValueError, match="read-only"):
        operate(spoil, Writing(), image)
    assert not image.pixels.any()
    (made,) = operate(crop, Writing(), image).images.values()
    assert made.height == 3 and made.pixels.flags.writeable


@pytest.mark.parametrize(("module", "writable"), [("accel.image.look", True), ("acceleration.look", False)])
def test_ours_alone_get_arrays_as_they_are(module, writable):
    def look(images, params, limits):
        """Looks."""
        return Operated(value=images[0].pixels.flags.writeable)

    look.__module__, look.__qualname__ = module, "look"
    looking = operation("theirs.look", version=1, params=Reading)(look)
    assert operate(looking, Reading(), whole()).value is writable


def test_nothing_is_forgotten_of_an_image_that_is_lent_and_given_back():
    image = replace(whole(), below=0.0, above=1.0, array=True)
    back = writable_copy(Operated({"same": read_only_view(image)})).images["same"]
    assert (back.below, back.above, back.array) == (0, 1, True)
