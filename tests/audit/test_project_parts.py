"""A part of a project that is audited: judged by the whole, told by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.api import TextureAsset
from bridge.audit import baseline
from bridge.audit.examine import Examiner
from bridge.audit.project import ALONE, ONLY, scope_name
from bridge.audit.texts import notices
from bridge.core.errors import UserError
from bridge.host import host
from bridge_godot import import_file
from tests.audit.conftest import put
from tests.audit.test_baseline import row
from tests.messages import in_chinese
from tests.unity.projects import game as unity_game
from tests.unity.projects import meta
from tests.unity.projects import texture as unity_texture


@pytest.mark.parametrize(
    ("asked", "part", "files"),
    [
        ("", "", {"art/rock.png", "art/old/moss.png", "artful/leaf.png", "icon.png"}),
        ("art", "art", {"art/rock.png", "art/old/moss.png"}),
        ("artful/../art/old/", "art/old", {"art/old/moss.png"}),
        ("icon.png", "icon.png", {"icon.png"}),
    ],
)
async def test_only_what_lies_in_it_is_told(
    game: Path, registry: host.Registry, run: Any, asked: str, part: str, files: set[str]
) -> None:
    found = scope_name(registry, f"{game}/{asked}")
    assert (found.engine, found.part, found.root.resolve()) == ("godot 4.6", part, game.resolve())
    told = await run(f"{game}/{asked}")
    assert {row.file for row in told.rows} == files and told.textures == len(files)
    assert (told.part, told.name) == (part, "game")


def test_projects_of_unity_have_parts_too(tmp_path: Path, registry: host.Registry) -> None:
    root = unity_game(tmp_path / "game", only=["materials/rock_roughness.png"])
    for part in ("Assets/materials", "Assets/materials/rock_roughness.png"):
        found = scope_name(registry, str(root / part))
        assert (found.engine.split()[0], found.part) == ("unity", part)


async def test_it_is_told_in_one_line_that_it_is_a_part(game: Path, run: Any) -> None:
    told = await run(game / "art")
    assert notices(told, "en") == ["Only this part of the project was checked: art."]
    assert notices(told, "zh-CN") == ["仅检查了项目的这一部分：art。"]
    assert notices(await run(game), "en") == []
    assert in_chinese(ONLY.fill(part="Rocks and 2 more")) == "仅检查了项目的这一部分：Rocks and 2 more。"


async def test_a_part_that_is_passed_over_says_so(game: Path, run: Any) -> None:
    (game / "popbridge.toml").write_text('[textures]\nignore = ["art/"]\n', encoding="utf-8")
    told = await run(game / "art")
    assert told.textures == 0 and told.notices[1:] == ["It contains no textures, or all are ignored."]
    assert in_chinese(told.notices[1]) == "其中没有贴图，或全部被忽略。"


async def test_the_whole_project_is_asked_about_and_known_to_the_next_run(
    game: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = Examiner._digest
    monkeypatch.setattr(Examiner, "_digest", lambda self, q: asked.append(q.file) or real(self, q))
    for file in ("art/rock.png", "art/old/moss.png", "artful/leaf.png", "icon.png"):
        (game / file).write_text(f"albedo {file}", encoding="utf-8")
    first = await run(game / "art")
    assert sorted(asked) == ["art/old/moss.png", "art/rock.png", "artful/leaf.png", "icon.png"]
    assert (first.textures, first.cached, first.kinds) == (2, 0, {"albedo": 2})
    assert ((await run(game)).cached, (await run(game / "icon.png")).cached) == (4, 1)


async def test_a_part_is_judged_as_in_an_audit_of_the_whole(game: Path, run: Any) -> None:
    for number in range(20):
        put(game, f"ui/{number}.png", f"ui {number}")
    put(game, "ui/rock.png", "albedo")
    # So that something is said of it whatever it is.
    (game / "ui/rock.png.import").write_text("<<<<<<< HEAD\n", encoding="utf-8")
    (within,) = [row for row in (await run(game)).rows if row.file == "ui/rock.png"]
    (alone,) = (await run(game / "ui/rock.png")).rows
    assert alone == within and alone.probability < 1, "the others speak against it"


def shut(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """Lets Godot find nothing but a folder that can't be listed."""
    asset = TextureAsset(f"res://{folder}", folder, problem="the folder can't be listed (it is shut)")
    monkeypatch.setattr("bridge_godot.import_file.textures", lambda project: iter([asset]))


async def test_a_folder_that_cannot_be_listed_is_told_of_what_lies_in_it(
    game: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut(monkeypatch, "art")
    for part, told in (("art/old", ["art"]), ("art", ["art"]), ("artful", ["artful/leaf.png"])):
        assert [row.file for row in (await run(game / part)).rows] == told


@pytest.mark.parametrize("folder", ["art", "."])
@pytest.mark.parametrize("part", ["art", "art/old", "art/rock.png"])
async def test_where_it_is_hidden_by_such_a_folder_nothing_else_is_said_of_it(
    game: Path, run: Any, monkeypatch: pytest.MonkeyPatch, folder: str, part: str
) -> None:
    shut(monkeypatch, folder)
    told = await run(game / part)
    assert [row.file for row in told.rows] == [folder]
    assert told.notices == [f"Only this part of the project was checked: {part}."]


@pytest.mark.parametrize("folder", ["art", "."])
async def test_such_a_folder_can_be_accepted(
    game: Path,
    run: Any,
    registry: host.Registry,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    tmp_path: Path,
) -> None:
    shut(monkeypatch, folder)
    told, part = await run(game / "art/old"), scope_name(registry, str(game / "art/old"))
    (tmp_path / "b.json").write_text(
        baseline.baseline_text([*told.rows, row("icon.png", "x")]), encoding="utf-8"
    )
    baseline.accept(told, baseline.read(tmp_path / "b.json"), part)
    assert (told.rows, told.accepted, told.stale) == ([], 1, 0)
    assert {entry.file for entry in baseline.read_others(tmp_path / "b.json", part)} == {"icon.png"}


async def test_copies_are_told_of_the_part_alone(game: Path, run: Any) -> None:
    for file in ("art/a.png", "art/b.png", "icon.png"):
        put(game, file, "albedo")
    (group,) = (await run(game / "art")).groups
    assert group.files == ("art/a.png", "art/b.png")


def test_an_engines_own_path_is_one_of_the_project_around_the_current_folder(
    game: Path, registry: host.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (game, game / "art"):
        monkeypatch.chdir(folder)
        assert scope_name(registry, "res://art/old").part == "art/old"
        assert scope_name(registry, "res://icon.png").part == "icon.png"
        assert scope_name(registry, "res://").part == ""
    for wrong in ("res://gone", "user://art", "res://art/../gone"):
        with pytest.raises(UserError, match="does not exist"):
            scope_name(registry, wrong)


def test_an_engines_own_path_does_not_lead_out_of_its_project(
    game: Path, tmp_path: Path, registry: host.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(game)
    outside = ["../other", "art/../../other", "..", str(tmp_path / "other"), "../game2"]
    (tmp_path / "game2").mkdir()
    for wrong in [*outside, "..\\other"] if os.name == "nt" else outside:
        with pytest.raises(UserError, match=r"^`res://.*` does not exist"):
            scope_name(registry, f"res://{wrong}")


def test_an_engines_own_path_is_understood_where_there_is_no_texture(
    project: Callable[..., Path], registry: host.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project()
    (root / "art").mkdir()
    monkeypatch.chdir(root)
    assert scope_name(registry, "res://art").part == "art"


def test_what_is_left_of_a_texture_says_nothing_of_how_the_engine_calls_the_root(
    game: Path, registry: host.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = import_file.textures

    def textures(project: Path) -> Iterator[TextureAsset]:
        yield TextureAsset("res://a.png", "a.png.import", gone=True)
        yield from own(project)

    monkeypatch.setattr(import_file, "textures", textures)
    monkeypatch.chdir(game)
    assert scope_name(registry, "res://art").part == "art"
    with pytest.raises(UserError, match="does not exist"):
        scope_name(registry, "user://art")


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the current folder")
@pytest.mark.parametrize("asked", [".", "res://art"])
def test_a_current_folder_that_is_gone_is_told(
    tmp_path: Path, registry: host.Registry, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UserError, match="does not exist"):
        scope_name(registry, asked)


def test_an_engines_own_path_outside_of_projects_is_no_folder(
    tmp_path: Path, registry: host.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^`res://art` does not exist"):
        scope_name(registry, "res://art")


@pytest.mark.parametrize(
    "file", ["game/project.godot", "game/art/rock.png.import", "game/out/a.png", "alone.png"]
)
async def test_a_file_that_is_no_texture_of_a_project_is_refused(
    game: Path, tmp_path: Path, run: Any, file: str
) -> None:
    (tmp_path / "alone.png").touch()
    put(game, "out/a.png")
    (game / "popbridge.toml").write_text('[textures]\nignore = ["out/"]\n', encoding="utf-8")
    with pytest.raises(UserError, match="is not a texture of a project") as raised:
        await run(tmp_path / file)
    assert str(raised.value).endswith(f"`{(tmp_path / file).parent}`.")


async def test_what_vanishes_before_it_is_listed_is_refused_too(
    game: Path, registry: host.Registry, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scope_name(registry, str(game / "icon.png"))
    (game / "icon.png").unlink()
    monkeypatch.setattr("tests.audit.conftest.scope_name", lambda registry, text: found)
    with pytest.raises(UserError, match="is not a texture of a project"):
        await run(game / "icon.png")


@pytest.mark.parametrize("part", ["art", "art/a.png"])
async def test_a_part_of_a_project_that_nothing_serves_is_audited_as_files_and_says_so(
    game: Path, run: Any, part: str
) -> None:
    old = 'config_version=3\n[application]\nconfig/features=PackedStringArray("2.1")\n'
    (game / "project.godot").write_text(old, encoding="utf-8")
    put(game, "art/a.png", "albedo")
    told = await run(game / part)
    assert (told.engine, told.part, told.kinds) == ("", part, {"albedo": 1})
    assert told.notices[1].values["engine"] == "Godot 2.1"


class TestFilesAlone:
    """Of what the engine passes over: people want their source art checked, too."""

    @pytest.fixture(params=["godot", "unity"])
    def art(self, request: pytest.FixtureRequest, game: Path, tmp_path: Path) -> Path:
        """A folder that the engine passes over, with two textures."""
        root = game if request.param == "godot" else unity_game(tmp_path / "unity", only=["none"])
        (root / "Source~/deep").mkdir(parents=True)
        (root / "Source~/.gdignore").touch()
        for file in ("rock.psd", "deep/moss.png"):
            (root / "Source~" / file).write_text("broken", encoding="utf-8")
        return root / "Source~"

    async def test_a_folder_is_audited_so_and_says_so(self, art: Path, run: Any) -> None:
        told = await run(art)
        assert {row.file for row in told.rows} == {"Source~/rock.psd", "Source~/deep/moss.png"}
        assert (told.engine, told.part, told.textures) == ("", "Source~", 2)
        assert told.notices[0] == "Only this part of the project was checked: Source~."
        assert told.notices[1].id == ALONE.id

    @pytest.mark.parametrize("part", ["Assets/Editor", "Packages/com.acme", "Packages/com.acme/Editor/Icons"])
    async def test_pictures_of_the_editor_are_no_part_of_the_game(
        self, tmp_path: Path, run: Any, part: str
    ) -> None:
        root = unity_game(tmp_path / "unity", only=["none"])
        for folder in ("Assets/Editor", "Packages/com.acme/Editor/Icons"):
            unity_texture(root, f"{folder}/icon.png").write_text("albedo", encoding="utf-8")
        assert (await run(root)).textures == 0
        told = await run(root / part)
        assert (told.engine, told.textures, told.kinds) == ("", 1, {"albedo": 1})
        assert told.notices[1].id == ALONE.id

    async def test_a_file_too(self, art: Path, run: Any) -> None:
        assert [row.file for row in (await run(art / "rock.psd")).rows] == ["Source~/rock.psd"]

    async def test_what_the_projects_people_ignore_is_no_part_of_it(self, art: Path, run: Any) -> None:
        ignore = '[textures]\nignore = ["Source~/deep/"]\n'
        (art.parent / "popbridge.toml").write_text(ignore, encoding="utf-8")
        assert [row.file for row in (await run(art)).rows] == ["Source~/rock.psd"]
        assert (await run(art / "deep")).notices[1:] == ["It contains no textures, or all are ignored."]

    async def test_what_the_engine_has_imported_as_something_else_is_no_part_of_it(
        self, tmp_path: Path, run: Any
    ) -> None:
        root = unity_game(tmp_path / "unity", only=["none"])
        baked = meta("Assets/a", replaced={"textureType: 0": "textureType: 6"})
        other = "fileFormatVersion: 2\nguid: 0\nDefaultImporter:\n  userData: \n"
        unity_texture(root, "Assets/Main/Lightmap-0.exr", baked)
        unity_texture(root, "Assets/Main/notes.webp", other)
        told = await run(root / "Assets/Main")
        assert told.engine and (told.textures, told.rows) == (0, [])
        assert told.notices[1:] == ["It contains no textures, or all are ignored."]
        with pytest.raises(UserError, match="is not a texture of a project, or is ignored"):
            await run(root / "Assets/Main/Lightmap-0.exr")
        (root / "Assets/Main/rock.avif").write_text("broken", encoding="utf-8")
        assert [row.file for row in (await run(root / "Assets/Main")).rows] == ["Assets/Main/rock.avif"]

    async def test_what_an_adapter_fails_at_is_looked_at(
        self, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # With too few parameters.
        monkeypatch.setattr("bridge_unity.plugin.UnityProjects.texture", lambda self: None)
        root = unity_game(tmp_path / "unity", only=["none"])
        unity_texture(root, "Source~/rock.png")
        assert (await run(root / "Source~")).textures == 1

    async def test_what_is_known_of_the_project_stays(self, game: Path, run: Any, tmp_path: Path) -> None:
        for number in range(120):
            (game / f"{number}.png").write_text(f"albedo {number}", encoding="utf-8")
        (game / "shut").mkdir()
        (game / "shut/.gdignore").touch()
        (game / "shut/a.png").write_text("albedo", encoding="utf-8")
        await run(game)
        (kept,) = (tmp_path / "cache/kinds").iterdir()
        before = kept.read_bytes()
        assert (await run(game / "shut")).textures == 1
        assert kept.read_bytes() == before
        assert (await run(game)).cached >= 120

    async def test_a_whole_project_without_textures_stays_one(self, tmp_path: Path, run: Any) -> None:
        root = unity_game(tmp_path / "unity", only=["none"])
        (root / "Art").mkdir()
        (root / "Art/a.png").write_text("albedo", encoding="utf-8")
        told = await run(root)
        assert told.engine and (told.textures, told.notices) == (0, [])


def test_a_project_within_another_is_a_project(game: Path, registry: host.Registry) -> None:
    (game / "sample/art").mkdir(parents=True)
    (game / "sample/project.godot").write_text("config_version=5\n", encoding="utf-8")
    assert scope_name(registry, str(game / "sample")).part == ""
    found = scope_name(registry, str(game / "sample/art"))
    assert (found.root, found.part) == ((game / "sample").resolve(), "art")


def test_a_project_in_one_of_another_engine_is_a_project(game: Path, registry: host.Registry) -> None:
    unity_game(game / "port", only=["materials/rock_roughness.png"])
    found = scope_name(registry, str(game / "port/Assets"))
    assert (found.engine.split()[0], found.part) == ("unity", "Assets")


@pytest.mark.skipif(os.name == "nt", reason="links need a right on Windows")
def test_a_link_to_a_file_is_the_texture_that_it_is_called(game: Path, registry: host.Registry) -> None:
    (game / "art/link.png").symlink_to(game / "icon.png")
    assert scope_name(registry, str(game / "art/link.png")).part == "art/link.png"


def test_of_two_names_of_a_file_the_one_of_other_letters_is_meant(
    game: Path, registry: host.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows and macOS, where a file is found by other letters, too."""
    (game / "art/ROCK.png").write_text("broken", encoding="utf-8")
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: sorted({*real(folder)} - {"ROCK.png"}))
    monkeypatch.setattr(os.path, "samefile", lambda one, other: Path(one).suffix == ".png")
    (game / "art/alias.png").write_text("broken", encoding="utf-8")
    assert scope_name(registry, str(game / "art/ROCK.png")).part == "art/rock.png"


def test_it_is_called_as_its_folders_list_it(game: Path, registry: host.Registry) -> None:
    if not (game / "ART").exists():
        pytest.skip("other letters name other folders here")
    assert scope_name(registry, str(game / "ART/Rock.PNG")).part == "art/rock.png"


def test_an_adapter_that_exits_ends_no_audit(
    tmp_path: Path, registry: host.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: object) -> None:
        raise SystemExit("acme")

    monkeypatch.setattr("bridge_godot.project.version", leave)
    found = scope_name(registry, str(tmp_path))
    assert (found.engine, found.root) == ("", tmp_path) and "SystemExit: acme" in found.notice
