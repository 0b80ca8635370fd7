"""A built-in stand-in for a Godot editor: it speaks the protocol and edits `.import` files."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Mapping, Sequence
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
    remaining_changes,
    text,
)
from bridge_godot import project as projects
from bridge_godot.import_file import RES, ImportFile, textures

VERSION = "0.3.0"
ASSETS_PER_FRAME = 100
"""A texture's options take about 1 KiB; a frame holds 256 KiB."""
FIRST_RETRY_S, MAX_RETRY_S = 0.25, 8.0


class GodotHeadless:
    """Stands in for an editor of one project.

    `answer` is the action with which it answers each popup that has it; with None popups stay open.
    `locale` (BCP 47) is the language of the popups.
    """

    def __init__(self, project: Path, version: str, answer: str | None = None, locale: str = "en") -> None:
        self._project = project
        self._version = version
        self._answer = answer
        self._locale = locale
        self._instance = uuid.uuid4().hex
        self._batch = 0

    async def run(self, connection_file: Path) -> None:
        """Reports all textures once, then executes commands. Reconnects until cancelled. Raises UserError."""
        client = await self._connect(connection_file, None)
        try:
            with suppress(RequestError):
                await self._report(client)
            while True:
                await client.wait_closed()
                client = await self._reconnect(connection_file, client)
        finally:
            await client.close()

    def apply(self, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Changes import files; returns the value of `texture.apply` and `texture.revert`."""
        before, after = [], []
        errors: list[dict[str, AnyText]] = []
        for change in changes:
            path = str(change.get("path"))
            try:
                old, new, unchanged = _change(self._project, self._file(path), change)
            except UserError as error:
                errors.append({"path": path, "message": str(error)})
                continue
            errors += [{"path": path, "message": message} for message in unchanged]
            if new or not unchanged:
                before.append({"path": path, "options": old})
                after.append({"path": path, "options": new})
        return {"before": before, "after": after, "errors": errors}

    async def _reconnect(self, connection_file: Path, previous: Client) -> Client:
        delay = FIRST_RETRY_S
        while True:
            await asyncio.sleep(delay)
            try:
                return await self._connect(connection_file, previous)
            except (RequestError, UserError, ConnectionClosed):
                delay = min(delay * 2, MAX_RETRY_S)

    async def _connect(self, connection_file: Path, previous: Client | None) -> Client:
        return await Client.connect(
            connection_file,
            kind="editor",
            name="bridge_godot.headless",
            version=VERSION,
            engine=("godot", self._version),
            project=ProjectInfo(
                id=projects.identity(self._project),
                name=projects.name(self._project),
                root=projects.root(self._project),
            ),
            instance=self._instance,
            locale=self._locale,
            previous=previous,
            on_command=self._on_command,
            on_popup=self._on_popup,
        )

    async def _on_popup(self, popup: Popup) -> Answer | None:
        if self._answer not in {action.id for action in popup.actions}:
            return None
        return Answer(id=popup.id, state="answered", action=self._answer)

    async def _on_command(self, command: Command) -> Any:
        if command.name not in ("texture.apply", "texture.revert"):
            raise RequestError(UNSUPPORTED, name=command.name, reason="this editor has no such command")
        return await asyncio.to_thread(self.apply, command.args.get("changes", []))

    async def _report(self, client: Client) -> None:
        def imported() -> list[dict[str, Any]]:
            return [
                {"path": asset.path, "file": asset.file, "type": "texture", "options": dict(asset.options)}
                for asset in textures(self._project)
                if asset.options is not None
            ]

        assets = await asyncio.to_thread(imported)
        if not assets:
            return
        self._batch += 1
        for start in range(0, len(assets), ASSETS_PER_FRAME):
            end = start + ASSETS_PER_FRAME
            await client.event(
                "asset.imported",
                {"batch": self._batch, "more": end < len(assets), "assets": assets[start:end]},
            )

    def _file(self, path: str) -> Path:
        file = self._project / path.removeprefix(RES)
        # The whole path is checked: on Windows a drive or a backslash would lead out of the project, too.
        is_inside = self._project in file.parents and ".." not in file.relative_to(self._project).parts
        if not path.startswith(RES) or not is_inside:
            raise UserError(
                text(
                    "{path} isn't a path of this project; expected something like res://rock.png.", path=path
                )
            )
        if not os.path.isfile(file):
            raise UserError(text("{path} isn't there.", path=path))
        return file


Change = tuple[dict[str, Any], dict[str, Any], list[AnyText]]
"""Options before and after, and a message for each option that wasn't changed."""


def _change(project: Path, asset: Path, change: Mapping[str, Any]) -> Change:
    """Raises UserError if nothing may or can be written."""
    settings = ImportFile.of(asset)
    present, wanted = settings.options(), change.get("options") or {}
    if message := changed_since(change, present, settings.path.name):
        raise UserError(message)
    options, unchanged = remaining_changes(wanted, change.get("expected") or {}, present)
    if options or not unchanged:
        settings.change(options)
        settings.write(project)
    now = settings.options()
    old = {name: present.get(name) for name in options}
    return old, {name: now.get(name) for name in options}, unchanged
