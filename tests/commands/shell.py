"""What tests of commands look at: messages for a person at a shell, and what lies in a folder afterwards."""

from __future__ import annotations

from pathlib import Path


def one_line(err: str) -> bool:
    return err.startswith("popbridge: ") and err.count("\n") == 1 and "Traceback" not in err


def tree(folder: Path) -> list[str]:
    """The files below a folder, by their paths in it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
