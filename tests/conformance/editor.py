"""A simulated editor of one engine version, made of its adapter's records; it speaks to a real daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.api import (
    UNSUPPORTED,
    Adapter,
    Answer,
    Client,
    Command,
    Popup,
    PopupItem,
    ProjectInfo,
    RequestError,
    remaining_changes,
)
from tests.conformance.projects import Project, default_options

WAIT_S = 60.0


class SimulatedEditor:
    """An editor that does what the editor contract says.

    It accepts what an editor of its version would: the options of a new texture, with values of their type,
    of a choice only those that the adapter's labels name for this version.
    """

    def __init__(
        self, adapter: Adapter, version: str, project: Project, connection_file: Path, locale: str = "en"
    ) -> None:
        self.project = project
        self.version = adapter.scheme.parse(version)
        self.labels = adapter.option_labels(self.version, locale)
        self.commands: list[Command] = []
        """All commands that it has carried out."""
        self.refused: set[str] = set()
        """Options that it leaves as they are, whatever it is told, as a locked or overridden setting."""
        self.ends_connection = False
        """Whether it loses the connection once it has carried out the next command, before it answers."""
        self._engine = adapter.engine, version
        self._defaults = default_options(adapter, version)
        self._file = connection_file
        self._locale = locale
        self._batch = 0
        self._popups: asyncio.Queue[Popup] = asyncio.Queue()
        self._client: Client | None = None

    async def __aenter__(self) -> SimulatedEditor:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close(done=True)

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    async def connect(self, token: str | None = None) -> None:
        """Opens a connection, or resumes the session of the one before. Raises UserError."""
        self._client = await Client.connect(
            self._file,
            kind="editor",
            name="simulated-editor",
            engine=self._engine,
            project=ProjectInfo(
                # Editors in two languages don't share their popups here.
                id=f"{self.project.root.name} {self._locale}",
                name=self.project.root.name,
                root=str(self.project.root),
            ),
            locale=self._locale,
            previous=self._client,
            token=token,
            on_command=self._carry_out,
            on_popup=self._show,
        )

    async def lose_connection(self) -> None:
        """Ends the connection without a goodbye."""
        self.client._socket.transport.abort()
        await self.client.wait_closed()

    async def report(self, paths: Sequence[str], *, as_blobs: bool = False) -> None:
        """Reports textures as imported together, with their files, or with their pixels instead."""
        self._batch += 1
        assets = []
        for path in paths:
            file = self.project.files[path]
            pixels = (
                {"blob": await self.client.put_blob(self.project.root / file)} if as_blobs else {"file": file}
            )
            assets.append({"path": path, "type": "texture", "options": self.project.options(path), **pixels})
        await self.client.event("asset.imported", {"batch": self._batch, "more": False, "assets": assets})

    async def popup(self, kind: str) -> Popup:
        """The next popup, which must be of this kind."""
        popup = await asyncio.wait_for(self._popups.get(), WAIT_S)
        assert popup.kind == kind, popup
        return popup

    async def answer(self, popup: Popup, action: str, checked: Sequence[str] | None = None) -> None:
        more = {} if checked is None else {"checked": list(checked)}
        await self.client.answer(Answer(id=popup.id, state="answered", action=action, **more))

    @property
    def has_popups(self) -> bool:
        """Whether there are popups that nobody has looked at."""
        return not self._popups.empty()

    def accepts(self, name: str, value: Any) -> bool:
        """Whether an editor of this version has the setting, and can set it to the value."""
        if name not in self._defaults or name in self.refused:
            return False
        choices = self.labels[name].values if name in self.labels else {}
        return value in choices if choices else type(value) is type(self._defaults[name])

    def apply(self, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Sets options; returns the value of `texture.apply` and `texture.revert`."""
        before, after, errors = [], [], []
        for change in changes:
            path = str(change["path"])
            if path not in self.project.files:
                errors.append({"path": path, "message": f"{path} isn't there."})
                continue
            present = self.project.options(path)
            options, left = remaining_changes(change["options"], change.get("expected") or {}, present)
            errors += [{"path": path, "message": str(message)} for message in left]
            taken = {name: value for name, value in options.items() if self.accepts(name, value)}
            for name in options.keys() - taken.keys():
                errors.append({"path": path, "message": f"{name} can't be {options[name]!r}."})
            if taken and (problem := self.project.write(path, taken)):
                errors.append({"path": path, "message": problem})
            if options or not left:
                observed = self.project.options(path)
                before.append({"path": path, "options": {name: present.get(name) for name in options}})
                after.append({"path": path, "options": {name: observed.get(name) for name in options}})
        return {"before": before, "after": after, "errors": errors}

    async def _carry_out(self, command: Command) -> Any:
        if command.name not in ("texture.apply", "texture.revert"):
            raise RequestError(UNSUPPORTED, name=command.name, reason="this editor has no such command")
        done = self.apply(command.args["changes"])
        self.commands.append(command)
        if self.ends_connection:
            self.ends_connection = False
            self.client._socket.transport.abort()
        return done

    async def _show(self, popup: Popup) -> Answer | None:
        popup.items = await self.client.popup_items(popup)
        self._popups.put_nowait(popup)
        return None


def rows(popup: Popup, file: str) -> list[PopupItem]:
    """The changes of one texture in a popup's list."""
    return [
        change
        for group in popup.items
        for texture in group.children
        if texture.path == file
        for change in texture.children
    ]
