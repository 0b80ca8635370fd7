"""TensorRT's engines for the shapes that come again on this machine, built when somebody asks for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from accel.ai.opening import fixed_wish, opened, proofs
from accel.devices import here
from accel.devices.bound import Feed
from accel.devices.compiled import KEPT
from accel.devices.proofs import Known
from accel.devices.proving import said
from accel.models.catalogue import MODELS
from accel.models.manifest import File
from accel.models.store import ModelStore
from accel.workload import Input, Limits, Output, Params, workload


class Engine(Struct, frozen=True):
    """What came of building one."""

    model: str
    shape: str
    seconds: float
    failed: str = ""
    """Why there is none; empty where there is one."""


@workload("accel.engines", version=1, params=Params, inputs=0, cached=False)
def engines(inputs: Sequence[Input], params: Params, limits: Limits) -> Output:
    """Builds TensorRT's engine for each shape that was tried here, and has all of them tried anew.

    None where TensorRT doesn't work. It takes seconds to minutes for each. Value: a list of `Engine`.
    """
    return Output(list(build_all(ModelStore(Path(limits.models)), "tensorrt")))


def build_all(store: ModelStore, provider: str) -> Iterator[Engine]:
    """By any provider, for the shapes of every model that is in the store that were tried last."""
    kept, usable = proofs(), here.devices().report(provider).usable
    built: Counter[str] = Counter()
    # What was tried last comes first: of each file only so many are kept.
    for known in reversed(kept.all):
        name, _, file_name = known.model.partition(" ")
        model = MODELS.get(name)
        file = next((one for one in model.files if one.name == file_name), None) if model else None
        if model is None or file is None:
            continue
        wanted = usable and known.sizes and file.graph is not None and built[file.sha256] < KEPT
        if wanted and store.right(model, file):
            built[file.sha256] += 1
            yield build(store.read(model, file), file, known, provider)
        kept.forget(file.sha256, known.shape)


def build(contents: bytes, file: File, known: Known, provider: str) -> Engine:
    """Opens a model for that shape and runs it, by which it is compiled and kept."""
    begin = time.perf_counter()
    try:
        feed = _feed(file, known)
        session = opened(contents, here.for_provider(provider, fixed_wish(file, feed, graph=False)))
        session.run(None, feed)
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        return Engine(known.model, known.shape, 0.0, said(error))
    return Engine(known.model, known.shape, round(time.perf_counter() - begin, 1))


def _feed(file: File, known: Known) -> Feed:
    assert file.graph is not None
    return {one.name: np.ones(known.sizes[one.name], one.dtype) for one in file.graph.inputs}
