"""What of a Range header can be satisfied (RFC 9110 §14.2)."""

from __future__ import annotations

import re

_PART = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")


def usable(header: str, size: int) -> str | None:
    """The parts that a body of `size` bytes has; the header itself where it has none of them, for 416.

    None where it is to be ignored.
    """
    unit, _, parts = header.partition("=")
    # "An origin server MUST ignore a Range header field that contains a range unit it does not understand."
    if unit.strip().lower() != "bytes":
        return None
    found = [_PART.fullmatch(part.strip()) for part in parts.split(",") if part.strip()]
    if not all(found):
        return None
    given = [(match[1], match[2]) for match in found if match]
    # §14.1.1: a range that ends before its start is invalid; and an invalid set may be ignored.
    if not given or any(not (a or b) or (a and b and int(b) < int(a)) for a, b in given):
        return None
    # §14.1.2: the set is satisfiable if at least one of its parts is.
    kept = [f"{a}-{b}" for a, b in given if (int(a) < size if a else int(b) > 0 and size > 0)]
    return f"bytes={','.join(kept)}" if kept else header
