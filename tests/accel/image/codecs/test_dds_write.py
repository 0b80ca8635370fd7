import numpy as np
import OpenImageIO as oiio
import pytest

from accel.image.encode import save
from accel.image.operation import Writing
from tests.accel.image import containers
from tests.accel.image.textures import SIZES, raster, smooth


def written(image, bits: str = "same") -> bytes:
    (file,), facts = save("out", image, Writing(format="dds", bits=bits))
    assert (file.media_type, facts.format, facts.size) == ("image/vnd-ms.dds", "dds", len(file.data))
    return file.data


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES[:3])
def test_every_pixel_comes_back(read, size, channels, dtype):
    pixels = smooth(*size, channels, dtype, alpha="some")
    found = read(written(raster(pixels), "32" if dtype == "float32" else "same"))
    wide = pixels[..., [0, 0, 0, 1]] if channels == 2 else pixels
    assert found.pixels.dtype == pixels.dtype
    assert (found.pixels[..., : wide.shape[2]] == wide).all()
    # What has three channels has four in the file, the last full.
    assert channels != 3 or (found.pixels[..., 3] == (1 if dtype == "float32" else np.iinfo(dtype).max)).all()


@pytest.mark.parametrize(
    ("channels", "dtype", "transfer", "fourcc", "dxgi", "masks"),
    [
        (1, "uint8", "linear", bytes(4), 0, (0xFF, 0, 0, 0)),
        (4, "uint8", "linear", bytes(4), 0, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
        (4, "uint8", "srgb", b"DX10", 29, (0, 0, 0, 0)),
        (1, "uint8", "srgb", b"DX10", 29, (0, 0, 0, 0)),
        (1, "uint16", "linear", bytes(4), 0, (0xFFFF, 0, 0, 0)),
        (3, "uint16", "srgb", b"\x24\0\0\0", 0, (0, 0, 0, 0)),
        (1, "float32", "linear", b"\x72\0\0\0", 0, (0, 0, 0, 0)),
        (3, "float32", "linear", b"\x74\0\0\0", 0, (0, 0, 0, 0)),
    ],
)
def test_the_old_header_is_written_wherever_it_says_everything(
    channels, dtype, transfer, fourcc, dxgi, masks
):
    bits = "32" if dtype == "float32" else "same"
    found = containers.dds(written(raster(smooth(9, 6, channels, dtype), transfer), bits))
    assert (found.fourcc, found.dxgi, found.masks) == (fourcc, dxgi, masks)
    assert (found.width, found.height, found.levels) == (6, 9, 1)


@pytest.mark.parametrize(
    ("channels", "dtype", "transfer", "error"),
    # OpenImageIO reads 16 bits as 8.
    [
        (1, "uint8", "linear", 0),
        (4, "uint8", "linear", 0),
        (4, "uint8", "srgb", 0),
        (1, "uint16", "linear", 257),
    ],
)
def test_openimageio_sees_the_same_pixels(tmp_path, channels, dtype, transfer, error):
    pixels = smooth(13, 7, channels, dtype, alpha="some")
    path = tmp_path / "a.dds"
    path.write_bytes(written(raster(pixels, transfer)))
    file = oiio.ImageInput.open(str(path), unassociated())
    found = np.asarray(file.read_image(dtype)).reshape(13, 7, -1)
    file.close()
    assert np.abs(found.astype(int) - pixels).max() <= error


def unassociated() -> oiio.ImageSpec:
    config = oiio.ImageSpec()
    config.attribute("oiio:UnassociatedAlpha", 1)
    return config


def test_levels_follow_one_another_from_the_largest():
    image = raster(smooth(20, 12, 4), mips=True)
    found = containers.dds(written(image))
    assert found.levels == 5
    assert found.data == b"".join(level.tobytes() for level in (image.pixels, *image.mips))


@pytest.mark.parametrize(
    ("channels", "scale", "asked", "bits", "fourcc"),
    [
        (3, 1, "same", 16, b"\x71\0\0\0"), (4, 1, "32", 32, b"\x74\0\0\0"),
        (3, 1e5, "same", 32, b"\x74\0\0\0"),
        # Heights and other data of one channel lose nothing.
        (1, 1, "same", 32, b"\x72\0\0\0"),
    ],
)  # fmt: skip
def test_floats_are_halves_where_that_loses_nothing_that_is_seen(read, channels, scale, asked, bits, fourcc):
    pixels = smooth(4, 4, channels, "float32") * np.float32(scale)
    (file,), facts = save("out", raster(pixels), Writing(format="dds", bits=asked))
    assert facts.bit_depth == bits and containers.dds(file.data).fourcc == fourcc
    found = read(file.data).pixels[..., :channels]
    assert found == pytest.approx(pixels, rel=2**-11 if bits == 16 else 0)
