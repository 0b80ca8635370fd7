"""The stand-in for an editor, against a daemon that says what the test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bridge_godot.import_file import ImportFile
from bridge_godot.support import GODOT4, GodotSupport
from tests.godot.daemon import Daemon

DEFAULTS = {"compress/mode": 0, "mipmaps/generate": False}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "textures").mkdir(parents=True)
    names = [f"textures/{number:03}.png" for number in range(120)]
    for name in names:
        (folder / name).write_bytes(b"png")
    GodotSupport(GODOT4).create_project(folder, dict.fromkeys(names, DEFAULTS))
    return folder


@asynccontextmanager
async def standing_in(project: Path, home: Path, answer: str | None = None) -> AsyncIterator[None]:
    editor = GodotSupport(GODOT4).headless(project, answer)
    running = asyncio.create_task(editor.run(home / "connection.json"))
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_it_reports_all_textures_in_frames_of_one_batch(project: Path, home: Path) -> None:
    async with Daemon(home) as daemon, standing_in(project, home):
        said = await daemon.hear("identify")
        assert said["engine"] == {"name": "godot", "version": "4.6.stable.popbridge"}
        assert said["project"]["name"] == "project"
        first, last = await daemon.hear_event("asset.imported"), await daemon.hear_event("asset.imported")
        assert (first["more"], last["more"]) == (True, False)
        assert first["batch"] == last["batch"]
        assets = first["assets"] + last["assets"]
        assert len(assets) == 120
        assert assets[0] == {
            "path": "res://textures/000.png",
            "file": "textures/000.png",
            "type": "texture",
            "options": DEFAULTS,
        }


async def test_it_applies_settings_and_answers_what_it_then_reads(project: Path, home: Path) -> None:
    async with Daemon(home) as daemon, standing_in(project, home):
        await daemon.hear_event("asset.imported")
        path = "res://textures/000.png"
        changes = [
            {"path": path, "options": {"compress/mode": 2, "new": 1}},
            {"path": "res://gone.png", "options": {"compress/mode": 2}},
            {"path": "res://../out.png", "options": {"compress/mode": 2}},
        ]
        value = (await daemon.outcome(await daemon.command("texture.apply", changes=changes)))["value"]
        assert value["before"] == [{"path": path, "options": {"compress/mode": 0, "new": None}}]
        assert value["after"] == [{"path": path, "options": {"compress/mode": 2, "new": 1}}]
        assert [error["path"] for error in value["errors"]] == ["res://gone.png", "res://../out.png"]
        assert ImportFile.of(project / "textures/000.png").options() == {
            **DEFAULTS,
            "compress/mode": 2,
            "new": 1,
        }


async def test_it_leaves_alone_what_isnt_as_the_change_expects_it(project: Path, home: Path) -> None:
    async with Daemon(home) as daemon, standing_in(project, home):
        await daemon.hear_event("asset.imported")
        paths = ["res://textures/000.png", "res://textures/001.png"]
        options = {"compress/mode": 3, "mipmaps/generate": True}
        expected = ({"compress/mode": 0, "mipmaps/generate": False}, {"compress/mode": 2})
        changes = [{"path": paths[0], "options": options, "expected": {**expected[0], "compress/mode": 2}}]
        changes += [{"path": paths[1], "options": {"compress/mode": 3}, "expected": expected[1]}]
        value = (await daemon.outcome(await daemon.command("texture.apply", changes=changes)))["value"]
        assert value["before"] == [{"path": paths[0], "options": {"mipmaps/generate": False}}]
        assert value["after"] == [{"path": paths[0], "options": {"mipmaps/generate": True}}]
        assert [error["path"] for error in value["errors"]] == paths
        assert all("compress/mode" in str(error["message"]) for error in value["errors"])


async def test_a_command_that_it_does_not_know_is_refused(project: Path, home: Path) -> None:
    async with Daemon(home) as daemon, standing_in(project, home):
        await daemon.hear_event("asset.imported")
        asked = await daemon.command("mesh.apply")
        assert (await daemon.outcome(asked, "error"))["code"] == "unsupported"


async def test_it_presses_the_button_that_it_was_told(project: Path, home: Path) -> None:
    async with Daemon(home) as daemon, standing_in(project, home, "apply"):
        await daemon.hear_event("asset.imported")
        popup = await daemon.popup()
        answer = await daemon.hear("answer")
        assert answer == {"type": "answer", "id": popup["id"], "state": "answered", "action": "apply"}


async def test_it_comes_back_to_its_session_when_the_daemon_does(project: Path, home: Path) -> None:
    async with Daemon(home) as daemon, standing_in(project, home):
        await daemon.hear_event("asset.imported")
        await daemon.stop()
        await daemon.start()
        assert (await daemon.hear("identify"))["resume"]["session"] == "s1"
