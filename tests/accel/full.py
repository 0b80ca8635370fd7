"""A network on a device whose memory is small: its errors are onnxruntime's own. Workloads that run it."""

from __future__ import annotations

import os
from functools import cache

import numpy as np

from accel.models.manifest import Tensor
from accel.models.onnx_builder import GraphBuilder
from accel.workload import Output, Params, batched, workload

FITS = 4
"""Rows for which there is room at once, but not for twice as many."""
ROW = 1 << 20
"""Values of 4 bytes that a row takes while it is computed."""


@cache
def session():
    """One whose arena may take 64 MiB."""
    import onnxruntime as runtime

    graph = GraphBuilder("wide")
    rows = graph.add("Shape", ["x"], start=0, end=1)
    shape = graph.add("Concat", [rows, graph.constant(np.array([ROW], np.int64))], axis=0)
    wide = graph.add("Sqrt", [graph.add("Expand", ["x", shape])])
    graph.add("ReduceMax", [wide], "y", axes=[1], keepdims=0)
    file = graph.file([Tensor("x", "float32", ("n", 1))], [Tensor("y", "float32", ("n",))])
    arena = runtime.OrtMemoryInfo(
        "Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT
    )
    limit = runtime.OrtArenaCfg({"max_mem": 64 << 20, "arena_extend_strategy": 1})
    runtime.create_and_register_allocator(arena, limit)
    options = runtime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 4
    return runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def roots(values):
    """The roots of the values, a row for each. Raises what onnxruntime raises where they are too many."""
    (found,) = session().run(None, {"x": np.array(values, np.float32)[:, None]})
    return [float(value) for value in found]


class Rows(Params, frozen=True):
    value: float = 0.0
    rows: int = 1
    gone: bool = False


def _made(values, gone):
    if gone:
        raise RuntimeError("CUDA failure 719: unspecified launch failure ; GPU=0 ; hostname=h")
    return roots(values)


@workload("test.root", version=1, params=Rows, inputs=0)
def root(inputs, params, limits):
    return Output(
        {"roots": _made([params.value] * params.rows, params.gone), "pid": os.getpid(), "at_once": 1}
    )


@batched(root, sample=lambda n: {"value": float(n)}, max_rows=32, rows=lambda params: params.rows)
def several(items, limits):
    values = [item.params.value for item in items for _ in range(item.params.rows)]
    found = iter(_made(values, any(item.params.gone for item in items)))
    return [
        Output(
            {
                "roots": [next(found) for _ in range(item.params.rows)],
                "pid": os.getpid(),
                "at_once": len(items),
            }
        )
        for item in items
    ]
