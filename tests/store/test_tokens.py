"""Tokens in the store: made once, found by id or name, revoked and replaced, and never readable again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from bridge.core import auth
from bridge.core.errors import UserError
from bridge.store.database import open_database
from bridge.store.integrity import find_unreadable
from bridge.store.tokens import MAX_LIFETIME_S, TokenStore

NOW = 1_800_000_000.0


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "popbridge.db")
    yield opened
    opened.conn.close()


@pytest.fixture
def store(db: Database) -> TokenStore:
    return TokenStore(db)


def test_a_token_is_an_id_and_256_bits_and_only_what_verifies_it_is_stored(store: TokenStore) -> None:
    token, row = store.create("ci", ["tool", "tool", "read-only"], NOW, 60)
    public, _, secret = token.partition(".")
    assert (len(public), len(secret), auth.token_id(token)) == (8, 43, row.id)
    assert auth.token_matches(token, row.stored_key)
    assert secret not in repr(store.all())
    listed = row.token
    assert (listed.name, listed.scopes, listed.expires) == ("ci", ["tool", "read-only"], NOW + 60)
    assert [each.token for each in store.all()] == [listed]


def test_no_id_looks_like_an_option(store: TokenStore) -> None:
    assert all(store.create(f"t{n}", ["tool"], NOW)[1].id[0].isalnum() for n in range(200))


def test_a_token_is_found_by_its_id_and_by_its_name_and_an_id_wins(store: TokenStore) -> None:
    _, first = store.create("ci", ["tool"], NOW)
    _, second = store.create(first.id, ["read-only"], NOW)
    assert store.find("ci").id == store.find(first.id).id == first.id
    assert store.find(second.id).id == second.id


@pytest.mark.parametrize("which", ["nobody", "local", ""])
def test_what_is_no_token_is_said_to_be_none(store: TokenStore, which: str) -> None:
    with pytest.raises(UserError):
        store.revoke(which, NOW)


def test_a_revoked_token_stays_and_frees_its_name(store: TokenStore) -> None:
    _, row = store.create("ci", ["tool"], NOW)
    assert store.revoke("ci", NOW + 1).revoked == NOW + 1
    with pytest.raises(UserError):
        store.revoke(row.id, NOW + 2)
    store.create("ci", ["tool"], NOW + 3)
    assert [each.token.state(NOW + 4) for each in store.all()] == ["revoked", "active"]


def test_a_name_is_taken_once(store: TokenStore) -> None:
    store.create("ci", ["tool"], NOW)
    with pytest.raises(UserError):
        store.create("ci", ["tool"], NOW)
    assert len(store.all()) == 1


def test_a_new_one_has_the_old_ones_name_scopes_and_lifetime(store: TokenStore) -> None:
    before, _ = store.create("ci", ["agent", "console"], NOW, 3600)
    token, row, old = store.rotate("ci", NOW + 1000)
    assert (row.name, row.scopes, row.expires) == ("ci", "agent console", NOW + 4600)
    assert old.revoked == NOW + 1000 and token != before and old.id != row.id
    assert store.find("ci").id == row.id


def test_a_replacement_that_fails_leaves_the_old_one(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("ci", ["tool"], NOW)
    monkeypatch.setattr(TokenStore, "create", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.rotate("ci", NOW)
    assert store.find("ci").revoked is None


def test_a_token_expires_and_tells_when_it_was_used(store: TokenStore) -> None:
    _, row = store.create("ci", ["tool"], NOW, 60)
    store.use(row.id, NOW + 5)
    token = store.all()[0].token
    assert token.used == NOW + 5
    assert [token.state(NOW + at) for at in (59, 60)] == ["active", "expired"]


@pytest.mark.parametrize(
    ("name", "scopes", "expires_s"),
    [
        ("", ["tool"], None),
        ("x" * 65, ["tool"], None),
        ("a\nb", ["tool"], None),
        ("\x1b[31m", ["tool"], None),
        (" a", ["tool"], None),
        ("a/b", ["tool"], None),
        ("local", ["tool"], None),
        ("\udc80", ["tool"], None),
        ("a", [], None),
        ("a", ["tool", "root"], None),
        ("a", ["tool"], 0),
        ("a", ["tool"], -1),
        ("a", ["tool"], float("nan")),
        ("a", ["tool"], MAX_LIFETIME_S + 1),
    ],
)
def test_what_no_token_can_be_is_refused(
    store: TokenStore, name: str, scopes: list[str], expires_s: float | None
) -> None:
    with pytest.raises(UserError):
        store.create(name, scopes, NOW, expires_s)
    assert store.all() == []


def test_names_may_be_in_any_script(store: TokenStore) -> None:
    assert store.create("构建服务器 №1", ["tool"], NOW)[1].name == "构建服务器 №1"


def test_a_damaged_token_lets_nobody_in_and_hides_no_other(db: Database, store: TokenStore) -> None:
    store.create("broken", ["tool"], NOW)
    store.create("whole", ["tool"], NOW + 1)
    db.execute("UPDATE tokens SET stored_key = 5 WHERE name = 'broken'")
    assert [row.name for row in store.all()] == ["whole"]
    with pytest.raises(UserError):
        store.find("broken")
    assert len(list(find_unreadable(db.conn, "tokens"))) == 1
