import io

import numpy as np
import pytest

from accel.image.codecs.vips_repairs import has_mixed_layout
from accel.image.open_raster import open_raster
from accel.workload import Input, Limits, WorkloadError
from tests.accel.image.files import picture, tiff

GREY, RGB, PALETTE = 1, 2, 3


def planes(channels: int, dtype: str) -> np.ndarray:
    return (picture(6, 10, channels).transpose(2, 0, 1) / 255).astype(dtype)


def opened(tmp_path, data: bytes):
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    return open_raster(Input("a.tif", str(path)), Limits())


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("photometric", "channels", "dtype", "apart", "sound"),
    [
        (GREY, 2, "float32", False, True), (GREY, 1, "float16", True, True), (RGB, 3, "float16", False, True),
        (RGB, 3, "float32", True, True), (RGB, 4, "float32", True, True),
        (RGB, 3, "float16", True, False), (GREY, 2, "float32", True, False),
    ],
)  # fmt: skip
def test_channels_come_in_their_places_or_not_at_all(
    read, tmp_path, photometric, channels, dtype, apart, sound, order, big
):
    stored = planes(channels, dtype)
    data = tiff(stored, photometric, apart=apart, order=order, big=big)
    if sound:
        for found in (read(data), opened(tmp_path, data)):
            assert np.array_equal(found.pixels, stored.transpose(1, 2, 0).astype(np.float32))
        return
    for reader in (read, lambda data: opened(tmp_path, data)):
        with pytest.raises(WorkloadError, match="save it with interleaved channels") as caught:
            reader(data)
        assert caught.value.code == "unsupported"


def test_grey_with_alpha_is_refused_at_any_depth(read):
    for dtype in ("uint8", "uint16"):
        with pytest.raises(WorkloadError, match="stored as separate planes"):
            read(tiff((planes(2, "float32") * 255).astype(dtype), GREY, apart=True))


@pytest.mark.parametrize("apart", [False, True])
def test_a_palette_is_one_channel_however_channels_are_stored(read, tmp_path, apart):
    stored = picture(6, 10, 1).transpose(2, 0, 1)
    data = tiff(stored, PALETTE, apart=apart)
    for found in (read(data), opened(tmp_path, data)):
        assert np.array_equal(found.pixels, np.stack([stored[0], 255 - stored[0], 0 * stored[0]], 2))


@pytest.mark.parametrize("big", [False, True])
def test_what_is_damaged_is_told_by_others(big):
    data = tiff(planes(2, "float32"), GREY, apart=True, big=big)
    assert has_mixed_layout(io.BytesIO(data), half=False)
    # The entry of the last tag that is looked at ends before the last 9 values.
    for end in range(len(data) - 16 * 9):
        assert not has_mixed_layout(io.BytesIO(data[:end]), half=False)
    assert not has_mixed_layout(io.BytesIO(b"II" + b"\xff" * 99), half=False)
