"""Files as people have them: what comes out of each, in one table."""

import struct
import zlib

import numpy as np
import pytest
import pyvips
from msgspec import Struct

from accel.image.operations.geometry import Convert, Thumbnail, convert, thumbnail
from accel.workload import Input, Limits, WorkloadError
from tests.accel.conftest import image
from tests.accel.image.broken import broken, chunk, encoded, png
from tests.accel.image.files import bmp, cielab, dds, exr, hdr, ktx2, psd, rows, tga
from tests.accel.image.icc import grey_profile, png_with
from tests.accel.image.rasters import reopened

SIZE = 32
"""Of a thumbnail."""

SIDES, WINDOW = struct.pack("<HH", 24, 16), struct.pack("<4i", 0, 0, 23, 15)
"""Of the size of most files below, as TGA and EXR write it."""


class Row(Struct):
    """A file, and what both workloads make of it: an image, or an error of a code and some words."""

    name: str
    data: bytes
    becomes: str
    """`BITS CHANNELS WIDTH x HEIGHT` of the PNG that it is converted to, or `CODE: words`."""
    color: tuple[int, ...] = ()
    """Of 8 bits, at the upper left; of both results, to within 3."""


def flat(*color: float, dtype: str = "uint8", size: tuple[int, int] = (16, 24)) -> np.ndarray:
    return np.full((*size, len(color)), color, dtype)


def vips(suffix: str, pixels: np.ndarray, model: str = "srgb", **options) -> bytes:
    return image(pixels, model).write_to_buffer(suffix, **options)


def animated(suffix: str, **options) -> bytes:
    joined = image(np.concatenate([flat(*[shade] * 3) for shade in (200, 100, 10)])).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", 16)
    return joined.write_to_buffer(suffix, **options)


def turned() -> bytes:
    made = image(flat(200, 100, 50)).copy()
    made.set_type(pyvips.GValue.gint_type, "orientation", 6)
    return made.tiffsave_buffer()


def of(parts: tuple[str, ...], *color: float) -> bytes:
    return exr(flat(*color, dtype="float32"), parts, "float")


def odd_png(kind: int, bits: int, size: tuple[int, int] = (4, 4), data: bytes = bytes(99)) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


RGB, RGBA = flat(200, 100, 50), flat(200, 100, 50, 128)
PLANES = np.ascontiguousarray(RGBA.transpose(2, 0, 1))
SHORT = "bad_input: truncated or corrupt JPEG"
NAN, INF = float("nan"), float("inf")

GOOD = [
    # name, file, what it becomes, colour
    Row("grey.png", vips(".png", flat(77), "b-w"), "8 Y 24 x 16", (77,)),
    Row("grey-alpha.png", vips(".png", flat(77, 128), "b-w"), "8 YA 24 x 16", (77, 128)),
    Row("grey16.png", vips(".png", flat(20000, dtype="uint16"), "grey16"), "16 Y 24 x 16", (78,)),
    Row("grey16-alpha.png", vips(".png", flat(20000, 40000, dtype="uint16"), "grey16"), "16 YA 24 x 16",
        (78, 156)),
    Row("rgba16.png", vips(".png", RGBA.astype("uint16") * 257, "rgb16"), "16 RGBA 24 x 16",
        (200, 100, 50, 128)),
    Row("interlaced.png", vips(".png", RGBA, interlace=True), "8 RGBA 24 x 16", (200, 100, 50, 128)),
    Row("palette.png", vips(".png", RGB, palette=True), "8 RGB 24 x 16", (200, 100, 50)),
    Row("two-colours.png", vips(".png", flat(255), "b-w", bitdepth=1), "8 Y 24 x 16", (255,)),
    Row("odd-profile.png", png_with(vips(".png", RGB), b"nonsense" * 40), "8 RGB 24 x 16", (200, 100, 50)),
    Row("grey-profile.png", png_with(vips(".png", RGB), grey_profile(1)), "8 RGB 24 x 16", (200, 100, 50)),
    Row("named.jpg", vips(".png", RGB), "8 RGB 24 x 16", (200, 100, 50)),
    Row("no-suffix", vips(".webp", RGB, lossless=True), "8 RGB 24 x 16", (200, 100, 50)),
    Row("trailing.png", vips(".png", RGB) + b"more" * 99, "8 RGB 24 x 16", (200, 100, 50)),
    Row("1x1.png", vips(".png", flat(9, 9, 9, size=(1, 1))), "8 RGB 1 x 1", (9, 9, 9)),
    Row("1xN.png", vips(".png", flat(9, 9, 9, size=(3000, 1))), "8 RGB 1 x 3000", (9, 9, 9)),
    Row("Nx1.jpg", vips(".jpg", flat(9, 9, 9, size=(1, 3000))), "8 RGB 3000 x 1", (9, 9, 9)),
    Row("65535.png", vips(".png", flat(9, 9, 9, size=(1, 65535))), "8 RGB 65535 x 1", (9, 9, 9)),
    Row("65535.tga", tga(flat(9, 9, 9, size=(1, 65535)), 10, 24), "8 RGB 65535 x 1", (9, 9, 9)),
    Row("inks.jpg", vips(".jpg", flat(0, 0, 0, 0), "cmyk"), "8 RGB 24 x 16", (255, 255, 255)),
    Row("inks.tif", vips(".tif", flat(0, 0, 0, 0), "cmyk"), "8 RGB 24 x 16", (255, 255, 255)),
    Row("inks16.tif", vips(".tif", flat(0, 0, 0, 0, dtype="uint16"), "cmyk"), "16 RGB 24 x 16",
        (255, 255, 255)),
    Row("inks.psd", psd(np.full((4, 16, 24), 255, np.uint8), 4), "8 RGB 24 x 16", (255, 255, 255)),
    Row("lab.tif", vips(".tif", flat(100, 0, 0, dtype="float32"), "lab"), "16 RGB 24 x 16", (255, 255, 255)),
    Row("float.tif", vips(".tif", flat(1, 0.5, 9, dtype="float32"), "scrgb"), "16 RGB 24 x 16",
        (255, 188, 255)),
    Row("endless.jpg", vips(".jpg", RGB, Q=100)[:-2], "8 RGB 24 x 16", (200, 100, 50)),
    Row("half-an-end.jpg", vips(".jpg", RGB, Q=100)[:-1], "8 RGB 24 x 16", (200, 100, 50)),
    Row("endless-progressive.jpg", vips(".jpg", RGB, interlace=True, Q=100)[:-2], "8 RGB 24 x 16",
        (200, 100, 50)),
    Row("endless-restarts.jpg", vips(".jpg", RGB, restart_interval=1, Q=100)[:-2], "8 RGB 24 x 16",
        (200, 100, 50)),
    Row("endless-profile.jpg", vips(".jpg", RGB, profile="srgb", Q=100)[:-2], "8 RGB 24 x 16",
        (200, 100, 50)),
    Row("endless-large.jpg", vips(".jpg", flat(200, 100, 50, size=(200, 300)), Q=100)[:-2],
        "8 RGB 300 x 200", (200, 100, 50)),
    Row("endless-inks.jpg", vips(".jpg", flat(0, 0, 0, 0), "cmyk")[:-2], "8 RGB 24 x 16", (255, 255, 255)),
    Row("progressive.jpg", vips(".jpg", RGB, interlace=True, Q=100), "8 RGB 24 x 16", (200, 100, 50)),
    Row("turned.tif", turned(), "8 RGB 16 x 24", (200, 100, 50)),
    Row("animated.gif", animated(".gif"), "8 RGBA 24 x 16", (200, 200, 200, 255)),
    Row("animated.webp", animated(".webp", lossless=True), "8 RGB 24 x 16", (200, 200, 200)),
    Row("nan.exr", of(("R", "G", "B"), NAN, INF, -INF), "16 RGB 24 x 16", (0, 255, 0)),
    Row("nan-alpha.exr", of(("R", "G", "B", "A"), 0.5, 0.5, 0.5, NAN), "16 RGBA 24 x 16"),
    Row("multiplied.exr", of(("R", "G", "B", "A"), 0.25, 0.25, 0.25, 0.5), "16 RGBA 24 x 16",
        (188, 188, 188, 128)),
    Row("nan.hdr", hdr(bytes([255, 255, 255, 255]) * 384, "-Y 16 +X 24"), "16 RGB 24 x 16", (255, 255, 255)),
    Row("palette.tga", tga(flat(1), 9, 8, palette=bytes([50, 100, 200]) * 2, map_bits=24), "8 RGB 24 x 16",
        (200, 100, 50)),
    Row("empty-alpha.tga", tga(flat(50, 100, 200, 0), 2, 32), "8 RGB 24 x 16", (200, 100, 50)),
    Row("top-down.bmp", bmp(24, 24, -16, rows(RGB[..., ::-1])), "8 RGB 24 x 16", (200, 100, 50)),
    Row("packed.psd", psd(PLANES, 3, 1), "8 RGBA 24 x 16", (200, 100, 50, 128)),
    Row("deep.psd", psd(PLANES.astype("float32") / 255, 3, 3, 32), "16 RGBA 24 x 16"),
    Row("rgba.dds", dds(24, 16, RGBA.tobytes(), dxgi=28), "8 RGBA 24 x 16", (200, 100, 50, 128)),
    Row("nan.dds", dds(24, 16, b"\1\x7d\xff\x7b" * 384, dxgi=34), "16 RGB 24 x 16"),
    Row("huge.dds", dds(24, 16, struct.pack("<2f", 3e38, -3e38) * 384, dxgi=16), "16 RGB 24 x 16"),
    Row("rgba.ktx2", ktx2(24, 16, RGBA.tobytes(), 37), "8 RGBA 24 x 16", (200, 100, 50, 128)),
]  # fmt: skip

BAD = [
    *(Row(name, data, f"{code}: {says}") for name, data, code, says in broken()),
    Row("short-scan.jpg", encoded(".jpg")[:-4], SHORT),
    Row("short-last-rows.jpg", encoded(".jpg", subsample_mode="off")[:-9], SHORT),
    Row("short-scans.jpg", encoded(".jpg", interlace=True)[:-9], SHORT),
    Row("short-restarts.jpg", encoded(".jpg", restart_interval=1)[:-9], SHORT),
    Row("no-scan.jpg", encoded(".jpg").partition(b"\xff\xda")[0], SHORT),
    Row("0x0.png", png(0, 0), "bad_input: "),
    Row("0x9.tga", tga(flat(1, 2, 3), 2, 24).replace(SIDES, struct.pack("<HH", 0, 9)),
        "bad_input: 0 x 9 pixels"),
    Row("0x0.exr", b"\x76\x2f\x31\x01" + bytes(4), "bad_input: corrupt EXR"),
    Row("0x0.hdr", hdr(b"", "-Y 0 +X 0"), "bad_input: 0 x 0 pixels"),
    Row("0x0.dds", dds(0, 0, b"", dxgi=28), "bad_input: 0 x 0 pixels"),
    Row("0x0.psd", psd(np.zeros((3, 1, 1), np.uint8), 3).replace(struct.pack(">II", 1, 1), bytes(8)),
        "bad_input: 0 x 0 pixels"),
    Row("huge.psd", psd(PLANES, 3).replace(struct.pack(">II", 16, 24), b"\0\0\x75\x30" * 2),
        "too_large: 30000 x 30000"),
    Row("huge.exr", of(("R",), 1).replace(WINDOW, struct.pack("<4i", 0, 0, 1 << 17, 1 << 17)),
        "too_large: 131073 x 131073"),
    Row("negative.exr", of(("R",), 1).replace(WINDOW, struct.pack("<4i", 0, 0, -9, 15)),
        "bad_input: corrupt EXR"),
    Row("huge.tga", tga(flat(1, 2, 3), 2, 24).replace(SIDES, b"\xff" * 4), "too_large: 65535 x 65535"),
    Row("no-such-kind.png", odd_png(5, 8), "bad_input: corrupt PNG"),
    Row("no-palette.png", odd_png(3, 8), "bad_input: corrupt PNG"),
    Row("no-pixels.png", odd_png(0, 8, data=b""), "bad_input: corrupt PNG"),
    Row("six-inks.psd", psd(np.zeros((3, 16, 24), np.uint8), 9), "unsupported: convert it to RGB"),
    Row("short.dds", dds(24, 16, RGBA.tobytes()[:-9], dxgi=28), "bad_input: truncated DDS"),
    Row("half.ktx2", ktx2(24, 16, RGBA.tobytes(), 37, 2)[:-9], "bad_input: truncated KTX2"),
    Row("half.hdr", hdr(bytes(99), "-Y 16 +X 24"), "bad_input: truncated HDR"),
    Row("half.psd", psd(PLANES, 3, 1)[:-9], "bad_input: truncated PSD"),
    Row("half.bmp", bmp(24, 24, 16, rows(RGB)[:-99]), "bad_input: truncated BMP"),
    Row("half.exr", of(("R", "G", "B"), 1, 2, 3)[:-30], "bad_input: EXR"),
]  # fmt: skip


@pytest.fixture
def source(request, tmp_path):
    path = tmp_path / request.param.name
    path.write_bytes(request.param.data)
    return Input(request.param.name, str(path)), request.param


def table(rows: list[Row]):
    return pytest.mark.parametrize("source", rows, indirect=True, ids=[row.name for row in rows])


def test_no_row_stands_for_another():
    names = [row.name for row in (*GOOD, *BAD)]
    assert len(set(names)) == len(names) >= 70


@table(GOOD)
def test_an_odd_file_becomes_the_right_png(source, tmp_path):
    given, row = source
    (file,) = convert([given], Convert(format="png"), Limits()).files
    made = reopened(file.data, tmp_path)
    channels = ("Y", "YA", "RGB", "RGBA")[made.channels - 1]
    assert f"{made.bit_depth} {channels} {made.width} x {made.height}" == row.becomes
    first = made.pixels[0, 0] / (257 if made.bit_depth == 16 else 1)
    assert not row.color or np.abs(first - row.color).max() <= 3, first


@table(GOOD)
def test_an_odd_file_becomes_the_right_thumbnail(source, tmp_path):
    given, row = source
    output = thumbnail([given], Thumbnail(size=SIZE), Limits())
    width, height = (int(side) for side in row.becomes.split()[-3::2])
    factor = min(1, SIZE / max(width, height))
    assert output.value == {"width": max(1, round(width * factor)), "height": max(1, round(height * factor))}
    made = reopened(output.files[0].data, tmp_path)
    assert made.bit_depth == 8
    color = np.array(row.color)
    if made.channels > len(color) > 0:
        # libvips makes colours of grey that has alpha.
        color = color[[0, 0, 0, *range(1, len(color))]]
    assert not row.color or np.abs(made.pixels[0, 0] - color).max() <= 3, made.pixels[0, 0]


@table(BAD)
@pytest.mark.parametrize("workload", [convert, thumbnail])
def test_a_file_that_is_none_is_refused_in_a_sentence(source, workload):
    given, row = source
    with pytest.raises(WorkloadError) as caught:
        workload([given], workload.workload.parse({}), Limits())
    code, _, says = row.becomes.partition(": ")
    assert (caught.value.code, caught.value.name) == (code, row.name), caught.value.reason
    assert says in caught.value.reason and str(caught.value.reason).isprintable()
    assert given.path not in str(caught.value.reason)


@pytest.mark.parametrize("workload", [convert, thumbnail])
def test_the_error_for_cielab_of_8_bits_says_what_to_do(tmp_path, workload):
    (tmp_path / "lab.tif").write_bytes(cielab())
    source = Input("lab.tif", str(tmp_path / "lab.tif"))
    with pytest.raises(WorkloadError, match=r"CIELAB.* save it as RGB, or with 16 bits") as caught:
        workload([source], workload.workload.parse({}), Limits())
    assert (caught.value.code, caught.value.name) == ("unsupported", "lab.tif")
