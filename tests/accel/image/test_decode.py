import asyncio
import os
import sys

import numpy as np
import pytest
import pyvips

from accel.execution.executor import Job
from accel.image import decode
from accel.image.decode import Format, decode_error, decode_image, sniff
from accel.image.operations.analysis import inspect
from accel.image.operations.geometry import thumbnail
from accel.workload import Input, Limits, WorkloadError
from tests.accel.conftest import image
from tests.accel.image.broken import broken, encoded, png, zeros

SUFFIXES = [".png", ".jpg", ".webp", ".tif", ".gif", ".avif"]


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    made = list(broken())
    for name, data, _, _ in made:
        (folder / name).write_bytes(data)
    return [(Input(name, str(folder / name)), code, says) for name, _, code, says in made]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["plain", "with [page=3] options", "Übung 纹理"])
def test_every_offered_format_opens_whatever_its_name(tmp_path, suffix, name):
    path = tmp_path / f"{name}.bin"
    path.write_bytes(encoded(suffix))
    decoded = decode_image(Input("x", str(path)), Limits())
    assert decoded.pixels.shape[:2] == (96, 96) and decoded.size == path.stat().st_size
    assert decoded.format.startswith(suffix[1:3]) or suffix == ".jpg"


async def test_bad_images_are_each_refused_by_name_and_the_rest_of_the_batch_is_done(
    make_executor, bad_files, tmp_path
):
    local = await make_executor(workers=2, memory_mib=4096)
    good = tmp_path / "good.png"
    good.write_bytes(encoded(".png"))
    assert len(bad_files) >= 20
    for workload in (inspect.workload, thumbnail.workload):
        batch = [one for bad, _, _ in bad_files for one in (bad, Input("good.png", str(good)))]
        results = await asyncio.gather(
            *(local.run(Job.parse(workload, {}, [one], deadline_s=60)) for one in batch),
            return_exceptions=True,
        )
        for result, (bad, code, says) in zip(results[::2], bad_files, strict=True):
            assert isinstance(result, WorkloadError), f"{bad.name} was taken by {workload.name}"
            assert (result.code, result.name) == (code, bad.name), f"{bad.name}: {result.reason}"
            assert says in result.reason
            assert os.path.dirname(bad.path) not in result.reason
        assert all(not isinstance(result, BaseException) for result in results[1::2])
    before = local.pool.pids
    await local.close()
    assert len(before) == 2


@pytest.mark.parametrize("workload", [inspect, thumbnail])
def test_a_bad_image_is_refused_the_same_way_without_a_worker(bad_files, workload):
    for bad, code, _ in bad_files:
        with pytest.raises(WorkloadError) as caught:
            workload([bad], workload.workload.parse({}), Limits())
        assert (caught.value.code, caught.value.name) == (code, bad.name)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
async def test_running_out_of_memory_is_reported_as_such(make_executor, tmp_path):
    path = tmp_path / "wide.png"
    path.write_bytes(png(16_000, 16_000, zeros(16_001 * 16_000)))
    local = await make_executor(memory_mib=512)
    with pytest.raises(WorkloadError, match=r"memory.*512 MiB") as caught:
        await local.run(Job.parse(inspect.workload, {}, [Input("wide.png", str(path))], deadline_s=60))
    assert (caught.value.code, caught.value.name) == ("too_large", "wide.png")
    await local.close()


def test_a_bomb_within_the_limit_of_pixels_is_measured_by_a_smaller_limit(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(2000, 2000, zeros(2001 * 2000)))
    decode_image(Input("b", str(path)), Limits(max_pixels=4_000_000))
    with pytest.raises(WorkloadError, match=r"4\.0 megapixels\), more than the limit of 3\.0") as caught:
        decode_image(Input("b", str(path)), Limits(max_pixels=3_000_000))
    assert caught.value.code == "too_large"


def test_a_missing_file_and_a_folder_say_so(tmp_path):
    with pytest.raises(WorkloadError, match="isn't there") as caught:
        decode_image(Input("gone.png", str(tmp_path / "gone.png")), Limits())
    assert (caught.value.code, caught.value.name) == ("not_found", "gone.png")
    with pytest.raises(WorkloadError, match="is a folder"):
        decode_image(Input("textures", str(tmp_path)), Limits())
    with pytest.raises(WorkloadError, match="can't be read"):
        decode_image(Input("odd", "a\0b"), Limits())


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions don't bind this user")
def test_a_file_that_may_not_be_read_says_so(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(".png"))
    path.chmod(0)
    with pytest.raises(WorkloadError, match="can't be read"):
        decode_image(Input("secret.png", str(path)), Limits())


@pytest.mark.parametrize("loader", ["svgload", "csvload", "matrixload", "rawload", "vipsload"])
def test_other_loaders_of_libvips_stay_shut(tmp_path, loader):
    path = tmp_path / "any"
    path.write_bytes(b"1,2\n")
    arguments = (9, 9, 1) if loader == "rawload" else ()
    with pytest.raises(pyvips.Error, match="block"):
        getattr(pyvips.Image, loader)(str(path), *arguments)


def test_only_the_first_frame_of_an_animation_is_opened(tmp_path):
    frames = [np.full((32, 32, 3), shade, np.uint8) for shade in (10, 100, 200)]
    joined = image(np.concatenate(frames)).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", 32)
    path = tmp_path / "a.gif"
    path.write_bytes(joined.gifsave_buffer())
    assert decode_image(Input("a.gif", str(path)), Limits()).pixels.shape[:2] == (32, 32)


def test_a_file_that_was_rewritten_is_read_anew(save):
    for shade in (10, 200):
        source = save("a.png", np.full((8, 8, 3), shade, np.uint8))
        assert decode_image(source, Limits()).pixels.max() == shade


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_too_large_for_memory_is_decoded_to_the_same_pixels(tmp_path, monkeypatch, suffix):
    path = tmp_path / "a"
    path.write_bytes(encoded(suffix))
    held = decode_image(Input("a", str(path)), Limits())
    monkeypatch.setattr(decode, "MAX_BUFFERED", 99)
    read = decode_image(Input("a", str(path)), Limits())
    assert held.contents == path.read_bytes() and read.contents == b""
    assert (held.pixels == read.pixels).all()
    assert (held.color_model, held.has_alpha, held.size) == (read.color_model, read.has_alpha, read.size)


def test_errors_of_libvips_are_classified():
    source, kind = Input("a.heic", "/secret/place"), Format("heif", "heifload")

    def error(detail):
        made = pyvips.Error("unable to call heifload")
        made.detail = detail
        return decode_error(source, kind, made)

    assert error("heif: Unsupported codec (4.3000)").code == "unsupported"
    missing = error(
        "file: bad seek to 9\nheif: Support for this compression format has not been built in: HEVC"
    )
    assert missing.code == "unsupported" and "HEVC" in missing.reason and "save it as PNG" in missing.reason
    assert error("tiff2vips: samples_per_pixel not a whole number of bytes").code == "unsupported"
    assert "bad seek" in error("file: bad seek to 9").reason
    assert error("").reason == "is a truncated or corrupt HEIF (unable to call heifload)"
    assert "/secret" not in error('unable to open "/secret/place"').reason
    with pytest.raises(MemoryError):
        error("vips_tracked: out of memory --- size == 3MB")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"BM" + bytes(12) + b"\x28\0\0\0", "bmp"),
        (b"\0\0\1\0\2\0" + bytes(20), "Windows icon"),
        (b"#?RADIANCE\n", "hdr"),
        (b"\xabKTX 20\xbb\r\n\x1a\n", "ktx2"),
        (b"\xff\x0a", "JPEG XL"),
        (b"qoif", "QOI"),
        (b"P6\n3 3\n", "Netpbm"),
        (b"PK\x03\x04", "ZIP archive"),
        (b"\xef\xbb\xbf<svg width='1'>", "SVG"),
        (b"\0\0\0\x20ftypheic", "heif"),
        (b"\0\0\0\x20ftypavif", "avif"),
        (b"MM\0*", "tiff"),
    ],
)
def test_formats_are_known_by_their_first_bytes(head, name):
    kind = sniff(head)
    assert kind is not None and kind.name == name
