"""What the layout of pixels shows, and what only looks like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from accel.texture.layouts import recognise
from tests.accel.texture.pictures import bricks, button, decoded, normal_map, surface

Pixels = NDArray[Any]


def bytes_of(values: Pixels) -> Pixels:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


def table(side: int = 16, grade: Callable[[Pixels], Pixels] = lambda colors: colors) -> Pixels:
    """A strip of slices of the colour cube: side*side x side."""
    steps = np.linspace(0, 1, side)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    colors = grade(np.stack([red, green, blue], -1))
    return bytes_of(np.concatenate(list(colors), axis=1))


def in_grid(strip: Pixels, across: int) -> Pixels:
    side = len(strip)
    slices = [strip[:, side * at : side * (at + 1)] for at in range(side)]
    rows = [np.concatenate(slices[at : at + across], axis=1) for at in range(0, side, across)]
    return np.concatenate(rows)


def washed_out(colors: Pixels) -> Pixels:
    grey = colors.mean(axis=-1, keepdims=True)
    return (0.3 * colors + 0.7 * grey) ** 0.8 * (1, 0.9, 0.8)


def face(x: Pixels, y: Pixels, z: Pixels) -> Pixels:
    """A sky by direction: brighter above, with waves all around."""
    length = np.sqrt(x**2 + y**2 + z**2)
    x, y, z = x / length, y / length, z / length
    light = 0.5 + 0.3 * y + 0.2 * np.sin(3 * x + 1) * np.cos(4 * z)
    return bytes_of(np.stack([light, light * 0.8, 1 - light], -1))


def faces(side: int = 64) -> list[Pixels]:
    """+x, -x, +y, -y, +z, -z as graphics APIs have them (OpenGL 4.6, table 8.19)."""
    steps = (np.arange(side) + 0.5) / side * 2 - 1
    t, s = np.meshgrid(steps, steps, indexing="ij")
    one = np.ones_like(s)
    directions = [(one, -t, -s), (-one, -t, s), (s, one, t), (s, -one, -t), (s, -t, one), (-s, -t, -one)]
    return [face(*axes) for axes in directions]


def cross() -> Pixels:
    right, left, up, down, front, back = faces()
    nothing = np.zeros_like(front)
    rows = [[nothing, up, nothing, nothing], [left, front, right, back], [nothing, down, nothing, nothing]]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def ramp(colors: list[tuple[int, ...]], width: int = 256, height: int = 16) -> Pixels:
    places = np.linspace(0, len(colors) - 1, width)
    lines = [np.interp(places, range(len(colors)), channel) for channel in zip(*colors, strict=True)]
    return np.broadcast_to(np.stack(lines, -1).astype(np.uint8), (height, width, len(lines))).copy()


def noise(side: int = 64, channels: int = 3) -> Pixels:
    return np.random.default_rng(4).integers(0, 256, (side, side, channels), np.uint8)


SUNSET = [(20, 10, 60), (200, 80, 40), (255, 230, 180)]
STEPS = np.repeat(np.array([40, 140, 240], np.uint8), 22)[None, :64, None] + np.zeros((4, 1, 3), np.uint8)


@pytest.mark.parametrize(
    ("pixels", "kind", "certain"),
    [
        (table(), "other", True),
        (table(32), "other", True),
        (table(16, washed_out), "other", True),
        (table(16, lambda colors: colors[..., [1, 2, 0]]), "other", True),
        (np.rot90(table()), "other", True),
        (table(64), "other", True),
        (np.rot90(table(64)), "other", True),
        (table()[::-1], "other", True),
        (in_grid(table(), 4), "other", True),
        (in_grid(table(64), 8), "other", True),
        (cross(), "environment", True),
        (cross().swapaxes(0, 1), "environment", True),
        (np.concatenate(faces(), axis=1), "environment", True),
        (np.concatenate(faces()), "environment", True),
        (ramp(SUNSET), "other", False),
        (ramp(SUNSET, 256, 1), "other", False),
        (ramp(SUNSET, 64, 64).swapaxes(0, 1), "other", False),
        (ramp([(0,), (255,)], 128, 4), "other", False),
        (ramp([(255, 255, 255, 0), (255, 255, 255, 255)], 64, 32), "other", False),
        (STEPS, "other", False),
        (noise(), "other", False),
        (noise(256, 1), "other", False),
    ],
)
def test_a_layout_shows_what_an_image_is(pixels: Pixels, kind: str, certain: bool) -> None:
    found = recognise(decoded(pixels))
    assert found is not None and (found.kind, found.certain) == (kind, certain)


def striped(count: int = 3) -> Pixels:
    return np.repeat(np.random.default_rng(2).integers(0, 255, (1, count, 3), np.uint8), 64 // count, axis=1)


def sheet() -> Pixels:
    """Frames of one sprite on a plain ground: their edges meet, as those of a cube do."""
    frame = np.full((64, 64, 3), 30, np.uint8)
    frame[16:48, 16:48] = 200
    return frame


@pytest.mark.parametrize(
    "pixels",
    [
        bricks(),
        button(),
        normal_map(),
        bytes_of(surface(128))[..., None],
        np.full((64, 64, 3), 90, np.uint8),
        np.full((16, 256, 3), 90, np.uint8),
        bricks()[:16],
        ramp(SUNSET, 64, 64) // 2 + bricks(64) // 2,
        np.broadcast_to(striped(), (64, 63, 3)).copy(),
        np.concatenate([sheet()] * 6, axis=1),
        np.concatenate([np.concatenate([sheet()] * 4, axis=1)] * 3),
        np.concatenate([bricks(64)] * 6, axis=1),
        np.resize(bricks(), (192, 256, 3)),
        (noise() // 8 + 100).astype(np.uint8),
        np.repeat(np.repeat(noise(), 4, axis=0), 4, axis=1),
        np.indices((64, 64)).sum(axis=0)[..., None] % 2 * np.full(3, 255, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((1, 4, 4), np.uint8),
    ],
)
def test_what_only_looks_like_it_shows_nothing(pixels: Pixels) -> None:
    assert recognise(decoded(pixels.astype(np.uint8))) is None


def test_light_all_around_may_still_be_named_otherwise() -> None:
    light = np.random.default_rng(1).gamma(2, 0.5, (64, 128, 3)).astype(np.float32)
    found = recognise(decoded(light, "hdr"))
    assert found is not None and (found.kind, found.certain) == ("environment", False)
    assert recognise(decoded(light[:, :100], "hdr")) is None
    assert recognise(decoded(np.minimum(light, 1), "exr")) is None


def test_a_file_that_declares_a_cube_is_one() -> None:
    declared = msgspec.structs.replace(decoded(bricks()), cube=True)
    found = recognise(declared)
    assert found is not None and found.kind == "environment" and found.certain


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_tables_of_other_types_are_recognised_too(kind: str) -> None:
    scale = 65535 / 255 if kind == "uint16" else 1 / 255
    found = recognise(decoded((table() * scale).astype(kind), "exr"))
    assert found is not None and found.kind == "other"
