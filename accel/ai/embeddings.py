"""Embeddings of texts and images, with a WordPiece tokenizer.

The tokenizer gives the same results as Hugging Face's `tokenizers`, which has fifteen dependencies, except
that it treats special tokens in a text, such as `[SEP]`, as plain text.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.ai.preprocessing import resize_planes, to_tensor
from accel.ai.sessions import Network, networks, run_in_batches
from accel.ai.workloads import Embeddings, EmbedImage, EmbedText, ImageEmbedding
from accel.execution.batching import bucket_key
from accel.image.operation import Operated, first_layer
from accel.image.raster import Raster
from accel.models.catalog import EFFICIENTNET, MINILM
from accel.text import text
from accel.workload import Input, Item, Limits, Outcome, Output, WorkloadError, file_error_code, names

SIDE = 224
"""Side length in pixels of the network's input, as in its training."""
DIMENSIONS = 384
"""Length of a text vector."""
MAX_PIECES = 256
"""Maximum number of word pieces per text, as in the model's training."""
MIN_PIECES = 8
"""Minimum length to which rows are padded so that shapes repeat."""
MAX_BYTES = 1 << 20
"""Maximum size of an input in bytes; the model reads only the beginning."""


def embed_text(inputs: Sequence[Input], params: EmbedText, limits: Limits) -> Output:
    texts = _read_texts(inputs, params)
    return Output(_embeddings(*embed_texts_with_model(texts, limits)))


def embed_several(items: Sequence[Item], limits: Limits) -> list[Outcome]:
    jobs = [_try_reading(item) for item in items]
    texts = [text for job in jobs if not isinstance(job, WorkloadError) for text in job]
    vectors, cut = embed_texts_with_model(texts, limits)
    outcomes: list[Outcome] = []
    begin = 0
    for job in jobs:
        if isinstance(job, WorkloadError):
            outcomes.append(job)
            continue
        end = begin + len(job)
        own = [index - begin for index in cut if begin <= index < end]
        outcomes.append(Output(_embeddings(vectors[begin:end], own)))
        begin = end
    return outcomes


def embed_image(images: Sequence[Raster], params: EmbedImage, limits: Limits) -> Operated:
    (image,) = images
    network = networks(limits).get(EFFICIENTNET.name)
    vector = round_vector(network.image(resize_planes(to_tensor(image), SIDE, SIDE)))
    model = f"{EFFICIENTNET.name} {EFFICIENTNET.version}"
    return Operated(value=ImageEmbedding(model, len(vector), vector, first_of=first_layer(image)))


def _embeddings(vectors: Sequence[list[float]], cut: Sequence[int]) -> Embeddings:
    dimensions = len(vectors[0]) if vectors else DIMENSIONS
    return Embeddings(f"{MINILM.name} {MINILM.version}", dimensions, list(vectors), list(cut))


def _try_reading(item: Item) -> list[str] | WorkloadError:
    try:
        return _read_texts(item.inputs, item.params)
    except WorkloadError as error:
        return error


def _read_texts(inputs: Sequence[Input], params: EmbedText) -> list[str]:
    """Returns all texts of a job. Raises WorkloadError `bad_params`, `bad_input` or `too_large`."""
    if not inputs and not params.texts:
        raise WorkloadError("bad_params", text("give texts, or files of text as inputs"))
    return [*params.texts, *map(_read_file, inputs)]


def _read_file(source: Input) -> str:
    try:
        with open(source.path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = text("can't be read ({strerror})", strerror=error.strerror or error)
        raise WorkloadError(file_error_code(error, "bad_input"), reason, source.name) from None
    if len(data) > MAX_BYTES:
        raise WorkloadError("too_large", text("is more than 1 MiB of text"), source.name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WorkloadError("bad_input", text("isn't text in UTF-8"), names([source])) from None


def embed_texts_with_model(texts: Sequence[str], limits: Limits) -> tuple[list[list[float]], list[int]]:
    """Returns a unit vector for each text, and the indices of truncated texts.

    Raises WorkloadError if the model isn't installed.
    """
    network = networks(limits).get(MINILM.name)
    tokenizer = _tokenizer(limits)
    rows = [tokenizer.ids(text, MAX_PIECES) for text in texts]
    result = np.empty((len(texts), DIMENSIONS), np.float32)
    assert network.file.graph is not None
    # Grouping similar lengths reduces padding.
    order = sorted(range(len(texts)), key=lambda at: len(rows[at][0]))
    for chosen, found in run_in_batches(
        order, network.file.graph.batching.most, lambda part: _run(network, [rows[at][0] for at in part])
    ):
        result[chosen] = found
    return round_vector(result), [at for at, (_, cut) in enumerate(rows) if cut]


@cache
def _tokenizer(limits: Limits) -> WordPiece:
    """Loads the tokenizer once per process."""
    return WordPiece(networks(limits).read(MINILM.name, "tokenizer.json"))


def _run(network: Network, rows: Sequence[list[int]]) -> NDArray[np.float32]:
    longest = max(map(len, rows))
    feed = padded = pad_tokens(rows, len(rows), longest)
    if network.tunes_shapes:
        # On a GPU, padding costs less than another shape.
        rounded = pad_tokens(rows, bucket_key(len(rows)), max(MIN_PIECES, bucket_key(longest)))
        padded = rounded if network.may_tune(rounded) else feed
    (hidden,) = network.run(padded)
    hidden = hidden[: len(rows), :longest]
    weights = feed["attention_mask"][..., None].astype(np.float32)
    mean = (hidden * weights).sum(1) / weights.sum(1)
    result: NDArray[np.float32] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return result


def pad_tokens(rows: Sequence[list[int]], count: int, length: int) -> dict[str, NDArray[np.int64]]:
    """Returns the network's inputs: `count` rows of `length` tokens, with a mask for padding.

    Extra rows repeat the first, because the mean of no tokens is undefined.
    """
    ids, mask = (np.zeros((count, length), np.int64) for _ in range(2))
    for at in range(count):
        row = rows[at] if at < len(rows) else rows[0]
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


LONGEST_WORD = 100
"""Longest known word in characters."""

HEAD = 8192
"""Number of characters to tokenise first; 256 word pieces span about 1,300 characters."""


class WordPiece:
    """Tokenizer for a lower-case vocabulary without accents."""

    def __init__(self, tokenizer: bytes) -> None:
        """`tokenizer` is the contents of a `tokenizer.json`. Raises ValueError for another kind."""
        declared = json.loads(tokenizer)
        model, normalizer = declared["model"], declared["normalizer"]
        kinds = (model.get("type", "WordPiece"), normalizer["type"], declared["pre_tokenizer"]["type"])
        if kinds != ("WordPiece", "BertNormalizer", "BertPreTokenizer") or not normalizer["lowercase"]:
            raise ValueError(f"unsupported tokenizer ({', '.join(kinds)})")
        self._vocabulary: Mapping[str, int] = model["vocab"]
        self._prefix: str = model["continuing_subword_prefix"]
        self._unknown = self._vocabulary[model["unk_token"]]
        self._begin, self._end = self._vocabulary["[CLS]"], self._vocabulary["[SEP]"]

    def ids(self, text: str, most: int) -> tuple[list[int], bool]:
        """Returns at most `most` token IDs, including begin and end, and whether the text was truncated."""
        head = _head(text)
        found, cut = self._ids(head, most)
        return (found, cut) if cut or head == text else self._ids(text, most)

    def _ids(self, text: str, most: int) -> tuple[list[int], bool]:
        found: list[int] = []
        for word in _words(normalize_text(text)):
            found += self._pieces(word)
            if len(found) > most - 2:
                return [self._begin, *found[: most - 2], self._end], True
        return [self._begin, *found, self._end], False

    def _pieces(self, word: str) -> list[int]:
        """Splits a word greedily into the longest known pieces. If that fails, the whole word is unknown."""
        if len(word) > LONGEST_WORD:
            return [self._unknown]
        found, begin = [], 0
        while begin < len(word):
            prefix = self._prefix if begin else ""
            for end in range(len(word), begin, -1):
                if (number := self._vocabulary.get(prefix + word[begin:end])) is not None:
                    found.append(number)
                    begin = end
                    break
            else:
                return [self._unknown]
        return found


def _head(text: str) -> str:
    """Returns the first words of a long text, which are usually enough."""
    end = max(text.rfind(c, 0, HEAD) for c in " \n") if len(text) > HEAD else 0
    return text[:end] if end > 0 else text


def normalize_text(text: str) -> str:
    """Removes control characters and accents, lower-cases and puts spaces around ideographs."""
    spread = "".join(f" {c} " if _ideograph(c) else c for c in _clean(text))
    plain = (c for c in unicodedata.normalize("NFD", spread) if unicodedata.category(c) != "Mn")
    return "".join(c.lower() for c in plain)


def _clean(text: str) -> Iterator[str]:
    for c in text:
        if c in "\t\n\r" or c.isspace():
            yield " "
        elif c not in "\0\ufffd" and unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs"):
            yield c


_IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
"""CJK blocks that BERT's tokenizer treats as Chinese characters."""


def _ideograph(c: str) -> bool:
    return c > "\u33ff" and any(low <= ord(c) <= high for low, high in _IDEOGRAPHS)


def _words(text: str) -> Iterator[str]:
    """Yields words, and each punctuation mark on its own."""
    for chunk in text.split():
        word = ""
        for c in chunk:
            if _punctuation(c):
                if word:
                    yield word
                yield c
                word = ""
            else:
                word += c
        if word:
            yield word


def _punctuation(c: str) -> bool:
    # Like BERT, treat all ASCII symbols as punctuation.
    if c < "\x80":
        return not c.isalnum() and c > " " and c != "\x7f"
    return unicodedata.category(c).startswith("P")


DIGITS = 7
_MIN_VALUE = 1e-12
"""Smaller magnitudes keep fewer digits, as they are negligible in unit vectors."""
_POWERS = np.array([float(f"1e{power}") for power in range(DIGITS + 12)])
"""Exact powers of ten, so that quotients of integers are rounded correctly."""


def round_vector(vectors: NDArray[np.float32]) -> list[Any]:
    """Rounds numbers between -1 and 1 to seven significant digits and returns them as lists."""
    wide = vectors.astype(np.float64)
    places = DIGITS - 1 - np.floor(np.log10(np.maximum(np.abs(wide), _MIN_VALUE))).astype(np.intp)
    scale = _POWERS[places]
    found: list[Any] = (np.rint(wide * scale) / scale).tolist()
    return found
