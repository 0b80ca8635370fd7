"""Writes fixes into the project's import files, reads them back, stores a receipt, and reverts them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from accel.text import AnyText, sentences, text
from bridge.advisors.findings import ERROR
from bridge.api import ProjectSupport, TextureAsset
from bridge.audit.project import PROTECTED, Project, find
from bridge.audit.results import NOT_APPLIED, Issue, Report, Row
from bridge.core.errors import STORE_UNAVAILABLE, UserError
from bridge.core.messages import Command, Error, Result
from bridge.core.revert import changed_since, error_text, file_error, observed_options, remaining_changes
from bridge.core.text import is_unicode
from bridge.core.verification import Observed, as_changes, by_path
from bridge.host import isolation, validation
from bridge.host.observation import read_settings
from bridge.paths import Paths
from bridge.store.audit_log import AuditLog
from bridge.store.database import unusable_error
from bridge.store.records import AUDIT_FIX, local_time_text, pack

if TYPE_CHECKING:
    from bridge.host.host import Registry
    from bridge.store.receipts import ReceiptStore
    from bridge.store.records import Receipt


NO_SETTINGS = text("--fix has nothing to write: no engine of this project is known.")
GONE = text("is missing or can't be read: left unchanged")
ADAPTER = text("The engine's adapter")
SESSION = "audit"
"""The session in receipts of audits."""


def fix(project: Project, report: Report, database: Path) -> None:
    """Fixes every fixable finding of the report. Raises UserError if no receipt can be stored.

    The report gets the receipt's id before anything is written, so also if Ctrl-C interrupts.
    """
    rows = {row.path: row for row in report.rows if row.options and _receivable(row)}
    if not rows or project.support is None:
        return
    files = {path: row.file for path, row in rows.items()}
    present = read_settings(project.support, project.root.resolve(), files)
    # `seen` protects settings that changed since they were read. Copied, as textures with equal settings
    # share one object, and an adapter may change it.
    guarded: list[dict[str, Any]] = [
        {"path": path, "options": row.options, "seen": dict(row.settings or {})} for path, row in rows.items()
    ]
    for change in guarded:
        row = rows[change["path"]]
        if row.path in present and (reason := changed_since(change, present[row.path], row.file)):
            _refuse(rows.pop(row.path), reason)
    guarded = [change for change in guarded if change["path"] in rows]
    if rows:
        codes = sorted({issue.code for row in rows.values() for issue in row.issues if issue.fixable})
        before = {
            path: {name: present.get(path, row.settings or {}).get(name) for name in row.options}
            for path, row in rows.items()
        }
        with _Store(database) as store:
            report.receipt = _open(
                store, database, project.root, guarded, before, f"audit: {', '.join(codes)}"
            )
            done = _write(store, report.receipt, project.root, project.support, guarded, files)
        _sort_out(rows, done)
    # Each refused texture says so itself.
    report.notices = [each for each in report.notices if getattr(each, "id", "") != PROTECTED.id]
    report.rows.sort(key=lambda row: (-row.rank, row.file))


def _sort_out(rows: Mapping[str, Row], done: Receipt) -> None:
    """Moves the issues that were fixed; those of a file with an error stay, with the reason."""
    errors = _errors(done)
    # An adapter may report more files than it was asked for.
    for path in rows.keys() & by_path(done.after).keys() - {error.get("path") for error in errors}:
        row = rows[path]
        row.mended = [issue for issue in row.issues if issue.fixable]
        row.issues = [issue for issue in row.issues if not issue.fixable]
    for error in errors:
        if (failed := rows.get(error.get("path", ""))) is not None:
            _refuse(failed, error_text(error))


def _errors(receipt: Receipt) -> Sequence[Mapping[str, Any]]:
    return receipt.errors if isinstance(receipt.errors, list) else []


def revert(registry: Registry, receipt: Receipt, database: Path) -> Receipt:
    """Reverts the changes of a receipt of `AUDIT_FIX`, without an editor. Raises UserError.

    Options that changed since stay unchanged, and the new receipt's errors name them. Options that were
    already reverted stay as they are.
    """
    root = Path(str(receipt.args.get("root", "")))
    if receipt.state == "failed":
        raise UserError(text("Change {id} changed nothing.", id=receipt.id))
    project = find(registry, root)
    if project.support is None:
        raise UserError(
            text(
                "`{root}` is no longer a known project. `popbridge plugins` shows whether its engine's "
                "plugin is installed.",
                root=root,
            )
        )
    after, before = by_path(receipt.after), by_path(receipt.before)
    if receipt.state == "sent":
        # The run was killed while it wrote: the files that it reached have the new options.
        after, before = by_path(receipt.args.get("changes")), by_path(receipt.args.get("before"))
    assets = [asset for asset in project.textures() if asset.path in after and asset.options is not None]
    present = _present(assets, after, before)
    with _Store(database) as store:
        earlier = store.reverted_by(receipt.id)
        if earlier is not None and _only(present, after) != after:
            _refuse_reverted(receipt, earlier)
        # If it was reverted and all was set again since, it is reverted again.
        seen = after if earlier is not None else _seen(after, store.standing(receipt.id))
        changes, left = _due(seen, before, present)
        now = {
            change["path"]: {name: present[change["path"]][name] for name in change["options"]}
            for change in changes
        }
        made = _open(store, database, root, changes, now, receipt.note, receipt.id)
        guarded = [{**change, "expected": dict(now[change["path"]])} for change in changes]
        files = {asset.path: asset.file for asset in assets if asset.path in now}
        return _write(store, made, root, project.support, guarded, files, left, again=receipt.id)


def check_nameable(root: Path) -> None:
    """Raises UserError if no receipt can store the project's path."""
    if not is_unicode(os.fspath(root.resolve())):
        raise UserError(
            text(
                "`{root}` isn't valid Unicode: rename the folder to use --fix.",
                root=root,
            )
        )


def _receivable(row: Row) -> bool:
    """Whether a receipt can store the file's name and its options; if not, the row gets an issue."""
    if not is_unicode(row.path):
        return _refuse(row, text("its name isn't valid Unicode; rename the file"))
    try:
        # The adapter's values may be of any type, at any depth.
        pack([row.present, row.options])
    except UnicodeError:
        return _refuse(row, text("its import settings aren't valid UTF-8; reimport it"))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _refuse(row, text("its import settings have a value that a receipt can't store; reimport it"))
    return True


def _refuse(row: Row, reason: AnyText) -> bool:
    row.issues.insert(0, Issue(NOT_APPLIED, ERROR, NOT_APPLIED, {"reason": reason}))
    return False


def _open(
    store: ReceiptStore,
    database: Path,
    root: Path,
    changes: Sequence[Mapping[str, Any]],
    before: Observed,
    note: str,
    reverts: int | None = None,
) -> int:
    """Stores a receipt and returns its id; before writing, as a run may be killed while it writes.

    Raises UserError if it can't be recorded in the audit log; then the receipt fails.
    """
    root = root.resolve()
    asked = [{"path": change["path"], "options": change["options"]} for change in changes]
    args = {"root": str(root), "changes": asked, "before": as_changes(before)}
    command = Command(id=0, name=AUDIT_FIX, args=args, deadline_ms=60_000)
    identity = hashlib.sha256(root.as_posix().encode("utf-8", "surrogateescape")).hexdigest()
    made, _ = store.open(SESSION, identity, root.name, command, note, reverts=reverts, before=before)
    try:
        AuditLog(replace(Paths.find(), data=database.parent)).append(
            "audit.fix" if reverts is None else "audit.revert",
            subject=str(root),
            detail={"change": made, "files": len(changes)},
        )
    except UserError as error:
        store.answered(made, Error(id=made, code=STORE_UNAVAILABLE.name, message=str(error)[:1000]))
        raise
    return made


def _write(
    store: ReceiptStore,
    receipt: int,
    root: Path,
    support: ProjectSupport,
    changes: Sequence[Mapping[str, Any]],
    files: Mapping[str, str],
    left: Sequence[Mapping[str, Any]] = (),
    again: int | None = None,
) -> Receipt:
    """Writes the changes, reads them back, and returns the receipt with the result and the errors in `left`.

    Raises UserError if the adapter fails; it names the receipt to revert then: `again`, or this one. If the
    store fails, an attribute of its error does.
    """
    try:
        done = validation.check_done(support.apply(root.resolve(), changes))
    except UserError:
        raise
    # An adapter is a plugin. Its writes are unknown: the receipt stays open, as if the run had been killed.
    except (Exception, SystemExit) as error:
        raise UserError(
            text(
                "`{root}`: the adapter failed while writing import settings: {reason}. Undo what was written "
                "with `popbridge revert {receipt}`.",
                root=root,
                reason=isolation.describe(error),
                receipt=again or receipt,
            )
        ) from error
    done = dict(done)
    done["errors"] = [*left, *(done.get("errors") or ())]
    observed = read_settings(support, root.resolve(), files)
    try:
        store.answered(receipt, Result(id=receipt, value=done), observed, ADAPTER)
        stored = store.get(receipt)
    except Exception as error:
        # `_Store` reports it.
        error.what_stays = text(  # type: ignore[attr-defined]
            "Some import settings may have been written. Undo them with `popbridge revert {receipt}`.",
            receipt=again or receipt,
        )
        raise
    assert stored is not None
    return stored


def _present(
    assets: Sequence[TextureAsset], after: Observed, before: Observed
) -> dict[str, Mapping[str, Any]]:
    """Returns the current values of the options in `after` and `before`, by file."""
    return {
        asset.path: {
            name: (asset.options or {}).get(name)
            for name in {**after[asset.path], **before.get(asset.path, {})}
        }
        for asset in assets
    }


def _only(
    present: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Returns the options of `present` that are in `after`."""
    return {path: {name: now[name] for name in after[path]} for path, now in present.items()}


def _refuse_reverted(receipt: Receipt, earlier: Receipt) -> None:
    """Raises UserError, unless the earlier revert was killed or had errors: that may be tried again."""
    if earlier.state != "applied" or earlier.errors:
        return
    values = {"id": receipt.id, "by": earlier.id}
    if not earlier.answered:
        raise UserError(text("Change {id} was already reverted by change {by}.", **values))
    time = local_time_text(earlier.answered)
    raise UserError(text("Change {id} was already reverted by change {by} ({time}).", time=time, **values))


def _seen(
    after: Mapping[str, Mapping[str, Any]], standing: Sequence[Receipt]
) -> Mapping[str, Mapping[str, Any]]:
    """Returns the options as last observed: `after`, or what partial reverts left."""
    changes = [{"path": path, "options": options} for path, options in after.items()]
    return observed_options(changes, [each.after for each in standing])


def _due(
    after: Mapping[str, Mapping[str, Any]],
    before: Mapping[str, Mapping[str, Any]],
    present: Mapping[str, Mapping[str, Any]],
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Returns the changes that restore `before` where options still are as in `after`, and errors for the
    others.
    """
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


class _Store:
    """Opens the receipt store for a block; its errors leave the block as UserError."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def __enter__(self) -> ReceiptStore:
        from bridge.store.database import open_database
        from bridge.store.receipts import ReceiptStore

        self._db = open_database(self._database)
        return ReceiptStore(self._db)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from bridge.store.records import FAILURES

        self._db.conn.close()
        if isinstance(error, FAILURES):
            # The disk is full, or another program has locked it.
            said = unusable_error(self._database, error).text
            raise UserError(sentences((said, getattr(error, "what_stays", "")))) from None
