"""The demo in a real Godot, whose window it takes pictures of."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
import pyvips

from bridge.demo.demo import run
from bridge.demo.editor import has_virtual_screen
from bridge_godot import project as projects
from bridge_godot.camera import SIZE, GodotCamera
from bridge_godot.config_file import ConfigFile
from tests.godot.engine import require
from tools import engines


def test_the_camera_leaves_the_project_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / projects.FILE
    enabled = 'enabled=PackedStringArray("res://addons/a.cfg")'
    file.write_text(f"config_version=5\n\n[editor_plugins]\n\n{enabled}\n")
    before = file.read_text()
    camera = GodotCamera(["godot"], tmp_path, "PackedStringArray", tmp_path / "settings", "zh-CN")
    camera.install()
    assert "popbridge_camera" in (ConfigFile.read(file).raw(projects.PLUGINS, "enabled") or "")
    assert (tmp_path / "addons" / "popbridge_camera" / "camera.gd").is_file()
    camera.request("before", select="a.png")
    assert not camera.is_done("before")
    with pytest.raises(OSError, match="before"):
        camera.picture("before")
    camera.remove()
    assert file.read_text() == before
    assert not list(tmp_path.rglob("*camera*"))


@pytest.mark.engine
def test_pictures_show_the_editor_before_with_the_popup_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if engines.godot4() is None or not has_virtual_screen():
        require("Godot 4 and Xvfb aren't both here: `python tools/engines.py` installs them")
    for name, value in (engines.environment() | engines.godot4_window_environment()).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("POPBRIDGE_TEST_ANSWER", raising=False)
    assert run(tmp_path / "out") == 0
    html = (tmp_path / "out" / "demo.html").read_text(encoding="utf-8")
    urls = re.findall(r'<figure><img src="([^"]+)', html)
    shots = [pyvips.Image.new_from_buffer(_decoded(url), "") for url in urls]
    assert [(shot.width, shot.height) for shot in shots[:3]] == [SIZE] * 3
    before, popup, after = (shot.colourspace("srgb").extract_band(0, n=3) for shot in shots[:3])
    assert (before - popup).abs().avg() > 1 and (popup - after).abs().avg() > 1
    settings = (tmp_path / "out" / "project" / "materials" / "brick_normal.png.import").read_text()
    assert "compress/mode=2" in settings and "mipmaps/generate=true" in settings
    assert not (tmp_path / "out" / "project" / "addons" / "popbridge_camera").exists()
    assert "camera" not in (tmp_path / "out" / "project" / "project.godot").read_text()


def _decoded(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])
