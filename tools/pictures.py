"""Makes the pictures of the READMEs anew: the demo's project, its popups, in Godot 4's real editor.

    python tools/pictures.py

Needs what `python tools/engines.py` brings.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyvips

from bridge.core.versions import lowest
from bridge.demo.textures import save, textures
from bridge.paths import Paths
from bridge.store.database import open_readonly
from bridge_godot.adapter import Godot4
from bridge_godot.install import GODOT4, GodotSupport

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools import engines  # noqa: E402
from tools.bench.daemons import bridge  # noqa: E402
from tools.display import SIZE, display  # noqa: E402

IMAGES = ROOT / "docs" / "images"
PICTURES = {"en": IMAGES / "popup-godot4.png", "zh_Hans": IMAGES / "popup-godot4.zh-CN.png"}
"""By the editor's language."""

PATIENCE_S = 300.0
PNG = ("-define", "png:exclude-chunks=all", "png:-")
"""Without the time at which it was taken."""
STILL_S = 10.0
"""What hasn't changed for so long is complete: first import, popups and their previews."""


def main() -> int:
    if engines.godot4() is None or not engines.have_display_tools():
        print(f"pictures: missing {', '.join(engines.missing())}: `python tools/engines.py` brings it")
        return 1
    for language, picture in PICTURES.items():
        take(language, picture)
        print(f"{picture.name}: {picture.stat().st_size / 1024:.0f} KiB")
    return 0


def take(language: str, picture: Path) -> None:
    """Writes `picture`, of an editor in that language. Raises TimeoutError."""
    with tempfile.TemporaryDirectory(prefix="popbridge-pictures-") as folder, bridge() as (connection, _):
        project = Path(folder, "project")
        make_project(project)
        with display() as screen, editor(project, connection.parent, language, screen):
            shot = complete(screen, Paths.find({"POPBRIDGE_HOME": str(connection.parent)}).database)
    # A palette keeps it small: the editor has few colours.
    shot.pngsave(str(picture), palette=True, effort=10, compression=9, keep="none")


def make_project(folder: Path) -> None:
    adapter, support = Godot4(), GodotSupport(GODOT4)
    version = lowest(adapter.versions)
    drawn = textures()
    for texture in drawn:
        save(texture.draw(), folder / texture.file)
    options = {t.file: adapter.compile_texture(t.imported, {}, version) for t in drawn}
    support.create_project(folder, options)
    support.install(folder)


@contextlib.contextmanager
def editor(project: Path, home: Path, language: str, screen: str) -> Iterator[None]:
    """Runs with nobody's settings but that language, and the daemon of `home`."""
    own = {f"XDG_{kind}_HOME": str(project.parent / kind) for kind in ("CONFIG", "DATA", "CACHE")}
    engines.set_language(project.parent / "CONFIG", engines.GODOT4_SETTINGS, language)
    env = {**os.environ, **own, **engines.godot4_window_environment()}
    env |= {"LANG": "C", "DISPLAY": screen, "POPBRIDGE_HOME": str(home)}
    command = [*(engines.godot4() or ()), *engines.GODOT4_WINDOW, "--resolution", "{}x{}".format(*SIZE)]
    command += ["--path", str(project), "--editor"]
    with (project.parent / "editor.log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def complete(screen: str, database: Path) -> pyvips.Image:
    """The screen, once there are popups and nothing has changed for a while. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    last, since = b"", time.monotonic()
    while time.monotonic() < deadline:
        shot = subprocess.check_output(["import", "-display", screen, "-window", "root", *PNG])
        if shot != last or not has_popups(database):
            last, since = shot, time.monotonic()
        elif time.monotonic() - since > STILL_S:
            return pyvips.Image.new_from_buffer(shot, "")
        time.sleep(1)
    raise TimeoutError(f"the editor's picture isn't complete after {PATIENCE_S:.0f} s")


def has_popups(database: Path) -> bool:
    db = open_readonly(database)
    if db is None:
        return False
    with contextlib.closing(db.conn):
        return db["popups"].exists() and db["popups"].count > 0


if __name__ == "__main__":
    sys.exit(main())
