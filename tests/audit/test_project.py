"""Which engine a folder is of, by its own files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.audit.project import SOME_UNSET, UNSET, find, projects_below
from bridge.audit.report_html import pages
from bridge.core.errors import UserError
from bridge.core.versions import VersionScheme
from bridge.host import host
from tests.audit.conftest import put
from tests.messages import in_chinese


@pytest.mark.parametrize(
    ("config", "engine", "adapter"),
    [
        (
            'config_version=5\n[application]\nconfig/features=PackedStringArray("4.6")\n',
            "godot 4.6",
            "godot4",
        ),
        ("config_version=5\n", "godot 4.2", "godot4"),
        ("config_version=4\n", "godot 3.6", "godot3"),
    ],
)
def test_the_version_chooses_the_adapter(
    tmp_path: Path, registry: host.Registry, config: str, engine: str, adapter: str
) -> None:
    (tmp_path / "project.godot").write_text(config, encoding="utf-8")
    found = find(registry, tmp_path)
    assert (found.engine, found.adapter and found.adapter.name) == (engine, adapter)


@pytest.mark.parametrize(
    ("config", "adapter"),
    [
        ("config_version=3\n", "godot3"),
        ('config_version=5\n[application]\nconfig/features=PackedStringArray("4.1")\n', "godot4"),
    ],
)
def test_an_older_version_is_read_by_the_nearest_adapter_with_a_notice(
    tmp_path: Path, registry: host.Registry, config: str, adapter: str
) -> None:
    (tmp_path / "project.godot").write_text(config, encoding="utf-8")
    found = find(registry, tmp_path)
    assert found.adapter is not None and found.adapter.name == adapter and not found.exact
    assert found.title == found.notice.values["engine"]


def write(project: Path, file: str, content: str) -> None:
    (project / file).parent.mkdir(parents=True, exist_ok=True)
    (project / file).write_text(content, encoding="utf-8")


UNITY = "ProjectSettings/ProjectVersion.txt"


@pytest.mark.parametrize(
    ("file", "content", "adapter", "version"),
    [
        ("project.godot", "config_version=6\n", "godot4", "5.0"),
        (
            "project.godot",
            'config_version=5\n[application]\nconfig/features=PackedStringArray("5.1")\n',
            "godot4",
            "5.1",
        ),
        (UNITY, "m_EditorVersion: 6000.9.1f1\n", "unity6_3", "6000.9.1f1"),
        (UNITY, "m_EditorVersion: 7000.0.0a5\n", "unity6_3", "7000.0.0a5"),
        (UNITY, "m_EditorVersion: 7000.0.3f1\n", "unity6_3", "7000.0.3f1"),
    ],
)
def test_a_version_above_all_ranges_gets_the_newest_adapter_and_a_notice(
    tmp_path: Path, registry: host.Registry, file: str, content: str, adapter: str, version: str
) -> None:
    write(tmp_path, file, content)
    found = find(registry, tmp_path)
    assert found.adapter is not None and found.adapter.name == adapter and not found.exact
    assert found.title == found.notice.values["engine"] and found.title.endswith(f" {version}")


def test_a_version_that_nothing_serves_is_audited_as_files_and_says_what_is_served(
    tmp_path: Path, registry: host.Registry
) -> None:
    write(tmp_path, UNITY, "m_EditorVersion: 4.7.2f1\n")
    write(tmp_path, "a.png", "png")
    found = find(registry, tmp_path)
    assert found.engine == "" and found.notice.values["engine"] == "Unity 4.7.2f1"
    assert str(found.notice.values["oldest"]) == "2021.3"
    assert [asset.file for asset in found.textures()] == ["a.png"]


def test_a_folder_of_two_engines_is_an_error_that_names_both(tmp_path: Path, registry: host.Registry) -> None:
    write(tmp_path, UNITY, "m_EditorVersion: 6000.0.76f1\n")
    write(tmp_path, "project.godot", "config_version=5\n")
    with pytest.raises(UserError, match=r"Godot 4.*Unity 6000\.0\.76f1"):
        find(registry, tmp_path)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (".", "projects of Godot (games/one, games/two)."),
        ("games", "projects of Godot (one, two)."),
        ("games/one", ""),
        ("other", ""),
    ],
)
def test_a_folder_above_a_project_says_where_that_is(
    tmp_path: Path, registry: host.Registry, asked: str, says: str
) -> None:
    for folder in ("games/one", "games/two", "other/.hidden", "a/b/c"):
        (tmp_path / folder).mkdir(parents=True)
        if folder != "a/b/c":
            (tmp_path / folder / "project.godot").write_text("config_version=5\n", encoding="utf-8")
    found = find(registry, tmp_path / asked)
    assert says in found.notice and bool(says) == bool(found.notice) and str(tmp_path) not in found.notice


@pytest.mark.parametrize(
    ("folders", "says"),
    [
        (["a.godot"], "a project of Godot (a.godot)."),
        (["a.godot", "b.acme"], "projects (a.godot: Godot, b.acme: acme)."),
        ([f"{at}.acme" for at in range(5)], "projects of acme (0.acme, 1.acme, 2.acme, 2 more)."),
    ],
)
def test_projects_in_a_folder_are_told_by_their_own_engines_and_how_many_there_are(
    tmp_path: Path, folders: list[str], says: str
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    told = projects_below([Acme("godot"), Acme("acme")], tmp_path)  # type: ignore[list-item]
    assert says in told
    chinese = in_chinese(told)
    assert "请" in chinese and " more" not in chinese and "project" not in chinese


class Acme:
    """An adapter whose projects are folders that are named after the engine."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.scheme = VersionScheme(engine, {}, title="Godot" if engine == "godot" else "")
        self.project = self

    def project_version(self, project: Path) -> str | None:
        return "1" if project.suffix == f".{self.engine}" else None


@pytest.mark.parametrize(
    ("config", "asked"),
    [("config_version=6\n", "."), ("config_version=5\n", "..")],
)
def test_what_is_told_of_a_project_is_told_in_chinese(
    tmp_path: Path, registry: host.Registry, config: str, asked: str
) -> None:
    (tmp_path / "game" / "art").mkdir(parents=True)
    (tmp_path / "game" / "project.godot").write_text(config, encoding="utf-8")
    notice = find(registry, tmp_path / "game" / asked).notice
    assert notice and not re.search("[a-z] [a-z]", in_chinese(notice).replace(" and ", ""))


def test_what_is_no_folder_is_no_project(tmp_path: Path, registry: host.Registry) -> None:
    with pytest.raises(UserError, match="does not exist"):
        find(registry, tmp_path / "gone")


async def test_an_adapter_that_cannot_tell_uses_costs_a_notice(
    project: Callable[..., Path], run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = project()
    put(game, "a_albedo.png")
    monkeypatch.setattr("bridge_godot.support.texture_uses", fail)
    report = await run(game)
    assert report.textures == 1 and "what uses the textures: ZeroDivisionError" in report.notices[0]


async def test_textures_that_no_editor_has_imported_are_told_once(
    project: Callable[..., Path], run: Any
) -> None:
    game = project()
    for file in ("a.png", "art/b.png"):
        (put(game, file).parent / f"{Path(file).name}.import").unlink()
    report = await run(game)
    assert report.textures == 2 and len(report.notices) == 1
    assert report.notices == [UNSET]
    assert "No findings" not in "".join(pages(report, "en"))
    put(game, "c.png")
    assert len((await run(game / "art")).notices) == 2, "what is told of the part, and that none is imported"


async def test_textures_that_no_editor_has_imported_are_told_among_others_that_are(
    project: Callable[..., Path], run: Any
) -> None:
    game = project()
    put(game, "c.png")
    assert (await run(game)).notices == [] and not (await run(game)).incomplete
    for file in ("art/b.png", "a.png"):
        (put(game, file).parent / f"{Path(file).name}.import").unlink()
    report = await run(game)
    (notice,) = report.notices
    assert report.incomplete and (notice.id, notice.values) == (
        SOME_UNSET.id,
        {"count": 2, "file": "a.png"},
    )


async def test_textures_that_no_editor_ever_imports_arent_missed(
    project: Callable[..., Path], run: Any, tmp_path: Path
) -> None:
    game = project()
    (game / "a.dds").write_text("albedo", encoding="utf-8")
    assert (await run(game)).notices == []
    (put(game, "b.png").parent / "b.png.import").unlink()
    assert (await run(game)).notices == [UNSET]
    # Of a package all that it gives to read is no asset.
    package = tmp_path / "package"
    (package / "docs").mkdir(parents=True)
    (package / "package.json").write_text('{"name": "com.x.y", "unity": "2022.3"}', encoding="utf-8")
    (package / "docs/shot.png").write_text("ui", encoding="utf-8")
    report = await run(package)
    assert report.engine.startswith("unity") and report.textures == 1 and report.notices == []


async def test_no_settings_are_missed_where_unity_makes_none(tmp_path: Path, run: Any) -> None:
    game = tmp_path / "game"
    for file in ("Assets/a.dds", "Assets/StreamingAssets/b.png", "Assets/c.png"):
        (game / file).parent.mkdir(parents=True, exist_ok=True)
        (game / file).write_text("albedo", encoding="utf-8")
    (game / "ProjectSettings").mkdir()
    (game / "ProjectSettings/ProjectVersion.txt").write_text("m_EditorVersion: 2022.3.1f1", encoding="utf-8")
    assert UNSET not in (await run(game / "Assets/a.dds")).notices
    assert UNSET not in (await run(game / "Assets/StreamingAssets")).notices
    assert UNSET in (await run(game / "Assets/c.png")).notices and UNSET in (await run(game)).notices
    (game / "Assets/c.png").unlink()
    (game / "Assets/a.dds.meta").write_text(
        "fileFormatVersion: 2\nguid: 0123\nIHVImageFormatImporter:\n  userData: \n", encoding="utf-8"
    )
    assert (await run(game)).notices == []


async def test_an_adapter_that_cannot_list_its_textures_says_so(
    project: Callable[..., Path], run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge_godot.import_file.textures", fail)
    with pytest.raises(UserError, match=r"Godot 4\.6 can't list the textures: ZeroDivision"):
        await run(project())


def test_an_adapter_that_fails_to_look_leaves_the_others(
    tmp_path: Path, registry: host.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge_godot.project.version", fail)
    found = find(registry, tmp_path)
    assert found.engine == "" and "ZeroDivisionError" in found.notice


def fail(*_: object, **__: object) -> None:
    raise ZeroDivisionError("acme")


async def test_an_adapter_that_fails_costs_one_line(
    project: Callable[..., Path], run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = project()
    put(game, "a_albedo.png")
    monkeypatch.setattr("bridge_godot.adapter.Godot4.read_texture", fail)
    report = await run(game)
    (row,) = report.rows
    assert "acme" in row.issues[0].values["reason"] and row.issues[0].severity == "note"
