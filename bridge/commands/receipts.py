"""`popbridge receipts` and `popbridge revert`: lists and reverts changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import MsgspecError

from accel.text import Text, text
from bridge.client.client import Client
from bridge.commands.options import as_json, print_json
from bridge.commands.terminal import fold_words, is_narrow, paragraphs, say, table
from bridge.core.errors import RequestError, UserError
from bridge.core.revert import error_text
from bridge.core.text import printable, value_text
from bridge.core.verification import by_path
from bridge.host import host
from bridge.host.observation import asset_path
from bridge.paths import Paths
from bridge.store.database import open_readonly
from bridge.store.receipts import ReceiptStore
from bridge.store.records import AUDIT_FIX, FAILURES, Receipt, local_time_text

STATES = {"sent": text("sent"), "applied": text("applied"), "failed": text("failed")}
HEADS = {
    "id": text("id"),
    "when": text("when"),
    "project": text("project"),
    "state": text("state"),
    "what": text("changes"),
    "why": text("reason"),
}

MAX_FILES = 8
"""Number of files, and of errors, of a change that the table names."""
ERROR_WIDTH = 80
"""Columns to which errors are folded."""


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many to list.",
)
@as_json
def receipts(limit: int, as_json: bool) -> None:
    """List changes.

    Newest first: what PopBridge changed in import settings, and whether it was reverted. Works without a
    daemon.
    """
    database = Paths.find().database
    found, damaged = read_receipts(database, limit)
    if as_json:
        for receipt in found:
            print_json(receipt)
    elif found:
        _show(found)
    elif not damaged:
        click.echo(say(text("No changes yet.")))
    if damaged:
        raise _unreadable(
            text("Can't read these changes in {database}: {ids}", ids=damaged, database=database)
        )


def _show(found: Sequence[Receipt]) -> None:
    heads = {name: say(head) for name, head in HEADS.items()}
    by = _reverted(found)
    rows = [
        (
            str(r.id),
            local_time_text(r.created),
            r.project_name or r.project,
            _state(r, by),
            _what(r),
            say(r.note),
        )
        for r in found
    ]
    if is_narrow():
        paragraphs((f"{number}  {when}  {state}", what) for number, when, _, state, what, _ in rows)
        return
    table(rows, tuple(heads.values()), less=(heads["why"], heads["project"]))


@click.command()
@click.argument("receipt", metavar="ID", type=click.IntRange(1, 2**53 - 1))
@click.option(
    "--editor",
    metavar="SESSION",
    default="",
    help="The editor to use if several have the project open, or the project was moved.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the new change as JSON.")
def revert(receipt: int, editor: str, as_json: bool) -> int:
    """Revert a change.

    ID is its number in `popbridge receipts`. The daemon and the project's editor must be running, unless
    `popbridge audit --fix` made the change.
    """
    result = _revert_audit(receipt) or _revert_command(Paths.find(), receipt, editor)
    if as_json:
        print_json(result)
    else:
        if result.get("state") != "applied":
            outcome = text("Change {id} was not reverted (change {new}).")
        elif not result.get("errors") and not _has_changed(result):
            outcome = text(
                "Nothing was restored: all settings already had their values from before change {id} "
                "(change {new})."
            )
        elif result.get("errors"):
            outcome = text("Change {id} was reverted by change {new}, with these problems:")
        else:
            outcome = text("Change {id} was reverted by change {new}.")
        click.echo(say(outcome.fill(id=receipt, new=result.get("id"))))
        for problem in _maps(result.get("errors")):
            click.echo(printable(f"  {_problem(problem)}".rstrip()))
    return 0 if result.get("state") == "applied" and not result.get("errors") else 1


def read_receipts(database: Path, limit: int) -> tuple[list[Receipt], list[int]]:
    """Returns the newest receipts, and the ids of damaged ones; a daemon may be running. Raises UserError."""
    with _store(database) as store:
        newest = list(store.newest(limit)) if store else []
    receipts = [each for each in newest if isinstance(each, Receipt)]
    return receipts, [each.id for each in newest if not isinstance(each, Receipt)]


def read_receipt(database: Path, receipt: int) -> Receipt | None:
    """Returns one receipt; None if it doesn't exist. Raises UserError."""
    with _store(database) as store:
        return store.get(receipt) if store else None


@contextmanager
def _store(database: Path) -> Iterator[ReceiptStore | None]:
    """Yields the receipts for reading; None without a database. Raises UserError."""
    db = open_readonly(database)
    try:
        yield None if db is None else ReceiptStore(db)
    # A damaged file may have other columns: KeyError.
    except (MsgspecError, KeyError, *FAILURES) as error:
        raise _unreadable(
            text("Can't read the changes in {database} ({reason})", database=database, reason=error)
        ) from None
    finally:
        if db is not None:
            db.conn.close()


def _unreadable(problem: Text) -> UserError:
    return UserError(
        text(
            "{problem}. `popbridge db check` checks the database, `popbridge db restore` restores a backup.",
            problem=problem,
        )
    )


def _revert_audit(receipt: int) -> Mapping[str, Any] | None:
    """Reverts a change that an audit made, and returns the new receipt; None for other changes.

    Raises UserError.
    """
    database = Paths.find().database
    change = read_receipt(database, receipt)
    if change is None or change.command != AUDIT_FIX:
        return None
    # It needs numpy, which `popbridge receipts` does without.
    from bridge.audit import fix

    result: Mapping[str, Any] = msgspec.to_builtins(fix.revert(host.load(), change, database))
    return result


def _revert_command(paths: Paths, receipt: int, editor: str) -> Mapping[str, Any]:
    try:
        return _whole(paths.database, asyncio.run(_revert(paths.connection_file, receipt, editor)))
    except UserError:
        # An unknown id is the mistake to report, even if no daemon runs.
        if read_receipt(paths.database, receipt) is None:
            raise _unknown(receipt) from None
        raise


def _whole(database: Path, sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the receipt with the parts that were too large for a frame. Raises UserError."""
    stored = read_receipt(database, sent["id"]) if sent.get("abridged") else None
    return sent if stored is None else msgspec.to_builtins(stored)


async def _revert(connection_file: Path, receipt: int, editor: str) -> Mapping[str, Any]:
    client = await Client.connect(connection_file, name="popbridge revert")
    try:
        result = await client.request("receipts.revert", {"id": receipt, "editor": editor})
    except RequestError as error:
        if error.code.name != "not_found":
            raise
        raise _unknown(receipt) from None
    finally:
        await client.close(done=True)
    sent: Mapping[str, Any] = result.value["receipt"]
    return sent


def _unknown(receipt: int) -> UserError:
    return UserError(text("There is no change {id}. See `popbridge receipts`.", id=receipt))


def _state(receipt: Receipt, reverted: Mapping[int, int]) -> str:
    state = say(STATES[receipt.state])
    if receipt.reverts is not None:
        state = say(text("{state} (reverts {id})", state=state, id=receipt.reverts))
    by = reverted.get(receipt.id)
    return state if by is None else say(text("{state} (reverted by {id})", state=state, id=by))


def _reverted(found: Iterable[Receipt]) -> dict[int, int]:
    """Returns the id of the receipt that completely reverted another, by the other's id; newest first.

    A reverted revert doesn't count.
    """
    by: dict[int, int] = {}
    for receipt in found:
        whole = receipt.state == "applied" and not receipt.errors and receipt.id not in by
        if receipt.reverts is not None and whole:
            by.setdefault(receipt.reverts, receipt.id)
    return by


def _has_changed(receipt: Mapping[str, Any]) -> bool:
    before = by_path(receipt.get("before"))
    return any(options != before.get(path) for path, options in by_path(receipt.get("after")).items())


def _what(receipt: Receipt) -> str:
    """Returns a line for each changed file, and for each error."""
    before, after = by_path(receipt.before), by_path(receipt.after or receipt.args.get("changes"))
    lines = [
        printable(f"{asset_path(path)}: {_changes(before.get(path, {}), options)}")
        for path, options in after.items()
    ]
    errors = [
        printable(say(text("error: {error}", error=_problem(problem)))) for problem in _maps(receipt.errors)
    ]
    # Also in a file, where a sentence would make the table as wide as itself.
    folded = [fold_words(line, 2, ERROR_WIDTH, break_long_words=False) for line in _first(errors)]
    return "\n".join([*_first(lines), *folded]) or receipt.command


def _first(lines: list[str]) -> list[str]:
    more = len(lines) - MAX_FILES
    if more <= 0:
        return lines
    return [*lines[:MAX_FILES], say(text("... and {count} more; --json shows all", count=more))]


def _problem(problem: Mapping[str, Any]) -> str:
    """Returns an editor's error about a file; unknown errors in the editor's words."""
    message = say(error_text(problem))
    return f"{asset_path(str(problem.get('path', '')))} {message}".strip()


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    changed = (name for name in after if name not in before or before[name] != after[name])
    return ", ".join(f"{name} {_change(before, after, name)}" for name in changed) or say(
        text("nothing changed")
    )


def _change(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> str:
    old = f"{value_text(before[name])} " if name in before else ""
    return f"{old}→ {value_text(after[name])}"


def _maps(entries: object) -> list[Mapping[str, Any]]:
    return [e for e in entries if isinstance(e, Mapping)] if isinstance(entries, list) else []
