"""Popups in the real editors' windows, on a display of their own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.godot.daemon import Daemon
from tests.godot.editor import Editor, Project, until
from tests.godot.engine import Engine, require
from tools import engines

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

PICTURE = "textures/rock.png"


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    if not engines.have_display_tools():
        require("Xvfb, xdotool and ImageMagick aren't all here: `python tools/engines.py` brings them")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as number:
            yield f":{number.readline().strip()}"
        server.terminate()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(
    engine: Engine, display: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Daemon]:
    """What an editor with windows is connected to; it has one picture to offer."""
    folder = tmp_path_factory.mktemp("windows")
    project, home = Project(folder / "project", engine), folder / "home"
    home.mkdir()
    project.add_texture(PICTURE)
    picture = (project.root / PICTURE).read_bytes()
    async with Daemon(home) as daemon, Editor(project, home, display=display):
        daemon.blobs[hashlib.sha256(picture).hexdigest()] = picture
        await daemon.hear_event("asset.imported")
        yield daemon


@pytest.mark.parametrize("present", ["dock", "modal", "toast"])
async def test_enter_presses_the_default_button_of_a_popup_with_its_preview(
    daemon: Daemon, display: str, present: str
) -> None:
    (picture,) = daemon.blobs
    daemon.fetched.clear()
    popup = await daemon.popup(image=picture, present=present)
    await until(lambda: daemon.fetched == [picture])
    answered = daemon.hear("answer", lambda answer: answer["id"] == popup["id"])
    answer = await pressing("Return", display, answered)
    assert answer == {"type": "answer", "id": popup["id"], "state": "answered", "action": "apply"}
    await daemon.say(type="popup_close", id=popup["id"], reason="answered")


async def test_a_popup_leaves_the_keys_to_the_view_that_the_person_works_in(
    daemon: Daemon, display: str
) -> None:
    await xdotool(display, "mousemove", "500", "350", "click", "1")
    popup = await daemon.popup()
    await daemon.acknowledged(popup)
    # Longer than a button that has just got the focus is guarded against keys.
    await xdotool(display, "key", "--repeat", "12", "--delay", "100", "Return")
    await daemon.outcome(await daemon.command("texture.options", paths=[]))
    assert [said for said in daemon.said if said["type"] == "answer" and said["id"] == popup["id"]] == []
    await daemon.say(type="popup_close", id=popup["id"], reason="superseded")


async def pressing(key: str, display: str, outcome: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Presses until `outcome` comes: a key that arrives before the window takes keys is lost."""
    waiting = asyncio.create_task(outcome)
    while not waiting.done():
        await xdotool(display, "key", key)
        await asyncio.wait([waiting], timeout=0.5)
    return waiting.result()


async def xdotool(display: str, *does: str) -> None:
    run = await asyncio.create_subprocess_exec("xdotool", *does, env={**os.environ, "DISPLAY": display})
    assert await run.wait() == 0
