"""The texture workloads: parameters, results and documentation."""

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


classify = workload("texture.classify", version=4, params=Surroundings)(
    implementation(
        "accel.texture.judgement:classify",
        """Tells what a texture is for.

    Kinds: albedo, normal, height, roughness, specular, ao, packed, emissive, sprite, ui and environment. The
    pixels decide; the name, its folder, the files beside it, the materials that use it and its present
    import settings are further evidence. Value: a `Classification`.
    """,
    )
)


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


examine = workload("texture.examine", version=9, params=Examine)(
    implementation(
        "accel.texture.judgement:examine",
        """Inspects, classifies and fingerprints a texture that is decoded once.

    Output file: `preview`, if asked for. Value: an `Examination`.
    """,
    )
)


AT_ONCE = 4
"""Textures that the model judges together; more gain nothing."""


@workload(examine.workload.name, version=examine.workload.version, params=Examine)
def examine_among(inputs: Sequence[Input], params: Examine, limits: Limits) -> Output:
    """`examine`, for whoever asks about so many textures that some always wait."""
    return examine(inputs, params, limits)


# Not `examine` itself: how many at once are worth it is measured by samples, which would have to be files.
examine_several = batched(examine_among, sample=lambda n: {}, max_rows=AT_ONCE)(
    implementation(
        "accel.texture.judgement:examine_several",
        """Several textures, of which each gets what `examine` gives.""",
    )
)


class EstimatePbr(Writing, frozen=True):
    """How the surface is guessed, and how its maps are stored."""

    method: Annotated[
        Literal["network", "luminance"],
        Meta(
            description="`network`: heights by a small network that learned from materials with known maps. "
            "`luminance`: bright is high, as most tools guess. The roughness comes by the same rule in both."
        ),
    ] = "network"
    strength: Annotated[
        float,
        Meta(
            gt=0,
            le=64,
            description="Factor of all heights and slopes. At 1 the network's are as deep as it judges them "
            "to be, which is cautious; by luminance black to white is 4 texels.",
        ),
    ] = 1.0
    shading: Annotated[
        float,
        Meta(
            ge=0,
            le=65536,
            description="Texels. Brightness that changes only over so many or more is taken for light or "
            "paint: `luminance` and the roughness see only what changes faster. 0 leaves all of it.",
        ),
    ] = 128.0
    invert: Annotated[bool, Meta(description="Whether dark is high, with `luminance`.")] = False
    roughness: Annotated[
        float, Meta(ge=0, le=1, description="Of the map in the mean; 0 is a mirror, 1 is chalk.")
    ] = 0.6
    roughness_contrast: Annotated[
        float,
        Meta(
            ge=-4,
            le=4,
            description="How much rougher black is than white; 0 makes the whole map `roughness`, below 0 "
            "bright is rougher.",
        ),
    ] = 0.4
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(
            description="What lies beyond the edges: the edge itself again, or, for what tiles, the opposite "
            "edge; the maps then tile too."
        ),
    ] = "clamp"
    convention: Annotated[
        Literal["opengl", "directx"],
        Meta(description="Where the normals' green points: up (OpenGL) or down (DirectX)."),
    ] = "opengl"


class Estimated(FirstLayer, frozen=True):
    """What was estimated."""

    method: str
    """As asked for."""
    depth: float
    """Texels from 0 to full scale of `height`: the `strength` with which `image.normal_from_height` makes the
    normals of it, and a measure for displacement."""
    roughness: float
    """Mean of the map as it is written, 0 to 1."""
    width: int
    """Pixels of each map."""
    height: int
    """Pixels of each map."""


estimate_pbr = operation("texture.estimate_pbr", version=4, params=EstimatePbr)(
    implementation(
        "accel.texture.pbr_maps:estimate_pbr",
        """Guesses height, normals and roughness of a material from its albedo.

    The three fit one another and the albedo, of whose size they are. Heights fill the range from 0 to full
    scale, unless they differ by less than one texel. Normals are (-dh/dx, -dh/dy, 1) of the unrounded heights
    by Sobel's kernel, as RGB from 0 for -1 to full scale for 1. Roughness is `roughness` less
    `roughness_contrast` times the brightness without `shading`, cut to 0 to 1: a rule, as colours
    hardly tell more. Brightness is that of sRGB's codes; alpha doesn't count. Normals of 32 bit images have
    16 bit. On one core the network takes about 1.5 s for a megapixel; raise the deadline for large images.
    The format `same` is PNG for JPEG, WebP, AVIF and HDR, whose losses would bend the vectors, and EXR for
    floats of HDR. How near the guesses come is in docs/explanation/models/estimate-pbr.md.
    Output files: `height`, `normal` and `roughness`. Value: an `Estimated`.
    """,
    )
)
