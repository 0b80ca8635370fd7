"""The `.meta` files of the Unity package: Unity ignores files without one in packages that are read-only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

NAME = "com.popbridge.editor"
PACKAGE = Path("plugins/unity/bridge_unity/editor") / NAME
SAMPLES = "Samples~"
ROOT = Path(__file__).parents[2]

_TAIL = "  externalObjects: {}\n  userData: \n  assetBundleName: \n  assetBundleVariant: \n"
_SCRIPT = """\
MonoImporter:
  externalObjects: {}
  serializedVersion: 2
  defaultReferences: []
  executionOrder: 0
  icon: {instanceID: 0}
  userData: 
  assetBundleName: 
  assetBundleVariant: 
"""  # noqa: W291
_IMPORTERS = {
    ".asmdef": "AssemblyDefinitionImporter",
    ".json": "TextScriptImporter",
    ".md": "TextScriptImporter",
}


def files() -> dict[Path, str]:
    return {PACKAGE / f"{path}.meta": _meta(path) for path in assets()}


def assets() -> Iterator[str]:
    """Yields the files and folders that Unity imports; it ignores what ends with `~` or begins with a dot.

    Samples are copied into the project with their `.meta` files.
    """
    for path in sorted((ROOT / PACKAGE).rglob("*")):
        parts = path.relative_to(ROOT / PACKAGE).parts
        below = parts[1:] if parts[0] == SAMPLES and len(parts) > 1 else parts
        if path.suffix != ".meta" and not any(part.endswith("~") or part.startswith(".") for part in below):
            yield "/".join(parts)


def guid(path: str) -> str:
    """Returns the GUID of a path in the package, the same in every release: other assets refer to it."""
    return hashlib.md5(f"{NAME}/{path}".encode(), usedforsecurity=False).hexdigest()


def _meta(path: str) -> str:
    head = f"fileFormatVersion: 2\nguid: {guid(path)}\n"
    suffix = Path(path).suffix
    if (ROOT / PACKAGE / path).is_dir():
        return f"{head}folderAsset: yes\nDefaultImporter:\n{_TAIL}"
    if suffix == ".cs":
        return head + _SCRIPT
    importer = (
        "PackageManifestImporter" if path == "package.json" else _IMPORTERS.get(suffix, "DefaultImporter")
    )
    return f"{head}{importer}:\n{_TAIL}"
