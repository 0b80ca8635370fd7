"""Runs graphs on one provider; values stay on its device until they are fetched."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from accel.devices.choice import Choice
from accel.devices.here import CPU
from accel.devices.prepare import check_provider, configure, load_libraries
from accel.devices.providers import BY_NAME

if TYPE_CHECKING:
    import onnxruntime

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
