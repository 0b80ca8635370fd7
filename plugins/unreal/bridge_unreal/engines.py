"""Which version of Unreal a project belongs to."""

from __future__ import annotations

import configparser
import json
import re
import sys
from pathlib import Path

from bridge.api import UserError, read_text, text
from bridge_unreal.descriptor import Descriptor
from bridge_unreal.package_header import is_pointer

SUFFIX = ".uproject"
BUILD = re.compile(r"\{[0-9A-Fa-f-]{36}\}")
"""The identifier of a build that was registered on one computer."""
MERGED = re.compile(rb"^<{7}", re.MULTILINE)


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
    found = association(file)
    if re.match(r"\d+\.\d+", found):
        return found
    version = build_version(project, found)
    if version is None and not BUILD.fullmatch(found):
        raise UserError(
            text(
                "{file} names no version of Unreal: EngineAssociation is {value}. Set it to a version such "
                "as 5.6.",
                file=file,
                value=json.dumps(found, ensure_ascii=False),
            )
        )
    if version is None:
        raise UserError(
            text(
                "{file} belongs to a build of Unreal that isn't registered on this computer. Open the "
                "project with that build once, or set EngineAssociation to a version such as 5.6.",
                file=file,
            )
        )
    return version


def association(file: Path) -> str:
    """Returns the `EngineAssociation` of a `.uproject`: a version, a build's identifier, or empty.

    Raises UserError.
    """
    try:
        content = file.read_bytes()
        return str(Descriptor(content).root.get("EngineAssociation", ""))
    except OSError as error:
        raise UserError(text("Can't read {file} ({reason}).", file=file, reason=error)) from None
    except ValueError as error:
        raise broken_error(file, content, error) from None


def broken_error(file: Path, content: bytes, error: ValueError) -> UserError:
    """Returns the error for a `.uproject` with this content, in which `error` was found."""
    if is_pointer(content):
        return UserError(text("{file} is a Git LFS pointer. Run `git lfs pull`.", file=file))
    if MERGED.search(content):
        return UserError(
            text("{file} contains a merge conflict (<<<<<<<). Resolve it, then run this again.", file=file)
        )
    if isinstance(error, json.JSONDecodeError):
        return UserError(
            text(
                "{file} isn't valid JSON at line {line}, column {column}. Mend it, or restore it from "
                "version control.",
                file=file,
                line=error.lineno,
                column=error.colno,
            )
        )
    return UserError(
        text("{file} isn't a project file of Unreal. Restore it from version control.", file=file)
    )


def build_version(project: Path, association: str) -> str | None:
    """Returns the version of a custom build; None if it isn't found.

    Without an association, the engine is in a folder above the project.
    """
    roots = [registered_build(association)] if association else list(project.resolve().parents)
    for root in roots:
        if root is not None and (found := version_in(root)) is not None:
            return found
    return None


def version_in(engine: Path) -> str | None:
    """Returns the version of the engine in a folder; None if there is none."""
    try:
        found = json.loads(read_text(engine / "Engine/Build/Build.version"))
        return ".".join(str(int(found[f"{part}Version"])) for part in ("Major", "Minor", "Patch"))
    except (OSError, ValueError, KeyError, TypeError):
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
    return registered_builds().get(association.lower())


def registered_builds() -> dict[str, Path]:
    """Returns the folders of the builds in the user's list by their identifiers in lower case.

    Empty on Windows, where the registry has the list.
    """
    settings = (
        "Library/Application Support/Epic/UnrealEngine"
        if sys.platform == "darwin"
        else ".config/Epic/UnrealEngine"
    )
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read(Path.home() / settings / "Install.ini", encoding="utf-8")
        return {name: Path(place) for name, place in config.items("Installations")}
    except (configparser.Error, UnicodeDecodeError):
        return {}
