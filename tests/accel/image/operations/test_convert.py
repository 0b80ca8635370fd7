import numpy as np
import pytest

from accel.image.operations.geometry import Convert, Mipmaps, convert, mipmaps
from accel.workload import Input, Limits, WorkloadError
from tests.accel.conftest import image
from tests.accel.image.containers import dds, ktx2
from tests.accel.image.files import dds as stored
from tests.accel.image.files import exr, samples
from tests.accel.image.rasters import reopened


def made(source, **params):
    output = convert([source], Convert(**params), Limits())
    (file,) = output.files
    assert file.name == output.value.name == "converted" and output.value.size == len(file.data)
    return file.data, output.value


@pytest.mark.parametrize("name", samples())
def test_every_readable_file_becomes_a_png_or_its_own_format(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(samples()[name])
    source = Input(name, str(path))
    data, facts = made(source, format="png")
    assert (facts.width, facts.height, facts.format) == (20, 12, "png")
    assert reopened(data, tmp_path).channels == facts.channels
    kind = name.rpartition(".")[2]
    _, same = made(source)
    assert same.format in (kind, "png")


def test_a_png_becomes_a_tga_with_the_same_texels(save, photo, tmp_path):
    data, facts = made(save("a.png", photo), format="tga")
    assert facts.format == "tga" and np.array_equal(reopened(data, tmp_path).pixels, photo)


@pytest.mark.parametrize(("bits", "depth", "value"), [("same", 16, 40000), ("8", 8, 156), ("16", 16, 40000)])
def test_depths_change_as_asked(save, tmp_path, bits, depth, value):
    source = save("a.png", np.full((8, 8, 3), 40000, np.uint16), "rgb16")
    data, facts = made(source, bits=bits)
    assert facts.bit_depth == depth and (reopened(data, tmp_path).pixels == value).all()


@pytest.mark.parametrize(
    ("format", "bits", "depth"),
    [
        ("tiff", "32", 32),
        ("exr", "16", 16),
        ("exr", "32", 32),
        ("exr", "8", 16),
        ("png", "32", 16),
        ("jpeg", "16", 8),
        ("hdr", "16", 32),
    ],
)
def test_light_beyond_1_survives_where_the_format_holds_floats(tmp_path, format, bits, depth):
    path = tmp_path / "a.exr"
    path.write_bytes(exr(np.full((8, 8, 3), 6.5, np.float32), ("R", "G", "B")))
    data, facts = made(Input("a.exr", str(path)), format=format, bits=bits)
    brightest = {"tiff": 6.5, "exr": 6.5, "hdr": 6.5, "png": 65535, "jpeg": 255}[format]
    assert facts.bit_depth == depth and (reopened(data, tmp_path).pixels == brightest).all()


def test_light_at_8_bit_is_clipped_even_if_the_format_holds_floats(tmp_path):
    path = tmp_path / "a.exr"
    path.write_bytes(exr(np.full((8, 8, 3), 6.5, np.float32), ("R", "G", "B")))
    data, facts = made(Input("a.exr", str(path)), format="tiff", bits="8")
    assert facts.bit_depth == 8 and (reopened(data, tmp_path).pixels == 255).all()


def test_metadata_are_left_out(save, photo, tmp_path):
    import pyvips

    tagged = image(photo).copy()
    tagged.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Artist", "somebody")
    source = save("a.png", photo)
    with open(source.path, "wb") as file:
        file.write(tagged.jpegsave_buffer())
    data, _ = made(source)
    assert not any("exif" in name for name in pyvips.Image.jpegload_buffer(data).get_fields())


@pytest.mark.parametrize(
    "params", [{"format": "gif"}, {"bits": "12"}, {"quality": 0}, {"quality": 101}, {"size": 3}]
)
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(WorkloadError, match=next(iter(params))):
        convert.workload.parse(params)


@pytest.mark.parametrize("format", ["dds", "ktx2"])
@pytest.mark.parametrize("into", ["dds", "ktx2"])
def test_mip_levels_of_a_texture_are_kept_in_a_texture(save, photo, tmp_path, format, into):
    levels = mipmaps([save("a.png", photo)], Mipmaps(format=format), Limits()).files[0].data
    path = tmp_path / f"a.{format}"
    path.write_bytes(levels)
    data, facts = made(Input(path.name, str(path)), format=into)
    assert facts.levels == 7
    one, other = reopened(levels, tmp_path), reopened(data, tmp_path)
    assert len(one.mips) == 6
    assert all(map(np.array_equal, (one.pixels, *one.mips), (other.pixels, *other.mips)))


def test_the_image_alone_is_written_where_a_format_holds_no_levels(save, photo, tmp_path):
    path = tmp_path / "a.dds"
    path.write_bytes(mipmaps([save("a.png", photo)], Mipmaps(format="dds"), Limits()).files[0].data)
    data, facts = made(Input("a.dds", str(path)), format="png")
    assert facts.levels == 1 and np.array_equal(reopened(data, tmp_path).pixels[..., :3], photo)


def test_levels_that_a_step_made_are_files_of_their_own_also_where_the_file_had_some(save, photo, tmp_path):
    path = tmp_path / "a.dds"
    path.write_bytes(mipmaps([save("a.png", photo)], Mipmaps(format="dds"), Limits()).files[0].data)
    output = mipmaps([Input("a.dds", str(path))], Mipmaps(format="png"), Limits())
    assert len(output.files) == 7


@pytest.mark.parametrize("format", ["dds", "ktx2"])
def test_a_normal_map_is_never_flagged_as_srgb(save, tmp_path, format):
    y, x = (np.mgrid[:32, :32] - 15.5) / 32
    normals = np.stack([x, y, np.sqrt(1 - x * x - y * y)], -1)
    data, facts = made(save("a.png", ((normals + 1) * 127.5 + 0.5).astype(np.uint8)), format=format)
    assert facts.kind == "normal"
    if format == "ktx2":
        assert (ktx2(data).vulkan, ktx2(data).transfer) == (37, 1)
    else:
        assert dds(data).dxgi == 0
    picture, _ = made(save("b.png", np.full((8, 8, 3), (200, 100, 0), np.uint8)), format=format)
    assert (ktx2(picture).vulkan if format == "ktx2" else dds(picture).dxgi) in (43, 29)


def float_normals(tmp_path, *, signed):
    """An EXR of unit vectors, of -1 to 1 or coded as 0 to 1; and the vectors."""
    y, x = (np.mgrid[:32, :32] - 15.5) / 32
    vectors = np.stack([x, y, np.sqrt(1 - x * x - y * y)], -1).astype(np.float32)
    path = tmp_path / "a.exr"
    path.write_bytes(exr(vectors if signed else vectors / 2 + 0.5, ("R", "G", "B"), "float"))
    return Input("a.exr", str(path)), vectors


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("format", "bits", "top"),
    [
        ("png", "same", 65535), ("png", "8", 255), ("png", "32", 65535), ("tiff", "16", 65535),
        ("dds", "8", 255), ("ktx2", "16", 65535), ("webp", "same", 255),
    ],
)  # fmt: skip
def test_floats_of_a_normal_map_are_the_same_vectors_as_integers(tmp_path, signed, format, bits, top):
    source, vectors = float_normals(tmp_path, signed=signed)
    data, facts = made(source, format=format, bits=bits, lossless=True)
    pixels = reopened(data, tmp_path).pixels[..., :3]
    assert facts.kind == "normal" and np.abs(pixels - (vectors + 1) * (top / 2)).max() <= 0.51


@pytest.mark.parametrize(("format", "bits"), [("exr", "same"), ("dds", "same"), ("tiff", "32")])
def test_vectors_that_stay_floats_keep_their_signs(tmp_path, format, bits):
    source, vectors = float_normals(tmp_path, signed=True)
    pixels = reopened(made(source, format=format, bits=bits)[0], tmp_path).pixels[..., :3]
    assert np.array_equal(pixels, vectors)


def test_floats_that_are_said_to_be_colours_get_the_curve_of_srgb(tmp_path):
    source, vectors = float_normals(tmp_path, signed=False)
    data, facts = made(source, format="png", transfer="srgb")
    assert facts.kind == "color"
    assert (reopened(data, tmp_path).pixels.astype(float) - (vectors + 1) * 32767.5).max() > 9000


@pytest.mark.parametrize(("misc", "said"), [(4, 6), (0, None)])
def test_a_result_of_the_first_of_several_images_says_so(tmp_path, misc, said):
    path = tmp_path / "sky.dds"
    path.write_bytes(stored(16, 16, bytes(6 * 1024), dxgi=28, misc=misc))
    source = Input("sky.dds", str(path))
    assert made(source, format="png")[1].first_of == said
