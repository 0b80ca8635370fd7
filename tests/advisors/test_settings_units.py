"""Settings that several textures share: an atlas, a texture group, a preset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.advisors.import_advisor import TextureImportAdvisor
from tests.advisors import pictures
from tests.advisors.desk import WRONG, Bench

ATLAS = "Assets/maps.atlas"
NORMALS = {"normal_map": True, "srgb": False, "mipmaps": True}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "project").mkdir()
    bench = Bench(tmp_path / "project", TextureImportAdvisor())
    bench.options[ATLAS] = dict(WRONG)
    return bench


def asset(bench: Bench, file: str, pixels: Any = None) -> dict[str, Any]:
    pictures.save(bench.root / file, pictures.normal_map() if pixels is None else pixels)
    options = dict(bench.options[ATLAS])
    return {"path": f"res://{file}", "file": file, "type": "texture", "options": options, "unit": ATLAS}


async def report(bench: Bench, *assets: dict[str, Any]) -> None:
    await bench.event({"batch": 1, "more": False, "assets": list(assets)})


def normals(bench: Bench, count: int = 5) -> list[dict[str, Any]]:
    return [asset(bench, f"maps/rock{n}_n.png") for n in range(count)]


def rows(bench: Bench) -> list[Any]:
    return [row for group in bench.asking.items for row in group.children]


async def test_the_unit_has_one_row_one_change_and_one_receipt(bench: Bench) -> None:
    bench.texture("own_n.png", pictures.normal_map())
    await report(bench, *normals(bench), bench.asset("res://own_n.png"))
    of_unit = [row for row in rows(bench) if row.path == ATLAS]
    assert len({row.id.split(".")[1] for row in of_unit}) == 1
    assert all("5" in row.detail and "rock0_n.png" in row.detail for row in of_unit)
    await bench.answer("apply")
    paths = [[change["path"] for change in args["changes"]] for _, args in bench.commands]
    assert sorted(paths) == [[ATLAS], ["res://own_n.png"]]
    assert len(bench.receipts) == 2
    assert {name: bench.options[ATLAS][name] for name in NORMALS} == NORMALS
    unit = next(args["changes"][0] for _, args in bench.commands if args["changes"][0]["path"] == ATLAS)
    assert unit["expected"] == {name: WRONG[name] for name in unit["options"]}
    await bench.answer("undo")
    assert bench.options[ATLAS] == WRONG


async def test_a_fix_that_one_of_its_textures_would_suffer_from_isnt_made_but_told(bench: Bench) -> None:
    photo = asset(bench, "maps/photo_albedo.png", pictures.gradient((200, 120, 60), (40, 90, 160), 20))
    await report(bench, *normals(bench, 2), photo)
    found = {row.id: row for row in rows(bench)}
    told = [row for row in found.values() if row.locked and "photo_albedo.png" in row.detail]
    assert told and not any("normal_map" in child.title for row in found.values() for child in row.children)
    if any(action.id == "apply" for action in bench.asking.actions):
        await bench.answer("apply")
    assert bench.options[ATLAS]["normal_map"] is False


async def test_textures_that_were_reported_before_count_too(bench: Bench) -> None:
    photo = asset(bench, "maps/photo_albedo.png", pictures.gradient((200, 120, 60), (40, 90, 160), 20))
    await report(bench, photo)
    await report(bench, *normals(bench, 1))
    assert any("photo_albedo.png" in row.detail for row in rows(bench))
    assert not any("normal_map" in child.title for row in rows(bench) for child in row.children)


async def test_a_unit_that_is_right_says_nothing_and_closes_its_question(bench: Bench) -> None:
    await report(bench, *normals(bench, 2))
    assert bench.popups
    bench.options[ATLAS] |= NORMALS
    await report(bench, *normals(bench, 1))
    assert not bench.popups, "the other texture has the new settings too"


async def test_a_texture_that_changed_since_keeps_the_whole_unit_as_it_is(bench: Bench) -> None:
    await report(bench, *normals(bench, 2))
    pictures.save(bench.root / "maps/rock1_n.png", pictures.noise(3))
    await bench.answer("apply")
    assert not bench.commands and bench.options[ATLAS] == WRONG


async def test_a_rule_must_cover_every_texture_that_has_the_finding(bench: Bench) -> None:
    both = [asset(bench, "a/rock_n.png"), asset(bench, "b/rock_n.png")]
    codes = ["normal_as_color", "data_as_srgb", "no_mipmaps"]
    bench.rule_table = {"a": codes}
    await report(bench, *both)
    assert bench.asking.kind == "texture.import" and not bench.commands
    offered = next(action for action in bench.asking.actions if action.id == "always").choices
    assert any("'a'" in choice.detail or '"a"' in choice.detail for choice in offered)
    await bench.answer("always")
    assert set(bench.rule_table) == {"a", "b"}


async def test_a_rule_that_covers_all_fixes_without_asking(bench: Bench) -> None:
    bench.rule_table = {"maps": ["normal_as_color", "no_mipmaps"]}
    await report(bench, *normals(bench, 2))
    assert bench.options[ATLAS]["normal_map"] is True
    assert bench.shown[-1].kind == "texture.applied"


async def test_a_conflict_is_told_where_a_rule_would_have_fixed_it(bench: Bench) -> None:
    bench.rule_table = {"maps": ["normal_as_color", "no_mipmaps", "color_as_linear"]}
    photo = asset(bench, "maps/photo_albedo.png", pictures.gradient((200, 120, 60), (40, 90, 160), 20))
    await report(bench, *normals(bench, 1), photo)
    assert bench.options[ATLAS]["normal_map"] is False
    assert any(row.locked for popup in bench.shown for group in popup.items for row in group.children)


async def test_other_advisors_questions_about_a_texture_hold_back_its_unit(bench: Bench) -> None:
    bench.taken = {"res://maps/rock1_n.png"}
    await report(bench, *normals(bench, 2))
    assert not bench.shown


async def test_a_unit_of_hundreds_fits_into_a_popup(bench: Bench) -> None:
    await report(bench, *[asset(bench, f"maps/{'x' * 150}{n}_n.png") for n in range(16)])
    assert len(bench.asking.body) < 32_768
    assert all(len(str(row.detail)) <= 4096 for row in rows(bench))
