"""Networks opened on what this process computes on, and the ways to run them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from accel.ai.contest import Plain, Way
from accel.ai.ways import SHAPES, Subject, Ways
from accel.devices import here
from accel.devices.bound import Array, Bound, Feed
from accel.devices.choice import Choice, Wish, folder_of
from accel.devices.prepare import check_provider, configure, load_libraries
from accel.devices.proofs import FILE, Proofs
from accel.devices.providers import BY_NAME
from accel.devices.proving import TOLERANCES, Run
from accel.devices.runtime import runtime
from accel.models.manifest import File, Model
from accel.spare import SPARE

if TYPE_CHECKING:
    import onnxruntime

BINDING, GRAPH, TENSORRT, TENSORRT_GRAPH = "I/O binding", "CUDA graph", "TensorRT", "TensorRT, CUDA graph"

BYTES = 128 << 20
"""Of the weights of one network's copies: one for each shape that has a session of its own."""


class NotCompiled(Exception):
    """There is no engine for these shapes yet."""


def opened(contents: bytes, choice: Choice) -> onnxruntime.InferenceSession:
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


def wish_of(file: File) -> Wish:
    """What a file wants, whatever it is run with."""
    precision = file.graph.precision if file.graph is not None else "tf32"
    return Wish(digest=file.sha256, precision=precision)


def fixed_wish(file: File, feed: Feed, *, graph: bool) -> Wish:
    """What it wants for the shapes of a feed alone."""
    assert file.graph is not None
    # Those whose sizes the file has already need no profile, and differ in nothing.
    free = [one.name for one in file.graph.inputs if any(isinstance(size, str) for size in one.shape)]
    return msgspec.structs.replace(
        wish_of(file), shapes=tuple((name, tuple(feed[name].shape)) for name in free), graph=graph
    )


def fixed_ways(
    contents: bytes, model: Model, file: File, session: onnxruntime.InferenceSession, choice: Choice
) -> Ways | None:
    """The ways to run shapes that come again; None where there is none but plainly, as on the CPU."""
    if BY_NAME[choice.name].place == "cpu" or file.graph is None:
        return None
    subject = Subject(f"{model.name} {file.name}", file.sha256, TOLERANCES[file.graph.precision])
    most = max(1, min(SHAPES, BYTES // max(1, file.size)))
    ways = ways_by(choice.name, contents, file, session)
    return Ways(subject, plainly(session), ways, proofs(), SPARE.later, most)


def plainly(session: onnxruntime.InferenceSession) -> Plain:
    """By a session that takes any shape."""

    def run(feed: Feed, wanted: Sequence[str]) -> list[Array]:
        found: list[Array] = session.run(list(wanted), dict(feed))
        return found

    return run


def proofs() -> Proofs:
    """Those of this machine, in this process' cache."""
    cache = here.cache()
    return Proofs(cache / FILE if cache else None, here.devices().machine)


def ways_by(
    provider: str, contents: bytes, file: File, session: onnxruntime.InferenceSession
) -> Sequence[Way]:
    """Those with a provider, for a session that it runs; what takes little memory comes first."""
    place = BY_NAME[provider].place
    ways = [
        Way(BINDING, lambda feed, like: Bound(session, feed, like, place).run),
        _own(GRAPH, contents, file, provider, graph=True),
    ]
    if provider == "cuda" and here.devices().report("tensorrt").usable:
        ways += [
            _own(name, contents, file, "tensorrt", graph=graph)
            for name, graph in ((TENSORRT, False), (TENSORRT_GRAPH, True))
        ]
    return ways


def _own(name: str, contents: bytes, file: File, provider: str, *, graph: bool) -> Way:
    """A way by a session that serves one set of shapes: onnxruntime can't give up a single graph of several
    that one session captured, and TensorRT builds an engine for each."""

    def open_(feed: Feed, like: Mapping[str, Array]) -> Run:
        wish = fixed_wish(file, feed, graph=graph)
        if provider == "tensorrt" and here.choice().name != provider and not compiled(wish):
            raise NotCompiled("isn't compiled for this shape yet; `popbridge tune` does it")
        own = opened(contents, here.for_provider(provider, wish))
        return Bound(own, feed, like, BY_NAME[provider].place).run

    return Way(name, open_, file.size)


def compiled(wish: Wish) -> bool:
    """Whether TensorRT's engines for a wish lie in this process' cache."""
    folder = folder_of(BY_NAME["tensorrt"], here.devices(), wish, here.cache())
    return folder is not None and any(folder.glob("*.engine"))
