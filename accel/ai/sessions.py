"""Open, cache, evict ONNX sessions under a memory budget."""

from __future__ import annotations

import functools
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.ai.shape_tuning import SHAPES, Plain, ShapeTuning, TunedNetwork, Variant
from accel.devices import current
from accel.devices.autotune import TOLERANCES, Array, BoundBuffers, Feed, Run, failure_text
from accel.devices.proof_cache import FILE, ProofCache, ProvenVariants
from accel.devices.providers import (
    BY_NAME,
    MAX_FOLDERS,
    Choice,
    Wish,
    check_provider,
    configure,
    folder_of,
    load_libraries,
    runtime,
)
from accel.devices.report import DeviceGone, fault_of, uses_device
from accel.execution.worker import SPARE
from accel.models.catalog import MODELS
from accel.models.manifest import File, Model
from accel.models.store import ModelError, ModelStore
from accel.text import text
from accel.workload import Input, Limits, Output, Params, WorkloadError, workload

if TYPE_CHECKING:
    import onnxruntime


BINDING, GRAPH, TENSORRT, TENSORRT_GRAPH = "I/O binding", "CUDA graph", "TensorRT", "TensorRT, CUDA graph"

BYTES = 128 << 20
"""Of the weights of one network's copies: one for each shape that has a session of its own."""


class NotCompiled(Exception):
    """There is no engine for these shapes yet."""


def open_session(contents: bytes, choice: Choice) -> onnxruntime.InferenceSession:
    """A session. Raises DeviceGone where it would run elsewhere, WorkloadError where there is no onnxruntime,
    and whatever that raises."""
    module = runtime()
    options = module.SessionOptions()
    # Every worker is one core's work: more threads would only fight for the same cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    load_libraries(choice.name)
    configure(options, choice.name)
    # An arena keeps what the largest image took: 500 MiB instead of 60 after one background, and no faster.
    options.enable_cpu_mem_arena = False
    session: onnxruntime.InferenceSession = module.InferenceSession(
        contents, options, providers=list(choice.providers)
    )
    check_provider(session, choice)
    return session


def session_wish(file: File) -> Wish:
    """What a file wants, whatever it is run with."""
    precision = file.graph.precision if file.graph is not None else "tf32"
    return Wish(digest=file.sha256, precision=precision)


def fixed_shape_wish(file: File, feed: Feed, *, graph: bool) -> Wish:
    """What it wants for the shapes of a feed alone."""
    assert file.graph is not None
    # Those whose sizes the file has already need no profile, and differ in nothing.
    free = [one.name for one in file.graph.inputs if any(isinstance(size, str) for size in one.shape)]
    return msgspec.structs.replace(
        session_wish(file), shapes=tuple((name, tuple(feed[name].shape)) for name in free), graph=graph
    )


def fixed_shape_variants(
    contents: bytes, model: Model, file: File, session: onnxruntime.InferenceSession, choice: Choice
) -> ShapeTuning | None:
    """The ways to run shapes that come again; None where there is none but plainly, as on the CPU."""
    if BY_NAME[choice.name].place == "cpu" or file.graph is None:
        return None
    subject = TunedNetwork(f"{model.name} {file.name}", file.sha256, TOLERANCES[file.graph.precision])
    most = max(1, min(SHAPES, BYTES // max(1, file.size)))
    ways = ways_by(choice.name, contents, file, session)
    return ShapeTuning(subject, open_plain(session), ways, proofs(), SPARE.later, most)


def open_plain(session: onnxruntime.InferenceSession) -> Plain:
    """By a session that takes any shape."""

    def run(feed: Feed, wanted: Sequence[str]) -> list[Array]:
        found: list[Array] = session.run(list(wanted), dict(feed))
        return found

    return run


def proofs() -> ProofCache:
    """Those of this machine, in this process' cache."""
    cache = current.cache_folder()
    return ProofCache(cache / FILE if cache else None, current.current_devices().machine)


def ways_by(
    provider: str, contents: bytes, file: File, session: onnxruntime.InferenceSession
) -> Sequence[Variant]:
    """Those with a provider, for a session that it runs; what takes little memory comes first."""
    place = BY_NAME[provider].place
    ways = [
        Variant(BINDING, lambda feed, like: BoundBuffers(session, feed, like, place).run),
        _own(GRAPH, contents, file, provider, graph=True),
    ]
    if provider == "cuda" and current.current_devices().report("tensorrt").usable:
        ways += [
            _own(name, contents, file, "tensorrt", graph=graph)
            for name, graph in ((TENSORRT, False), (TENSORRT_GRAPH, True))
        ]
    return ways


def _own(name: str, contents: bytes, file: File, provider: str, *, graph: bool) -> Variant:
    """A way by a session that serves one set of shapes: onnxruntime can't give up a single graph of several
    that one session captured, and TensorRT builds an engine for each."""

    def open_(feed: Feed, like: Mapping[str, Array]) -> Run:
        wish = fixed_shape_wish(file, feed, graph=graph)
        if provider == "tensorrt" and current.current_choice().name != provider and not open_compiled(wish):
            raise NotCompiled("isn't compiled for this shape yet; `popbridge tune` does it")
        own = open_session(contents, current.for_provider(provider, wish))
        return BoundBuffers(own, feed, like, BY_NAME[provider].place).run

    return Variant(name, open_, file.size)


def open_compiled(wish: Wish) -> bool:
    """Whether TensorRT's engines for a wish lie in this process' cache."""
    folder = folder_of(BY_NAME["tensorrt"], current.current_devices(), wish, current.cache_folder())
    return folder is not None and any(folder.glob("*.engine"))


CPU = "CPUExecutionProvider"

BUDGET = 256 << 20
"""Bytes of model files that are kept open; what was used least recently is closed first."""


class Network:
    """An open network, with its record."""

    def __init__(
        self, model: Model, file: File, session: onnxruntime.InferenceSession, ways: ShapeTuning | None = None
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
        choice = current.for_model(session_wish(record))
        session = _session(contents, model, choice)
        return Network(model, record, session, fixed_shape_variants(contents, model, record, session, choice))

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
        return open_session(contents, choice)
    except (DeviceGone, WorkloadError):
        raise
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        reason = text("the model {model} can't be opened ({error})", model=model.name, error=str(error)[:160])
        fault = fault_of(error) if uses_device() else ""
        raise WorkloadError("internal", reason, fault=fault) from None


class Engine(Struct, frozen=True):
    """What came of building one."""

    model: str
    shape: str
    seconds: float
    failed: str = ""
    """Why there is none; empty where there is one."""


@workload("accel.engines", version=1, params=Params, inputs=0, cached=False)
def engine_inputs(inputs: Sequence[Input], params: Params, limits: Limits) -> Output:
    """Builds TensorRT's engine for each shape that was tried here, and has all of them tried anew.

    None where TensorRT doesn't work. It takes seconds to minutes for each. Value: a list of `Engine`.
    """
    return Output(list(build_all(ModelStore(Path(limits.models)), "tensorrt")))


def build_all(store: ModelStore, provider: str) -> Iterator[Engine]:
    """By any provider, for the shapes of every model that is in the store that were tried last."""
    kept, usable = proofs(), current.current_devices().report(provider).usable
    built: Counter[str] = Counter()
    # What was tried last comes first: of each file only so many are kept.
    for known in reversed(kept.all):
        name, _, file_name = known.model.partition(" ")
        model = MODELS.get(name)
        file = next((one for one in model.files if one.name == file_name), None) if model else None
        if model is None or file is None:
            continue
        wanted = usable and known.sizes and file.graph is not None and built[file.sha256] < MAX_FOLDERS
        if wanted and store.right(model, file):
            built[file.sha256] += 1
            yield build(store.read(model, file), file, known, provider)
        kept.forget(file.sha256, known.shape)


def build(contents: bytes, file: File, known: ProvenVariants, provider: str) -> Engine:
    """Opens a model for that shape and runs it, by which it is compiled and kept."""
    begin = time.perf_counter()
    try:
        feed = _feed(file, known)
        session = open_session(
            contents, current.for_provider(provider, fixed_shape_wish(file, feed, graph=False))
        )
        session.run(None, feed)
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        return Engine(known.model, known.shape, 0.0, failure_text(error))
    return Engine(known.model, known.shape, round(time.perf_counter() - begin, 1))


def _feed(file: File, known: ProvenVariants) -> Feed:
    assert file.graph is not None
    return {one.name: np.ones(known.sizes[one.name], one.dtype) for one in file.graph.inputs}


Row = TypeVar("Row")
Made = TypeVar("Made")


def run_in_batches(
    rows: Sequence[Row], most: int, run: Callable[[Sequence[Row]], Made]
) -> Iterator[tuple[Sequence[Row], Made]]:
    """What `run` makes of up to `most` rows at a time, with those rows, in their order.

    Where memory is full the number is halved, for the rest too. Raises what `run` raises of a single row.
    """
    begin = 0
    while begin < len(rows):
        part = rows[begin : begin + most]
        made = with_smaller_batches(lambda part=part: run(part), len(part) > 1)  # type: ignore[misc]
        if made is None:
            most = len(part) // 2
            continue
        yield part, made
        begin += len(part)


def with_smaller_batches(run: Callable[[], Made], smaller: bool) -> Made | None:
    """What `run` makes; None where memory is full and it can be tried with less (`smaller`)."""
    try:
        return run()
    # Providers raise classes of their own that share no base; what isn't about memory goes on.
    except Exception as error:
        if smaller and fault_of(error) == "memory":
            return None
        raise
