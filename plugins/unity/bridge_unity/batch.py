"""Runs Unity without a window for audits, with a method of the installed package.

Opening a project in another version upgrades it, and Unity writes a `.meta` file beside each asset without
one: such projects aren't opened.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from bridge.api import (
    AnyText,
    BatchEditor,
    EditorCommand,
    EditorReport,
    EditorTexture,
    EditorUse,
    UserError,
    is_hidden,
    read_text,
    text,
    walk,
)
from bridge_unity import projects
from bridge_unity.support import UnityInstaller, hub_folder
from bridge_unity.usage import SLOTS

METHOD = "PopBridge.Editor.BatchAudit.Run"
VERSION_S = 60.0
"""Time for an editor to print its version."""
LOCK = "Temp/UnityLockfile"
SURFACES = re.compile(
    r"Standard(?: \(Specular setup\))?|Universal Render Pipeline/(?:Complex |Simple )?Lit|"
    r"HDRP/(?:Layered)?Lit\w*"
)
"""Unity's shaders whose slots have one meaning each; others use their names for anything."""

OPEN = text("Another Unity has the project open. Close it, then run this again.")
LICENSE = text(
    "Unity has no valid licence on this machine. Sign in with Unity Hub, or activate one with "
    "`Unity -batchmode -serial`."
)
FAILURES: Sequence[tuple[str, AnyText]] = (
    (r"another Unity instance is running|Multiple Unity instances cannot open the same project", OPEN),
    (
        r"No valid Unity Editor license|Unity license.*(?:expired|invalid)|Failed to activate/update license|"
        r"not activated with a valid License|com\.unity\.editor\.headless.*was not found",
        LICENSE,
    ),
    (
        r"executeMethod (?:class|method) .*(?:could not be found|couldn't be found)",
        text("The PopBridge package in the project is too old. Run `popbridge install unity` and try again."),
    ),
    (
        r"Scripts have compiler errors|error CS\d{4}:",
        text("The project's scripts have errors, so Unity ran nothing. Mend them in the editor first."),
    ),
    (
        r"An error occurred while resolving packages|Failed to resolve packages",
        text("Unity couldn't get the project's packages. Open the project once with a network connection."),
    ),
    (r"No space left on device|There is not enough space on the disk", text("The disk is full.")),
)
"""Why Unity ended, by what its log says; the first that fits."""


class UnityBatch(BatchEditor):
    """Finds and runs the editor of a project's exact version."""

    caches = ("Library", "Temp", "Logs", "UserSettings", "obj")

    def find(self, project: Path) -> Sequence[Path]:
        version = projects.version(project)
        return list(dict.fromkeys(_editors(version))) if version else []

    def command(self, editor: Path, project: Path, folder: Path) -> EditorCommand:
        version = projects.version(project)
        if fault := UnityInstaller().fault(project):
            raise UserError(
                text(
                    "Unity reads the project with PopBridge's package, but {fault}. Run `popbridge install "
                    "unity` for it first.",
                    fault=fault,
                )
            )
        if _is_locked(project / LOCK):
            raise UserError(OPEN)
        found = _version_of(editor)
        if found and found != version:
            raise UserError(
                text(
                    "{editor} is Unity {found}, but the project is of {version}; opening would upgrade it. "
                    "Install {version} with Unity Hub.",
                    editor=editor,
                    found=found,
                    version=version,
                )
            )
        if bare := _without_meta(project):
            raise UserError(
                text(
                    "Unity would write a .meta file for {file}. Open the project in Unity, and commit its "
                    ".meta files first.",
                    file=bare,
                )
            )
        arguments = [
            *(str(editor), "-batchmode", "-nographics", "-quit", "-projectPath", str(project.absolute())),
            *("-executeMethod", METHOD, "-logFile", str(folder / "editor.log")),
        ]
        return EditorCommand(arguments, {"POPBRIDGE_REPORT": str(folder / "report.json")})

    def failure(self, log: str) -> AnyText:
        return next((reason for pattern, reason in FAILURES if re.search(pattern, log)), "")

    def complete(self, project: Path, report: EditorReport) -> EditorReport:
        return replace(report, textures=[_with_kinds(each) for each in report.textures])


def _with_kinds(texture: EditorTexture) -> EditorTexture:
    return replace(texture, used_as=[_with_kind(use) for use in texture.used_as])


def _with_kind(use: EditorUse) -> EditorUse:
    kinds = SLOTS.get(use.slot, ()) if SURFACES.fullmatch(use.shader) else ()
    return replace(use, kind=kinds[0]) if len(kinds) == 1 and not use.kind else use


def _editors(version: str) -> Iterator[Path]:
    """Yields the programs of this version that Unity Hub has installed or was told of, and an own one."""
    if own := os.environ.get("UNITY_EDITOR_PATH"):
        yield from _existing(Path(own))
    for folder in _hub_editors():
        yield from _existing(_program(folder / version))
    for place in _located(version):
        yield from _existing(place)
        yield from _existing(_program(place))


def _existing(program: Path) -> Iterator[Path]:
    if program.is_file():
        yield program


def _program(folder: Path) -> Path:
    """Returns the editor's program in the folder of an installation."""
    if sys.platform == "win32":
        return folder / "Editor/Unity.exe"
    return folder / ("Unity.app/Contents/MacOS/Unity" if sys.platform == "darwin" else "Editor/Unity")


def _hub_editors() -> Iterator[Path]:
    """Yields the folders in which Unity Hub installs editors: the user's choice, then the usual one."""
    try:
        chosen = json.loads(read_text(hub_folder() / "secondaryInstallPath.json"))
    except (OSError, ValueError, RecursionError):
        chosen = ""
    if isinstance(chosen, str) and chosen:
        yield Path(chosen)
    if sys.platform == "win32":
        yield Path(os.environ.get("PROGRAMFILES", "C:/Program Files")) / "Unity/Hub/Editor"
    elif sys.platform == "darwin":
        yield Path("/Applications/Unity/Hub/Editor")
    else:
        yield Path.home() / "Unity/Hub/Editor"


def _located(version: str) -> Iterator[Path]:
    """Yields the editors of this version that were added to Unity Hub by hand."""
    for name in ("editors-v2.json", "editors.json"):
        try:
            found = json.loads(read_text(hub_folder() / name))
        except (OSError, ValueError, RecursionError):
            continue
        entries = found.get("data", [*found.values()]) if isinstance(found, dict) else found
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and entry.get("version") == version:
                places = entry.get("location", ())
                for place in [places] if isinstance(places, str) else places:
                    yield Path(str(place))


def _version_of(editor: Path) -> str:
    """Returns the version that an editor prints; empty if it prints none."""
    # Unity Hub's folders have the version in their names, and a start takes seconds.
    for part in editor.parts[::-1]:
        if re.fullmatch(r"\d+\.\d+\.\d+[abfp]\d+", part):
            return part
    try:
        printed = subprocess.run(
            [str(editor), "-version"],
            capture_output=True,
            timeout=VERSION_S,
            stdin=subprocess.DEVNULL,
            check=False,
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"^\s*(\d+\.\d+\.\d+[abfp]\d+)\b", printed, re.MULTILINE)
    return found[1] if found else ""


def _is_locked(file: Path) -> bool:
    """Whether a running editor holds the project's lock; it stays behind after a crash."""
    if sys.platform == "win32":
        try:
            with file.open("r+b"):
                return False
        except PermissionError:
            return True
        except OSError:
            return False
    import fcntl

    try:
        with file.open("r+b") as opened:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    # Without a lock of the system, the editor's log tells.
    except OSError:
        return False
    return False


def _without_meta(project: Path) -> str:
    """Returns the first asset without a `.meta` file; empty if all have one."""
    for found in walk(project / "Assets", _is_unimported):
        file = f"Assets/{found.file}"
        if found.problem or file.endswith((".meta", "~", ".tmp")):
            continue
        if not (project / f"{file}.meta").exists():
            return file
    return ""


def _is_unimported(folder: str, names: Collection[str]) -> bool:
    """Whether Unity imports nothing of a folder below `Assets`."""
    name = folder.rpartition("/")[2].lower()
    return is_hidden(folder, names) or name == "cvs" or name.endswith(("~", *projects.NATIVE_PLUGINS))
