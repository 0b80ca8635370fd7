"""How near guesses come to the true maps of materials that nothing was learned from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct

from accel.image.operation import Operated
from accel.image.raster import Raster
from accel.texture.estimate_pbr import EstimatePbr, estimate_pbr
from accel.workload import Limits
from tools.train.surfaces.examples import Example, Floats, slopes_of, vectors_of

EDGE = 4
"""Texels at the edges that don't count: what is true there depends on what lies beyond."""
FLAT = "flat"
METHODS = (FLAT, "luminance", "network")
MAPS = ("angle", "slopes", "height", "rough error", "rough")
LEAST = {"slopes": 1e-3, "height": 1e-3, "rough": 4 / 255}
"""Spreads of true maps below which there is nothing to correlate with."""

Guess = Mapping[str, Floats]
"""`slopes` (2 x h x w), `height` (h x w) and `roughness` (h x w)."""


class Figures(Struct, frozen=True):
    """Means over the materials of one group, by method and map; how many each is of, and on how many of those
    the network is nearer than luminance."""

    means: Mapping[str, Mapping[str, float]]
    counts: Mapping[str, int]
    nearer: Mapping[str, int]


def measured(
    held_out: Sequence[Example], network: Callable[[Example], Guess] | None = None
) -> dict[str, Figures]:
    """By source, with `real` and `rendered` for all of them.

    The methods are those of the program as it ships them, but for `network`, where a function is given.
    """
    found: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(
        lambda: {method: defaultdict(list) for method in METHODS}
    )
    for one in held_out:
        for method in METHODS:
            guess = network(one) if network and method == "network" else guessed(one, method)
            for name, value in scores(one, guess).items():
                groups = {one.source, "rendered" if one.source == "rendered" else "real"}
                for group in groups:
                    found[group][method][name].append(value)
    return {
        group: Figures(
            {
                method: {name: float(np.mean(values)) for name, values in of.items()}
                for method, of in methods.items()
            },
            {name: len(values) for name, values in methods[FLAT].items()},
            {
                name: _nearer(name, values, methods["luminance"][name])
                for name, values in methods["network"].items()
            },
        )
        for group, methods in found.items()
    }


def guessed(example: Example, method: str) -> Guess:
    """What the program makes of the colours."""
    size = example.albedo.shape[:2]
    if method == FLAT:
        nothing = np.zeros(size, np.float32)
        level = np.full(size, EstimatePbr().roughness, np.float32)
        return {"slopes": np.stack([nothing, nothing]), "height": nothing, "roughness": level}
    raster = Raster("a.png", np.ascontiguousarray(example.albedo), False, "srgb", "png")
    made = estimate_pbr.operate([raster], EstimatePbr(method=method, bits="16"), Limits())
    return maps_of(made)


def maps_of(made: Operated) -> Guess:
    """The operation's images as numbers."""
    values = {name: image.pixels / np.float32(65535) for name, image in made.images.items()}
    return {
        "slopes": slopes_of(values["normal"] * 2 - 1),
        "height": values["height"][..., 0],
        "roughness": values["roughness"][..., 0],
    }


def scores(example: Example, guess: Guess) -> dict[str, float]:
    """By name of MAPS, of what is known: degrees, correlations, and the mean difference of roughness."""
    inner = slice(EDGE, -EDGE)
    found: dict[str, float] = {}
    if example.slopes is not None:
        true, made = (one[:, inner, inner].astype(np.float32) for one in (example.slopes, guess["slopes"]))
        cosines = (vectors_of(true) * vectors_of(made)).sum(0)
        found["angle"] = float(np.degrees(np.arccos(cosines.clip(-1, 1))).mean())
        found.update(_alike("slopes", true, made))
    if example.height is not None:
        found.update(_alike("height", example.height[inner, inner], guess["height"][inner, inner]))
    if example.roughness is not None:
        true = example.roughness[inner, inner] / np.float32(255)
        made = guess["roughness"][inner, inner]
        found["rough error"] = float(np.abs(true - made).mean())
        found.update(_alike("rough", true, made))
    return found


def _nearer(name: str, one: Sequence[float], other: Sequence[float]) -> int:
    # Of angles and errors less is nearer, of correlations more.
    sign = 1 if name in LEAST else -1
    return sum(sign * mine > sign * plain for mine, plain in zip(one, other, strict=True))


def _alike(name: str, true: Floats, made: Floats) -> dict[str, float]:
    one, other = (values.astype(np.float64).ravel() for values in (true, made))
    if one.std() < LEAST[name]:
        return {}
    one, other = one - one.mean(), other - other.mean()
    energy = float(np.sqrt((one @ one) * (other @ other)))
    return {name: float(one @ other) / energy if energy > 1e-9 else 0.0}
