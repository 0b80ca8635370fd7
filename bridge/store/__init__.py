"""What outlives the daemon: SQLite through sqlite-utils."""

import sys


def _without_numpy() -> None:
    """Loads sqlite-utils, which for columns of numpy's numbers imports numpy where it is installed: nothing
    here has any, and that is a quarter of what starting takes, and 12 MiB."""
    if "numpy" in sys.modules:
        return
    sys.modules["numpy"] = None  # type: ignore[assignment]
    try:
        import sqlite_utils  # noqa: F401
    finally:
        del sys.modules["numpy"]


_without_numpy()
