"""Normal maps in blocks: what is kept of their vectors, coded or stored as such."""

import numpy as np
import pytest

from tests.accel.image.operations.test_compress import run
from tests.accel.image.textures import raster, vectors


def test_normal_maps_are_measured_by_their_vectors_and_never_srgb(read):
    image = raster(vectors(64, 64))
    value, data = run(image, kind="normal", target_db=44)
    assert [each.format for each in value.tried] == ["bc1", "bc5"] and value.format == "bc5"
    assert not value.srgb and read(data).compression == "bc5"
    assert not run(image, kind="normal", format="bc7")[0].srgb


def test_normal_maps_of_floats_keep_their_numbers(read):
    pixels = (vectors(16, 16) / np.float32(255)).astype(np.float32)
    value, data = run(raster(pixels), kind="normal", format="bc5", measure=True)
    assert value.psnr > 40
    assert np.abs(read(data).pixels[..., :2].astype(int) - vectors(16, 16)[..., :2]).max() <= 2


@pytest.mark.parametrize("name", ["bc4", "bc6h"])
def test_signed_vectors_lose_nothing_below_zero_where_a_format_takes_them_for_data(read, name):
    coded = vectors(16, 16) / np.float32(255)
    _, data = run(raster(coded * 2 - 1), format=name)
    found = read(data).pixels[..., 0].astype(np.float32)
    assert np.abs(found / (1 if name == "bc6h" else 255) - coded[..., 0]).max() < 0.05
