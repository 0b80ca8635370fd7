"""Every operation on images, by name: what a pipeline can be made of."""

from __future__ import annotations

from accel.image.atlas import atlas
from accel.image.convert import convert
from accel.image.operation import Operation

OPERATIONS: dict[str, Operation] = {
    each.workload.name: each
    for each in (
        atlas,
        convert,
    )
}  # fmt: skip
