import struct

import numpy as np
import pytest
import pyvips

from accel.image import encode as module
from accel.image.encode import WRITERS, choose_format, expand_grey, flatten_on_white, requested_format, save
from accel.image.operation import Writing
from accel.image.operations.geometry import Convert, convert
from accel.workload import Input, Limits, WorkloadError
from tests.accel.image.files import tiff
from tests.accel.image.rasters import CHANNELS, DEPTHS, FORMATS, raster, reopened, written
from tests.accel.image.second import decoded


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("data", [True, False])
def test_every_format_writes_every_kind_of_image_and_reports_it(tmp_path, format, channels, dtype, data):
    image = raster(channels, dtype, (8, 12), data=data)
    made, facts = written(image, format)
    again = reopened(made, tmp_path)
    assert (facts.format, facts.width, facts.height, facts.levels) == (format, 12, 8, 1)
    assert (again.format, again.width, again.height) == (format, 12, 8)
    assert again.channels == facts.channels
    assert again.has_alpha == (image.has_alpha and WRITERS[format].alpha)
    stored = {8: "uint8", 16: "uint16", 32: "float32"}[facts.bit_depth]
    assert again.pixels.dtype.name == stored or (format == "exr" and facts.bit_depth == 16)


def test_every_format_that_is_written_can_be_asked_for():
    for format in WRITERS:
        assert convert.workload.parse({"format": format}).format == format


def test_the_same_is_the_format_of_the_file_or_png():
    image = raster(3)
    for format, same in (("tga", "tga"), ("gif", "png"), ("bmp", "png")):
        assert choose_format(image.with_pixels(image.pixels, format=format), "same") == same
    assert choose_format(raster(3), "webp") == "webp"


@pytest.mark.parametrize(
    ("format", "kinds"),
    [
        ("png", ["uint8", "uint16", "uint16"]), ("jpeg", ["uint8"] * 3),
        ("tiff", ["uint8", "uint16", "float32"]),
        ("exr", ["float32"] * 3), ("psd", ["uint8", "uint16", "uint16"]), ("tga", ["uint8"] * 3),
    ],
)  # fmt: skip
def test_the_nearest_depth_that_loses_least_is_written(format, kinds):
    assert [requested_format(raster(3, dtype), Convert(format=format)) for dtype in DEPTHS] == kinds
    asked = [
        requested_format(raster(3, "uint16"), Convert(format=format, bits=bits)) for bits in ("8", "16", "32")
    ]
    assert asked == kinds


def test_alpha_is_blended_with_white_in_formats_without_it():
    image = raster(4).with_pixels(np.uint8([[[100, 200, 0, 51], [9, 9, 9, 0], [9, 9, 9, 255]]]))
    made = flatten_on_white(image)
    assert made.pixels[0].tolist() == [[224, 244, 204], [255] * 3, [9] * 3] and not made.has_alpha
    half = raster(2, "float32").with_pixels(np.float32([[[0.5, 0.5]]]))
    assert flatten_on_white(half).pixels[0].tolist() == [[0.75]]
    deep = raster(2, "uint16").with_pixels(np.uint16([[[0, 32768]]]))
    assert flatten_on_white(deep).pixels[0].tolist() == [[32767]]


def test_data_lose_alpha_and_keep_their_values_in_formats_without_it():
    image = raster(4, data=True)
    assert np.array_equal(flatten_on_white(image).pixels, image.pixels[..., :3])


def test_transparent_jpegs_are_white(tmp_path):
    image = raster(4).with_pixels(np.zeros((16, 16, 4), np.uint8))
    assert reopened(written(image, "jpeg")[0], tmp_path).pixels.min() > 250


def test_grey_becomes_rgb_in_formats_without_grey(tmp_path):
    image = raster(3)
    assert expand_grey(image) is image
    again = reopened(written(raster(2), "tga")[0], tmp_path)
    assert np.array_equal(again.pixels, raster(2).pixels[..., [0, 0, 0, 1]])


@pytest.mark.parametrize("format", ["png", "tga", "jpeg", "hdr"])
def test_levels_become_files_where_one_cannot_hold_them(format):
    pixels = raster(4, shape=(8, 12)).pixels
    image = raster(4).with_pixels(pixels, mips=(pixels[::2, ::2], pixels[::4, ::4]))
    files, facts = save("made", image, Writing(format=format))
    assert [file.name for file in files] == ["made.mip0", "made.mip1", "made.mip2"]
    assert (facts.name, facts.levels, facts.width) == ("made.mip0", 3, 12)
    assert facts.size == sum(len(file.data) for file in files)
    assert {file.media_type for file in files} == {WRITERS[format].media_type}


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif", "tga", "psd", "hdr"])
def test_the_longest_side_of_each_format_is_written_and_one_more_refused(tmp_path, format):
    longest = WRITERS[format].longest
    image = raster(3, shape=(1, longest))
    again = reopened(written(image, format)[0], tmp_path)
    assert again.width == longest
    with pytest.raises(WorkloadError, match=f"{format.upper()} holds at most {longest}") as caught:
        written(raster(3, shape=(longest + 1, 1)), format)
    assert (caught.value.code, caught.value.name) == ("too_large", "a.png")


def test_an_error_of_a_writer_becomes_a_workload_error(monkeypatch):
    def failing(detail: str):
        def write(image, params):
            error = pyvips.Error("unable to call it")
            error.detail = detail
            raise error

        monkeypatch.setitem(module.WRITERS, "png", module.Writer(write, "image/png", ("uint8",)))

    failing("pngsave: out of ink\nmore of it")
    with pytest.raises(WorkloadError, match=r"can't be written as PNG \(pngsave: out of ink\)") as caught:
        written(raster(3), "png")
    assert (caught.value.code, caught.value.name) == ("unsupported", "a.png")
    failing("vips_tracked: out of memory")
    with pytest.raises(MemoryError):
        written(raster(3), "png")


@pytest.mark.parametrize(("kind", "bits"), [("half", 16), ("float", 32)])
@pytest.mark.parametrize("names", [("R", "G", "B"), ("Y",)])
@pytest.mark.parametrize("format", ["same", "ktx2"])
def test_floats_stay_as_deep_as_they_were_stored(tmp_path, kind, bits, names, format):
    from accel.image.operations.geometry import resize
    from tests.accel.image.files import exr

    light = np.random.default_rng(1).random((9, 7, len(names)), np.float32) * 3
    source = Input("a.exr", str(tmp_path / "a.exr"))
    (tmp_path / "a.exr").write_bytes(exr(light, names, kind))
    for _ in range(2):
        params = {"factor": 1.5, "format": format}
        output = resize([source], resize.workload.parse(params), Limits())
        assert output.value.bit_depth == bits
        # What was written is read as deep again.
        (tmp_path / "b").write_bytes(output.files[0].data)
        source = Input("b", str(tmp_path / "b"))


def test_a_half_float_tiff_stays_of_16_bits_as_exr_and_short_integers_do_not(tmp_path):
    path = tmp_path / "a.tif"
    for kind, signed, bits in ((np.float16, 3, 16), (np.int16, 2, 32)):
        stored = np.arange(-30, 30).reshape(1, 6, 10).astype(kind)
        # The sample format, a short: 1 is whole numbers, 2 those with a sign, 3 floats.
        entries = [struct.pack("<2HIHH", 339, 3, 1, number, 0) for number in (1, signed)]
        path.write_bytes(tiff(stored, 1, apart=False).replace(*entries))
        output = convert([Input("a.tif", str(path))], convert.workload.parse({"format": "exr"}), Limits())
        assert output.value.bit_depth == bits
        assert np.array_equal(decoded(output.files[0].data, "exr")[0][..., 0], stored[0])


def test_a_float_tiff_stays_of_32_bits_as_exr(save):
    light = np.random.default_rng(1).random((9, 7, 3), np.float32)
    output = convert([save("a.tif", light)], convert.workload.parse({"format": "exr"}), Limits())
    assert output.value.bit_depth == 32
