"""Images that are inspected in strips show the same as those in memory, for a fraction of it."""

import subprocess
import sys

import numpy as np
import pytest
import pyvips

from accel.image import inspect as inspection
from accel.image.operations.analysis import Inspect
from accel.workload import Limits, WorkloadError

GENERATOR = np.random.default_rng(7)
Y, X = np.mgrid[:131, :97]


def picture(channels: int, top: int, kind) -> np.ndarray:
    """A gradient with noise, in any number of channels."""
    waves = [(X * 2 + Y * (c + 1)) % 256 / 255 for c in range(channels)]
    noise = GENERATOR.random((131, 97, channels)) * 0.1
    return ((np.stack(waves, -1) * 0.9 + noise) * top).astype(kind)


GREY = np.repeat(picture(1, 255, np.uint8), 3, axis=2)
ALPHA = picture(4, 65535, np.uint16)
CLEAR = picture(4, 255, np.uint8)
CLEAR[20:60, 10:50, 3] = 0
OPAQUE = picture(4, 255, np.uint8)
OPAQUE[..., 3] = 255
FLAT_NORMALS = np.full((131, 97, 3), (128, 128, 255), np.uint8)

CASES = {
    "rgb.png": (picture(3, 255, np.uint8), "srgb", {}),
    "deep.png": (picture(3, 65535, np.uint16), "rgb16", {}),
    "deep alpha.png": (ALPHA, "rgb16", {}),
    "clear.png": (CLEAR, "srgb", {}),
    "opaque.png": (OPAQUE, "srgb", {}),
    "grey.png": (picture(1, 255, np.uint8), "b-w", {}),
    "grey alpha.png": (picture(2, 255, np.uint8), "b-w", {}),
    "grey as rgb.png": (GREY, "srgb", {}),
    "palette.png": (picture(3, 255, np.uint8), "srgb", {"palette": True}),
    "normals.png": (FLAT_NORMALS, "srgb", {}),
    "rgb.tif": (picture(3, 255, np.uint8), "srgb", {"compression": "deflate"}),
    "tiles.tif": (ALPHA, "rgb16", {"compression": "lzw", "tile": True, "tile_width": 32, "tile_height": 16}),
    "photo.jpg": (picture(3, 255, np.uint8), "srgb", {}),
    "thin.png": (picture(3, 255, np.uint8)[:3], "srgb", {}),
    "low.png": (picture(3, 255, np.uint8)[:4], "srgb", {}),
}


@pytest.fixture
def in_strips(monkeypatch):
    """Inspects all images in strips of a few rows. Returns how many have been."""
    done = []
    measure = inspection._measure_strips

    def counted(*args):
        done.append(measure(*args))
        return done[-1]

    monkeypatch.setattr(inspection, "LARGE_BYTES", 0)
    monkeypatch.setattr(inspection, "MIN_FILE_BYTES", 0)
    monkeypatch.setattr(inspection, "STRIP_BYTES", 97 * 8 * 7)
    monkeypatch.setattr(inspection, "_measure_strips", counted)
    return done


@pytest.mark.parametrize("preview", [0, 32, 90])
@pytest.mark.parametrize("name", CASES)
def test_strips_show_what_the_whole_image_shows(save, in_strips, monkeypatch, name, preview):
    pixels, model, options = CASES[name]
    source = save(name, pixels, model, **options)
    striped = inspection.inspect([source], Inspect(preview=preview), Limits())
    assert [one for one in in_strips if one] or name in ("normals.png", "thin.png")
    monkeypatch.setattr(inspection, "LARGE_BYTES", 1 << 40)
    whole = inspection.inspect([source], Inspect(preview=preview), Limits())
    assert striped.value == whole.value
    assert [file.data for file in striped.files] == [file.data for file in whole.files]


@pytest.mark.parametrize("name", ["rgb.png", "rgb.tif", "photo.jpg"])
def test_a_damaged_image_is_refused_in_the_same_way(save, in_strips, monkeypatch, name):
    pixels, model, options = CASES[name]
    source = save(name, pixels, model, **options)
    with open(source.path, "r+b") as file:
        file.seek(0, 2)
        file.truncate(file.tell() * 2 // 3)
    errors = []
    for large in (0, 1 << 40):
        monkeypatch.setattr(inspection, "LARGE_BYTES", large)
        try:
            errors.append(inspection.inspect([source], Inspect(), Limits()).value)
        except WorkloadError as error:
            errors.append((error.code, error.name))
    assert errors[0] == errors[1]


def test_an_interlaced_image_is_read_as_a_whole(save, in_strips):
    source = save("rows.png", picture(3, 255, np.uint8), interlace=True)
    inspection.inspect([source], Inspect(), Limits())
    assert in_strips == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_a_large_image_takes_a_fraction_of_its_pixels(tmp_path):
    """432 MiB of pixels, in a process of its own."""
    file = tmp_path / "large.png"
    black = pyvips.Image.black(12288, 12288, bands=3).copy(interpretation="srgb")
    black.write_to_file(file, compression=1)
    code = (
        "from pathlib import Path; from accel.image.inspect import inspect\n"
        "from accel.image.operations.analysis import Inspect\n"
        "from accel.workload import Input, Limits\n"
        f"inspect([Input('large.png', {str(file)!r})], Inspect(preview=64), Limits())\n"
        "lines = Path('/proc/self/status').read_text().splitlines()\n"
        "print(next(line.split()[1] for line in lines if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 220 << 10
