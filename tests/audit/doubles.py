"""A stand-in for `texture.examine`: a file's text says what comes of it, so that no test waits for pixels."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from accel.image.operations.analysis import Fingerprint
from accel.image.records import Channel, Inspection, Seams
from accel.texture.kinds import Classification
from accel.texture.workloads import Examination, Examine
from accel.workload import Input, Limits, Output, WorkloadError, workload


@workload("texture.examine", version=1, params=Examine)
def examine(inputs: Sequence[Input], params: Examine, limits: Limits) -> Output:
    """Gives the kind that is the first word of the file, or fails as it says."""
    data = Path(inputs[0].path).read_bytes()
    word = data.split()[0].decode() if data.split() else "broken"
    match word:
        case "broken":
            raise WorkloadError("bad_input", "is a truncated or corrupt PNG", inputs[0].name)
        case "unknown":
            raise WorkloadError("unsupported", "is a SVG file", inputs[0].name)
        case "huge":
            raise WorkloadError("too_large", "is 90000 x 90000", inputs[0].name)
        case "crash":
            os._exit(3)
        case "raise":
            raise ZeroDivisionError
        case "slow":
            time.sleep(60)
    return Output(examination(word, data))


def examination(kind: str, data: bytes = b"", width: int = 64) -> Examination:
    """A square grey image of this kind."""
    digest = hashlib.sha256(data).hexdigest()
    grey = Channel("l", 0.0, 1.0, 0.5, 0.2)
    inspection = Inspection(
        format="png", compression="", size=len(data), width=width, height=width, power_of_two=True,
        channels=1, bit_depth=8,
        color_model="grey", has_alpha=False, alpha=None, grey=True, statistics=[grey], entropy=4.0,
        normals=None, seams=Seams(0.0, 0.0),
    )  # fmt: skip
    classification = Classification(kind, {kind: 1.0}, True, [])  # type: ignore[arg-type]
    return Examination(
        inspection, classification, Fingerprint(digest, digest, digest[:16], [0.5, 0.5, 0.5, 1.0], 0.2)
    )
