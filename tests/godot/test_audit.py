"""A project that `popbridge audit --fix` has mended, in the real editors: no warning, and the new state."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bridge import cli
from tests.audit.projects import game
from tests.godot.engine import Engine

pytestmark = pytest.mark.engine

PATIENCE_S = 120
FILES = ("materials/rock_normal.png", "materials/brick_albedo.png", "ui/panel.png")
PROBE = """\
extends SceneTree

func _init():
	var found = {{}}
	for path in {paths}:
		var texture = load(path)
		var image = texture.{image}()
		found[path] = {{"mipmaps": {mipmaps}, "format": image.get_format(), "width": image.get_width()}}
	print("STATE ", {json}(found))
	quit()
"""
PROBES = {
    # Without a display Godot 3 draws nothing, and keeps of a compressed texture only its flags.
    "Godot 3": {
        "image": "get_data",
        "mipmaps": "bool(texture.flags & Texture.FLAG_MIPMAPS)",
        "json": "to_json",
    },
    "Godot 4": {"image": "get_image", "mipmaps": "image.has_mipmaps()", "json": "JSON.stringify"},
}
IMPORT = {"Godot 3": ("--editor", "--quit"), "Godot 4": ("--import",)}
DXT1, RGTC_RG = 17, 21
"""`Image.FORMAT_*`, the same numbers in both."""
HARMLESS = ("free a NULL RID", "at: free (")


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Path:
    return game(tmp_path / "game", "3.6" if engine.name == "Godot 3" else "4.6", FILES)


def godot(engine: Engine, project: Path, *arguments: str) -> str:
    """What the editor says; its own settings are nobody's."""
    own = {f"XDG_{kind}_HOME": str(project.parent / kind) for kind in ("CONFIG", "DATA", "CACHE")}
    done = subprocess.run(
        [*engine.command(), "--path", str(project), *arguments],
        env={**os.environ, **own, "LANG": "C"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.stdout + done.stderr


def complaints(said: str) -> list[str]:
    wrong = [line for line in said.splitlines() if "WARNING" in line or "ERROR" in line]
    return [line for line in wrong if not any(harmless in line for harmless in HARMLESS)]


def state(engine: Engine, project: Path) -> dict[str, Any]:
    """What the engine's own resources say, by path."""
    paths = json.dumps([f"res://{file}" for file in FILES])
    (project / "probe.gd").write_text(PROBE.format(paths=paths, **PROBES[engine.name]), encoding="utf-8")
    said = godot(engine, project, "-s", "probe.gd")
    (found,) = [line for line in said.splitlines() if line.startswith("STATE ")]
    value: dict[str, Any] = json.loads(found.removeprefix("STATE "))
    return {path.removeprefix("res://"): what for path, what in value.items()}


def stored_format(project: Path, file: str) -> int:
    """The format of what Godot 3 has made of a texture for the desktop: the 32-bit word behind the flags."""
    (made,) = (project / ".import").glob(f"{Path(file).name}-*.s3tc.stex")
    return int.from_bytes(made.read_bytes()[16:18], "little")


def audit(project: Path, *arguments: str) -> int:
    return cli.main(["audit", str(project), "--workers", "1", *arguments])


def test_the_engine_takes_what_fix_has_written_and_what_revert_puts_back(
    engine: Engine, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(home))
    normal, color = FILES[:2]
    assert complaints(godot(engine, project, *IMPORT[engine.name])) == []
    before = state(engine, project)
    assert not before[normal]["mipmaps"] and not before[color]["mipmaps"]

    # The files are by now as the engine itself writes them.
    assert audit(project, "--fix") == 0
    assert "popbridge revert 1" in capsys.readouterr().out
    assert complaints(godot(engine, project, *IMPORT[engine.name])) == []
    after = state(engine, project)
    assert after[normal]["mipmaps"] and after[color]["mipmaps"]
    if engine.name == "Godot 3":
        formats = [stored_format(project, file) for file in (normal, color)]
    else:
        formats = [after[file]["format"] for file in (normal, color)]
    # Two channels of a normal map are kept: the engine itself takes it for one.
    assert formats == [RGTC_RG, DXT1]
    assert audit(project) == 0

    assert cli.main(["revert", "1"]) == 0
    assert complaints(godot(engine, project, *IMPORT[engine.name])) == []
    assert state(engine, project) == before
