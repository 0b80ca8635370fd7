"""What every message for a person at a shell has to be."""

from __future__ import annotations


def one_line(err: str) -> bool:
    return err.startswith("popbridge: ") and err.count("\n") == 1 and "Traceback" not in err
