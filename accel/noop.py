"""The workload that does nothing: what is left is the way there and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from accel.workload import Input, Limits, Output, Params, workload


class Echo(Params, frozen=True):
    """What `bridge.echo` gives back."""

    value: Annotated[Any, Meta(description="Anything; it comes back as it is.")] = None


@workload("bridge.echo", version=1, params=Echo, inputs=(0, 64), inline=True)
def echo(inputs: Sequence[Input], params: Echo, limits: Limits) -> Output:
    """Gives its parameter back: tests a connection and measures the bridge itself."""
    return Output(params.value)
