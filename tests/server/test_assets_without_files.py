"""Unreal's textures have no files: a real daemon judges the pixels that the editor uploads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.api import Answer, Client, Command, Event, Popup, ProjectInfo
from bridge.host import host
from bridge_unreal.plugin import Unreal5
from tests.advisors import pictures
from tests.server import daemons
from tests.server.daemons import ThreadDaemon

ROCK = "/Game/Textures/T_Rock_N.T_Rock_N"
DEFAULTS = {
    "compression_settings": "TC_DEFAULT", "srgb": True, "lod_group": "TEXTUREGROUP_WORLD",
    "mip_gen_settings": "TMGS_FROM_TEXTURE_GROUP", "max_texture_size": 0, "flip_green_channel": False,
    "compression_no_alpha": False,
}  # fmt: skip


class Editor:
    """An editor whose textures are in its memory alone."""

    def __init__(self) -> None:
        self.client: Client
        self.options: dict[str, dict[str, Any]] = {}
        self.popups: asyncio.Queue[Popup] = asyncio.Queue()
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.commands: list[Command] = []

    async def on_popup(self, popup: Popup) -> Answer:
        await self.popups.put(popup)
        return await self.answers.get()

    async def on_command(self, command: Command) -> Any:
        self.commands.append(command)
        before, after = [], []
        for change in command.args["changes"]:
            path, options = change["path"], change["options"]
            own = self.options[path]
            assert {name: own.get(name) for name in options} == change["expected"]
            before.append({"path": path, "options": {name: own.get(name) for name in options}})
            own.update(options)
            after.append({"path": path, "options": dict(options)})
        return {"before": before, "after": after, "errors": []}

    async def on_event(self, event: Event) -> None:
        await self.events.put(event)

    async def report(self, *paths: str, **more: Any) -> None:
        assets = []
        for path in paths:
            unit = more.get("unit", path)
            options = self.options.setdefault(unit, dict(DEFAULTS))
            assets.append({"path": path, "type": "texture", "options": dict(options), **more})
        await self.client.event("asset.imported", {"batch": 1, "more": False, "assets": assets})

    async def shown(self) -> Popup:
        return await asyncio.wait_for(self.popups.get(), daemons.PATIENCE_S)

    async def answer(self, popup: Popup, action: str) -> None:
        await self.answers.put(Answer(id=popup.id, state="answered", action=action))


@asynccontextmanager
async def opened(daemon: ThreadDaemon, root: Path) -> AsyncIterator[Editor]:
    editor = Editor()
    async with await Client.connect(
        daemon.paths.connection_file,
        kind="editor",
        engine=("unreal", "5.6.1-1+++UE5+Release-5.6"),
        project=ProjectInfo(id="p", name="P", root=str(root)),
        on_popup=editor.on_popup,
        on_command=editor.on_command,
        on_event=editor.on_event,
    ) as editor.client:
        yield editor


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(daemons, "registry", host.load)
    daemon = ThreadDaemon(tmp_path / "home").start()
    yield daemon
    daemon.stop()


async def test_an_editor_uploads_pixels_is_asked_fixes_and_takes_back(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    root = tmp_path / "project"
    picture = pictures.save(tmp_path / "x.png", pictures.normal_map())
    root.mkdir()
    async with opened(daemon, root) as editor:
        blob = await editor.client.put_blob(picture)
        await editor.report(ROCK, blob=blob, used_as=[{"kind": "normal", "slot": "Normal"}])
        asking = await editor.shown()
        assert asking.kind == "texture.import" and "T_Rock_N" in asking.title
        why = await editor.client.request("texture.explain", {"path": ROCK})
        assert why.value["judged_as"] == "normal"
        assert {output.name for output in why.outputs} == {"before", "after"}
        await editor.answer(asking, "apply")
        applied = await editor.shown()
        assert applied.kind == "texture.applied"
        assert editor.options[ROCK]["compression_settings"] == "TC_NORMALMAP"
        await editor.answer(applied, "undo")
        assert (await editor.shown()).kind == "texture.undone"
        assert editor.options[ROCK] == DEFAULTS

        # A group of textures: one change, one receipt.
        paths = [f"/Game/Group/T_Moss{n}_N.T_Moss{n}_N" for n in range(3)]
        await editor.report(*paths, blob=blob, unit="/Game/Group")
        asking = await editor.shown()
        assert any("3" in row.detail for group in asking.items for row in group.children)
        await editor.answer(asking, "apply")
        await editor.shown()
        assert [change["path"] for change in editor.commands[-1].args["changes"]] == ["/Game/Group"]


async def test_pixels_that_are_gone_are_asked_for_again(daemon: ThreadDaemon, tmp_path: Path) -> None:
    root = tmp_path / "project"
    picture = pictures.save(tmp_path / "x.png", pictures.normal_map())
    root.mkdir()
    async with opened(daemon, root) as editor:
        blob = await editor.client.put_blob(picture)
        await asyncio.to_thread((daemon.paths.blobs / blob).unlink)
        await editor.report(ROCK, blob=blob)
        wanted = await asyncio.wait_for(editor.events.get(), daemons.PATIENCE_S)
        assert (wanted.name, wanted.data) == ("asset.wanted", {"paths": [ROCK]})
        await editor.report(ROCK, blob=await editor.client.put_blob(picture))
        assert (await editor.shown()).kind == "texture.import"


class Sources:
    """Knows a texture's pixels in the adapter's place."""

    def __init__(self, found: Path | bytes) -> None:
        self.found = found

    def pixels(self, project: Path, path: str, options: Mapping[str, Any]) -> Path | bytes | None:
        return self.found


@pytest.mark.parametrize(("kind", "is_asked"), [("registered", True), ("elsewhere", False), ("bytes", True)])
async def test_an_adapter_names_pixels_outside_the_project(
    kind: str, is_asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, sources = tmp_path / "project", tmp_path / "registered"
    picture = pictures.save(tmp_path / kind / "x.png", pictures.normal_map())
    root.mkdir()
    sources.mkdir(exist_ok=True)
    found = Sources(picture.read_bytes() if kind == "bytes" else picture)
    monkeypatch.setattr(Unreal5, "pixel_source", found)
    monkeypatch.setattr(daemons, "registry", host.load)
    daemon = ThreadDaemon(tmp_path / "home", roots=[str(root), str(sources)]).start()
    try:
        async with opened(daemon, root) as editor:
            await editor.report(ROCK)
            blob = await editor.client.put_blob(pictures.save(tmp_path / "y.png", pictures.normal_map()))
            # Whatever isn't read is passed over; this one is asked about in any case.
            await editor.report("/Game/Last_N.Last_N", blob=blob)
            seen: set[str] = set()
            while not any("Last_N" in path for path in seen):
                asking = await editor.shown()
                seen |= {str(row.path) for group in asking.items for row in group.children}
                await editor.answer(asking, "later")
            assert (ROCK in seen) is is_asked
    finally:
        await asyncio.to_thread(daemon.stop)
