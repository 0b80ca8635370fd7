"""`popbridge receipts` and `popbridge revert`: what commands changed, and how to put it back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from accel.text import text
from bridge.commands.listing import as_json
from bridge.commands.options import json_text, say_json
from bridge.commands.terminal import is_narrow, paragraphs, say, table
from bridge.core.errors import RequestError, UserError
from bridge.core.revert import error_text
from bridge.core.text import printable

if TYPE_CHECKING:
    from bridge.paths import Paths
    from bridge.store.receipts import ReceiptStore
    from bridge.store.records import Receipt


STATES = {"sent": text("sent"), "applied": text("applied"), "failed": text("failed")}
HEADS = {
    "id": text("id"),
    "when": text("when"),
    "project": text("project"),
    "state": text("state"),
    "what": text("what"),
    "why": text("why"),
}

SHOWN = 8
"""How many of a receipt's files the table names."""


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many, the newest first.",
)
@as_json
def receipts(limit: int, as_json: bool) -> None:
    """Lists what was changed through the bridge, the newest first; needs no daemon."""
    from bridge.paths import Paths

    database = Paths.find().database
    found, damaged = read_receipts(database, limit)
    if as_json:
        for receipt in found:
            say_json(receipt)
    elif found:
        _show(found)
    elif not damaged:
        click.echo(say(text("No command has changed anything yet.")))
    if damaged:
        which = (
            text("Receipt {receipts} in {database} can't be read")
            if len(damaged) == 1
            else text("Receipts {receipts} in {database} can't be read")
        )
        raise _unreadable(say(which.fill(receipts=", ".join(map(str, damaged)), database=database)))


def _show(found: Sequence[Receipt]) -> None:
    from bridge.store.records import local_time_text

    heads = {name: say(head) for name, head in HEADS.items()}
    by = _reverted(found)
    rows = [
        (str(r.id), local_time_text(r.created), r.project_name or r.project, _state(r, by), _what(r), _why(r))
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
    help="Which editor, where several have the project open, or it was moved.",
)
@click.option("--json", "as_json", is_flag=True, help="The new receipt as JSON.")
def revert(receipt: int, editor: str, as_json: bool) -> int:
    """Puts back what the command of receipt ID changed.

    The daemon and the project's editor must be open, unless `popbridge audit --fix` made the receipt.
    """
    from bridge.paths import Paths

    made = _revert_audit(receipt) or _revert_command(Paths.find(), receipt, editor)
    if as_json:
        say_json(made)
    else:
        whole = (
            text("Receipt {receipt} is put back (receipt {made}), with these problems:")
            if made.get("errors")
            else text("Receipt {receipt} is put back (receipt {made}).")
        )
        outcome = (
            whole
            if made.get("state") == "applied"
            else text("Receipt {receipt} is NOT put back (receipt {made}).")
        )
        click.echo(say(outcome.fill(receipt=receipt, made=made.get("id"))))
        for problem in _maps(made.get("errors")):
            click.echo(printable(f"  {_problem(problem)}".rstrip()))
    return 0 if made.get("state") == "applied" and not made.get("errors") else 1


def read_receipts(database: Path, limit: int) -> tuple[list[Receipt], list[int]]:
    """The newest receipts, read beside a daemon or without one, and which of them are damaged. Raises
    UserError."""
    from bridge.store.records import Receipt

    with _store(database) as store:
        all_ = list(store.newest(limit)) if store else []
    found = [receipt for receipt in all_ if isinstance(receipt, Receipt)]
    return found, [each.id for each in all_ if not isinstance(each, Receipt)]


def read_receipt(database: Path, receipt: int) -> Receipt | None:
    """One receipt; None where there is no such one. Raises UserError."""
    with _store(database) as store:
        return store.get(receipt) if store else None


@contextmanager
def _store(database: Path) -> Iterator[ReceiptStore | None]:
    """The receipts for reading; None where there are none yet. Raises UserError."""
    from msgspec import MsgspecError

    from bridge.store.database import open_readonly
    from bridge.store.receipts import ReceiptStore
    from bridge.store.records import FAILURES

    db = open_readonly(database)
    try:
        yield None if db is None else ReceiptStore(db)
    # In a damaged file a column may have any name.
    except (MsgspecError, KeyError, *FAILURES) as error:
        raise _unreadable(
            say(text("The receipts in {database} can't be read ({reason})", database=database, reason=error))
        ) from None
    finally:
        if db is not None:
            db.conn.close()


def _unreadable(said: str) -> UserError:
    return UserError(
        text(
            "{said}: `popbridge db check` looks at the file, `popbridge db restore` puts back a backup.",
            said=said,
        )
    )


def _revert_audit(receipt: int) -> Mapping[str, Any] | None:
    """The receipt of putting back what an audit wrote; None for all other receipts. Raises UserError."""
    import msgspec

    from bridge.audit.fix import revert
    from bridge.host import host
    from bridge.paths import Paths
    from bridge.store.records import AUDIT_FIX

    database = Paths.find().database
    found = read_receipt(database, receipt)
    if found is None or found.command != AUDIT_FIX:
        return None
    made: Mapping[str, Any] = msgspec.to_builtins(revert(host.load(), found, database))
    return made


def _revert_command(paths: Paths, receipt: int, editor: str) -> Mapping[str, Any]:
    try:
        return _whole(paths.database, asyncio.run(_revert(paths.connection_file, receipt, editor)))
    except UserError:
        # Where no daemon runs, starting one would bring an unknown receipt no nearer.
        if read_receipt(paths.database, receipt) is None:
            raise _unknown(receipt) from None
        raise


def _whole(database: Path, made: Mapping[str, Any]) -> Mapping[str, Any]:
    """The receipt with what no frame held, such as what couldn't be put back. Raises UserError."""
    import msgspec

    kept = read_receipt(database, made["id"]) if made.get("abridged") else None
    return made if kept is None else msgspec.to_builtins(kept)


async def _revert(connection_file: Path, receipt: int, editor: str) -> Mapping[str, Any]:
    from bridge.client.client import Client

    client = await Client.connect(connection_file, name="popbridge revert")
    try:
        result = await client.request("receipts.revert", {"id": receipt, "editor": editor})
    except RequestError as error:
        if error.code.name != "not_found":
            raise
        raise _unknown(receipt) from None
    finally:
        await client.close(done=True)
    made: Mapping[str, Any] = result.value["receipt"]
    return made


def _unknown(receipt: int) -> UserError:
    return UserError(text("There is no receipt {receipt}: `popbridge receipts` lists them.", receipt=receipt))


def _state(receipt: Receipt, reverted: Mapping[int, int]) -> str:
    state = say(STATES[receipt.state])
    if receipt.reverts is not None:
        state = say(text("{state} (reverts {receipt})", state=state, receipt=receipt.reverts))
    by = reverted.get(receipt.id)
    return state if by is None else say(text("{state} (reverted by {receipt})", state=state, receipt=by))


def _reverted(found: Iterable[Receipt]) -> dict[int, int]:
    """Which receipts, of the newest first, were put back as a whole, and by which; not those whose putting
    back was itself put back."""
    by: dict[int, int] = {}
    for receipt in found:
        whole = receipt.state == "applied" and not receipt.errors and receipt.id not in by
        if receipt.reverts is not None and whole:
            by.setdefault(receipt.reverts, receipt.id)
    return by


def _why(receipt: Receipt) -> str:
    return say(receipt.note)


def _what(receipt: Receipt) -> str:
    """A line for each file with what was changed in it, and for each error."""
    before, after = _by_path(receipt.before), _by_path(receipt.after or receipt.args.get("changes"))
    lines = [
        printable(f"{path}: {_changes(before.get(path, {}), options)}") for path, options in after.items()
    ]
    if len(lines) > SHOWN:
        lines[SHOWN:] = [say(text("... and {count} more; --json shows all", count=len(lines) - SHOWN))]
    errors = [
        printable(say(text("error: {error}", error=_problem(problem)))) for problem in _maps(receipt.errors)
    ]
    return "\n".join([*lines, *errors]) or receipt.command


def _problem(problem: Mapping[str, Any]) -> str:
    """What an editor says of a file, in its own words where they aren't known."""
    message = say(error_text(problem))
    return f"{problem.get('path', '')} {message}".strip()


def _by_path(changes: object) -> dict[str, Mapping[str, Any]]:
    return {str(change.get("path", "")): change.get("options") or {} for change in _maps(changes)}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    changed = (name for name in after if name not in before or before[name] != after[name])
    return ", ".join(f"{name} {_change(before, after, name)}" for name in changed) or say(
        text("nothing changed")
    )


def _change(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> str:
    old = f"{json_text(before[name])} " if name in before else ""
    return f"{old}→ {json_text(after[name])}"


def _maps(entries: object) -> list[Mapping[str, Any]]:
    return [e for e in entries if isinstance(e, Mapping)] if isinstance(entries, list) else []
