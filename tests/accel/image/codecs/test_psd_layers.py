import struct

import numpy as np
import pytest

from accel.workload import WorkloadError
from tests.accel.image.files import picture, psd

PLANES = np.ascontiguousarray(picture(6, 10, 4).transpose(2, 0, 1))


def block(key: bytes, data: bytes, wide: bool = False, mark: bytes = b"8BIM") -> bytes:
    return mark + key + struct.pack(">Q" if wide else ">I", len(data)) + data + bytes(-len(data) % 4)


def info(data: bytes, version: int = 1) -> bytes:
    return struct.pack(">I" if version == 1 else ">Q", len(data)) + data


def document(section: bytes, version: int = 1) -> bytes:
    """A document whose layers are `section`."""
    made = psd(PLANES, 3, version=version)
    old = struct.pack(">I" if version == 1 else ">Q", 6) + b"layers"
    assert made.count(old) == 1
    return made.replace(old, info(section, version))


NEGATIVE, POSITIVE = struct.pack(">h", -2) + bytes(10), struct.pack(">h", 2) + bytes(10)
MASK = struct.pack(">I", 4) + bytes(4)


def sections(version: int):
    wide = version == 2
    empty = info(b"", version) + MASK
    yield "a negative number", info(NEGATIVE, version), True
    yield "a positive number", info(POSITIVE, version), False
    yield "nothing", b"", False
    yield "no layers", empty, False
    for depth in (b"16", b"32"):
        yield f"deep layers {depth}", empty + block(b"Lr" + depth, NEGATIVE, wide), True
        yield f"deep layers {depth}, opaque", empty + block(b"Lr" + depth, POSITIVE, wide), False
        yield f"a mark {depth}", empty + block(b"Mt" + depth, b"", wide, b"8B64"), True
    others = block(b"Patt", b"odd" * 3) + block(b"FMsk", b"mask", wide)
    yield "behind others", empty + others + block(b"Lr16", NEGATIVE, wide), True
    yield "others alone", empty + others, False


@pytest.mark.parametrize("version", [1, 2])
def test_transparency_is_found_wherever_photoshop_says_it(read, version):
    for name, section, transparent in sections(version):
        found = read(document(section, version))
        assert found.alpha == ("on white" if transparent else "straight"), name
        assert np.array_equal(found.pixels, PLANES.transpose(1, 2, 0)), name


@pytest.mark.parametrize(
    "section",
    [
        b"\0", struct.pack(">I", 1 << 30) + b"abc", bytes(4) + struct.pack(">I", 99) + b"x" * 20,
        bytes(8) + b"what" + bytes(20),
        bytes(8) + b"8BIMPatt" + struct.pack(">I", 1 << 20) + bytes(9),
        bytes(8) + block(b"Lr16", b"\xff"),
    ],
)  # fmt: skip
def test_odd_layers_are_passed_over(read, section):
    found = read(document(section))
    assert found.alpha == "straight" and np.array_equal(found.pixels, PLANES.transpose(1, 2, 0))


def test_layers_larger_than_the_file_are_refused(read):
    data = document(b"")
    at = data.index(bytes(4), 26 + 8)
    with pytest.raises(WorkloadError, match="truncated PSD"):
        read(data[:at] + struct.pack(">I", 1 << 30) + data[at + 4 :])


def test_a_document_without_alpha_is_on_nothing(read):
    made = psd(PLANES[:3].copy(), 3)
    made = made.replace(struct.pack(">I", 6) + b"layers", info(info(NEGATIVE)))
    assert read(made).alpha == "straight"
