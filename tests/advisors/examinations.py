"""Examinations for tests: the pixels' facts are real, what the texture is for is said by the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from accel.image.operations.analysis import Fingerprint, Inspect, inspect
from accel.image.records import Channel, Inspection
from accel.texture.kinds import KINDS, Classification, Evidence, Kind
from accel.texture.naming import read_name
from accel.texture.workloads import Examination
from accel.workload import Input, Limits
from tests.advisors import pictures
from tests.advisors.pictures import Pixels

NOTHING = Fingerprint("", "", "", (), 0.0)


def classified(kind: Kind | None, share: float = 0.97, *evidence: Evidence) -> Classification:
    """Sure of `kind`, or sure of nothing where it is None."""
    best: Kind = kind or "albedo"
    rest = (1 - share) / (len(KINDS) - 1)
    probabilities = {one: share if one == best else rest for one in KINDS}
    return Classification(best, probabilities, kind is not None, evidence)


def told(file: str, siblings: Sequence[str] = ()) -> list[Evidence]:
    """What the name says, as the classifier reports it."""
    return [
        Evidence(cue.source, cue.word, cue.kinds[0], decisive=cue.strength == "word" and cue.source == "name")
        for cue in read_name(file, siblings)
    ]


def inspected(folder: Path, file: str, pixels: Pixels) -> Inspection:
    """The facts of real pixels."""
    value = inspect([Input(file, str(pictures.save(folder / file, pixels)))], Inspect(), Limits()).value
    return cast(Inspection, value)


def examined(
    folder: Path, file: str, pixels: Pixels, kind: Kind | None, share: float = 0.97, **more: Any
) -> Examination:
    """An examination of real pixels that is sure of `kind`; `more` replaces facts."""
    image = msgspec.structs.replace(inspected(folder, file, pixels), **more)
    evidence = told(file, [path.name for path in (folder / file).parent.iterdir()])
    return Examination(image, classified(kind, share, *evidence), NOTHING)


def imagined(file: str, kind: Kind | None, share: float = 0.97, **facts: Any) -> Examination:
    """An examination without pixels: an opaque colour texture of 512 x 512, save for `facts`."""
    channels = [Channel(name, 0.0, 1.0, 0.5, 0.2) for name in "rgb"]
    image: dict[str, Any] = {
        "format": "png", "size": 1, "width": 512, "height": 512, "power_of_two": True, "channels": 3,
        "bit_depth": 8, "color_model": "rgb", "has_alpha": False, "alpha": None, "grey": False,
        "statistics": channels, "entropy": 7.0, "normals": None,
        "seams": {"horizontal": 0.0, "vertical": 0.0}, "compression": "",
    }  # fmt: skip
    values = msgspec.to_builtins({**image, **facts})
    return Examination(msgspec.convert(values, Inspection), classified(kind, share, *told(file)), NOTHING)
