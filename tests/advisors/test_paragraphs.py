"""What popups say of a texture, word for word, in both languages."""

from __future__ import annotations

from typing import Any

from bridge.advisors.advice import FileAdvice, TextureSummary
from bridge.advisors.findings import WASTE, WRONG, Finding
from bridge.advisors.import_popups import (
    MAX_FILES,
    MAX_MEMBERS,
    advice_popup,
    paragraph,
    set_paragraph,
    total,
)

MIB = 1 << 20
SAVED = {"desktop": (16 * MIB, 4 * MIB), "mobile": (16 * MIB, 2 * MIB)}
PACKED = TextureSummary("packed", 97, ["_orm"], {"r": "occlusion", "g": "roughness", "b": "metallic"})


def advised(file: str, about: TextureSummary | None = None, rank: int = WASTE, **more: Any) -> FileAdvice:
    finding = Finding("data_as_srgb", rank, "packed_as_srgb")
    known: dict[str, Any] = {"options": {"srgb": False}, "present": {"srgb": True}, **more}
    return FileAdvice(file, file, [finding], content="c", state="s", about=about, **known)


def test_a_packed_map_is_told_with_its_channels_its_gain_and_what_apply_sets() -> None:
    assert paragraph(advised("m/crate_orm.png", PACKED, memory=SAVED), "en").splitlines() == [
        "`m/crate_orm.png`: packed map of occlusion (R), roughness (G), metalness (B), 97 % sure (`_orm`)",
        "• different numbers in each channel: read as sRGB they are bent",
        "Apply sets `srgb` true → false",
        "Texture memory 16.0 MiB → 4.0 MiB (desktop), 16.0 MiB → 2.0 MiB (mobile)",
    ]


def test_the_same_in_chinese() -> None:
    assert paragraph(advised("m/crate_orm.png", PACKED, memory=SAVED), "zh_CN").splitlines() == [
        "`m/crate_orm.png`：打包贴图（R 遮蔽，G 粗糙度，B 金属度），可信度 97%（`_orm`）",
        "• 各通道存有不同的数据：按 sRGB 读取时数值会被扭曲",
        "应用后将设置 `srgb` true → false",
        "贴图显存 16.0 MiB → 4.0 MiB（桌面），16.0 MiB → 2.0 MiB（移动端）",
    ]


def test_an_option_that_is_not_there_yet_is_not_called_removed() -> None:
    file = advised("a.png", options={"normal": 1, "srgb": None}, present={"normal": None, "srgb": True})
    assert paragraph(file, "en").splitlines()[-1] == "Apply sets `normal` not set → 1, `srgb` true → removed"
    assert paragraph(file, "zh").splitlines()[-1] == "应用后将设置 `normal` 未设置 → 1，`srgb` true → 移除"
    many = advised("a.png", options={f"o{n}": n for n in range(9)}, present={})
    assert paragraph(many, "en").splitlines()[-1].endswith("`o5` not set → 5, …")


def test_where_only_the_pixels_speak_no_certainty_is_made_up() -> None:
    lines = paragraph(advised("a.png", TextureSummary("normal", 0, [], {})), "en").splitlines()
    assert lines[0] == "`a.png`: normal map"
    assert paragraph(advised("a.png"), "en").splitlines()[0] == "`a.png`"
    sure = paragraph(advised("a.png", TextureSummary("ao", 93, [], {})), "en").splitlines()
    assert sure[0] == "`a.png`: occlusion map, 93 % sure"


def test_a_person_is_told_that_the_projects_other_textures_decided() -> None:
    both = advised("a_d.png", TextureSummary("albedo", 96, ["_d"], {}, by_project=True))
    assert paragraph(both, "en").splitlines()[0] == (
        "`a_d.png`: colour map, 96 % sure (`_d`, the project's other textures)"
    )
    assert (
        paragraph(both, "zh").splitlines()[0] == "`a_d.png`：颜色贴图，可信度 96%（`_d`，项目中的其他贴图）"
    )
    alone = advised("a.png", TextureSummary("albedo", 96, [], {}, by_project=True))
    assert paragraph(alone, "en").splitlines()[0] == (
        "`a.png`: colour map, 96 % sure (the project's other textures)"
    )


def test_a_set_is_one_paragraph_under_the_materials_name() -> None:
    files = [advised(f"m/rock_{role}.png", memory=SAVED) for role in ("albedo", "n", "orm")]
    text = set_paragraph("rock", files, "en")
    assert text.splitlines()[0] == "Material `m/rock`: 3 textures"
    assert "\n\n" not in text and "`rock_orm.png`" in text
    assert set_paragraph("rock", files, "zh").splitlines()[0] == "材质 `m/rock`：3 张贴图"
    assert total(files) == {"desktop": (48 * MIB, 12 * MIB), "mobile": (48 * MIB, 6 * MIB)}


def test_a_popup_on_one_material_has_its_name_and_the_gain_in_all() -> None:
    files = [advised(f"m/rock_{role}.png", rank=WRONG, memory=SAVED) for role in ("albedo", "n", "orm")]
    popup = advice_popup(files, "en", "d")
    assert popup.title == "Material rock could be imported better (3 textures)"
    assert popup.body.splitlines()[-1] == (
        "Texture memory in all 48.0 MiB → 12.0 MiB (desktop), 48.0 MiB → 6.0 MiB (mobile)"
    )
    assert advice_popup(files, "zh-CN", "d").title == "材质 rock 的导入设置可以改进（3 张贴图）"


def test_a_set_isnt_torn_apart_by_the_limit_of_a_popup() -> None:
    files = [advised(f"{letter * 3}.png") for letter in "abcd"]
    files += [advised(f"rock_{role}.png") for role in ("albedo", "n", "orm")]
    body = advice_popup(files, "en", "d").body
    assert "Material" not in body and "… and 3 more." in body
    assert "Material `rock`: 3 textures" in advice_popup(files[-3:] + files[:-3], "en", "d").body


def test_a_material_of_absurdly_many_maps_is_cut() -> None:
    files = [advised(f"rock_{n}_n.png") for n in range(MAX_MEMBERS + 5)]
    assert set_paragraph("rock", files, "en").endswith("… and 5 more.")
    assert MAX_FILES < MAX_MEMBERS


def test_names_and_evidence_never_become_links() -> None:
    odd = TextureSummary("normal", 99, ["](http://evil)"], {})
    lines = paragraph(advised("[x](http://evil)_n.png", odd), "en").splitlines()
    assert lines[0] == "`[x](http://evil)_n.png`: normal map, 99 % sure (`](http://evil)`)"
