"""What the backbone sees in pictures, computed by the same program as in the shipped model."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tools.train import backbone, export


def seen(weights: Path, pictures: NDArray[np.uint8], patches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rows x values, those of the picture first."""
    # One by one, as textures are judged: the last bits of a batch's values may differ.
    pairs = zip(pictures, patches, strict=True)
    run = _session(weights).run
    return np.concatenate(
        [run(None, {"picture": one[None], "patch": other[None]})[0] for one, other in pairs]
    )


@cache
def _session(weights: Path) -> onnxruntime.InferenceSession:
    graph = export.Graph()
    values = graph.add("Concat", export.seen(graph, tuple(export.IMAGES), backbone.load(weights)), axis=1)
    options = onnxruntime.SessionOptions()
    # As many processes as cores are at it.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    made = export.serialised(graph, (values, "seen"), export.IMAGES, {})
    return onnxruntime.InferenceSession(made, options, providers=["CPUExecutionProvider"])
