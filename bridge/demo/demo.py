"""`popbridge demo`: creates a project, shows a popup, applies its fixes and writes a page."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import click
import msgspec
from msgspec import UNSET, Struct
from packaging.version import Version

from accel.text import AnyText, plural, text
from bridge.advisors.import_items import OptionTexts
from bridge.api import Adapter, EditorCamera, EditorSupport, HeadlessEditor, SessionView
from bridge.core.errors import UserError
from bridge.core.messages import Popup, PopupItem
from bridge.core.versions import lowest
from bridge.demo import page as pages
from bridge.demo.editor import (
    ENGLISH,
    EditorError,
    PictureError,
    Reader,
    ask,
    compact,
    end,
    has_display,
    has_virtual_screen,
    is_interactive,
    launch,
    virtual_screen,
)
from bridge.demo.textures import DemoTexture, save, textures
from bridge.host import host
from bridge.paths import ConnectionFile, Paths
from bridge.store.column_encryption import opened
from bridge.store.database import open_readonly
from bridge.store.receipts import ReceiptStore
from bridge.store.records import Receipt, unpack

EDITOR_TIMEOUT_S = 300.0
"""Time limit for the editor to import textures and apply fixes. The first import takes longest."""
DAEMON_TIMEOUT_S = 120.0
"""Time limit for the daemon's start."""

MARKER = ".popbridge-demo"
"""The file that marks a folder as an earlier demo's."""

OUTPUTS = ("project", "demo.html", "demo.log")
"""What a demo creates in its folder, and removes when it runs again."""

TITLES: Mapping[str, AnyText] = {
    "before": text("Before"),
    "popup": text("The popup"),
    "after": text("After"),
}
"""The pictures of the editor, in order."""
SELECTED = "materials/brick_normal.png"
"""The texture whose settings the pictures show."""
SEVERITIES = {"error": text("error"), "warning": text("warning"), "note": text("note")}


class _Run(Struct, frozen=True):
    """One run of the demo."""

    out: Path
    adapter: Adapter
    support: EditorSupport
    editor: Sequence[str]
    """The command of a real editor; empty for the built-in substitute."""
    reader: Reader

    @property
    def project(self) -> Path:
        return self.out / "project"

    @property
    def log(self) -> Path:
        return self.out / "demo.log"

    @property
    def version(self) -> Version:
        return lowest(self.adapter.versions)

    def translate(self, message: AnyText) -> str:
        return self.reader.translate(message)


class _Shown(Struct):
    """What the editor and the daemon have done."""

    popup: Popup
    receipts: list[dict[str, Any]]
    thumbnails: dict[str, bytes]
    version: str
    """The editor's own version, such as `4.6.3.stable`."""
    pictures: list[pages.Picture] = []


def run(
    out: Path,
    headless: bool = False,
    reader: Reader = ENGLISH,
    *,
    project_only: bool = False,
    open_editor: bool | None = None,
) -> int:
    """Runs the demo in the folder `out`; returns the exit code. Raises UserError.

    With `project_only`, it only creates the project. `open_editor` opens the project in a window afterwards;
    None asks, if somebody can answer.
    """
    adapter, editor = _editor(host.load().adapters, headless or project_only, reader)
    demo = _Run(out.resolve(), adapter, _support(adapter), editor, reader)
    window = _window(demo)
    if open_editor and not window:
        raise UserError(reader.translate(text("`--open` needs an editor with windows, and a display.")))
    with _writing(demo.out, reader):
        _clear(demo.out, reader)
        drawn = _make_project(demo)
    reader.say(
        text("Project"),
        text("{count} textures, half of them with wrong import settings", count=len(drawn)),
        str(demo.project),
    )
    if project_only:
        return 0
    shown = _show_pictured(demo)
    result = _result(demo, drawn, shown)
    reader.say(text("Popup"), shown.popup.title, *map(_group_line, shown.popup.items))
    fixed = plural("{n} texture", "{n} textures", len(result.changes))
    unchanged = text("{count} were right and stay unchanged", count=len(result.untouched))
    reader.say(text("Fixed"), fixed, unchanged)
    report = demo.out / "demo.html"
    with _writing(report, reader):
        report.write_text(pages.page(result, reader), encoding="utf-8")
    reader.say(text("Page"), str(report))
    if window and (open_editor or (open_editor is None and _agrees(reader))):
        _open(demo, window)
    _say_steps(result.steps, reader)
    return 0


def editor_pictures(out: Path, reader: Reader = ENGLISH) -> Sequence[pages.Picture]:
    """Returns the pictures of a real editor, as on the page, without writing one.

    Raises UserError and PictureError.
    """
    adapter, editor = _editor(host.load().adapters, False, reader)
    demo = _Run(out.resolve(), adapter, _support(adapter), editor, reader)
    _clear(demo.out, reader)
    _make_project(demo)
    with tempfile.TemporaryDirectory(prefix="popbridge-editor-") as settings:
        camera = _camera(demo, Path(settings))
        if camera is None or not has_virtual_screen():
            raise PictureError("no editor with windows, or no Xvfb")
        with virtual_screen() as screen:
            return asyncio.run(_show(demo, camera, screen)).pictures


def _group_line(group: PopupItem) -> AnyText:
    severity = "" if group.severity is UNSET else SEVERITIES[group.severity]
    if not group.value:
        return text("{severity}: {title}", severity=severity, title=group.title)
    return text("{severity}: {title} ({value})", severity=severity, title=group.title, value=group.value)


def _say_steps(steps: Sequence[pages.Step], reader: Reader) -> None:
    width = max(len(step.command) for step in steps) + 2
    click.echo(f"\n{reader.translate(text('Next steps'))}")
    for step in steps:
        click.echo(f"  {step.command:{width}}{reader.translate(step.purpose)}")


def _steps(engine: str) -> list[pages.Step]:
    return [
        pages.Step("popbridge audit PROJECT", text("Check the textures of your own project")),
        pages.Step(f"popbridge install {engine} PROJECT", text("Check every import in your editor")),
        pages.Step("popbridge service install", text("Start the daemon whenever you log in")),
    ]


@contextlib.contextmanager
def _writing(place: Path, reader: Reader) -> Iterator[None]:
    """Converts errors of writing at `place` to UserError."""
    try:
        yield
    except OSError as error:
        message = text(
            "Can't write `{place}` ({reason}). Free some space, or give another folder with `--out`.",
            place=error.filename or place,
            reason=error.strerror or error,
        )
        raise UserError(reader.translate(message)) from None


def _opened(file: Path, reader: Reader) -> IO[bytes]:
    with _writing(file, reader):
        return file.open("ab")


def _editor(adapters: Sequence[Adapter], headless: bool, reader: Reader) -> tuple[Adapter, Sequence[str]]:
    """Returns the newest adapter with an installed editor and its command, else the newest adapter."""
    able = sorted(
        (a for a in adapters if a.editor and a.project),
        key=lambda a: lowest(a.versions),
        reverse=True,
    )
    if not able:
        raise UserError(
            reader.translate(text("No adapter can create a project. `popbridge plugins` shows the reasons."))
        )
    for adapter in able:
        editor = None if headless else _support(adapter).find_editor()
        if editor:
            return adapter, editor
    return able[0], ()


def _support(adapter: Adapter) -> EditorSupport:
    assert adapter.editor is not None
    return adapter.editor


def _clear(out: Path, reader: Reader) -> None:
    """Removes an earlier demo's files. Raises UserError if the folder is somebody else's."""
    if out.exists() and not (out / MARKER).exists() and any(out.iterdir()):
        message = text(
            "`{out}` isn't empty and wasn't created by the demo. Give another folder with `--out`.", out=out
        )
        raise UserError(reader.translate(message))
    for name in OUTPUTS:
        _remove(out / name)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).touch()


def _make_project(demo: _Run) -> list[DemoTexture]:
    """Creates the project anew, with its wrong settings and the addon."""
    _remove(demo.project)
    demo.project.mkdir()
    drawn = textures()
    for texture in drawn:
        save(texture.draw(), demo.project / texture.file)
    options = {t.file: demo.adapter.compile_texture(t.imported, {}, demo.version) for t in drawn}
    demo.support.create_project(demo.project, options)
    demo.support.install(demo.project)
    return drawn


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _show_pictured(demo: _Run) -> _Shown:
    """Shows the popup, with pictures of the editor's window if that is possible."""
    with contextlib.ExitStack() as stack:
        settings = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="popbridge-editor-")))
        if camera := _camera(demo, settings):
            demo.reader.say(
                text("Editor"),
                text("{adapter}; taking pictures takes about a minute", adapter=demo.adapter.name),
            )
            try:
                screen = stack.enter_context(virtual_screen()) if has_virtual_screen() else {}
                return asyncio.run(_show(demo, camera, screen))
            except (PictureError, OSError) as error:
                demo.reader.say("", text("No pictures: {reason}. Going on without.", reason=str(error)))
                with _writing(demo.out, demo.reader):
                    _make_project(demo)
        else:
            real = text("{adapter}, without a window", adapter=demo.adapter.name)
            substitute = text("{adapter}, a built-in substitute", adapter=demo.adapter.name)
            demo.reader.say(text("Editor"), real if demo.editor else substitute)
    return asyncio.run(_show(demo))


def _camera(demo: _Run, settings: Path) -> EditorCamera | None:
    """Returns the camera, if windows can be opened without surprise: unseen, or in front of somebody."""
    # Plugins for 0.1.0 have none.
    make = getattr(demo.support, "camera", None)
    if not demo.editor or make is None:
        return None
    if not has_virtual_screen() and not (has_display() and is_interactive()):
        return None
    camera: EditorCamera | None = make(demo.editor, demo.project, settings, demo.reader.tag)
    return camera


async def _show(
    demo: _Run,
    camera: EditorCamera | None = None,
    screen: Mapping[str, str] = {},
) -> _Shown:
    home = Path(tempfile.mkdtemp(prefix="popbridge-demo-"))
    env = {**os.environ, "POPBRIDGE_HOME": str(home)}
    paths = Paths.find(env)
    try:
        with _opened(demo.log, demo.reader) as log:
            if camera:
                return await _photograph(demo, camera, {**env, **screen, **camera.env}, paths, log)
            env["POPBRIDGE_TEST_ANSWER"] = "apply"
            async with (
                _daemon(demo, env, paths, log),
                _running(demo, env, paths, log) as process,
            ):
                return _shown(paths, await _wait_applied(paths, process, reader=demo.reader))
    except EditorError:
        raise
    except UserError as error:
        message = text("{error} Log of daemon and editor: {log}", error=error, log=demo.log)
        raise UserError(demo.translate(message)) from None
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _photograph(
    demo: _Run, camera: EditorCamera, env: Mapping[str, str], paths: Paths, log: IO[bytes]
) -> _Shown:
    """Takes the pictures and presses the popup's button. Raises PictureError."""
    await asyncio.to_thread(camera.install)
    pictures: list[pages.Picture] = []

    async def take(name: str, select: str = "", alone: bool = False) -> None:
        png = await ask(camera, process, name, select=select, alone=alone)
        pictures.append(pages.Picture(TITLES[name], await asyncio.to_thread(compact, png)))

    try:
        process = await launch(camera.command, env, log, demo.reader)
        try:
            # The daemon starts later, as the popup would come before this picture.
            await take("before", SELECTED, alone=True)
            async with _daemon(demo, env, paths, log):
                await _until(
                    lambda: bool(_popups(paths)) or process.returncode is not None,
                    demo.translate(text("The editor didn't report its textures.")),
                    EDITOR_TIMEOUT_S,
                )
                await take("popup")
                await ask(camera, process, "press", press="apply")
                receipts = await _wait_applied(paths, process, reader=demo.reader)
                await take("after", SELECTED)
                shown = _shown(paths, receipts)
        finally:
            await end(process)
    finally:
        await asyncio.to_thread(camera.remove)
    shown.pictures = pictures
    return shown


def _shown(paths: Paths, receipts: list[dict[str, Any]]) -> _Shown:
    popup = _popups(paths)[0]
    head = PopupItem(id="popup", title=popup.title, picture=popup.image)
    return _Shown(popup, receipts, _thumbnails(paths, [head, *popup.items]), _engine_version(paths))


def _engine_version(paths: Paths) -> str:
    db = open_readonly(paths.database)
    assert db is not None
    with contextlib.closing(db.conn):
        rows = db.query("SELECT id, identify FROM sessions")
        clients = [msgspec.msgpack.decode(opened(db.conn, "sessions", row)["identify"]) for row in rows]
    return next((str(client["engine"]["version"]) for client in clients if "engine" in client), "")


def _thumbnails(paths: Paths, items: Sequence[PopupItem]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for item in items:
        if item.picture is not UNSET:
            # A thumbnail that failed has no blob.
            with contextlib.suppress(OSError):
                found[item.picture] = (paths.blobs / item.picture).read_bytes()
        found |= _thumbnails(paths, item.children)
    return found


def _result(demo: _Run, drawn: Sequence[DemoTexture], shown: _Shown) -> pages.Demo:
    changes = [_change(demo, drawn, *pair) for pair in _changed(shown.receipts)]
    changed = {change.file for change in changes}
    return pages.Demo(
        root=demo.project,
        editor=_editor_name(demo, shown.version),
        popup=shown.popup,
        pictures=shown.pictures,
        thumbnails=shown.thumbnails,
        changes=changes,
        untouched=[texture.file for texture in drawn if texture.file not in changed],
        steps=_steps(demo.adapter.engine),
    )


def _editor_name(demo: _Run, version: str) -> AnyText:
    if not demo.editor:
        return text("built-in substitute for an editor")
    return f"{demo.adapter.engine.title()} {demo.adapter.scheme.parse(version).base_version}"


def _changed(receipts: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Returns the files that were changed, each with its options before and after."""
    return [
        (before["path"].split("://")[-1], before["options"], after["options"])
        for receipt in receipts
        for before, after in zip(receipt["before"] or (), receipt["after"] or (), strict=True)
    ]


def _change(
    demo: _Run, drawn: Sequence[DemoTexture], file: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> pages.Change:
    session = SessionView("demo", "demo", "", demo.project, demo.adapter, demo.version, demo.reader.tag)
    words = OptionTexts(session)
    settings = [
        pages.Setting(
            words.name(name),
            name,
            *(
                demo.translate(text("not set") if value is None else words.value(name, value))
                for value in (before.get(name), after[name])
            ),
        )
        for name in after
    ]
    (texture,) = (each for each in drawn if each.file == file)
    asset = demo.support.texture(demo.project, file)
    present = {} if asset is None or asset.options is None else asset.options
    states = [demo.adapter.read_texture({**present, **part}, demo.version) for part in (before, after)]
    albedo = demo.project / texture.albedo if texture.albedo else None
    return pages.Change(
        file, settings, pages.draw_tiles(demo.project / file, texture.kind, states[0], states[1], albedo)
    )


def _window(demo: _Run) -> Sequence[str]:
    """Returns the command that shows the project to the user; empty if nothing can."""
    # Plugins for 0.1.0 have none.
    command = getattr(demo.support, "window_command", None)
    if not demo.editor or command is None or not has_display():
        return ()
    found: Sequence[str] = command(demo.editor, demo.project)
    return found


def _agrees(reader: Reader) -> bool:
    question = text("Open the project in the editor, with its wrong settings again, and answer the popup?")
    return is_interactive() and click.confirm(f"\n{reader.translate(question)}", default=True)


def _open(demo: _Run, window: Sequence[str]) -> None:
    """Shows the project in the editor, with a daemon, until the user closes it. Raises UserError."""
    demo.reader.say(text("Window"), text("The demo goes on when you close the editor."))
    with _writing(demo.out, demo.reader):
        _make_project(demo)

    async def show() -> None:
        home = Path(tempfile.mkdtemp(prefix="popbridge-demo-"))
        env = {**os.environ, "POPBRIDGE_HOME": str(home)}
        paths = Paths.find(env)
        try:
            with _opened(demo.log, demo.reader) as log:
                async with _daemon(demo, env, paths, log):
                    process = await launch(window, env, log, demo.reader)
                    try:
                        await process.wait()
                    finally:
                        await end(process)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    asyncio.run(show())


@contextlib.asynccontextmanager
async def _daemon(demo: _Run, env: Mapping[str, str], paths: Paths, log: IO[bytes]) -> AsyncIterator[None]:
    root = str(demo.project.resolve())
    command = [sys.executable, "-m", "bridge.cli", "serve", "--port", "0", "--root", root]
    process = await asyncio.create_subprocess_exec(*command, env=dict(env), stdout=log, stderr=log)
    try:
        await _until(
            lambda: paths.connection_file.exists() or process.returncode is not None,
            demo.translate(
                text("The daemon didn't start within {seconds} s.", seconds=f"{DAEMON_TIMEOUT_S:.0f}")
            ),
            DAEMON_TIMEOUT_S,
        )
        # Raises UserError if the daemon ended.
        ConnectionFile.read(paths.connection_file)
        yield
    finally:
        await end(process)


@contextlib.asynccontextmanager
async def _running(
    demo: _Run, env: Mapping[str, str], paths: Paths, log: IO[bytes]
) -> AsyncIterator[Process | None]:
    if not demo.editor:
        stand_in = _stand_in(demo.support, demo.project, demo.reader)
        work = asyncio.create_task(stand_in.run(paths.connection_file))
        try:
            yield None
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        return
    process = await launch(demo.support.editor_command(demo.editor, demo.project), env, log, demo.reader)
    try:
        yield process
    finally:
        await end(process)


def _stand_in(support: EditorSupport, project: Path, reader: Reader) -> HeadlessEditor:
    # Plugins for 0.1.0 may lack the parameter.
    has_locale = "locale" in inspect.signature(support.headless).parameters
    locale_argument = {"locale": reader.tag} if has_locale else {}
    return support.headless(project, answer="apply", **locale_argument)


async def _wait_applied(
    paths: Paths, editor: Process | None, timeout_s: float = EDITOR_TIMEOUT_S, reader: Reader = ENGLISH
) -> list[dict[str, Any]]:
    """Waits until the editor has applied all changes, and returns the receipts. Raises UserError."""
    hint = (
        reader.translate(text("`popbridge demo --headless` needs no real editor."))
        if editor is not None
        else ""
    )
    found: list[dict[str, Any]] = []

    def done() -> bool:
        receipts = _receipts(paths)
        found[:] = [{"before": r.before, "after": r.after} for r in receipts]
        if receipts and all(r.state != "sent" for r in receipts):
            return True
        # An editor that exits with 0 may have handed over to another process.
        if editor is not None and editor.returncode:
            raise UserError(
                reader.translate(
                    text(
                        "The editor exited with code {code} before it applied the fixes. {hint}",
                        code=editor.returncode,
                        hint=hint,
                    )
                )
            )
        return False

    await _until(
        done,
        reader.translate(
            text(
                "The editor didn't import the textures and apply the fixes within {seconds} s. {hint}",
                seconds=f"{timeout_s:.0f}",
                hint=hint,
            )
        ).strip(),
        timeout_s,
    )
    return found


def _receipts(paths: Paths) -> list[Receipt]:
    db = open_readonly(paths.database)
    if db is None:
        return []
    with contextlib.closing(db.conn):
        return ReceiptStore(db).latest()


def _popups(paths: Paths) -> list[Popup]:
    """Returns the popups, oldest first."""
    db = open_readonly(paths.database)
    if db is None:
        return []
    with contextlib.closing(db.conn):
        if not db["popups"].exists():
            return []
        rows = db.query("SELECT id, message FROM popups ORDER BY id")
        return [unpack(opened(db.conn, "popups", row)["message"], Popup) for row in rows]


async def _until(ready: Callable[[], bool], timeout_text: str, timeout_s: float) -> None:
    """Waits until `ready` is true. Raises UserError `timeout_text` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise UserError(timeout_text)
        await asyncio.sleep(0.1)
