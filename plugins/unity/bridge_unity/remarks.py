"""What only Unity's settings give reason to say of a texture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.api import ImageFacts, Remark
from bridge_unity.memory import gpu_memory

NOTABLE = 1 << 20
"""Bytes of a copy from which it is worth a word."""


def remarks(options: Mapping[str, Any], facts: ImageFacts) -> Iterator[Remark]:
    """The remarks on a texture with these settings; nothing of them is ever changed by `--fix`."""
    copy = gpu_memory(options, facts, "desktop") or 0
    # Unity itself demands it of the mouse's cursors.
    if options.get("isReadable") is True and options.get("textureType") != "Cursor" and copy >= NOTABLE:
        yield _readable(f"{copy / NOTABLE:.1f} MiB")


def _readable(size: str) -> Remark:
    # "Internally, Unity uses a copy of the Texture data for script access, which doubles the amount of
    # memory required for the Texture" (Unity's manual, Read/Write)
    return Remark(
        "unity.readable", "note",
        f"Read/Write is on: {size} more of main memory hold a copy for scripts that read its pixels; where "
        "none does, switch it off",
        f"已启用 Read/Write：另有 {size} 内存存放供脚本读取像素的副本；若没有脚本需要，请关闭",
    )  # fmt: skip
