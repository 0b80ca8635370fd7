"""Declares the workloads that run neural networks: parameters, results and documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from accel.image.operation import FirstLayer, Reading, Writing, operation
from accel.workload import Params, batched, implementation, workload

MAX_TEXTS = 1024


class EmbedText(Params, frozen=True):
    """Texts to embed."""

    texts: Annotated[
        list[Annotated[str, Meta(max_length=20_000)]],
        Meta(
            max_length=MAX_TEXTS,
            description="Texts to embed, in addition to the inputs, which are text files.",
        ),
    ] = field(default_factory=list)


class Embeddings(Struct, frozen=True):
    """Vectors of texts. The dot product of two vectors is the similarity of their texts, from -1 to 1."""

    model: str
    """The model that computed them. Vectors of different models can't be compared."""
    dimensions: int
    """Length of each vector."""
    vectors: list[list[float]]
    """Unit vectors, first of `texts`, then of the inputs."""
    cut: list[int]
    """Indices, from 0, of texts longer than the model reads; only their beginning counts."""


embed_text = workload("text.embed", version=1, params=EmbedText, inputs=(0, MAX_TEXTS))(
    implementation(
        "accel.ai.embeddings:embed_text",
        """Turns texts into vectors for finding similar names of assets, comments or descriptions.

    Needs the model `minilm-l6` (`popbridge models pull minilm-l6`), which knows English and reads about the
    first 180 words (256 word pieces) of each text. A text's vector doesn't depend on the other texts.
    Value: an `Embeddings`.
    """,
    )
)


def _sample(n: int) -> Mapping[str, Any]:
    # Lengths vary as in names and captions: batching also helps by grouping texts of similar length.
    words = ("rusty", "metal", "plate", "brick", "wall", "mossy", "rock", "oak", "planks", "sky", "button")
    return {"texts": [" ".join(words[(n * 3 + at) % len(words)] for at in range(1 + n % 7)) + f" {n}"]}


def _bucket(params: EmbedText) -> str:
    """Separates names from descriptions: in a batch with those, names would mostly be padding."""
    longest = max(map(len, params.texts), default=0)
    return "short" if longest <= 64 else "long"


embed_several = batched(
    embed_text, sample=_sample, rows=lambda params: max(1, len(params.texts)), bucket=_bucket
)(implementation("accel.ai.embeddings:embed_several", "Embeds the texts of several jobs together."))


class EmbedImage(Reading, frozen=True):
    """Options for reading the image."""


class ImageEmbedding(FirstLayer, frozen=True):
    """The vector of an image. The dot product of two vectors is the images' similarity, from 0 to 1."""

    model: str
    """The model that computed it. Vectors of different models can't be compared."""
    dimensions: int
    """Length of the vector."""
    vector: list[float]
    """A unit vector."""


embed_image = operation("image.embed", version=4, params=EmbedImage)(
    implementation(
        "accel.ai.embeddings:embed_image",
        """Turns an image into a vector for finding images of the same material or subject.

    Needs the model `efficientnet-lite0`, whose licence is unclear (`popbridge models pull efficientnet-lite0
    --accept-unclear-licence`). It sees the whole image, scaled to 224×224 pixels. Transparent areas count as
    white, or as black if everything visible is light.
    Value: an `ImageEmbedding`.
    """,
    )
)


class Upscale(Writing, frozen=True):
    """Factor and style."""

    factor: Annotated[Literal[2, 4], Meta(description="Scale of width and height.")] = 2
    style: Annotated[
        Literal["faithful", "sharp"],
        Meta(
            description="`faithful` (waifu2x) stays close to the source; `sharp` (Real-ESRGAN) draws clean "
            "edges and removes fine texture, which suits drawings and interfaces."
        ),
    ] = "faithful"
    wrap: Annotated[bool, Meta(description="Treat opposite edges as adjacent, for tiling textures.")] = False
    alpha_weighted: Annotated[
        bool,
        Meta(
            description="Replace colours of fully transparent texels by nearby ones, which avoids "
            "fringes. Turn it off if the last channel isn't transparency, as in packed maps: other "
            "channels would lose their values where it is 0."
        ),
    ] = True
    normals: Annotated[
        bool | None,
        Meta(
            description="Treat the image as a normal map and normalise its vectors. `null` detects "
            "it from the texels of integer images, like `kind` of image.resize."
        ),
    ] = None


upscale = operation("image.upscale", version=7, params=Upscale)(
    implementation(
        "accel.ai.super_resolution:upscale",
        """Enlarges an image with a neural network instead of a filter.

    Needs a model: `waifu2x-upconv7-2x` for the style `faithful`, `realesr-animevideo-4x` for `sharp`
    (`popbridge models pull NAME`). The image is processed in tiles that overlap by what the network sees
    around a pixel, so there are no seams and memory use is bounded. On one core a megapixel takes about 12 s
    (`faithful`, 2), 60 s (`faithful`, 4) or 22 s (`sharp`): raise the deadline for large images. The same
    network enlarges transparency. Before that, colours spread into fully transparent areas and replace what
    was there, except with `normals`, without `alpha_weighted`, and in images read as data by `transfer`.
    Floats must be between 0 and 1.
    Output file: `upscaled`. Value: a `Written`.
    """,
    )
)


class RemoveBackground(Writing, frozen=True):
    """Edges and kind of the result."""

    edges: Annotated[
        Literal["refined", "soft"],
        Meta(
            description="`refined` fits the mask to the edges of the image at full size; `soft` "
            "only enlarges the network's mask of 320×320 pixels."
        ),
    ] = "refined"
    result: Annotated[
        Literal["cutout", "mask"],
        Meta(
            description="`cutout`: the image with transparency. `mask`: only the mask, grey, with "
            "a white foreground."
        ),
    ] = "cutout"


remove_background = operation("image.remove_background", version=5, params=RemoveBackground)(
    implementation(
        "accel.ai.matting:remove_background",
        """Makes everything except the subject of an image transparent: a person, an object, an animal.

    Needs the model `u2netp` (`popbridge models pull u2netp`). The image's own transparency is preserved; for
    the network it counts as white, or as black if everything visible is light. If the image's format has no
    alpha channel, such as JPEG, the result is a PNG unless another format is requested.
    Output file: `cutout` or `mask`. Value: a `Written`.
    """,
    )
)


class Ocr(Reading, frozen=True):
    """Options for the returned lines."""

    confidence: Annotated[
        float, Meta(ge=0, le=1, description="Minimum confidence; lines below it are omitted.")
    ] = 0.5


class Line(Struct, frozen=True):
    """A line of text."""

    text: str
    """The recognised characters."""
    confidence: float
    """Mean confidence of its characters, 0 to 1."""
    box: list[list[float]]
    """Four corners, `[x, y]` in pixels from the image's top left: the text's top left, top right, bottom
    right and bottom left, whatever its direction. At the image's edges they may lie slightly outside."""


class Text(FirstLayer, frozen=True):
    """The text in an image."""

    text: str
    """All lines joined by line breaks, from top to bottom and left to right as seen in the direction of most
    of the text."""
    lines: list[Line]
    """The lines in the same order."""


ocr = operation("image.ocr", version=5, params=Ocr)(
    implementation(
        "accel.ai.text_recognition:ocr",
        """Finds and reads text in screenshots, signs, interfaces and labels, in any direction.

    Needs the model `pp-ocrv6` (`popbridge models pull pp-ocrv6`), which knows English, Chinese, Japanese and
    most languages of Latin script. Transparent areas count as white, or as black if everything visible is
    light; where that would hide some text, both are tried.
    Value: a `Text`.
    """,
    )
)
