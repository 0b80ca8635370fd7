import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.image.codecs import stream
from accel.image.codecs.stream import PACKBITS, RADIANCE, TARGA, RunLengthCode, run_length_encode

CODES = {"targa": TARGA, "packbits": PACKBITS, "radiance": RADIANCE}


def packets(data: bytes, code: RunLengthCode, size: int):
    """Head and payload of each packet, and the items that it stands for."""
    at = 0
    while at < len(data):
        head = data[at]
        repeated = head >= 128 if code is TARGA else head > 128
        if code is TARGA:
            count = (head & 127) + 1
        elif code is PACKBITS:
            count = 257 - head if repeated else head + 1
        else:
            count = head - 128 if repeated else head
        end = at + 1 + size * (1 if repeated else count)
        yield repeated, count, data[at + 1 : end] * (count if repeated else 1)
        at = end


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 300), st.integers(1, 4)),
    levels=st.integers(1, 4),
    seed=st.integers(0, 99),
    strip=st.sampled_from([1, 1000, 1 << 18]),
)
def test_whatever_is_coded_decodes_to_itself(code, shape, levels, seed, strip):
    random = np.random.default_rng(seed)
    rows = random.integers(0, levels, shape).astype(np.uint8)
    rows[:, shape[1] // 2 :] = rows[:, shape[1] // 2 :][:, :1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "_STRIP", strip)
        data, sizes = run_length_encode(rows, code)
    assert sizes.sum() == len(data) and len(sizes) == shape[0]
    begin = 0
    for row, size in zip(rows, sizes.tolist(), strict=True):
        parts = list(packets(data[begin : begin + size], code, shape[2]))
        assert b"".join(items for _, _, items in parts) == row.tobytes()
        assert all(1 <= count <= 128 for _, count, _ in parts)
        begin += size


@pytest.mark.parametrize(
    ("code", "items", "expected"),
    [
        (TARGA, [5, 5, 5, 6, 7], b"\x82\5\1\6\7"),
        (TARGA, [5] * 130, b"\xff\5\x81\5"),
        # TIFF 6.0, section 9: the example of PackBits.
        (PACKBITS, bytes.fromhex("AAAAAA80002AAAAAAAAA80002A22AAAAAAAAAAAAAAAAAAAA"),
            bytes.fromhex("FEAA0280002AFDAA0380002A22F7AA")),
        (RADIANCE, [9] * 128 + [1, 2, 3], b"\xff\x09\x81\x09\3\1\2\3"),
    ],
    ids=["a run and literals", "a run too long for a packet", "the specification's example", "a scanline"],
)  # fmt: skip
def test_known_rows_take_known_bytes(code, items, expected):
    rows = np.frombuffer(bytes(items), np.uint8).reshape(1, -1, 1)
    assert run_length_encode(rows, code)[0] == expected


def test_noise_takes_hardly_more_than_itself():
    rows = np.random.default_rng(1).integers(0, 256, (64, 1024, 1)).astype(np.uint8)
    for code in CODES.values():
        assert len(run_length_encode(rows, code)[0]) < rows.size * 1.02
