"""The workloads that run models: parameters, results and documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from accel.image.operation import (
    FirstLayer,
    Operated,
    Reading,
    Writing,
    check_size,
    first_layer,
    operation,
)
from accel.text import text
from accel.workload import (
    Input,
    Item,
    Limits,
    Outcome,
    Output,
    Params,
    WorkloadError,
    batched,
    names,
    workload,
)

if TYPE_CHECKING:
    from accel.image.raster import Raster


MOST_TEXTS = 1024
MOST_BYTES = 1 << 20
"""Of an input; what a vector can tell is in the first page of it."""


class EmbedText(Params, frozen=True):
    """Which."""

    texts: Annotated[
        list[Annotated[str, Meta(max_length=20_000)]],
        Meta(max_length=MOST_TEXTS, description="Texts, besides the inputs, which are files of text each."),
    ] = field(default_factory=list)


class Embeddings(Struct, frozen=True):
    """Vectors of texts: the sum of the products of two of them is how alike they are, from -1 to 1."""

    model: str
    """By which they were made; vectors of different models can't be compared."""
    dimensions: int
    """Numbers of each vector."""
    vectors: list[list[float]]
    """Of length 1: those of `texts` first, then those of the inputs."""
    cut: list[int]
    """Which of them, counted from 0, were longer than the model reads: only their beginning counts."""


@workload("text.embed", version=1, params=EmbedText, inputs=(0, MOST_TEXTS))
def embed_text(inputs: Sequence[Input], params: EmbedText, limits: Limits) -> Output:
    """Turns texts into vectors, by which alike ones are found: names of assets, comments, descriptions.

    Needs the model `minilm-l6` (`popbridge models pull minilm-l6`). It knows English, and reads about the
    first 180 words (256 word pieces) of each text. A text's vector is the same in any company.
    Value: an `Embeddings`.
    """
    from accel.ai.embeddings import embed_texts_with_model

    texts = read_texts(inputs, params)
    return Output(embeddings(*embed_texts_with_model(texts, limits)))


def _sample(n: int) -> Mapping[str, Any]:
    # Of various lengths, as names and captions are: what a batch has to gain is also that alike ones meet.
    words = ("rusty", "metal", "plate", "brick", "wall", "mossy", "rock", "oak", "planks", "sky", "button")
    return {"texts": [" ".join(words[(n * 3 + at) % len(words)] for at in range(1 + n % 7)) + f" {n}"]}


def _length(params: EmbedText) -> str:
    """Words differ in length by far more than texts of one kind do."""
    longest = max(map(len, params.texts), default=0)
    return "short" if longest <= 64 else "long"


@batched(embed_text, sample=_sample, rows=lambda params: max(1, len(params.texts)), bucket=_length)
def embed_several(items: Sequence[Item], limits: Limits) -> list[Outcome]:
    """Several jobs' texts in one go."""
    from accel.ai.embeddings import embed_texts_with_model

    given = [_read(item) for item in items]
    texts = [text for texts in given if not isinstance(texts, WorkloadError) for text in texts]
    made, cut = embed_texts_with_model(texts, limits)
    outcomes: list[Outcome] = []
    begin = 0
    for one in given:
        if isinstance(one, WorkloadError):
            outcomes.append(one)
            continue
        end = begin + len(one)
        outcomes.append(Output(embeddings(made[begin:end], [at - begin for at in cut if begin <= at < end])))
        begin = end
    return outcomes


def _read(item: Item) -> list[str] | WorkloadError:
    try:
        return read_texts(item.inputs, item.params)
    except WorkloadError as error:
        return error


def embeddings(vectors: Sequence[list[float]], cut: Sequence[int]) -> Embeddings:
    """The value of one job."""
    from accel.models.catalog import MINILM

    dimensions = len(vectors[0]) if vectors else 384
    return Embeddings(f"{MINILM.name} {MINILM.version}", dimensions, list(vectors), list(cut))


def read_texts(inputs: Sequence[Input], params: EmbedText) -> list[str]:
    """All texts of a job. Raises WorkloadError `bad_params`, `bad_input` or `too_large`."""
    if not inputs and not params.texts:
        raise WorkloadError("bad_params", text("give texts, or files of text as inputs"))
    return [*params.texts, *map(_text, inputs)]


def _text(source: Input) -> str:
    try:
        with open(source.path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise WorkloadError(
            "bad_input", text("can't be read ({strerror})", strerror=error.strerror or error), source.name
        ) from None
    if len(data) > MOST_BYTES:
        raise WorkloadError("too_large", text("is more than 1 MiB of text"), source.name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WorkloadError("bad_input", text("isn't text in UTF-8"), names([source])) from None


class EmbedImage(Reading, frozen=True):
    """Nothing further."""


class ImageEmbedding(FirstLayer, frozen=True):
    """A picture's vector: the sum of the products of two of them is how alike they look, from 0 to 1."""

    model: str
    """By which it was made; vectors of different models can't be compared."""
    dimensions: int
    """Numbers of the vector."""
    vector: list[float]
    """Of length 1."""


@operation("image.embed", version=4, params=EmbedImage)
def embed_image(images: Sequence[Raster], params: EmbedImage, limits: Limits) -> Operated:
    """Turns a picture into a vector, by which those of the same material or subject are found.

    Needs the model `efficientnet-lite0`, whose licence is unclear (`popbridge models pull efficientnet-lite0
    --accept-unclear-licence`). The picture is looked at as a whole, at 224 x 224 pixels. What is
    transparent counts as white, or as black where all that is visible is light.
    Value: an `ImageEmbedding`.
    """
    from accel.ai.embeddings import image_vector

    (image,) = images
    made, model = image_vector(image, limits)
    return Operated(value=ImageEmbedding(model, len(made), made, first_of=first_layer(image)))


class Upscale(Writing, frozen=True):
    """How much, and how."""

    factor: Annotated[Literal[2, 4], Meta(description="How many times as wide and as high.")] = 2
    style: Annotated[
        Literal["faithful", "sharp"],
        Meta(
            description="`faithful` (waifu2x) keeps to what is there; `sharp` (Real-ESRGAN) draws clean "
            "edges and smooths fine texture away, as suits drawings and interfaces."
        ),
    ] = "faithful"
    wrap: Annotated[
        bool, Meta(description="Whether the edges continue at the opposite ones, as those of a tile do.")
    ] = False
    alpha_weighted: Annotated[
        bool,
        Meta(
            description="Whether colours of wholly transparent texels count for nothing, so that they give "
            "no fringe; others take their place. Turn it off where the last channel is no transparency, as "
            "of packed maps: what their other channels hold where it is 0 would be lost."
        ),
    ] = True
    normals: Annotated[
        bool | None,
        Meta(
            description="Whether it is a normal map: its vectors are made unit vectors again. `null` tells "
            "that of integers by the texels, as `kind` of image.resize does."
        ),
    ] = None


@operation("image.upscale", version=7, params=Upscale)
def upscale(images: Sequence[Raster], params: Upscale, limits: Limits) -> Operated:
    """Enlarges an image with a network instead of a filter.

    Needs a model: `waifu2x-upconv7-2x` for the style `faithful`, `realesr-animevideo-4x` for `sharp`
    (`popbridge models pull NAME`). It is done in tiles that overlap by as much as the network sees, so that
    there are no seams and memory stays bounded. On one core a megapixel takes about 12 s (`faithful`, 2),
    60 s (`faithful`, 4) or 22 s (`sharp`): raise the deadline for large images. Transparency is enlarged by
    the same network; colours spread into what is wholly transparent first and replace what was there, unless
    `normals` or not `alpha_weighted`, or what is read as data by `transfer`. Floats have to be of 0 to 1.
    Output file: `upscaled`. Value: a `Written`.
    """
    from accel.ai.super_resolution import upscale_raster

    (image,) = images
    params = msgspec.structs.replace(params, normals=_are_normals(image, params))
    check_size(image.name, image.width * params.factor, image.height * params.factor, limits)
    return Operated({"upscaled": upscale_raster(image, params, limits)})


def _are_normals(image: Raster, params: Upscale) -> bool:
    from accel.image.pixel_coding import channel_kind

    if params.normals is not None:
        return params.normals
    # Floats may be vectors of -1 to 1, which the networks don't know.
    return image.pixels.dtype.kind == "u" and channel_kind(image) == "normal"


class RemoveBackground(Writing, frozen=True):
    """How."""

    edges: Annotated[
        Literal["refined", "soft"],
        Meta(
            description="`refined` lets the mask follow the edges of the image at full size; `soft` only "
            "enlarges what the network saw at 320 x 320 pixels."
        ),
    ] = "refined"
    result: Annotated[
        Literal["cutout", "mask"],
        Meta(description="The image with transparency, or its mask alone: grey, white is what stays."),
    ] = "cutout"


@operation("image.remove_background", version=5, params=RemoveBackground)
def remove_background(images: Sequence[Raster], params: RemoveBackground, limits: Limits) -> Operated:
    """Makes everything transparent but what a picture shows: a person, an object, an animal.

    Needs the model `u2netp` (`popbridge models pull u2netp`). Transparency that the image has already stays;
    it counts as white, or as black where all that is visible is light. Where its format holds none, such as
    JPEG, the result is a PNG unless another is asked for.
    Output file: `cutout` or `mask`. Value: a `Written`.
    """
    from accel.ai.matting import cut_out, foreground_mask

    (image,) = images
    mask = foreground_mask(image, limits, refine=params.edges == "refined")
    return Operated({params.result: cut_out(image, mask, alone=params.result == "mask")})


class Ocr(Reading, frozen=True):
    """What counts."""

    confidence: Annotated[
        float, Meta(ge=0, le=1, description="Lines that are read less surely than this are left out.")
    ] = 0.5


class Line(Struct, frozen=True):
    """A line of text."""

    text: str
    """As it is read."""
    confidence: float
    """0 to 1: the mean over its characters."""
    box: list[list[float]]
    """Its four corners, `[x, y]` in pixels from the image's upper left one: those of the text's upper left,
    upper right, lower right and lower left, however it is turned; at an edge they lie a little outside."""


class Text(FirstLayer, frozen=True):
    """The text in a picture."""

    text: str
    """All lines, from top to bottom and left to right on a page that is turned as most of its text is, a line
    break between two."""
    lines: list[Line]
    """In the same order."""


@operation("image.ocr", version=5, params=Ocr)
def ocr(images: Sequence[Raster], params: Ocr, limits: Limits) -> Operated:
    """Finds and reads text: of screenshots, signs, interfaces, labels on textures; in any direction.

    Needs the model `pp-ocrv6` (`popbridge models pull pp-ocrv6`), which knows English, Chinese, Japanese and
    most languages of Latin script. What is transparent counts as white, or as black where all
    that is visible is light; where one page would hide some, the other is read too.
    Value: a `Text`.
    """
    from accel.ai.text_recognition import read_lines

    (image,) = images
    lines = [line for line in read_lines(image, limits) if line.confidence >= params.confidence]
    return Operated(value=Text("\n".join(line.text for line in lines), lines, first_of=first_layer(image)))
