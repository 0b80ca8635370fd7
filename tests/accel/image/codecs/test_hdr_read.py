import numpy as np
import pytest

from accel.workload import WorkloadError
from tests.accel.image.files import hdr, hdr_rows, picture


def linear(rgbe: np.ndarray) -> np.ndarray:
    return rgbe[..., :3] * np.exp2(rgbe[..., 3:].astype(float) - 136) * (rgbe[..., 3:] > 0)


def stored(*size: int) -> np.ndarray:
    made = picture(*size, 4)
    made[..., 3] = made[..., 3] % 16 + 120
    made[0, 0, 3] = 0
    return made


@pytest.mark.parametrize("code", [np.ndarray.tobytes, hdr_rows])
def test_flat_and_coded_rows_hold_the_same_light(read, code):
    rgbe = stored(9, 14)
    found = read(hdr(code(rgbe), "-Y 9 +X 14"))
    assert found.pixels.dtype == np.float32 and found.format == "hdr" and not found.has_alpha
    assert found.pixels == pytest.approx(linear(rgbe), rel=1e-6)


def test_the_old_code_repeats_pixels(read):
    pixel = bytes([10, 20, 30, 130])
    data = pixel + bytes([1, 1, 1, 3]) + bytes([5, 6, 7, 131]) + bytes([1, 1, 1, 2, 1, 1, 1, 1])
    found = read(hdr(data, "-Y 1 +X 263"))
    assert found.pixels[0, :4] == pytest.approx(np.repeat(linear(np.array([[10, 20, 30, 130]])), 4, 0))
    assert (found.pixels[0, 4:] == found.pixels[0, 4]).all() and len(found.pixels[0]) == 4 + 1 + 2 + 256


@pytest.mark.parametrize(
    ("size", "turned"),
    [
        ("+Y 9 +X 14", lambda a: a[::-1]),
        ("-Y 9 -X 14", lambda a: a[:, ::-1]),
        ("+X 9 -Y 14", lambda a: a.swapaxes(0, 1)),
        ("-X 9 +Y 14", lambda a: a[::-1, ::-1].swapaxes(0, 1)),
    ],
)
def test_every_orientation_is_turned_upright(read, size, turned):
    rgbe = stored(9, 14)
    assert read(hdr(rgbe.tobytes(), size)).pixels == pytest.approx(turned(linear(rgbe)), rel=1e-6)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "header has no end"),
        (hdr(b"", "12 by 20"), "resolution"),
        (hdr(b"", "-Y 3 +Y 3"), "resolution"),
        (hdr(bytes(36), "-Y 3 +X 3", "32-bit_rle_xyze"), "save it as RGB"),
        (hdr(b"\1\1\1\3" + bytes(90), "-Y 3 +X 3"), "before the first"),
        (hdr(hdr_rows(stored(3, 9))[:40], "-Y 3 +X 9"), "after 0 of 3 rows"),
        (hdr(bytes(8), "-Y 3 +X 3"), "after 2 of 9 pixels"),
    ],
)
def test_what_is_wrong_is_said(read, data, says):
    with pytest.raises(WorkloadError, match=says):
        read(data)
