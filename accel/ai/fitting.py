"""As much at once as memory is for: less each time that it is full."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from accel.devices.faults import fault_of

Row = TypeVar("Row")
Made = TypeVar("Made")


def in_batches(
    rows: Sequence[Row], most: int, run: Callable[[Sequence[Row]], Made]
) -> Iterator[tuple[Sequence[Row], Made]]:
    """What `run` makes of up to `most` rows at a time, with those rows, in their order.

    Where memory is full the number is halved, for the rest too. Raises what `run` raises of a single row.
    """
    begin = 0
    while begin < len(rows):
        part = rows[begin : begin + most]
        made = fitting(lambda part=part: run(part), len(part) > 1)  # type: ignore[misc]
        if made is None:
            most = len(part) // 2
            continue
        yield part, made
        begin += len(part)


def fitting(run: Callable[[], Made], smaller: bool) -> Made | None:
    """What `run` makes; None where memory is full and it can be tried with less (`smaller`)."""
    try:
        return run()
    # Providers raise classes of their own that share no base; what isn't about memory goes on.
    except Exception as error:
        if smaller and fault_of(error) == "memory":
            return None
        raise
