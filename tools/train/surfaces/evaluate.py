"""Measures predicted maps against the true maps of materials that nothing was trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct

from accel.image.operation import Operated
from accel.image.raster import Raster
from accel.texture.workloads import EstimatePbr, estimate_pbr
from accel.workload import Limits
from tools.train.surfaces.dataset import PROCEDURAL, Example, Floats, normals_of, slopes_of

EDGE = 4
"""Texels at the edges that are ignored: their true slopes depend on what lies beyond."""
FLAT = "flat"
METHODS = (FLAT, "luminance", "network")
METRICS = ("angle", "slopes", "height", "rough error", "rough")
MIN_DEVIATION = {"slopes": 1e-3, "height": 1e-3, "rough": 4 / 255}
"""True maps with a smaller deviation have nothing to correlate with."""

Maps = Mapping[str, Floats]
"""`slopes` (2 x h x w), `height` (h x w) and `roughness` (h x w)."""


class Figures(Struct, frozen=True):
    """Metrics of one group of materials."""

    means: Mapping[str, Mapping[str, float]]
    """By method and metric."""
    counts: Mapping[str, int]
    """By metric, materials with such a map."""
    better: Mapping[str, int]
    """By metric, materials for which the network is better than luminance."""


def evaluate(
    held_out: Sequence[Example], network: Callable[[Example], Maps] | None = None
) -> dict[str, Figures]:
    """Returns figures by source, and for all `real` and all `rendered` materials.

    Methods are those of the program, except that `network`, if given, replaces the shipped network.
    """
    values: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(
        lambda: {method: defaultdict(list) for method in METHODS}
    )
    for example in held_out:
        for method in METHODS:
            maps = network(example) if network and method == "network" else predict(example, method)
            for name, value in metrics(example, maps).items():
                for group in {example.source, PROCEDURAL if example.source == PROCEDURAL else "real"}:
                    values[group][method][name].append(value)
    return {
        group: Figures(
            {
                method: {name: float(np.mean(found)) for name, found in of.items()}
                for method, of in methods.items()
            },
            {name: len(found) for name, found in methods[FLAT].items()},
            {
                name: _count_better(name, found, methods["luminance"][name])
                for name, found in methods["network"].items()
            },
        )
        for group, methods in values.items()
    }


def predict(example: Example, method: str) -> Maps:
    """Returns the maps that the program computes from the colours."""
    size = example.albedo.shape[:2]
    if method == FLAT:
        zeros = np.zeros(size, np.float32)
        roughness = np.full(size, EstimatePbr().roughness, np.float32)
        return {"slopes": np.stack([zeros, zeros]), "height": zeros, "roughness": roughness}
    raster = Raster("a.png", np.ascontiguousarray(example.albedo), False, "srgb", "png")
    return maps_of(estimate_pbr.operate([raster], EstimatePbr(method=method, bits="16"), Limits()))


def maps_of(operated: Operated) -> Maps:
    """Converts the images of `texture.estimate_pbr` to maps."""
    values = {name: image.pixels / np.float32(65535) for name, image in operated.images.items()}
    return {
        "slopes": slopes_of(values["normal"] * 2 - 1),
        "height": values["height"][..., 0],
        "roughness": values["roughness"][..., 0],
    }


def metrics(example: Example, maps: Maps) -> dict[str, float]:
    """Returns the METRICS that the material's maps allow: degrees, correlations, mean roughness error."""
    inner = slice(EDGE, -EDGE)
    found: dict[str, float] = {}
    if example.slopes is not None:
        true, predicted = (
            slopes[:, inner, inner].astype(np.float32) for slopes in (example.slopes, maps["slopes"])
        )
        cosines = (normals_of(true) * normals_of(predicted)).sum(0)
        found["angle"] = float(np.degrees(np.arccos(cosines.clip(-1, 1))).mean())
        found.update(_correlation("slopes", true, predicted))
    if example.height is not None:
        found.update(_correlation("height", example.height[inner, inner], maps["height"][inner, inner]))
    if example.roughness is not None:
        true = example.roughness[inner, inner] / np.float32(255)
        predicted = maps["roughness"][inner, inner]
        found["rough error"] = float(np.abs(true - predicted).mean())
        found.update(_correlation("rough", true, predicted))
    return found


def _count_better(name: str, values: Sequence[float], others: Sequence[float]) -> int:
    # Lower is better for angles and errors, higher for correlations.
    sign = 1 if name in MIN_DEVIATION else -1
    return sum(sign * value > sign * other for value, other in zip(values, others, strict=True))


def _correlation(name: str, true: Floats, predicted: Floats) -> dict[str, float]:
    one, other = (values.astype(np.float64).ravel() for values in (true, predicted))
    if one.std() < MIN_DEVIATION[name]:
        return {}
    one, other = one - one.mean(), other - other.mean()
    energy = float(np.sqrt((one @ one) * (other @ other)))
    return {name: float(one @ other) / energy if energy > 1e-9 else 0.0}
