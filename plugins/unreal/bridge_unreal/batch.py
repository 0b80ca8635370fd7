"""Runs Unreal's Python commandlet for audits. The project needs no plugin for it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bridge.api import AnyText, BatchEditor, EditorCommand, UserError, read_text, text
from bridge_unreal import engines
from bridge_unreal.support import SOURCE

SCRIPT = "popbridge_unreal/batch_audit.py"
ENGINE_FOLDER = {"win32": "Win64", "darwin": "Mac"}.get(sys.platform, "Linux")
FAILURES: Sequence[tuple[str, AnyText]] = (
    (
        r"modules are missing or built with a different engine version|could not be compiled|"
        r"Incompatible or missing module",
        text(
            "The project's C++ modules aren't built for this editor. Build the project, then run this again."
        ),
    ),
    (
        r"Unable to find plugin '?PythonScriptPlugin|pythonscript.*(?:looks like|not found)|"
        r"Commandlet pythonscript.* not found",
        text("This build of Unreal has no Python: its plugin PythonScriptPlugin is missing."),
    ),
    (
        r"Failed to open descriptor file|is not compatible with the current engine version",
        text("Unreal can't open the project with this version. Name another editor with --editor PATH."),
    ),
    (r"Out of memory|Ran out of memory", text("Unreal ran out of memory.")),
    (r"There is not enough space on the disk|No space left on device", text("The disk is full.")),
    (
        r"LogPython: Error|Traceback \(most recent call last\)",
        text("A Python script failed in the editor: PopBridge's, or one of the project's."),
    ),
)
"""Why Unreal ended, by what its log says; the first that fits."""


class UnrealBatch(BatchEditor):
    """Finds and runs the editor of a project's version."""

    caches = ("Saved", "Intermediate", "DerivedDataCache", "Binaries")

    def find(self, project: Path) -> Sequence[Path]:
        file = engines.descriptor_file(project)
        version = engines.project_version(project)
        if file is None or version is None:
            return []
        found = []
        for root in _roots(project, engines.association(file), version):
            found += [program for program in _programs(root) if program.is_file()]
        return list(dict.fromkeys(found))

    def command(self, editor: Path, project: Path, folder: Path) -> EditorCommand:
        file = engines.descriptor_file(project)
        if file is None:
            raise UserError(text("{project} has no .uproject file.", project=project))
        # The commandlet cuts the script's path at a space, quotes or not.
        script = folder / "audit.py"
        script.write_text(_STARTER, "utf-8")
        if " " in (place := _without_spaces(script)):
            raise UserError(
                text(
                    "Unreal can't run a script from {folder}, which has a space. Set TMPDIR (on Windows: "
                    "TEMP) to a folder without one.",
                    folder=folder,
                )
            )
        arguments = [
            *(str(editor), str(file.absolute()), "-run=pythonscript", f"-script={place}"),
            *(
                "-EnablePlugins=PythonScriptPlugin",
                "-unattended",
                "-nosplash",
                "-nullrhi",
                "-nosound",
                "-nop4",
            ),
            *("-stdout", f"-abslog={_without_spaces(folder)}{os.sep}editor.log"),
        ]
        env = {
            "POPBRIDGE_REPORT": str(folder / "report.json"),
            "POPBRIDGE_SCRIPTS": str(SOURCE / "Content/Python"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return EditorCommand(arguments, env)

    def failure(self, log: str) -> AnyText:
        return next((reason for pattern, reason in FAILURES if re.search(pattern, log)), "")


# Modules of a plugin in the project may be those of another version.
_STARTER = """\
import os
import sys

for name in list(sys.modules):
    if name.split(".")[0] in ("popbridge_unreal", "popbridge_protocol"):
        del sys.modules[name]
sys.path.insert(0, os.environ["POPBRIDGE_SCRIPTS"])
from popbridge_unreal import batch_audit

batch_audit.main(os.environ["POPBRIDGE_REPORT"])
"""


def _roots(project: Path, association: str, version: str) -> Iterator[Path]:
    """Yields the folders of engines for a project, as far as they are known to be of its version."""
    if not re.match(r"\d", association):
        # A build of one's own: registered, or around the project.
        found = engines.registered_build(association) if association else None
        yield from [found] if found else []
        yield from project.resolve().parents if not association else ()
        return
    short = ".".join(version.split(".")[:2])
    for root in _installed(short):
        built = engines.version_in(root)
        if built is None or built == short or built.startswith(f"{short}."):
            yield root


def _installed(version: str) -> Iterator[Path]:
    """Yields the places where Epic's launcher, the registry, a list of builds or a habit has this version."""
    try:
        listed = json.loads(read_text(launcher_list()))["InstallationList"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        listed = []
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("AppName") == f"UE_{version}":
            yield Path(str(each.get("InstallLocation", "")))
    if sys.platform == "win32":
        import winreg

        try:
            key = rf"SOFTWARE\EpicGames\Unreal Engine\{version}"
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
                yield Path(winreg.QueryValueEx(opened, "InstalledDirectory")[0])
        except OSError:
            pass
        yield Path(os.environ.get("PROGRAMFILES", "C:/Program Files")) / f"Epic Games/UE_{version}"
    elif sys.platform == "darwin":
        yield Path(f"/Users/Shared/Epic Games/UE_{version}")
    else:
        yield from engines.registered_builds().values()
        yield Path.home() / f"UnrealEngine/UE_{version}"
        yield Path(f"/opt/UnrealEngine/UE_{version}")


def launcher_list() -> Path:
    """Returns the file in which Epic's launcher lists what it has installed."""
    if sys.platform == "win32":
        folder = Path(os.environ.get("PROGRAMDATA", "C:/ProgramData")) / "Epic"
    elif sys.platform == "darwin":
        folder = Path.home() / "Library/Application Support/Epic"
    else:
        folder = Path.home() / ".config/Epic"
    return folder / "UnrealEngineLauncher/LauncherInstalled.dat"


def _programs(root: Path) -> Iterator[Path]:
    """Yields the programs of an engine that may run a commandlet: Unreal 5's, then 4's."""
    folder = root / "Engine/Binaries" / ENGINE_FOLDER
    for name in ("UnrealEditor", "UE4Editor"):
        yield folder / (f"{name}-Cmd.exe" if sys.platform == "win32" else f"{name}-Cmd")
        if sys.platform == "darwin":
            yield folder / f"{name}.app/Contents/MacOS/{name}"
        elif sys.platform != "win32":
            yield folder / name


def _without_spaces(path: Path) -> str:
    """Returns the short form of a path with spaces on Windows."""
    if sys.platform == "win32" and " " in str(path):
        import ctypes

        buffer = ctypes.create_unicode_buffer(1024)
        if ctypes.windll.kernel32.GetShortPathNameW(str(path), buffer, len(buffer)):
            return buffer.value
    return str(path)
