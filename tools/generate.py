"""Writes every generated file, or with `--check` names those that are stale."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def generated() -> dict[Path, str]:
    """The text of each generated file, by its path below the repository."""
    files: dict[Path, str] = {}
    for name in _modules():
        own = importlib.import_module(name).files()
        if twice := files.keys() & own.keys():
            raise ValueError(f"{name} generates {min(twice)}, which another generator does already")
        files |= own
    return files


def stale(files: dict[Path, str], root: Path = ROOT) -> list[Path]:
    """Those whose text on disk is another, or that aren't there."""
    return sorted(path for path, text in files.items() if _read(root / path) != text)


def write(files: dict[Path, str], root: Path = ROOT) -> list[Path]:
    """Writes what is stale and gives its paths."""
    changed = stale(files, root)
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        # The same bytes on every system, or a checkout on Windows would always be stale.
        (root / path).write_text(files[path], encoding="utf-8", newline="\n")
    return changed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is stale")
    options = parser.parse_args(arguments)
    files = generated()
    if not options.check:
        for path in write(files):
            print(f"wrote {path.as_posix()}")
        return 0
    late = stale(files)
    for path in late:
        print(f"stale: {path.as_posix()}; run `python tools/generate.py`", file=sys.stderr)
    return 1 if late else 0


def _modules() -> Iterator[str]:
    package = importlib.import_module("tools.generators")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            yield f"{package.__name__}.{module.name}"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
