"""Procedural materials with their true maps; some generators are kept for measuring."""

from __future__ import annotations

import numpy as np

from tools.train.render import maps
from tools.train.render.field import chance, pick, spread
from tools.train.render.ground import GROWN
from tools.train.render.masonry import LAID
from tools.train.surfaces.examples import Example, sobel

SOURCE = "rendered"
HELD_OUT = ("cobbles", "roof", "bark", "leather")
"""Generators that nothing is learned from."""
UNUSED = ("leaves",)
"""Leaves are a cut-out, with nothing between them."""
SIDE = 256


def rendered(count: int, seed: int, *, held_out: bool) -> list[Example]:
    """So many materials of the generators that are held out, or of all others."""
    generators = [
        one
        for one in (*LAID, *GROWN)
        if one.__name__ not in UNUSED and (one.__name__ in HELD_OUT) == held_out
    ]
    return [_example(generators[index % len(generators)], seed + index) for index in range(count)]


def _example(generator, seed: int) -> Example:
    rng = np.random.default_rng([seed, 77])
    material = generator(rng, (SIDE, SIDE))
    style = pick(rng, ("photo", "painted", "flat", "grey"), (6, 3, 1, 1))
    colours = maps.colour(rng, material, style)
    if style == "grey":
        colours = np.repeat(colours.mean(-1, keepdims=True), 3, -1)
    depth = material.relief * (spread(rng, 0.5, 2) if chance(rng, 0.7) else 1)
    slopes = sobel(material.height * np.float32(depth))
    rough = maps.roughness(rng, material)
    return Example(
        SOURCE,
        f"{generator.__name__}-{seed}",
        (colours.clip(0, 1) * 255 + 0.5).astype(np.uint8),
        slopes.clip(-8, 8).astype(np.float16),
        material.height.astype(np.float16),
        (rough.clip(0, 1) * 255 + 0.5).astype(np.uint8),
    )
