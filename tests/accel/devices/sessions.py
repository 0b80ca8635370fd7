"""Small networks, and sessions of them on the CPU's provider as workers open them."""

import numpy as np
import onnxruntime

from accel.models.manifest import Tensor
from accel.models.onnx_builder import GraphBuilder


def session(data):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def weighted(width, layers=1):
    """A network of products, n x width to n x width, and a feed of two rows for it."""
    random = np.random.default_rng(width)
    graph, last = GraphBuilder("weighted"), "x"
    for at in range(layers):
        weights = graph.constant(random.random((width, width), np.float32) / np.float32(width))
        last = graph.add("MatMul", [last, weights], "y" if at == layers - 1 else "")
    sides = [Tensor(name, "float32", ("n", width)) for name in "xy"]
    return graph.file(sides[:1], sides[1:]), {"x": random.random((2, width), np.float32)}


class Clock:
    """A clock that stands still but for what runs by it."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    def taking(self, seconds, run):
        """A function that does what `run` does, and takes so long."""

        def ran(*given):
            self.now += seconds
            return run(*given)

        return ran
