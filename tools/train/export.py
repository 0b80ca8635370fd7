"""Writes what was learned as one ONNX file: trees, networks and the declaration of how to judge by them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from accel.texture.features import VERSION
from accel.texture.kinds import KINDS
from accel.texture.views import PATCH, PICTURE
from tools.train.backbone import GREY, MIDDLE, SPREAD, Backbone, Convolution, residual
from tools.train.eight import eight
from tools.train.network import CLIP, Network

OPSET = 17
ML_OPSET = 5
IR_VERSION = 10
"""The newest that every onnxruntime allowed by setup.cfg reads."""

Shapes = Mapping[str, tuple[int, list[int]]]
"""Of a graph's inputs: element type and shape after the first dimension."""

IMAGES: Shapes = {
    "picture": (TensorProto.UINT8, [4, PICTURE, PICTURE]),
    "patch": (TensorProto.UINT8, [4, 2 * PATCH, 2 * PATCH]),
}

_LESS_OR_EQUAL = 0


@dataclass
class Graph:
    """An ONNX graph that grows node by node."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operation: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        """Adds a node with one output and gives the output's name."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], domain=domain, **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        """Adds a constant as it is."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weight(self, values: NDArray[np.floating[Any]]) -> str:
        """Adds a constant that is stored in 8 bit for each output (see `eight`), and used in 32."""
        levels, steps = eight(values)
        # No DequantizeLinear: that would be done anew for each texture.
        return self.add(
            "Mul", [self.add("Cast", [self.constant(levels)], to=TensorProto.FLOAT), self.constant(steps)]
        )


def trees(graph: Graph, features: str, dumped: Sequence[Mapping[str, Any]]) -> str:
    """Adds boosted trees, as LightGBM dumps them, one for each kind in turn; gives the raw scores."""
    packed = _Packed()
    for place, tree in enumerate(dumped):
        packed.roots.append(packed.add(tree["tree_structure"], place % len(KINDS)))
    return graph.add(
        "TreeEnsemble",
        [features],
        domain="ai.onnx.ml",
        n_targets=len(KINDS),
        aggregate_function=1,
        post_transform=0,
        tree_roots=packed.roots,
        nodes_featureids=packed.features,
        nodes_modes=helper.make_tensor(
            "modes", TensorProto.UINT8, [len(packed.features)], [_LESS_OR_EQUAL] * len(packed.features)
        ),
        nodes_splits=helper.make_tensor(
            "splits", TensorProto.FLOAT, [len(packed.splits)], np.array(packed.splits, np.float32)
        ),
        nodes_truenodeids=packed.lower,
        nodes_trueleafs=packed.lower_is_leaf,
        nodes_falsenodeids=packed.higher,
        nodes_falseleafs=packed.higher_is_leaf,
        leaf_targetids=packed.targets,
        leaf_weights=helper.make_tensor(
            "weights", TensorProto.FLOAT, [len(packed.weights)], np.array(packed.weights, np.float32)
        ),
    )


class _Packed:
    """The lists of the operator TreeEnsemble."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.features: list[int] = []
        self.splits: list[np.float32] = []
        self.lower: list[int] = []
        self.lower_is_leaf: list[int] = []
        self.higher: list[int] = []
        self.higher_is_leaf: list[int] = []
        self.targets: list[int] = []
        self.weights: list[float] = []

    def add(self, node: Mapping[str, Any], target: int) -> int:
        """Adds a node with all below it; gives its number. A tree of one leaf becomes a node of two."""
        place = len(self.features)
        for one in (self.lower, self.lower_is_leaf, self.higher, self.higher_is_leaf):
            one.append(0)
        self.features.append(node.get("split_feature", 0))
        self.splits.append(_below(node.get("threshold", 0.0)))
        sides = (
            ("left_child", self.lower, self.lower_is_leaf),
            ("right_child", self.higher, self.higher_is_leaf),
        )
        for side, ids, leaves in sides:
            child = node.get(side, node)
            is_leaf = "leaf_value" in child
            leaves[place] = int(is_leaf)
            ids[place] = self._leaf(child["leaf_value"], target) if is_leaf else self.add(child, target)
        return place

    def _leaf(self, weight: float, target: int) -> int:
        self.targets.append(target)
        self.weights.append(weight)
        return len(self.weights) - 1


def _below(threshold: float) -> np.float32:
    """The largest float of 32 bit that isn't above `threshold`; floats compare alike with both."""
    rounded = np.float32(threshold)
    return np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > threshold else rounded


def network(graph: Graph, columns: str, learned: Network) -> str:
    """Adds a network, its normalisations folded into what stands before them; gives its scores."""
    mean, deviation = (graph.constant(_numpy(one)) for one in (learned.mean, learned.deviation))
    scaled = graph.add("Div", [graph.add("Sub", [columns, mean]), deviation])
    limits = (graph.constant(np.array(one, np.float32)) for one in (-CLIP, CLIP))
    values = graph.add("Clip", [scaled, *limits])
    _, *layers, last = learned.layers
    for linear, norm, _, _ in zip(*[iter(layers)] * 4, strict=True):
        values = graph.add("Relu", [_linear(graph, values, linear, norm)])
    return _linear(graph, values, last)


def seen(graph: Graph, images: Sequence[str], learned: Backbone) -> list[str]:
    """Adds what the backbone sees in images of bytes; see `prepared` of the backbone."""
    layers = [part for part in learned.modules() if isinstance(part, Convolution)]
    # Once for all images: most of the file is this.
    weights = {layer: graph.weight(_numpy(layer.weights)) for layer in layers}
    return [_seen(graph, image, learned, weights) for image in images]


def _seen(graph: Graph, image: str, learned: Backbone, weights: Mapping[Convolution, str]) -> str:
    values = _convolved(graph, _on_grey(graph, image), learned.stem, weights)
    for block in learned.blocks:
        found = values
        for part in block:
            found = _convolved(graph, found, part, weights)
        values = graph.add("Add", [values, found]) if residual(block) else found
    return _pooled(graph, values)


def _on_grey(graph: Graph, image: str) -> str:
    bounds = {one: graph.constant(np.array([one], np.int64)) for one in (0, 1, 3, 4)}
    values = graph.add("Cast", [image], to=TensorProto.FLOAT)
    colors, alpha = (
        graph.add("Slice", [values, bounds[start], bounds[end], bounds[1]]) for start, end in ((0, 3), (3, 4))
    )
    grey, full, middle, spread = (
        graph.constant(np.array(one, np.float32)) for one in (GREY, 255, MIDDLE, SPREAD)
    )
    opaque = graph.add("Div", [alpha, full])
    seen = graph.add("Add", [graph.add("Mul", [graph.add("Sub", [colors, grey]), opaque]), grey])
    return graph.add("Div", [graph.add("Sub", [seen, middle]), spread])


def _convolved(graph: Graph, values: str, learned: Convolution, weights: Mapping[Convolution, str]) -> str:
    before, after = learned.pads
    values = graph.add(
        "Conv",
        [values, weights[learned], graph.constant(_numpy(learned.bias))],
        strides=[learned.stride] * 2,
        pads=[before, before, after, after],
        group=learned.groups,
    )
    limits = (graph.constant(np.array(one, np.float32)) for one in (0, 6))
    return graph.add("Clip", [values, *limits]) if learned.bounded else values


def _pooled(graph: Graph, image: str) -> str:
    pooled = [graph.add(kind, [image]) for kind in ("GlobalAveragePool", "GlobalMaxPool")]
    return graph.add("Flatten", [graph.add("Concat", pooled, axis=1)])


def _linear(graph: Graph, values: str, linear: nn.Linear, norm: nn.BatchNorm1d | None = None) -> str:
    weights, bias = _numpy(linear.weight), _numpy(linear.bias)
    if norm is not None:
        scale, shift = _normalising(norm)
        weights, bias = weights * scale[:, None], bias * scale + shift
    return graph.add("Gemm", [values, graph.weight(weights), graph.constant(bias)], transB=1)


def _normalising(norm: nn.BatchNorm1d) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a normalisation multiplies with and adds, once it has learned."""
    scale = _numpy(norm.weight) / np.sqrt(_numpy(norm.running_var) + np.float32(norm.eps))
    return scale, _numpy(norm.bias) - _numpy(norm.running_mean) * scale


def _numpy(values: Any) -> NDArray[np.float32]:
    return np.asarray(values.detach().contiguous().numpy(), np.float32)


def save(
    graph: Graph, probabilities: str, names: Sequence[str], inputs: Shapes, judgement: Mapping[str, Any],
    file: Path,
) -> None:  # fmt: skip
    """Writes the model with what it declares."""
    about = {
        "kinds": " ".join(KINDS),
        "features": json.dumps(list(names), separators=(",", ":")),
        "version": str(VERSION),
        "judgement": json.dumps(judgement),
    }
    file.write_bytes(serialised(graph, (probabilities, "probabilities"), inputs, about))


def serialised(graph: Graph, output: tuple[str, str], inputs: Shapes, about: Mapping[str, str]) -> bytes:
    """A graph as a file; `output` is what is given out, and the name it is given out by."""
    value, name = output
    nodes = [*graph.nodes, helper.make_node("Identity", [value], [name])]
    made = helper.make_graph(
        nodes,
        "texture-kinds",
        [helper.make_tensor_value_info(one, kind, ["n", *shape]) for one, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="popbridge")
    helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model)
    found: bytes = model.SerializeToString()
    return found
