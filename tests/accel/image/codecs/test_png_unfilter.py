import numpy as np
import pytest
import pyvips

from accel.image.codecs import png
from accel.image.codecs.png import unfilter
from tests.accel.image.files import picture

PIXELS = picture(9, 7, 3)


def file(pixels=PIXELS):
    model = "srgb" if pixels.shape[2] > 2 else "b-w"
    return pyvips.Image.new_from_array(pixels, interpretation=model).pngsave_buffer(filter="all")


def never():
    raise AssertionError


def test_the_version_that_is_installed_calls_it_as_it_is_called_here():
    pytest.importorskip("kornia_rs")
    assert np.array_equal(unfilter(file, *PIXELS.shape), PIXELS)


def test_what_is_broken_is_left_to_others_to_tell():
    broken = [file()[:40], b"", file()[:-30]]
    assert [unfilter(lambda data=data: data, *PIXELS.shape) for data in broken] == [None] * 3


def test_another_size_or_kind_than_was_said_is_not_taken():
    height, width, channels = PIXELS.shape
    assert unfilter(file, width, height, channels) is None
    assert unfilter(file, height, width, 4) is None


@pytest.mark.parametrize("channels", [2, 5])
def test_no_file_is_made_where_nothing_would_read_it(channels, monkeypatch):
    assert unfilter(never, 9, 7, channels) is None
    monkeypatch.setattr(png, "_decode", None)
    assert unfilter(never, 9, 7, 3) is None


class PanicException(BaseException):
    """As PyO3 makes one in each module."""


@pytest.mark.parametrize(
    ("raised", "told"), [(PanicException, MemoryError), (KeyboardInterrupt, KeyboardInterrupt)]
)
def test_a_panic_is_told_as_the_lack_of_memory_that_it_is(raised, told, monkeypatch):
    def decode(*_):
        raise raised("PyObject pointer is null")

    monkeypatch.setattr(png, "_decode", decode)
    with pytest.raises(told):
        unfilter(file, *PIXELS.shape)
