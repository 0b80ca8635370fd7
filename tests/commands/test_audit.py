"""`popbridge audit`, as a person at a shell or a build meets it; with real textures and the real model."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.audit.judge import Judge
from bridge.paths import Paths
from tests.accel.texture.pictures import ball
from tests.advisors import pictures
from tests.audit.projects import game, imported
from tests.commands.shell import one_line
from tests.messages import is_chinese

FILES = ("materials/rock_normal.png", "materials/brick_albedo.png", "ui/panel.png")

GOLDEN = {
    "3": {
        "materials/brick_albedo.png.import": [
            "-compress/mode=0", "+compress/mode=2", "-flags/mipmaps=false", "+flags/mipmaps=true",
        ],
        "materials/rock_normal.png.import": [
            "-compress/mode=0", "+compress/mode=2", "-compress/normal_map=0", "+compress/normal_map=1",
            "-flags/mipmaps=false", "+flags/mipmaps=true", "-flags/srgb=2", "+flags/srgb=0",
        ],
    },
    "4": {
        "materials/brick_albedo.png.import": [
            "-compress/mode=0", "+compress/mode=2", "-mipmaps/generate=false", "+mipmaps/generate=true",
        ],
        "materials/rock_normal.png.import": [
            "-compress/mode=0", "+compress/mode=2", "-compress/normal_map=0", "+compress/normal_map=1",
            "-mipmaps/generate=false", "+mipmaps/generate=true",
        ],
    },
}  # fmt: skip
"""What --fix changes, by generation and file."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Projects of each version, drawn once."""
    folder = tmp_path_factory.mktemp("drawn")
    for version in ("3.5", "3.6", "4.2", "4.6"):
        game(folder / version, version, FILES)
    return folder


@pytest.fixture
def project(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn / "4.6", tmp_path / "game"))


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def settings(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.import"))
    }


def changes(before: dict[str, str], after: dict[str, str]) -> dict[str, list[str]]:
    """The lines that differ, by file."""
    found = {}
    for file, text in after.items():
        lines = difflib.unified_diff(before[file].splitlines(), text.splitlines(), n=0, lineterm="")
        if changed := [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---"))]:
            found[file] = changed
    return found


class TestAudit:
    @pytest.mark.parametrize("version", ["3.5", "3.6", "4.2", "4.6"])
    def test_fix_changes_these_lines_and_no_other(
        self, popbridge: Any, drawn: Path, tmp_path: Path, version: str
    ) -> None:
        root = Path(shutil.copytree(drawn / version, tmp_path / "game"))
        before = settings(root)
        code, out, _ = popbridge("audit", str(root), "--fix", "--workers", "1")
        assert changes(before, settings(root)) == GOLDEN[version[0]]
        assert code == 0 and "`popbridge revert 1`" in out

    def test_what_a_baseline_accepts_frees_no_memory(
        self, popbridge: Any, project: Path, tmp_path: Path
    ) -> None:
        base, told = tmp_path / "b.json", tmp_path / "told.json"
        arguments = ["audit", str(project), "--workers", "1", "--json", str(told), "--baseline", str(base)]
        popbridge(*arguments, "--update-baseline")
        known = json.loads(base.read_text())
        known["accepted"] = [entry for entry in known["accepted"] if entry["code"] == "normal_as_color"]
        base.write_text(json.dumps(known))
        popbridge(*arguments, "--fix")
        before = json.loads(told.read_text())
        popbridge(*arguments)
        freed = sum(file["memory"] - file["memory_after"] for file in before["files"] if file["mended"])
        assert before["memory"] - json.loads(told.read_text())["memory"] == freed > 0

    def test_what_is_accepted_beside_what_was_mended_hides_nothing_of_that(
        self, popbridge: Any, project: Path, tmp_path: Path
    ) -> None:
        game(project, "4.6", ["materials/rock_roughness.png"])
        flags = ["--baseline", str(tmp_path / "b.json"), "--update-baseline", "--json", str(tmp_path / "j")]
        popbridge("audit", str(project), "--workers", "1", "--fix", *flags)
        assert "grey_as_rgb" in (tmp_path / "b.json").read_text()
        files = {file["file"]: file for file in json.loads((tmp_path / "j").read_text())["files"]}
        told = files["materials/rock_roughness.png"]
        assert told["findings"] == [] and told["mended"] and told["options"]["mipmaps/generate"] is True

    def test_a_baseline_never_takes_the_place_of_another_file(self, popbridge: Any, project: Path) -> None:
        other = project / "project.godot"
        before = other.read_bytes()
        code, _, err = popbridge("audit", str(project), "--baseline", str(other), "--update-baseline")
        assert code == 2 and one_line(err) and "is not a baseline" in err
        assert other.read_bytes() == before

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is Unicode")
    def test_a_place_that_no_receipt_can_name_is_told_before_anything_is_done(
        self, popbridge: Any, project: Path
    ) -> None:
        odd = project.rename(project.parent / os.fsdecode(b"game\xff"))
        before = settings(odd)
        code, _, err = popbridge("audit", str(odd), "--fix")
        assert code == 2 and one_line(err) and "isn't valid Unicode: rename the folder" in err
        assert settings(odd) == before and popbridge("audit", str(odd), "--workers", "1")[0] == 1

    def test_an_option_that_no_receipt_can_hold_is_left_as_it_is(self, popbridge: Any, project: Path) -> None:
        file = project / "materials/rock_normal.png.import"
        odd = file.read_bytes().replace(b"normal_map=0", b'normal_map="\xff"')
        file.write_bytes(odd)
        code, out, err = popbridge("audit", str(project), "--fix", "--workers", "1")
        assert (code, err) == (1, "") and "valid UTF-8" in out
        assert file.read_bytes() == odd and "`popbridge revert" in out

    def test_a_build_fails_while_something_is_wrong_and_not_after_it_was_mended(
        self, popbridge: Any, project: Path
    ) -> None:
        assert popbridge("audit", str(project), "--workers", "1")[0] == 1
        assert popbridge("audit", str(project), "--workers", "1", "--fix")[0] == 0
        code, out, err = popbridge("audit", str(project), "--workers", "1")
        assert code == 0 and "0 errors, 0 warnings" in out and err == ""

    def test_normals_of_a_2d_picture_get_no_mipmaps_and_no_blocks(
        self, popbridge: Any, project: Path, tmp_path: Path
    ) -> None:
        pictures.save(project / "ball_normal.png", ball())
        imported(project, "ball_normal.png")
        (project / "hero.tres").write_text(
            '[gd_resource type="CanvasTexture" format=3]\n\n'
            '[ext_resource type="Texture2D" path="res://materials/rock_normal.png" id="1"]\n\n'
            '[ext_resource type="Texture2D" path="res://ball_normal.png" id="2"]\n\n'
            '[sub_resource type="CanvasTexture" id="b"]\nnormal_texture = ExtResource("2")\n\n'
            '[resource]\nnormal_texture = ExtResource("1")\n',
            encoding="utf-8",
        )
        arguments = ["--workers", "1", "--severity", "note", "--json", str(tmp_path / "j")]
        assert popbridge("audit", str(project), *arguments)[0] == 1
        told = json.loads((tmp_path / "j").read_text())
        assert told["errors"] == 0, "lossless, they look right"
        files = {file["file"]: file for file in told["files"]}
        for name in ("materials/rock_normal.png", "ball_normal.png"):
            assert files[name]["options"] == {"compress/normal_map": 1}
            found = [(finding["code"], finding["severity"]) for finding in files[name]["findings"]]
            assert found == [("normal_as_color", "note")]

    def test_fix_without_the_cache_keeps_none_between_runs(
        self, popbridge: Any, project: Path, home: Path
    ) -> None:
        arguments = ["audit", str(project), "--fix", "--no-cache", "--workers", "1"]
        assert "`popbridge revert" in popbridge(*arguments)[1]
        assert "Mended" not in popbridge(*arguments)[1]
        assert not (home / "cache" / "audit").exists()

    def test_a_baseline_accepts_what_is_known_and_tells_what_is_new(
        self, popbridge: Any, project: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "baseline.json"
        arguments = ["audit", str(project), "--workers", "1", "--baseline", str(file)]
        code, _, err = popbridge(*arguments)
        assert code == 2 and one_line(err) and "Create it with `--update-baseline`" in err
        assert popbridge(*arguments, "--update-baseline")[0] == 0
        assert popbridge(*arguments)[0] == 0
        # On another machine the folder has another name.
        moved = project.rename(tmp_path / "elsewhere")
        assert popbridge("audit", str(moved), *arguments[2:])[0] == 0
        shutil.copy(moved / "materials/brick_albedo.png", moved / "other_albedo.png")
        shutil.copy(moved / "materials/brick_albedo.png.import", moved / "other_albedo.png.import")
        code, out, _ = popbridge("audit", str(moved), *arguments[2:])
        assert code == 1 and "other_albedo.png" in out and "materials/rock_normal.png" not in out

    @pytest.mark.parametrize(
        ("at", "flags", "kept"),
        [
            ("add", (), True),
            ("add", ("--no-cache",), False),
            ("add", ("--fix",), True),
            ("add", ("--fix", "--no-cache"), False),
            ("prepare", (), False),
        ],
    )
    def test_ctrl_c_says_that_nothing_was_written_and_what_is_kept(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch, at: str, flags: Any, kept: bool
    ) -> None:
        before = settings(project)
        monkeypatch.setattr(Judge, at, stop)
        code, out, err = popbridge("audit", str(project), "--workers", "1", *flags)
        known = " The next run continues from here." if kept else ""
        assert (code, out, err) == (130, "", f"popbridge: Stopped: nothing was written.{known}\n")
        assert settings(project) == before

    def test_ctrl_c_promises_nothing_where_the_cache_cannot_be_written(
        self, popbridge: Any, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache = Paths.find().cache
        cache.mkdir(parents=True)
        (cache / "audit").touch()
        monkeypatch.setattr(Judge, "add", stop)
        assert popbridge("audit", str(project), "--workers", "1")[2].endswith(": nothing was written.\n")

    def test_ctrl_c_is_told_in_a_line_of_its_own_on_a_terminal(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Judge, "add", stop)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        err = popbridge("audit", str(project), "--workers", "1", "--locale", "zh-CN")[2]
        assert is_chinese(err.splitlines()[-1])

    def test_ctrl_c_while_it_writes_says_how_to_go_back(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from bridge_godot.import_file import ImportFile

        before, real = settings(project), ImportFile.write

        def stop_at_the_second(self: ImportFile, root: Path) -> None:
            if settings(project) != before:
                raise KeyboardInterrupt
            real(self, root)

        with monkeypatch.context() as patch:
            patch.setattr(ImportFile, "write", stop_at_the_second)
            code, out, err = popbridge("audit", str(project), "--fix", "--workers", "1")
        assert (code, out) == (130, "") and "`popbridge revert 1`" in err
        assert settings(project) != before
        assert popbridge("revert", "1")[0] == 0 and settings(project) == before

    def test_severity_chooses_what_is_told_and_fail_on_what_fails(
        self, popbridge: Any, project: Path
    ) -> None:
        (project / "materials/rock_normal.png").unlink()
        base = ["audit", str(project), "--workers", "1"]
        assert popbridge(*base)[0] == 1
        assert popbridge(*base, "--fail-on", "wrong")[0] == 0
        code, out, _ = popbridge(*base, "--severity", "wrong")
        assert code == 1 and "brick" not in out
        assert popbridge(*base, "--fail-on", "never")[0] == 0

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["{root}/rock.png"], "rock.png` does not exist"),
            ([""], "PROJECT is empty"),
            (["{root}", "--update-baseline"], "needs --baseline"),
            (["{root}", "--update-baseline", "--baseline", "-"], "needs a file name"),
            (["{root}", "--html", ""], "--html needs a file name"),
            (["{root}", "--json", "-", "--sarif", "-"], "Only one report"),
            (["{root}", "--html", "{root}/no/where.html"], "does not exist"),
            (["{root}", "--fail-on", "taste"], "--fail-on"),
            (["{root}", "--workers", "0"], "--workers"),
        ],
    )
    def test_a_mistake_is_told_in_one_line_before_anything_is_done(
        self, popbridge: Any, tmp_path: Path, arguments: list[str], says: str
    ) -> None:
        code, _, err = popbridge("audit", *(word.format(root=tmp_path) for word in arguments))
        assert code == 2 and one_line(err) and says in err

    def test_an_empty_folder_is_clean(self, popbridge: Any, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        code, out, err = popbridge("audit", str(tmp_path / "empty"))
        assert (code, err) == (0, "") and "no engine, files only" in out

    def test_notices_are_told_in_chinese_without_spaces_between(self, popbridge: Any, tmp_path: Path) -> None:
        (tmp_path / "game").mkdir()
        (tmp_path / "game" / "project.godot").write_text("config_version=5\n", encoding="utf-8")
        out = popbridge("audit", str(tmp_path), "--fix", "--json", "-", "--locale", "zh-CN")[1]
        said = json.loads(out)["notice"]
        assert is_chinese(said) and "。 " not in said

    def test_fix_says_where_there_are_no_settings_to_write(self, popbridge: Any, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert "--fix has nothing to write" in popbridge("audit", str(tmp_path / "empty"), "--fix")[1]
        assert "--fix" not in popbridge("audit", str(tmp_path / "empty"))[1]

    def test_a_mistake_in_the_projects_own_file_is_told(self, popbridge: Any, project: Path) -> None:
        (project / "popbridge.toml").write_text("[textures\n", encoding="utf-8")
        code, _, err = popbridge("audit", str(project))
        assert code == 2 and one_line(err) and "popbridge.toml, line 1" in err

    @pytest.mark.parametrize(
        "rule", ["folder = '../..'\nadvice = []", "folder = 'res://a'\nadvice = ['no_mipmaps']"]
    )
    def test_a_rule_that_can_mean_nothing_is_told_in_chinese_too(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch, rule: str
    ) -> None:
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        (project / "popbridge.toml").write_text(f"[[always]]\n{rule}\n", encoding="utf-8")
        code, _, err = popbridge("audit", str(project))
        assert code == 2 and "always[0]" in err and is_chinese(err)

    def test_backslashes_in_double_quotes_are_told_in_chinese_too(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        (project / "popbridge.toml").write_bytes(b'[textures]\r\nignore = ["Assets\\UI"]\r\n')
        code, _, err = popbridge("audit", str(project))
        assert code == 2 and "popbridge.toml 第 2 行" in err and is_chinese(err)

    @pytest.mark.parametrize(
        ("locale", "says"),
        [
            ("en", "`advice` has `seams`, but no finding has that code; there are `alpha_constant`,"),
            ("zh-CN", "popbridge.toml：always[0]：`advice`"),
        ],
    )
    def test_a_code_that_is_not_known_is_told_and_costs_no_report(
        self, popbridge: Any, project: Path, locale: str, says: str
    ) -> None:
        rule = "[[always]]\nfolder = '.'\nadvice = ['seams']\n"
        (project / "popbridge.toml").write_text(rule, encoding="utf-8")
        code, out, _ = popbridge("audit", str(project), "--json", "-", "--locale", locale, "--workers", "1")
        assert code == 1 and says in json.loads(out)["notice"]

    def test_a_fix_that_cannot_be_written_is_told_and_fails(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from bridge_godot.config_file import ConfigFile

        def refuse(self: ConfigFile, project: Path, file: str) -> None:
            raise PermissionError(13, "Permission denied", file)

        monkeypatch.setattr(ConfigFile, "write", refuse)
        before = settings(project)
        code, out, _ = popbridge("audit", str(project), "--fix", "--workers", "1")
        assert code == 1 and "Not fixed: " in out and settings(project) == before
