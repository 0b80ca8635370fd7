"""ONNX node helpers and runner on one provider."""

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
    """A graph of float32 in the layout N x C x H x W, as GPUs want it."""

    def number(self, value: float) -> str:
        """A constant that stands beside any shape."""
        return self.constant(np.array(value, np.float32))

    def places(self, *values: int) -> str:
        """A constant of indices or axes."""
        return self.constant(np.array(values, np.int64))

    def cast(self, value: str, dtype: str, output: str = "") -> str:
        """`value` as another type; floats are cut towards 0."""
        return self.add("Cast", [value], output, to=TYPES[dtype])

    def plus(self, value: str, number: float) -> str:
        """`value + number`."""
        return self.add("Add", [value, self.number(number)])

    def times(self, value: str, number: float) -> str:
        """`value * number`."""
        return self.add("Mul", [value, self.number(number)])

    def clip(self, value: str, low: float = 0.0, high: float = 1.0) -> str:
        """What is beyond `low` to `high` cut off."""
        return self.add("Clip", [value, self.number(low), self.number(high)])

    def part(self, value: str, axis: int, begin: int, end: int) -> str:
        """Indices `begin` to `end` of one axis; negative ones count from its end."""
        return self.add("Slice", [value, self.places(begin), self.places(end), self.places(axis)])

    def join(self, *values: str, axis: int = 1) -> str:
        """Values one behind the other."""
        return self.add("Concat", values, axis=axis)

    def turned(self, value: str, *axes: int, output: str = "") -> str:
        """The same with its axes in another order."""
        return self.add("Transpose", [value], output, perm=axes)


END = 2**31 - 1
"""The end of any axis, whatever its length (Slice cuts it)."""


KEPT = 32
"""Graphs that stay open; what was used least recently is closed first."""


class Value:
    """An array on the device."""

    def __init__(self, held: Any) -> None:
        self.held = held

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.held.shape())

    def fetch(self) -> NDArray[Any]:
        """The array, in this process' memory."""
        found: NDArray[Any] = self.held.numpy()
        return found


class Runner:
    """Graphs by their files, opened when they are first run."""

    def __init__(self, choice: Choice = CPU, threads: int = 1, *, exact: bool = True) -> None:
        """`threads` count where the provider is the CPU's. `exact`: whether products are of whole float32;
        networks don't need it."""
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
        """Its name, for example `cuda`."""
        return self._choice.name

    def put(self, array: NDArray[Any]) -> Value:
        """Copies an array to the device, for several graphs to run on."""
        one = np.ascontiguousarray(array)
        return Value(self._runtime.OrtValue.ortvalue_from_numpy(one, self._place, 0))

    def run(self, graph: bytes, feed: Mapping[str, NDArray[Any] | Value]) -> dict[str, Value]:
        """All outputs by name. Raises whatever onnxruntime raises, for example where memory runs out."""
        session = self._session(graph)
        binding = session.io_binding()
        # Until the run is over, what was put there only for it has to be held.
        held = [(name, one if isinstance(one, Value) else self.put(one)) for name, one in feed.items()]
        for name, value in held:
            binding.bind_ortvalue_input(name, value.held)
        names = [one.name for one in session.get_outputs()]
        for name in names:
            binding.bind_output(name, self._place)
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return {name: Value(one) for name, one in zip(names, binding.get_outputs(), strict=True)}

    def _session(self, graph: bytes) -> onnxruntime.InferenceSession:
        if graph not in self._open:
            while len(self._open) >= KEPT:
                self._open.popitem(last=False)
            self._open[graph] = self._opened(graph)
        self._open.move_to_end(graph)
        return self._open[graph]

    def _opened(self, graph: bytes) -> onnxruntime.InferenceSession:
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
    """Products of whole float32: TF32, which CUDA takes else, has 10 bits of the 16 of a channel."""
    return {**values, "use_tf32": "0"} if name == "CUDAExecutionProvider" else values
