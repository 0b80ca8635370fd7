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
from collections.abc import Callable, Iterator
from pathlib import Path

import pyvips

from bridge.core.versions import lowest
from bridge.demo.textures import save, textures
from bridge.paths import Paths
from bridge.store.database import open_readonly
from bridge_godot.adapter import Godot4
from bridge_godot.support import GODOT4, GodotSupport

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools import engines  # noqa: E402
from tools.bench.daemons import bridge  # noqa: E402
from tools.display import display  # noqa: E402

IMAGES = ROOT / "docs" / "images"
PICTURES = {"en": IMAGES / "popup-godot4.png", "zh_Hans": IMAGES / "popup-godot4.zh-CN.png"}
"""By the editor's language."""

PART = (640, 272, 640, 628)
"""Of the screen, around the addon's panel: left, top, width and height, pixels."""
PATIENCE_S = 300.0
PNG = ("-define", "png:exclude-chunks=all", "png:-")
"""Without the time at which it was taken."""
LOG = 2000
"""Characters of the editor's log that are told when it ends too early."""
SCREEN = (1280, 900)
"""Pixels; up to 800 the editor draws everything smaller."""
DRAGS = [((998, 300), (850, 300)), ((1140, 472), (1140, 276))]
"""Of the edges between panels, from and to where, so that a popup can be read: x and y, pixels."""
ASIDE = (500, 600)
"""Where the mouse lights nothing up."""
STILL_S = 10.0
"""What hasn't changed for so long is complete: first import, popups and their previews."""
STOP_S = 10.0
"""An editor that hasn't ended by then is killed."""


def main() -> int:
    if missing := [name for name in engines.missing() if not name.startswith("Godot 3")]:
        print(f"pictures: missing {', '.join(missing)}: `python tools/engines.py` brings it")
        return 1
    forget_settings()
    try:
        for language, picture in PICTURES.items():
            take(language, picture)
            print(f"{picture.name}: {picture.stat().st_size / 1024:.0f} KiB")
    except (RuntimeError, TimeoutError) as error:
        print(f"pictures: {error}")
        return 1
    return 0


def forget_settings() -> None:
    """Daemon and editor are to run with their defaults, not with the caller's settings."""
    for name in [name for name in os.environ if name.startswith("POPBRIDGE_")]:
        if name != "POPBRIDGE_GODOT4":
            del os.environ[name]


def take(language: str, picture: Path) -> None:
    """Writes `picture`, of an editor in that language. Raises RuntimeError and TimeoutError."""
    with tempfile.TemporaryDirectory(prefix="popbridge-pictures-") as folder, bridge() as (connection, _):
        project = Path(folder, "project")
        make_project(project)
        database = Paths.find({"POPBRIDGE_HOME": str(connection.parent)}).database
        with display(SCREEN) as screen, editor(project, connection.parent, language, screen) as check:
            complete(screen, database, check)
            enlarge_panel(screen)
            shot = complete(screen, database, check)
    # A palette keeps it small: the editor has few colours.
    shot.crop(*PART).pngsave(str(picture), palette=True, effort=10, compression=9, keep="none")


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
def editor(project: Path, home: Path, language: str, screen: str) -> Iterator[Callable[[], None]]:
    """Runs with nobody's settings but that language, and the daemon of `home`.

    Gives what raises RuntimeError once the editor has ended.
    """
    own = {f"XDG_{kind}_HOME": str(project.parent / kind) for kind in ("CONFIG", "DATA", "CACHE")}
    engines.set_language(project.parent / "CONFIG", engines.GODOT4_SETTINGS, language)
    env = {**os.environ, **own, **engines.godot4_window_environment()}
    env |= {"LANG": "C", "DISPLAY": screen, "POPBRIDGE_HOME": str(home)}
    command = [*(engines.godot4() or ()), *engines.GODOT4_WINDOW, "--resolution", "{}x{}".format(*SCREEN)]
    command += ["--path", str(project), "--editor"]
    path = project.parent / "editor.log"
    with path.open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)

    def check() -> None:
        if process.poll() is not None:
            said = path.read_text(encoding="utf-8", errors="replace")[-LOG:]
            raise RuntimeError(f"the editor ended with {process.returncode}:\n{said}")

    try:
        yield check
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def enlarge_panel(screen: str) -> None:
    """As a person does, with the mouse."""
    # The window takes no drag before a click.
    does = ["mousemove", *map(str, ASIDE), "sleep", "0.5", "click", "1", "sleep", "0.5"]
    for (x, y), (to_x, to_y) in DRAGS:
        does += ["mousemove", str(x), str(y), "sleep", "0.5", "mousedown", "1"]
        # Nor is one jump a drag.
        for step in range(1, 6):
            at = (x + (to_x - x) * step // 5, y + (to_y - y) * step // 5)
            does += ["sleep", "0.3", "mousemove", *map(str, at)]
        does += ["sleep", "0.3", "mouseup", "1"]
    does += ["mousemove", *map(str, ASIDE)]
    subprocess.run(["xdotool", *does], env={**os.environ, "DISPLAY": screen}, check=True)


def complete(screen: str, database: Path, check: Callable[[], None]) -> pyvips.Image:
    """The screen, once there are popups and nothing has changed for a while. Raises TimeoutError.

    `check` is called before each look at the screen: a dead editor leaves a black one.
    """
    deadline = time.monotonic() + PATIENCE_S
    last, since = b"", time.monotonic()
    while time.monotonic() < deadline:
        check()
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
