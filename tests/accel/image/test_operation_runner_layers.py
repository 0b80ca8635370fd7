"""Cubes and arrays: what is done to them is what is done to each face and layer by itself."""

import struct

import numpy as np
import pytest
from msgspec.structs import replace

from accel.gpu_ops.implementations import FORMS
from accel.image.decode import decode_image
from accel.image.encode import save
from accel.image.open_raster import open_raster
from accel.image.operation import Operated, Writing
from accel.image.operation_runner import map_layers
from accel.image.operations.pipeline import OPERATIONS
from accel.workload import Input, Limits, WorkloadError
from tests.accel.image import containers
from tests.accel.image.files import dds, ktx2
from tests.accel.image.textures import raster, smooth, vectors

SIDE = 16
KEPT = ["image.bleed_alpha", "image.convert", "image.mipmaps", "image.normal_flip", "image.premultiply"]


def pictures(count, channels=4, kind="uint8"):
    """Unlike ones, of which only some are transparent anywhere."""
    whole = smooth(SIDE, SIDE * count, channels, kind, "some")
    return [np.ascontiguousarray(each) for each in np.split(whole, count, 1)]


def source(folder, images, format="dds", cube=False, mips=False, name="sky"):
    """A file of these images, written by what is tested too: `containers` takes such files apart."""
    first, *rest = (raster(image, mips=mips) for image in images)
    made = first.with_pixels(first.pixels, mips=first.mips, layers=tuple(rest), cube=cube, read_mips=True)
    (file,), _ = save(name, made, Writing(format=format, bits="32" if first.bit_depth == 32 else "same"))
    path = folder / f"{name}.{format}"
    path.write_bytes(file.data)
    return Input(path.name, str(path))


def run(operation, inputs, **params):
    return operation([*inputs], operation.workload.parse(params), Limits())


def images_of(folder, data, format="dds"):
    """Of each image all levels."""
    path = folder / f"found.{format}"
    path.write_bytes(data)
    found = decode_image(Input(path.name, str(path)), Limits(), mips=True, layers=True)
    return [(found.pixels, *found.mips), *found.others]


def same(one, other):
    return len(one) == len(other) and all(map(np.array_equal, one, other))


@pytest.mark.parametrize("format", ["dds", "ktx2"])
@pytest.mark.parametrize(("count", "cube"), [(6, True), (12, True), (3, False)])
@pytest.mark.parametrize("name", [*KEPT, "image.resize"])
def test_each_face_and_layer_is_what_it_is_alone(tmp_path, name, count, cube, format):
    images = pictures(count)
    params = {"factor": 0.5} if name == "image.resize" else {}
    output = run(OPERATIONS[name], [source(tmp_path, images, format, cube)], **params)
    assert (output.value.images, output.value.first_of) == (count, None)
    found = images_of(tmp_path, output.files[0].data, format)
    assert len(found) == count
    for index, image in enumerate(images):
        alone = run(OPERATIONS[name], [source(tmp_path, [image], format, name=f"one{index}")], **params)
        assert same(found[index], images_of(tmp_path, alone.files[0].data, format)[0])


@pytest.mark.parametrize(("count", "cube", "layers"), [(6, True, 0), (12, True, 2), (3, False, 3)])
def test_files_say_what_their_images_are(tmp_path, count, cube, layers):
    images = pictures(count)
    as_dds = containers.dds(_converted(tmp_path, images, cube, "dds"))
    assert (as_dds.cube, as_dds.count) == (cube, count // 6 if cube else count)
    # All levels of one image, then those of the next.
    mips = [[each.tobytes() for each in (one.pixels, *one.mips)] for one in _rasters(images)]
    assert as_dds.data == b"".join(b"".join(levels) for levels in mips)
    as_ktx2 = containers.ktx2(_converted(tmp_path, images, cube, "ktx2"))
    assert (as_ktx2.faces, as_ktx2.layers) == (6 if cube else 1, layers)
    assert as_ktx2.levels == [b"".join(level) for level in zip(*mips, strict=True)]


@pytest.mark.parametrize("name", [*KEPT[:-1], "image.resize", "image.make_tileable", "image.compress"])
def test_an_array_of_one_layer_stays_one_in_ktx2(tmp_path, name):
    given = array_of_one(tmp_path, pictures(1))
    params = {"image.resize": {"factor": 0.5}, "image.compress": {"container": "ktx2"}}
    (file,) = run(OPERATIONS[name], [given], **params.get(name, {})).files
    assert containers.ktx2(file.data).layers == 1
    (plain,) = run(OPERATIONS[name], [source(tmp_path, pictures(1), "ktx2")], **params.get(name, {})).files
    assert containers.ktx2(plain.data).layers == 0


def test_an_array_of_one_cube_stays_one_and_its_first_face_alone_is_none(tmp_path):
    given = array_of_one(tmp_path, pictures(6), cube=True)
    (file,) = run(OPERATIONS["image.resize"], [given], factor=0.5).files
    found = containers.ktx2(file.data)
    assert (found.layers, found.faces) == (1, 6)
    (tiled,) = run(OPERATIONS["image.make_tileable"], [given]).files
    assert (containers.ktx2(tiled.data).layers, containers.ktx2(tiled.data).faces) == (0, 1)


def array_of_one(folder, images, cube=False):
    """A KTX2 that is an array, of one layer or one cube."""
    given = source(folder, images, "ktx2", cube, name="one")
    data = (folder / given.name).read_bytes()
    (folder / given.name).write_bytes(_with_layers(data, 1))
    return given


def _with_layers(data, count):
    """A KTX2 that names so many layers."""
    return data[:32] + struct.pack("<I", count) + data[36:]


def _rasters(images):
    return [raster(image, mips=True) for image in images]


def _converted(folder, images, cube, format):
    other = {"dds": "ktx2", "ktx2": "dds"}[format]
    given = source(folder, images, other, cube, mips=True)
    return run(OPERATIONS["image.convert"], [given], format=format).files[0].data


@pytest.mark.parametrize("container", ["dds", "ktx2"])
@pytest.mark.parametrize("params", [{"format": "bc7"}, {"target_db": 35}])
def test_each_face_is_compressed_as_it_is_alone(tmp_path, container, params):
    images = pictures(6)
    compress = OPERATIONS["image.compress"]
    given = source(tmp_path, images, cube=True, mips=True)
    output = run(compress, [given], container=container, **params)
    format, value = output.value.format, output.value
    assert (value.images, value.first_of, value.levels) == (6, None, 5)
    found = images_of(tmp_path, output.files[0].data, container)
    for index, image in enumerate(images):
        alone = source(tmp_path, [image], mips=True, name=f"one{index}")
        one = run(compress, [alone], container=container, format=format, measure=True)
        # Those that are opaque throughout have no alpha by themselves.
        made = images_of(tmp_path, one.files[0].data, container)[0]
        kept = made[0].shape[2]
        assert same([level[..., :kept] for level in found[index]], made)
        assert value.psnr is None or value.psnr <= one.value.psnr


def test_transparency_of_any_layer_is_kept(tmp_path):
    opaque, clear = pictures(3)[2], pictures(3)[0]
    given = source(tmp_path, [opaque, clear])
    output = run(OPERATIONS["image.compress"], [given])
    assert output.value.format == "bc7"
    _, second = images_of(tmp_path, output.files[0].data)
    assert second[0].shape[2] == 4 and second[0][..., 3].min() == 0
    with pytest.raises(WorkloadError, match="has transparency"):
        run(OPERATIONS["image.compress"], [given], format="bc1")


def test_steps_after_one_another_keep_all_layers(tmp_path):
    given = source(tmp_path, pictures(6), cube=True)
    steps = [
        {"workload": "image.resize", "params": {"factor": 0.5}},
        {"workload": "image.mipmaps"},
        {"workload": "image.convert", "params": {"format": "ktx2"}},
    ]
    output = run(_pipeline(), [given], steps=steps)
    found = containers.ktx2(output.files[0].data)
    assert (found.faces, len(found.levels), output.value.images) == (6, 4, 6)
    halves = run(OPERATIONS["image.resize"], [given], factor=0.5).files[0].data
    (tmp_path / "half.dds").write_bytes(halves)
    one = run(OPERATIONS["image.mipmaps"], [Input("half.dds", str(tmp_path / "half.dds"))], format="ktx2")
    assert one.files[0].data == output.files[0].data


@pytest.mark.parametrize("last", ["image.normal_from_height", "image.convert"])
def test_the_first_alone_is_what_is_made_where_not_all_can_be(tmp_path, last):
    given = source(tmp_path, pictures(6), cube=True)
    params = {"format": "png" if last == "image.convert" else "same"}
    output = run(_pipeline(), [given], steps=[{"workload": last, "params": params}])
    assert (output.value.images, output.value.first_of) == (1, 6)


def _pipeline():
    from accel.image.operations.pipeline import pipeline

    return pipeline


def test_all_layers_are_taken_for_what_the_first_is(tmp_path):
    plain = np.full((SIDE, SIDE, 3), (200, 100, 0), np.uint8)
    output = run(OPERATIONS["image.mipmaps"], [source(tmp_path, [vectors(SIDE, SIDE), plain])])
    assert output.value.kind == "normal"
    _, second = images_of(tmp_path, output.files[0].data)
    # Of length 1, as colours' means aren't.
    length = np.linalg.norm(second[1][0, 0, :3] / 127.5 - 1)
    assert length == pytest.approx(1, abs=0.02)


def test_a_roughness_map_of_several_layers_takes_a_normal_map_of_as_many(tmp_path):
    rough = [np.full((SIDE, SIDE, 1), value, np.uint8) for value in (60, 90)]
    normals = [vectors(SIDE, SIDE), np.ascontiguousarray(vectors(SIDE, SIDE)[:, ::-1] // 2)]
    mipmaps = OPERATIONS["image.mipmaps"]
    both = source(tmp_path, normals, name="normals")
    output = run(mipmaps, [source(tmp_path, rough), both])
    found = images_of(tmp_path, output.files[0].data)
    for index in range(2):
        alone = [source(tmp_path, [rough[index]], name="r"), source(tmp_path, [normals[index]], name="n")]
        made = images_of(tmp_path, run(mipmaps, alone).files[0].data)
        assert same(found[index], made[0])


def test_a_normal_map_of_another_number_of_layers_belongs_to_none(tmp_path):
    rough = source(tmp_path, [np.full((SIDE, SIDE, 1), value, np.uint8) for value in (60, 90, 120)])
    normals = source(tmp_path, [vectors(SIDE, SIDE)] * 2, name="normals")
    mipmaps = OPERATIONS["image.mipmaps"]
    says = r"holds 2 images, but sky\.dds 3; give as many, or one"
    with pytest.raises(WorkloadError, match=says) as caught:
        run(mipmaps, [rough, normals])
    assert (caught.value.code, caught.value.name) == ("bad_input", "normals.dds")
    one = source(tmp_path, [vectors(SIDE, SIDE)], name="one")
    assert run(mipmaps, [rough, one]).value.images == 3


@pytest.mark.parametrize("through", [False, True])
def test_layers_of_a_second_input_are_read_only_where_the_first_has_some(tmp_path, through):
    rough = source(tmp_path, [np.full((SIDE, SIDE, 1), 60, np.uint8)])
    normals = source(tmp_path, [vectors(SIDE, SIDE)] * 3, name="normals")
    path = tmp_path / normals.name
    # It names three, and holds one.
    path.write_bytes(path.read_bytes()[: 148 + SIDE * SIDE * 4])
    operation = _pipeline() if through else OPERATIONS["image.mipmaps"]
    params = {"steps": [{"workload": "image.mipmaps"}]} if through else {}
    assert run(operation, [rough, normals], **params).value.images == 1


def floats(*vectors):
    return [np.full((SIDE, SIDE, 4), (*vector, 1), np.float32) for vector in vectors]


@pytest.mark.parametrize(
    ("name", "params", "color"),
    [
        ("image.normal_flip", {}, (0, 0, 0)), ("image.normal_flip", {"bits": "8"}, (128, 128, 128)),
        ("image.convert", {"bits": "8"}, (128, 128, 128)), ("image.convert", {}, (0, 0, 0)),
        ("image.mipmaps", {}, (0, 0, 0)), ("image.mipmaps", {"bits": "8"}, (128, 128, 128)),
        ("image.compress", {"format": "bc5"}, (128, 128)), ("image.compress", {"format": "bc7"}, (128, 128)),
    ],
)  # fmt: skip
def test_vectors_of_all_layers_are_taken_for_what_the_first_ones_are(tmp_path, name, params, color):
    # The second is an empty slot, whose own texels don't tell.
    given = source(tmp_path, floats((0, -0.6, 0.8), (0, 0, 0)))
    up = np.array((0.5, 0.5, 1) if params.get("bits") else (0, 0, 1))
    output = run(OPERATIONS[name], [given], **params)
    assert output.value.kind == "normal"
    _, (second, *smaller) = images_of(tmp_path, output.files[0].data)
    # Of vectors without a direction the mean points up.
    assert not smaller or np.abs(smaller[0][0, 0, :3] / second[0, 0, 3] - up).max() <= 1 / 255
    assert np.abs(second[0, 0, : len(color)] - np.array(color)).max() <= (
        1 if second.dtype == np.uint8 else 0
    )


def test_an_operation_that_codes_vectors_otherwise_is_believed_of_all_layers():
    def coded(images, params, limits):
        (image,) = images
        return Operated({"made": image.with_pixels(image.pixels / 2 + 0.5)})

    first, empty = (raster(each) for each in floats((0, -0.6, 0.8), (0, 0, 0)))
    sky = first.with_pixels(first.pixels, layers=(replace(empty, signed=True),))
    (second,) = map_layers(coded, [sky], Writing(), Limits()).images["made"].layers
    assert second.signed is False


def test_faces_stay_square(tmp_path):
    given = source(tmp_path, pictures(6), cube=True)
    with pytest.raises(WorkloadError, match="is a cube map, whose faces are square") as caught:
        run(OPERATIONS["image.resize"], [given], width=8, height=4)
    assert (caught.value.code, caught.value.name) == ("bad_params", "sky.dds")
    done = []

    def halved(images, params, limits):
        done.append(images)
        return Operated({"made": images[0].with_pixels(images[0].pixels[:2])})

    face = raster(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(WorkloadError, match="is a cube map"):
        map_layers(
            halved, [face.with_pixels(face.pixels, layers=(face,) * 5, cube=True)], Writing(), Limits()
        )
    assert len(done) == 1
    layers = source(tmp_path, pictures(6))
    assert run(OPERATIONS["image.resize"], [layers], width=8, height=4).value.images == 6


def test_floats_of_all_layers_have_the_depth_that_the_deepest_needs(tmp_path):
    images = pictures(3, 3, "float32")
    images[2] = images[2] * np.float32(1e6)
    given = source(tmp_path, images)
    output = run(OPERATIONS["image.convert"], [given], format="ktx2")
    assert output.value.bit_depth == 32
    found = images_of(tmp_path, output.files[0].data, "ktx2")
    assert all(np.array_equal(each[0][..., :3], image) for each, image in zip(found, images, strict=True))


def test_more_images_than_may_be_held_are_refused_where_all_are_wanted(tmp_path):
    given, limits = source(tmp_path, pictures(6), cube=True), Limits(max_pixels=5 * SIDE * SIDE)
    says = (
        r"holds 6 images of 16 x 16 \(0.0 megapixels in all\), more than the limit.*raise images.max_pixels"
    )
    with pytest.raises(WorkloadError, match=says) as caught:
        open_raster(given, limits, layers=True)
    assert "images.max_pixels" in caught.value.reason
    assert open_raster(given, limits).first_of == 6


def test_layers_are_enlarged_only_as_far_as_all_may_be_together(tmp_path):
    given, most = source(tmp_path, pictures(6), cube=True), 6 * 4 * SIDE * SIDE
    resize = OPERATIONS["image.resize"]
    assert resize([given], resize.workload.parse({"factor": 2}), Limits(max_pixels=most)).value.images == 6
    says = (
        r"would become 6 images of 32 x 32 \(0.0 megapixels in all\), more than the limit.*images.max_pixels"
    )
    with pytest.raises(WorkloadError, match=says) as caught:
        resize([given], resize.workload.parse({"factor": 2}), Limits(max_pixels=most - 1))
    assert "images.max_pixels" in caught.value.reason


@pytest.mark.parametrize("format", ["dds", "ktx2"])
def test_more_images_than_any_gpu_binds_are_refused(tmp_path, format):
    count = 2048 * 6 + 1
    texels = bytes(4 * count)
    as_dds = dds(1, 1, texels, dxgi=28, count=count)
    data = as_dds if format == "dds" else _with_layers(ktx2(1, 1, texels, 37, 2), count)
    path = tmp_path / f"many.{format}"
    path.write_bytes(data)
    with pytest.raises(WorkloadError, match=r"holds 12,289 images, more than the 12,288") as caught:
        open_raster(Input(path.name, str(path)), Limits(), layers=True)
    assert caught.value.code == "too_large"
    assert open_raster(Input(path.name, str(path)), Limits()).first_of == count


@pytest.mark.parametrize("format", ["dds", "ktx2"])
def test_a_file_that_lacks_some_of_its_images_is_told_as_truncated(tmp_path, format):
    given = source(tmp_path, pictures(6), format, cube=True)
    path = tmp_path / given.name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WorkloadError, match="truncated"):
        run(OPERATIONS["image.convert"], [given])
    assert run(OPERATIONS["image.convert"], [given], format="png").value.first_of == 6


@pytest.mark.parametrize("name", FORMS)
def test_forms_for_a_gpu_keep_what_those_for_the_cpu_keep(tmp_path, name):
    form, plain = FORMS[name], OPERATIONS[name]
    assert (form.layers, form.levels) == (plain.layers, plain.levels)
    assert form.workload.companions == plain.workload.companions
    if not form.layers:
        return
    given, params = source(tmp_path, pictures(6), cube=True), {"factor": 0.5} if "resize" in name else {}
    found, wanted = (
        images_of(tmp_path, run(each, [given], **params).files[0].data) for each in (form, plain)
    )
    for one, other in zip(found, wanted, strict=True):
        levels = zip(one, other, strict=True)
        assert max(np.abs(level.astype(int) - same).max() for level, same in levels) <= 1


def test_what_an_operation_makes_of_layers_fits_together():
    def uneven(images, params, limits):
        (image,) = images
        shown = image.pixels if (image.pixels == 0).all() else image.pixels[:2]
        return Operated({"made": image.with_pixels(shown)})

    black, white = (raster(np.full((4, 4, 3), value, np.uint8)) for value in (0, 255))
    sky = black.with_pixels(black.pixels, layers=(white,))
    with pytest.raises(WorkloadError, match="layers of another size, type or number"):
        map_layers(uneven, [sky], Writing(), Limits())
    assert map_layers(lambda *_: Operated(value=3), [sky], Writing(), Limits()).value == 3


@pytest.mark.parametrize("name", [name for name in OPERATIONS if OPERATIONS[name].workload.inputs == (1, 1)])
def test_every_operation_takes_a_cube_that_a_step_before_has_made(name):
    operation = OPERATIONS[name]
    face = raster(pictures(1, 3)[0])
    sky = face.with_pixels(face.pixels, layers=(face,) * 5, cube=True)
    try:
        done = operation.operate([sky], operation.workload.parse({}), Limits())
    except WorkloadError as error:
        # Of the right reasons: what the operation itself doesn't take.
        assert error.code != "internal", error
    else:
        for image in done.images.values():
            assert len(image.layers) == (5 if operation.layers else 0) and image.cube == operation.layers
            assert image.layers or image.first_of == 6
