"""The workloads of accel, as a plugin like any other."""

from __future__ import annotations

from collections.abc import Sequence

from accel.ai.embed_text import embed_text
from accel.image.catalogue import OPERATIONS
from accel.image.find_duplicates import find_duplicates
from accel.image.fingerprint import fingerprint
from accel.image.inspect import inspect
from accel.image.pipeline import pipeline
from accel.image.thumbnail import thumbnail
from accel.noop import echo
from accel.texture.classify import classify
from accel.texture.examine import examine
from accel.workload import Workload
from bridge.hooks import hookimpl

OTHERS = (
    inspect, thumbnail, fingerprint, find_duplicates, classify, examine, pipeline, embed_text, echo
)  # fmt: skip


@hookimpl
def popbridge_workloads() -> Sequence[Workload]:
    return [function.workload for function in (*OPERATIONS.values(), *OTHERS)]
