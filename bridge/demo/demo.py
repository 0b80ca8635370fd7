"""`popbridge demo`: creates a project, shows a popup, applies its fixes and writes a report."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import inspect
import json
import os
import re
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import IO, Any

import click
from msgspec import Struct

from accel.text import AnyText, text
from bridge import locale
from bridge.api import Adapter, EditorSupport, HeadlessEditor
from bridge.core.errors import UserError
from bridge.core.messages import Popup
from bridge.core.versions import lowest
from bridge.demo.textures import DemoTexture, save, textures
from bridge.host import host
from bridge.paths import ConnectionFile, Paths
from bridge.store.database import open_readonly
from bridge.store.receipts import ReceiptStore
from bridge.store.records import Receipt, unpack


class Reader(Struct, frozen=True):
    """The user at the terminal, and their language."""

    locale: str = "en"
    """A locale such as `zh_CN.UTF-8`."""

    @property
    def tag(self) -> str:
        """The language of messages, as BCP 47."""
        return locale.language_of(self.locale).replace("_", "-") or "en"

    def translate(self, text: AnyText) -> str:
        """Returns `text` in their language."""
        return locale.translate(text, self.locale)

    def setting(self, name: str, value: object) -> str:
        """Returns a setting with its value; None means that it isn't set."""
        return f"{name} = {self.translate(text('not set')) if value is None else json.dumps(value)}"

    def say(self, text: AnyText) -> None:
        """Prints a line in their language."""
        click.echo(self.translate(text))


ENGLISH = Reader()


_FOREIGN = frozenset({errno.ENOEXEC, getattr(errno, "EBADARCH", errno.ENOEXEC)})
_MACHINE_TYPE_MISMATCH = 216
"""Windows' ERROR_EXE_MACHINE_TYPE_MISMATCH, which has no errno."""


class EditorError(UserError):
    """The editor can't be started, so it has no log."""


async def launch(
    command: Sequence[str], env: Mapping[str, str], log: IO[bytes], reader: Reader = ENGLISH
) -> Process:
    """Starts a command with its output in `log`. Raises EditorError."""
    try:
        return await asyncio.create_subprocess_exec(*command, env=dict(env), stdout=log, stderr=log)
    except OSError as error:
        reason, hint = (
            _start_error(command[0], error, reader),
            reader.translate(text("`popbridge demo --headless` needs no real editor.")),
        )
        raise EditorError(
            reader.translate(
                text(
                    "Can't start the editor: {program} {reason}. {hint}",
                    program=command[0],
                    reason=reason,
                    hint=hint,
                )
            )
        ) from None


def _start_error(program: str, error: OSError, reader: Reader) -> str:
    """Returns the reason for a failed start. Checks the file, because system errors are ambiguous."""
    if os.path.isdir(program):
        return reader.translate(text("is a folder; give the program in it"))
    if isinstance(error, FileNotFoundError):
        # A script's interpreter or a program's loader may be missing instead.
        return reader.translate(
            text("needs a program that is missing") if os.path.exists(program) else text("does not exist")
        )
    if error.errno in _FOREIGN or getattr(error, "winerror", None) == _MACHINE_TYPE_MISMATCH:
        return reader.translate(
            text("is not a program for this computer; use one for its system and processor")
        )
    if os.name == "posix" and os.path.isfile(program) and not os.access(program, os.X_OK):
        return reader.translate(text("is not executable; run `chmod +x` on it"))
    return reader.translate(
        text("can't be started ({reason}); check its permissions", reason=error.strerror or error)
    )


HEADS = (
    text("Picture"),
    text("File"),
    text("Before"),
    text("After"),
)


class Change(Struct, frozen=True):
    """A file's import settings before and after."""

    file: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: #c33; --good: #284; }
@media (prefers-color-scheme: dark) { :root { --bad: #f77; --good: #7d9; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; }
pre { border-left: 3px solid var(--line); padding-left: 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .5rem; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; }
img { width: 96px; height: 96px; object-fit: contain; background: #8882; image-rendering: auto; }
code { font-size: 13px; } .bad { color: var(--bad); } .good { color: var(--good); }
@media (max-width: 40rem) { img { width: 32px; height: 32px; } td, th { padding: .25rem; } }
"""


def page(
    editor: str,
    popups: Iterable[str],
    changes: Iterable[Change],
    untouched: Iterable[str],
    root: Path,
    reader: Reader = ENGLISH,
) -> str:
    """Returns a self-contained HTML page; textures are below `root`."""
    translate = reader.translate
    popup_blocks = "".join(f"<pre>{_marked_up(popup)}</pre>" for popup in popups)
    rows = "".join(_row(change, root, reader) for change in changes)
    no_findings = translate(text("correct: no findings"))
    untouched_rows = "".join(
        f'<tr><td>{_picture(root / file)}</td><td>{escape(file)}</td><td colspan="2">{no_findings}</td></tr>'
        for file in untouched
    )
    heads = "".join(f'<th scope="col">{translate(head)}</th>' for head in HEADS)
    title = translate(text("PopBridge demo"))
    editor_line = escape(translate(text("Editor: {name}", name=editor)))
    popups_heading, settings_heading = (
        translate(text("Popups")),
        translate(text("Import settings, before and after")),
    )
    return (
        f'<!doctype html><html lang="{reader.tag}"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style><h1>{title}</h1>"
        f"<p>{editor_line}</p>"
        f"<h2>{popups_heading}</h2>{popup_blocks}<h2>{settings_heading}</h2>"
        f"<table><tr>{heads}</tr>{rows}{untouched_rows}</table></html>\n"
    )


def _row(change: Change, root: Path, reader: Reader) -> str:
    return (
        f"<tr><td>{_picture(root / change.file)}</td><td>{escape(change.file)}</td>"
        f'<td class="bad">{_options(change.before, reader)}</td>'
        f'<td class="good">{_options(change.after, reader)}</td></tr>'
    )


def _marked_up(text: str) -> str:
    """A popup's text as HTML, with code spans."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _options(options: Mapping[str, Any], reader: Reader) -> str:
    lines = (reader.setting(name, value) for name, value in options.items())
    return "<br>".join(f"<code>{escape(line)}</code>" for line in lines)


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="" src="data:image/png;base64,{data}">'


EDITOR_TIMEOUT_S = 300.0
"""Time limit for the editor to import textures and apply fixes. The first import takes longest."""
DAEMON_TIMEOUT_S = 120.0
"""Time limit for the daemon's start."""

MARKER = ".popbridge-demo"
"""The file that marks a folder as an earlier demo's."""

OUTPUTS = ("project", "demo.html", "demo.log")
"""What a demo creates in its folder, and removes when it runs again."""


def run(out: Path, headless: bool = False, reader: Reader = ENGLISH, *, project_only: bool = False) -> int:
    """Runs the demo in the folder `out`; returns the exit code. Raises UserError.

    With `project_only`, it only creates the project.
    """
    adapter, editor = _editor(host.load().adapters, headless or project_only, reader)
    support = _support(adapter)
    out = out.resolve()
    with _writing(out, reader):
        drawn = _make_project(adapter, support, out, reader)
    if project_only:
        return 0
    name = reader.translate(
        (text("real, adapter {adapter}") if editor else text("simulated, adapter {adapter}")).fill(
            adapter=adapter.name
        )
    )
    reader.say(text("2. Editor: {name}. It accepts the fixes of every popup.", name=name))
    return asyncio.run(_show(support, editor, out, drawn, name, reader))


@contextlib.contextmanager
def _writing(place: Path, reader: Reader) -> Iterator[None]:
    """Converts errors of writing at `place` to UserError."""
    try:
        yield
    except OSError as error:
        named, reason = error.filename or place, error.strerror or error
        raise UserError(
            reader.translate(
                text(
                    "Can't write `{place}` ({reason}). Free some space, or give another folder with `--out`.",
                    place=named,
                    reason=reason,
                )
            )
        ) from None


def _opened(file: Path, reader: Reader) -> IO[bytes]:
    with _writing(file, reader):
        return file.open("wb")


def _editor(adapters: Sequence[Adapter], headless: bool, reader: Reader) -> tuple[Adapter, Sequence[str]]:
    """Returns the newest adapter with an installed editor and its command, else the newest adapter."""
    able = sorted((a for a in adapters if a.editor), key=lambda a: lowest(a.versions), reverse=True)
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


def _make_project(adapter: Adapter, support: EditorSupport, out: Path, reader: Reader) -> list[DemoTexture]:
    project = out / "project"
    if out.exists() and not (out / MARKER).exists() and any(out.iterdir()):
        raise UserError(
            reader.translate(
                text(
                    "`{out}` isn't empty and wasn't created by the demo. Give another folder with `--out`.",
                    out=out,
                )
            )
        )
    for name in OUTPUTS:
        _remove(out / name)
    project.mkdir(parents=True)
    (out / MARKER).touch()
    drawn = textures()
    version = lowest(adapter.versions)
    for texture in drawn:
        save(texture.draw(), project / texture.file)
    options = {t.file: adapter.compile_texture(t.imported, {}, version) for t in drawn}
    support.create_project(project, options)
    support.install(project)
    reader.say(
        text(
            "1. Project: {count} textures in {project}, half of them with wrong import settings.",
            count=len(drawn),
            project=project,
        )
    )
    return drawn


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


async def _show(
    support: EditorSupport,
    editor: Sequence[str],
    out: Path,
    drawn: Sequence[DemoTexture],
    name: str,
    reader: Reader,
) -> int:
    project, home = out / "project", Path(tempfile.mkdtemp(prefix="popbridge-demo-"))
    env = {**os.environ, "POPBRIDGE_HOME": str(home), "POPBRIDGE_TEST_ANSWER": "apply"}
    paths = Paths.find(env)
    try:
        with _opened(out / "demo.log", reader) as log_file:
            async with (
                _daemon(env, paths, log_file, reader),
                _running(support, editor, project, env, paths, log_file, reader) as process,
            ):
                receipts = await _wait_applied(paths, process, reader=reader)
        popups = _popups(paths)
    except EditorError:
        raise
    except UserError as error:
        raise UserError(
            reader.translate(
                text("{error} Log of daemon and editor: {log}", error=error, log=out / "demo.log")
            )
        ) from None
    finally:
        shutil.rmtree(home, ignore_errors=True)
    changes = _changes(receipts)
    for popup in popups:
        reader.say(text("4. Popup: {popup}", popup=popup))
    for change in changes:
        before, after = _plain(change.before, reader), _plain(change.after, reader)
        reader.say(
            text("5. Applied: {file}: {before} → {after}", file=change.file, before=before, after=after)
        )
    changed = {change.file for change in changes}
    untouched = [t.file for t in drawn if t.file not in changed]
    reader.say(text("6. Already right, left unchanged: {files}", files=untouched))
    report = out / "demo.html"
    with _writing(report, reader):
        report.write_text(page(name, popups, changes, untouched, project, reader), encoding="utf-8")
    reader.say(text("7. Before and after: {file}", file=report))
    return 0


@contextlib.asynccontextmanager
async def _daemon(
    env: Mapping[str, str], paths: Paths, log: IO[bytes], reader: Reader
) -> AsyncIterator[None]:
    command = [sys.executable, "-m", "bridge.cli", "serve", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, env=dict(env), stdout=log, stderr=log)
    try:
        await _until(
            lambda: paths.connection_file.exists() or process.returncode is not None,
            reader.translate(
                text("The daemon didn't start within {seconds} s.", seconds=f"{DAEMON_TIMEOUT_S:.0f}")
            ),
            DAEMON_TIMEOUT_S,
        )
        reader.say(text("3. Daemon: {address}", address=ConnectionFile.read(paths.connection_file).ws))
        yield
    finally:
        await _end(process)


@contextlib.asynccontextmanager
async def _running(
    support: EditorSupport,
    editor: Sequence[str],
    project: Path,
    env: Mapping[str, str],
    paths: Paths,
    log: IO[bytes],
    reader: Reader,
) -> AsyncIterator[Process | None]:
    if not editor:
        work = asyncio.create_task(_stand_in(support, project, reader).run(paths.connection_file))
        try:
            yield None
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        return
    process = await launch(support.editor_command(editor, project), env, log, reader)
    try:
        yield process
    finally:
        await _end(process)


def _stand_in(support: EditorSupport, project: Path, reader: Reader) -> HeadlessEditor:
    # Plugins for 0.1.0 may lack the parameter.
    has_locale = "locale" in inspect.signature(support.headless).parameters
    locale_argument = {"locale": reader.tag} if has_locale else {}
    return support.headless(project, answer="apply", **locale_argument)


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()


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


def _popups(paths: Paths) -> list[str]:
    """Returns the texts of the popups, oldest first."""
    db = open_readonly(paths.database)
    assert db is not None
    with contextlib.closing(db.conn):
        rows = [unpack(row["message"], Popup) for row in db.query("SELECT message FROM popups ORDER BY id")]
    return [f"{popup.title}\n{popup.body}".rstrip() for popup in rows]


def _changes(receipts: Sequence[Mapping[str, Any]]) -> list[Change]:
    pairs = [
        (before, after)
        for receipt in receipts
        for before, after in zip(receipt["before"] or (), receipt["after"] or (), strict=True)
    ]
    return [Change(b["path"].split("://")[-1], b["options"], a["options"]) for b, a in pairs]


def _plain(options: Mapping[str, Any], reader: Reader) -> str:
    return ", ".join(reader.setting(name, value) for name, value in options.items())


async def _until(ready: Callable[[], bool], timeout_text: str, timeout_s: float) -> None:
    """Waits until `ready` is true. Raises UserError `timeout_text` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise UserError(timeout_text)
        await asyncio.sleep(0.1)
