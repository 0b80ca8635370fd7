"""`popbridge tokens`: lists, creates, revokes and rotates the tokens of clients."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import click
import msgspec

from accel.text import text
from bridge.client.client import Client
from bridge.client.connection import as_request_error
from bridge.client.transfer import ConnectionLost, exchange
from bridge.commands.options import as_json, print_json, show_notice
from bridge.commands.terminal import is_narrow, paragraphs, say, table
from bridge.core.access import SCOPE_NAMES
from bridge.core.errors import UserError
from bridge.paths import Paths, private_umask
from bridge.store import home
from bridge.store.audit_log import AuditLog
from bridge.store.database import open_database, unusable_error
from bridge.store.records import FAILURES
from bridge.store.tokens import Token, TokenStore, check_new, unknown_token

Value = TypeVar("Value")

HEADS = (
    text("id"),
    text("name"),
    text("scopes"),
    text("state"),
    text("expires"),
    text("last used"),
    text("created"),
)
STATES = {"active": text("active"), "expired": text("expired"), "revoked": text("revoked")}
UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
NEVER = "never"


class Created(msgspec.Struct):
    """A new token, which is shown this once."""

    token: str
    info: Token


@click.group()
def tokens() -> None:
    """Manage the tokens of clients.

    A token lets a client in; its scopes say what the client may do. Changes take effect at once, also while
    the daemon runs. The token in connection.json isn't listed: each start of the daemon makes a new one.
    """


@tokens.command("list")
@click.option("--all", "with_revoked", is_flag=True, help="Include revoked tokens.")
@as_json
def list_tokens(with_revoked: bool, as_json: bool) -> None:
    """List tokens, oldest first, without their secrets."""
    now = time.time()
    found = [each for each in _list() if with_revoked or each.revoked is None]
    if as_json:
        for each in found:
            print_json({**msgspec.to_builtins(each), "state": each.state(now)})
        return
    if not found:
        click.echo(say(text("No tokens yet. Create one with `popbridge tokens create NAME --scope tool`.")))
        return
    heads = tuple(map(say, HEADS))
    rows = [
        (
            each.id,
            each.name,
            ", ".join(each.scopes),
            say(STATES[each.state(now)]),
            _when(each.expires),
            _when(each.used),
            _when(each.created),
        )
        for each in found
    ]
    if is_narrow():
        paragraphs((f"{row[0]}  {row[1]}  {row[3]}", row[2]) for row in rows)
        return
    table(rows, heads, less=heads[-1:])


@tokens.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPE_NAMES),
    help="What it may do; repeatable.",
)
@click.option(
    "--expires", metavar="TIME", default=NEVER, show_default=True, help="Lifetime, such as 12h, 30d or 1y."
)
@as_json
def create(name: str, scopes: tuple[str, ...], expires: str, as_json: bool) -> None:
    """Create a token and print it, for the only time.

    NAME tells what it is for, such as `build server`.
    """
    expires_s = _seconds(expires)
    check_new(name, scopes, expires_s)
    body = {"name": name, "scopes": scopes, "expires_s": expires_s}
    _print_new(
        _change(
            "POST",
            "/tokens",
            body,
            lambda store, log: _create(store, log, name, scopes, expires_s),
            Created,
        ),
        as_json,
    )


@tokens.command()
@click.argument("token", metavar="ID_OR_NAME")
@as_json
def revoke(token: str, as_json: bool) -> None:
    """Revoke a token.

    Its connections are closed at once.
    """
    found = _change(
        "DELETE",
        _path(token),
        None,
        lambda store, log: _revoke(store, log, token),
        Token,
    )
    if as_json:
        print_json(found)
    else:
        click.echo(say(text("Token {id} ({name}) is revoked.", id=found.id, name=found.name)))


@tokens.command()
@click.argument("token", metavar="ID_OR_NAME")
@as_json
def rotate(token: str, as_json: bool) -> None:
    """Replace a token by a new one and print it, for the only time.

    The new one has the same name, scopes and lifetime. The old one is revoked at once.
    """
    _print_new(
        _change(
            "POST",
            f"{_path(token)}/rotate",
            None,
            lambda store, log: _rotate(store, log, token),
            Created,
        ),
        as_json,
    )


def _path(token: str) -> str:
    """Returns the path of a token, by id or name. Raises UserError."""
    # No name has one, and no path of a server may have an encoded one.
    if "/" in token:
        raise unknown_token(token)
    return f"/tokens/{quote(token, safe='')}"


def _create(
    store: TokenStore, log: AuditLog, name: str, scopes: Sequence[str], expires_s: float | None
) -> Created:
    store.check_free(name)
    log.append("token.create", subject=name, detail={"scopes": ", ".join(scopes)})
    made, row = store.create(name, scopes, time.time(), expires_s)
    return Created(made, row.token)


def _revoke(store: TokenStore, log: AuditLog, token: str) -> Token:
    found = store.find(token)
    log.append("token.revoke", subject=found.name, detail={"id": found.id})
    return store.revoke(found.id, time.time()).token


def _rotate(store: TokenStore, log: AuditLog, token: str) -> Created:
    found = store.find(token)
    log.append("token.rotate", subject=found.name, detail={"id": found.id})
    made, row, _ = store.rotate(found.id, time.time())
    return Created(made, row.token)


def _print_new(created: Created, as_json: bool) -> None:
    if as_json:
        print_json(created)
        return
    # On stdout there is nothing else, so that it can be redirected to a file.
    click.echo(created.token)
    show_notice(
        text(
            "This is the only time that the token {id} ({name}) is shown. Keep it like a password.",
            id=created.info.id,
            name=created.info.name,
        )
    )


def _when(at: float | None) -> str:
    return "–" if at is None else datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _seconds(expires: str) -> float | None:
    """Converts `--expires` to seconds; None for never. Raises UserError."""
    if expires == NEVER:
        return None
    found = re.fullmatch(r"([0-9]{1,6})([mhdwy])", expires, re.ASCII)
    if found is None:
        raise UserError(
            text(
                "`--expires {expires}` isn't a time. Use a number and m, h, d, w or y, such as 30d.",
                expires=expires,
            )
        )
    return float(int(found[1]) * UNITS_S[found[2]])


def _list() -> list[Token]:
    paths = Paths.find()
    with _stopped(paths) as is_stopped:
        if not is_stopped:
            answer = _ask(paths, "GET", "/tokens", None)
            return msgspec.convert(answer["tokens"], list[Token])
        if not paths.database.exists():
            return []
        return [row.token for row in _stored(paths, TokenStore.all)]


def _change(
    method: str, path: str, body: Any, work: Callable[[TokenStore, AuditLog], Value], kind: type[Value]
) -> Value:
    """Changes tokens through the daemon or, if none runs, in the database. Raises UserError, RequestError."""
    paths = Paths.find()
    with _stopped(paths) as is_stopped:
        if is_stopped:
            return _stored(paths, lambda store: work(store, AuditLog(paths)))
        return msgspec.convert(_ask(paths, method, path, body), kind)


@contextlib.contextmanager
def _stopped(paths: Paths) -> Iterator[bool]:
    """Yields whether no daemon runs, and then keeps one from starting. Raises UserError."""
    with private_umask(), contextlib.ExitStack() as held:
        try:
            home.create_folders(paths)
            held.enter_context(home.HomeLock(paths))
            is_stopped = True
        except home.HomeInUseError:
            is_stopped = False
        except OSError as error:
            raise UserError(
                text("Can't use the folder {folder} ({reason}).", folder=paths.runtime, reason=error.strerror)
            ) from None
        yield is_stopped


def _stored(paths: Paths, work: Callable[[TokenStore], Value]) -> Value:
    db = open_database(paths.database)
    try:
        return work(TokenStore(db))
    except FAILURES as error:
        raise unusable_error(paths.database, error) from None
    finally:
        db.conn.close()


def _ask(paths: Paths, method: str, path: str, body: Any) -> Any:
    """Sends a request to the running daemon, in a session of its own. Raises UserError and RequestError."""

    async def ask() -> tuple[int, bytes]:
        client = await Client.connect(paths.connection_file, name="popbridge tokens")
        try:
            sent = b"" if body is None else msgspec.json.encode(body)
            return await asyncio.to_thread(exchange, client.http, method, path, sent)
        except ConnectionLost as error:
            raise UserError(
                text("PopBridge doesn't answer at {http} ({error}).", http=client.http.http, error=error)
            ) from None
        finally:
            await client.close(done=True)

    code, answer = asyncio.run(ask())
    found = msgspec.json.decode(answer)
    if code >= 400:
        raise as_request_error(found)
    return found
