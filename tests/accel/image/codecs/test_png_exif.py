import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.image.codecs.png import is_upright
from tests.accel.image.codecs.test_png_read import exif_of

ORIENTATION = 0x0112


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("turn", range(10))
def test_orientation_1_alone_is_upright(order, turn):
    assert is_upright(exif_of((ORIENTATION, 3, 1, turn), order=order)) == (turn == 1)


def test_nothing_said_is_upright():
    assert is_upright(exif_of()) and is_upright(exif_of((0x0100, 3, 1, 640)))


@pytest.mark.parametrize(
    "unsure",
    [
        b"",
        b"Exif\0\0" + exif_of(),
        exif_of(count=3),
        exif_of((ORIENTATION, 4, 1, 1)),
        exif_of((ORIENTATION, 3, 2, 1)),
        exif_of((ORIENTATION, 3, 1, 1), (ORIENTATION, 3, 1, 6)),
        b"II*\0\xff\xff\xff\xff",
    ],
)
def test_what_is_not_plainly_said_is_not_upright(unsure):
    assert not is_upright(unsure)


@given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0\10\0\0\0", b"MM\0*\0\0\0\10"]))
def test_anything_is_answered(data, begin):
    assert is_upright(begin + data) in (True, False)
