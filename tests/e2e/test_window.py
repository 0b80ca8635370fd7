"""Once for each engine with a window: the popup is on the screen, and a real key presses its button."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import needs_engine
from tests.e2e.world import World, eventually, until
from tools import engines

pytestmark = pytest.mark.engine

SCREEN = "1280x800"


@contextlib.contextmanager
def display() -> Iterator[str]:
    """An X server without a screen; gives the name that it chose."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SCREEN}x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as chosen:
            name = f":{chosen.readline().strip()}"
        try:
            yield name
        finally:
            server.terminate()


def windowed(world: World) -> list[str]:
    """The editor's command with a window, drawn in software."""
    if world.adapter.name == "godot3":
        flags = ["--video-driver", "GLES2", "--audio-driver", "Dummy", "--resolution", SCREEN]
        return [str(engines.godot3()), "--path", str(world.project), "--editor", *flags]
    flags = ["--single-window", "--rendering-method", "gl_compatibility", "--rendering-driver", "opengl3"]
    flags += ["--audio-driver", "Dummy", "--resolution", SCREEN]
    return [*(engines.godot4() or []), "--path", str(world.project), "--editor", *flags]


def for_documents(file: str, name: str) -> None:
    """With POPBRIDGE_PICTURES naming a folder: a picture for the README, once the editor has settled;
    in the language that LANG and LC_ALL name."""
    if folder := os.environ.get("POPBRIDGE_PICTURES"):
        time.sleep(6)
        env = {**os.environ, "DISPLAY": name}
        subprocess.run(["import", "-window", "root", str(Path(folder, file))], env=env, check=True)


def test_the_popup_is_seen_in_the_editor_and_the_enter_key_applies_it(real: World, tmp_path: Path) -> None:
    needs_engine(engines.have_display_tools(), "Xvfb")
    with display() as name:
        real.start_daemon()
        real.start_editor(command=windowed(real), DISPLAY=name, LIBGL_ALWAYS_SOFTWARE="1")
        until(real.shown, "the popup on the screen")
        picture = tmp_path / "screen.png"
        for_documents(f"popup-{real.adapter.name}.png", name)

        def pressed() -> bool:
            # The window may get the keyboard after the popup is acknowledged: press until it is answered.
            run = {"env": {**os.environ, "DISPLAY": name}, "check": True, "timeout": 30}
            subprocess.run(["import", "-window", "root", str(picture)], **run)  # type: ignore[call-overload]
            subprocess.run(["xdotool", "key", "Return"], **run)  # type: ignore[call-overload]
            # The picture that stays is the one from just before the key that worked.
            return eventually(lambda: real.rows("SELECT 1 FROM popups WHERE answer IS NOT NULL"), 1.0)

        until(pressed, "the key to answer the popup")
        (receipt,) = real.applied()
    assert receipt.state == "applied"
    assert picture.stat().st_size > 20_000, "a black screen would be smaller"
