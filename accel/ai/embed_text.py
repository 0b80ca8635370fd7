"""`text.embed`: texts as vectors that lie close together where the meaning is alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct, field

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
    from accel.ai.text_vectors import vectors

    texts = read_texts(inputs, params)
    return Output(embeddings(*vectors(texts, limits)))


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
    from accel.ai.text_vectors import vectors

    given = [_read(item) for item in items]
    texts = [text for texts in given if not isinstance(texts, WorkloadError) for text in texts]
    made, cut = vectors(texts, limits)
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
    from accel.models.catalogue import MINILM

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
