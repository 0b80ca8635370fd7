"""Draws the twelve textures of the demo and defines their initial import settings, half of them wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.texture.kinds import Kind
from bridge.core.textures import TextureIntent

Pixels = NDArray[np.float64]
"""Height x width x channels, 0 to 1."""

SIZE = 512

MATERIAL = TextureIntent(compression="block", mipmaps=True)
FLAT = TextureIntent(compression="lossless", mipmaps=False)


ROCK, BRICK = "materials/rock_albedo.png", "materials/brick_albedo.png"


class DemoTexture(Struct, frozen=True):
    """A texture file, its content and its initial import settings."""

    file: str
    draw: Callable[[], Pixels]
    imported: TextureIntent
    kind: Kind = "albedo"
    albedo: str = ""
    """The file with the colours of the same material."""


def textures() -> list[DemoTexture]:
    """Returns the twelve textures; the first six have wrong import settings."""
    rock, brick = noise(1), bricks()
    return [
        DemoTexture("materials/rock_normal.png", lambda: normals(rock, 3.0), FLAT, "normal", ROCK),
        DemoTexture(
            "materials/brick_normal.png", lambda: directx(normals(brick, 2.0)), FLAT, "normal", BRICK
        ),
        DemoTexture(
            "materials/rock_roughness.png",
            lambda: grey(0.45 + 0.4 * rock),
            FLAT.over(SRGB),
            "roughness",
            ROCK,
        ),
        DemoTexture(ROCK, lambda: tint(rock, (0.45, 0.40, 0.36)), FLAT),
        DemoTexture("ui/button.png", button, TextureIntent(mipmaps=True).over(FLAT), "ui"),
        DemoTexture("ui/icon.png", lambda: disc(64), TextureIntent(compression="block").over(FLAT), "ui"),
        DemoTexture(BRICK, lambda: tint(brick, (0.60, 0.27, 0.20)), MATERIAL.over(SRGB)),
        DemoTexture("materials/wall_normal.png", lambda: normals(noise(5), 4.0), NORMAL),
        DemoTexture("materials/metal_orm.png", lambda: packed(noise(7), noise(8)), MATERIAL.over(LINEAR)),
        DemoTexture("ui/panel.png", opaque_panel, FLAT),
        DemoTexture("sprites/hero.png", lambda: disc(128), FLAT),
        DemoTexture("photos/sky.png", sky, FLAT),
    ]


SRGB = TextureIntent(color_space="srgb")
LINEAR = TextureIntent(color_space="linear")
NORMAL = TextureIntent(kind="normal", compression="block", mipmaps=True, color_space="linear", alpha="none")


def save(pixels: Pixels, path: Path) -> None:
    """Writes an 8-bit PNG with one to four channels."""
    import pyvips

    path.parent.mkdir(parents=True, exist_ok=True)
    bytes_ = np.ascontiguousarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
    height, width, bands = bytes_.shape
    image: Any = pyvips.Image.new_from_memory(bytes_.data, width, height, bands, "uchar")
    image = image.copy(interpretation="b-w" if bands < 3 else "srgb")
    # libvips' error for a full disk names neither the disk nor the file.
    path.write_bytes(image.pngsave_buffer(compression=6))


def noise(seed: int, size: int = SIZE) -> Pixels:
    """A tileable height field with a 1/f spectrum, 0 to 1."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij"))
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / (frequency * size / 4 + 0.2) ** 1.6
    field: Pixels = np.fft.irfft2(spectrum, s=(size, size))
    scaled: Pixels = (field - field.min()) / np.ptp(field)
    return scaled


def bricks(size: int = SIZE) -> Pixels:
    """Rows of bricks with mortar between them and a rough face."""
    y, x = np.mgrid[0:size, 0:size] / size
    row = np.floor(y * 8)
    across, up = (x * 4 + row % 2 / 2) % 1, y * 8 % 1
    edge = np.minimum(np.minimum(across, 1 - across) * 4, np.minimum(up, 1 - up) * 2)
    face: Pixels = np.clip(edge * 6, 0, 1) * 0.8 + 0.2 * noise(3, size)
    return face


def normals(height: Pixels, strength: float) -> Pixels:
    """The tangent-space normals of a tileable height field, green up (OpenGL)."""
    scale = strength * height.shape[0] / 64
    dx = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * scale
    dy = (np.roll(height, 1, 0) - np.roll(height, -1, 0)) * scale
    vector = np.dstack([-dx, -dy, np.ones_like(height)])
    unit: Pixels = vector / np.linalg.norm(vector, axis=2, keepdims=True)
    return unit / 2 + 0.5


def directx(pixels: Pixels) -> Pixels:
    """Returns a normal map with its green channel turned: DirectX's y points down."""
    return np.stack([pixels[..., 0], 1 - pixels[..., 1], pixels[..., 2]], axis=2)


def grey(field: Pixels) -> Pixels:
    return np.repeat(field[..., None], 3, axis=2)


def tint(field: Pixels, color: tuple[float, float, float]) -> Pixels:
    color_field: Pixels = field[..., None] ** 0.7 * np.array(color) * 1.5
    return color_field


def packed(roughness: Pixels, metallic: Pixels) -> Pixels:
    """Occlusion, roughness and metallic in red, green and blue."""
    return np.dstack([0.6 + 0.4 * roughness, roughness, (metallic > 0.5) * 1.0])


def disc(size: int) -> Pixels:
    """A round token on transparent ground."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    radius = np.hypot(x, y)
    color = np.dstack([0.9 - 0.3 * radius, 0.7 - 0.5 * radius, 0.2 + 0 * radius])
    return np.dstack([color, np.clip((0.9 - radius) * size / 4, 0, 1)])


def button() -> Pixels:
    """A rounded button with a gradient."""
    y, x = np.mgrid[-1:1:64j, -1:1:192j]
    outside = np.maximum(np.abs(x) * 3 - 2.6, 0) ** 2 + np.maximum(np.abs(y) - 0.55, 0) ** 2
    alpha = np.clip((0.16 - outside) * 40, 0, 1)
    shade = 0.75 - 0.25 * y
    return np.dstack([0.15 * shade, 0.45 * shade, 0.85 * shade, alpha])


def opaque_panel() -> Pixels:
    """A panel with an unused alpha channel."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    frame = (np.maximum(np.abs(x), np.abs(y)) > 0.94) * 0.35
    return np.dstack([0.16 + frame, 0.18 + frame, 0.22 + frame, np.ones_like(frame)])


def sky() -> Pixels:
    """Mostly blue, but not a normal map."""
    height = np.linspace(1, 0, 400)[:, None]
    clouds = noise(11)[:400, :] ** 3
    return np.dstack(
        [0.35 * height + clouds, 0.55 * height + 0.2 + clouds, 0.75 + 0.25 * height + 0 * clouds]
    )
