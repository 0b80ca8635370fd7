"""Which version of Unreal a project belongs to."""

from __future__ import annotations

import configparser
import json
import re
import sys
from pathlib import Path

from bridge.api import UserError, read_text, text
from bridge_unreal.descriptor import Descriptor

SUFFIX = ".uproject"


def descriptor_file(project: Path) -> Path | None:
    """Returns the project's `.uproject`; None if there is none. Raises UserError if there are several."""
    try:
        found = sorted(each for each in project.iterdir() if each.suffix.lower() == SUFFIX and each.is_file())
    except OSError:
        return None
    if len(found) > 1:
        raise UserError(
            text(
                "{project} has several projects: {files}. Keep one .uproject file in the folder.",
                project=project,
                files=[each.name for each in found],
            )
        )
    return found[0] if found else None


def project_version(project: Path) -> str | None:
    """Returns the version that `EngineAssociation` names, or that of the build which it stands for.

    None if the folder is no Unreal project. Raises UserError if the version is unknown.
    """
    file = descriptor_file(project)
    if file is None:
        return None
    try:
        association = str(Descriptor(file.read_bytes()).root.get("EngineAssociation", ""))
    except (OSError, ValueError) as error:
        raise UserError(text("Can't read {file} ({reason}).", file=file, reason=error)) from None
    if re.match(r"\d+\.\d+", association):
        return association
    version = build_version(project, association)
    if version is None:
        raise UserError(
            text(
                "{file} belongs to a build of Unreal that isn't registered on this computer. Open the "
                "project with that build once, or set EngineAssociation to a version such as 5.6.",
                file=file,
            )
        )
    return version


def build_version(project: Path, association: str) -> str | None:
    """Returns the version of a custom build; None if it isn't found.

    Without an association, the engine is in a folder above the project.
    """
    roots = [registered_build(association)] if association else list(project.resolve().parents)
    for root in roots:
        if root is None:
            continue
        try:
            found = json.loads(read_text(root / "Engine/Build/Build.version"))
            return ".".join(str(int(found[f"{part}Version"])) for part in ("Major", "Minor", "Patch"))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def registered_build(association: str) -> Path | None:
    """Returns the folder of the build with this identifier, from the user's list of builds."""
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, r"Software\Epic Games\Unreal Engine\Builds") as key:
                return Path(winreg.QueryValueEx(key, association)[0])
        except OSError:
            return None
    settings = (
        "Library/Application Support/Epic/UnrealEngine"
        if sys.platform == "darwin"
        else ".config/Epic/UnrealEngine"
    )
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read(Path.home() / settings / "Install.ini", encoding="utf-8")
        return Path(config.get("Installations", association))
    except (configparser.Error, UnicodeDecodeError):
        return None
