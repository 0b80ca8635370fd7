"""Installs the editor plugin into Unreal projects, and removes it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import msgspec
from packaging.specifiers import SpecifierSet

from bridge.api import (
    Addon,
    AddonInstaller,
    AnyText,
    AssetChange,
    ProjectFolder,
    Transaction,
    UserError,
    Version,
    text,
)
from bridge_unreal import engines
from bridge_unreal.descriptor import Descriptor

CLIENT = "popbridge-unreal"
"""The plugin's name in `identify`."""
NAME = "PopBridge"
PLUGIN = f"Plugins/{NAME}"
SOURCE = Path(__file__).parent / "editor" / NAME
MANIFEST = "files.txt"
"""In the plugin's folder of a project: the files that PopBridge installed."""
MANIFEST_HEAD = "# Installed by PopBridge, which leaves other files in this folder alone.\n"
STAMPED = "Content/Python/popbridge_unreal/__init__.py"
DESCRIPTION = f"{NAME}.uplugin"
"""Both have the version, which is written when they are installed."""
STATE = f"Saved/{NAME}"
"""The folder of the plugin's state, and of the record of the `.uproject` before installing."""
RECORD = f"{STATE}/uproject.json"
CACHES = (f"{PLUGIN}/Content/Python/__pycache__", f"{PLUGIN}/Content/Python/popbridge_unreal/__pycache__")
"""Folders that Python may write."""
VERSIONS = ">=4.27"
"""Without an end: the newest adapter serves newer versions, with a notice."""
_VERSION_LINE = re.compile(rb'^VERSION = "[^"]*"', re.MULTILINE)
_VERSION_NAME = re.compile(rb'"VersionName": "[^"]*"')


class _Record(msgspec.Struct, frozen=True):
    """A `.uproject` before and after the plugin was enabled."""

    before: bytes
    after: bytes


class UnrealInstaller(AddonInstaller):
    """Installs the plugin, for all versions."""

    def project_version(self, project: Path) -> str | None:
        return engines.project_version(project)

    def serves(self, version: Version) -> bool:
        # PEP 440 sorts 5.4rc before 5.4, but it has the features of 5.4.
        return SpecifierSet(VERSIONS).contains(version.base_version, prereleases=True)

    def install(self, project: Path) -> Sequence[AssetChange]:
        file = _descriptor_file(project)
        try:
            with ProjectFolder(project) as folder, Transaction(folder) as changes:
                files = plugin_files()
                contents = {**files, MANIFEST: _manifest(files)}
                obsolete = sorted({*_installed(folder)} - {*contents})
                old = folder.read(file)
                new = _edited(project / file, old, enable=True)
                done = [changes.write(_path(name), content) for name, content in contents.items()]
                done += [each for name in obsolete if (each := changes.remove(_path(name)))]
                if new != old:
                    changes.write(RECORD, msgspec.json.encode(_Record(old, new)))
                # Enabled last: Unreal refuses a project whose plugin is missing.
                done.append(changes.write(file, new))
                changes.commit()
        except OSError as error:
            raise _unwritable(project / PLUGIN, error) from None
        return done

    def remove(self, project: Path) -> Sequence[AssetChange]:
        file = _descriptor_file(project)
        try:
            with ProjectFolder(project) as folder, Transaction(folder) as changes:
                names = sorted({*_installed(folder), *plugin_files(), MANIFEST})
                for path in (STATE, *CACHES):
                    folder.check(path, remove=True)
                # Disabled first: Unreal refuses a project whose plugin is missing.
                done = [changes.write(file, _before(folder, project / file, folder.read(file)))]
                done += [each for name in names if (each := changes.remove(_path(name)))]
                changes.commit()
                for path in (STATE, *CACHES):
                    folder.remove_tree(path)
                folder.remove_empty_folders(PLUGIN)
                for name in ("Saved", "Plugins"):
                    if (project / name).is_dir() and not any((project / name).iterdir()):
                        folder.remove_empty_folders(name)
        except OSError as error:
            raise _unwritable(project / PLUGIN, error) from None
        return done

    def fault(self, project: Path) -> AnyText:
        file = project / _descriptor_file(project)
        try:
            content = file.read_bytes()
            enabled = Descriptor(content).is_enabled(NAME)
        except OSError as error:
            raise UserError(text("Can't read {file} ({reason}).", file=file, reason=error)) from None
        except ValueError as error:
            raise engines.broken_error(file, content, error) from None
        return "" if enabled else text("it is disabled in {file}", file=file.name)


def plugin_files() -> dict[str, bytes]:
    """Returns the plugin's files as they are installed; the version identifies their exact content.

    Raises UserError if they are missing.
    """
    paths = sorted(path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    # Git may have converted the line breaks on Windows.
    files = {path.relative_to(SOURCE).as_posix(): path.read_bytes().replace(b"\r\n", b"\n") for path in paths}
    if STAMPED not in files or DESCRIPTION not in files:
        raise UserError(
            text(
                "The addon is missing from this installation ({source}): reinstall PopBridge.", source=SOURCE
            )
        )
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(name.encode() + b"\0" + content + b"\0")
    release = version("popbridge")
    stamp = f'VERSION = "{release}+{digest.hexdigest()[:8]}"'.encode()
    entry = f'"VersionName": "{release}"'.encode()
    return {
        **files,
        STAMPED: _VERSION_LINE.sub(stamp, files[STAMPED], count=1),
        DESCRIPTION: _VERSION_NAME.sub(entry, files[DESCRIPTION], count=1),
    }


def addon() -> Addon | None:
    """Returns the plugin of this installation, or None if it is missing."""
    try:
        files = plugin_files()
    except (OSError, UserError):
        return None
    found = re.search(rb'^VERSION = "(.*)"', files[STAMPED], re.MULTILINE)
    contents = {**files, MANIFEST: _manifest(files)}
    digests = {_path(name): hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return Addon(CLIENT, found[1].decode() if found else "", digests)


def _descriptor_file(project: Path) -> str:
    found = engines.descriptor_file(project)
    if found is None:
        raise UserError(text("{project} isn't an Unreal project: it has no .uproject file.", project=project))
    return found.name


def _edited(file: Path, content: bytes, *, enable: bool) -> bytes:
    """Returns a `.uproject` with the plugin, or without it. Raises UserError."""
    try:
        descriptor = Descriptor(content)
        if enable:
            descriptor.enable(NAME)
        else:
            descriptor.disable(NAME)
    except ValueError as error:
        raise engines.broken_error(file, content, error) from None
    return descriptor.content


def _before(folder: ProjectFolder, file: Path, content: bytes) -> bytes:
    """Returns the `.uproject` as it was before installing, byte for byte if nobody has edited it since."""
    try:
        record = msgspec.json.decode(folder.read(RECORD), type=_Record)
    except (OSError, msgspec.DecodeError):
        return _edited(file, content, enable=False)
    return record.before if record.after == content else _edited(file, content, enable=False)


def _installed(folder: ProjectFolder) -> list[str]:
    """Returns the files that the manifest in a project names, perhaps of an older version. Raises OSError."""
    try:
        lines = folder.read(_path(MANIFEST)).decode("utf-8", "replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [line for line in lines if _is_safe_name(line)]


def _is_safe_name(name: str) -> bool:
    """Whether a line of the manifest, which anybody may have edited, is a path inside the plugin's folder."""
    path = PurePosixPath(name)
    is_odd = not name or name.startswith("#") or not {":", "\\", "\0"}.isdisjoint(name)
    return not is_odd and not path.is_absolute() and ".." not in path.parts


def _manifest(names: Iterable[str]) -> bytes:
    return (MANIFEST_HEAD + "".join(f"{name}\n" for name in names)).encode()


def _path(name: str) -> str:
    """Returns the path of a plugin's file below the project."""
    return f"{PLUGIN}/{name}"


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        text("Can't write {file} ({reason}).", file=error.filename or path, reason=error.strerror or error)
    )
