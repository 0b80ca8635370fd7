"""ncnn's layers as nodes of ONNX: those of which the networks in the catalogue consist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from accel.models.graph import GraphBuilder
from accel.models.manifest import File, Tensor
from accel.models.ncnn import Floats, Layer, Unreadable, Weights, layers

_NEAREST, _LINEAR = 1, 2
_BINARY = {0: "Add", 1: "Sub", 2: "Mul", 3: "Div", 4: "Max", 5: "Min"}
"""BinaryOp's operations."""


def to_onnx(parts: Sequence[bytes], file: File) -> bytes:
    """The ONNX file of a network whose .param and .bin are `parts`. Raises Unreadable.

    Its input and output are called and shaped as the record says.
    """
    assert file.graph is not None
    text, data = parts
    (given,), (wanted,) = file.graph.inputs, file.graph.outputs
    try:
        listed = layers(text.decode())
    except UnicodeDecodeError:
        raise Unreadable("its list of layers is no text") from None
    return Translation(listed, Weights(data)).file(given, wanted)


class Translation:
    """A network on its way: which value of the graph each of ncnn's blobs has become."""

    def __init__(self, listed: Sequence[Layer], weights: Weights) -> None:
        self._listed = listed
        self._weights = weights
        self._graph = GraphBuilder("network")
        self._values: dict[str, str] = {}
        self._channels: dict[str, int] = {}

    def file(self, given: Tensor, wanted: Tensor) -> bytes:
        """The whole file. Raises Unreadable."""
        last = ""
        for layer in self._listed:
            if layer.kind == "Input":
                self._set(layer.outputs[0], given.name, int(given.shape[1]))
                continue
            if layer.kind not in LAYERS:
                raise Unreadable(f"layer {layer.name} is of a kind that isn't known here ({layer.kind})")
            last = self._translate(layer)
        if self._weights.left:
            raise Unreadable(f"{self._weights.left} bytes of weights belong to no layer")
        self._graph.add("Identity", [last], wanted.name)
        return self._graph.file([given], [wanted])

    def _translate(self, layer: Layer) -> str:
        missing = [name for name in layer.inputs if name not in self._values]
        if missing:
            raise Unreadable(f"layer {layer.name} wants {missing[0]}, which no layer gives")
        return LAYERS[layer.kind](self, layer)

    def _set(self, blob: str, value: str, channels: int) -> str:
        self._values[blob] = value
        self._channels[blob] = channels
        return value

    def _input(self, layer: Layer) -> str:
        return self._values[layer.inputs[0]]

    def split(self, layer: Layer) -> str:
        for output in layer.outputs:
            self._set(output, self._input(layer), self._channels[layer.inputs[0]])
        return self._input(layer)

    def convolution(self, layer: Layer) -> str:
        weights, bias, window = self._weights_of(layer, outputs_first=True)
        made = self._graph.add("Conv", [self._input(layer), weights, *bias], **window)
        return self._set(layer.outputs[0], self._activated(layer, made), layer.integer(0))

    def deconvolution(self, layer: Layer) -> str:
        weights, bias, window = self._weights_of(layer, outputs_first=False)
        made = self._graph.add("ConvTranspose", [self._input(layer), weights, *bias], **window)
        return self._set(layer.outputs[0], self._activated(layer, made), layer.integer(0))

    def _weights_of(self, layer: Layer, *, outputs_first: bool) -> tuple[str, list[str], dict[str, Any]]:
        """Names of weights and bias, and the window's attributes; ncnn stores both kinds outputs first."""
        outputs, inputs = layer.integer(0), self._channels[layer.inputs[0]]
        wide = layer.integer(1)
        high = layer.integer(11, wide)
        count = outputs * inputs * high * wide
        if layer.integer(6) != count or count <= 0:
            raise Unreadable(f"layer {layer.name} has {layer.integer(6)} weights, and {count} are wanted")
        values = self._weights.tagged(count).reshape(outputs, inputs, high, wide)
        if not outputs_first:
            values = values.swapaxes(0, 1)
        bias = [self._graph.constant(self._weights.plain(outputs))] if layer.integer(5) else []
        return self._graph.constant(values), bias, _window(layer, high, wide)

    def _activated(self, layer: Layer, value: str) -> str:
        """The activation that ncnn has folded into a layer: 0 none, 1 ReLU, 2 leaky ReLU, 4 sigmoid."""
        kind = layer.integer(9)
        if kind == 0:
            return value
        if kind == 2:
            return self._graph.add("LeakyRelu", [value], alpha=layer.array(10)[0])
        if kind not in (1, 4):
            raise Unreadable(f"layer {layer.name} has an activation that isn't known here ({kind})")
        return self._graph.add("Relu" if kind == 1 else "Sigmoid", [value])

    def relu(self, layer: Layer) -> str:
        slope = layer.real(0, 0.0)
        made = (
            self._graph.add("LeakyRelu", [self._input(layer)], alpha=slope)
            if slope
            else self._graph.add("Relu", [self._input(layer)])
        )
        return self._same(layer, made)

    def prelu(self, layer: Layer) -> str:
        slopes: Floats = self._weights.plain(layer.integer(0)).reshape(-1, 1, 1)
        return self._same(layer, self._graph.add("PRelu", [self._input(layer), self._graph.constant(slopes)]))

    def sigmoid(self, layer: Layer) -> str:
        return self._same(layer, self._graph.add("Sigmoid", [self._input(layer)]))

    def pixel_shuffle(self, layer: Layer) -> str:
        if layer.integer(1):
            raise Unreadable(f"layer {layer.name} shuffles in a way that isn't known here")
        factor = layer.integer(0, 1)
        made = self._graph.add("DepthToSpace", [self._input(layer)], blocksize=factor, mode="CRD")
        return self._set(layer.outputs[0], made, self._channels[layer.inputs[0]] // factor**2)

    def interp(self, layer: Layer) -> str:
        kind, high, wide = layer.integer(0), layer.real(1, 1.0), layer.real(2, 1.0)
        if kind not in (_NEAREST, _LINEAR) or layer.integer(3) or layer.integer(4) or layer.integer(6):
            raise Unreadable(f"layer {layer.name} resizes in a way that isn't known here")
        scales = self._graph.constant(np.array([1, 1, high, wide], np.float32))
        modes = (
            {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            if kind == _NEAREST
            else {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        )
        return self._same(layer, self._graph.add("Resize", [self._input(layer), "", scales], **modes))

    def binary(self, layer: Layer) -> str:
        operation = _BINARY.get(layer.integer(0))
        if operation is None or layer.integer(1) or len(layer.inputs) != 2:
            raise Unreadable(f"layer {layer.name} is an operation that isn't known here")
        return self._same(layer, self._graph.add(operation, [self._values[one] for one in layer.inputs]))

    def _same(self, layer: Layer, value: str) -> str:
        """Gives the layer's output `value`, of as many channels as came in."""
        return self._set(layer.outputs[0], value, self._channels[layer.inputs[0]])


def _window(layer: Layer, high: int, wide: int) -> dict[str, Any]:
    """Kernel, strides, dilations and padding, which ncnn gives across first and ONNX down first."""
    stride, dilation, left = layer.integer(3, 1), layer.integer(2, 1), layer.integer(4)
    top, right = layer.integer(14, left), layer.integer(15, left)
    bottom = layer.integer(16, top)
    if min(top, left, right, bottom) < 0:
        raise Unreadable(f"layer {layer.name} is padded in a way that isn't known here")
    if layer.kind == "Deconvolution" and (layer.integer(18) or layer.integer(20)):
        raise Unreadable(f"layer {layer.name} has an output of fixed size, which isn't known here")
    return {
        "dilations": (layer.integer(12, dilation), dilation),
        "kernel_shape": (high, wide),
        "pads": (top, left, bottom, right),
        "strides": (layer.integer(13, stride), stride),
    }


LAYERS: dict[str, Callable[[Translation, Layer], str]] = {
    "BinaryOp": Translation.binary,
    "Convolution": Translation.convolution,
    "Deconvolution": Translation.deconvolution,
    "Interp": Translation.interp,
    "PReLU": Translation.prelu,
    "PixelShuffle": Translation.pixel_shuffle,
    "ReLU": Translation.relu,
    "Sigmoid": Translation.sigmoid,
    "Split": Translation.split,
}
"""How each kind becomes nodes; the rest of ncnn's are refused by name."""
