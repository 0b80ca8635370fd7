"""Persistent data: sessions, popups, receipts, jobs, blobs and cached responses, in SQLite and files."""

import sys


def _without_numpy() -> None:
    """Imports sqlite-utils without numpy, which it would load for column types not used here.

    numpy takes a quarter of the start-up time and 12 MiB.
    """
    if "numpy" in sys.modules:
        return
    sys.modules["numpy"] = None  # type: ignore[assignment]
    try:
        import sqlite_utils  # noqa: F401
    finally:
        del sys.modules["numpy"]


_without_numpy()
