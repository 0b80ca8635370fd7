"""ICC profiles made byte by byte (ICC.1:2001-04), and files that embed them."""

import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from tests.accel.conftest import image
from tests.accel.image.broken import chunk

D50 = (0.9642, 1.0, 0.8249)
D65 = (0.9504559, 1.0, 1.0890578)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
"""Adobe RGB (1998), section 4.3.1.1; its curve is a power of 563/256."""
ADOBE_GAMMA = 563 / 256


def to_xyz(primaries) -> np.ndarray:
    """The matrix from linear RGB of white D65 to XYZ."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return columns * np.linalg.solve(columns, D65)


def number(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH2x", 1, round(gamma * 256))


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"made up\0"
    name = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": name, b"wtpt": b"XYZ " + bytes(4) + b"".join(map(number, D50)), **tags}
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sII", tag, at, len(data))
        body, at = body + data, at + len(data)
    head = struct.pack(">I4sI4s4s4s12x4s28x", at, b"test", 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    head += b"".join(map(number, D50))
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + body


def rgb_profile(primaries, gamma: float = 1, curve: bytes = b"") -> bytes:
    """A matrix profile of white D65, adapted to D50 by Bradford's transform; `curve`: a tag of its own."""
    cone = [BRADFORD @ np.array(white) for white in (D65, D50)]
    adapted = np.linalg.inv(BRADFORD) @ np.diag(cone[1] / cone[0]) @ BRADFORD @ to_xyz(primaries)
    tags = {}
    for letter, column in zip((b"r", b"g", b"b"), adapted.T, strict=True):
        tags[letter + b"XYZ"] = b"XYZ " + bytes(4) + b"".join(map(number, column))
        tags[letter + b"TRC"] = curve or _curve(gamma)
    return _profile(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)})


def swapping_profile() -> bytes:
    """A profile of RGB that is a table to Lab (10.10 lut8Type): red and blue change places."""
    corners = np.array([[b, g, r] for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)
    lab = (
        image(corners[None], "srgb").icc_import(input_profile="srgb", intent="relative", pcs="lab").numpy()[0]
    )
    values = np.round(np.clip(lab * [2.55, 1, 1] + [0, 128, 128], 0, 255)).astype(np.uint8)
    unity = b"".join(number(float(row == column)) for row in range(3) for column in range(3))
    line = bytes(range(256)) * 3
    tag = b"mft1" + bytes(4) + bytes([3, 3, 2, 0]) + unity + line + values.tobytes() + line
    made = _profile(b"RGB ", {b"A2B0": tag, b"A2B1": tag})
    return made[:20] + b"Lab " + made[24:]


def curve(light: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1: light as sRGB codes it."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def uncurve(coded: np.ndarray) -> np.ndarray:
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def in_srgb(light: np.ndarray, primaries) -> np.ndarray:
    """Light of other primaries as sRGB codes it, what it can't show cut off: the reference, in doubles."""
    matrix = np.linalg.solve(to_xyz(SRGB), to_xyz(primaries))
    return curve(np.clip(light @ matrix.T, 0, 1))


def png_with(data: bytes, profile: bytes) -> bytes:
    """A PNG with that profile, whatever its colours: right behind the header (PNG, 11.3.2.3)."""
    return data[:33] + chunk(b"iCCP", b"any\0\0" + zlib.compress(profile)) + data[33:]


def tiff_with(pixels: np.ndarray, profile: bytes) -> bytes:
    """A TIFF with that profile, whatever its colours."""
    height, width, channels = pixels.shape
    spec = oiio.ImageSpec(width, height, channels, pixels.dtype.name)
    spec.attribute("oiio:UnassociatedAlpha", 1)
    spec.attribute("ICCProfile", oiio.TypeDesc(f"uint8[{len(profile)}]"), np.frombuffer(profile, np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        file = oiio.ImageOutput.create(str(path))
        assert file.open(str(path), spec) and file.write_image(pixels) and file.close(), file.geterror()
        return path.read_bytes()
