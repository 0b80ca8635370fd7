import numpy as np
import pytest

from accel.gpu_ops.graph import Runner
from accel.gpu_ops.operators import PackedImage, PlaneSource, packing_graph
from accel.image.operations.channels import pack_channels
from tests.accel.gpu_ops.comparison import check_agree
from tests.accel.image.operation_helpers import made, noise, raster

RUNNER = Runner()


def pack(images, planes, dtype="uint8"):
    kinds = tuple(PackedImage(one.dtype.name, one.shape[2]) for one in images)
    feed = {f"image{at}": one[None] for at, one in enumerate(images)}
    return RUNNER.run(packing_graph(kinds, tuple(planes), dtype), feed)["packed"].fetch()[0]


def test_three_maps_become_one_texture_exactly():
    images = [noise(9, 7, 1, seed=seed) for seed in range(3)]
    assert np.array_equal(
        pack(images, [PlaneSource(0), PlaneSource(1), PlaneSource(2)]), np.concatenate(images, axis=2)
    )


def test_a_channel_may_be_inverted_constant_or_another_one_s_alpha():
    image = noise(5, 6, 4)
    found = pack(
        [image],
        [
            PlaneSource(0, 3),
            PlaneSource(0, 1, invert=True),
            PlaneSource(value=0.5),
            PlaneSource(value=1, invert=True),
        ],
    )
    assert np.array_equal(found[..., 0], image[..., 3])
    assert np.array_equal(found[..., 1], 255 - image[..., 1])
    assert (found[..., 2] == 128).all() and (found[..., 3] == 0).all()


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bits", [8, 16])
def test_depths_are_brought_to_one_as_on_the_cpu(kind, bits):
    images = [noise(16, 24, 1, kind, seed=seed) for seed in range(3)]
    wanted = made(pack_channels, [raster(one) for one in images], bits=str(bits)).pixels
    found = pack(images, [PlaneSource(0), PlaneSource(1), PlaneSource(2)], f"uint{bits}")
    check_agree(found, wanted, codes=1 if bits == 8 else 1 / 257)


def test_colours_are_packed_by_their_luminance():
    image = noise(12, 12, 3)
    channels = {name: {"input": 0, "channel": "luminance"} for name in "rgb"}
    wanted = made(pack_channels, [raster(image, "linear")], layout="rgba", channels=channels).pixels
    check_agree(pack([image], [PlaneSource(0, -1)] * 3), wanted[..., :3])
