"""What advice reads from file names by itself."""

from __future__ import annotations

import pytest

from bridge.advisors.naming import convention_of, is_sheet, order_of


@pytest.mark.parametrize(
    ("file", "convention"),
    [
        ("rock_nor_gl_4k.png", "opengl"),
        ("Bricks01_NormalDX.jpg", "directx"),
        ("rock_normal_directx.png", "directx"),
        ("rockNormalOpenGL.png", "opengl"),
        ("rock_normal.png", None),
        ("dx/rock_normal.png", None),
        ("dx.png", None),
        ("", None),
    ],
)
def test_a_convention_is_a_word_behind_others(file: str, convention: str | None) -> None:
    assert convention_of(file) == convention


@pytest.mark.parametrize(
    ("file", "sheet"),
    [("hero_sheet.png", True), ("TileSet.png", True), ("ui/font.png", True), ("sheets/a.png", False),
     ("worksheets.png", False), ("岩石.png", False)],
)  # fmt: skip
def test_a_sheets_size_is_part_of_its_meaning(file: str, sheet: bool) -> None:
    assert is_sheet(file) is sheet


@pytest.mark.parametrize(
    ("file", "word", "order"),
    [
        ("wall-ORM.png", "orm", "occlusion roughness metallic"),
        ("crate_arm_2k.png", "arm", "occlusion roughness metallic"),
        ("a/crate_MRA.tga", "mra", "metallic roughness occlusion"),
        ("crate_rma.png", "rma", "roughness metallic occlusion"),
        ("crate_ormh.png", "ormh", "occlusion roughness metallic height"),
        ("Crate_MaskMap.png", "maskmap", "metallic occlusion mask smoothness"),
        ("crate_occlusion_roughness_metallic.png", "occlusionroughnessmetallic",
         "occlusion roughness metallic"),
        ("crate_MetallicSmoothness.png", "metallicsmoothness", "metallic smoothness"),
    ],
)  # fmt: skip
def test_a_word_promises_an_order_of_channels(file: str, word: str, order: str) -> None:
    found = order_of(file)
    assert found is not None and (found[0], " ".join(found[1].values())) == (word, order)


@pytest.mark.parametrize(
    "file", ["arm.png", "crate_mask.png", "crate_packed.png", "storm.png", "orm/a.png", ""]
)
def test_a_word_that_promises_nothing_is_passed_over(file: str) -> None:
    assert order_of(file) is None


def test_gltf_has_roughness_in_green_and_metal_in_blue() -> None:
    found = order_of("crate_metallicRoughness.png")
    assert found is not None and dict(found[1]) == {"g": "roughness", "b": "metallic"}
