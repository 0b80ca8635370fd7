import numpy as np
import pytest

from accel.gpu_ops.implementations import FORMS
from accel.image.open_raster import open_raster
from accel.image.operations.geometry import mipmaps, resize
from accel.image.operations.pipeline import OPERATIONS, pipeline
from accel.image.operations.textures import compress
from accel.image.pixel_coding import channel_kind
from accel.workload import Limits
from tests.accel.image.operation_helpers import done, made, noise, raster
from tests.accel.image.test_normal_maps import heights, normal_map

BUMPS = normal_map(heights(128, 20), "opengl")


def with_alpha(pixels):
    return np.concatenate([pixels, np.full_like(pixels[..., :1], pixels.max() // 2)], -1)


def flat(*color):
    """Nearly one colour, as the surfaces of concrete or paper are."""
    return (np.array(color) + np.random.default_rng(1).integers(-3, 4, (64, 64, 3))).astype(np.uint8)


@pytest.mark.parametrize(
    "pixels",
    [
        BUMPS,
        BUMPS[::9, ::13],
        normal_map(heights(64), "directx", kind=np.uint16),
        with_alpha(BUMPS),
        np.full((1, 1, 3), (128, 128, 255), np.uint8),
        flat(128, 128, 252),
        flat(133, 124, 252),
        BUMPS.astype(np.float32) / 255,
        BUMPS.astype(np.float32) / 127.5 - 1,
    ],
)
def test_a_normal_map_is_told_by_its_vectors(pixels):
    assert channel_kind(raster(pixels)) == "normal"
    assert channel_kind(raster(pixels, "linear")) == "normal"


@pytest.mark.parametrize(
    "pixels",
    [
        noise(64, 64, 3),
        flat(200, 200, 200),
        flat(204, 200, 197),
        flat(190, 200, 214),
        flat(80, 120, 200),
        flat(139, 92, 246),
        flat(88, 101, 242),
        flat(128, 200, 230),
        *(np.full((8, 8, 3), sky, np.uint8) for sky in ((135, 206, 235), (176, 196, 222))),
        np.zeros((4, 4, 3), np.uint8),
        np.full((4, 4, 4), 255, np.uint8),
        noise(9, 7, 4, "uint16"),
        noise(9, 7, 3, "float32"),
        noise(9, 7, 2),
        255 - BUMPS,
    ],
)
def test_pictures_are_colours_also_where_they_are_pale(pixels):
    assert channel_kind(raster(pixels)) == "color"


def test_grey_and_what_is_read_as_data_are_data(save):
    assert channel_kind(raster(noise(8, 8, 1))) == "data"
    source = save("a.png", noise(8, 8, 4))
    assert channel_kind(open_raster(source, Limits(), "linear")) == "data"


def test_what_is_said_wins(save):
    assert (
        channel_kind(raster(BUMPS), "color") == "color"
        and channel_kind(raster(noise(4, 4, 3)), "normal") == "normal"
    )
    source = save("a.png", BUMPS)
    assert [channel_kind(open_raster(source, Limits(), one)) for one in ("auto", "linear", "srgb")] == [
        "normal", "normal", "color",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "params"), [(resize, {"factor": 0.5}), (mipmaps, {"filter": "kaiser"})]
)
@pytest.mark.parametrize("form", [OPERATIONS, FORMS])
def test_normal_maps_are_averaged_as_vectors_without_being_told(operation, params, form):
    one = form[operation.workload.name]
    found, told = made(one, raster(BUMPS), **params), made(one, raster(BUMPS), kind="normal", **params)
    colored = made(one, raster(BUMPS), kind="color", **params)
    for level, other in zip((found.pixels, *found.mips), (told.pixels, *told.mips), strict=True):
        assert np.array_equal(level, other)
    last = (found.pixels, *found.mips)[-1], (colored.pixels, *colored.mips)[-1]
    assert not np.array_equal(*last) and (found.kind, colored.kind) == ("normal", "color")
    assert (found.transfer, colored.transfer) == ("linear", "srgb")


def test_a_normal_map_is_compressed_as_vectors_and_the_result_says_so():
    for step, (kind, srgb) in {"auto": ("normal", False), "color": ("color", True)}.items():
        value = done(compress, raster(BUMPS), format="bc7", kind=step, measure=True).value
        assert (value.kind, value.srgb) == (kind, srgb)
    told, found = (
        done(compress, raster(BUMPS), format="bc5", kind=kind, measure=True).value.psnr
        for kind in ("normal", "auto")
    )
    assert told == found
    assert done(compress, raster(noise(8, 8, 3), "linear"), kind="data", format="bc7").value.srgb is False


@pytest.mark.parametrize("pixels", [BUMPS.astype(np.float32) / 255, BUMPS.astype(np.float32) / 127.5 - 1])
def test_floats_of_a_normal_map_are_compressed_as_the_same_vectors(pixels):
    (found,), (told,) = (done(compress, raster(each), format="bc5").files for each in (pixels, BUMPS))
    assert found.data == told.data


def test_one_channel_of_a_normal_map_may_be_kept():
    assert done(compress, raster(BUMPS), format="bc4").value.kind == "data"


def test_the_result_says_what_the_channels_were_taken_for(save):
    half = {"workload": "image.resize", "params": {"factor": 0.5}}
    written = [
        pipeline([save("a.png", pixels)], pipeline.workload.parse({"steps": [half], **more}), Limits()).value
        for pixels, more in ((BUMPS, {}), (BUMPS, {"transfer": "srgb"}), (noise(8, 8, 3), {}))
    ]
    assert [one.kind for one in written] == ["normal", "color", "color"]


def test_what_a_step_makes_is_what_the_next_takes_it_for(save):
    steps = [
        {"workload": "image.resize", "params": {"factor": 2}},
        {"workload": "image.normal_from_height"},
        {"workload": "image.mipmaps", "params": {"levels": 2}},
        {"workload": "image.compress", "params": {"format": "bc5"}},
    ]
    grey = heights(32)[..., None]
    source = save("height.png", (grey / np.abs(grey).max() * 100 + 128).astype(np.uint8), "b-w")
    value = pipeline([source], pipeline.workload.parse({"steps": steps}), Limits()).value
    assert (value.kind, value.levels) == ("normal", 2)


def test_a_roughness_map_with_its_normal_map_is_data():
    pair = [raster(noise(128, 128, 3)), raster(BUMPS)]
    auto, told = (made(mipmaps, pair, kind=kind) for kind in ("auto", "data"))
    assert auto.kind == "data" and np.array_equal(auto.mips[2], told.mips[2])


def test_tilted_vectors_that_are_stored_as_such_are_no_blue():
    assert channel_kind(raster(np.full((8, 8, 3), (0.3, -0.2, 0.933), np.float32))) == "normal"
