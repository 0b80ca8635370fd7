"""Sprite atlases, whose settings replace those of the textures that they pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.demo.textures import button, save
from bridge_unity.usage import texture_usage
from tests.unity.projects import game, guid_of, imported, meta
from tests.unity.test_audit import codes, report
from tests.unity.test_usage import HEAD, texture, write

SPRITE = {"  textureType: 0": "  textureType: 8"}
FOLDER = "fileFormatVersion: 2\nguid: {guid}\nfolderAsset: yes\n"
ATLAS = "Assets/menu.spriteatlasv2"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return game(tmp_path / "game", only=["none of them"])


def atlas(*packables: str) -> str:
    listed = "".join(f"    - {one}\n" for one in packables)
    return (
        f"{HEAD}--- !u!612988286 &1\nSpriteAtlasAsset:\n  m_ImporterData:\n    packables:\n{listed}"
        "  m_IsVariant: 0\n"
    )


def packed(root: Path) -> dict[str, str]:
    return {file: uses.owner for file, uses in texture_usage(root).items() if uses.owner}


@pytest.mark.parametrize("suffix", [".spriteatlas", ".spriteatlasv2"])
def test_textures_and_the_sprites_of_folders_are_packed_with_their_secondary_textures(
    root: Path, suffix: str
) -> None:
    secondary = f"    - texture: {texture('Assets/gem_mask.png')}\n      name: _MaskTex"
    sheet = {**SPRITE, "    secondaryTextures: []": f"    secondaryTextures:\n{secondary}"}
    imported(root, "Assets/gem.png", meta("Assets/gem.png", replaced=sheet))
    for file in ("Assets/gem_mask.png", "Assets/ui/plain.png", "Assets/other.png"):
        imported(root, file)
    imported(root, "Assets/ui/deep/star.png", meta("Assets/ui/deep/star.png", replaced=SPRITE))
    write(root, "Assets/ui.meta", FOLDER.format(guid=guid_of("Assets/ui")))
    file = f"Assets/menu{suffix}"
    write(root, file, atlas(texture("Assets/gem.png"), texture("Assets/ui")))
    files = ("Assets/gem.png", "Assets/gem_mask.png", "Assets/ui/deep/star.png")
    assert packed(root) == dict.fromkeys(files, file)


@pytest.mark.parametrize(("mode", "there"), [("0", False), ("4", True), ("5", True)])
def test_a_project_that_packs_no_atlases_has_none(root: Path, mode: str, there: bool) -> None:
    imported(root, "Assets/gem.png", meta("Assets/gem.png", replaced=SPRITE))
    write(root, ATLAS, atlas(texture("Assets/gem.png")))
    write(root, "ProjectSettings/EditorSettings.asset", f"EditorSettings:\n  m_SpritePackerMode: {mode}\n")
    assert packed(root) == ({"Assets/gem.png": ATLAS} if there else {})


@pytest.mark.usefixtures("shared_workers")
def test_settings_that_an_atlas_replaces_are_no_finding(root: Path, tmp_path: Path) -> None:
    file = "Assets/ui/button.png"
    save(button(), root / file)
    imported(root, file, meta(file, replaced=SPRITE))
    assert codes(report(root, tmp_path)) == ["ui_mipmaps"]
    write(root, ATLAS, atlas(texture(file)))
    assert codes(report(root, tmp_path)) == []
