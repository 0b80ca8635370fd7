"""`popbridge install`, with an engine of a third party."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.api import AssetChange, EditorSupport
from bridge.commands import install
from bridge.core.errors import UserError
from bridge.host import host
from bridge.paths import daemon_command, quoted
from tests.commands.shell import one_line
from tests.messages import is_chinese


class FakeEditor(EditorSupport):
    """The files of an engine whose projects have a file `acme.txt` with the version in it."""

    def __init__(self, major: int) -> None:
        self.major = major

    def project_version(self, project: Path) -> str | None:
        file = project / "acme.txt"
        return file.read_text("utf-8") if file.exists() else None

    def serves(self, version: Any) -> bool:
        return bool(version.major == self.major)

    def install(self, project: Path) -> list[AssetChange]:
        addon = project / f"addon{self.major}.txt"
        if addon.exists():
            return [AssetChange(addon.name, "unchanged")]
        addon.write_text("addon", "utf-8")
        return [AssetChange(addon.name, "created")]

    def remove(self, project: Path) -> list[AssetChange]:
        addon = project / f"addon{self.major}.txt"
        addon.unlink()
        return [AssetChange(addon.name, "removed")]


class Terminal(io.StringIO):
    """Somebody who types at a terminal."""

    def isatty(self) -> bool:
        return True


class TestInstall:
    @pytest.fixture(autouse=True)
    def engine(self, acme: None, monkeypatch: pytest.MonkeyPatch) -> None:
        from acme_plugin.good import AcmeAdapter

        editors = {"acme1": FakeEditor(1), "acme2": FakeEditor(2)}
        monkeypatch.setattr(AcmeAdapter, "editor", property(lambda self: editors[self.name]))

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        (tmp_path / "acme.txt").write_text("2.1", "utf-8")
        return tmp_path

    def test_the_addon_for_the_projects_version_is_installed_and_removed(
        self, popbridge: Any, project: Path
    ) -> None:
        code, out, _ = popbridge("install", "acme", str(project))
        assert code == 0 and len(out.splitlines()) == 1 and "addon2.txt" not in out
        _, out, _ = popbridge("install", "Acme", str(project), "-v")
        assert "addon2.txt" in out
        _, out, _ = popbridge("install", "acme", str(project), "--remove", "--json")
        assert json.loads(out) == {"path": "addon2.txt", "what": "removed"}

    def test_who_reads_chinese_is_told_in_chinese(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        _, out, _ = popbridge("install", "acme", str(project), "-v")
        assert "addon2.txt" in out and is_chinese(out)
        assert is_chinese(popbridge("install", "acme", str(project))[1])
        assert json.loads(popbridge("install", "acme", str(project), "--json")[1])["what"] == "unchanged"
        err = popbridge("install", "frostbite", str(project))[2]
        assert "acme、godot" in err and is_chinese(err)
        (project / "inner").mkdir()
        assert f"{project.resolve()}。\n" in popbridge("install", "acme", str(project / "inner"))[2]
        assert is_chinese(popbridge("install", "acme", str(project / "gone"))[2])
        (project / "acme.txt").write_text("7.0", "utf-8")
        assert is_chinese(popbridge("install", "acme", str(project))[2])

    def test_the_command_that_starts_the_daemon_is_recorded_for_editors(
        self, popbridge: Any, project: Path, home: Path
    ) -> None:
        popbridge("install", "acme", str(project))
        file = home / "start.json"
        assert json.loads(file.read_bytes())["command"] == daemon_command()
        if os.name == "posix":
            assert file.stat().st_mode & 0o077 == 0

    def test_without_a_project_those_of_the_engines_own_list_are_offered(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code, _, err = popbridge("install", "acme")
        assert code == 2 and one_line(err)
        monkeypatch.setattr(FakeEditor, "known_projects", lambda self: [project] if self.major == 2 else [])
        code, _, err = popbridge("install", "acme")
        assert code == 2 and f"popbridge install acme {quoted(project)}" in err
        monkeypatch.setattr("sys.stdin", Terminal("1\n"))
        code, out, _ = popbridge("install", "acme")
        assert code == 0 and str(project) in out and (project / "addon2.txt").exists()

    def test_the_files_of_a_project_tell_its_engine(self, popbridge: Any, project: Path) -> None:
        code, out, _ = popbridge("install", str(project), "--json")
        assert code == 0 and json.loads(out) == {"path": "addon2.txt", "what": "created"}
        (project / "project.godot").write_text("config_version=5\n", "utf-8")
        code, _, err = popbridge("install", str(project))
        assert code == 2 and one_line(err)
        assert "acme, Godot" in err and "popbridge install" not in err
        # Audits refuse the folder, too.
        code, out, err = popbridge("install", "acme", str(project), "--json")
        assert (code, out) == (2, "") and one_line(err) and "acme, Godot" in err
        # What is there can be removed.
        code, _, err = popbridge("install", str(project), "--remove")
        assert code == 2 and one_line(err)
        assert all(
            f"popbridge install {each} {quoted(project)} --remove" in err for each in ("acme", "godot")
        )
        assert popbridge("install", "acme", str(project), "--remove")[0] == 0

    def test_an_engine_without_references_says_so(self, popbridge: Any, project: Path) -> None:
        code, _, err = popbridge("install", "acme", str(project), "--reference")
        assert code == 2 and one_line(err) and not (project / "addon2.txt").exists()
        assert popbridge("install", "acme", str(project), "--reference", "--remove")[0] == 2

    def test_an_unknown_engine_is_told_with_those_that_are_known(self, popbridge: Any, project: Path) -> None:
        code, _, err = popbridge("install", "frostbite", str(project))
        assert code == 2 and one_line(err)
        assert "'frostbite'" in err and ": acme, godot, unity, unreal. " in err
        assert "acme-import, acme-raises, acme-records, acme-typo" in err and "`popbridge plugins`" in err

    def test_a_folder_without_a_project_a_missing_one_and_a_foreign_version_are_told(
        self, popbridge: Any, project: Path
    ) -> None:
        (project / "empty").mkdir()
        for folder, says in (
            (project / "empty", "No acme project"),
            (project / "gone", "isn't a folder"),
        ):
            code, _, err = popbridge("install", "acme", str(folder))
            assert code == 2 and one_line(err) and says in err
        (project / "acme.txt").write_text("7.0", "utf-8")
        code, _, err = popbridge("install", "acme", str(project))
        assert code == 2 and one_line(err)
        assert "acme 7.0" in err and "acme1" not in err and ">=" not in err

    @pytest.mark.usefixtures("project")
    def test_where_no_project_is_near_one_is_asked_for(self, popbridge: Any, tmp_path_factory: Any) -> None:
        _, _, err = popbridge("install", "acme", str(tmp_path_factory.mktemp("empty")))
        assert one_line(err) and "No acme project" in err

    def test_a_folder_in_a_project_or_around_projects_is_told_with_where_they_are(
        self, popbridge: Any, tmp_path: Path
    ) -> None:
        for name in ("games/one/textures", "games/two"):
            (tmp_path / name).mkdir(parents=True)
        for name in ("one", "two"):
            (tmp_path / "games" / name / "acme.txt").write_text("2.1", "utf-8")
        one, two = (tmp_path.resolve() / "games" / name for name in ("one", "two"))
        _, _, err = popbridge("install", "acme", str(one / "textures"))
        assert one_line(err) and err.endswith(f": {one}.\n")
        _, _, err = popbridge("install", "acme", str(tmp_path))
        assert one_line(err) and err.endswith(f": {one}, {two}.\n")

    def test_folders_are_listed_as_in_the_readers_language(
        self, popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "acme.txt").write_text("2.1", "utf-8")
        one, two = (tmp_path.resolve() / name for name in ("one", "two"))
        err = popbridge("install", "acme", str(tmp_path))[2]
        assert err.endswith(f"：{one}、{two}。\n")

    def test_a_folder_that_cannot_be_written_is_told(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(self: FakeEditor, project: Path) -> list[AssetChange]:
            raise PermissionError(13, "Permission denied", str(project / "addons"))

        monkeypatch.setattr(FakeEditor, "install", refuse)
        code, _, err = popbridge("install", "acme", str(project))
        assert code == 2 and one_line(err) and "(Permission denied)" in err

    def test_an_engine_without_an_addon_is_told(self, monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
        from acme_plugin.good import AcmeAdapter

        monkeypatch.setattr(AcmeAdapter, "editor", property(lambda self: None))
        with pytest.raises(UserError, match="acme has no editor addon"):
            install.find_installer(host.load(), "acme", project)

    @pytest.fixture
    def audited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Acme has projects, but no addon."""
        from acme_plugin.good import AcmeAdapter

        monkeypatch.setattr(AcmeAdapter, "editor", property(lambda self: None))
        monkeypatch.setattr(AcmeAdapter, "project", property(lambda self: FakeEditor(2)))

    @pytest.mark.usefixtures("audited")
    def test_an_engine_whose_projects_can_be_audited_without_one_is_told_that(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"`popbridge audit .*`"):
            install.find_installer(host.load(), "acme", tmp_path)

    @pytest.mark.parametrize(
        ("name", "flags", "says"),
        [
            ("my game", [], '`popbridge audit "{}"`' if os.name == "nt" else "`popbridge audit '{}'`"),
            ("gone", [], "{} isn't a folder."),
            ("my game", ["--remove"], "acme has no editor addon yet.\n"),
        ],
    )
    @pytest.mark.usefixtures("audited")
    def test_where_there_is_no_addon_what_is_to_be_typed_can_be_typed(
        self, popbridge: Any, tmp_path: Path, name: str, flags: list[str], says: str
    ) -> None:
        (tmp_path / "my game").mkdir()
        code, _, err = popbridge("install", "acme", str(tmp_path / name), *flags)
        assert code == 2 and one_line(err) and says.format(tmp_path / name) in err


def test_an_addon_is_removed_where_the_version_is_no_longer_known(popbridge: Any, tmp_path: Path) -> None:
    root = tmp_path / "game"
    root.mkdir()
    file = root / "Game.uproject"
    file.write_text('{"EngineAssociation": "5.6"}', "utf-8")
    assert popbridge("install", "unreal", str(root))[0] == 0
    file.write_text(file.read_text("utf-8").replace("5.6", "{0F1E2D3C-0000-0000-0000-000000000000}"), "utf-8")
    assert popbridge("install", "unreal", str(root))[0] == 2
    assert popbridge("install", "unreal", str(root), "--remove")[0] == 0
    assert [each.name for each in root.rglob("*") if each.is_file()] == ["Game.uproject"]
    assert "PopBridge" not in file.read_text("utf-8")
