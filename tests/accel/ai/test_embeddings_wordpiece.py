"""Known answers are those of Hugging Face's tokenizers 0.23 for the same file."""

import json

import pytest

from accel.ai import embeddings
from accel.ai.embeddings import WordPiece, normalize_text
from tests import pulled


@pytest.fixture(scope="module")
def tokenizer():
    model = pulled.require("minilm-l6")
    return WordPiece(pulled.STORE.read(model, model.file("tokenizer.json")))


KNOWN = {
    "Hello, world!": [101, 7592, 1010, 2088, 999, 102],
    "na\xefve caf\xe9 \u2014 \u03a3\u039f\u03a6\u039f\u03a3 \u0130stanbul": [
        101,
        15743,
        7668,
        1517,
        1173,
        29730,
        29736,
        29730,
        29733,
        9960,
        102,
    ],
    "rock_albedo_2k.png": [101, 2600, 1035, 2632, 28759, 1035, 1016, 2243, 1012, 1052, 3070, 102],
    "\u9244\u306e\u6750\u8cea \u30c6\u30af\u30b9\u30c1\u30e3": [
        101,
        100,
        1671,
        100,
        100,
        1713,
        30228,
        30233,
        30236,
        30254,
        102,
    ],
    "\ud55c\uad6d\uc5b4": [101, 1469, 30006, 30021, 29991, 30014, 30020, 29999, 30008, 102],
    "a" * 101: [101, 100, 102],
    "x\tY\u200bz\xa0w": [101, 1060, 1061, 2480, 1059, 102],
    "$5+3=8 <tag> `x` ^~|": [
        101,
        1002,
        1019,
        1009,
        1017,
        1027,
        1022,
        1026,
        6415,
        1028,
        1036,
        1060,
        1036,
        1034,
        1066,
        1064,
        102,
    ],
    "": [101, 102],
    "   ": [101, 102],
    "\ufb01ne \xbd": [101, 1984, 2638, 1092, 102],
    "don't 1,234.56%": [101, 2123, 1005, 1056, 1015, 1010, 22018, 1012, 5179, 1003, 102],
    "emoji \U0001f600 text": [101, 7861, 29147, 2072, 100, 3793, 102],
    "unbelievably uncharacteristically": [
        101,
        4895,
        8671,
        2666,
        3567,
        6321,
        4895,
        7507,
        22648,
        3334,
        6553,
        3973,
        102,
    ],
}


@pytest.mark.parametrize(("text", "ids"), KNOWN.items())
def test_texts_become_the_numbers_that_the_model_was_trained_with(tokenizer, text, ids):
    assert tokenizer.ids(text, 1000) == (ids, False)


def test_a_long_text_is_cut_and_still_ends(tokenizer):
    ids, cut = tokenizer.ids("stone " * 300, 256)
    assert cut and len(ids) == 256 and ids[0] == 101 and ids[-1] == 102
    assert tokenizer.ids("stone " * 254, 256)[1] is False


def test_a_special_token_in_a_text_is_only_text(tokenizer):
    assert 102 not in tokenizer.ids("a [SEP] b", 100)[0][1:-1]


def test_control_characters_and_accents_are_dropped():
    assert normalize_text("Caf\u00e9\0\u200b \u0130\tX") == "cafe i x"


def test_ideographs_stand_by_themselves():
    assert normalize_text("鉄壁a").split() == ["鉄", "壁", "a"]


def test_a_tokenizer_of_another_kind_is_refused():
    other = {
        "model": {"type": "BPE"}, "normalizer": {"type": "NFC", "lowercase": False},
        "pre_tokenizer": {"type": "ByteLevel"},
    }  # fmt: skip
    with pytest.raises(ValueError, match="BPE"):
        WordPiece(json.dumps(other).encode())


def test_of_a_long_text_only_the_beginning_is_looked_at_where_it_fills_the_model(tokenizer, monkeypatch):
    looked = []
    monkeypatch.setattr(
        embeddings, "normalize_text", lambda text: looked.append(len(text)) or normalize_text(text)
    )
    text = "rusty metal plates, " * 50_000
    assert tokenizer.ids(text, 256) == tokenizer.ids(text[:5000], 256)
    assert max(looked) <= embeddings.HEAD


@pytest.mark.parametrize("gap", [" ", "\n", "\u3000"])
def test_a_long_text_of_few_words_is_looked_at_whole(tokenizer, gap):
    text = gap * 9000 + "rusty" + gap * 9000 + "x" * 9000 + " metal"
    ids, cut = tokenizer.ids(text, 256)
    assert not cut and ids == tokenizer.ids(f"rusty {'x' * 200} metal", 256)[0]
