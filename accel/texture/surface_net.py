"""Heights of a surface by the shipped network, tile by tile."""

from __future__ import annotations

import numpy as np

from accel.ai.sessions import Network, networks
from accel.ai.tiles import Enlarger, tiled
from accel.image.decoded import Pixels, full_scale
from accel.image.light import Floats
from accel.image.raster import Raster
from accel.texture.shading import coded
from accel.workload import Limits

MODEL, FILE = "estimate-pbr", "surface.onnx"

STEP = 8
"""What the sides of a piece must be multiples of: the network halves it three times."""
MARGIN = 56
"""Texels around a piece by which it is decided, rounded up to whole steps: where it begins and ends at a
whole step 54. Elsewhere it is up to 58, which the values up to the next whole step make good."""
TILE = 512


def heights(image: Raster, wrap: bool, limits: Limits) -> Floats:
    """Height x width, texels, of mean 0; with `wrap` it tiles, exactly where the sides are multiples of 8.

    Raises WorkloadError where the model isn't sound.
    """
    network = networks(limits).get(MODEL, FILE)
    top = np.float32(full_scale(image.pixels.dtype))
    colors = image.colors

    def take(piece: Pixels) -> Floats:
        values = coded(piece[..., :colors], top)
        return values if colors == 3 else np.repeat(values, 3, axis=2)

    enlarger = Enlarger(lambda piece: _run(network, piece), 1, MARGIN, TILE)
    made: Floats = tiled(enlarger, image.pixels, take, lambda values: values, wrap=wrap)[..., 0]
    return made - np.float32(made.mean(dtype=np.float64))


def _run(network: Network, piece: Floats) -> Floats:
    """What lies within the margins; the piece goes on with its last values up to whole steps."""
    height, width = piece.shape[:2]
    rest = [(0, -side % STEP) for side in (height, width)]
    found = network.image(np.pad(piece, (*rest, (0, 0)), "edge"))
    return found[:, MARGIN : height - MARGIN, MARGIN : width - MARGIN].transpose(1, 2, 0)
