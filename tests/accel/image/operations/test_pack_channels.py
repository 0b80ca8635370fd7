import numpy as np
import pytest
from msgspec.structs import replace

from accel.gpu_ops.implementations import FORMS
from accel.image.encode import save as written
from accel.image.open_raster import open_raster
from accel.image.operation import Writing
from accel.image.operations.channels import (
    LAYOUTS,
    NEUTRAL,
    PackChannels,
    UnpackChannels,
    channels,
    pack_channels,
    unpack_channels,
)
from accel.workload import Input, Limits, WorkloadError
from tests.accel.image.operation_helpers import made, operate, random, raster


def greys(count: int, *shape: int, kind="uint8"):
    return [
        raster(random(*(shape or (9, 7)), 1, kind=kind, seed=index), name=f"{index}.png")
        for index in range(count)
    ]


def pack(images, limits: Limits | None = None, **params):
    parsed = pack_channels.workload.parse(params)
    return operate(pack_channels, parsed, *images, limits=limits).images["packed"]


def unpack(image, **params):
    return operate(unpack_channels, UnpackChannels(**params), image).images


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (33, 20)])
def test_what_was_packed_comes_out_exactly(layout, kind, shape):
    fields = list(channels(layout).values())
    images = greys(len(fields), *shape, kind=kind)
    made = pack(images, layout=layout)
    assert made.channels == len(LAYOUTS[layout]) and made.has_alpha == (made.channels == 4)
    assert made.pixels.dtype == kind and made.transfer == "linear" and made.data
    out = unpack(made, layout=layout)
    assert list(out) == fields
    for field, image in zip(fields, images, strict=True):
        assert (out[field].pixels == image.pixels).all() and out[field].channels == 1


def test_orm_is_occlusion_roughness_and_metallic_in_red_green_and_blue():
    occlusion, roughness, metallic = greys(3)
    made = pack([metallic, occlusion, roughness], layout="orm", holds=["metallic", "occlusion", "roughness"])
    assert (made.pixels == np.concatenate([i.pixels for i in (occlusion, roughness, metallic)], 2)).all()


def test_roughness_is_inverted_where_the_layout_has_smoothness_and_back():
    metallic, occlusion, rough = greys(3, kind="uint16")
    made = pack([metallic, occlusion, rough], layout="mask_map", holds=["metallic", "occlusion", "roughness"])
    assert (made.pixels[..., 3] == 65535 - rough.pixels[..., 0]).all()
    assert (made.pixels[..., 2] == 65535).all()
    assert (unpack(made, layout="mask_map", as_roughness=True)["roughness"].pixels == rough.pixels).all()
    (smooth,) = greys(1)
    orm = pack([smooth], layout="orm", channels={"smoothness": {"input": 0}})
    assert (orm.pixels[..., 1] == 255 - smooth.pixels[..., 0]).all()
    twice = pack([smooth], layout="orm", channels={"smoothness": {"input": 0, "invert": True}})
    assert (twice.pixels[..., 1] == smooth.pixels[..., 0]).all()


def test_floats_are_inverted_when_unpacked_as_roughness():
    packed = raster(random(5, 5, 4, kind="float32"))
    out = unpack(packed, layout="metallic_smoothness", as_roughness=True)
    assert (out["roughness"].pixels == 1 - packed.pixels[..., 3:]).all()
    assert list(out) == ["metallic", "roughness"]


def test_channels_come_from_any_channel_of_any_input_or_are_constant():
    photo, grey = raster(random(9, 7, 4), name="p.png"), greys(1)[0]
    made = pack([photo, grey], layout="rgba", channels={
        "r": {"input": 0, "channel": "a"}, "g": {"input": 0, "channel": "b", "invert": True},
        "b": {"input": 1}, "a": {"value": 0.25, "invert": True},
    })  # fmt: skip
    assert (made.pixels[..., 0] == photo.pixels[..., 3]).all()
    assert (made.pixels[..., 1] == 255 - photo.pixels[..., 2]).all()
    assert (made.pixels[..., 2] == grey.pixels[..., 0]).all()
    assert (made.pixels[..., 3] == 255 - 64).all()


def test_luminance_is_taken_from_the_values_as_they_are_stored():
    photo = raster(np.full((2, 2, 3), [255, 0, 0], np.uint8))
    made = pack([photo], layout="rgba", channels={"r": {"input": 0, "channel": "luminance"}})
    assert made.pixels[0, 0].tolist() == [round(255 * 0.2126), 0, 0]


def test_missing_maps_change_nothing():
    (one,) = greys(1)
    made = pack([one], layout="orm", holds=["metallic"])
    assert (made.pixels[..., :2] == [255, 128]).all()
    gltf = pack(greys(2), layout="metallic_roughness")
    assert (gltf.pixels[..., 0] == 255).all()
    assert NEUTRAL["unused"] == NEUTRAL["occlusion"] == 1


@pytest.mark.parametrize(("count", "expected"), [(1, 3), (2, 3), (3, 3), (4, 4)])
def test_any_images_become_red_green_blue_and_alpha_in_their_order(count, expected):
    images = greys(count)
    made = pack(images, layout="rgba")
    assert made.channels == expected
    for index in range(expected):
        assert (made.pixels[..., index] == (images[index].pixels[..., 0] if index < count else 0)).all()


def test_an_input_may_serve_one_channel_by_name_and_others_by_hand():
    one, two = greys(2)
    made = pack([one, two], layout="orm", holds=["metallic", "-"], channels={"occlusion": {"input": 1}})
    assert (made.pixels[..., [0, 2]] == np.concatenate([two.pixels, one.pixels], 2)).all()


def test_what_is_named_by_hand_goes_before_what_the_inputs_hold():
    one, two = greys(2)
    made = pack([one, two], layout="orm", holds=["metallic", "occlusion"], channels={"b": {"input": 1},
                "g": {"input": 0}})  # fmt: skip
    assert (made.pixels == np.concatenate([two.pixels, one.pixels, two.pixels], 2)).all()


def test_the_deepest_input_decides_unless_a_depth_is_asked_for():
    images = [*greys(2), greys(1, kind="uint16")[0]]
    made = pack(images)
    assert made.bit_depth == 16 and (made.pixels[..., 0] == images[0].pixels[..., 0].astype(int) * 257).all()
    small = pack(images, bits="8")
    assert small.bit_depth == 8
    assert np.abs(small.pixels[..., 2] - images[2].pixels[..., 0] / 257).max() <= 0.5
    assert pack(greys(3), bits="16").bit_depth == 16


def test_floats_become_16_bit_and_are_cut_off_at_0_and_1():
    values = np.array([[-1, 0, 0.5, 1, 7]], np.float32)[..., None]
    made = pack([raster(values)], layout="rgba")
    assert made.pixels[0, :, 0].tolist() == [0, 0, 32768, 65535, 65535]


@pytest.mark.parametrize(
    "shapes", [((4, 4), (8, 8), (8, 8)), ((3, 10), (10, 3), (1, 1)), ((7, 5), (33, 64), (1, 9))]
)
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_smaller_inputs_are_enlarged_to_the_largest(shapes, kind):
    images = [raster(random(*shape, 1, kind=kind), name=f"{shape}") for shape in shapes]
    made = pack(images)
    assert made.pixels.shape[:2] == (max(s[0] for s in shapes), max(s[1] for s in shapes))
    for index, image in enumerate(images):
        assert made.pixels[..., index].min() >= image.pixels.min()
        assert made.pixels[..., index].max() <= image.pixels.max()


def test_enlarging_is_linear_between_the_centres_of_texels():
    ramp = raster(np.array([[[0], [200]]], np.uint8))
    made = pack([ramp, raster(np.zeros((1, 4, 1), np.uint8))], layout="rgba")
    assert made.pixels[0, :, 0].tolist() == [0, 50, 150, 200]


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_enlarging_is_what_interpolating_along_rows_and_columns_gives(kind):
    small, (height, width) = raster(random(7, 5, 1, kind=kind)), (33, 64)
    made = pack([small, raster(np.zeros((height, width, 1), kind))], layout="rgba").pixels[..., 0]
    y, x = ((np.arange(out) + 0.5) * into / out - 0.5 for out, into in ((height, 7), (width, 5)))
    rows = np.stack([np.interp(x, np.arange(5), row) for row in small.pixels[..., 0]])
    expected = np.stack([np.interp(y, np.arange(7), column) for column in rows.T], axis=1)
    assert np.abs(made - expected).max() <= 0.51


def test_other_sizes_are_refused_if_so_wished():
    with pytest.raises(WorkloadError, match=r"is 4 x 3, but 0.png 7 x 9; make them equal") as caught:
        pack([*greys(2), raster(random(3, 4, 1), name="small.png")], size="refuse")
    assert (caught.value.code, caught.value.name) == ("bad_params", "small.png")
    assert pack(greys(3), size="refuse").width == 7


def test_a_result_beyond_the_limit_is_refused():
    tall, wide = raster(random(50, 1, 1)), raster(random(1, 50, 1))
    with pytest.raises(WorkloadError, match="would become 50 x 50") as caught:
        pack([tall, wide], layout="rgba", limits=Limits(max_pixels=100))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("count", "params", "says"),
    [
        (2, {}, r"orm takes 3 inputs in this order: occlusion, roughness, metallic; got 2. Say with `holds`"),
        (5, {"layout": "rgba"}, "takes 4 inputs"),
        (2, {"holds": ["metallic"]}, "`holds` names 1 inputs, but there are 2"),
        (
            1,
            {"holds": ["shine"]},
            "names 'shine'; it must be one of occlusion, roughness, metallic, r, g, b$",
        ),
        (1, {"holds": ["Metalic"]}, "names 'Metalic'; it must be one of .*, b; did you mean metallic\\?$"),
        (1, {"holds": ["smothness"]}, "did you mean smoothness\\?$"),
        (1, {"holds": ["unused"], "layout": "metallic_roughness"}, "names 'unused'"),
        (1, {"holds": ["smoothness"], "layout": "rgba"}, "names 'smoothness'; it must be one of r, g, b$"),
        (1, {"holds": ["rg"], "layout": "rgba"}, "names 'rg'; it must be one of r, g, b$"),
        (1, {"channels": {"a": {"input": 0}}}, "names 'a'"),
        (2, {"holds": ["roughness", "smoothness"]}, "fills channel g twice"),
        (1, {"channels": {"r": {"input": 0, "value": 1}}}, "needs either an input or a value"),
        (1, {"channels": {"r": {}}}, "needs either an input or a value"),
        (1, {"channels": {"r": {"input": 1}}}, "names input 1, but there are 1, counted from 0"),
        (2, {"channels": {"r": {"input": 1}}}, "isn't used by any channel"),
        (4, {"layout": "mask_map", "format": "jpeg"}, "JPEG can't store alpha, which mask_map needs"),
        (4, {"layout": "rgba", "format": "hdr"}, "HDR can't store alpha, which rgba needs"),
        (1, {"channels": {"r": {"input": 0, "channel": "a"}}}, "has no alpha channel"),
    ],
)
def test_what_cannot_be_packed_is_said_in_a_sentence(count, params, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        pack(greys(count), **params)
    assert caught.value.code == "bad_params"


@pytest.mark.parametrize(
    ("channels", "params", "says"),
    [
        (3, {"layout": "mask_map"}, "has no alpha channel, where mask_map stores smoothness"),
        (2, {"layout": "orm"}, "is grey, so it can't be a packed orm map"),
    ],
)
def test_what_cannot_be_unpacked_is_said_in_a_sentence(channels, params, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        unpack(raster(random(4, 4, channels)), **params)
    assert (caught.value.code, caught.value.name) == ("bad_input", "a.png")


@pytest.mark.parametrize(("count", "letters"), [(1, "r"), (2, "ra"), (3, "rgb"), (4, "rgba")])
def test_without_a_layout_each_channel_that_there_is_comes_by_its_letter(count, letters):
    image = raster(random(5, 6, count, kind="float32"))
    out = unpack(image)
    assert "".join(out) == letters
    for index, letter in enumerate(letters):
        assert (out[letter].pixels[..., 0] == image.pixels[..., index]).all()


def test_light_beyond_white_stays_in_the_channels_of_radiance(tmp_path):
    light = raster(np.full((4, 4, 3), 5, np.float32))
    (file,), _ = written("light", light, Writing(format="hdr"))
    (tmp_path / "sky.hdr").write_bytes(file.data)
    out = unpack_channels([Input("sky.hdr", str(tmp_path / "sky.hdr"))], UnpackChannels(), Limits())
    assert [facts.format for facts in out.value] == ["exr"] * 3
    (tmp_path / "r.exr").write_bytes(out.files[0].data)
    assert (open_raster(Input("r", str(tmp_path / "r.exr")), Limits()).pixels == 5).all()
    packed = pack([raster(random(4, 4, 1), format="hdr")] * 3)
    assert (packed.format, packed.pixels.dtype) == ("png", np.uint8)


def test_smaller_levels_are_unpacked_too():
    image = raster(random(8, 8, 3))
    levelled = image.with_pixels(image.pixels, mips=(image.pixels[::2, ::2].copy(),))
    out = unpack(levelled, layout="orm")["roughness"]
    assert (out.mips[0] == out.pixels[::2, ::2]).all()


def test_files_are_packed_and_unpacked_into_files_named_by_what_they_hold(save, tmp_path):
    images = [random(12, 10, 1, seed=index) for index in range(3)]
    sources = [save(f"{index}.png", pixels, "b-w") for index, pixels in enumerate(images)]
    done = pack_channels(sources, PackChannels(), Limits())
    assert (done.value.name, done.value.channels, done.value.format) == ("packed", 3, "png")
    path = tmp_path / "orm.png"
    path.write_bytes(done.files[0].data)
    out = unpack_channels([Input("orm.png", str(path))], UnpackChannels(layout="orm"), Limits())
    assert [file.name for file in out.files] == ["occlusion", "roughness", "metallic"]
    for file, pixels in zip(out.files, images, strict=True):
        path.write_bytes(file.data)
        assert (open_raster(Input("one.png", str(path)), Limits()).pixels == pixels).all()


def test_what_is_packed_of_the_first_of_several_images_says_so():
    cube, other = (replace(one, first_of=count) for one, count in zip(greys(2), (6, 1), strict=True))
    for images in ([cube, other], [other, cube]):
        assert pack(images, layout="rgba").first_of == 6
        assert made(FORMS["image.pack_channels"], images, layout="rgba").first_of == 6


def test_jpegs_are_packed_into_a_png(save):
    done = pack_channels(
        [save("a.jpg", random(8, 8, 3))], pack_channels.workload.parse({"layout": "rgba"}), Limits()
    )
    assert done.value.format == "png"
