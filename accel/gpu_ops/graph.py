"""ONNX graphs of image operations: a builder, and a runner for one provider."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from accel.devices.current import CPU
from accel.devices.providers import BY_NAME, Choice, check_provider, configure, load_libraries
from accel.models.onnx_builder import TYPES, GraphBuilder

if TYPE_CHECKING:
    import onnxruntime


class Nodes(GraphBuilder):
    """Builds float32 graphs in the layout N x C x H x W, which suits GPUs."""

    def number(self, value: float) -> str:
        """Adds a scalar constant."""
        return self.constant(np.array(value, np.float32))

    def places(self, *values: int) -> str:
        """Adds a constant of indices or axes."""
        return self.constant(np.array(values, np.int64))

    def cast(self, value: str, dtype: str, output: str = "") -> str:
        """Converts to another type; floats are truncated."""
        return self.add("Cast", [value], output, to=TYPES[dtype])

    def plus(self, value: str, number: float) -> str:
        return self.add("Add", [value, self.number(number)])

    def times(self, value: str, number: float) -> str:
        return self.add("Mul", [value, self.number(number)])

    def clip(self, value: str, low: float = 0.0, high: float = 1.0) -> str:
        """Clips to the range `low` to `high`."""
        return self.add("Clip", [value, self.number(low), self.number(high)])

    def part(self, value: str, axis: int, begin: int, end: int) -> str:
        """Slices one axis from `begin` to `end`; negative indices count from its end."""
        return self.add("Slice", [value, self.places(begin), self.places(end), self.places(axis)])

    def join(self, *values: str, axis: int = 1) -> str:
        return self.add("Concat", values, axis=axis)

    def transpose(self, value: str, *axes: int, output: str = "") -> str:
        return self.add("Transpose", [value], output, perm=axes)


END = 2**31 - 1
"""End of any axis; Slice clips it."""


MAX_OPEN = 32
"""Maximum number of open graphs; the least recently used is closed first."""


class Value:
    """An array on the device."""

    def __init__(self, ort_value: Any) -> None:
        self.ort_value = ort_value

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.ort_value.shape())

    def fetch(self) -> NDArray[Any]:
        """Copies the array to this process's memory."""
        array: NDArray[Any] = self.ort_value.numpy()
        return array


class Runner:
    """Runs graphs, opening each on first use."""

    def __init__(self, choice: Choice = CPU, threads: int = 1, *, exact: bool = True) -> None:
        """`threads` only applies to the CPU. `exact` uses full float32 for matrix products, which networks
        don't need."""
        import onnxruntime

        load_libraries(choice.name)
        self._runtime = onnxruntime
        self._choice = choice
        self._threads = threads
        self._exact = exact
        self._place = BY_NAME[choice.name].place
        self._open: OrderedDict[bytes, onnxruntime.InferenceSession] = OrderedDict()

    @property
    def provider(self) -> str:
        """The provider's name, for example `cuda`."""
        return self._choice.name

    def put(self, array: NDArray[Any]) -> Value:
        """Copies an array to the device for use by several graphs."""
        one = np.ascontiguousarray(array)
        return Value(self._runtime.OrtValue.ortvalue_from_numpy(one, self._place, 0))

    def run(self, graph: bytes, feed: Mapping[str, NDArray[Any] | Value]) -> dict[str, Value]:
        """Returns all outputs by name. Raises onnxruntime's exceptions, for example if memory runs out."""
        session = self._session(graph)
        binding = session.io_binding()
        # Keep references until the run ends, because bindings don't own inputs.
        inputs = [(name, one if isinstance(one, Value) else self.put(one)) for name, one in feed.items()]
        for name, value in inputs:
            binding.bind_ortvalue_input(name, value.ort_value)
        names = [one.name for one in session.get_outputs()]
        for name in names:
            binding.bind_output(name, self._place)
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return {name: Value(one) for name, one in zip(names, binding.get_outputs(), strict=True)}

    def _session(self, graph: bytes) -> onnxruntime.InferenceSession:
        if graph not in self._open:
            while len(self._open) >= MAX_OPEN:
                self._open.popitem(last=False)
            self._open[graph] = self._load(graph)
        self._open.move_to_end(graph)
        return self._open[graph]

    def _load(self, graph: bytes) -> onnxruntime.InferenceSession:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        configure(options, self._choice.name)
        providers = [
            (name, _exact(name, dict(values)) if self._exact else dict(values))
            for name, values in self._choice.providers
        ]
        session = self._runtime.InferenceSession(graph, options, providers=providers)
        check_provider(session, self._choice)
        return session


def _exact(name: str, values: dict[str, str]) -> dict[str, str]:
    """Disables TF32, CUDA's default: its products have 10 bits, but channels up to 16."""
    return {**values, "use_tf32": "0"} if name == "CUDAExecutionProvider" else values
