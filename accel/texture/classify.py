"""`texture.classify`: what a texture is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from accel.texture.kinds import Kind
from accel.workload import Input, Limits, Output, Params, workload


class Surroundings(Params, frozen=True):
    """What may be known of a texture beside its pixels."""

    use_name: Annotated[
        bool, Meta(description="Whether the file's name and its folder count as evidence.")
    ] = True
    siblings: Annotated[
        tuple[str, ...],
        Meta(description="Names of the other files in its folder; they count with `use_name`."),
    ] = ()
    slots: Annotated[
        tuple[Kind, ...], Meta(description="What materials and scenes of the project use it as.")
    ] = ()
    imported_as: Annotated[
        Kind | None, Meta(description="What its present import settings treat it as; nothing is null.")
    ] = None


@workload("texture.classify", version=4, params=Surroundings)
def classify(inputs: Sequence[Input], params: Surroundings, limits: Limits) -> Output:
    """Tells what a texture is for.

    Kinds: albedo, normal, height, roughness, specular, ao, packed, emissive, sprite, ui and environment. The
    pixels decide; the name, its folder, the files beside it, the materials that use it and its present
    import settings are further evidence. Value: a `Classification`.
    """
    # Imported here, as declaring a workload must cost the daemon nothing.
    from accel.image.load import decode_image
    from accel.texture.judge import judge

    return Output(judge(decode_image(inputs[0], limits), inputs[0].name, params))
