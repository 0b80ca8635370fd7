"""Workloads that run two small fully connected networks, to measure the cost and gain of batching itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from accel.models.manifest import Tensor
from accel.models.onnx_builder import GraphBuilder
from accel.workload import Input, Item, Limits, Outcome, Output, Params, batched, workload

LAYERS: Mapping[str, tuple[int, ...]] = {"tiny": (16, 32, 8), "small": (256, 1024, 1024, 16)}
"""Values of each layer, input first."""


class Which(Params, frozen=True):
    """The network and its input."""

    net: Literal["tiny", "small"] = "tiny"
    value: float = 0.0


@cache
def session(net: str) -> Any:
    """Returns the network's session, on one thread."""
    import onnxruntime

    layers, random = LAYERS[net], np.random.default_rng(7)
    graph = GraphBuilder(net)
    found = "x"
    for wide, narrow in pairwise(layers):
        weights = (random.standard_normal((wide, narrow)) / np.sqrt(wide)).astype(np.float32)
        found = graph.add("Relu", [graph.add("MatMul", [found, graph.constant(weights)])])
    graph.add("Identity", [found], "y")
    file = graph.file([Tensor("x", "float32", ("n", layers[0]))], [Tensor("y", "float32", ("n", layers[-1]))])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def run(net: str, values: Sequence[float]) -> list[float]:
    """Returns the largest output for each value."""
    rows = np.repeat(np.array(values, np.float32)[:, None], LAYERS[net][0], axis=1)
    (found,) = session(net).run(None, {"x": rows})
    largest: list[float] = found.max(axis=1).tolist()
    return largest


@workload("bench.net", version=1, params=Which, inputs=0)
def one(inputs: Sequence[Input], params: Which, limits: Limits) -> Output:
    """Runs a network once."""
    return Output(run(params.net, [params.value])[0])


@batched(one, sample=lambda n: {"value": n / 256}, max_rows=64, bucket=lambda params: params.net)
def several(items: Sequence[Item], limits: Limits) -> list[Outcome]:
    """Runs a network for a batch."""
    return [Output(value) for value in run(items[0].params.net, [item.params.value for item in items])]
