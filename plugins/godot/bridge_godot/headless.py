"""The built-in stand-in for a Godot editor: it speaks the protocol and edits `.import` files."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed

from bridge.api import (
    UNSUPPORTED,
    Answer,
    AnyText,
    Client,
    Command,
    Popup,
    ProjectInfo,
    RequestError,
    UserError,
    changed_since,
    file_error,
    still_due,
    text,
)
from bridge_godot import importfile
from bridge_godot import project as projects
from bridge_godot.importfile import ImportFile

VERSION = "0.1.0"
RES = "res://"
ASSETS_PER_FRAME = 100
"""A texture's options take about 1 KiB, a frame 256."""
FIRST_RETRY_S, LAST_RETRY_S = 0.25, 8.0


class GodotHeadless:
    """Stands in for an editor of one project.

    `answer` is the action that it presses on each popup which has it; None leaves popups open.
    `locale` (BCP 47) is the language that popups come in.
    """

    def __init__(self, project: Path, version: str, answer: str | None = None, locale: str = "en") -> None:
        self._project = project
        self._version = version
        self._answer = answer
        self._locale = locale
        self._instance = uuid.uuid4().hex
        self._batch = 0
        self._client: Client | None = None

    async def run(self, connection_file: Path) -> None:
        """Reports all textures once, then serves commands; reconnects until cancelled. Raises UserError."""
        client = await self._connect(connection_file, None)
        try:
            with suppress(RequestError):
                await self._report(importfile.textures(self._project))
            while True:
                await client.wait_closed()
                client = await self._reconnect(connection_file, client)
        finally:
            await client.close()

    async def _reconnect(self, connection_file: Path, previous: Client) -> Client:
        delay = FIRST_RETRY_S
        while True:
            await asyncio.sleep(delay)
            try:
                return await self._connect(connection_file, previous)
            except (RequestError, UserError, ConnectionClosed):
                delay = min(delay * 2, LAST_RETRY_S)

    async def _connect(self, connection_file: Path, previous: Client | None) -> Client:
        self._client = await Client.connect(
            connection_file,
            kind="editor",
            name="bridge_godot.headless",
            version=VERSION,
            engine=("godot", self._version),
            project=ProjectInfo(
                id=projects.identity(self._project),
                name=projects.name(self._project),
                root=projects.place(self._project),
            ),
            instance=self._instance,
            locale=self._locale,
            previous=previous,
            on_command=self._command,
            on_popup=self._popup,
        )
        await self._client.event("editor.phase", {"phase": "idle"})
        return self._client

    async def _popup(self, popup: Popup) -> Answer | None:
        if self._answer not in {action.id for action in popup.actions}:
            return None
        return Answer(id=popup.id, state="answered", action=self._answer)

    async def _command(self, command: Command) -> Any:
        if command.name in ("texture.apply", "texture.revert"):
            # As in the addons, the answer tells what came of it: it is no import to be looked at once more.
            return await asyncio.to_thread(self.apply, command.args.get("changes", []))
        if command.name == "texture.options":
            return self.options(command.args.get("paths", []))
        raise RequestError(UNSUPPORTED, name=command.name, reason=text("this editor has no such command"))

    def apply(self, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Changes `.import` files; the value of `texture.apply` and `texture.revert`."""
        before, after, errors = [], [], []
        for change in changes:
            path = str(change.get("path"))
            try:
                were, are, left = _change(self._project, self._file(path), change)
            except UserError as error:
                errors.append(file_error(path, error.text))
                continue
            errors += [file_error(path, message) for message in left]
            if are or not left:
                before.append({"path": path, "options": were})
                after.append({"path": path, "options": are})
        return {"before": before, "after": after, "errors": errors}

    def options(self, paths: Sequence[str]) -> dict[str, Any]:
        """Reads import settings; the value of `texture.options`."""
        assets, errors = [], []
        for path in paths:
            try:
                assets.append(self._asset(self._file(path)))
            except UserError as error:
                errors.append(file_error(path, error.text))
        return {"assets": assets, "errors": errors}

    async def _report(self, files: Iterable[Path]) -> None:
        assets = await asyncio.to_thread(lambda: [self._asset(file) for file in files])
        if not assets or self._client is None:
            return
        self._batch += 1
        for start in range(0, len(assets), ASSETS_PER_FRAME):
            end = start + ASSETS_PER_FRAME
            await self._client.event(
                "asset.imported",
                {"batch": self._batch, "more": end < len(assets), "assets": assets[start:end]},
            )

    def _asset(self, file: Path) -> dict[str, Any]:
        place = file.relative_to(self._project).as_posix()
        # `str` takes the mark of an unknown type off: msgpack knows text alone.
        options = {k: str(v) if isinstance(v, str) else v for k, v in ImportFile.of(file).options().items()}
        return {"path": RES + place, "file": place, "type": "texture", "options": options}

    def _file(self, path: str) -> Path:
        file = self._project / path.removeprefix(RES)
        # Asked of the whole path: on Windows a drive or a backslash would lead out of the project too.
        inside = self._project in file.parents and ".." not in file.relative_to(self._project).parts
        if not path.startswith(RES) or not inside:
            raise UserError(
                text(
                    "{path} isn't a path of this project; expected something like res://rock.png.", path=path
                )
            )
        if not os.path.isfile(file):
            raise UserError(text("{path} isn't there.", path=path))
        return file


Change = tuple[dict[str, Any], dict[str, Any], list[AnyText]]
"""Options before and after, and a sentence for each that stays as it is."""


def _change(project: Path, asset: Path, change: Mapping[str, Any]) -> Change:
    """Raises UserError where nothing of it may or can be written."""
    settings = ImportFile.of(asset)
    present, wanted = settings.options(), change.get("options") or {}
    if project.resolve() not in settings.path.resolve().parents:
        raise UserError(text("{path} is a link that leads out of the project.", path=settings.path.name))
    if said := changed_since(change, present, settings.path.name):
        raise UserError(said)
    options, left = still_due(wanted, change.get("expected") or {}, present)
    if options or not left:
        settings.change(options)
        settings.write()
    now = settings.options()
    return {name: present.get(name) for name in options}, {name: now.get(name) for name in options}, left
