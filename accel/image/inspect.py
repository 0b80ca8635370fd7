"""`image.inspect`: what an image is, without a guess at what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from accel.workload import Input, Limits, Output, Params, workload


class Inspect(Params, frozen=True):
    """What else to make of the same decode."""

    preview: Annotated[
        int, Meta(ge=0, le=4096, description="Longest side of a PNG preview, pixels; 0 makes none.")
    ] = 0


@workload("image.inspect", version=10, params=Inspect)
def inspect(inputs: Sequence[Input], params: Inspect, limits: Limits) -> Output:
    """Tells an image's facts: size, channels, alpha, statistics, normals, entropy, seams.

    Channel statistics, alpha and grey are exact over all pixels; normals, entropy and seams come from a
    regular sample of at most about 256 x 256. Only the first frame is looked at.
    Output file: `preview`, if asked for. Value: an `Inspection`.
    """
    # Imported here, as declaring a workload must cost the daemon nothing.
    from accel.image.inspecting import examine

    return examine(inputs[0], params.preview, limits)
