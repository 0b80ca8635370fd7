"""EfficientNet-Lite0 as an ONNX file, of weights for PyTorch (Tan and Le, 2019; Lite: no squeeze, ReLU6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.models.graph import GraphBuilder
from accel.models.manifest import File
from accel.models.torch_file import Unreadable, weights

EPSILON = 1e-3
"""Of the normalisations, as TensorFlow trained them."""


class Stage(Struct, frozen=True):
    """Blocks of one kind; the first may halve the picture."""

    blocks: int
    kernel: int
    stride: int
    expansion: int


STAGES = (
    Stage(1, 3, 1, 1), Stage(2, 3, 2, 6), Stage(2, 5, 2, 6), Stage(3, 3, 2, 6), Stage(3, 5, 1, 6),
    Stage(4, 5, 2, 6), Stage(1, 3, 1, 6),
)  # fmt: skip


def to_onnx(parts: Sequence[bytes], file: File) -> bytes:
    """From an image to its features, the mean over the last layer, of length 1. Raises Unreadable."""
    assert file.graph is not None
    (data,) = parts
    (given,), (wanted,) = file.graph.inputs, file.graph.outputs
    builder = _Builder(weights(data))
    try:
        builder.features(given.name, wanted.name)
    except KeyError as error:
        raise Unreadable(f"it has no {error.args[0]}") from None
    return builder.graph.file([given], [wanted])


class _Builder:
    def __init__(self, tensors: dict[str, NDArray[Any]]) -> None:
        self.graph = GraphBuilder("efficientnet-lite0")
        self._tensors = tensors
        # Inputs of Clip, as ReLU6 is written.
        self._low, self._high = (self.graph.constant(np.array(one, np.float32)) for one in (0, 6))

    def features(self, image: str, output: str) -> None:
        value = self._relu6(self._convolution(image, "_conv_stem", "_bn0", stride=2))
        number = 0
        for stage in STAGES:
            for index in range(stage.blocks):
                value = self._block(value, f"_blocks.{number}.", stage, stage.stride if index == 0 else 1)
                number += 1
        value = self._relu6(self._convolution(value, "_conv_head", "_bn1"))
        pooled = self.graph.add("Flatten", [self.graph.add("GlobalAveragePool", [value])])
        self.graph.add("LpNormalization", [pooled], output, axis=1, p=2)

    def _block(self, value: str, name: str, stage: Stage, stride: int) -> str:
        """Wider, filtered by channel, narrower again, and added to what came in where both are alike."""
        inside = value
        if stage.expansion != 1:
            inside = self._relu6(self._convolution(value, name + "_expand_conv", name + "_bn0"))
        inside = self._relu6(
            self._convolution(inside, name + "_depthwise_conv", name + "_bn1", stride=stride, by_channel=True)
        )
        inside = self._convolution(inside, name + "_project_conv", name + "_bn2")
        first = name + ("_expand_conv" if stage.expansion != 1 else "_depthwise_conv") + ".weight"
        comes = self._tensors[first].shape[1 if stage.expansion != 1 else 0]
        goes = self._tensors[name + "_project_conv.weight"].shape[0]
        return self.graph.add("Add", [inside, value]) if stride == 1 and comes == goes else inside

    def _convolution(
        self, value: str, name: str, norm: str, *, stride: int = 1, by_channel: bool = False
    ) -> str:
        """A convolution with the normalisation after it folded into its weights."""
        kernel = self._tensors[name + ".weight"].astype(np.float64)
        scale, shift, mean, variance = (
            self._tensors[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + EPSILON)
        kernel = (kernel * factor[:, None, None, None]).astype(np.float32)
        bias = (shift - mean * factor).astype(np.float32)
        return self.graph.add(
            "Conv",
            [value, self.graph.constant(kernel), self.graph.constant(bias)],
            # As TensorFlow pads: what is left over goes to the right and below.
            auto_pad="SAME_UPPER",
            group=len(kernel) if by_channel else 1,
            kernel_shape=kernel.shape[2:],
            strides=(stride, stride),
        )

    def _relu6(self, value: str) -> str:
        return self.graph.add("Clip", [value, self._low, self._high])
