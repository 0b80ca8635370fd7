"""Networks opened in this worker process: by name, when first wanted, as many as memory is for."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from accel.ai.opening import fixed_ways, opened, wish_of
from accel.ai.ways import Ways
from accel.devices import here
from accel.devices.choice import Choice
from accel.devices.faults import DeviceGone, fault_of, on_device
from accel.models.catalogue import MODELS
from accel.models.manifest import File, Model
from accel.models.store import ModelError, ModelStore
from accel.text import text
from accel.workload import Limits, WorkloadError

if TYPE_CHECKING:
    import onnxruntime

CPU = "CPUExecutionProvider"

BUDGET = 256 << 20
"""Bytes of model files that are kept open; what was used least recently is closed first."""


class Network:
    """An open network, with its record."""

    def __init__(
        self, model: Model, file: File, session: onnxruntime.InferenceSession, ways: Ways | None = None
    ) -> None:
        """`ways` are those of a GPU; without any it is run plainly."""
        self.model = model
        self.file = file
        self._session = session
        self._ways = ways

    @property
    def size(self) -> int:
        """Bytes of weights, with the copies that shapes of their own hold."""
        return self.file.size + (self._ways.bytes if self._ways else 0)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file tells of itself."""
        found: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        return found

    def run(self, feed: Mapping[str, NDArray[Any]], outputs: Sequence[str] = ()) -> list[NDArray[Any]]:
        """The outputs of those names, or the first one."""
        wanted = self._wanted(outputs)
        if self._ways is not None:
            return self._ways.run(feed, wanted)
        found: list[NDArray[Any]] = self._session.run(wanted, dict(feed))
        return found

    @property
    def fixes(self) -> bool:
        """Whether shapes that come again may get buffers of their own: not on the CPU."""
        return self._ways is not None

    def may_fix(self, feed: Mapping[str, NDArray[Any]], outputs: Sequence[str] = ()) -> bool:
        """Whether this shape has some, or may get them: it pays to round up to it."""
        return self._ways is not None and self._ways.may_fix(feed, self._wanted(outputs))

    def _wanted(self, outputs: Sequence[str]) -> list[str]:
        assert self.file.graph is not None
        return list(outputs) or [self.file.graph.outputs[0].name]

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
            self._make_room(network.size)
            self._open[key] = network
        self._open.move_to_end(key)
        if len(self._open) > 1:
            # Shapes of their own may have taken more since.
            self._make_room(0, 1)
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
        record = model.file(file)
        if provider:
            return Network(model, record, _session(contents, model, Choice("", ((provider, {}),), ())))
        choice = here.for_model(wish_of(record))
        session = _session(contents, model, choice)
        return Network(model, record, session, fixed_ways(contents, model, record, session, choice))

    def _make_room(self, size: int, least: int = 0) -> None:
        while len(self._open) > least and sum(one.size for one in self._open.values()) + size > self._budget:
            self._open.popitem(last=False)


@functools.cache
def _networks(folder: str) -> Networks:
    return Networks(Path(folder))


def networks(limits: Limits) -> Networks:
    """The networks of this process, of the folder that the limits name."""
    return _networks(limits.models)


def _session(contents: bytes, model: Model, choice: Choice) -> onnxruntime.InferenceSession:
    try:
        return opened(contents, choice)
    except (DeviceGone, WorkloadError):
        raise
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        reason = text("the model {model} can't be opened ({error})", model=model.name, error=str(error)[:160])
        fault = fault_of(error) if on_device() else ""
        raise WorkloadError("internal", reason, fault=fault) from None
