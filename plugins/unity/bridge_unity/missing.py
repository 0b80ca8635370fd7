"""Textures without their `.meta` file, which Unity then makes anew on every machine; and such files without
their texture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from bridge.api import Remark, walk
from bridge_unity import projects
from bridge_unity.metafile import SUFFIX

CODE = "unity.no_meta"
ORPHANED = "unity.orphaned_meta"
AS_THEY_ARE = "Assets/StreamingAssets/"
"""Files that are copied into the game, and that nothing refers to."""


ABOUT = {
    "about": "Unity keeps a texture's GUID and its settings in the `.meta` beside it: without that file they "
    "differ from machine to machine.",
    "about_zh": "Unity 将贴图的 GUID 和导入设置保存在旁边的 `.meta` 文件中：缺少该文件时，"
    "每台机器上都会不同。",
}


class Metas:
    """Whether a project keeps its `.meta` files, and what is to be said where it does."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._package = projects.is_package(project)
        # They come folder by folder, and a whole folder may be without.
        self._listed = lru_cache(1)(_listed)

    def needless(self, file: str) -> bool:
        """Whether Unity makes none for this file, as it is no asset."""
        return file.startswith(AS_THEY_ARE) or not self._imported(file)

    def missing(self, file: str) -> Sequence[Remark]:
        """What is to be said of a texture that has none; nothing where no file of the project has one."""
        if self.needless(file) or not self._kept:
            return ()
        name = file.rpartition("/")[2] + SUFFIX
        if other := self._in_other_case(file, name):
            return (_renamed(name, other),)
        return (_remark(name, self._package),)

    def orphaned(self, meta: str, file: str) -> Sequence[Remark]:
        """What is to be said of the `.meta` of `file`: nothing where that is there, or called otherwise."""
        if os.path.lexists(self._project / file) or not (self._package or self._lies_in_assets(file)):
            return ()
        names = self._listed((self._project / file).parent)
        metas = names.get(meta.rpartition("/")[2].casefold(), ())
        name = file.rpartition("/")[2]
        # It is told as that one's.
        if any(own + SUFFIX not in metas for own in names.get(name.casefold(), ())):
            return ()
        return (_orphaned(name, self._package),)

    def _imported(self, file: str) -> bool:
        """Whether Unity takes the file for an asset; of a package it is the folders' own that say so."""
        above = [folder.as_posix() for folder in PurePosixPath(file).parents][:-1]
        if self._package:
            # What has none is for people who read about the package, as a logo is, or its pictures of `docs`.
            return any((self._project / (folder + SUFFIX)).is_file() for folder in above)
        return self._lies_in_assets(file)

    def _lies_in_assets(self, file: str) -> bool:
        """Whether a file of a project lies in `Assets`, or in a package."""
        if not file.startswith("Packages/"):
            return True
        parts = file.split("/")
        return len(parts) > 2 and (self._project.joinpath(*parts[:2]) / projects.PACKAGE_FILE).is_file()

    def _in_other_case(self, file: str, name: str) -> str | None:
        names = self._listed((self._project / file).parent)
        own = names.get(name.removesuffix(SUFFIX).casefold(), ())
        alike = (one for one in names.get(name.casefold(), ()) if one != name)
        # That of another texture, whose name differs in case, too, is no more this one's.
        return next((one for one in alike if one.removesuffix(SUFFIX) not in own), None)

    @cached_property
    def _kept(self) -> bool:
        # Asked only where one is missing: mostly the first folder has another.
        found = walk(self._project, projects.skip(self._project))
        return any(each.file.endswith(SUFFIX) for each in found)


def _listed(folder: Path) -> Mapping[str, list[str]]:
    """Its names, by what upper and lower case don't tell apart; none of one that can't be listed."""
    names: dict[str, list[str]] = {}
    try:
        for name in os.listdir(folder):
            names.setdefault(name.casefold(), []).append(name)
    except OSError:
        return {}
    return names


def _renamed(meta: str, other: str) -> Remark:
    return Remark(
        CODE, "wrong",
        f"{other} differs from the texture's name in upper and lower case: where these count, as on Linux, "
        f"Unity gives the texture another GUID and default settings; rename {other} to {meta}",
        f"{other} 与贴图文件名的大小写不同：在区分大小写的系统（如 Linux）上，Unity 会为该贴图生成不同的 "
        f"GUID 和默认设置；请将 {other} 重命名为 {meta}",
        **ABOUT,
    )  # fmt: skip


def _orphaned(texture: str, package: bool) -> Remark:
    does = (
        "warns of that wherever the package is installed" if package else "warns of that and deletes the file"
    )
    tut = "在安装此包的每个项目中都会发出警告" if package else "会发出警告并删除此文件"
    return Remark(
        ORPHANED, "note",
        f"its texture {texture} isn't there any more: Unity {does}; remove it from version control, or bring "
        f"{texture} back",
        f"对应的贴图 {texture} 已不存在：Unity {tut}；请将此文件从版本控制中移除，或恢复 {texture}",
        "A `.meta` whose texture is gone: whoever moves or deletes a texture outside of Unity has to do so "
        "with its `.meta`, too, or what refers to it by its GUID breaks.",
        "贴图已不存在的 `.meta` 文件：在 Unity 之外移动或删除贴图时，必须连同其 `.meta` 一起处理，"
        "否则按 GUID 的引用会失效。",
    )  # fmt: skip


def _remark(meta: str, package: bool) -> Remark:
    if package:
        return Remark(
            CODE, "wrong",
            f"{meta} isn't there: where the package is installed, Unity passes the texture over; open it "
            "once in a project that embeds the package, and commit the file",
            f"缺少 {meta}：安装此包后 Unity 会忽略该贴图；请用 Unity 打开一次以嵌入式包形式包含此包的项目，"
            "并提交该文件",
            **ABOUT,
        )  # fmt: skip
    return Remark(
        CODE, "wrong",
        f"{meta} isn't there: each machine gives the texture another GUID, so that settings differ by "
        "machine, and what refers to it by its GUID breaks; open the project in Unity once, and commit the "
        "file",
        f"缺少 {meta}：每台机器都会为该贴图生成不同的 GUID，导致设置因机器而异、按 GUID 的引用失效；请用 "
        "Unity 打开一次该项目，并提交该文件",
        **ABOUT,
    )  # fmt: skip
