"""`texture.examine`: everything that advice on a texture needs, from one decode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from accel.image.fingerprint import Fingerprint
from accel.image.inspection import Inspection
from accel.texture.classification import Classification
from accel.texture.classify import Surroundings
from accel.workload import Input, Item, Limits, Outcome, Output, batched, workload


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


@workload("texture.examine", version=9, params=Examine)
def examine(inputs: Sequence[Input], params: Examine, limits: Limits) -> Output:
    """Inspects, classifies and fingerprints a texture that is decoded once.

    Output file: `preview`, if asked for. Value: an `Examination`.
    """
    # Imported here, as declaring a workload must cost the daemon nothing.
    from accel.texture.examining import judged, look

    return judged([look(inputs[0], params, limits)])[0]


AT_ONCE = 4
"""Textures that the model judges together; more gain nothing."""


@workload(examine.workload.name, version=examine.workload.version, params=Examine)
def examine_among(inputs: Sequence[Input], params: Examine, limits: Limits) -> Output:
    """`examine`, for whoever asks about so many textures that some always wait."""
    return examine(inputs, params, limits)


# Not `examine` itself: how many at once are worth it is measured by samples, which would have to be files.
@batched(examine_among, sample=lambda n: {}, max_rows=AT_ONCE)
def examine_several(items: Sequence[Item], limits: Limits) -> Sequence[Outcome]:
    """Several textures, of which each gets what `examine` gives."""
    from accel.texture.examining import examined

    return examined(items, limits)
