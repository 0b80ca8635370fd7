"""The demo's page in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.demo.demo import Change, Reader, page
from bridge.demo.textures import disc, save


def test_the_page_is_in_the_readers_language(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    change = Change("a.png", {"x": 1}, {"x": 2})
    chinese = page("内置", ["一"], [change], ["a.png"], tmp_path, Reader("zh_CN.UTF-8"))
    assert '<html lang="zh-CN">' in chinese and "<p>编辑器：内置</p>" in chinese
    assert all(f">{head}</th>" in chinese for head in ("图片", "文件", "之前", "之后"))
    assert "demo" not in chinese
    unset = [Change("a.png", {"x": None}, {"x": True})]
    assert "x = not set" in page("a", [], unset, [], tmp_path) and "null" not in page(
        "a", [], unset, [], tmp_path
    )
    assert "x = 未设置" in page("a", [], unset, [], tmp_path, Reader("zh_CN.UTF-8"))
    assert '<html lang="en">' in page("a", [], [], [], tmp_path)


FRAME = '<iframe src="demo.html" style="width: 320px; height: 600px" onload="{script}"></iframe>'
WIDTH = "document.title = this.contentDocument.documentElement.scrollWidth"


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium isn't installed")
def test_the_page_fits_into_a_narrow_window(tmp_path: Path) -> None:
    """As wide as a telephone, or as a window of 1280 pixels at 400 %."""
    (tmp_path / "materials").mkdir()
    file = "materials/a_texture_with_quite_a_long_name_normal.png"
    save(disc(8), tmp_path / file)
    before, after = {"compress/normal_map": None}, {"compress/normal_map": 1, "mipmaps/generate": True}
    text = page("a real one", ["`a.png`: normal map"], [Change(file, before, after)], [file], tmp_path)
    (tmp_path / "demo.html").write_text(text, encoding="utf-8")
    # Headless windows have a least width of their own; a frame has none.
    (tmp_path / "frame.html").write_text(FRAME.format(script=WIDTH), encoding="utf-8")
    shown = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--dump-dom", "--allow-file-access-from-files",
         f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "frame.html").as_uri()],
        capture_output=True, check=True, text=True, encoding="utf-8", timeout=120,
    ).stdout  # fmt: skip
    (width,) = re.findall(r"<title>(\d+)</title>", shown)
    assert int(width) <= 320
