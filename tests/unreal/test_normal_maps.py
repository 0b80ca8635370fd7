"""Normal maps from height maps, by a real daemon."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.unreal.conftest import Open, every_runtime

HEIGHTS = "/Game/Textures/T_Rock_H.T_Rock_H"


@every_runtime
def test_a_normal_map_is_made_beside_its_height_map(open_editor: Open, project: Path) -> None:
    art = project / "SourceArt/T_Rock_H.png"
    # Slopes down to the right and towards the bottom.
    heights = bytes(255 - 2 * x - y for y in range(64) for x in range(64))
    Image.frombytes("L", (64, 64), heights).save(art)
    editor = open_editor()
    # What the daemon says once the session is open.
    editor.wait("log", "popbridge install unreal")
    editor.order("import", HEIGHTS, str(art), "import", str(art))
    editor.order("press", "CreateNormalMap")
    path, file = editor.wait("imported")
    assert path == "/Game/Textures/T_Rock_H_N.T_Rock_H_N" and Path(file).is_relative_to(project / "Saved")
    red, green, blue = Image.open(file).convert("RGB").getpixel((32, 32))  # type: ignore[misc]
    # Down to the right points right; down to the bottom points down, which is high in Unreal's convention.
    assert red > 132 and green > 129 and blue > 200
    # There is one now.
    editor.order("press", "CreateNormalMap")
    editor.wait("log", "T_Rock_H_N")
