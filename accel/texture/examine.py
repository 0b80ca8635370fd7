"""`texture.examine`: everything that advice on a texture needs, from one decode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from accel.image.fingerprint import Fingerprint
from accel.image.inspection import Inspection
from accel.texture.classification import Classification
from accel.texture.classify import Surroundings
from accel.workload import Input, Limits, Output, workload


class Examine(Surroundings, frozen=True):
    """What may be known of the texture, and what to make of the same decode."""

    preview: Annotated[
        int, Meta(ge=0, le=4096, description="Longest side of a PNG preview, pixels; 0 makes none.")
    ] = 0


class Examination(Struct, frozen=True):
    """A texture's facts, its kind and its fingerprint."""

    inspection: Inspection
    """As `image.inspect` gives it."""
    classification: Classification
    """As `texture.classify` gives it."""
    fingerprint: Fingerprint
    """As `image.fingerprint` gives it."""


@workload("texture.examine", version=5, params=Examine)
def examine(inputs: Sequence[Input], params: Examine, limits: Limits) -> Output:
    """Inspects, classifies and fingerprints a texture that is decoded once.

    Output file: `preview`, if asked for. Value: an `Examination`.
    """
    # Imported here, as declaring a workload must cost the daemon nothing.
    from accel.image.fingerprint import fingerprint_of
    from accel.image.inspecting import inspected
    from accel.image.load import decode_image
    from accel.texture.judge import judge

    decoded = decode_image(inputs[0], limits)
    inspection, files = inspected(decoded, params.preview)
    classification = judge(decoded, inputs[0].name, params)
    return Output(Examination(inspection, classification, fingerprint_of(inputs[0], decoded)), files)
