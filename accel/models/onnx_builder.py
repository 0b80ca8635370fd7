"""Writes ONNX files as protocol buffers, without the onnx package."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.models.manifest import Tensor

_VARINT, _LENGTH, _FLOAT_FIELD = 0, 2, 5
"""Protocol buffer wire types."""


def integer(field: int, value: int) -> bytes:
    """Encodes a field of any integer or enum type; negative values become 64-bit two's complement."""
    return _varint(field << 3 | _VARINT) + _varint(value & 0xFFFFFFFFFFFFFFFF)


def real(field: int, value: float) -> bytes:
    """Encodes a `float` field."""
    return _varint(field << 3 | _FLOAT_FIELD) + struct.pack("<f", value)


def block(field: int, value: bytes | str) -> bytes:
    """Encodes a field with bytes, text or a nested message."""
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | _LENGTH) + _varint(len(data)) + data


def packed(field: int, values: tuple[int, ...]) -> bytes:
    """Encodes a packed repeated integer field."""
    return block(field, b"".join(_varint(value & 0xFFFFFFFFFFFFFFFF) for value in values))


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


OPSET = 17
IR_VERSION = 8
"""IR version of that opset; every onnxruntime that setup.cfg allows can read it."""

Attribute = int | float | str | tuple[int, ...]

TYPES = {"float32": 1, "uint8": 2, "uint16": 4, "int32": 6, "int64": 7}
"""TensorProto.DataType by numpy dtype name."""
_FLOAT, _INT, _STRING, _INTS = 1, 2, 3, 7
"""AttributeProto.AttributeType."""


class GraphBuilder:
    """Builds a graph node by node."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def add(self, operation: str, inputs: Sequence[str], output: str = "", **attributes: Attribute) -> str:
        """Adds a node with one output and returns the output's name. An empty name omits an input."""
        output = output or f"v{len(self._nodes)}"
        # NodeProto: input 1, output 2, op_type 4, attribute 5.
        node = b"".join(block(1, name) for name in inputs) + block(2, output) + block(4, operation)
        node += b"".join(block(5, _attribute(name, value)) for name, value in sorted(attributes.items()))
        self._nodes.append(node)
        return output

    def constant(self, values: NDArray[Any]) -> str:
        """Adds a constant and returns its name."""
        name = f"c{len(self._constants)}"
        values = np.ascontiguousarray(values)
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        # TensorProto: dims 1, data_type 2, name 8, raw_data 9.
        tensor = packed(1, values.shape) + integer(2, TYPES[values.dtype.name])
        self._constants.append(tensor + block(8, name) + block(9, little.tobytes()))
        return name

    def file(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bytes:
        """Returns the ONNX file."""
        # GraphProto: node 1, name 2, initializer 5, input 11, output 12.
        graph = b"".join(block(1, node) for node in self._nodes) + block(2, self._name)
        graph += b"".join(block(5, constant) for constant in self._constants)
        graph += b"".join(block(11, _value(each)) for each in inputs)
        graph += b"".join(block(12, _value(each)) for each in outputs)
        # ModelProto: ir_version 1, producer_name 2, graph 7, opset_import 8 (version 2).
        return integer(1, IR_VERSION) + block(2, "popbridge") + block(7, graph) + block(8, integer(2, OPSET))


def _attribute(name: str, value: Attribute) -> bytes:
    # AttributeProto: name 1, f 2, i 3, s 4, ints 8, type 20.
    if isinstance(value, int):
        return block(1, name) + integer(3, value) + integer(20, _INT)
    if isinstance(value, float):
        return block(1, name) + real(2, value) + integer(20, _FLOAT)
    if isinstance(value, str):
        return block(1, name) + block(4, value) + integer(20, _STRING)
    return block(1, name) + packed(8, value) + integer(20, _INTS)


def _value(tensor: Tensor) -> bytes:
    # ValueInfoProto: name 1, type 2; TypeProto: tensor_type 1 of elem_type 1, shape 2 of dim 1;
    # Dimension: dim_value 1, dim_param 2.
    sizes = [integer(1, one) if isinstance(one, int) else block(2, one) for one in tensor.shape]
    shape = b"".join(block(1, size) for size in sizes)
    kind = integer(1, TYPES[tensor.dtype]) + block(2, shape)
    return block(1, tensor.name) + block(2, block(1, kind))
