"""The result of a check, and the guard that turns a failure of a check into a result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from msgspec import Struct

from accel.text import AnyText, sentences, text
from bridge.core.errors import UserError

log = logging.getLogger(__name__)

Level = Literal["ok", "warning", "error"]
UPDATE = text("Update PopBridge: `git pull` and `python -m pip install .` in its clone.")


class Check(Struct, frozen=True):
    """What one check has found."""

    check: str
    """Its group and name, such as `daemon.port`; stable, for programs."""
    status: Level
    found: AnyText
    """A sentence for people."""
    remedy: AnyText = ""
    """A sentence with the command that mends it; empty if there is nothing to do."""

    @property
    def group(self) -> str:
        """`machine`, `daemon` or `project`."""
        return self.check.partition(".")[0]


Results = Iterable[Check]
Step = tuple[str, Callable[[], Results]]
"""The name of a check, for the case that it fails, and the check."""


def log_findings(steps: Iterable[Step]) -> list[Check]:
    """Returns all results, and logs what is wrong, each with its remedy, as the daemon does."""
    found = list(run(steps))
    for each in found:
        if each.status != "ok":
            level = logging.ERROR if each.status == "error" else logging.WARNING
            log.log(level, "%s: %s", each.check, sentences((each.found, each.remedy)))
    return found


def run(steps: Iterable[Step]) -> Iterator[Check]:
    """Yields the results of each check; one that fails yields an error, and the others run all the same."""
    for name, step in steps:
        try:
            yield from step()
        except UserError as error:
            yield Check(name, "error", error.text)
        # Checks read what others have written, and adapters are plugins.
        except (Exception, SystemExit) as error:
            log.debug("the check %s failed", name, exc_info=True)
            reason = str(error) or type(error).__name__
            found = text("The check {name} failed ({reason}).", name=name, reason=reason)
            yield Check(name, "error", found, text("Please report it with this message."))
