"""Converts EfficientNet-Lite0 from a PyTorch checkpoint to ONNX, without PyTorch or running its code."""

from __future__ import annotations

import io
import pickle  # Only a subclass that knows a few types reads files. # nosec B403
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.models.manifest import File
from accel.models.onnx_builder import GraphBuilder
from accel.text import TextError, text

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""Values of the first two pickles."""

_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
_MAX_STORAGE = 1 << 28
"""Maximum number of elements in a storage."""


class UnreadableCheckpoint(TextError, ValueError):
    """The file isn't a PyTorch checkpoint, is truncated, or contains something unsupported."""


class _Storage(Struct, frozen=True):
    """A storage of numbers; the numbers follow the pickles in the file."""

    type: str
    key: str
    size: int


class _View(Struct, frozen=True):
    """A tensor as a view of a storage; offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def weights(data: bytes) -> dict[str, NDArray[Any]]:
    """Reads the tensors, by name, from a state dict written by `torch.save` before PyTorch 1.6.

    Raises UnreadableCheckpoint.
    """
    file = io.BytesIO(data)
    try:
        if _WeightsUnpickler(file).load() != MAGIC or _WeightsUnpickler(file).load() != PROTOCOL:
            raise UnreadableCheckpoint(text("it isn't a file in PyTorch's legacy format"))
        if not _WeightsUnpickler(file).load()["little_endian"]:
            raise UnreadableCheckpoint(text("its numbers are big-endian"))
        views = _WeightsUnpickler(file).load()
        storages = {key: _read_storage(file, views, key) for key in _WeightsUnpickler(file).load()}
        return {name: _to_array(view, storages) for name, view in views.items() if isinstance(view, _View)}
    except UnreadableCheckpoint:
        raise
    except Exception as error:  # other pickles may raise anything
        raise UnreadableCheckpoint(text("it can't be read ({error})", error=error)) from None


class _WeightsUnpickler(pickle.Unpickler):
    """Loads plain values and tensors. Any other global is an error and is never imported."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in _TYPES:
            return name
        raise UnreadableCheckpoint(
            text("it refers to {name}, which weights don't need", name=f"{module}.{name}")
        )

    def persistent_load(self, pid: Any) -> _Storage:
        # ("storage", type, key, device, size, view).
        kind, type_, key, _, size, *_ = pid
        if kind != "storage" or type_ not in _TYPES or not 0 <= size <= _MAX_STORAGE:
            raise UnreadableCheckpoint(text("it has a storage of an unsupported kind"))
        return _Storage(type_, key, size)


def _view(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _View:
    return _View(storage, offset, shape, strides)


def _read_storage(file: io.BytesIO, views: dict[str, Any], key: str) -> NDArray[Any]:
    """Reads the next storage: its length, then its elements."""
    storage = next(one.storage for one in views.values() if isinstance(one, _View) and one.storage.key == key)
    length = int.from_bytes(file.read(8), "little")
    kind = np.dtype(_TYPES[storage.type])
    data = file.read(length * kind.itemsize) if length == storage.size else b""
    if len(data) != storage.size * kind.itemsize:
        raise UnreadableCheckpoint(text("it is truncated"))
    return np.frombuffer(data, kind)


def _to_array(view: _View, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
    numbers = storages[view.storage.key]
    if len(view.shape) != len(view.strides) or min((view.offset, *view.shape, *view.strides)) < 0:
        raise UnreadableCheckpoint(text("a tensor has an invalid layout"))
    last = view.offset + sum(
        (size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True)
    )
    if last >= len(numbers) or 0 in view.shape:
        raise UnreadableCheckpoint(text("a tensor exceeds its storage"))
    strides = [stride * numbers.itemsize for stride in view.strides]
    part = np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, strides, writeable=False)
    return np.ascontiguousarray(part)


EPSILON = 1e-3
"""Epsilon of batch normalisation, as in the training with TensorFlow."""


class Stage(Struct, frozen=True):
    """A stage of equal blocks; only the first one uses the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int


STAGES = (
    Stage(1, 3, 1, 1), Stage(2, 3, 2, 6), Stage(2, 5, 2, 6), Stage(3, 3, 2, 6), Stage(3, 5, 1, 6),
    Stage(4, 5, 2, 6), Stage(1, 3, 1, 6),
)  # fmt: skip


def efficientnet_to_onnx(parts: Sequence[bytes], file: File) -> bytes:
    """Returns a graph from an image to its features, the normalised mean over the last layer.

    Raises UnreadableCheckpoint.
    """
    assert file.graph is not None
    (data,) = parts
    (source,), (target,) = file.graph.inputs, file.graph.outputs
    builder = _Builder(weights(data))
    try:
        builder.features(source.name, target.name)
    except KeyError as error:
        raise UnreadableCheckpoint(text("it has no {name}", name=error.args[0])) from None
    return builder.graph.file([source], [target])


class _Builder:
    def __init__(self, tensors: dict[str, NDArray[Any]]) -> None:
        self.graph = GraphBuilder("efficientnet-lite0")
        self._tensors = tensors
        # Bounds of Clip for ReLU6.
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
        """Adds an inverted residual block: expansion, depthwise convolution, projection and residual."""
        inside = value
        if stage.expansion != 1:
            inside = self._relu6(self._convolution(value, name + "_expand_conv", name + "_bn0"))
        inside = self._relu6(
            self._convolution(inside, name + "_depthwise_conv", name + "_bn1", stride=stride, by_channel=True)
        )
        inside = self._convolution(inside, name + "_project_conv", name + "_bn2")
        first = name + ("_expand_conv" if stage.expansion != 1 else "_depthwise_conv") + ".weight"
        inputs = self._tensors[first].shape[1 if stage.expansion != 1 else 0]
        outputs = self._tensors[name + "_project_conv.weight"].shape[0]
        return self.graph.add("Add", [inside, value]) if stride == 1 and inputs == outputs else inside

    def _convolution(
        self, value: str, name: str, norm: str, *, stride: int = 1, by_channel: bool = False
    ) -> str:
        """Adds a convolution with batch normalisation folded into its weights."""
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
            # TensorFlow's padding puts an odd pixel at the right and the bottom.
            auto_pad="SAME_UPPER",
            group=len(kernel) if by_channel else 1,
            kernel_shape=kernel.shape[2:],
            strides=(stride, stride),
        )

    def _relu6(self, value: str) -> str:
        return self.graph.add("Clip", [value, self._low, self._high])
