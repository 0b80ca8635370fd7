from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from bridge.api import Input, Limits, Output, Params, Workload, WorkloadError, hookimpl, workload


class Count(Params, frozen=True):
    """What to count."""

    byte: Annotated[int, Meta(ge=0, le=255, description="The byte's value.")] = 0


@workload("acme.count", version=1, params=Count)
def count(inputs: Sequence[Input], params: Count, limits: Limits) -> Output:
    """Counts how often a byte occurs in a file."""
    with open(inputs[0].path, "rb") as file:
        data = file.read()
    if not data:
        raise WorkloadError("bad_input", "it is empty", inputs[0].name)
    return Output(data.count(params.byte))


@hookimpl
def popbridge_workloads() -> Sequence[Workload]:
    return [count.workload]
