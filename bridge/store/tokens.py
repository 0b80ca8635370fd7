"""Tokens of clients: the table `tokens`, which holds keys that verify a token but never the token."""

from __future__ import annotations

import logging
import secrets
import sqlite3
from collections.abc import Sequence

from msgspec import Struct
from sqlite_utils import Database

from accel.text import AnyText, text
from bridge.core import access, auth
from bridge.core.errors import UserError
from bridge.core.text import is_unicode
from bridge.store.records import Row, UnreadableRow, as_record

log = logging.getLogger(__name__)

MAX_NAME = 64
"""Maximum characters of a token's name."""
MAX_LIFETIME_S = 10 * 366 * 86_400.0
COLUMNS = "id, name, scopes, created, expires, used, revoked, stored_key, server_key"


class Token(Struct, kw_only=True):
    """A token as its owner sees it. Times are Unix times in seconds."""

    id: str
    """The public part."""
    name: str
    scopes: list[str]
    created: float
    expires: float | None = None
    """None for never."""
    used: float | None = None
    """About when it was last used; None for never."""
    revoked: float | None = None

    def state(self, now: float) -> str:
        """Returns `active`, `expired` or `revoked`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"


class StoredToken(Struct, kw_only=True):
    """A row."""

    id: str
    name: str
    scopes: str
    """Separated by spaces."""
    created: float
    expires: float | None
    used: float | None
    revoked: float | None
    stored_key: bytes
    server_key: bytes

    @property
    def token(self) -> Token:
        """The row without its keys."""
        return Token(
            id=self.id,
            name=self.name,
            scopes=self.scopes.split(),
            created=self.created,
            expires=self.expires,
            used=self.used,
            revoked=self.revoked,
        )

    @property
    def verifier(self) -> auth.Verifier:
        return auth.Verifier(self.stored_key, self.server_key)


def new_secret() -> str:
    """Returns a new token: 8 public characters, a dot, and 256 random bits."""
    token_id = ""
    # One that begins with a hyphen would look like an option of a command.
    while not token_id[:1].isalnum():
        token_id = secrets.token_urlsafe(auth.ID_BYTES)
    return f"{token_id}.{secrets.token_urlsafe(auth.SECRET_BYTES)}"


def check_new(name: str, scopes: Sequence[str], expires_s: float | None) -> None:
    """Raises UserError for a name, scopes or lifetime that no token can have."""
    fits = 1 <= len(name) <= MAX_NAME and name == name.strip() and name != access.LOCAL_ID
    # The name is part of a URL's path.
    if not fits or not name.isprintable() or not is_unicode(name) or "/" in name:
        raise UserError(
            text(
                "A token can't be named {name}. Use 1 to {most} printable characters other than `/`.",
                name=f"{name!r:.80}",
                most=MAX_NAME,
            )
        )
    unknown = [scope for scope in scopes if scope not in access.SCOPE_NAMES]
    if unknown or not scopes:
        raise UserError(
            text(
                "{scope} isn't a scope. Choose from {scopes}.",
                scope=f"{''.join(unknown[:1])!r:.40}",
                scopes=access.listed(access.SCOPE_NAMES),
            )
        )
    if expires_s is not None and not 0 < expires_s <= MAX_LIFETIME_S:
        raise UserError(text("A token can be valid for 1 second to 10 years."))


def read_token(row: Row) -> StoredToken:
    """Converts a row. Raises UnreadableRow."""
    return as_record("tokens", row, StoredToken)


class TokenStore:
    """The table `tokens`. A revoked token stays, so that its owner is told what happened."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._connection = db.conn

    def all(self) -> list[StoredToken]:
        """Returns all tokens, oldest first, except damaged ones, which let nobody in."""
        return self._rows("1 ORDER BY created, rowid")

    def find(self, which: str) -> StoredToken:
        """Returns the token with this id or name that isn't revoked. Raises UserError."""
        # An id wins: a name that looks like another token's id must not hide it.
        for column in ("id", "name"):
            if found := self._rows(f"{column} = ? AND revoked IS NULL", which):
                return found[0]
        if which == access.LOCAL_ID:
            raise UserError(
                text("The local token can't be revoked. Each start of the daemon makes a new one.")
            )
        raise unknown_token(which)

    def check_free(self, name: str) -> None:
        """Raises UserError if a token that isn't revoked has this name."""
        if self._rows("name = ? AND revoked IS NULL", name):
            raise UserError(name_taken(name))

    def create(
        self, name: str, scopes: Sequence[str], now: float, expires_s: float | None = None
    ) -> tuple[str, StoredToken]:
        """Inserts a new token; returns it, for the only time, and its row. Raises UserError."""
        check_new(name, scopes, expires_s)
        token = new_secret()
        keys = auth.verifier(token)
        row = StoredToken(
            id=auth.token_id(token),
            name=name,
            scopes=" ".join(dict.fromkeys(scopes)),
            created=now,
            expires=None if expires_s is None else now + expires_s,
            used=None,
            revoked=None,
            stored_key=keys.stored_key,
            server_key=keys.server_key,
        )
        self._insert(row)
        return token, row

    def revoke(self, which: str, now: float) -> StoredToken:
        """Revokes the token with this id or name. Raises UserError."""
        with self._db.atomic():
            found = self.find(which)
            self._connection.execute("UPDATE tokens SET revoked = ? WHERE id = ?", (now, found.id))
        found.revoked = now
        return found

    def rotate(self, which: str, now: float) -> tuple[str, StoredToken, StoredToken]:
        """Revokes a token and makes another with its name, scopes and lifetime.

        Returns the new one, its row, and that of the old one. Raises UserError.
        """
        with self._db.atomic():
            old = self.revoke(which, now)
            lifetime = None if old.expires is None else old.expires - old.created
            token, row = self.create(old.name, old.scopes.split(), now, lifetime)
        return token, row, old

    def use(self, token_id: str, now: float) -> None:
        """Stores when a token was used."""
        self._connection.execute("UPDATE tokens SET used = ? WHERE id = ?", (now, token_id))

    def _insert(self, row: StoredToken) -> None:
        try:
            self._connection.execute(
                f"INSERT INTO tokens ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    row.id, row.name, row.scopes, row.created, row.expires, row.used, row.revoked,
                    row.stored_key, row.server_key,
                ),
            )  # fmt: skip
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode not in UNIQUE:
                raise
            raise UserError(name_taken(row.name)) from None

    def _rows(self, where: str, *values: object) -> list[StoredToken]:
        rows: list[Row] = list(self._db.query(f"SELECT {COLUMNS} FROM tokens WHERE {where}", values))
        found = []
        for row in rows:
            try:
                found.append(read_token(row))
            except UnreadableRow as error:
                log.error("a token can't be read: %s", error)
        return found


UNIQUE = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)


def name_taken(name: str) -> AnyText:
    """Returns the sentence about a name that another token has."""
    return text(
        "There is a token `{name}` already. Choose another name, or use `popbridge tokens rotate {name}`.",
        name=name,
    )


def unknown_token(which: str) -> UserError:
    """Returns the error for an id or name that no valid token has."""
    return UserError(text("There is no token `{which}`. `popbridge tokens list` shows all.", which=which))
