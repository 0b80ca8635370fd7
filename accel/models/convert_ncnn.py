"""Converts ncnn networks to ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.models.manifest import File, Tensor
from accel.models.onnx_builder import GraphBuilder
from accel.text import TextError, text

MAGIC = "7767517"
"""First line of a .param file."""
HALF = 0x01306B47
"""Tag of 16-bit weights; that of 32-bit weights is 0."""
_ARRAYS = -23300
"""Keys up to this value are arrays: `-23300 - key=length,value,...`."""

Floats = NDArray[np.float32]
Value = int | float | tuple[float, ...]


class UnreadableNcnn(TextError, ValueError):
    """The files aren't ncnn files, are truncated, or contain something unsupported."""


class Layer(Struct, frozen=True):
    """One line of a .param file."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[int, Value]
    """Settings by number. Their meaning depends on the kind (ncnn's docs/developer-guide/operators.md)."""

    def integer(self, key: int, default: int = 0) -> int:
        value = self.settings.get(key, default)
        if not isinstance(value, int):
            raise UnreadableNcnn(
                text("layer {name}: {key}={value} isn't an integer", name=self.name, key=key, value=value)
            )
        return value

    def real(self, key: int, default: float) -> float:
        value = self.settings.get(key, default)
        if isinstance(value, tuple):
            raise UnreadableNcnn(
                text("layer {name}: {key} is an array, not a number", name=self.name, key=key)
            )
        return float(value)

    def array(self, key: int) -> tuple[float, ...]:
        value = self.settings.get(key, ())
        return value if isinstance(value, tuple) else (float(value),)


def layers(param: str) -> list[Layer]:
    """Parses a .param file into layers, in order of execution. Raises UnreadableNcnn."""
    lines = [line.split() for line in param.splitlines() if line.strip()]
    if len(lines) < 2 or lines[0] != [MAGIC]:
        raise UnreadableNcnn(text("it doesn't begin with {magic}", magic=MAGIC))
    try:
        found = [_layer(line) for line in lines[2:]]
        expected = int(lines[1][0])
    except (ValueError, IndexError) as error:
        raise UnreadableNcnn(text("a line can't be read ({error})", error=error)) from None
    if len(found) != expected:
        reason = text("it has {found} layers instead of {expected}", found=len(found), expected=expected)
        raise UnreadableNcnn(reason)
    return found


def _layer(words: list[str]) -> Layer:
    kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
    blobs, settings = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    if len(blobs) != inputs + outputs:
        raise ValueError(f"layer {name} lacks inputs or outputs")
    read = dict(_setting(*word.split("=", 1)) for word in settings)
    return Layer(kind, name, tuple(blobs[:inputs]), tuple(blobs[inputs:]), read)


def _setting(key: str, value: str) -> tuple[int, Value]:
    number = int(key)
    if number <= _ARRAYS:
        length, *values = value.split(",")
        if len(values) != int(length):
            raise ValueError(f"an array of {length} has {len(values)} values")
        return _ARRAYS - number, tuple(float(one) for one in values)
    # As in ncnn, a dot or exponent makes it a float.
    return number, float(value) if any(sign in value for sign in ".eE") else int(value)


class Weights:
    """The contents of a .bin file, read in the order of the layers."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def tagged(self, count: int) -> Floats:
        """Reads weights preceded by a tag with their type. Raises UnreadableNcnn."""
        tag = int.from_bytes(self._take(4), "little")
        if tag == HALF:
            # Padded to a multiple of 4 bytes.
            halves = np.frombuffer(self._take((count * 2 + 3) // 4 * 4), "<f2")[:count]
            return halves.astype(np.float32)
        if tag:
            raise UnreadableNcnn(text("weights have an unsupported type (tag {tag})", tag=f"{tag:#010x}"))
        return self.plain(count)

    def plain(self, count: int) -> Floats:
        """Reads 32-bit floats without a tag: biases and slopes. Raises UnreadableNcnn."""
        return np.frombuffer(self._take(count * 4), "<f4").astype(np.float32, copy=False)

    @property
    def left(self) -> int:
        """Number of bytes not yet read."""
        return len(self._data) - self._at

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise UnreadableNcnn(text("the weights are truncated"))
        self._at += size
        return self._data[self._at - size : self._at]


_NEAREST, _LINEAR = 1, 2
_BINARY = {0: "Add", 1: "Sub", 2: "Mul", 3: "Div", 4: "Max", 5: "Min"}
"""ONNX operators by ncnn's BinaryOp type."""


def ncnn_to_onnx(parts: Sequence[bytes], file: File) -> bytes:
    """Converts a network from the contents of its .param and .bin files. Raises UnreadableNcnn.

    The input and output have the names and shapes of the record.
    """
    assert file.graph is not None
    param, data = parts
    (source,), (target,) = file.graph.inputs, file.graph.outputs
    try:
        listed = layers(param.decode())
    except UnicodeDecodeError:
        raise UnreadableNcnn(text("its list of layers isn't text")) from None
    return Translation(listed, Weights(data)).file(source, target)


class Translation:
    """Translates layers one by one, and maps ncnn's blobs to values of the graph."""

    def __init__(self, listed: Sequence[Layer], weights: Weights) -> None:
        self._listed = listed
        self._weights = weights
        self._graph = GraphBuilder("network")
        self._values: dict[str, str] = {}
        self._channels: dict[str, int] = {}

    def file(self, source: Tensor, target: Tensor) -> bytes:
        """Returns the ONNX file with input `source` and output `target`. Raises UnreadableNcnn."""
        last = ""
        for layer in self._listed:
            if layer.kind == "Input":
                self._set(layer.outputs[0], source.name, int(source.shape[1]))
                continue
            if layer.kind not in LAYERS:
                raise _unsupported(layer, layer.kind)
            last = self._translate(layer)
        if self._weights.left:
            raise UnreadableNcnn(text("{n} bytes of weights belong to no layer", n=self._weights.left))
        self._graph.add("Identity", [last], target.name)
        return self._graph.file([source], [target])

    def _translate(self, layer: Layer) -> str:
        missing = [name for name in layer.inputs if name not in self._values]
        if missing:
            reason = text("layer {name} needs {input}, which is missing", name=layer.name, input=missing[0])
            raise UnreadableNcnn(reason)
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
        result = self._graph.add("Conv", [self._input(layer), weights, *bias], **window)
        return self._set(layer.outputs[0], self._activate(layer, result), layer.integer(0))

    def deconvolution(self, layer: Layer) -> str:
        weights, bias, window = self._weights_of(layer, outputs_first=False)
        result = self._graph.add("ConvTranspose", [self._input(layer), weights, *bias], **window)
        return self._set(layer.outputs[0], self._activate(layer, result), layer.integer(0))

    def _weights_of(self, layer: Layer, *, outputs_first: bool) -> tuple[str, list[str], dict[str, Any]]:
        """Adds weights and bias. Returns their names and the window attributes.

        ncnn stores outputs first even for deconvolutions; ONNX doesn't.
        """
        outputs, inputs = layer.integer(0), self._channels[layer.inputs[0]]
        wide = layer.integer(1)
        high = layer.integer(11, wide)
        count = outputs * inputs * high * wide
        if layer.integer(6) != count or count <= 0:
            raise UnreadableNcnn(
                text(
                    "layer {name} has {found} weights instead of {expected}",
                    name=layer.name,
                    found=layer.integer(6),
                    expected=count,
                )
            )
        values = self._weights.tagged(count).reshape(outputs, inputs, high, wide)
        if not outputs_first:
            values = values.swapaxes(0, 1)
        bias = [self._graph.constant(self._weights.plain(outputs))] if layer.integer(5) else []
        return self._graph.constant(values), bias, _window(layer, high, wide)

    def _activate(self, layer: Layer, value: str) -> str:
        """Adds a layer's own activation: 0 none, 1 ReLU, 2 leaky ReLU, 4 sigmoid."""
        kind = layer.integer(9)
        if kind == 0:
            return value
        if kind == 2:
            return self._graph.add("LeakyRelu", [value], alpha=layer.array(10)[0])
        if kind not in (1, 4):
            raise _unsupported(layer, f"activation {kind}")
        return self._graph.add("Relu" if kind == 1 else "Sigmoid", [value])

    def relu(self, layer: Layer) -> str:
        slope = layer.real(0, 0.0)
        result = (
            self._graph.add("LeakyRelu", [self._input(layer)], alpha=slope)
            if slope
            else self._graph.add("Relu", [self._input(layer)])
        )
        return self._same(layer, result)

    def prelu(self, layer: Layer) -> str:
        slopes: Floats = self._weights.plain(layer.integer(0)).reshape(-1, 1, 1)
        return self._same(layer, self._graph.add("PRelu", [self._input(layer), self._graph.constant(slopes)]))

    def sigmoid(self, layer: Layer) -> str:
        return self._same(layer, self._graph.add("Sigmoid", [self._input(layer)]))

    def pixel_shuffle(self, layer: Layer) -> str:
        if layer.integer(1):
            raise _unsupported(layer, "pixel shuffle mode")
        factor = layer.integer(0, 1)
        result = self._graph.add("DepthToSpace", [self._input(layer)], blocksize=factor, mode="CRD")
        return self._set(layer.outputs[0], result, self._channels[layer.inputs[0]] // factor**2)

    def interp(self, layer: Layer) -> str:
        kind, high, wide = layer.integer(0), layer.real(1, 1.0), layer.real(2, 1.0)
        if kind not in (_NEAREST, _LINEAR) or layer.integer(3) or layer.integer(4) or layer.integer(6):
            raise _unsupported(layer, "interpolation")
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
            raise _unsupported(layer, "binary operation")
        return self._same(layer, self._graph.add(operation, [self._values[one] for one in layer.inputs]))

    def _same(self, layer: Layer, value: str) -> str:
        """Makes `value` the layer's output, with as many channels as its input."""
        return self._set(layer.outputs[0], value, self._channels[layer.inputs[0]])


def _unsupported(layer: Layer, feature: str) -> UnreadableNcnn:
    return UnreadableNcnn(text("layer {name} isn't supported ({feature})", name=layer.name, feature=feature))


def _window(layer: Layer, high: int, wide: int) -> dict[str, Any]:
    """Returns kernel, strides, dilations and padding. ncnn lists the width first, ONNX the height."""
    stride, dilation, left = layer.integer(3, 1), layer.integer(2, 1), layer.integer(4)
    top, right = layer.integer(14, left), layer.integer(15, left)
    bottom = layer.integer(16, top)
    if min(top, left, right, bottom) < 0:
        raise _unsupported(layer, "padding")
    if layer.kind == "Deconvolution" and (layer.integer(18) or layer.integer(20)):
        raise _unsupported(layer, "output of fixed size")
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
"""Translations by layer kind."""
