"""What an operation gives is a Raster for whoever is next, or refused with the image and what is wrong."""

import numpy as np
import pytest

from accel.image.operation import Operated, Reading, Writing, operation
from accel.image.operation_runner import validate_operated
from accel.image.operations.geometry import mipmaps
from accel.workload import Limits, OutputFile, WorkloadError
from tests.accel.image.operation_helpers import operate, raster

ROCK = raster(np.zeros((4, 6, 3), np.uint8))
GLOW = raster(np.zeros((4, 6, 3), np.float32))


def of(image):
    return Operated({"made": image})


def with_value(value):
    pixels = GLOW.pixels.copy()
    pixels[1, 2, 0] = value
    return GLOW.with_pixels(pixels)


def mip(*shape, kind="uint8"):
    return np.zeros(shape, kind)


@pytest.mark.parametrize(
    ("done", "says"),
    [
        (None, "gave NoneType, not Operated"),
        ({"made": ROCK}, "gave dict, not Operated"),
        (Operated([ROCK]), "images are list, not a dict of Raster"),
        (Operated({"": ROCK}), "calls an image ''; it must be text"),
        (Operated({3: ROCK}), "calls an image 3; it must be text"),
        (Operated({"\udcff": ROCK}), r"calls an image '\\udcff'; it must be text"),
        (of(None), "image 'made' is NoneType, not Raster"),
        (of(ROCK.pixels), r"'made' is numpy.ndarray, not Raster: return with_pixels\("),
        (of(ROCK.with_pixels([[[0]]])), "has pixels that are list, not numpy.ndarray"),
        (of(ROCK.with_pixels(np.ma.masked_equal(ROCK.pixels, 0))), r"numpy\.ma\.(core\.)?MaskedArray, not"),
        (of(ROCK.with_pixels(mip(4, 6))), "has pixels of shape 4 x 6; it must be height x width x channels"),
        (of(ROCK.with_pixels(mip(0, 6, 3))), "has pixels of shape 0 x 6 x 3;"),
        (of(ROCK.with_pixels(np.zeros((4, 6, 3)))), "has pixels of type float64; it must be one of"),
        (of(ROCK.with_pixels(np.zeros((4, 6, 3), bool))), "has pixels of type bool"),
        (of(ROCK.with_pixels(np.zeros((4, 6, 3), ">u2"))), "has pixels of type >u2"),
        (of(ROCK.with_pixels(mip(4, 6, 4))), "has 4 channels without alpha"),
        (of(ROCK.with_pixels(mip(4, 6, 3), has_alpha=True)), "has 3 channels with alpha"),
        (of(ROCK.with_pixels(mip(4, 6, 5))), "has 5 channels without alpha"),
        (of(ROCK.with_pixels(GLOW.pixels)), "is of floats, whose transfer must be 'linear'"),
        (of(GLOW.with_pixels(GLOW.pixels, multiplied="codes")), "has float pixels, where alpha"),
        (of(with_value(np.nan)), r"has values beyond ±1e12, or NaN"),
        (of(with_value(np.inf)), r"has values beyond ±1e12"),
        (of(with_value(-np.inf)), r"has values beyond ±1e12"),
        (of(with_value(np.finfo("f4").max)), r"has values beyond ±1e12"),
        (of(with_value(-1.1e12)), r"has values beyond ±1e12"),
        (of(GLOW.with_pixels(GLOW.pixels, mips=(mip(2, 3, 3, kind="f4") + np.inf,))), "has values beyond"),
        (of(GLOW.with_pixels(GLOW.pixels, layers=(with_value(2e12),))), "'made', layer 1 has values beyond"),
        (of(ROCK.with_pixels(ROCK.pixels, transfer="gamma")), "has the transfer 'gamma'; it must be one of"),
        (of(ROCK.with_pixels(ROCK.pixels, data=1)), "has the data 1; it must be one of False, True"),
        (of(ROCK.with_pixels(ROCK.pixels, kind=ROCK.pixels)), r"has the kind array\("),
        (of(ROCK.with_pixels(ROCK.pixels, name=None)), "has the name None; it must be text"),
        (of(GLOW.with_pixels(GLOW.pixels, signed=1)), "has the signed 1; it must be one of False, True"),
        (of(ROCK.with_pixels(ROCK.pixels, first_of=0)), "has the first_of 0; it must be a whole number"),
        (of(ROCK.with_pixels(ROCK.pixels, mips=[])), "has mips that are list, not a tuple of arrays"),
        (of(ROCK.with_pixels(ROCK.pixels, below=1)), "has the below 1; it must be a float or None"),
        (of(ROCK.with_pixels(ROCK.pixels, layers=[])), "has layers that are list, not a tuple of Raster"),
        (of(ROCK.with_pixels(ROCK.pixels, layers=(3,))), "image 'made', layer 1 is int, not Raster"),
        (of(ROCK.with_pixels(ROCK.pixels, layers=(GLOW,))), "layer 1 must be of the size, levels, type"),
        (of(ROCK.with_pixels(ROCK.pixels, layers=(ROCK,), cube=True)), "is a cube of 2 faces, not of six"),
        (of(ROCK.with_pixels(ROCK.pixels, mips=(mip(2, 2, 3),))), "has mip 1 of 2 x 2 x 3 uint8; it must"),
        (
            of(ROCK.with_pixels(ROCK.pixels, mips=(mip(2, 3, 3), mip(1, 1, 3, kind="uint16")))),
            "has mip 2 of 1 x 1 x 3 uint16; it must be of 1 x 1 x 3 uint8",
        ),
        (of(ROCK.with_pixels(ROCK.pixels, mips=(None,))), "mip 1, has pixels that are NoneType"),
        (Operated(described=3), "described is int, not a function"),
        (Operated(files=3), "files are int, not a list of OutputFile"),
        (Operated(files=[OutputFile("a", "text/plain", "x")]), r"files\[0\].data is str, not bytes"),
    ],
)  # fmt: skip
def test_an_invalid_result_is_refused_with_what_is_wrong(done, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        validate_operated(done, Writing(), Limits())
    assert caught.value.code == "internal"


def test_an_image_beyond_the_limit_is_refused_whoever_made_it():
    with pytest.raises(WorkloadError, match=r"would become 6 x 4 .* more than the limit") as caught:
        validate_operated(of(ROCK), Writing(), Limits(max_pixels=23))
    assert (caught.value.code, caught.value.name) == ("too_large", "a.png")


def test_images_need_parameters_that_say_how_they_are_written():
    with pytest.raises(WorkloadError, match="must be a subclass of Writing"):
        validate_operated(of(ROCK), Reading(), Limits())
    assert validate_operated(Operated(value=3), Reading(), Limits()).value == 3


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_right_is_given_as_it_is(kind, channels):
    done = of(raster(np.ones((5, 3, channels), kind)))
    assert validate_operated(done, Writing(), Limits()) is done


@pytest.mark.parametrize("value", [1e12, -1e12])
def test_light_as_strong_as_that_of_files_is_taken(value):
    done = of(GLOW.with_pixels(np.full((4, 6, 3), value, np.float32)))
    assert validate_operated(done, Writing(), Limits()) is done


def test_a_filter_of_ours_may_overshoot_what_files_hold():
    edge = np.full((8, 8, 1), -1e12, np.float32)
    edge[:, 4:] = 1e12
    params = mipmaps.workload.parse({"filter": "kaiser", "kind": "data", "levels": 2})
    (made,) = operate(mipmaps, params, raster(edge)).images.values()
    assert 1e12 < made.mips[0].max() < 2e12
    with pytest.raises(WorkloadError, match="or NaN"):
        validate_operated(of(with_value(np.inf)), Writing(), Limits(), own=True)


def test_levels_go_down_to_one_texel_and_not_beyond():
    mips = (mip(2, 3, 3), mip(1, 1, 3), mip(1, 1, 3))
    done = of(ROCK.with_pixels(ROCK.pixels, mips=mips[:2]))
    assert validate_operated(done, Writing(), Limits()) is done


def test_pixels_that_lie_apart_are_brought_together_with_their_levels():
    wide = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    turned = wide.transpose(1, 0, 2)
    small = np.zeros((2, 3, 3), np.uint8).transpose(1, 0, 2)
    (made,) = validate_operated(
        of(ROCK.with_pixels(turned, mips=(small,))), Writing(), Limits()
    ).images.values()
    assert made.pixels.flags.c_contiguous and np.array_equal(made.pixels, turned)
    assert [level.shape for level in made.mips] == [(3, 2, 3)] and made.mips[0].flags.c_contiguous


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"params": dict}, "must be a subclass of Writing, or of Reading"),
        ({"inputs": 0}, "works on one image at least"),
        ({"inputs": (0, 2)}, "works on one image at least"),
    ],
)
def test_what_could_be_no_step_is_refused_where_it_is_declared(options, says):
    with pytest.raises(TypeError, match=f"operation test.x: .*{says}"):
        operation("test.x", **{"version": 1, "params": Writing, **options})
