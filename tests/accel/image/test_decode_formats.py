"""What holds for every format, whichever library reads it."""

import re
import sys

import numpy as np
import pytest
import pyvips
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accel.image.decode import READABLE_FORMATS, READERS, decode_image
from accel.image.operations.analysis import Inspect, inspect
from accel.image.operations.geometry import Thumbnail, thumbnail
from accel.workload import Input, Limits, WorkloadError
from tests.accel.image.broken import encoded
from tests.accel.image.files import exr, samples

LIBVIPS = {
    f"libvips{suffix}": encoded(suffix) for suffix in (".png", ".jpg", ".webp", ".tif", ".gif", ".avif")
}
FILES = samples() | LIBVIPS


def saved(folder, data: bytes, name: str = "a.bin") -> Input:
    path = folder / name
    path.write_bytes(data)
    return Input(name, str(path))


def test_every_reader_has_a_sample_and_is_offered():
    assert {name.rpartition(".")[2] for name in samples()} == set(READERS)
    offered = {name.lower() for name in re.split(r", | or ", str(READABLE_FORMATS))}
    assert offered == set(READERS) | {"png", "jpeg", "webp", "tiff", "gif", "avif"}


NO_UNICODE = pytest.param(
    "b\udcff.png",
    marks=pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there"),
)


@pytest.mark.parametrize("called", ["纹理 [page=2].jpg", NO_UNICODE])
@pytest.mark.parametrize("name", FILES)
def test_every_format_is_inspected_and_previewed_whatever_its_name(tmp_path, name, called):
    source = saved(tmp_path, FILES[name], called)
    output = inspect([source], Inspect(preview=8), Limits())
    assert (
        output.value.format in (name.rpartition(".")[2], "jpeg", "tiff")
        and output.value.size == source.size()
    )
    for made in (output, thumbnail([source], Thumbnail(size=8), Limits())):
        preview = pyvips.Image.pngload_buffer(made.files[0].data)
        assert max(preview.width, preview.height) == 8 and preview.format == "uchar"


@pytest.mark.parametrize("name", FILES)
def test_the_limit_of_pixels_holds_before_anything_is_decoded(tmp_path, name):
    with pytest.raises(WorkloadError, match="more than the limit") as caught:
        decode_image(saved(tmp_path, FILES[name]), Limits(max_pixels=200))
    assert (caught.value.code, caught.value.name) == ("too_large", "a.bin")


@pytest.mark.parametrize("called", ["a.bin", NO_UNICODE])
@pytest.mark.parametrize("name", FILES)
def test_a_half_written_file_of_every_format_says_that_it_is_truncated(tmp_path, name, called):
    data = FILES[name]
    for end in (len(data) // 2, len(data) * 3 // 4):
        with pytest.raises(WorkloadError, match="truncated") as caught:
            decode_image(saved(tmp_path, data[:end], called), Limits())
        assert caught.value.code == "bad_input"


@pytest.mark.parametrize("name", FILES)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(changes=[(8, 255), (9, 255)], cut=None)
@given(
    # Headers are where a byte decides most.
    changes=st.lists(
        st.tuples(st.one_of(st.integers(4, 160), st.integers(4, 5000)), st.integers(0, 255)), max_size=6
    ),
    cut=st.one_of(st.none(), st.integers(1, 2000)),
)
def test_any_bytes_give_pixels_or_a_readable_error(tmp_path, name, changes, cut):
    data = bytearray(FILES[name])
    for at, value in changes:
        data[at % len(data)] = value
    source = saved(tmp_path, bytes(data[:cut]))
    try:
        found = decode_image(source, Limits(max_pixels=1 << 20))
    except WorkloadError as error:
        assert error.name == source.name and error.code in ("bad_input", "unsupported", "too_large")
        assert str(tmp_path) not in str(error.reason) and str(error.reason).isprintable()
        return
    assert found.pixels.ndim == 3 and found.pixels.dtype.name in ("uint8", "uint16", "float32")
    assert found.pixels.flags.c_contiguous and np.isfinite(found.pixels).all()


def test_light_is_shown_by_the_curve_of_screens(tmp_path):
    def shown(value: float) -> int:
        stored = np.full((8, 8, 3), value, np.float32)
        source = saved(tmp_path, exr(stored, ("R", "G", "B"), "float"))
        made = pyvips.Image.pngload_buffer(thumbnail([source], Thumbnail(), Limits()).files[0].data)
        return made.getpoint(2, 2)

    assert [shown(value) for value in (-1, 0, 0.2140411, 1, 50)] == [[v] * 3 for v in (0, 0, 127, 255, 255)]


def test_grey_light_and_its_alpha_are_shown_too(tmp_path):
    stored = np.full((8, 8, 2), 0.5, np.float32)
    source = saved(tmp_path, exr(stored, ("Y", "A"), "float"))
    made = pyvips.Image.pngload_buffer(inspect([source], Inspect(preview=4), Limits()).files[0].data)
    # EXR's colours are multiplied by alpha, PNG's aren't.
    assert made.getpoint(1, 1) == [255, 128]
