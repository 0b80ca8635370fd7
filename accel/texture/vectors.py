"""Features of normal maps and packed data: what the channels of one texel say of each other."""

from __future__ import annotations

import numpy as np

from accel.texture.measures import centred, deviation, dot, mean, share
from accel.texture.views import Floats, Views

Features = dict[str, float]


def vectors(view: Views) -> Features:
    """Whether texels are unit vectors, in the layouts in which engines store them."""
    x, y, z, alpha = view.sample.reshape(4, -1) * 2 - 1
    length = np.sqrt(x * x + y * y + z * z)
    flat = (np.abs(x) < 9 / 255) & (np.abs(y) < 9 / 255)
    up = flat & (z > 1 - 12 / 255)
    bent = ~up
    unit = np.abs(length - 1)
    mean_x, mean_y = mean(x), mean(y)
    found = {
        "unit.tight": share(unit < 0.02),
        "unit.near": share(unit < 0.05),
        "unit.loose": share(unit < 0.15),
        "unit.bent": share(bent & (unit < 0.06)) / (share(bent) + 0.002),
        "unit.mean": mean(length),
        "unit.std": deviation(length),
        "unit.flat": share(flat),
        "unit.up": share(up),
        "unit.toward": share(z > 0),
        "unit.steep": share(z > 0.6),
        "unit.x": mean_x,
        "unit.y": mean_y,
        "unit.x_std": deviation(x),
        "unit.y_std": deviation(y),
        "unit.balance": abs(mean_x) + abs(mean_y),
        "unit.z_tied": _tied(x, y, z),
    }
    found |= _two_channels(x, y, z, alpha)
    return found


def _tied(x: Floats, y: Floats, z: Floats) -> float:
    """How well x and y foretell z, -1..1: in a normal map they do, whatever its strength."""
    expected = np.sqrt(np.maximum(0, 1 - x * x - y * y))
    expected, z = centred(expected), centred(z)
    size = float(np.sqrt(dot(expected, expected) * dot(z, z)))
    return dot(expected, z) / size if size > 1e-5 * x.size else 0.0


def _two_channels(red: Floats, green: Floats, blue: Floats, alpha: Floats) -> Features:
    """Vectors of two channels: red and green (BC5), or alpha and green (DXT5nm)."""
    disc = red * red + green * green
    swizzled = alpha * alpha + green * green
    return {
        "pair.disc": share(disc <= 1.02),
        "pair.centre": share(disc < 0.25),
        "pair.no_blue": share(blue < -0.98),
        "pair.swizzled": share(swizzled < 0.6),
        "pair.red_full": share(red > 0.98),
    }


def fields(view: Views) -> Features:
    """How slopes behave: those of a surface have no curl, and data channels don't share their edges."""
    patches = view.patches
    right = patches[:3, :, 1:-1, 2:] - patches[:3, :, 1:-1, :-2]
    down = patches[:3, :, 2:, 1:-1] - patches[:3, :, :-2, 1:-1]
    # p = -x / z, q = y / z for green up; see accel.image.curl.
    a, b = -down[0], right[1]
    energy = float((a * a).sum() + (b * b).sum())
    curl = 2 * float((a * b).sum()) / energy if energy > 1e-3 else 0.0
    sizes = np.abs(right) + np.abs(down)
    flat = sizes.reshape(3, -1)
    total = flat.sum(axis=1)
    strong = flat > 0.06
    both = [
        np.count_nonzero(strong[one] & strong[other]) / (np.count_nonzero(strong[one] | strong[other]) + 1)
        for one, other in ((0, 1), (0, 2), (1, 2))
    ]
    shared, agree = _likeness(flat), _likeness(right.reshape(3, -1))
    count = flat.shape[1]
    return {
        "curl.sign": curl,
        "curl.size": abs(curl),
        "edge.rg": shared[0],
        "edge.rb": shared[1],
        "edge.gb": shared[2],
        "edge.agree_rg": agree[0],
        "edge.agree_rb": agree[1],
        "edge.agree_gb": agree[2],
        "edge.both_rg": both[0],
        "edge.both_rb": both[1],
        "edge.both_gb": both[2],
        "edge.r": float(total[0]) / count,
        "edge.g": float(total[1]) / count,
        "edge.b": float(total[2]) / count,
    }


def _likeness(rgb: Floats) -> tuple[float, float, float]:
    """How far red goes with green, red with blue and green with blue; -1..1."""
    red, green, blue = rgb
    r, g, b = (np.sqrt((rgb * rgb).sum(axis=1)) + 1e-3).tolist()
    return dot(red, green) / (r * g), dot(red, blue) / (r * b), dot(green, blue) / (g * b)
