"""The workloads of accel, as a plugin like any other."""

from __future__ import annotations

from collections.abc import Sequence

from accel.ai.workloads import embed_text
from accel.image.operations.analysis import find_duplicates, fingerprint, inspect
from accel.image.operations.geometry import thumbnail
from accel.image.operations.pipeline import OPERATIONS, pipeline
from accel.texture.workloads import classify, examine, preview_lit
from accel.workload import Workload, echo
from bridge.hooks import hookimpl

OTHERS = (
    inspect, thumbnail, fingerprint, find_duplicates, classify, examine, preview_lit, pipeline, embed_text,
    echo,
)  # fmt: skip


@hookimpl
def popbridge_workloads() -> Sequence[Workload]:
    return [function.workload for function in (*OPERATIONS.values(), *OTHERS)]
