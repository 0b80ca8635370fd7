"""The digests and sizes of the models that are part of the program, as training wrote them."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

FILE = Path(__file__).with_name("shipped.json")
"""By `PACKAGE/FILE`; written by tools/train/shipped.py and never by hand."""


class Digest(Struct, frozen=True):
    """Of one file."""

    sha256: str
    """Hexadecimal, lower case."""
    size: int
    """Bytes."""


SHIPPED = msgspec.json.decode(FILE.read_bytes(), type=dict[str, Digest])
