"""ONNX Runtime sessions: opening, LRU caching within a memory budget, batching, building TensorRT engines."""

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

from accel.ai.shape_tuning import MAX_SHAPES, Plain, ShapeTuning, TunedNetwork, Variant
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

MAX_COPIES = 128 << 20
"""Maximum bytes for copies of a network's weights; each shape with its own session has a copy."""


class NotCompiled(Exception):
    """TensorRT has no engine for these shapes yet."""


def open_session(contents: bytes, choice: Choice) -> onnxruntime.InferenceSession:
    """Opens a session.

    Raises DeviceGone if it would run on another device, WorkloadError without onnxruntime, and onnxruntime's
    own exceptions.
    """
    module = runtime()
    options = module.SessionOptions()
    # Each worker process uses one core; more threads would compete for it.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    load_libraries(choice.name)
    configure(options, choice.name)
    # An arena keeps its peak usage (500 MiB instead of 60 after one background) and is no faster.
    options.enable_cpu_mem_arena = False
    session: onnxruntime.InferenceSession = module.InferenceSession(
        contents, options, providers=list(choice.providers)
    )
    check_provider(session, choice)
    return session


def session_wish(file: File) -> Wish:
    """Returns the requirements of a file that runs with any input shapes."""
    precision = file.graph.precision if file.graph is not None else "tf32"
    return Wish(digest=file.sha256, precision=precision)


def fixed_shape_wish(file: File, feed: Feed, *, graph: bool) -> Wish:
    """Returns the requirements of a file that runs only with the shapes of a feed."""
    assert file.graph is not None
    # Inputs of fixed size need no profile.
    free = [one.name for one in file.graph.inputs if any(isinstance(size, str) for size in one.shape)]
    return msgspec.structs.replace(
        session_wish(file), shapes=tuple((name, tuple(feed[name].shape)) for name in free), graph=graph
    )


def fixed_shape_variants(
    contents: bytes, model: Model, file: File, session: onnxruntime.InferenceSession, choice: Choice
) -> ShapeTuning | None:
    """Returns the tuning of repeated shapes, or None on the CPU, which has no variants."""
    if BY_NAME[choice.name].place == "cpu" or file.graph is None:
        return None
    subject = TunedNetwork(f"{model.name} {file.name}", file.sha256, TOLERANCES[file.graph.precision])
    most = max(1, min(MAX_SHAPES, MAX_COPIES // max(1, file.size)))
    variants = session_variants(choice.name, contents, file, session)
    return ShapeTuning(subject, run_plainly(session), variants, proofs(), SPARE.later, most)


def run_plainly(session: onnxruntime.InferenceSession) -> Plain:
    """Returns a function that runs the session with any shapes."""

    def run(feed: Feed, outputs: Sequence[str]) -> list[Array]:
        values: list[Array] = session.run(list(outputs), dict(feed))
        return values

    return run


def proofs() -> ProofCache:
    """Returns this machine's proofs from the cache folder."""
    cache = current.cache_folder()
    return ProofCache(cache / FILE if cache else None, current.current_devices().machine)


def session_variants(
    provider: str, contents: bytes, file: File, session: onnxruntime.InferenceSession
) -> Sequence[Variant]:
    """Returns a provider's variants for a session, ordered by memory use."""
    place = BY_NAME[provider].place
    variants = [
        Variant(BINDING, lambda feed, like: BoundBuffers(session, feed, like, place).run),
        _fixed_session(GRAPH, contents, file, provider, graph=True),
    ]
    if provider == "cuda" and current.current_devices().report("tensorrt").usable:
        variants += [
            _fixed_session(name, contents, file, "tensorrt", graph=graph)
            for name, graph in ((TENSORRT, False), (TENSORRT_GRAPH, True))
        ]
    return variants


def _fixed_session(name: str, contents: bytes, file: File, provider: str, *, graph: bool) -> Variant:
    """Returns a variant with its own session per set of shapes.

    TensorRT builds one engine per set of shapes, and onnxruntime can't release individual CUDA graphs of a
    session.
    """

    def open_(feed: Feed, like: Mapping[str, Array]) -> Run:
        wish = fixed_shape_wish(file, feed, graph=graph)
        if provider == "tensorrt" and current.current_choice().name != provider and not open_compiled(wish):
            raise NotCompiled("isn't compiled for this shape yet; run `popbridge tune`")
        own = open_session(contents, current.for_provider(provider, wish))
        return BoundBuffers(own, feed, like, BY_NAME[provider].place).run

    return Variant(name, open_, file.size)


def open_compiled(wish: Wish) -> bool:
    """Whether the cache folder has TensorRT engines for these requirements."""
    folder = folder_of(BY_NAME["tensorrt"], current.current_devices(), wish, current.cache_folder())
    return folder is not None and any(folder.glob("*.engine"))


BUDGET = 256 << 20
"""Maximum bytes of open model files; the least recently used is closed first."""


class Network:
    """An open network and its record."""

    def __init__(
        self,
        model: Model,
        file: File,
        session: onnxruntime.InferenceSession,
        tuning: ShapeTuning | None = None,
    ) -> None:
        """`tuning` is for GPUs; without it, the session runs every feed."""
        self.model = model
        self.file = file
        self._session = session
        self._tuning = tuning

    @property
    def size(self) -> int:
        """Bytes of weights, including copies in sessions for fixed shapes."""
        return self.file.size + (self._tuning.bytes if self._tuning else 0)

    @property
    def metadata(self) -> Mapping[str, str]:
        """The custom metadata of the ONNX file."""
        metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        return metadata

    def run(self, feed: Mapping[str, NDArray[Any]], outputs: Sequence[str] = ()) -> list[NDArray[Any]]:
        """Returns the named outputs, or the first if none are named."""
        names = self._output_names(outputs)
        if self._tuning is not None:
            return self._tuning.run(feed, names)
        values: list[NDArray[Any]] = self._session.run(names, dict(feed))
        return values

    @property
    def tunes_shapes(self) -> bool:
        """Whether repeated shapes may be tuned; never on the CPU."""
        return self._tuning is not None

    def may_tune(self, feed: Mapping[str, NDArray[Any]], outputs: Sequence[str] = ()) -> bool:
        """Whether this shape is or may become tuned, which makes padding to it worthwhile."""
        return self._tuning is not None and self._tuning.may_tune(feed, self._output_names(outputs))

    def _output_names(self, outputs: Sequence[str]) -> list[str]:
        assert self.file.graph is not None
        return list(outputs) or [self.file.graph.outputs[0].name]

    def image(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Preprocesses an image (height x width x RGB, 0 to 1) and returns the network's first output for
        it."""
        assert self.file.graph is not None
        (found,) = self.run({self.file.graph.inputs[0].name: self.preprocess(pixels)[None]})
        one: NDArray[np.float32] = found[0]
        return one

    def preprocess(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Converts an image (height x width x RGB, 0 to 1) to the graph's layout, without the batch axis."""
        assert self.file.graph is not None and self.file.graph.pixels is not None
        record = self.file.graph.pixels
        values = pixels[..., ::-1] if record.order == "BGR" else pixels
        mean, deviation = (np.array(each, np.float32) for each in (record.mean, record.deviation))
        values = (values * np.float32(record.scale * 255) - mean) / deviation
        return np.ascontiguousarray(values.transpose(2, 0, 1) if record.layout == "NCHW" else values)


class Networks:
    """The networks of a models folder. Recently used ones stay open."""

    def __init__(self, folder: Path, budget: int = BUDGET) -> None:
        self._store = ModelStore(folder)
        self._budget = budget
        self._open: OrderedDict[tuple[str, str, str], Network] = OrderedDict()

    def get(self, name: str, file: str = "model.onnx", provider: str = "") -> Network:
        """Returns the network, opening it if necessary. The default provider is that of this process.

        Raises WorkloadError if the model isn't installed.
        """
        key = (name, file, provider)
        if key not in self._open:
            network = self._load(name, file, provider)
            self._make_room(network.size)
            self._open[key] = network
        self._open.move_to_end(key)
        if len(self._open) > 1:
            # Tuned shapes may have increased the sizes.
            self._make_room(0, 1)
        return self._open[key]

    def read(self, name: str, file: str) -> bytes:
        """Returns the contents of a model's file. Raises WorkloadError like `get`."""
        model = MODELS[name]
        try:
            return self._store.read(model, model.file(file))
        except ModelError as error:
            raise WorkloadError("not_found", error.text) from None

    @property
    def names(self) -> list[str]:
        """The open models, least recently used first."""
        return [name for name, _, _ in self._open]

    def _load(self, name: str, file: str, provider: str) -> Network:
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
    """Returns this process's networks for the models folder in the limits."""
    return _networks(limits.models)


def _session(contents: bytes, model: Model, choice: Choice) -> onnxruntime.InferenceSession:
    try:
        return open_session(contents, choice)
    except (DeviceGone, WorkloadError):
        raise
    except Exception as error:  # onnxruntime's exceptions have no common base class
        reason = text("model {model} can't be opened ({error})", model=model.name, error=str(error)[:160])
        fault = fault_of(error) if uses_device() else ""
        raise WorkloadError("internal", reason, fault=fault) from None


class Engine(Struct, frozen=True):
    model: str
    shape: str
    seconds: float
    failed: str = ""
    """Why it failed; empty on success."""


@workload("accel.engines", version=1, params=Params, inputs=0, cached=False)
def build_engines(inputs: Sequence[Input], params: Params, limits: Limits) -> Output:
    """Builds a TensorRT engine for each known shape and discards its proof, so that it is measured again.

    Each build takes seconds to minutes. Builds nothing without TensorRT. Value: a list of `Engine`.
    """
    return Output(list(build_all(ModelStore(Path(limits.models)), "tensorrt")))


def build_all(store: ModelStore, provider: str) -> Iterator[Engine]:
    """Builds engines with a provider for the most recent shapes of each model in the store."""
    cache, usable = proofs(), current.current_devices().report(provider).usable
    built: Counter[str] = Counter()
    # Start with the latest, because the cache limits the engines per file.
    for known in reversed(cache.all):
        name, _, file_name = known.model.partition(" ")
        model = MODELS.get(name)
        file = next((one for one in model.files if one.name == file_name), None) if model else None
        if model is None or file is None:
            continue
        buildable = usable and known.sizes and file.graph is not None and built[file.sha256] < MAX_FOLDERS
        if buildable and store.is_intact(model, file):
            built[file.sha256] += 1
            yield build(store.read(model, file), file, known, provider)
        cache.forget(file.sha256, known.shape)


def build(contents: bytes, file: File, known: ProvenVariants, provider: str) -> Engine:
    """Compiles a model for a shape by running it once; the provider caches the engine."""
    begin = time.perf_counter()
    try:
        feed = _feed(file, known)
        session = open_session(
            contents, current.for_provider(provider, fixed_shape_wish(file, feed, graph=False))
        )
        session.run(None, feed)
    except Exception as error:  # onnxruntime's exceptions have no common base class
        return Engine(known.model, known.shape, 0.0, failure_text(error))
    return Engine(known.model, known.shape, round(time.perf_counter() - begin, 1))


def _feed(file: File, known: ProvenVariants) -> Feed:
    assert file.graph is not None
    return {one.name: np.ones(known.sizes[one.name], one.dtype) for one in file.graph.inputs}


Row = TypeVar("Row")
Result = TypeVar("Result")


def run_in_batches(
    rows: Sequence[Row], most: int, run: Callable[[Sequence[Row]], Result]
) -> Iterator[tuple[Sequence[Row], Result]]:
    """Runs batches of up to `most` rows and yields each batch's rows and result, in order.

    If memory runs out, this and all later batches are halved. Raises what `run` raises for a single row.
    """
    begin = 0
    while begin < len(rows):
        part = rows[begin : begin + most]
        result = with_smaller_batches(lambda part=part: run(part), len(part) > 1)  # type: ignore[misc]
        if result is None:
            most = len(part) // 2
            continue
        yield part, result
        begin += len(part)


def with_smaller_batches(run: Callable[[], Result], smaller: bool) -> Result | None:
    """Returns the result of `run`, or None if memory ran out and a `smaller` batch is possible."""
    try:
        return run()
    # Providers raise exceptions without a common base class.
    except Exception as error:
        if smaller and fault_of(error) == "memory":
            return None
        raise
