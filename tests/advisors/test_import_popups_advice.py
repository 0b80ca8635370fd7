"""The paragraphs of popups that ask."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.advisors.advice import FileAdvice, TextureSummary
from bridge.advisors.findings import ERROR, WARNING, Finding
from bridge.advisors.import_items import group_codes, offered_rules
from bridge.advisors.import_popups import (
    MAX_FILES,
    MAX_MEMBERS,
    advice_popup,
    material_paragraph,
    paragraph,
    total_memory,
)
from bridge.advisors.texts import say
from bridge.api import Popup, SessionView, TextureIntent

MIB = 1 << 20
SAVED = {"desktop": (16 * MIB, 4 * MIB), "mobile": (16 * MIB, 2 * MIB)}
PACKED = TextureSummary("packed", 97, ["_orm"], {"r": "occlusion", "g": "roughness", "b": "metallic"})


def advised(file: str, about: TextureSummary | None = None, rank: int = WARNING, **more: Any) -> FileAdvice:
    known: dict[str, Any] = {"options": {"srgb": False}, "present": {"srgb": True}, **more}
    intent = TextureIntent(color_space="linear" if known["options"] else None)
    finding = Finding("data_as_srgb", rank, "packed_as_srgb", intent=intent)
    return FileAdvice(file, file, [finding], content="c", state="s", about=about, **known)


def asking(files: list[FileAdvice]) -> Popup:
    session = SessionView("s", "p", "Project", None, None, None, "en")
    return advice_popup(files, group_codes(files), offered_rules(files), session)


@pytest.mark.parametrize(
    ("locale", "lines"),
    [
        (
            "en",
            [
                "`m/crate_orm.png` · packed map: occlusion (R), roughness (G), metallic (B), 97% (`_orm`)",
                "• Separate data per channel, imported as sRGB. sRGB changes the values.",
                "Fix sets `srgb` true → false",
                "GPU memory: 16.0 MiB → 4.0 MiB (desktop), 16.0 MiB → 2.0 MiB (mobile)",
            ],
        ),
        (
            "zh_CN",
            [
                "`m/crate_orm.png` · 通道打包贴图：R 环境光遮蔽，G 粗糙度，B 金属度，97%（`_orm`）",
                "• 各通道为独立数据，按 sRGB 导入。sRGB 会改变数值。",
                "修复将设置 `srgb` true → false",
                "显存：16.0 MiB → 4.0 MiB（桌面），16.0 MiB → 2.0 MiB（移动端）",
            ],
        ),
    ],
)
def test_a_texture_is_shown_with_its_kind_its_findings_the_fix_and_the_memory(
    locale: str, lines: list[str]
) -> None:
    assert paragraph(advised("m/crate_orm.png", PACKED, memory=SAVED), locale).splitlines() == lines


def test_an_option_that_is_not_set_yet_is_not_shown_as_removed() -> None:
    file = advised("a.png", options={"normal": 1, "srgb": None}, present={"normal": None, "srgb": True})
    assert paragraph(file, "en").splitlines()[-1].endswith("`normal` not set → 1, `srgb` true → removed")
    assert paragraph(file, "zh").splitlines()[-1].endswith("`normal` 未设置 → 1，`srgb` true → 移除")
    many = advised("a.png", options={f"o{n}": n for n in range(9)}, present={})
    assert paragraph(many, "en").splitlines()[-1].endswith("`o5` not set → 5, …")


@pytest.mark.parametrize(
    ("about", "heading"),
    [
        (None, "`a.png`"),
        (TextureSummary("normal", 0, [], {}), "`a.png` · normal map"),
        (TextureSummary("ao", 93, [], {}), "`a.png` · AO map, 93%"),
        (TextureSummary("albedo", 96, ["_d"], {}), "`a.png` · albedo map, 96% (`_d`)"),
        (
            TextureSummary("albedo", 96, ["_d"], {}, by_project=True),
            "`a.png` · albedo map, 96% (`_d`, the project's other textures)",
        ),
        (
            TextureSummary("albedo", 96, [], {}, by_project=True),
            "`a.png` · albedo map, 96% (the project's other textures)",
        ),
    ],
)
def test_the_heading_shows_kind_confidence_and_evidence_as_far_as_known(about: Any, heading: str) -> None:
    assert paragraph(advised("a.png", about), "en").splitlines()[0] == heading


def test_the_maps_of_a_material_share_a_paragraph() -> None:
    files = [advised(f"m/rock_{role}.png", memory=SAVED) for role in ("albedo", "n", "orm")]
    text = material_paragraph("rock", files, "en")
    assert text.splitlines()[0] == "Material `m/rock`: 3 textures"
    assert "\n\n" not in text and "`rock_orm.png`" in text
    assert total_memory(files) == {"desktop": (48 * MIB, 12 * MIB), "mobile": (48 * MIB, 6 * MIB)}


def test_a_popup_about_one_material_shows_its_name_and_the_total() -> None:
    files = [advised(f"m/rock_{role}.png", rank=ERROR, memory=SAVED) for role in ("albedo", "n", "orm")]
    popup = asking(files)
    assert popup.title == say("title_material", "en", name="rock", count=3)
    assert popup.body.splitlines()[-1].endswith("48.0 MiB → 12.0 MiB (desktop), 48.0 MiB → 6.0 MiB (mobile)")


def test_the_title_and_the_button_count_what_import_settings_fix() -> None:
    fixable = [advised(f"{letter}/{letter * 3}.png") for letter in "ab"]
    author = advised("c/ccc.png", options={})
    mixed = asking([*fixable, author])
    assert mixed.title == say("title_many", "en", count=2)
    assert [action.label for action in mixed.actions] == [
        say("apply_many", "en", count=2), say("later", "en"), say("always_many", "en"),
    ]  # fmt: skip
    one = asking([fixable[0], author])
    assert (one.title, one.actions[0].label) == (say("title_one", "en", name="aaa.png"), say("apply", "en"))
    alone = asking([author])
    assert alone.title == say("file_one", "en", name="ccc.png")
    assert [action.id for action in alone.actions] == ["later"]


def test_a_material_isnt_split_by_the_limit_of_a_popup() -> None:
    files = [advised(f"{letter * 3}.png") for letter in "abcd"]
    files += [advised(f"rock_{role}.png") for role in ("albedo", "n", "orm")]
    body = asking(files).body
    assert "Material" not in body and "… and 3 more" in body
    assert "Material `rock`: 3 textures" in asking(files[-3:] + files[:-3]).body


def test_a_material_of_very_many_maps_is_cut() -> None:
    files = [advised(f"rock_{n}_n.png") for n in range(MAX_MEMBERS + 5)]
    assert material_paragraph("rock", files, "en").endswith("… and 5 more")
    assert MAX_FILES < MAX_MEMBERS


def test_names_and_evidence_never_become_links() -> None:
    odd = TextureSummary("normal", 99, ["](http://evil)"], {})
    lines = paragraph(advised("[x](http://evil)_n.png", odd), "en").splitlines()
    assert lines[0] == "`[x](http://evil)_n.png` · normal map, 99% (`](http://evil)`)"
