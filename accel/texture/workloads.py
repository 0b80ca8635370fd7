"""Declarations of the texture workloads: parameters, results, documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from accel.image.operation import FirstLayer, Writing, operation
from accel.image.operations.analysis import Fingerprint
from accel.image.records import Inspection
from accel.texture.kinds import Classification, Kind
from accel.workload import Input, Limits, Output, Params, batched, implementation, workload


class Surroundings(Params, frozen=True):
    """What is known of a texture in addition to its pixels."""

    use_name: Annotated[
        bool, Meta(description="Whether the file's name and its folder count as evidence.")
    ] = True
    siblings: Annotated[
        tuple[str, ...],
        Meta(description="Names of the other files in its folder; they count with `use_name`."),
    ] = ()
    slots: Annotated[
        tuple[Kind, ...], Meta(description="The kinds that materials and scenes of the project use it as.")
    ] = ()
    imported_as: Annotated[
        Kind | None, Meta(description="The kind that its present import settings imply; null for none.")
    ] = None


classify = workload("texture.classify", version=4, params=Surroundings)(
    implementation(
        "accel.texture.judgement:classify",
        """Recognises the kind of a texture.

    Kinds: albedo, normal, height, roughness, specular, ao, packed, emissive, sprite, ui and environment. The
    pixels are the main evidence; the name, the folder, the files beside it, the materials that use it and its
    present import settings are further evidence. Value: a `Classification`.
    """,
    )
)


class Examine(Surroundings, frozen=True):
    """What is known of the texture, and what else to produce."""

    preview: Annotated[
        int, Meta(ge=0, le=4096, description="Longest side of a PNG preview in pixels; 0 for none.")
    ] = 0


class Examination(Struct, frozen=True):
    """A texture's facts, its kind and its fingerprint."""

    inspection: Inspection
    """As returned by `image.inspect`."""
    classification: Classification
    """As returned by `texture.classify`."""
    fingerprint: Fingerprint
    """As returned by `image.fingerprint`."""


examine = workload("texture.examine", version=9, params=Examine)(
    implementation(
        "accel.texture.judgement:examine",
        """Inspects, classifies and fingerprints a texture, decoding it once.

    Output file: `preview`, if requested. Value: an `Examination`.
    """,
    )
)


AT_ONCE = 4
"""Textures that the model classifies together; more gain nothing."""


@workload(examine.workload.name, version=examine.workload.version, params=Examine)
def examine_among(inputs: Sequence[Input], params: Examine, limits: Limits) -> Output:
    """Examines a texture, in a batch with others that wait."""
    return examine(inputs, params, limits)


# Not `examine` itself, whose batches would be measured with samples, which would have to be files.
examine_several = batched(examine_among, sample=lambda n: {}, max_rows=AT_ONCE)(
    implementation(
        "accel.texture.judgement:examine_several",
        """Examines several textures together.""",
    )
)


class EstimatePbr(Writing, frozen=True):
    """How the surface is estimated and its maps are stored."""

    method: Annotated[
        Literal["network", "luminance"],
        Meta(
            description="`network`: heights by a small network, trained on materials with known maps. "
            "`luminance`: bright is high, as in most tools. Both use the same rule for roughness."
        ),
    ] = "network"
    strength: Annotated[
        float,
        Meta(
            gt=0,
            le=64,
            description="Factor of all heights and slopes. At 1 the network's estimate is unchanged, which "
            "is cautious; with luminance, black to white is 4 texels.",
        ),
    ] = 1.0
    shading: Annotated[
        float,
        Meta(
            ge=0,
            le=65536,
            description="Texels. Brightness that changes over this distance or more is treated as light or "
            "paint, and doesn't affect `luminance` and the roughness. 0 removes nothing.",
        ),
    ] = 128.0
    invert: Annotated[bool, Meta(description="Whether dark is high, with `luminance`.")] = False
    roughness: Annotated[
        float, Meta(ge=0, le=1, description="The mean of the roughness map; 0 is a mirror, 1 is chalk.")
    ] = 0.6
    roughness_contrast: Annotated[
        float,
        Meta(
            ge=-4,
            le=4,
            description="How much rougher black is than white. With 0 the map is constant, below 0 bright is "
            "rougher.",
        ),
    ] = 0.4
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(
            description="What is beyond the edges: the edge texel again, or, for tiling textures, the "
            "opposite edge; the maps then tile, too."
        ),
    ] = "clamp"
    convention: Annotated[
        Literal["opengl", "directx"],
        Meta(description="The direction of the green channel: up (OpenGL) or down (DirectX)."),
    ] = "opengl"


class PbrEstimate(FirstLayer, frozen=True):
    """Facts about the estimated maps."""

    method: str
    """As requested."""
    depth: float
    """Texels from 0 to full scale of `height`: the `strength` for `image.normal_from_height`, and a measure
    for displacement."""
    roughness: float
    """The mean of the roughness map, 0 to 1."""
    width: int
    """Pixels of each map."""
    height: int
    """Pixels of each map."""


estimate_pbr = operation("texture.estimate_pbr", version=4, params=EstimatePbr)(
    implementation(
        "accel.texture.pbr_maps:estimate_pbr",
        """Estimates height, normal and roughness maps of a material from its albedo map.

    The maps have the size of the albedo map and match it. Heights span the range from 0 to full scale, unless
    they differ by less than one texel. Normals are (-dh/dx, -dh/dy, 1) of the unrounded heights with the
    Sobel kernel, stored as RGB from 0 for -1 to full scale for 1. Roughness is `roughness` less
    `roughness_contrast` times the brightness without `shading`, clipped to 0 to 1; colours reveal hardly more
    about it. Brightness is that of sRGB values; alpha is ignored. Normal maps of 32-bit images have 16 bits.
    On one core the network takes about 1.5 s per megapixel; raise the deadline for large images. The format
    `same` is PNG for JPEG, WebP, AVIF and HDR, whose compression would distort vectors, and EXR for floats of
    HDR. The accuracy is in docs/explanation/models/estimate-pbr.md.
    Output files: `height`, `normal` and `roughness`. Value: a `PbrEstimate`.
    """,
    )
)
