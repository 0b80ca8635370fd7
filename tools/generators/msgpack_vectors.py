"""Frames that every codec of this project must read alike: `tests/vectors/msgpack.json`."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import msgpack

TARGET = Path("tests/vectors/msgpack.json")

_BOUNDS = (7, 8, 16, 32, 53, 63)
INTS = sorted(
    {0, 1, -1, -31, -32, -33, -(2**63)}
    | {2**bits + off for bits in _BOUNDS for off in (-1, 0) if 2**bits + off < 2**63}
    | {-(2**bits) + off for bits in (7, 15, 31) for off in (-1, 0, 1)}
)
FLOATS = (0.0, -0.0, 0.5, -1.5, 0.7, 1e-310, 1.7976931348623157e308)
TEXTS = ("", "a", "a" * 31, "a" * 32, "a" * 255, "a" * 256, "héß", "纹理", "\U0001f600\u00e9", '"\\\n\t')
BYTES = (b"", b"\x00", bytes(range(256)), b"\xff" * 255)
NESTED: tuple[Any, ...] = (
    [], [None, True, False], list(range(15)), list(range(16)), {}, {"a": 1, "b": [1.5, "x", b"y", {}]},
    {str(n): n for n in range(15)}, {str(n): n for n in range(16)}, [[[[[[[[]]]]]]]],
    {"type": "ack", "seq": 7}, {"纹理": {"r": "occlusion"}},
)  # fmt: skip

OTHER_FORMS = {
    "float of 32 bits": (struct.pack(">Bf", 0xCA, 0.5), 0.5),
    "1 in two bytes": (b"\xcc\x01", 1),
    "1 in nine bytes": (b"\xcf" + (1).to_bytes(8, "big"), 1),
    "1 signed": (b"\xd1\x00\x01", 1),
    "text with a longer head": (b"\xda\x00\x01a", "a"),
    "list with a longer head": (b"\xdd\x00\x00\x00\x01\xc0", [None]),
    "map with a longer head": (b"\xdf\x00\x00\x00\x01\xa1a\x01", {"a": 1}),
}
"""Well-formed, though no codec of ours would write them so."""

REJECT = {
    "nothing": "",
    "a byte that MessagePack never uses": "c1",
    "a head without its length": "d9",
    "text shorter than its length": "d902ff61",
    "a list that announces 16 million items": "dd00ffffff00",
    "a list that announces 4 billion items": "ddffffffff00",
    "a map that announces 4 billion pairs": "dfffffffff",
    "bytes that announce 4 billion": "c6ffffffff00",
    "a map without its last value": "81a161",
    "something behind the value": "0101",
    "an extension": "d40100",
    "an extension of 8 bits' length": "c7010000",
    "a map with null for a key": "81c001",
    "a map with a list for a key": "819001",
    "text that is cut inside a character": "a2e7ba",
    "text with a stray continuation": "a180",
    "text with an overlong form": "a2c080",
    "text with a surrogate": "a3eda080",
    "text above U+10FFFF": "a4f4908080",
    "text that is Latin-1": "a1ff",
    "nested a hundred times": "91" * 100 + "c0",
}


def files() -> dict[Path, str]:
    """The text of each generated file, by its path below the repository."""
    vectors = {"accept": [*_accepted(), *_other_forms()], "reject": _rejected()}
    return {TARGET: json.dumps(vectors, indent=1, ensure_ascii=True) + "\n"}


def _accepted() -> list[dict[str, Any]]:
    values = [None, True, False, *INTS, *FLOATS, *TEXTS, *BYTES, *NESTED]
    return [{"hex": msgpack.packb(value).hex(), "value": _as_json(value)} for value in values]


def _other_forms() -> list[dict[str, Any]]:
    return [
        {"name": name, "hex": frame.hex(), "value": _as_json(value), "again": msgpack.packb(value).hex()}
        for name, (frame, value) in OTHER_FORMS.items()
    ]


def _rejected() -> list[dict[str, Any]]:
    return [{"name": name, "hex": frame} for name, frame in REJECT.items()]


def _as_json(value: Any) -> Any:
    """JSON has no bytes: `{"$hex": ...}` stands for them."""
    if isinstance(value, bytes):
        return {"$hex": value.hex()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    return value
