"""Writes the network as an ONNX file, its normalisations folded into the convolutions before them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import nn

from tools.train.export import IR_VERSION, OPSET, Graph
from tools.train.surfaces.network import DEPTH, SurfaceNet

HEIGHT = "height"


def save(network: SurfaceNet, file: Path) -> None:
    """Writes what gives the heights; weights are stored in 16 bit."""
    graph = Graph()
    values = graph.add("Mul", ["colours", _number(graph, 2.0)])
    values, skips = graph.add("Sub", [values, _number(graph, 1.0)]), []
    for index, block in enumerate(network.down):
        if index:
            values = graph.add("AveragePool", [values], kernel_shape=[2, 2], strides=[2, 2])
        values = _double(graph, values, block)
        skips.append(values)
    scales = graph.constant(np.array([1, 1, 2, 2], np.float32))
    for index in reversed(range(len(network.up))):
        larger = graph.add(
            "Resize", [values, "", scales], mode="linear", coordinate_transformation_mode="half_pixel"
        )
        values = _double(graph, graph.add("Concat", [larger, skips[index]], axis=1), network.up[index])
    last = network.last
    weights, bias = last.weight.detach().numpy()[:1] * DEPTH, last.bias.detach().numpy()[:1] * DEPTH
    found = graph.add("Conv", [values, graph.weight(weights), graph.constant(bias.astype(np.float32))])
    graph.nodes.append(helper.make_node("Identity", [found], [HEIGHT]))
    _write(graph, file)


def difference(network: SurfaceNet, file: Path, margin: int) -> float:
    """The most by which a height of the file differs from the network's, in texels, beyond a margin."""
    colours = np.random.default_rng(0).random((1, 3, 256, 256), np.float32)
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    (found,) = session.run([HEIGHT], {"colours": colours})
    with torch.no_grad():
        wanted = network(torch.from_numpy(colours))[0].numpy()
    inner = slice(margin, -margin)
    return float(np.abs(found - wanted)[..., inner, inner].max())


def _double(graph: Graph, values: str, block: nn.Module) -> str:
    for convolution, norm, _ in zip(*[iter(block.children())] * 3, strict=True):
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weights = (convolution.weight * scale[:, None, None, None]).detach().contiguous().numpy()
        shift = (norm.bias - norm.running_mean * scale).detach().numpy()
        # What lies beyond a piece's edges reaches only into its margin, which is cut off: zeros will do.
        inputs = [values, graph.weight(weights), graph.constant(shift)]
        values = graph.add("Relu", [graph.add("Conv", inputs, pads=[1, 1, 1, 1])])
    return values


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))


def _write(graph: Graph, file: Path) -> None:
    def tensor(name: str, channels: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "height", "width"])

    ends = [tensor("colours", 3)], [tensor(HEIGHT, 1)]
    made = helper.make_graph(graph.nodes, "estimate-pbr", *ends, graph.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="popbridge")
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())
