"""What only Unity's settings give reason to say of a texture."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bridge.api import ImageFacts, Kind, Remark
from bridge_unity.memory import gpu_memory
from bridge_unity.textures import kind_of

MIB = 1 << 20
NOTABLE = MIB
"""Bytes of a copy from which it is worth a word."""
SMALLEST = 64 * 64
"""Texels; what has fewer may be a blank that stands for no map."""
ABOUT_HEIGHTS = {
    "about": "A normal map holds vectors in several channels: of grey heights Unity has to make them first, "
    "with Create from Grayscale.",
    "about_zh": "法线贴图用多个通道存储向量：灰度高度图需先由 Unity 通过 Create from Grayscale 转换。",
}
HEIGHTS = Remark(
    "unity.heights_as_normals", "wrong",
    "grey heights that materials use as a normal map: import them as a Normal map with Create from "
    "Grayscale, or use them as a height map",
    "材质把灰度高度图用作法线贴图：请按法线贴图导入并勾选 Create from Grayscale，或改作高度贴图使用",
    **ABOUT_HEIGHTS,
)  # fmt: skip
PERHAPS = Remark(
    HEIGHTS.code, "note",
    "grey heights in a slot of materials that mostly holds a normal map: if their shader reads normals "
    "there, import them as a Normal map with Create from Grayscale",
    "材质中通常放置法线贴图的槽位用了灰度高度图：若其着色器在该处读取法线，请按法线贴图导入并勾选 "
    "Create from Grayscale",
    **ABOUT_HEIGHTS,
)  # fmt: skip
"""Where the shader isn't known, and may have a height map there."""


def remarks(options: Mapping[str, Any], facts: ImageFacts, used_as: Collection[Kind]) -> Iterator[Remark]:
    """The remarks on a texture with these settings; nothing of them is ever changed by `--fix`."""
    if "normal" in used_as and _has_heights(facts) and kind_of(options) != "height":
        yield PERHAPS if "height" in used_as else HEIGHTS
    copy = gpu_memory(options, facts, "desktop") or 0
    # Unity itself demands it of the mouse's cursors.
    if options.get("isReadable") is True and options.get("textureType") != "Cursor" and copy >= NOTABLE:
        yield _readable(f"{copy / MIB:.1f} MiB")


def _has_heights(facts: ImageFacts) -> bool:
    """Whether a texture's normals can only be made of it; grey with an alpha channel may hold two axes."""
    return facts.grey and not facts.alpha and facts.width * facts.height >= SMALLEST


def _readable(size: str) -> Remark:
    # "Internally, Unity uses a copy of the Texture data for script access, which doubles the amount of
    # memory required for the Texture" (Unity's manual, Read/Write)
    return Remark(
        "unity.readable", "note",
        f"Read/Write is on: a copy for scripts takes {size} of main memory; switch it off where none reads "
        "its pixels",
        f"已启用 Read/Write：供脚本使用的副本另占内存 {size}；若没有脚本读取其像素，请关闭",
        "Read/Write keeps a copy of a texture in main memory, for scripts that read its pixels.",
        "Read/Write 会在内存中保留贴图的副本，供脚本读取像素。",
    )  # fmt: skip
