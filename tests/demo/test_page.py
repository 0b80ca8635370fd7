"""The demo's page in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.api import TextureIntent
from bridge.core.messages import Action, Popup, PopupItem
from bridge.demo.editor import Reader
from bridge.demo.page import (
    SCENES,
    Change,
    Demo,
    Picture,
    Setting,
    Step,
    button_label,
    count_files,
    draw_tiles,
    page,
)
from bridge.demo.textures import FLAT, MATERIAL, bricks, disc, normals, save

FILE = "materials/a_texture_with_quite_a_long_name_normal.png"
CHANGE = Setting("Compress \u203a Mode", "compress/mode", "Lossless", "VRAM Compressed")

FIX = Action(id="apply", label="Fix", label_one="Fix 1", label_many="Fix {count}", style="primary")


def leaf(name: str, **more: object) -> PopupItem:
    return PopupItem(id=name, title="Compress \u203a Mode: Lossless \u2192 VRAM Compressed", **more)


def popup() -> Popup:
    """Two groups that share a texture."""
    textures = [
        PopupItem(
            id="1.1", title="<b>", path=FILE, detail="materials", children=[leaf("1.1.1", checked=True)]
        ),
        PopupItem(id="1.2", title="b.png", path="b.png", children=[leaf("1.2.1")]),
        PopupItem(id="1.3", title="c.png", path="c.png", locked="kept by a rule"),
    ]
    again = PopupItem(id="2.1", title="a", path=FILE, children=[leaf("2.1.1", checked=True)])
    return Popup(
        seq=1,
        id=1,
        kind="import",
        title="Import settings to fix",
        body="",
        actions=[
            Action(id="apply", label="Fix", label_one="Fix 1", label_many="Fix {count}", style="primary")
        ],
        items=[
            PopupItem(
                id="1", title="2 normal maps", severity="error", value="frees 1 MiB", children=textures
            ),
            PopupItem(id="2", title="1 has no mipmaps", severity="note", children=[again]),
        ],
        menu=[Action(id="snooze", label="Later")],
    )


def shown(root: Path, **more: object) -> Demo:
    (root / "materials").mkdir(exist_ok=True)
    save(disc(8), root / FILE)
    return Demo(
        root=root,
        editor="a real one",
        popup=popup(),
        changes=[Change(FILE, [CHANGE])],
        untouched=[FILE],
        steps=[Step("popbridge audit PROJECT", "Check")],
        **more,
    )


def test_without_pictures_the_list_is_shown_as_the_editor_shows_it(tmp_path: Path) -> None:
    html = page(shown(tmp_path))
    assert html.count('<details class="group"') == 2 and html.count('<details class="texture"') == 4
    # Of seven boxes of textures and changes, the locked texture has none.
    assert html.count('class="box none"') == 1
    assert "<b>" not in html and "&lt;b&gt;" in html
    assert ">Fix 1</span>" in html and "frees 1 MiB" in html and "kept by a rule" in html
    assert "<script" not in html and not re.search(r'(?:src|href)="(?!data:)', html)


def test_pictures_of_the_editor_take_the_place_of_the_list(tmp_path: Path) -> None:
    pictures = [Picture("Before", b"\x89PNG1"), Picture("Popup", b"\x89PNG2"), Picture("After", b"\x89PNG3")]
    html = page(shown(tmp_path, pictures=pictures))
    assert html.count("<figure><img") == 3 and "<details" not in html
    # The popup is shown first, before anything else.
    assert re.search(r'id="picture2" checked', html)
    assert html.index("<figure") < html.index("<table")


def test_the_page_is_in_the_readers_language(tmp_path: Path) -> None:
    chinese = page(shown(tmp_path), Reader("zh_CN.UTF-8"))
    assert '<html lang="zh-CN">' in chinese
    assert ">之前</th>" in chinese and ">修复后</th>" in chinese
    assert '<html lang="en">' in page(shown(tmp_path))


def test_a_button_counts_each_file_once() -> None:
    items = popup().items
    action = popup().actions[0]
    assert count_files(items) == 1
    assert [button_label(action, count) for count in (0, 1, 2)] == ["Fix 0", "Fix 1", "Fix 2"]
    assert button_label(Action(id="a", label="Leave"), 3) == "Leave"


def test_tiles_show_missing_mipmaps_from_afar(tmp_path: Path) -> None:
    save(normals(bricks(), 2.0), tmp_path / "n.png")
    tiles = draw_tiles(tmp_path / "n.png", "normal", FLAT, MATERIAL)
    assert tiles is not None and tiles.scene == SCENES["far"] and tiles.before != tiles.after


def test_tiles_show_an_inverted_green_channel_in_the_light(tmp_path: Path) -> None:
    save(normals(bricks(), 2.0), tmp_path / "n.png")
    wrong = TextureIntent(normal_convention="directx").over(MATERIAL)
    right = TextureIntent(normal_convention="opengl").over(MATERIAL)
    tiles = draw_tiles(tmp_path / "n.png", "normal", wrong, right)
    assert tiles is not None and tiles.scene == SCENES["lit"]


def test_a_change_that_nobody_sees_has_no_tiles(tmp_path: Path) -> None:
    save(disc(64), tmp_path / "icon.png")
    mipmaps = TextureIntent(mipmaps=True).over(FLAT)
    assert draw_tiles(tmp_path / "icon.png", "ui", mipmaps, FLAT) is None
    (tmp_path / "broken.png").write_bytes(b"x")
    assert draw_tiles(tmp_path / "broken.png", "ui", mipmaps, MATERIAL) is None


FRAME = '<iframe src="demo.html" style="width: 320px; height: 600px" onload="{script}"></iframe>'
WIDTH = "document.title = this.contentDocument.documentElement.scrollWidth"


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium isn't installed")
@pytest.mark.parametrize("pictures", [(), (Picture("Popup", b"\x89PNG"),)])
def test_the_page_fits_into_a_narrow_window(tmp_path: Path, pictures: tuple[Picture, ...]) -> None:
    """As wide as a telephone, or as a window of 1280 pixels at 400 %."""
    html = page(shown(tmp_path, pictures=pictures))
    (tmp_path / "demo.html").write_text(html, encoding="utf-8")
    # Headless windows have a least width of their own; a frame has none.
    (tmp_path / "frame.html").write_text(FRAME.format(script=WIDTH), encoding="utf-8")
    dumped = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--dump-dom", "--allow-file-access-from-files",
         f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "frame.html").as_uri()],
        capture_output=True, check=True, text=True, encoding="utf-8", timeout=120,
    ).stdout  # fmt: skip
    (width,) = re.findall(r"<title>(\d+)</title>", dumped)
    assert int(width) <= 320
