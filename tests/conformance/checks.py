"""The conformance checks: what every adapter must do in a daemon for an editor of its engine.

`CHECKS` names all of them with what each shows; `Story` goes through them with one simulated editor.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_type_hints

from msgspec import UNSET
from packaging.specifiers import SpecifierSet

from bridge.advisors.import_items import OptionTexts
from bridge.advisors.texts import say
from bridge.api import Adapter, Client, InputRef, Popup, RequestError, SessionView, TextureIntent
from bridge.core.errors import AUTH_FAILED
from bridge.core.versions import contains, lowest
from bridge.host.observation import asset_name
from bridge.paths import ConnectionFile
from tests.conformance.editor import WAIT_S, SimulatedEditor, rows
from tests.conformance.projects import Project, create
from tests.server.wire import dial, identity

FOLDERS = ("main", "meanwhile", "refused", "resumed", "blob", "chinese")
"""A folder of textures for each question, since a texture is asked about once."""
NAMES = ("rock_normal", "wall_normal")

CHECKS: Mapping[str, str] = {
    "adapter": "The daemon chooses the adapter for this version; a newer one than all known gets a notice.",
    "files": "The project's own files say what the editor says of each texture.",
    "popup": "One import of two wrong textures leads to one popup, in the labels of this version's editor.",
    "partial": "Of the changes in the popup only the ticked ones are sent to the editor.",
    "apply": "The editor of this version accepts all settings that the adapter writes.",
    "observed": "The result shows what the editor then reports, in its labels.",
    "blob": "Textures without a file are judged by the pixels that the editor sends.",
    "future": "A setting that only a newer engine knows is never changed.",
    "revert": "Undo restores the settings.",
    "meanwhile": "A setting that somebody has changed since the question is left alone, and named.",
    "kept": "Undo leaves a setting that somebody has changed since, and names it.",
    "refused": "A setting that the editor refuses is reported as not applied.",
    "resume": "A connection that is lost while a command is carried out costs nothing; it is done once.",
    "request": "A connection that is lost while a job runs costs nothing; its result arrives.",
    "chinese": "A Chinese editor gets Chinese popups, with its labels.",
    "token": "An editor with a wrong token is refused.",
}
IN_FILES, WITHOUT_FILES = frozenset({"files"}), frozenset({"blob"})
"""Checks of engines whose settings are in files that PopBridge reads and writes, and of the others."""


class Case:
    """One version of an engine, and which checks apply to it."""

    def __init__(self, adapter: Adapter, version: str, exact: bool, checks: Collection[str]) -> None:
        self.adapter, self.version, self.exact, self.checks = adapter, version, exact, checks

    @property
    def name(self) -> str:
        """Such as `unreal 5.6.1`: builds are left out."""
        release = re.match(r"[\d.]+(?:[abfp]\d+)?", self.version)
        assert release is not None
        return f"{self.adapter.engine} {release[0].rstrip('.')}"


def cases(adapters: Collection[Adapter]) -> list[Case]:
    """Every version that the adapters know the defaults of, and one above each engine's range."""
    found = []
    for adapter in adapters:
        checks = [name for name in CHECKS if name not in (WITHOUT_FILES if has_files(adapter) else IN_FILES)]
        known = [
            version for version in adapter.default_options
            if contains(adapter.versions, adapter.scheme.parse(version))
        ]  # fmt: skip
        found += [Case(adapter, version, True, checks) for version in known]
        newest = max((a for a in adapters if a.engine == adapter.engine), key=lambda a: lowest(a.versions))
        if adapter is newest:
            found.append(Case(adapter, above(adapter, known[-1]), False, checks))
    return found


def single_intents() -> Iterator[TextureIntent]:
    """Intents with one field each, in all its values; of numbers, one that engines offer."""
    for name, hint in get_type_hints(TextureIntent).items():
        for choice in get_args(hint):
            values = {bool: (True, False), int: (1024,)}.get(choice, get_args(choice))
            yield from (
                TextureIntent(**{name: value}) for value in values if isinstance(value, bool | int | str)
            )


def has_files(adapter: Adapter) -> bool:
    return adapter.engine != "unreal"


def above(adapter: Adapter, known: str) -> str:
    """The first version that is newer than the adapter's range, as the engine would print it."""
    (bound,) = (one.version for one in SpecifierSet(adapter.versions) if one.operator == "<")
    return re.sub(r"^\d+\.\d+", bound if "." in bound else f"{bound}.0", known)


def below(adapters: Collection[Adapter], engine: str) -> tuple[Adapter, str]:
    """An adapter of the engine, and a version that is older than any that its adapters read."""
    own = [adapter for adapter in adapters if adapter.engine == engine]
    ranges = [versions for a in own for versions in (a.versions, a.older_versions) if versions]
    oldest = min(own, key=lambda adapter: lowest(adapter.versions))
    known = next(iter(oldest.default_options))
    return oldest, f"{min(map(lowest, ranges)).major - 1}.{known.split('.', 1)[1]}"


class Story:
    """Goes through the checks with one editor; after one that fails, those that need it aren't reached."""

    def __init__(self, case: Case, folder: Path, connection_file: Path, pictures: Mapping[str, Path]) -> None:
        self.case = case
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}
        """By check: why."""
        self._folder, self._file = folder, connection_file
        self._textures = {f"{at}/{name}": pictures[name] for at in FOLDERS for name in NAMES}

    async def run(self) -> None:
        project = await asyncio.to_thread(
            create, self.case.adapter, self.case.version, self._folder, self._textures
        )
        await self._go(project)

    async def _go(self, project: Project) -> None:
        steps: list[Callable[[SimulatedEditor, Project], Awaitable[None]]] = [
            self._main, self._refused, self._resumed, self._request, self._blob, self._meanwhile,
        ]  # fmt: skip
        async with SimulatedEditor(self.case.adapter, self.case.version, project, self._file) as editor:
            for step in steps:
                with contextlib.suppress(_Failed):
                    await step(editor, project)
        with contextlib.suppress(_Failed):
            await self._chinese(project)
        with contextlib.suppress(_Failed):
            await self._token(project)

    @contextlib.contextmanager
    def _check(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.failed[name] = f"{type(error).__name__} in {where.name}, {where.line}: {str(error)[:2000]}"
            raise _Failed from error
        self.passed.append(name)

    async def _main(self, editor: SimulatedEditor, project: Project) -> None:
        adapter, version = self.case.adapter, editor.version
        rock, wall = _paths(project, "main")
        with self._check("adapter"):
            chosen = editor.client.ready.adapter
            assert chosen is not UNSET
            assert (chosen.engine, chosen.range) == (adapter.engine, adapter.versions)
            assert chosen.exact == self.case.exact
            notice = editor.client.ready.notice
            assert (notice is UNSET) if self.case.exact else (str(lowest(adapter.versions)) in str(notice))
        if "files" in self.case.checks:
            with self._check("files"):
                self._files(project)
        before = {path: project.snapshot(path) for path in (rock, wall)}
        with self._check("popup"):
            await editor.report([rock, wall])
            popup = await editor.popup("texture.import")
            _shows_labels(popup, editor, [project.files[rock], project.files[wall]])
            assert not editor.has_popups
        with self._check("partial"):
            ticked = [row.id for row in rows(popup, project.files[rock])]
            await editor.answer(popup, "apply", ticked)
            applied = await editor.popup("texture.applied")
            (command,) = editor.commands
            assert command.name == "texture.apply"
            (change,) = command.args["changes"]
            assert change["path"] == rock
            assert project.snapshot(wall) == before[wall]
        with self._check("apply"):
            options = project.options(rock)
            defaults = project.options(wall)
            for intent in single_intents():
                wanted = adapter.compile_texture(intent, defaults, version)
                refused = {name: value for name, value in wanted.items() if not editor.accepts(name, value)}
                assert refused == {}, intent
            assert options.items() >= change["options"].items()
            assert adapter.read_texture(options, version).kind == "normal"
            assert adapter.compile_texture(adapter.read_texture(options, version), options, version) == {}
        with self._check("observed"):
            (row,) = applied.items
            assert (row.path, row.status) == (project.files[rock], "done")
            assert any(editor.labels[name].name in row.detail for name in change["options"])
        with self._check("future"):
            assert all(project.has_future_setting(path) for path in (rock, wall))
        with self._check("revert"):
            await editor.answer(applied, "undo")
            await editor.popup("texture.undone")
            assert editor.commands[-1].name == "texture.revert"
            assert {path: project.snapshot(path) for path in (rock, wall)} == before
            assert adapter.read_texture(project.options(rock), version).kind != "normal"

    def _files(self, project: Project) -> None:
        support = self.case.adapter.project
        assert support is not None
        found = support.project_version(project.root)
        assert found is not None
        textures = {texture.path: texture for texture in support.textures(project.root)}
        assert textures.keys() == project.files.keys()
        for path, texture in textures.items():
            assert not texture.problem and texture.file == project.files[path]
            assert texture.options == project.options(path)

    async def _meanwhile(self, editor: SimulatedEditor, project: Project) -> None:
        with self._check("meanwhile"):
            rock, wall = _paths(project, "meanwhile")
            await editor.report([rock, wall])
            popup = await editor.popup("texture.import")
            name, value = self._choice(editor, rock)
            project.write(rock, {name: value})
            await editor.answer(popup, "apply", [row.id for row in rows(popup, project.files[rock])])
            applied = await editor.popup("texture.applied")
            assert project.options(rock)[name] == value
            (row,) = applied.items
            assert row.path == project.files[rock]
            assert row.status in ("failed", "kept") and row.detail

    def _choice(self, editor: SimulatedEditor, path: str) -> tuple[str, object]:
        """A setting that makes the texture a normal map, and a third value for it."""
        present = editor.project.options(path)
        changes = self.case.adapter.compile_texture(TextureIntent(kind="normal"), present, editor.version)
        return next(
            (name, value)
            for name, wanted in changes.items() if name in editor.labels
            for value in editor.labels[name].values if value not in (wanted, present[name])
        )  # fmt: skip

    async def _refused(self, editor: SimulatedEditor, project: Project) -> None:
        with self._check("refused"):
            rock, wall = _paths(project, "refused")
            await editor.report([rock, wall])
            popup = await editor.popup("texture.import")
            name, _ = self._choice(editor, rock)
            before = project.options(rock)
            editor.refused = {name}
            try:
                await editor.answer(popup, "apply", [row.id for row in rows(popup, project.files[rock])])
                applied = await editor.popup("texture.applied")
            finally:
                editor.refused = set()
            (change,) = editor.commands[-1].args["changes"]
            after = project.options(rock)
            assert name in change["options"] and after[name] == before[name]
            (row,) = applied.items
            assert row.status == "failed" and row.title == asset_name(rock, project.files[rock])
            texts = OptionTexts(SessionView("s", "p", "P", None, self.case.adapter, editor.version, "en"))
            done = {each: after[each] for each in change["options"] if after[each] != before[each]}
            assert texts.state(done) in row.detail
            assert texts.state({name: change["options"][name]}) in row.detail
            assert say("applied_one", "en", name=row.title) != applied.title

    async def _resumed(self, editor: SimulatedEditor, project: Project) -> None:
        with self._check("resume"):
            rock, wall = _paths(project, "resumed")
            await editor.report([rock, wall])
            popup = await editor.popup("texture.import")
            sent, session = len(editor.commands), editor.client.ready.session
            name, value = self._choice(editor, rock)
            before = project.options(wall)
            editor.ends_connection = True
            await editor.answer(popup, "apply")
            await asyncio.wait_for(editor.client.wait_closed(), WAIT_S)
            await editor.connect()
            assert editor.client.ready.resumed and editor.client.ready.session == session
            applied = await editor.popup("texture.applied")
            assert [row.status for row in applied.items] == ["done", "done"], applied.body
            assert len(editor.commands) == sent + 1
        with self._check("kept"):
            assert project.write(rock, {name: value}) == ""
            await editor.answer(applied, "undo")
            undone = await editor.popup("texture.undo_partly")
            assert editor.commands[-1].name == "texture.revert"
            assert project.options(rock)[name] == value
            assert project.options(wall) == before
            assert name in undone.body

    async def _request(self, editor: SimulatedEditor, project: Project) -> None:
        with self._check("request"):
            key = f"{project.root.name}-{time.time_ns()}"
            rock, _ = _paths(project, "main")
            picture = InputRef(name="rock", path=project.files[rock])
            ask = partial(Client.request, workload="image.inspect", inputs=[picture], key=key, cache=False)
            first = asyncio.ensure_future(ask(editor.client))
            await asyncio.sleep(0)
            await editor.lose_connection()
            with contextlib.suppress(RequestError):
                await first
            await editor.connect()
            assert editor.client.ready.resumed
            answer = await asyncio.wait_for(ask(editor.client), WAIT_S)
            assert answer.value["width"] == 128

    async def _blob(self, editor: SimulatedEditor, project: Project) -> None:
        if "blob" not in self.case.checks:
            return
        with self._check("blob"):
            paths = _paths(project, "blob")
            await editor.report(paths, as_blobs=True)
            popup = await editor.popup("texture.import")
            assert {change["path"] for change in await self._applied(editor, popup)} == set(paths)
            assert all(
                self.case.adapter.read_texture(project.options(path), editor.version).kind == "normal"
                for path in paths
            )

    async def _applied(self, editor: SimulatedEditor, popup: Popup) -> list[dict[str, Any]]:
        """The changes of the command that follows when all that a popup asks about is fixed."""
        await editor.answer(popup, "apply")
        applied = await editor.popup("texture.applied")
        assert {row.status for row in applied.items} == {"done"}, applied.body
        changes: list[dict[str, Any]] = editor.commands[-1].args["changes"]
        return changes

    async def _chinese(self, project: Project) -> None:
        with self._check("chinese"):
            async with SimulatedEditor(
                self.case.adapter, self.case.version, project, self._file, "zh-CN"
            ) as editor:
                paths = _paths(project, "chinese")
                await editor.report(paths)
                popup = await editor.popup("texture.import")
                _shows_labels(popup, editor, [project.files[path] for path in paths])
                assert all(_CHINESE.search(text) for text in (popup.title, popup.actions[0].label))
                assert all(_CHINESE.search(group.title) for group in popup.items)

    async def _token(self, project: Project) -> None:
        with self._check("token"):
            file = ConnectionFile.read(self._file)
            engine = {"name": self.case.adapter.engine, "version": self.case.version}
            own = {"id": project.root.name, "name": project.root.name, "root": str(project.root)}
            async with dial(file) as wire:
                await wire.send(
                    "identify",
                    **identity(file, engine=engine, project=own, auth={"token": "local." + "x" * 43}),
                )
                assert (await wire.closed())[0] == AUTH_FAILED.code


_CHINESE = re.compile("[\u4e00-\u9fff]")


class _Failed(Exception):
    """A check failed, which is recorded."""


def _paths(project: Project, folder: str) -> tuple[str, str]:
    rock, wall = sorted(path for path, file in project.files.items() if f"/{folder}/" in f"/{file}")
    return rock, wall


def _shows_labels(popup: Popup, editor: SimulatedEditor, files: Collection[str]) -> None:
    """The list has changes of exactly these files, each named as the editor names the setting."""
    assert {texture.path for group in popup.items for texture in group.children} == set(files)
    names = {label.name for label in editor.labels.values()}
    for file in files:
        changes = rows(popup, file)
        assert changes
        unnamed = [row.title for row in changes if not any(row.title.startswith(name) for name in names)]
        assert unnamed == []
