"""Textures without their `.meta` file, which Unity then makes anew on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from bridge.api import Remark, walk
from bridge_unity import projects
from bridge_unity.metafile import SUFFIX

CODE = "unity.no_meta"
AS_THEY_ARE = "Assets/StreamingAssets/"
"""Files that are copied into the game, and that nothing refers to."""


class Metas:
    """Whether a project keeps its `.meta` files, and what is to be said where it does."""

    def __init__(self, project: Path) -> None:
        self._project = project

    def missing(self, file: str) -> Sequence[Remark]:
        """What is to be said of a texture that has none; nothing where no file of the project has one."""
        if file.startswith(AS_THEY_ARE) or not self._kept:
            return ()
        return (_remark(file.rpartition("/")[2] + SUFFIX, projects.is_package(self._project)),)

    @cached_property
    def _kept(self) -> bool:
        # Asked only where one is missing: mostly the first folder has another.
        found = walk(self._project, projects.skip(self._project))
        return any(each.file.endswith(SUFFIX) for each in found)


def _remark(meta: str, package: bool) -> Remark:
    if package:
        return Remark(
            CODE, "wrong",
            f"{meta} isn't there: where the package is installed, Unity passes the texture over; open it "
            "once in a project that embeds the package, and commit the file",
            f"缺少 {meta}：安装此包后 Unity 会忽略该贴图；请在内嵌此包的项目中用 Unity 打开一次，"
            "并提交该文件",
        )  # fmt: skip
    return Remark(
        CODE, "wrong",
        f"{meta} isn't there: each machine gives the texture another GUID, and what refers to it breaks; "
        "open the project in Unity once, and commit the file",
        f"缺少 {meta}：每台机器都会给该贴图不同的 GUID，引用会因此失效；请用 Unity 打开一次该项目，"
        "并提交该文件",
    )  # fmt: skip
