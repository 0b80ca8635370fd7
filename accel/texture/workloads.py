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
    """Facts about a texture beyond its pixels."""

    use_name: Annotated[bool, Meta(description="Use the names of the file and its folder as evidence.")] = (
        True
    )
    siblings: Annotated[
        tuple[str, ...],
        Meta(description="Names of the other files in its folder; used with `use_name`."),
    ] = ()
    slots: Annotated[
        tuple[Kind, ...], Meta(description="Kinds that the project's materials and scenes use it as.")
    ] = ()
    named_slots: Annotated[
        tuple[Kind, ...],
        Meta(description="Kinds in the names of custom material properties and shader uniforms."),
    ] = ()
    imported_as: Annotated[
        Kind | None, Meta(description="Kind implied by its current import settings; null if none.")
    ] = None


classify = workload("texture.classify", version=5, params=Surroundings)(
    implementation(
        "accel.texture.judgement:classify",
        """Detects the kind of a texture.

    Kinds: albedo, normal, height, roughness, specular, ao, packed, emissive, sprite, ui, environment and
    other (noise, lookup tables, ramps, masks, data of tools). The pixels are the main evidence; the name,
    folder, neighbouring files and current import settings are further evidence. A whole role word in the
    name decides unless the pixels forbid it; materials and scenes that use it decide in any case.
    Value: a `Classification`.
    """,
    )
)


class Examine(Surroundings, frozen=True):
    """Facts about a texture beyond its pixels, and additional output."""

    preview: Annotated[
        int, Meta(ge=0, le=4096, description="Longest side of a PNG preview in pixels; 0 for none.")
    ] = 0


class Examination(Struct, frozen=True):
    """A texture's facts, its kind and its fingerprint."""

    inspection: Inspection
    """Result of `image.inspect`."""
    classification: Classification
    """Result of `texture.classify`."""
    fingerprint: Fingerprint
    """Result of `image.fingerprint`."""


examine = workload("texture.examine", version=11, params=Examine)(
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


Scene = Literal["auto", "lit", "far", "detail"]


class ImportState(Struct, frozen=True, forbid_unknown_fields=True):
    """Import settings that change how a texture looks."""

    kind: Kind | None = None
    """What it is imported as; null if that isn't stored."""
    color_space: Literal["srgb", "linear"] | None = None
    """How the GPU decodes its colours."""
    normal_convention: Literal["opengl", "directx"] | None = None
    """What the file's green channel is taken for."""
    mipmaps: bool | None = None
    """Whether it has smaller levels for a distance."""
    compression: Literal["none", "lossless", "lossy", "block", "block_high", "universal"] | None = None
    """How it is stored in GPU memory."""


class PreviewLit(Params, frozen=True):
    """Both states, and what is drawn."""

    kind: Annotated[Kind, Meta(description="What the texture is for.")]
    before: Annotated[ImportState, Meta(description="The import settings now.")] = ImportState()
    after: Annotated[ImportState, Meta(description="The import settings after the change.")] = ImportState()
    scene: Annotated[
        Scene,
        Meta(
            description="`lit`: a tile of the surface under one light from the upper left. `far`: the "
            "surface in perspective, where missing mipmaps shimmer. `detail`: texels at four times their "
            "size, with the artefacts of block compression. `auto`: what shows the difference."
        ),
    ] = "auto"
    size: Annotated[int, Meta(ge=32, le=1024, description="Width and height of the pictures in pixels.")] = (
        256
    )
    format: Annotated[Literal["png", "webp"], Meta(description="Format of the pictures.")] = "png"


class LitPreview(Struct, frozen=True):
    """What was drawn."""

    scene: Scene
    """What is drawn: `lit`, `far` or `detail`."""
    difference: float
    """Mean absolute difference of both pictures, 0 to 255."""
    width: int
    """Of each picture, pixels."""
    height: int
    """Of each picture, pixels."""


preview_lit = workload("texture.preview_lit", version=1, params=PreviewLit, inputs=(1, 2))(
    implementation(
        "accel.texture.lit_preview:preview_lit",
        """Shows what a change of import settings does to a texture in the game.

    A second input is the albedo of the same material. Output files: `before` and `after`. Value: a
    `LitPreview`.
    """,
    )
)


class EstimatePbr(Writing, frozen=True):
    """Options for estimating the surface and storing the maps."""

    method: Annotated[
        Literal["network", "luminance"],
        Meta(
            description="`network`: a small neural network estimates heights; it was trained on "
            "materials with known maps. `luminance`: bright is high, as in most tools. Both use the "
            "same rule for roughness."
        ),
    ] = "network"
    strength: Annotated[
        float,
        Meta(
            gt=0,
            le=64,
            description="Factor for all heights and slopes. 1 is the network's cautious estimate; "
            "with `luminance`, black to white is then 4 texels.",
        ),
    ] = 1.0
    shading: Annotated[
        float,
        Meta(
            ge=0,
            le=65536,
            description="Distance in texels. Slower changes in brightness count as lighting or "
            "paint and don't affect `luminance` and roughness. 0 removes nothing.",
        ),
    ] = 128.0
    invert: Annotated[bool, Meta(description="Treat dark as high, for `luminance`.")] = False
    roughness: Annotated[
        float, Meta(ge=0, le=1, description="Mean of the roughness map: 0 is a mirror, 1 is chalk.")
    ] = 0.6
    roughness_contrast: Annotated[
        float,
        Meta(
            ge=-4,
            le=4,
            description="How much rougher black is than white. 0: constant roughness. Below 0: "
            "bright is rougher.",
        ),
    ] = 0.4
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(
            description="Texels beyond the edges. `clamp` repeats the edge texel; `wrap` uses the "
            "opposite edge, for tiling textures, and the maps tile too."
        ),
    ] = "clamp"
    convention: Annotated[
        Literal["opengl", "directx"],
        Meta(description="Direction of the green channel: up (OpenGL) or down (DirectX)."),
    ] = "opengl"


class PbrEstimate(FirstLayer, frozen=True):
    """Facts about the estimated maps."""

    method: str
    """The requested method."""
    depth: float
    """Height of full scale in `height`, in texels: the `strength` for `image.normal_from_height`, and a scale
    for displacement."""
    roughness: float
    """Mean of the roughness map, 0 to 1."""
    width: int
    """Width of each map in pixels."""
    height: int
    """Height of each map in pixels."""


estimate_pbr = operation("texture.estimate_pbr", version=4, params=EstimatePbr, memory=6.0)(
    implementation(
        "accel.texture.pbr_maps:estimate_pbr",
        """Estimates height, normal and roughness maps of a material from its albedo map.

    The maps have the size of the albedo map. Heights range from 0 to full scale, unless they differ by less
    than one texel. Normals are (-dh/dx, -dh/dy, 1) of the unrounded heights with the Sobel kernel, stored as
    RGB from 0 for -1 to full scale for 1. Roughness is `roughness` minus `roughness_contrast` times the
    brightness without `shading`, clipped to 0 to 1: colours say little more about it. Brightness is computed
    from sRGB values; alpha is ignored. 32-bit images get 16-bit normal maps. On one core the network takes
    about 1.5 s per megapixel; raise the deadline for large images. The format `same` is PNG for JPEG, WebP,
    AVIF and HDR, whose losses would distort the vectors, and EXR for HDR floats. Accuracy:
    docs/explanation/models/estimate-pbr.md.
    Output files: `height`, `normal` and `roughness`. Value: a `PbrEstimate`.
    """,
    )
)
