"""`popbridge audit-log`: shows and verifies who did what."""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, datetime, timedelta

import click
from msgspec.structs import replace

from accel.text import plural, text
from bridge.commands.options import as_json, print_json
from bridge.commands.terminal import is_narrow, paragraphs, say, table
from bridge.core.errors import UserError
from bridge.core.text import printable
from bridge.paths import Paths
from bridge.store import audit_check
from bridge.store.audit_log import ACTS, AuditLog, Entry, Line
from bridge.store.records import local_time_text

HEADS = {
    "number": text("no."),
    "when": text("when"),
    "who": text("who"),
    "what": text("what"),
    "session": text("session"),
    "details": text("details"),
}
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group("audit-log")
def audit_log() -> None:
    """Show and verify who did what.

    PopBridge records acts that change tokens, keys, projects, plugins or files, before it does them. It works
    with and without a daemon.
    """


@audit_log.command()
@click.option(
    "--since",
    metavar="TIME",
    help="Leave out what is older: a date or time, or an age such as 30m, 12h or 7d.",
)
@click.option("--act", metavar="NAME", help="Show one kind of act, for example token or token.create.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000_000),
    default=200,
    show_default=True,
    help="How many to list.",
)
@as_json
def show(since: str | None, act: str | None, limit: int, as_json: bool) -> int:
    """List what was done, oldest first.

    Lines that were changed are marked; `popbridge audit-log verify` also finds missing ones. Exit code 1 if a
    line was changed.
    """
    after = _time(since) if since else ""
    if act and not any(_is_kind(name, act) for name in ACTS):
        raise UserError(
            text(
                "--act {act}: there is no such act. The acts are {names}.", act=repr(act), names=sorted(ACTS)
            )
        )
    altered = False
    found: deque[Line] = deque(maxlen=limit)
    for line in AuditLog(Paths.find()).lines():
        entry = line.entry
        altered = altered or (entry is not None and not line.is_valid)
        if entry is None or entry.time < after or (act and not _is_kind(entry.act, act)):
            continue
        found.append(line)
    if as_json:
        for line in found:
            print_json({**_plain(line.entry), "valid": line.is_valid})
        return 1 if altered else 0
    rows = [_row(line.entry, line.is_valid) for line in found if line.entry]
    if rows and is_narrow():
        paragraphs((f"{number}  {when}  {who}", what) for number, when, who, what, *_ in rows)
    elif rows:
        heads = {name: say(head) for name, head in HEADS.items()}
        table(rows, tuple(heads.values()), less=(heads["session"], heads["details"]))
    else:
        click.echo(say(text("No entries.")))
    return 1 if altered else 0


@audit_log.command()
@click.option(
    "--from",
    "first",
    metavar="NUMBER",
    type=click.IntRange(1, 2**53 - 1),
    default=1,
    help="Leave out problems of earlier entries, which are known.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(first: int, as_json: bool) -> int:
    """Check that no line was changed, removed, inserted or moved.

    Exit code 1 if one was, and 2 if the log can't be read.
    """
    log = AuditLog(Paths.find())
    found = audit_check.verify(log)
    problems = [each for each in found.problems if not each.number or each.number >= first]
    if as_json:
        found = replace(found, problems=problems)
        print_json(
            {"intact": not problems, **{name: getattr(found, name) for name in found.__struct_fields__}}
        )
        return 1 if problems else 0
    for each in (*(problem.message for problem in problems), *found.notes):
        click.echo(printable(say(each)))
    if problems:
        outcome = plural("{file} has {n} problem.", "{file} has {n} problems.", len(problems), file=log.path)
    else:
        outcome = plural(
            "{file} is intact: {n} entry.", "{file} is intact: {n} entries.", found.entries, file=log.path
        )
    click.echo(say(outcome))
    return 1 if problems else 0


def _is_kind(name: str, act: str) -> bool:
    return name == act or name.startswith(f"{act}.")


def _plain(entry: Entry | None) -> dict[str, object]:
    names = ("number", "time", "act", "principal", "session", "subject", "detail")
    return {name: getattr(entry, name) for name in names}


def _row(entry: Entry, is_valid: bool) -> tuple[str, ...]:
    what = ACTS.get(entry.act, text("{act} {subject}", act=entry.act)).fill(subject=entry.subject)
    if not is_valid:
        what = text("{what} (this line was changed)", what=what)
    details = ", ".join(f"{name}: {value}" for name, value in entry.detail.items())
    cells = (entry.principal, say(what), entry.session, details)
    return (str(entry.number), local_time_text(entry.time), *map(printable, cells))


def _time(since: str) -> str:
    """Returns the time of `--since` as entries have it. Raises UserError."""
    if age := re.fullmatch(r"(\d{1,6})([mhdw])", since):
        then = datetime.now(UTC) - timedelta(**{UNITS[age[2]]: int(age[1])})
    else:
        try:
            then = datetime.fromisoformat(since).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            raise UserError(
                text(
                    "--since {since}: give a date such as 2026-01-31, a time such as 2026-01-31T12:00, or an "
                    "age such as 30m, 12h or 7d.",
                    since=repr(since),
                )
            ) from None
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")
