"""Recognises images by the layout of their pixels: cube maps, panoramas, lookup tables, ramps and noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.pixel_data import DecodedImage, Pixels, full_scale
from accel.text import Text, text
from accel.texture.kinds import Kind

Floats = NDArray[np.floating[Any]]

MIN_FACE = 16
"""Texels a side of the smallest face of a cube map that is recognised."""
MAX_STEP = 0.06
"""Largest mean step across an edge that two faces of a cube share."""
MIN_EDGE_DEVIATION = 0.02
"""Least standard deviation along such edges: plain ones also meet in sprite sheets."""
MIN_APART = 2.5
"""How many times larger the steps between edges that don't meet are."""
MIN_TABLE = 8
"""Entries a side of the smallest colour lookup table that is recognised."""
MIN_FIT = 0.75
"""Least share of each channel's variance that the position in a colour lookup table explains."""
MIN_SLOPE = 0.02
"""Least change of luma along each axis of a colour lookup table."""
FLAT = 3.5 / 255
"""Largest deviation from the mean along the constant dimension of a ramp, for block compression."""
MIN_RAMP = 5 / 255
"""Least standard deviation along a ramp."""
MIN_TONES = 8
"""Fewest tones of a ramp that isn't elongated: fewer are stripes."""
ELONGATED = 8
"""Aspect ratio of ramps that may have few tones, as those of cel shading."""
NOISE_DEVIATION = 0.2
"""Least standard deviation of a channel of noise; that of uniform noise is 0.29."""
NOISE_CORRELATION = 0.12
"""Largest correlation of neighbouring texels in noise; in blue noise it is negative."""

_SAMPLE = 128
"""Most texels a side that are looked at."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class Layout(Struct, frozen=True):
    """A kind that the layout of the pixels shows."""

    kind: Kind
    text: Text
    certain: bool
    """Whether it outweighs names; else it counts where no name says something else."""


def recognise(decoded: DecodedImage) -> Layout | None:
    """Returns what the layout shows; None for most images."""
    pixels = decoded.pixels
    height, width = pixels.shape[:2]
    if decoded.cube or _is_cross(decoded) or _is_strip_of_faces(decoded):
        return Layout("environment", text("faces of a cube"), True)
    colors = pixels.shape[2] - decoded.has_alpha
    if pixels.dtype.kind == "f" and width == 2 * height and colors == 3 and float(pixels.max()) > 1.05:
        return Layout("environment", text("light brighter than white"), False)
    if colors == 3 and _is_color_table(decoded):
        return Layout("other", text("colour lookup table"), True)
    if _is_ramp(decoded):
        return Layout("other", text("ramp"), False)
    return Layout("other", text("noise"), False) if _is_noise(decoded) else None


def _values(pixels: Pixels, decoded: DecodedImage) -> Floats:
    """Returns height x width x channels as 0..1; floats are clipped."""
    scaled = pixels.astype(np.float32) / np.float32(full_scale(pixels.dtype))
    return np.asarray(np.clip(scaled, 0, 1))


def _colors(pixels: Pixels, decoded: DecodedImage) -> Floats:
    """Returns the colours without alpha."""
    values = _values(pixels, decoded)
    return values[..., :-1] if decoded.has_alpha and values.shape[-1] > 1 else values


def _spread(length: int, most: int = _SAMPLE) -> NDArray[np.intp]:
    """Returns at most `most` different places, evenly spread from first to last."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).astype(np.intp))


def _is_cross(decoded: DecodedImage) -> bool:
    """Whether it is a cross of six faces: four around, one above, one below, and nothing in the corners."""
    height, width = decoded.pixels.shape[:2]
    if 3 * width == 4 * height:
        pixels = decoded.pixels
    elif 4 * width == 3 * height:
        pixels = decoded.pixels.swapaxes(0, 1)
    else:
        return False
    side = pixels.shape[0] // 3
    if side < MIN_FACE or pixels.shape[0] % 3:
        return False
    cells = [
        [pixels[side * y : side * (y + 1), side * x : side * (x + 1)] for x in range(4)] for y in range(3)
    ]
    above, below = ([not _is_plain(cell, decoded) for cell in cells[row]] for row in (0, 2))
    if sum(above) != 1 or above != below:
        return False
    at = above.index(True)
    around = cells[1]
    seams = [(around[x][:, -1], around[x + 1][:, 0]) for x in range(3)]
    seams += [(cells[0][at][-1], around[at][0]), (around[at][-1], cells[2][at][0])]
    return _meet(seams, decoded)


def _is_plain(cell: Pixels, decoded: DecodedImage) -> bool:
    values = _values(cell[:: max(1, len(cell) // 32), :: max(1, len(cell) // 32)], decoded)
    if decoded.has_alpha and not values[..., -1].any():
        return True
    return bool(values.std(axis=(0, 1)).max() < 0.01)


def _is_strip_of_faces(decoded: DecodedImage) -> bool:
    """Whether it is six faces in a row or a column, in the order of graphics APIs: +x, -x, +y, -y, +z, -z.

    Seen from inside, +z, +x, -z and -x follow each other to the right (OpenGL 4.6, table 8.19).
    """
    height, width = decoded.pixels.shape[:2]
    side = min(height, width)
    if side < MIN_FACE or max(height, width) != 6 * side:
        return False
    faces = [
        decoded.pixels[:, side * at : side * (at + 1)]
        if width > height
        else decoded.pixels[side * at : side * (at + 1)]
        for at in range(6)
    ]
    around = [faces[at] for at in (4, 0, 5, 1)]
    seams = [(around[at][:, -1], around[(at + 1) % 4][:, 0]) for at in range(4)]
    apart = [(around[at][:, -1], around[(at + 2) % 4][:, 0]) for at in range(4)]
    return _meet(seams, decoded) and _step(apart, decoded) > MIN_APART * _step(seams, decoded)


def _meet(seams: list[tuple[Pixels, Pixels]], decoded: DecodedImage) -> bool:
    """Whether the two edges of each seam are nearly equal, and not plain."""
    edges = np.stack([_values(edge, decoded) for seam in seams for edge in seam])
    return bool(edges.std(axis=1).max() > MIN_EDGE_DEVIATION) and _step(seams, decoded) < MAX_STEP


def _step(seams: list[tuple[Pixels, Pixels]], decoded: DecodedImage) -> float:
    return float(np.mean([np.abs(_values(a, decoded) - _values(b, decoded)).mean() for a, b in seams]))


def _is_color_table(decoded: DecodedImage) -> bool:
    """Whether it is a cube of colours cut into square slices, as a strip or a grid: red by column, green
    by row, blue by slice, however they were graded."""
    height, width = decoded.pixels.shape[:2]
    side = round((width * height) ** (1 / 3))
    if side < MIN_TABLE or side**3 != width * height or width % side or height % side:
        return False
    # Of a strip of 64 slices 64 places would have the same step in and between slices.
    rows, columns = _spread(height, 192), _spread(width, 192)
    colors = _colors(decoded.pixels[rows[:, None], columns], decoded).reshape(-1, 3)
    slices = rows[:, None] // side * (width // side) + columns // side
    places = np.broadcast_arrays(1.0, columns % side, rows[:, None] % side, slices)
    axes = np.stack([np.asarray(one, float).ravel() for one in places], axis=1)
    axes[:, 1:] /= side - 1
    # The normal equations take a hundredth of the time of a decomposition.
    factors = np.linalg.lstsq(axes.T @ axes, axes.T @ colors, rcond=None)[0]
    left = ((colors - axes @ factors) ** 2).mean(axis=0)
    total = colors.var(axis=0)
    fits = left <= (1 - MIN_FIT) * np.maximum(total, 1e-6)
    return bool(fits.all() and (np.abs(factors[1:] @ _LUMA) > MIN_SLOPE).all())


def _is_ramp(decoded: DecodedImage) -> bool:
    """Whether one dimension is constant and the other isn't."""
    height, width = decoded.pixels.shape[:2]
    if max(height, width) < MIN_TONES:
        return False
    values = _values(decoded.pixels[_spread(height)[:, None], _spread(width)], decoded)
    along = [values.mean(axis=axis) for axis in (0, 1)]
    plain = [
        bool(np.abs(values - np.expand_dims(line, axis)).max() <= FLAT) for axis, line in enumerate(along)
    ]
    if plain[0] == plain[1]:
        return False
    line = along[plain.index(True)]
    tones = len(np.unique(np.round(line * 255), axis=0))
    elongated = max(height, width) >= ELONGATED * min(height, width)
    return bool(line.std(axis=0).max() > MIN_RAMP) and (tones >= MIN_TONES or elongated)


def _is_noise(decoded: DecodedImage) -> bool:
    """Whether it is white or blue noise: uniform values, and neighbours that are independent or unlike."""
    height, width = decoded.pixels.shape[:2]
    if min(height, width) < MIN_FACE:
        return False
    values = _colors(decoded.pixels[:_SAMPLE, :_SAMPLE], decoded)
    varied = [values[..., at] for at in range(values.shape[-1]) if values[..., at].std() > 0.01]
    return bool(varied) and all(map(_is_noisy, varied))


def _is_noisy(channel: Floats) -> bool:
    strays = channel - channel.mean()
    variance = float((strays**2).mean())
    if variance < NOISE_DEVIATION**2:
        return False
    pairs = ((strays[1:], strays[:-1]), (strays[:, 1:], strays[:, :-1]))
    correlations = [float((one * other).mean()) / variance for one, other in pairs]
    quarters = np.histogram(channel, 4, (0, 1))[0] / channel.size
    uniform = quarters.min() > 0.15 and quarters.max() < 0.35
    return uniform and all(-0.5 < one < NOISE_CORRELATION for one in correlations)
