"""docs/guides/recipes.md: every command in it runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.demo.textures import noise, normals, tint
from tests.advisors import pictures

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "recipes.md"
COMMANDS = re.findall(r"^    popbridge (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The textures that the page names."""
    height = noise(3, 64)
    colors = tint(height, (0.5, 0.4, 0.3))
    files = {
        "rock_albedo.png": colors, "rock_albedo_old.png": colors * 0.98, "photo.jpg": colors,
        "rock_normal.png": normals(height, 4.0),
    }  # fmt: skip
    for name, values in files.items():
        pictures.save(tmp_path / name, (np.clip(values, 0, 1) * 255).astype(np.uint8))
    for name in ("height", "ao", "roughness", "metallic"):
        pictures.save(tmp_path / f"rock_{name}.png", (height[..., None] * 255).astype(np.uint8))
    (tmp_path / "sprites").mkdir()
    for number, name in enumerate(("hero", "coin", "tree")):
        sprite = np.zeros((32, 32, 4), np.uint8)
        sprite[4 : 20 + number, 6:25] = (200, 80 * number, 40, 255)
        pictures.save(tmp_path / "sprites" / f"{name}.png", sprite)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_recipe_does_what_it_says(game: Path, popbridge: Any) -> None:
    assert len(COMMANDS) > 20
    for command in COMMANDS:
        code, out, err = popbridge(*shlex.split(command))
        assert code == 0, f"popbridge {command}\n{out}{err}"
        assert out, command
    made = {path.relative_to(game).as_posix() for path in game.rglob("*") if path.is_file()}
    assert {
        "built/rock_albedo.dds", "built/rock_normal.dds", "phone/rock_albedo.ktx2", "built/rock_orm.png",
        "directx/rock_normal.png", "converted/rock_albedo.tga", "converted/rock_height.exr",
    } <= made, sorted(made)  # fmt: skip
