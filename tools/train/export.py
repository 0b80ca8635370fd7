"""Exports trained models to ONNX, and records the models that are shipped.

`python -m tools.train.export FILE...` records the digest and size of shipped models.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from accel.texture.kinds import LEARNED_KINDS
from accel.texture.model import VERSION
from accel.texture.views import PATCH, PICTURE
from tools.train import backbone
from tools.train.backbone import GREY, MEAN, SCALE, Backbone, Convolution, has_residual, quantise
from tools.train.classifier import CLIP, Network

ROOT = Path(__file__).resolve().parents[2]
SHIPPED_MODELS = ROOT / "accel" / "models" / "shipped.json"

OPSET = 17
ML_OPSET = 5
IR_VERSION = 10
"""The newest that every version of onnxruntime allowed by setup.cfg reads."""

Shapes = Mapping[str, tuple[int, list[int]]]
"""By input of a graph: element type, and shape without the batch dimension."""

IMAGES: Shapes = {
    "picture": (TensorProto.UINT8, [4, PICTURE, PICTURE]),
    "patch": (TensorProto.UINT8, [4, 2 * PATCH, 2 * PATCH]),
}

_LESS_OR_EQUAL = 0


@dataclass
class Graph:
    """An ONNX graph under construction."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operation: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        """Adds a node with one output and returns the output's name."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], domain=domain, **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        """Adds a constant and returns its name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weight(self, values: NDArray[np.floating[Any]]) -> str:
        """Adds a constant that is stored in 8 bits (see `quantise`) and used in 32, and returns its name."""
        levels, scales = quantise(values)
        # Unlike DequantizeLinear, this is folded when the model is loaded.
        return self.add(
            "Mul", [self.add("Cast", [self.constant(levels)], to=TensorProto.FLOAT), self.constant(scales)]
        )

    def half_weight(self, values: NDArray[np.floating[Any]]) -> str:
        """Adds a constant that is stored in 16 bits and used in 32, and returns its name."""
        return self.add("Cast", [self.constant(values.astype(np.float16))], to=TensorProto.FLOAT)


def add_trees(graph: Graph, features: str, dumped: Sequence[Mapping[str, Any]]) -> str:
    """Adds boosted trees, as LightGBM dumps them, one for each kind in turn; returns the raw scores."""
    packed = _TreeEnsemble()
    for place, tree in enumerate(dumped):
        packed.roots.append(packed.add(tree["tree_structure"], place % len(LEARNED_KINDS)))
    return graph.add(
        "TreeEnsemble",
        [features],
        domain="ai.onnx.ml",
        n_targets=len(LEARNED_KINDS),
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


class _TreeEnsemble:
    """The attributes of the operator TreeEnsemble."""

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
        """Adds a node and its descendants; returns its index. A lone leaf becomes a node with two leaves."""
        place = len(self.features)
        for attribute in (self.lower, self.lower_is_leaf, self.higher, self.higher_is_leaf):
            attribute.append(0)
        self.features.append(node.get("split_feature", 0))
        self.splits.append(_round_down(node.get("threshold", 0.0)))
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


def _round_down(threshold: float) -> np.float32:
    """Returns the largest 32-bit float up to `threshold`; 32-bit floats compare alike with both."""
    rounded = np.float32(threshold)
    return np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > threshold else rounded


def add_network(graph: Graph, columns: str, network: Network) -> str:
    """Adds a network, with its batch normalisations folded into the linear layers; returns its scores."""
    mean, deviation = (graph.constant(_numpy(values)) for values in (network.mean, network.deviation))
    scaled = graph.add("Div", [graph.add("Sub", [columns, mean]), deviation])
    limits = (graph.constant(np.array(limit, np.float32)) for limit in (-CLIP, CLIP))
    values = graph.add("Clip", [scaled, *limits])
    _, *layers, last = network.layers
    for linear, norm, _, _ in zip(*[iter(layers)] * 4, strict=True):
        values = graph.add("Relu", [_linear(graph, values, linear, norm)])
    return _linear(graph, values, last)


def add_backbone(graph: Graph, images: Sequence[str], network: Backbone) -> list[str]:
    """Adds the backbone for each image of RGBA bytes; returns the embeddings."""
    layers = [part for part in network.modules() if isinstance(part, Convolution)]
    # Shared by all images: the weights are most of the file.
    weights = {layer: graph.weight(_numpy(layer.weights)) for layer in layers}
    return [_embedding(graph, image, network, weights) for image in images]


def embed(
    weights: Path, pictures: NDArray[np.uint8], patches: NDArray[np.uint8]
) -> NDArray[np.float32]:  # fmt: skip
    """Returns embeddings by the backbone as it is shipped, rows x values, those of the picture first."""
    # One by one, as textures are classified: the last bits may differ within a batch.
    run = _backbone_session(weights).run
    pairs = zip(pictures, patches, strict=True)
    return np.concatenate(
        [run(None, {"picture": picture[None], "patch": patch[None]})[0] for picture, patch in pairs]
    )


@cache
def _backbone_session(weights: Path) -> onnxruntime.InferenceSession:
    graph = Graph()
    values = graph.add("Concat", add_backbone(graph, tuple(IMAGES), backbone.load(weights)), axis=1)
    options = onnxruntime.SessionOptions()
    # Every core already runs a process.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = serialise(graph, (values, "seen"), IMAGES, {})
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _embedding(graph: Graph, image: str, network: Backbone, weights: Mapping[Convolution, str]) -> str:
    values = _convolve(graph, _blend_over_grey(graph, image), network.stem, weights)
    for block in network.blocks:
        output = values
        for part in block:
            output = _convolve(graph, output, part, weights)
        values = graph.add("Add", [values, output]) if has_residual(block) else output
    pooled = [graph.add(kind, [values]) for kind in ("GlobalAveragePool", "GlobalMaxPool")]
    return graph.add("Flatten", [graph.add("Concat", pooled, axis=1)])


def _blend_over_grey(graph: Graph, image: str) -> str:
    """Adds `backbone.preprocess`."""
    bounds = {bound: graph.constant(np.array([bound], np.int64)) for bound in (0, 1, 3, 4)}
    values = graph.add("Cast", [image], to=TensorProto.FLOAT)
    colors, alpha = (
        graph.add("Slice", [values, bounds[start], bounds[end], bounds[1]]) for start, end in ((0, 3), (3, 4))
    )
    grey, full, mean, scale = (
        graph.constant(np.array(value, np.float32)) for value in (GREY, 255, MEAN, SCALE)
    )
    opacity = graph.add("Div", [alpha, full])
    blended = graph.add("Add", [graph.add("Mul", [graph.add("Sub", [colors, grey]), opacity]), grey])
    return graph.add("Div", [graph.add("Sub", [blended, mean]), scale])


def _convolve(graph: Graph, values: str, layer: Convolution, weights: Mapping[Convolution, str]) -> str:
    before, after = layer.pads
    values = graph.add(
        "Conv",
        [values, weights[layer], graph.constant(_numpy(layer.bias))],
        strides=[layer.stride] * 2,
        pads=[before, before, after, after],
        group=layer.groups,
    )
    limits = (graph.constant(np.array(limit, np.float32)) for limit in (0, 6))
    return graph.add("Clip", [values, *limits]) if layer.relu6 else values


def _linear(graph: Graph, values: str, linear: nn.Linear, norm: nn.BatchNorm1d | None = None) -> str:
    weights, bias = _numpy(linear.weight), _numpy(linear.bias)
    if norm is not None:
        scale = _numpy(norm.weight) / np.sqrt(_numpy(norm.running_var) + np.float32(norm.eps))
        shift = _numpy(norm.bias) - _numpy(norm.running_mean) * scale
        weights, bias = weights * scale[:, None], bias * scale + shift
    return graph.add("Gemm", [values, graph.weight(weights), graph.constant(bias)], transB=1)


def _numpy(values: Any) -> NDArray[np.float32]:
    return np.asarray(values.detach().contiguous().numpy(), np.float32)


def save(
    graph: Graph, probabilities: str, names: Sequence[str], inputs: Shapes, judgement: Mapping[str, Any],
    file: Path,
) -> None:  # fmt: skip
    """Writes the model with its metadata."""
    metadata = {
        "kinds": " ".join(LEARNED_KINDS),
        "features": json.dumps(list(names), separators=(",", ":")),
        "version": str(VERSION),
        "judgement": json.dumps(judgement),
    }
    file.write_bytes(serialise(graph, (probabilities, "probabilities"), inputs, metadata))


def serialise(graph: Graph, output: tuple[str, str], inputs: Shapes, metadata: Mapping[str, str]) -> bytes:
    """Returns the bytes of an ONNX file; `output` is the value that it returns, and the name of it."""
    value, name = output
    nodes = [*graph.nodes, helper.make_node("Identity", [value], [name])]
    body = helper.make_graph(
        nodes,
        "texture-kinds",
        [helper.make_tensor_value_info(key, kind, ["n", *shape]) for key, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="popbridge")
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def record_model(file: Path) -> None:
    """Records the digest and size of a shipped model, which the program verifies when it loads the model."""
    data = file.read_bytes()
    name = f"{'.'.join(file.resolve().parent.relative_to(ROOT).parts)}/{file.name}"
    models = msgspec.json.decode(SHIPPED_MODELS.read_bytes()) if SHIPPED_MODELS.exists() else {}
    models[name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    text = msgspec.json.format(msgspec.json.encode(models, order="sorted"))
    SHIPPED_MODELS.write_bytes(text + b"\n")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        record_model(Path(argument))
