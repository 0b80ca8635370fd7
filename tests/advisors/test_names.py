"""File names by the conventions that artists use."""

from __future__ import annotations

import pytest

from bridge.advisors.names import Hints, read_name


@pytest.mark.parametrize(
    ("file", "hints"),
    [
        ("textures/Rock_Normal_2K.png", Hints(normal=True)),
        ("rock_nor_gl_4k.png", Hints(normal=True, convention="opengl")),
        ("Bricks01_NormalDX.jpg", Hints(normal=True, convention="directx")),
        ("wallAmbientOcclusion.png", Hints(data="ambientocclusion")),
        ("wall-ORM.png", Hints(packed="orm")),
        ("wall_base_color.png", Hints(color="albedo")),
        ("wall.diffuse_1024x1024.png", Hints(color="albedo")),
        ("ui/button_normal.png", Hints(ui=True)),
        ("art/icon_sword.png", Hints(ui=True)),
        ("hero_sheet.png", Hints(sheet=True)),
        ("normal/photo.png", Hints()),
        ("n.png", Hints()),
        ("2048.png", Hints()),
        ("岩石.png", Hints()),
        ("", Hints()),
    ],
)
def test_a_name_says_what_its_last_word_says(file: str, hints: Hints) -> None:
    assert read_name(file) == hints
