"""Writes what settles the findings into the project's own files, with a receipt; and puts it back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel.text import AnyText, sentences, text
from bridge.advisors.findings import WRONG
from bridge.api import ProjectSupport
from bridge.audit.project import Project, find
from bridge.audit.results import NOT_APPLIED, Issue, Report, Row
from bridge.core.errors import UserError
from bridge.core.messages import Command, Result
from bridge.core.revert import error_text, file_error, observed_options, remaining_changes
from bridge.core.text import is_unicode
from bridge.host import isolation, validation
from bridge.store.records import AUDIT_FIX, local_time_text, pack

if TYPE_CHECKING:
    from bridge.host.host import Registry
    from bridge.store.receipts import ReceiptStore
    from bridge.store.records import Receipt


NO_SETTINGS = text("--fix has nothing to write here: import settings are an engine's, and none is known.")
GONE = text("is gone, or can't be read: left as it is")
"""What is said of a file in which nothing is put back."""
SESSION = "audit"
"""In the place of an editor's session."""


def fix(project: Project, report: Report, database: Path) -> None:
    """Settles every fixable finding of the report. Raises UserError where no receipt can be kept.

    The report has the receipt's id as soon as something may be written, also where Ctrl-C ends that.
    """
    rows = {row.path: row for row in report.rows if row.options and _receivable(row)}
    if not rows or project.support is None:
        return
    changes = [{"path": row.path, "options": row.options} for row in rows.values()]
    codes = sorted({issue.code for row in rows.values() for issue in row.issues if issue.fixable})
    before = [{"path": row.path, "options": row.present} for row in rows.values()]
    with _Store(database) as store:
        report.receipt = _open(store, project.root, changes, before, f"audit: {', '.join(codes)}")
        # Whoever has changed one of them since it was read is to lose nothing; a receipt has no use for it.
        # A copy, as textures with equal settings share one, and an adapter may do with its own what it likes.
        guarded = [
            {"path": path, "options": row.options, "seen": dict(row.settings or {})}
            for path, row in rows.items()
        ]
        done = _write(store, report.receipt, project.root, project.support, guarded)
    # An adapter may tell of more files than it was asked for.
    for path in rows.keys() & {change["path"] for change in done.get("after", ())}:
        _mended(rows[path])
    for error in done.get("errors", ()):
        if (row := rows.get(error.get("path", ""))) is not None:
            reason = {"reason": error_text(error)}
            row.issues.insert(0, Issue(NOT_APPLIED, WRONG, NOT_APPLIED, reason))
    report.rows.sort(key=lambda row: (-row.rank, row.file))


def revert(registry: Registry, receipt: Receipt, database: Path) -> Receipt:
    """Puts back what a receipt of `AUDIT_FIX` changed, without an editor. Raises UserError.

    Options that have changed since stay as they are, and the new receipt's errors name them; nothing is put
    back where that was done before.
    """
    root = Path(str(receipt.args.get("root", "")))
    if receipt.state == "failed":
        raise UserError(text("Receipt {id} changed nothing.", id=receipt.id))
    project = find(registry, root)
    if project.support is None:
        raise UserError(
            text(
                "{root} is no project that is known here any more: `popbridge plugins` shows whether "
                "the plugin for its engine is there.",
                root=root,
            )
        )
    after, before = _by_path(receipt.after), _by_path(receipt.before)
    if receipt.state == "sent":
        # The run was killed while it wrote: what it has reached is as it wanted it.
        after, before = _by_path(receipt.args.get("changes")), _by_path(receipt.args.get("before"))
    present = _present(project, after, before)
    with _Store(database) as store:
        earlier = store.reverted_by(receipt.id)
        if earlier is not None and _only(present, after) != after:
            _refuse_reverted(receipt, earlier)
        # What was put back whole is all as the change had it, once more: it is put back again.
        seen = after if earlier is not None else _seen(after, store.standing(receipt.id))
        changes, left = _due(seen, before, present)
        now = _as_now(changes, present)
        made = _open(store, root, changes, now, receipt.note, receipt.id)
        guarded = [{**change, "expected": were["options"]} for change, were in zip(changes, now, strict=True)]
        _write(store, made, root, project.support, guarded, left, again=receipt.id)
        kept = store.get(made)
    assert kept is not None
    return kept


def check_nameable(root: Path) -> None:
    """Raises UserError where no receipt could hold the project's place: nothing can be mended there."""
    if not is_unicode(os.fspath(root.resolve())):
        raise UserError(
            text(
                "The name of {root} isn't valid Unicode: rename the folder, then --fix can mend in it.",
                root=root,
            )
        )


def _receivable(row: Row) -> bool:
    """Whether a receipt can hold the file's name and its present options; else that is told."""
    if not is_unicode(row.path):
        return _refused(row, text("its name isn't valid Unicode; rename the file"))
    try:
        # Of the type that its adapter has it in, at any depth.
        pack([row.present, row.options])
    except UnicodeError:
        return _refused(row, text("its import settings aren't valid UTF-8; import it anew"))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _refused(
            row, text("its import settings hold a value that no receipt can keep; import it anew")
        )
    return True


def _refused(row: Row, reason: AnyText) -> bool:
    row.issues.insert(0, Issue(NOT_APPLIED, WRONG, NOT_APPLIED, {"reason": reason}))
    return False


def _mended(row: Row) -> None:
    row.mended = [issue for issue in row.issues if issue.fixable]
    row.issues = [issue for issue in row.issues if not issue.fixable]


def _open(
    store: ReceiptStore,
    root: Path,
    changes: Sequence[Mapping[str, Any]],
    before: Sequence[Mapping[str, Any]],
    note: str,
    reverts: int | None = None,
) -> int:
    """The id of a receipt, which is kept before anything is written: a run may be killed while it writes."""
    root = root.resolve()
    args = {"root": str(root), "changes": list(changes), "before": list(before)}
    command = Command(id=0, name=AUDIT_FIX, args=args, deadline_ms=60_000)
    identity = hashlib.sha256(root.as_posix().encode("utf-8", "surrogateescape")).hexdigest()
    made, _ = store.open(SESSION, identity, root.name, command, note, reverts=reverts)
    return made


def _write(
    store: ReceiptStore,
    receipt: int,
    root: Path,
    support: ProjectSupport,
    changes: Sequence[Mapping[str, Any]],
    left: Sequence[Mapping[str, Any]] = (),
    again: int | None = None,
) -> Mapping[str, Any]:
    """What was done, which the receipt tells too, after what is `left` alone. Raises UserError where the
    adapter fails, which names the receipt to revert then: `again`, or else this one; where the store fails,
    a note of what it raises does."""
    try:
        done = validation.check_done(support.apply(root.resolve(), changes))
    except UserError:
        raise
    # An adapter is a plugin. What it has written by then nobody knows: the receipt stays open, as of a run
    # that was killed while it wrote.
    except (Exception, SystemExit) as error:
        raise UserError(
            text(
                "{root}: the adapter failed while it wrote import settings ({reason}). Some may be written: "
                "`popbridge revert {receipt}` puts these back.",
                root=root,
                reason=isolation.describe(error),
                receipt=again or receipt,
            )
        ) from error
    done = dict(done)
    done["errors"] = [*left, *(done.get("errors") or ())]
    try:
        store.answered(receipt, Result(id=receipt, value=done))
    except Exception as error:
        # What is raised then is told by who opened the store.
        error.what_stays = text(  # type: ignore[attr-defined]
            "Import settings may be written: `popbridge revert {receipt}` puts these back.",
            receipt=again or receipt,
        )
        raise
    return done


def _present(
    project: Project, after: Mapping[str, Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The options of the files in `after` that it or `before` names, as they are now."""
    return {
        asset.path: {
            name: asset.options.get(name) for name in {**after[asset.path], **before.get(asset.path, {})}
        }
        for asset in project.textures()
        if asset.path in after and asset.options is not None
    }


def _only(
    present: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Of `present` what `after` names."""
    return {path: {name: now[name] for name in after[path]} for path, now in present.items()}


def _refuse_reverted(receipt: Receipt, earlier: Receipt) -> None:
    """One that was killed while it wrote, or couldn't write all, may be tried again."""
    if earlier.state == "applied" and not earlier.errors:
        when = f", {local_time_text(earlier.answered)}" if earlier.answered else ""
        raise UserError(
            text(
                "Receipt {id} is reverted already (receipt {id_2}{when}): nothing was put back.",
                id=receipt.id,
                id_2=earlier.id,
                when=when,
            )
        )


def _seen(
    after: Mapping[str, Mapping[str, Any]], standing: Sequence[Receipt]
) -> Mapping[str, Mapping[str, Any]]:
    """`after`, or what runs that put back a part have left."""
    changes = [{"path": path, "options": options} for path, options in after.items()]
    return observed_options(changes, [each.after for each in standing])


def _due(
    after: Mapping[str, Mapping[str, Any]],
    before: Mapping[str, Mapping[str, Any]],
    present: Mapping[str, Mapping[str, Any]],
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The changes that put back what is still as `after` has it, and an error for each thing that isn't."""
    changes: list[Mapping[str, Any]] = []
    errors: list[Mapping[str, Any]] = []
    for path, options in before.items():
        if path not in present:
            errors += [file_error(path, GONE)] if path in after else []
            continue
        due, left = remaining_changes(options, after[path], present[path])
        changes += [{"path": path, "options": due}] if due else []
        errors += [file_error(path, message) for message in left]
    return changes, errors


def _as_now(
    changes: Sequence[Mapping[str, Any]], present: Mapping[str, Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """What `changes` would change, as it is."""
    now = [
        (change["path"], {name: present[change["path"]][name] for name in change["options"]})
        for change in changes
    ]
    return [{"path": path, "options": options} for path, options in now]


def _by_path(changes: object) -> dict[str, Mapping[str, Any]]:
    entries = changes if isinstance(changes, list) else []
    return {str(entry["path"]): entry["options"] for entry in entries}


class _Store:
    """The receipts of this machine, for the time of a block: what they raise is a UserError outside of it."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def __enter__(self) -> ReceiptStore:
        from bridge.store.database import open_database
        from bridge.store.receipts import ReceiptStore

        self._db = open_database(self._database)
        return ReceiptStore(self._db)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from bridge.store.database import unusable_error
        from bridge.store.records import FAILURES

        self._db.conn.close()
        if isinstance(error, FAILURES):
            # It could be opened, but there is no room for more, or another program holds it all the time.
            said = unusable_error(self._database, error).text
            raise UserError(sentences((said, getattr(error, "what_stays", "")))) from None
