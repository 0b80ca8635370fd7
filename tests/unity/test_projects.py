"""A project's version is told by its own files, and Unity's folders are walked as Unity does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.api import UserError
from bridge_unity import projects
from tests.messages import in_chinese


def project(root: Path, text: str = "m_EditorVersion: 2022.3.62f1\n") -> Path:
    (root / "ProjectSettings").mkdir(parents=True)
    (root / "ProjectSettings/ProjectVersion.txt").write_text(text, encoding="utf-8")
    return root


def package(root: Path, **said: object) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "package.json").write_text(json.dumps(said), encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("m_EditorVersion: 2017.4.1f1\n", "2017.4.1f1"),
        ("\ufeffm_EditorVersion: 2021.3.1f1\n", "2021.3.1f1"),
        (
            "m_EditorVersion: 6000.0.76f1\r\nm_EditorVersionWithRevision: 6000.0.76f1 (0123)\r\n",
            "6000.0.76f1",
        ),
        ("m_EditorVersion: 2022.3.62f1c1\nm_EditorVersion: 2022.3.62f1c1\n", "2022.3.62f1c1"),
    ],
)
def test_the_project_names_its_version(tmp_path: Path, text: str, version: str) -> None:
    assert projects.version(project(tmp_path, text)) == version


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "names no version"),
        ("<<<<<<< ours\nm_EditorVersion: 2020.3.1f1\n=======\nm_EditorVersion: 2020.3.2f1\n", "names two"),
        ("m_EditorVersion: <<<<<<< HEAD\nm_EditorVersionWithRevision: 2020.3.1f1\n", "names no version"),
    ],
)
def test_a_version_that_cant_be_told_is_said(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=f"ProjectVersion.txt {says}.*Open the project in Unity") as raised:
        projects.version(project(tmp_path, text))
    assert "请在 Unity 中打开该项目" in in_chinese(raised.value)


def test_a_version_that_cant_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "ProjectSettings/ProjectVersion.txt").mkdir(parents=True)
    with pytest.raises(UserError, match="can't be read"):
        projects.version(tmp_path)


def test_a_project_whose_version_is_missing_is_said(tmp_path: Path) -> None:
    (tmp_path / "ProjectSettings").mkdir()
    (tmp_path / projects.SETTINGS).touch()
    with pytest.raises(UserError, match=r"is missing\. Open the project in Unity") as raised:
        projects.version(tmp_path)
    assert "请在 Unity 中打开该项目" in in_chinese(raised.value)


def test_another_folder_is_none(tmp_path: Path) -> None:
    assert projects.version(tmp_path) is None
    assert projects.version(tmp_path / "gone") is None
    file = tmp_path / "ProjectSettings"
    file.touch()
    assert projects.version(tmp_path) is None


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ({"name": "com.acme.rocks", "unity": "2021.3"}, "2021.3"),
        ({"name": "com.acme.rocks", "unity": "2021.3", "unityRelease": "4f1"}, "2021.3.4f1"),
        ({"name": "com.acme.rocks", "unity": "2019.4", "unityRelease": "1f1"}, "2021.3"),
        ({"name": "rocks"}, None),
        ({"name": "rocks", "unity": "latest"}, None),
        ({"name": "rocks", "unity": 2021.3}, None),
    ],
)
def test_a_package_names_the_least_that_it_wants(
    tmp_path: Path, said: dict[str, object], version: str
) -> None:
    assert projects.version(package(tmp_path, **said)) == version


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, "\udcff"])
def test_what_is_no_package_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "package.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert projects.version(tmp_path) is None
    assert projects.AssetPaths(tmp_path).path("a.png") == "a.png"


def test_packages_go_by_their_own_names(tmp_path: Path) -> None:
    package(tmp_path, name="com.acme.rocks", unity="2021.3")
    assert projects.AssetPaths(tmp_path).path("a/b.png") == "Packages/com.acme.rocks/a/b.png"
    assert projects.AssetPaths(tmp_path).file("Packages/com.acme.rocks/a/b.png") == "a/b.png"
    game = project(tmp_path / "game")
    package(game, name="game", unity="2021.3")
    package(game / "Packages/rocks", name="com.acme.rocks", unity="2021.3")
    package(game / "Packages/unnamed")
    for file, path in (
        ("Assets/b.png", "Assets/b.png"),
        ("Packages/rocks/b.png", "Packages/com.acme.rocks/b.png"),
        ("Packages/unnamed/b.png", "Packages/unnamed/b.png"),
    ):
        assert projects.AssetPaths(game).path(file) == path
        assert projects.AssetPaths(game).file(path) == file


@pytest.mark.parametrize(
    ("text", "gamma"), [("0", True), ("1", False), ("0\r", True), ("00", False), (None, False)]
)
def test_the_players_settings_tell_how_colours_are_computed(
    tmp_path: Path, text: str | None, gamma: bool
) -> None:
    (tmp_path / "ProjectSettings").mkdir()
    if text is not None:
        (tmp_path / projects.SETTINGS).write_bytes(
            f"PlayerSettings:\n  m_ActiveColorSpace: {text}\n  a: 1\n".encode()
        )
    assert projects.is_gamma(tmp_path) is gamma


def test_binary_settings_may_be_those_of_gamma(tmp_path: Path) -> None:
    (tmp_path / "ProjectSettings").mkdir()
    (tmp_path / projects.SETTINGS).write_bytes(b"\0\0\x92\xf5\0\0\x9f\x49\0\0\0\x115.5.0f3\0")
    assert projects.is_gamma(tmp_path)


def test_a_project_has_assets_in_two_folders_and_a_package_in_all(tmp_path: Path) -> None:
    skip = projects.skip(project(tmp_path / "game"))
    folders = ("Assets", "Packages", "Assets/Library", "Library", "Temp")
    assert [folder for folder in folders if not skip(folder, ())] == [*folders[:3]]
    for folder in ("Assets/Tools/Editor", "Assets/Gizmos", "Assets/Samples~", "Assets/.git", "Assets/CVS"):
        assert skip(folder, ())
    assert not skip("Assets/Art/Gizmos", ())
    assert not projects.skip(tmp_path)("Library", ())
    assert projects.skip(tmp_path)("Samples~", ())
