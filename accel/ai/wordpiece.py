"""Texts as the numbers of BERT's word pieces (Devlin et al., 2018), by the vocabulary of a `tokenizer.json`.

Gives what Hugging Face's `tokenizers` gives for such a file, which would bring fifteen packages along; but a
text that spells out a special token, such as `[SEP]`, is only text here.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping

LONGEST_WORD = 100
"""Characters; a longer one counts as unknown."""

HEAD = 8192
"""Characters of a text that are looked at first; 256 pieces of words are 1,300 or so."""


class WordPiece:
    """A tokenizer for one vocabulary, of lower case without accents."""

    def __init__(self, tokenizer: bytes) -> None:
        """`tokenizer` is the contents of a `tokenizer.json`. Raises ValueError for one of another kind."""
        declared = json.loads(tokenizer)
        model, normalizer = declared["model"], declared["normalizer"]
        kinds = (model.get("type", "WordPiece"), normalizer["type"], declared["pre_tokenizer"]["type"])
        if kinds != ("WordPiece", "BertNormalizer", "BertPreTokenizer") or not normalizer["lowercase"]:
            raise ValueError(f"it is a tokenizer of another kind ({', '.join(kinds)})")
        self._vocabulary: Mapping[str, int] = model["vocab"]
        self._prefix: str = model["continuing_subword_prefix"]
        self._unknown = self._vocabulary[model["unk_token"]]
        self._begin, self._end = self._vocabulary["[CLS]"], self._vocabulary["[SEP]"]

    def ids(self, text: str, most: int) -> tuple[list[int], bool]:
        """The numbers, with those of begin and end, and whether some were left out as more than `most`."""
        head = _head(text)
        found, cut = self._ids(head, most)
        return (found, cut) if cut or head == text else self._ids(text, most)

    def _ids(self, text: str, most: int) -> tuple[list[int], bool]:
        found: list[int] = []
        for word in _words(normalized(text)):
            found += self._pieces(word)
            if len(found) > most - 2:
                return [self._begin, *found[: most - 2], self._end], True
        return [self._begin, *found, self._end], False

    def _pieces(self, word: str) -> list[int]:
        """The longest pieces from the left; a word that isn't made of known pieces is unknown as a whole."""
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
    """Whole words from the beginning: of a long text more than these mostly doesn't count."""
    end = max(text.rfind(c, 0, HEAD) for c in " \n") if len(text) > HEAD else 0
    return text[:end] if end > 0 else text


def normalized(text: str) -> str:
    """Without control characters and accents, in lower case; ideographs stand by themselves."""
    spread = "".join(f" {c} " if _ideograph(c) else c for c in _cleaned(text))
    plain = (c for c in unicodedata.normalize("NFD", spread) if unicodedata.category(c) != "Mn")
    return "".join(c.lower() for c in plain)


def _cleaned(text: str) -> Iterator[str]:
    for c in text:
        if c in "\t\n\r" or c.isspace():
            yield " "
        elif c not in "\0\ufffd" and unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs"):
            yield c


_IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
"""The blocks that BERT's tokenizer takes for Chinese characters; Unicode's names begin with CJK."""


def _ideograph(c: str) -> bool:
    return c > "\u33ff" and any(low <= ord(c) <= high for low, high in _IDEOGRAPHS)


def _words(text: str) -> Iterator[str]:
    """Words, and each sign of punctuation by itself."""
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
    # All of ASCII's signs count, those that Unicode calls symbols too.
    if c < "\x80":
        return not c.isalnum() and c > " " and c != "\x7f"
    return unicodedata.category(c).startswith("P")
