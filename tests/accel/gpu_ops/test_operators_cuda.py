"""Every node of every graph is one that CUDA has for its types (onnxruntime's docs/OperatorKernels.md,
CUDAExecutionProvider, opset 17): else onnxruntime would go to the CPU and back in the middle."""

import pytest

from accel.gpu_ops.graph import Nodes
from accel.gpu_ops.operators import PackedImage, PlaneSource, normal_map_graph, packing_graph
from accel.gpu_ops.resample import PixelCoding, mips_graph, resize_graph
from accel.models.onnx_builder import TYPES

MOVES = {"Cast", "Slice", "Transpose", "Concat", "Unsqueeze"}
"""What takes values of any type."""
FLOATS = {
    "Abs", "Add", "AveragePool", "Clip", "Conv", "Div", "Floor", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual", "MatMul", "Max", "Min", "Mul", "Pow", "Reciprocal", "ReduceL2", "ReduceSum", "Sqrt", "Sub",
}  # fmt: skip
COMPARES = {"Greater", "GreaterOrEqual", "Less", "LessOrEqual"}
NAMES = {number: name for name, number in TYPES.items()}


@pytest.fixture
def nodes(monkeypatch):
    """The nodes that are added, in their order."""
    added, real = [], Nodes.add

    def add(self, operation, inputs, output="", **attributes):
        name = real(self, operation, inputs, output, **attributes)
        added.append((operation, list(inputs), name, attributes))
        return name

    monkeypatch.setattr(Nodes, "add", add)
    return added


def check(nodes, **inputs):
    """Follows the types from the inputs; what isn't named is a constant or weights, of floats."""
    known = dict(inputs)
    assert nodes
    for operation, given, name, attributes in nodes:
        types = [known.get(one, "float32") for one in given]
        if operation == "Gather":
            assert types[1] in ("int32", "int64")
            made = "float32"
        elif operation == "And":
            assert set(types) == {"bool"}
            made = "bool"
        elif operation == "Where":
            assert types == ["bool", "float32", "float32"]
            made = "float32"
        else:
            right = operation in MOVES or (operation in FLOATS and set(types) == {"float32"})
            assert right, (operation, types)
            made = NAMES[attributes["to"]] if operation == "Cast" else types[0]
        known[name] = "bool" if operation in COMPARES else made
    nodes.clear()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_resizing_and_mips_stay_on_the_gpu(nodes, dtype, channels):
    alpha = channels in (2, 4)
    kinds = [
        PixelCoding(dtype, channels, channels - alpha, dtype != "float32", alpha),
        PixelCoding(dtype, channels, channels),
    ]
    kinds += [PixelCoding(dtype, channels, 3, vectors=True)] if channels > 2 else []
    for coded in kinds:
        resize_graph.__wrapped__(coded, True)
        check(nodes, pixels=dtype)
        mips_graph.__wrapped__(coded, ("halved", "weights", "soft"))
        check(nodes, pixels=dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_normal_maps_and_packing_stay_on_the_gpu(nodes, dtype):
    for wrap in (False, True):
        normal_map_graph.__wrapped__(dtype, "uint16", "scharr", wrap, True)
        check(nodes, heights=dtype)
    planes = (PlaneSource(0, -1), PlaneSource(0, 1, invert=True), PlaneSource(value=0.5))
    packing_graph.__wrapped__((PackedImage(dtype, 4),), planes, "uint8")
    check(nodes, image0=dtype)
