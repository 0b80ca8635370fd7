"""A texture without its `.meta` is told where the project keeps such files, and nothing is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from bridge.audit.results import Issue
from bridge.audit.texts import sentence
from bridge_unity import assets, projects
from tests.unity.projects import game, imported, meta, texture
from tests.unity.test_audit import audit, report
from tests.unity.test_projects import package


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return game(tmp_path / "game", only=["none of them"])


def lone(root: Path, file: str) -> None:
    texture(root, file)
    (root / f"{file}.meta").unlink()


def told(root: Path) -> dict[str, list[str]]:
    found = list(assets.textures(root))
    assert all(one.title and one.short_title for each in found for one in each.remarks)
    return {each.file: [one.code for one in each.remarks] for each in found}


def test_a_texture_without_its_settings_is_told_where_others_have_them(root: Path) -> None:
    lone(root, "Assets/a/rock.png")
    assert told(root) == {"Assets/a/rock.png": []}
    texture(root, "Assets/b/wall.png")
    lone(root, "Assets/c/sky.dds")
    lone(root, "Packages/com.acme.rocks/Editor/tool.png")
    no_meta = ["unity.no_meta"]
    assert told(root) == {"Assets/a/rock.png": no_meta, "Assets/b/wall.png": [], "Assets/c/sky.dds": no_meta}
    # Of one alone, whose popup doesn't show them, nobody asks for remarks.
    asked = assets.texture(root, "Assets/a/rock.png")
    assert asked is not None and not asked.remarks


def test_what_goes_into_the_game_as_it_is_needs_none(root: Path) -> None:
    texture(root, "Assets/wall.png")
    lone(root, "Assets/StreamingAssets/poster.png")
    lone(root, "Assets/Plugins/Android/Firebase.androidlib/res/icon.png")
    lone(root, "Assets/Plugins/iOS/Ads.Framework/close.png")
    assert told(root) == {"Assets/StreamingAssets/poster.png": [], "Assets/wall.png": []}
    assert not projects.skip(root)("Assets/bundle", ())


def test_what_lies_in_packages_and_in_no_package_isnt_imported(root: Path) -> None:
    texture(root, "Assets/wall.png")
    for file in ("Packages/a.png", "Packages/rocks/b.png", "Packages/com.acme/art/c.png"):
        lone(root, file)
    package(root / "Packages/com.acme", name="com.acme")
    assert [file for file, codes in told(root).items() if codes] == ["Packages/com.acme/art/c.png"]


def test_a_meta_whose_name_differs_in_case_is_to_be_renamed(root: Path) -> None:
    lone(root, "Assets/Rock.png")
    (root / "Assets/rock.png.meta").write_text(meta("Assets/Rock.png"), encoding="utf-8")
    (found,) = assets.textures(root)
    if found.options is not None:
        # Where upper and lower case are the same it is the texture's.
        return
    (remark,) = found.remarks
    assert (remark.code, remark.severity) == ("unity.no_meta", "error")
    assert remark.text.values == {"other": "rock.png.meta", "meta": "Rock.png.meta"}


def is_case_kept(folder: Path) -> bool:
    return not (folder / "PROJECTSETTINGS").exists()


def test_the_meta_of_another_texture_whose_name_differs_in_case_is_left_to_it(root: Path) -> None:
    if not is_case_kept(root):
        pytest.skip("upper and lower case are the same here")
    texture(root, "Assets/Rock.png")
    lone(root, "Assets/rock.png")
    (remark,) = next(found.remarks for found in assets.textures(root) if found.remarks)
    assert str(remark.text).startswith("`rock.png.meta` is missing")


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_meta_that_is_a_link_to_nothing_isnt_to_be_renamed_to_itself(root: Path) -> None:
    texture(root, "Assets/wall.png")
    lone(root, "Assets/rock.png")
    (root / "Assets/rock.png.meta").symlink_to("gone.meta")
    (remark,) = next(found.remarks for found in assets.textures(root) if found.remarks)
    assert str(remark.text).startswith("`rock.png.meta` is missing")


def test_a_folder_is_listed_once_for_all_its_textures_and_only_where_such_files_are_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(str(folder)) or listdir(folder))
    for file in ("a/rock.png", "a/moss.png", "b/sand.png"):
        lone(root, f"Assets/{file}")
    assert not any(told(root).values()) and listed == []
    texture(root, "Assets/c/wall.png")
    assert sum(map(bool, told(root).values())) == 3 and listed == [str(root / "Assets" / one) for one in "ab"]


def test_a_packages_texture_is_passed_over_by_unity_and_says_so(tmp_path: Path) -> None:
    package(tmp_path, name="com.acme.rocks", unity="2021.3")
    texture(tmp_path, "Runtime/wall.png")
    lone(tmp_path, "Runtime/new/rock.png")
    assert told(tmp_path) == {"Runtime/new/rock.png": [], "Runtime/wall.png": []}
    (tmp_path / "Runtime.meta").write_text("fileFormatVersion: 2\n", encoding="utf-8")
    for decoration in ("logo.png", "docs/screenshot.png"):
        lone(tmp_path, decoration)
    assert {file for file, codes in told(tmp_path).items() if codes} == {"Runtime/new/rock.png"}
    (remark,) = next(found.remarks for found in assets.textures(tmp_path) if found.remarks)
    assert "so Unity ignores the texture where the package is installed" in remark.text
    assert sentence(Issue.remarked(remark), "en") == str(remark.text)
    assert "Unity 会忽略" in sentence(Issue.remarked(remark), "zh-CN")


def test_the_audit_calls_it_wrong_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    project = game(tmp_path / "game", only=["materials/rock_normal.png", "materials/brick_albedo.png"])
    gone = project / "Assets/materials/brick_albedo.png.meta"
    gone.unlink()
    (only,) = [file for file in report(project, tmp_path, "--fix")["files"] if not file["mended"]]
    (finding,) = only["findings"]
    assert (finding["code"], finding["severity"], finding["fixable"]) == ("unity.no_meta", "error", False)
    assert finding["message"].startswith("`brick_albedo.png.meta` is missing")
    assert only["kind"] == "albedo" and only["options"] == {} and not gone.exists()
    assert "brick_albedo.png.meta" in capsys.readouterr().out


def test_a_rule_that_names_it_is_told_as_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    project = game(tmp_path / "game", only=["materials/rock_normal.png", "materials/brick_albedo.png"])
    rule = '[[always]]\nfolder = "."\nadvice = ["unity.no_meta", "acme.seams"]\n'
    (project / "popbridge.toml").write_text(rule, encoding="utf-8")
    gone = project / "Assets/materials/brick_albedo.png.meta"
    assert "unity.no_meta" not in passed_over(project, tmp_path)
    gone.unlink()
    told = passed_over(project, tmp_path)
    assert "`unity.no_meta`, but no import setting fixes that finding" in told and "acme.seams" not in told
    assert "newer" not in told


def passed_over(project: Path, folder: Path) -> str:
    audit(project, "--sarif", str(folder / "log.sarif"))
    (run,) = json.loads((folder / "log.sarif").read_text(encoding="utf-8"))["runs"]
    (invocation,) = run["invocations"]
    return json.dumps(invocation.get("toolConfigurationNotifications", []))


def test_a_baseline_accepts_it_and_a_log_for_reviews_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    project = game(tmp_path / "game", only=["materials/rock_albedo.png", "materials/brick_albedo.png"])
    (project / "Assets/materials/brick_albedo.png.meta").unlink()
    log, known = tmp_path / "log.sarif", ("--baseline", str(tmp_path / "known.json"))
    assert audit(project, "--sarif", str(log)) == 1
    (run,) = json.loads(log.read_text(encoding="utf-8"))["runs"]
    assert "unity.no_meta" in [result["ruleId"] for result in run["results"]]
    (rule,) = [rule for rule in run["tool"]["driver"]["rules"] if rule["id"] == "unity.no_meta"]
    assert (rule["name"], rule["shortDescription"]["text"]) == ("UnityNoMeta", "unity.no_meta")
    assert rule["help"]["text"].startswith("Unity keeps a texture's GUID and import settings in the `.meta`")
    assert audit(project, *known, "--update-baseline") == 0
    assert audit(project, *known) == 0


def orphans(root: Path) -> list[str]:
    return [
        one.file
        for one in assets.textures(root)
        for said in one.remarks
        if said.code == "unity.orphaned_meta"
    ]


def test_settings_whose_texture_is_gone_are_a_note_of_their_own_file(root: Path, tmp_path: Path) -> None:
    texture(root, "Assets/rock.png")
    (root / "Assets/rock.png").unlink()
    told = report(root, tmp_path)
    (only,) = told["files"]
    assert (told["textures"], told["notes"], only["file"]) == (0, 1, "Assets/rock.png.meta")
    (finding,) = only["findings"]
    assert (finding["code"], finding["severity"]) == ("unity.orphaned_meta", "note")
    assert "Its texture `rock.png` is missing" in finding["message"]
    assert audit(root, "--fix") == 0 and (root / "Assets/rock.png.meta").exists()
    told = report(root, tmp_path, "--locale", "zh-CN")
    assert "缺少对应的贴图 `rock.png`" in told["files"][0]["findings"][0]["message"]
    baseline = str(tmp_path / "baseline.json")
    report(root, tmp_path, "--baseline", baseline, "--update-baseline")
    assert report(root, tmp_path, "--baseline", baseline)["accepted"] == 1
    (root / "popbridge.toml").write_text('[textures]\nignore = ["*.png"]\n', encoding="utf-8")
    assert report(root, tmp_path)["files"] == []


def test_beside_what_is_left_of_a_texture_a_part_of_other_files_is_audited_by_them(
    root: Path, tmp_path: Path
) -> None:
    imported(root, "Assets/raw/rock.png")
    imported(root, "Assets/b/wall.png")
    for file in ("Assets/raw/rock.webp", "Assets/b/rock.webp"):
        Image.new("RGB", (8, 8), "red").save(root / file)
    told = report(root / "Assets/raw", tmp_path)
    assert told["textures"] == 1 and told["engine"] is None
    (orphan,) = [row for row in told["files"] if row["file"].endswith(".meta")]
    assert orphan["file"] == "Assets/raw/rock.png.meta"


def test_a_part_tells_its_own_alone(root: Path, tmp_path: Path) -> None:
    for file in ("Assets/a/rock.png", "Assets/b/wall.png"):
        texture(root, file)
        (root / file).unlink()
    (only,) = report(root / "Assets/b", tmp_path)["files"]
    assert only["file"] == "Assets/b/wall.png.meta"


@pytest.mark.parametrize(
    ("meta", "there"),
    [
        ("Assets/rock.png.meta", "Assets/rock.png"),
        # A folder has one, too; and a link may lead to what isn't checked out here.
        ("Assets/rock.png.meta", "Assets/rock.png/a.txt"),
        ("Assets/rock.mat.meta", ""),
        ("Assets/.meta", ""),
        ("Assets/.rock.png.meta", ""),
        ("Assets/.raw/rock.png.meta", ""),
        ("Assets/Samples~/rock.png.meta", ""),
        ("Assets/Editor/rock.png.meta", ""),
        ("rock.png.meta", ""),
        ("Packages/rock.png.meta", ""),
        ("Packages/rocks/art/rock.png.meta", ""),
    ],
)
def test_what_has_its_file_or_is_none_of_unitys_is_no_orphan(root: Path, meta: str, there: str) -> None:
    imported(root, meta.removesuffix(".meta"))
    if there:
        (root / there).parent.mkdir(parents=True, exist_ok=True)
        (root / there).write_bytes(b"png")
    assert orphans(root) == []


@pytest.mark.parametrize("file", ["Assets/岩石.PNG", "Assets/StreamingAssets/a.jpg", "Packages/acme/a.tga"])
def test_wherever_unity_keeps_settings_they_may_be_left(root: Path, file: str) -> None:
    package(root / "Packages/acme", name="com.acme")
    imported(root, file)
    assert orphans(root) == [f"{file}.meta"]


def test_of_a_package_by_itself_they_are_told_too(tmp_path: Path) -> None:
    root = tmp_path / "acme"
    package(root, name="com.acme", unity="2022.3")
    imported(root, "rock.png")
    imported(root, "Documentation~/page.png")
    imported(root, "art/wall.png")
    found = [one for one in assets.textures(root) if one.gone]
    assert [one.path for one in found] == ["Packages/com.acme/rock.png", "Packages/com.acme/art/wall.png"]
    assert "in each project with the package" in found[0].remarks[0].text


@pytest.mark.parametrize(
    ("folder", "ignored"), [("", "art/*.png"), ("Packages/own", "Packages/own/**/*.png")]
)
def test_they_are_ignored_with_their_texture_by_place(
    root: Path, tmp_path: Path, folder: str, ignored: str
) -> None:
    root = root if folder else tmp_path / "acme"
    package(root / folder, name="com.acme", unity="2022.3")
    imported(root, f"{folder}/art/wall.png".strip("/"))
    assert [len(row["findings"]) for row in report(root, tmp_path)["files"]] == [1]
    (root / "popbridge.toml").write_text(f'[textures]\nignore = ["{ignored}"]\n', encoding="utf-8")
    assert report(root, tmp_path)["files"] == []


@pytest.mark.skipif(os.path.exists(__file__.upper()), reason="upper and lower case are alike here")
def test_what_differs_in_case_alone_is_told_as_the_textures_own(root: Path) -> None:
    texture(root, "Assets/wall.png")
    lone(root, "Assets/rock.png")
    imported(root, "Assets/Rock.png")
    assert told(root) == {"Assets/rock.png": ["unity.no_meta"], "Assets/wall.png": []}
    # Beside the texture's own it is left over.
    imported(root, "Assets/rock.png")
    assert orphans(root) == ["Assets/Rock.png.meta"]
