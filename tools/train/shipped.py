"""Declares the digest and size of a shipped model: `python -m tools.train.shipped FILE...`."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
DECLARED = ROOT / "accel" / "models" / "shipped.json"


def declare(file: Path) -> None:
    """Writes what `file`, below the repository, is now."""
    data = file.read_bytes()
    name = f"{'.'.join(file.resolve().parent.relative_to(ROOT).parts)}/{file.name}"
    known = msgspec.json.decode(DECLARED.read_bytes()) if DECLARED.exists() else {}
    known[name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    text = msgspec.json.format(msgspec.json.encode(known, order="sorted"))
    DECLARED.write_bytes(text + b"\n")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        declare(Path(argument))
