"""Remarks specific to Unity: on import settings, missing `.meta` files and orphaned ones."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from bridge.api import ImageFacts, Kind, Remark, walk
from bridge_unity import projects
from bridge_unity.gpu_memory import gpu_memory
from bridge_unity.metafile import SUFFIX
from bridge_unity.texture_intent import kind_of

MIB = 1 << 20
MIN_COPY = MIB
"""Bytes of a copy in main memory that are worth a remark."""
MIN_TEXELS = 64 * 64
"""Smaller textures may be placeholders for a missing map."""
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
MAYBE_HEIGHTS = Remark(
    HEIGHTS.code, "note",
    "grey heights in a slot of materials that mostly holds a normal map: if their shader reads normals "
    "there, import them as a Normal map with Create from Grayscale",
    "材质中通常放置法线贴图的槽位用了灰度高度图：若其着色器在该处读取法线，请按法线贴图导入并勾选 "
    "Create from Grayscale",
    **ABOUT_HEIGHTS,
)  # fmt: skip
"""For unknown shaders, which may expect a height map there."""


def remarks(options: Mapping[str, Any], facts: ImageFacts, used_as: Collection[Kind]) -> Iterator[Remark]:
    """Yields the remarks on a texture with these settings; `--fix` never acts on them."""
    if "normal" in used_as and _has_heights(facts) and kind_of(options) != "height":
        yield MAYBE_HEIGHTS if "height" in used_as else HEIGHTS
    copy = gpu_memory(options, facts, "desktop") or 0
    # Unity requires it for mouse cursors.
    if options.get("isReadable") is True and options.get("textureType") != "Cursor" and copy >= MIN_COPY:
        yield _readable(f"{copy / MIB:.1f} MiB")


def _has_heights(facts: ImageFacts) -> bool:
    """Whether it can only contain heights; grey with alpha may be two axes of a normal map."""
    return facts.grey and not facts.alpha and facts.width * facts.height >= MIN_TEXELS


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


NO_META = "unity.no_meta"
ORPHANED_META = "unity.orphaned_meta"
STREAMING_ASSETS = "Assets/StreamingAssets/"
"""Files that are copied into the game unchanged; they aren't assets."""

ABOUT_META = {
    "about": "Unity keeps a texture's GUID and its settings in the `.meta` beside it: without that file they "
    "differ from machine to machine.",
    "about_zh": "Unity 将贴图的 GUID 和导入设置保存在旁边的 `.meta` 文件中：缺少该文件时，"
    "每台机器上都会不同。",
}


class MetaFileChecks:
    """Finds textures without their `.meta` file, and `.meta` files without their texture."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._package = projects.is_package(project)
        # Textures come folder by folder, and all of a folder may lack theirs.
        self._names = lru_cache(1)(_names_by_case)

    def needs_none(self, file: str) -> bool:
        """Whether Unity creates no `.meta` for this file, as it isn't an asset."""
        return file.startswith(STREAMING_ASSETS) or not self._imported(file)

    def missing(self, file: str) -> Sequence[Remark]:
        """Returns the remark on a texture without a `.meta`; none if no file of the project has one."""
        if self.needs_none(file) or not self._has_meta_files:
            return ()
        name = file.rpartition("/")[2] + SUFFIX
        if other := self._in_other_case(file, name):
            return (_renamed(name, other),)
        return (_missing(name, self._package),)

    def orphaned(self, meta: str, file: str) -> Sequence[Remark]:
        """Returns the remark on the `.meta` of `file`; none if that exists, also in another case."""
        if os.path.lexists(self._project / file) or not (self._package or self._is_in_assets(file)):
            return ()
        names = self._names((self._project / file).parent)
        metas = names.get(meta.rpartition("/")[2].casefold(), ())
        name = file.rpartition("/")[2]
        # `missing` reports it for that file.
        if any(own + SUFFIX not in metas for own in names.get(name.casefold(), ())):
            return ()
        return (_orphaned(name, self._package),)

    def _imported(self, file: str) -> bool:
        """Whether Unity imports the file; in a package, only folders with a `.meta` are imported."""
        parents = [folder.as_posix() for folder in PurePosixPath(file).parents][:-1]
        if self._package:
            # Folders without one are for readers, such as the pictures of `docs`.
            return any((self._project / (folder + SUFFIX)).is_file() for folder in parents)
        return self._is_in_assets(file)

    def _is_in_assets(self, file: str) -> bool:
        """Whether a file of a project is in `Assets` or in a package."""
        if not file.startswith("Packages/"):
            return True
        parts = file.split("/")
        return len(parts) > 2 and (self._project.joinpath(*parts[:2]) / projects.PACKAGE_FILE).is_file()

    def _in_other_case(self, file: str, name: str) -> str | None:
        names = self._names((self._project / file).parent)
        own = names.get(name.removesuffix(SUFFIX).casefold(), ())
        others = (other for other in names.get(name.casefold(), ()) if other != name)
        # It may belong to another texture whose name differs in case.
        return next((other for other in others if other.removesuffix(SUFFIX) not in own), None)

    @cached_property
    def _has_meta_files(self) -> bool:
        # Only needed if one is missing; usually the first folder has another.
        found = walk(self._project, projects.skip(self._project))
        return any(each.file.endswith(SUFFIX) for each in found)


def _names_by_case(folder: Path) -> Mapping[str, list[str]]:
    """Returns a folder's names by their case-folded name; nothing if it can't be listed."""
    names: dict[str, list[str]] = {}
    try:
        for name in os.listdir(folder):
            names.setdefault(name.casefold(), []).append(name)
    except OSError:
        return {}
    return names


def _renamed(meta: str, other: str) -> Remark:
    return Remark(
        NO_META, "wrong",
        f"{other} differs from the texture's name in upper and lower case: where these count, as on Linux, "
        f"Unity gives the texture another GUID and default settings; rename {other} to {meta}",
        f"{other} 与贴图文件名的大小写不同：在区分大小写的系统（如 Linux）上，Unity 会为该贴图生成不同的 "
        f"GUID 和默认设置；请将 {other} 重命名为 {meta}",
        **ABOUT_META,
    )  # fmt: skip


def _orphaned(texture: str, package: bool) -> Remark:
    does = (
        "warns of that wherever the package is installed" if package else "warns of that and deletes the file"
    )
    tut = "在安装此包的每个项目中都会发出警告" if package else "会发出警告并删除此文件"
    return Remark(
        ORPHANED_META, "note",
        f"its texture {texture} isn't there any more: Unity {does}; remove it from version control, or bring "
        f"{texture} back",
        f"对应的贴图 {texture} 已不存在：Unity {tut}；请将此文件从版本控制中移除，或恢复 {texture}",
        "A `.meta` whose texture is gone: whoever moves or deletes a texture outside of Unity has to do so "
        "with its `.meta`, too, or what refers to it by its GUID breaks.",
        "贴图已不存在的 `.meta` 文件：在 Unity 之外移动或删除贴图时，必须连同其 `.meta` 一起处理，"
        "否则按 GUID 的引用会失效。",
    )  # fmt: skip


def _missing(meta: str, package: bool) -> Remark:
    if package:
        return Remark(
            NO_META, "wrong",
            f"{meta} isn't there: where the package is installed, Unity passes the texture over; open it "
            "once in a project that embeds the package, and commit the file",
            f"缺少 {meta}：安装此包后 Unity 会忽略该贴图；请用 Unity 打开一次以嵌入式包形式包含此包的项目，"
            "并提交该文件",
            **ABOUT_META,
        )  # fmt: skip
    return Remark(
        NO_META, "wrong",
        f"{meta} isn't there: each machine gives the texture another GUID, so that settings differ by "
        "machine, and what refers to it by its GUID breaks; open the project in Unity once, and commit the "
        "file",
        f"缺少 {meta}：每台机器都会为该贴图生成不同的 GUID，导致设置因机器而异、按 GUID 的引用失效；请用 "
        "Unity 打开一次该项目，并提交该文件",
        **ABOUT_META,
    )  # fmt: skip
