"""Networks opened in this worker process: by name, when first wanted, as many as memory is for."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from accel.devices import here
from accel.devices.faults import fault_of, on_device
from accel.devices.prepare import check_provider, configure, load_libraries
from accel.models.catalogue import MODELS
from accel.models.manifest import File, Model
from accel.models.store import ModelError, ModelStore
from accel.workload import Limits, WorkloadError

if TYPE_CHECKING:
    import onnxruntime

CPU = "CPUExecutionProvider"

BUDGET = 256 << 20
"""Bytes of model files that are kept open; what was used least recently is closed first."""


class Network:
    """An open network, with its record."""

    def __init__(self, model: Model, file: File, session: onnxruntime.InferenceSession) -> None:
        self.model = model
        self.file = file
        self._session = session

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file tells of itself."""
        found: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        return found

    def run(self, feed: Mapping[str, NDArray[Any]], outputs: Sequence[str] = ()) -> list[NDArray[Any]]:
        """The outputs of those names, or the first one."""
        assert self.file.graph is not None
        wanted = list(outputs) or [self.file.graph.outputs[0].name]
        found: list[NDArray[Any]] = self._session.run(wanted, dict(feed))
        return found

    def image(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first output for one image, height x width x 3 of RGB, 0 to 1; prepared as the record says."""
        assert self.file.graph is not None
        (found,) = self.run({self.file.graph.inputs[0].name: self.prepared(pixels)[None]})
        one: NDArray[np.float32] = found[0]
        return one

    def prepared(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """An image, height x width x 3 of RGB, 0 to 1, as the graph wants it, without the batch."""
        assert self.file.graph is not None and self.file.graph.pixels is not None
        wants = self.file.graph.pixels
        values = pixels[..., ::-1] if wants.order == "BGR" else pixels
        mean, deviation = (np.array(one, np.float32) for one in (wants.mean, wants.deviation))
        values = (values * np.float32(wants.scale * 255) - mean) / deviation
        return np.ascontiguousarray(values.transpose(2, 0, 1) if wants.layout == "NCHW" else values)


class Networks:
    """Networks of one models folder, the recently used ones open."""

    def __init__(self, folder: Path, budget: int = BUDGET) -> None:
        self._store = ModelStore(folder)
        self._budget = budget
        self._open: OrderedDict[tuple[str, str, str], Network] = OrderedDict()

    def get(self, name: str, file: str = "model.onnx", provider: str = "") -> Network:
        """The network, opened if it isn't; without a provider on what this process computes on.

        Raises WorkloadError where the model isn't on this machine.
        """
        key = (name, file, provider)
        if key not in self._open:
            network = self._opened(name, file, provider)
            self._make_room(network.file.size)
            self._open[key] = network
        self._open.move_to_end(key)
        return self._open[key]

    def read(self, name: str, file: str) -> bytes:
        """Another file of a model. Raises WorkloadError as `get`."""
        model = MODELS[name]
        try:
            return self._store.read(model, model.file(file))
        except ModelError as error:
            raise WorkloadError("not_found", str(error)) from None

    @property
    def names(self) -> list[str]:
        """The models that are open, the least recently used first."""
        return [name for name, _, _ in self._open]

    def _opened(self, name: str, file: str, provider: str) -> Network:
        contents = self.read(name, file)
        model = MODELS[name]
        return Network(model, model.file(file), _session(contents, model, provider))

    def _make_room(self, size: int) -> None:
        while self._open and sum(one.file.size for one in self._open.values()) + size > self._budget:
            self._open.popitem(last=False)


@functools.cache
def _networks(folder: str) -> Networks:
    return Networks(Path(folder))


def networks(limits: Limits) -> Networks:
    """The networks of this process, of the folder that the limits name."""
    return _networks(limits.models)


def _session(contents: bytes, model: Model, provider: str) -> onnxruntime.InferenceSession:
    # Imported here, as loading it costs 0.2 s that only those pay who use it.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Every worker is one core's work: more threads would only fight for the same cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    choice = here.choice()
    load_libraries(choice.name)
    configure(options, choice.name)
    # An arena keeps what the largest image took: 500 MiB instead of 60 after one background, and no faster.
    options.enable_cpu_mem_arena = False
    given = [provider] if provider else list(choice.providers)
    try:
        session = onnxruntime.InferenceSession(contents, options, providers=given)
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        reason = f"the model {model.name} can't be opened ({str(error)[:160]})"
        fault = fault_of(error) if on_device() else ""
        raise WorkloadError("internal", reason, fault=fault) from None
    if not provider:
        check_provider(session, choice)
    return session
