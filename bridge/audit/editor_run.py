"""Runs an engine's editor for an audit, and reads its report.

The editor gets a private folder for its report, pictures and log, and is ended with all that it started after
a time limit or Ctrl-C. It belongs to the user, as do the project's own scripts that it runs, so it isn't
sandboxed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from accel.atomic_file import write_atomic
from accel.text import AnyText, sentences, text
from bridge.api import BatchEditor, EditorCommand, EditorReport, UserError
from bridge.audit.project import Project
from bridge.core.text import printable
from bridge.host import isolation
from bridge.paths import quoted

Result = TypeVar("Result")

REPORT, LOG, OUTPUT = "report.json", "editor.log", "output.log"
VERSION = 1
"""Of the report's format."""
MAX_REPORT = 512 << 20
MAX_LOG = 4 << 20
"""Bytes read from the end of a log."""
MERCY_S = 5.0
"""Time for an editor to end by itself before it is killed."""
MAX_WATCHED = 200_000
"""Files of a project that are compared before and after."""


@contextlib.contextmanager
def editor_report(
    project: Project, editor: Path | None, log: Path, timeout_s: float
) -> Iterator[tuple[EditorReport, Path, list[AnyText]]]:
    """Runs the project's editor, and yields its report, the folder of its pictures, and notices.

    `editor` is the program, None to search it. The editor's log is copied to `log`. Raises UserError if there
    is no report, with the reason and a remedy.
    """
    batch = project.adapter.batch_editor if project.adapter else None
    if project.adapter is None or batch is None:
        raise UserError(
            text(
                "--with-editor needs a project whose editor runs without a window; {root} is of {engine}.",
                root=project.root,
                engine=project.title or text("no known engine"),
            )
        )
    program = _program(project, batch, editor)
    with tempfile.TemporaryDirectory(prefix="popbridge-editor-", ignore_cleanup_errors=True) as name:
        folder = Path(os.path.realpath(name))
        command = _call(project, lambda: batch.command(program, project.root, folder))
        before = _listing(project.root, batch)
        begin = time.monotonic()
        code = _run(command, project.root, folder, timeout_s)
        _keep_log(folder, log)
        report = _read(folder)
        if report is None:
            raise UserError(_failure(project, batch, program, folder, code, timeout_s, log))
        notices: list[AnyText] = [
            text(
                "{engine} {version} has read {n} textures in {seconds} s: {values}.",
                engine=project.adapter.scheme.name,
                version=report.engine,
                n=len(report.textures),
                seconds=round(time.monotonic() - begin),
                values=_values(report),
            )
        ]
        if report.errors:
            notices.append(
                text(
                    "The editor couldn't read everything ({count}): {first}",
                    count=len(report.errors),
                    first=printable(report.errors[0][:200]),
                )
            )
        changed = sorted(before.items() ^ _listing(project.root, batch).items())
        if changed:
            notices.append(
                text(
                    "Files of the project changed while the editor read it: {files}. See `git status`.",
                    files=list(dict.fromkeys(file for file, _ in changed))[:3],
                )
            )
        yield _call(project, lambda: batch.complete(project.root, report)), folder, notices


def _values(report: EditorReport) -> list[AnyText]:
    """Returns which values the report has, for people."""
    textures = report.textures
    found: list[tuple[object, AnyText]] = [
        (any(each.options is not None for each in textures), text("import settings")),
        (any(each.picture for each in textures), text("pixels")),
        (any(each.used_as for each in textures), text("uses in materials")),
        (any(each.format for each in textures), text("GPU formats")),
        (any(each.memory for each in textures), text("GPU memory ({platform})", platform=report.platform)),
    ]
    return [name for has, name in found if has] or [text("nothing")]


def _program(project: Project, batch: BatchEditor, editor: Path | None) -> Path:
    """Returns the editor's program. Raises UserError."""
    if editor is None:
        found = _call(project, lambda: batch.find(project.root))
        if not found:
            raise UserError(
                text(
                    "No editor for {engine} was found on this machine. Install it, or name its program with "
                    "--editor PATH.",
                    engine=project.title,
                )
            )
        return found[0]
    if editor.is_dir():
        raise UserError(text("{path} is a folder. Name the editor's program.", path=editor))
    if not editor.exists():
        raise UserError(text("The editor {path} does not exist.", path=editor))
    return editor.absolute()


def _call(project: Project, function: Callable[[], Result]) -> Result:
    """Calls a method of the adapter, which is a plugin. Raises UserError."""
    try:
        return function()
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(
            text(
                "The adapter for {engine} can't run the editor: {reason}.",
                engine=project.title,
                reason=isolation.describe(error),
            )
        ) from error


def _run(command: EditorCommand, project: Path, folder: Path, timeout_s: float) -> int | None:
    """Runs the command until it ends; returns its exit code, None after the time limit. Raises UserError."""
    # A group of its own, so that Ctrl-C reaches it only through this process.
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with (folder / OUTPUT).open("wb") as output:
        try:
            process = subprocess.Popen(
                [*command.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=project,
                env={**os.environ, **command.env},
                creationflags=flags,
                start_new_session=True,
            )
        except OSError as error:
            program = command.arguments[0]
            if isinstance(error, PermissionError) and sys.platform != "win32":
                raise UserError(
                    text(
                        "{path} may not be run as a program. Allow it with `chmod +x {quoted}`, or name the "
                        "editor's program.",
                        path=program,
                        quoted=quoted(Path(program)),
                    )
                ) from None
            raise UserError(
                text(
                    "Can't start the editor {path} ({reason}). Name the editor's program with --editor PATH.",
                    path=program,
                    reason=error.strerror or error,
                )
            ) from None
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # Also after Ctrl-C.
            if process.poll() is None:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and all that it started: importers, shader compilers."""
    with contextlib.suppress(psutil.Error):
        program = psutil.Process(process.pid)
        alive = [program, *program.children(recursive=True)]
        for each in alive:
            with contextlib.suppress(psutil.Error):
                each.terminate()
        _, stubborn = psutil.wait_procs(alive, MERCY_S)
        for each in stubborn:
            with contextlib.suppress(psutil.Error):
                each.kill()
    process.kill()
    process.wait()


def _read(folder: Path) -> EditorReport | None:
    """Returns the report; None if it is missing or isn't one."""
    try:
        file = folder / REPORT
        if not 0 < file.stat().st_size <= MAX_REPORT:
            return None
        report = msgspec.json.decode(file.read_bytes(), type=EditorReport)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return report if report.version == VERSION else None


def _failure(
    project: Project,
    batch: BatchEditor,
    program: Path,
    folder: Path,
    code: int | None,
    timeout_s: float,
    log: Path,
) -> AnyText:
    """Returns why there is no report, for people."""
    where = text("The editor's log is {log}.", log=log)
    if code is None:
        return sentences((
            text(
                "{engine} didn't finish within {seconds} s and was ended. Give it more with "
                "--editor-timeout SECONDS.",
                engine=project.title,
                seconds=f"{timeout_s:g}",
            ),
            where,
        ))  # fmt: skip
    said_by_editor = _log(folder)
    if not said_by_editor.strip() and code >= 0 and not (folder / REPORT).exists():
        return text(
            "{path} ended with the exit code {code}, without a log or a report. Is it {engine}'s program? "
            "Name that with --editor PATH.",
            path=program,
            code=code,
            engine=project.adapter.scheme.name if project.adapter else "",
        )
    reason = _call(project, lambda: batch.failure(said_by_editor))
    if reason:
        return sentences((reason, where))
    if (folder / REPORT).exists():
        said = text("{engine} wrote a report that can't be read.", engine=project.title)
    elif code < 0:
        said = text("{engine} crashed (signal {number}).", engine=project.title, number=-code)
    elif code:
        said = text("{engine} ended with the exit code {code}.", engine=project.title, code=code)
    else:
        said = text("{engine} ended without a report.", engine=project.title)
    return sentences((said, where))


def _log(folder: Path) -> str:
    """Returns the end of what the editor has logged and printed."""
    found = []
    for name in (OUTPUT, LOG):
        with contextlib.suppress(OSError), (folder / name).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MAX_LOG))
            found.append(file.read(MAX_LOG).decode("utf-8", "replace"))
    return "\n".join(found)


def _keep_log(folder: Path, log: Path) -> None:
    """Replaces the log of the last run."""
    # An audit needn't fail because of its log.
    with contextlib.suppress(OSError):
        write_atomic(log, _log(folder).encode())


def _listing(root: Path, batch: BatchEditor) -> dict[str, tuple[int, int]]:
    """Returns size and time of the project's files without caches and hidden folders."""
    skipped = {*getattr(batch, "caches", ())}
    found: dict[str, tuple[int, int]] = {}
    waiting = [""]
    while waiting and len(found) < MAX_WATCHED:
        folder = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.name.startswith(".") or path in skipped:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                else:
                    state = entry.stat(follow_symlinks=False)
                    found[path] = (state.st_size, state.st_mtime_ns)
    return found
