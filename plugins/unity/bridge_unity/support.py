"""Installs the editor package into Unity projects, and removes it.

An embedded package needs no entry in the manifest: Unity loads each folder of `Packages` that has a
`package.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import sys
from collections.abc import Iterator, Mapping, Sequence
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
    read_text,
    text,
)
from bridge_unity import package_manifest, projects
from bridge_unity.package_manifest import MergeConflict, PackageManifest

CLIENT = "popbridge-unity"
"""The package's name in `identify`."""
NAME = "com.popbridge.editor"
PACKAGE = f"Packages/{NAME}"
SOURCE = Path(__file__).parent / "editor" / NAME
DESCRIPTION = projects.PACKAGE_FILE
TESTS = ("Tests", "Tests.meta")
FILES = ".popbridge-files.txt"
"""In the package's folder of a project: the files that PopBridge installed. Unity ignores hidden files."""
FILES_HEAD = "# Installed by PopBridge, which leaves other files in this folder alone.\n"
STATE = ("Library/PopBridge.state", "Library/PopBridge")
"""What the package writes in a project, and the folder of the record."""
RECORD = "Library/PopBridge/manifest.json"
"""The manifest before and after an entry was added."""
VERSIONS = ">=2021.3"
"""Without an end: the newest adapter serves newer versions, with a notice."""
MAX_LISTED = 200
"""Projects that are read from Unity Hub's list."""


class _Record(msgspec.Struct, frozen=True):
    """A `manifest.json` before and after the package was added."""

    before: bytes
    after: bytes


class UnityInstaller(AddonInstaller):
    """Installs the package, for all versions."""

    project_list = "Unity Hub"

    def project_version(self, project: Path) -> str | None:
        return projects.version(project)

    def serves(self, version: Version) -> bool:
        return SpecifierSet(VERSIONS).contains(version.base_version, prereleases=True)

    def known_projects(self) -> Sequence[Path]:
        return list(_hub_projects())

    def install(self, project: Path) -> Sequence[AssetChange]:
        _check_project(project)
        manifest = _manifest(project)
        entry = manifest.get(NAME) if manifest else None
        if entry is not None and not _is_own(project, entry):
            raise _elsewhere(project, entry)
        files = package_files()
        contents = {**files, FILES: _listing(files)}
        try:
            with ProjectFolder(project) as folder, Transaction(folder) as changes:
                obsolete = sorted({*_installed(folder)} - {*contents})
                # Unity loads the folder as soon as it is described.
                names = sorted(contents, key=lambda name: name == DESCRIPTION)
                done = [changes.write(_path(name), contents[name]) for name in names]
                done += [each for name in obsolete if (each := changes.remove(_path(name)))]
                if manifest is not None and entry is not None:
                    done.append(_forget(folder, changes, manifest))
                changes.commit()
                for name in obsolete:
                    folder.remove_empty_folders(posixpath.dirname(_path(name)))
                if entry is not None:
                    folder.remove_tree(posixpath.dirname(RECORD))
        except OSError as error:
            raise _unwritable(project / PACKAGE, error) from None
        return done

    def install_reference(self, project: Path) -> Sequence[AssetChange]:
        _check_project(project)
        manifest = _manifest(project)
        if manifest is None:
            raise UserError(
                text(
                    "{file} is missing, which Unity writes. Open the project in Unity once.",
                    file=project / package_manifest.FILE,
                )
            )
        package_files()
        entry, wanted = manifest.get(NAME), f"file:{SOURCE.as_posix()}"
        if entry is not None and not _is_own(project, entry):
            raise _elsewhere(project, entry)
        before = manifest.content
        manifest.set(NAME, wanted)
        try:
            with ProjectFolder(project) as folder, Transaction(folder) as changes:
                done = [changes.write(package_manifest.FILE, manifest.content)]
                record = _record(folder)
                if entry is None:
                    record = _Record(before, manifest.content)
                elif record is not None and record.after == before:
                    # Of a moved installation: the manifest from before the first one stays.
                    record = _Record(record.before, manifest.content)
                if record is not None:
                    changes.write(RECORD, msgspec.json.encode(record))
                done += _remove_files(folder, changes)
                changes.commit()
                folder.remove_empty_folders(PACKAGE)
        except OSError as error:
            raise _unwritable(project / package_manifest.FILE, error) from None
        return done

    def remove(self, project: Path) -> Sequence[AssetChange]:
        _check_project(project)
        embedded = os.path.lexists(project / PACKAGE)
        try:
            manifest = _manifest(project)
        except UserError:
            # An embedded package is independent of the manifest.
            if not embedded:
                raise
            manifest = None
        entry = manifest.get(NAME) if manifest else None
        if entry is not None and not _is_own(project, entry) and not embedded:
            raise _elsewhere(project, entry)
        try:
            with ProjectFolder(project) as folder, Transaction(folder) as changes:
                for path in (PACKAGE, *STATE):
                    folder.check(path, remove=True)
                done = _remove_files(folder, changes)
                if manifest is not None and entry is not None and _is_own(project, entry):
                    done.append(_forget(folder, changes, manifest))
                changes.commit()
                for path in STATE:
                    folder.remove(path)
                    folder.remove_tree(path)
                folder.remove_empty_folders(PACKAGE)
                if (project / "Library").is_dir() and not any((project / "Library").iterdir()):
                    folder.remove_empty_folders("Library")
        except OSError as error:
            raise _unwritable(project / PACKAGE, error) from None
        return done

    def reference(self, project: Path) -> str:
        try:
            manifest = _manifest(project)
        except UserError:
            return ""
        return (manifest.get(NAME) or "") if manifest and not (project / PACKAGE).exists() else ""

    def fault(self, project: Path) -> AnyText:
        if copies := _copies(project):
            return text("the folder {folder} contains it a second time", folder=copies[0])
        manifest = _manifest(project)
        if (project / PACKAGE).exists():
            named = _name(project / PACKAGE)
            return (
                "" if named == NAME else text("{file} doesn't describe it", file=f"{PACKAGE}/{DESCRIPTION}")
            )
        entry = manifest.get(NAME) if manifest else None
        if entry is None:
            return text("neither a folder nor an entry of {file} has it", file=package_manifest.FILE)
        folder = _target(project, entry)
        if folder is not None and _name(folder) != NAME:
            return text("{file} refers to {folder}, which has no such package",
                        file=package_manifest.FILE, folder=folder)  # fmt: skip
        return ""


def package_files() -> dict[str, bytes]:
    """Returns the package's files as they are installed. Raises UserError if they are missing."""
    paths = sorted(path for path in SOURCE.rglob("*") if path.is_file() and not _is_test(path))
    # Git may have converted the line breaks on Windows.
    files = {path.relative_to(SOURCE).as_posix(): path.read_bytes().replace(b"\r\n", b"\n") for path in paths}
    if DESCRIPTION not in files:
        raise UserError(
            text(
                "The addon is missing from this installation ({source}): reinstall PopBridge.", source=SOURCE
            )
        )
    return files


def _is_test(path: Path) -> bool:
    """Whether a file belongs to the package's tests, which only those want who get it from Git."""
    return path.relative_to(SOURCE).parts[0] in TESTS


def addon() -> Addon | None:
    """Returns the package of this installation, or None if it is missing."""
    try:
        files = package_files()
        # Unity reports this version. It is exact: a part after `+`, as in other addons, is no part of npm's
        # versions, and a package from a Git URL couldn't have it.
        version = str(json.loads(files[DESCRIPTION])["version"])
    except (OSError, ValueError, KeyError, UserError):
        return None
    contents = {**files, FILES: _listing(files)}
    digests = {_path(name): hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return Addon(CLIENT, version, digests)


def _check_project(project: Path) -> None:
    """Raises UserError for a folder that isn't a project, and for a second copy of the package in it."""
    if not (project / projects.VERSION_FILE).is_file():
        raise UserError(
            text(
                "{project} isn't a Unity project, which has {file}. Give the folder that you open in Unity.",
                project=project,
                file=projects.VERSION_FILE,
            )
        )
    if copies := _copies(project):
        raise UserError(
            text(
                "{folder} is the package {name}, too, and Unity can't load it twice. Remove that folder.",
                folder=project / copies[0],
                name=NAME,
            )
        )


def _copies(project: Path) -> list[str]:
    """Returns the other folders that are this package: in `Packages`, or below `Assets`, where it is imported
    as well.
    """
    patterns = (f"Packages/*/{DESCRIPTION}", f"Assets/*/{DESCRIPTION}", f"Assets/*/*/{DESCRIPTION}")
    found = (file.parent for pattern in patterns for file in project.glob(pattern))
    folders = [folder.relative_to(project).as_posix() for folder in found if _name(folder) == NAME]
    return sorted(folder for folder in folders if folder != PACKAGE)


def _name(folder: Path) -> object:
    """Returns the name of the package in a folder; None without one."""
    try:
        found = json.loads(read_text(folder / DESCRIPTION).removeprefix(projects.BOM))
    except (OSError, ValueError, RecursionError):
        return None
    return found.get("name") if isinstance(found, dict) else None


def _manifest(project: Path) -> PackageManifest | None:
    """Returns the project's manifest; None if it has none. Raises UserError if it can't be read."""
    file = project / package_manifest.FILE
    try:
        with ProjectFolder(project) as folder:
            return PackageManifest(folder.read(package_manifest.FILE))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except MergeConflict:
        raise UserError(text("{file} has a merge conflict. Resolve it first.", file=file)) from None
    except OSError as error:
        raise UserError(
            text("Can't read {file} ({reason}).", file=file, reason=error.strerror or error)
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            text(
                "{file} isn't a valid package manifest ({reason}). Correct it, or restore it from version "
                "control.",
                file=file,
                reason=error,
            )
        ) from None


def _target(project: Path, entry: str) -> Path | None:
    """Returns the folder that an entry of the manifest refers to, relative to `Packages`; None for others."""
    if not entry.startswith("file:"):
        return None
    return Path(os.path.normpath(project / "Packages" / entry.removeprefix("file:")))


def _is_own(project: Path, entry: str) -> bool:
    """Whether an entry refers to this installation, or to one before PopBridge was moved or updated."""
    folder = _target(project, entry)
    # The folders of this file's package, as in any installation.
    own = PurePosixPath(*SOURCE.parts[-3:])
    return folder is not None and PurePosixPath(*folder.parts[-3:]) == own


def _elsewhere(project: Path, entry: str) -> UserError:
    return UserError(
        text(
            "{file} gets {name} from {entry}. Update or remove it in Unity's Package Manager, or delete the "
            "line and run this command again.",
            file=project / package_manifest.FILE,
            name=NAME,
            entry=entry,
        )
    )


def _record(folder: ProjectFolder) -> _Record | None:
    try:
        return msgspec.json.decode(folder.read(RECORD), type=_Record)
    except (OSError, msgspec.DecodeError):
        return None


def _forget(folder: ProjectFolder, changes: Transaction, manifest: PackageManifest) -> AssetChange:
    """Plans to restore the manifest, byte for byte if nobody has edited it since."""
    record = _record(folder)
    if record is not None and record.after == manifest.content:
        return changes.write(package_manifest.FILE, record.before)
    manifest.remove(NAME)
    return changes.write(package_manifest.FILE, manifest.content)


def _installed(folder: ProjectFolder) -> list[str]:
    """Returns the files that the list in a project names, perhaps of an older version. Raises OSError."""
    try:
        lines = folder.read(_path(FILES)).decode("utf-8", "replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [line for line in lines if _is_safe_name(line)]


def _is_safe_name(name: str) -> bool:
    """Whether a line of the list, which anybody may have edited, is a path inside the package's folder."""
    path = PurePosixPath(name)
    is_odd = not name or name.startswith("#") or not {":", "\\", "\0"}.isdisjoint(name)
    return not is_odd and not path.is_absolute() and ".." not in path.parts


def _remove_files(folder: ProjectFolder, changes: Transaction) -> list[AssetChange]:
    """Plans to remove the package's files."""
    names = {*_installed(folder), *package_files(), FILES}
    # The description first, so that Unity never sees half of it; the list last, for the next run.
    order = sorted(names, key=lambda name: (name == FILES, name != DESCRIPTION, name))
    return [each for name in order if (each := changes.remove(_path(name)))]


def _listing(names: Mapping[str, bytes]) -> bytes:
    return (FILES_HEAD + "".join(f"{name}\n" for name in names)).encode()


def _path(name: str) -> str:
    """Returns the path of a package's file below the project."""
    return f"{PACKAGE}/{name}"


def _hub_projects() -> Iterator[Path]:
    """Yields the projects in Unity Hub's list that exist, the last opened first."""
    try:
        found = json.loads(read_text(hub_folder() / "projects-v1.json"))
        listed = [each for each in found["data"].values() if isinstance(each, dict)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return
    opened = sorted(listed, key=lambda each: -_number(each.get("lastModified")))
    for each in opened[:MAX_LISTED]:
        path = each.get("path")
        if isinstance(path, str) and (Path(path) / projects.VERSION_FILE).is_file():
            yield Path(path)


def hub_folder() -> Path:
    """Returns the folder with Unity Hub's lists."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", "")) / "UnityHub"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/UnityHub"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "UnityHub"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        text("Can't write {file} ({reason}).", file=error.filename or path, reason=error.strerror or error)
    )
