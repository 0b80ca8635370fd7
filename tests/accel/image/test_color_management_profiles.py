import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.image.color_management import apply_profile, is_srgb, parse_profile
from tests.accel.image.icc import (
    ADOBE,
    DISPLAY_P3,
    SRGB,
    curve,
    grey_profile,
    in_srgb,
    number,
    rgb_profile,
    uncurve,
)


def with_curves(tag: bytes) -> bytes:
    """sRGB's primaries with that curve."""
    return rgb_profile(SRGB, curve=tag)


def para(kind: int, *numbers: float) -> bytes:
    return b"para" + struct.pack(">IHH", 0, kind, 0) + b"".join(map(number, numbers))


def table(*values: int) -> bytes:
    return b"curv" + struct.pack(">II", 0, len(values)) + struct.pack(f">{len(values)}H", *values)


SRGB_CURVE = para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE], ids=["P3", "Adobe RGB"])
@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_colours_are_within_1_of_255_of_the_reference(dtype, primaries, gamma):
    top = np.iinfo(dtype).max
    pixels = np.random.default_rng(4).integers(0, top + 1, (80, 90, 4)).astype(dtype)
    gamma = round(gamma * 256) / 256
    made = apply_profile(pixels, 3, parse_profile(rgb_profile(primaries, gamma)))
    wanted = in_srgb((pixels[..., :3] / top) ** gamma, primaries)
    assert np.abs(made[..., :3] / top - wanted).max() <= 1 / 255
    assert made.dtype == dtype and np.array_equal(made[..., 3], pixels[..., 3])


@pytest.mark.parametrize(
    ("tag", "light"),
    [
        (b"curv" + bytes(8), lambda x: x),
        (table(0, 65535), lambda x: x),
        (table(0, 16384, 65535), lambda x: np.interp(x, [0, 0.5, 1], [0, 0.25, 1])),
        (table(*(round(65535 * value) for value in uncurve(np.linspace(0, 1, 1024)))), uncurve),
        (para(0, 2.2), lambda x: x**2.2),
        (para(1, 2, 0.8, 0.2), lambda x: (0.8 * x + 0.2) ** 2),
        (para(2, 2, 0.8, -0.1, 0.05), lambda x: np.where(x >= 0.125, (0.8 * x - 0.1) ** 2 + 0.05, 0.05)),
        (SRGB_CURVE, uncurve),
        (para(4, 2.4, 0.9, 0.05, 0.1, 0.04, 0.01, 0.02),
            lambda x: np.where(x >= 0.04, (0.9 * x + 0.05) ** 2.4 + 0.01, 0.1 * x + 0.02)),
    ],
    ids=["none", "a line", "a bend", "1,024 points", "power", "kind 1", "kind 2", "sRGB's", "kind 4"],
)  # fmt: skip
def test_every_kind_of_curve_is_read(tag, light):
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    made = apply_profile(pixels, 3, parse_profile(with_curves(tag)))
    assert np.abs(made / 255 - curve(light(pixels / 255))).max() < 0.6 / 255


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_grey_has_a_curve_alone(dtype):
    top = np.iinfo(dtype).max
    pixels = np.arange(top + 1).astype(dtype).reshape(1, -1, 1)
    made = apply_profile(pixels, 1, parse_profile(grey_profile(1.8)))
    gamma = round(1.8 * 256) / 256
    assert np.abs(made / top - curve((pixels / top) ** gamma)).max() < 0.51 / min(top, 4000)


def test_profiles_of_srgb_are_recognised_by_their_values():
    points = (round(65535 * value) for value in uncurve(np.linspace(0, 1, 1024)))
    assert is_srgb(parse_profile(with_curves(SRGB_CURVE))) and is_srgb(
        parse_profile(with_curves(table(*points)))
    )
    assert not is_srgb(parse_profile(rgb_profile(SRGB, 2.2))) and not is_srgb(
        parse_profile(rgb_profile(DISPLAY_P3, 2.2))
    )
    assert not is_srgb(parse_profile(grey_profile(2.2)))


@pytest.mark.parametrize(
    "profile",
    [
        b"", b"nonsense" * 40, rgb_profile(SRGB, 2.2)[:200], rgb_profile(SRGB, 2.2)[:-40],
        rgb_profile(SRGB, 2.2).replace(b"acsp", b"none"), rgb_profile(SRGB, 2.2).replace(b"RGB ", b"CMYK"),
        rgb_profile(SRGB, 2.2).replace(b"rTRC", b"A2B0"), rgb_profile(SRGB, 2.2).replace(b"curv", b"vruc"),
        rgb_profile(SRGB, 2.2).replace(b"XYZ \0", b"ZYX \0"), with_curves(para(9, 1)),
        with_curves(b"curv\0\0\0\0\xff\xff\xff\xff"), with_curves(para(1, 1, 0, 1)),
    ],
)  # fmt: skip
def test_profiles_without_matrix_and_curves_are_not_parsed(profile):
    assert parse_profile(profile) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(128, 420), st.integers(0, 255)), max_size=12), st.booleans())
def test_any_profile_gives_pixels(changes, parametric):
    data = bytearray(with_curves(SRGB_CURVE) if parametric else rgb_profile(DISPLAY_P3, 2.2))
    for at, value in changes:
        data[at % len(data)] = value
    used = parse_profile(bytes(data))
    if used is not None:
        assert apply_profile(np.arange(48, dtype=np.uint8).reshape(4, 4, 3), 3, used).shape == (4, 4, 3)
