"""The demo's editor: its start, the screen that it is shown on, and pictures of its window."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import click
from msgspec import Struct
from rich.cells import cell_len

from accel.text import AnyText, text
from bridge import locale
from bridge.api import EditorCamera
from bridge.core.errors import UserError


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

    def say(self, label: AnyText, *lines: AnyText) -> None:
        """Prints a step: its label, and its lines below one another."""
        head = pad(self.translate(label), LABEL)
        for line in lines:
            click.echo(f"{head}{self.translate(line)}")
            head = " " * LABEL


ENGLISH = Reader()
LABEL = 9
"""Width of the steps' labels in columns."""


def pad(words: str, width: int) -> str:
    """Fills up `words` to a width in columns; Chinese characters take two."""
    return words + " " * max(1, width - cell_len(words))


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
        message = text(
            "Can't start the editor: {program} {reason}. {hint}",
            program=command[0],
            reason=_start_error(command[0], error),
            hint=text("`popbridge demo --headless` needs no real editor."),
        )
        raise EditorError(reader.translate(message)) from None


def _start_error(program: str, error: OSError) -> AnyText:
    """Returns the reason for a failed start. Checks the file, because system errors are ambiguous."""
    if os.path.isdir(program):
        return text("is a folder; give the program in it")
    if isinstance(error, FileNotFoundError):
        # A script's interpreter or a program's loader may be missing instead.
        return text("needs a program that is missing") if os.path.exists(program) else text("does not exist")
    if error.errno in _FOREIGN or getattr(error, "winerror", None) == _MACHINE_TYPE_MISMATCH:
        return text("is not a program for this computer; use one for its system and processor")
    if os.name == "posix" and os.path.isfile(program) and not os.access(program, os.X_OK):
        return text("is not executable; run `chmod +x` on it")
    return text("can't be started ({reason}); check its permissions", reason=error.strerror or error)


async def end(process: Process) -> None:
    """Ends a process; kills it after 10 s."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()


def has_display(env: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether the user sees windows that this process opens."""
    return platform in ("win32", "darwin") or bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))


def is_interactive(env: Mapping[str, str] = os.environ) -> bool:
    """Whether somebody can be asked: there is a terminal, and it isn't a build's."""
    return not env.get("CI") and sys.stdin.isatty() and sys.stdout.isatty()


SCREEN = (1440, 900)
"""Pixels of a virtual screen."""


@contextlib.contextmanager
def virtual_screen(size: tuple[int, int] = SCREEN) -> Iterator[dict[str, str]]:
    """Starts Xvfb, which nobody sees; yields the environment of programs that draw there. Raises OSError."""
    read, write = os.pipe()
    screen = "{}x{}x24".format(*size)
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as number:
                name = number.readline().strip()
            if not name:
                raise OSError(errno.EIO, os.strerror(errno.EIO), command[0])
            yield {"DISPLAY": f":{name}", "WAYLAND_DISPLAY": "", "LIBGL_ALWAYS_SOFTWARE": "1"}
        finally:
            server.terminate()


def has_virtual_screen() -> bool:
    """Whether `virtual_screen` works on this machine."""
    return sys.platform not in ("win32", "darwin") and shutil.which("Xvfb") is not None


class PictureError(Exception):
    """The editor's window can't be pictured; the demo works without."""


PICTURE_TIMEOUT_S = 150.0
"""Time limit for a picture. The first one waits for the editor's start and its first import."""


async def ask(
    camera: EditorCamera,
    process: Process,
    name: str,
    *,
    select: str = "",
    press: str = "",
    alone: bool = False,
    timeout_s: float = PICTURE_TIMEOUT_S,
) -> bytes:
    """Waits for a picture, which is empty with `press`. Raises PictureError."""
    deadline = time.monotonic() + timeout_s
    try:
        camera.request(name, select=select, press=press, alone=alone)
        while not camera.is_done(name):
            if process.returncode is not None:
                raise PictureError(f"the editor exited with code {process.returncode}")
            if time.monotonic() > deadline:
                raise PictureError(f"no picture `{name}` within {timeout_s:.0f} s")
            await asyncio.sleep(0.1)
        return b"" if press else await asyncio.to_thread(camera.picture, name)
    except OSError as error:
        raise PictureError(str(error)) from error


def compact(png: bytes) -> bytes:
    """Returns a screenshot with a palette, which is smaller: editors have few colours."""
    import pyvips

    image = pyvips.Image.new_from_buffer(png, "")
    data: bytes = image.pngsave_buffer(palette=True, effort=8, compression=9, keep="none")
    return data
