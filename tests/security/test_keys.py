"""Attacks on the encryption at rest: moved and changed envelopes, wrong and lost keys, plain keyrings."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import keyring.core
import pytest
from keyring.backends import chainer, null
from keyring.backends.SecretService import Keyring as SecretService
from sqlite_utils import Database

from bridge import cli
from bridge.core.errors import UserError
from bridge.core.messages import Popup
from bridge.paths import Paths
from bridge.store import journal, master_key
from bridge.store.backups import make_backup
from bridge.store.column_encryption import TABLES, opened, stored_digest
from bridge.store.database import connect, migrations, open_database, open_readonly
from bridge.store.encryption import OVERHEAD, MissingKeyError, SealError, Vault, key_id, new_key, sealing_key
from bridge.store.master_key import MasterKey, accepted_backend, parse_keys, write_keys
from bridge.store.records import UnreadableRow, unpack
from bridge.store.sessions import SessionStore
from tests.security.stored import form, needs
from tests.server.advised import popup
from tests.server.daemons import ProcessDaemon, paths_in, until
from tests.server.wire import session
from tests.store.damage import content
from tests.store.jobs import asked

OLD, NEW = new_key(), new_key()
PLACE = "popups/7/message"


@pytest.mark.parametrize("size", [16, 200, 70_000])
def test_an_envelope_gives_back_what_was_sealed_and_hides_it(size: int) -> None:
    vault, data = Vault([OLD]), os.urandom(size)
    one, two = vault.seal(data, PLACE), vault.seal(data, PLACE)
    assert vault.open(one, PLACE) == vault.open(two, PLACE) == data
    assert len(one) == size + OVERHEAD
    # Neither the value nor its data key is used twice.
    assert one != two and one[-size:] != two[-size:]
    assert data not in one


@pytest.mark.parametrize(
    "place", ["popups/8/message", "popups/7/state", "receipts/7/message", "popups/7/message/"]
)
def test_an_envelope_moved_to_another_row_column_or_table_is_refused(place: str) -> None:
    with pytest.raises(SealError):
        Vault([OLD]).open(Vault([OLD]).seal(b"yes", PLACE), place)


def test_a_cut_or_changed_envelope_is_refused_wherever_it_was_hit() -> None:
    vault = Vault([OLD])
    whole = vault.seal(b"secret", PLACE)
    for length in range(4, len(whole)):
        with pytest.raises(SealError):
            vault.open(whole[:length], PLACE)
    # The first four bytes say that it is an envelope: without them it is some other value.
    for at in range(4, len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        with pytest.raises(SealError):
            vault.open(bytes(changed), PLACE)


def test_another_master_key_opens_nothing() -> None:
    sealed = Vault([OLD]).seal(b"secret", PLACE)
    with pytest.raises(MissingKeyError):
        Vault([NEW]).open(sealed, PLACE)
    with pytest.raises(MissingKeyError):
        Vault().open(sealed, PLACE)
    # Nor under the right key's name.
    forged = (
        Vault([NEW]).seal(b"secret", PLACE).replace(bytes.fromhex(key_id(NEW)), bytes.fromhex(key_id(OLD)))
    )
    with pytest.raises(SealError):
        Vault([OLD]).open(forged, PLACE)


def test_a_rotation_wraps_the_data_key_anew_and_keeps_the_place() -> None:
    sealed = Vault([OLD]).seal(b"secret", PLACE)
    both = Vault([NEW, OLD])
    assert both.open(sealed, PLACE) == b"secret"
    rotated = both.convert(sealed, PLACE)
    assert rotated is not None and sealing_key(rotated) == key_id(NEW)
    assert Vault([NEW]).open(rotated, PLACE) == b"secret"
    assert both.convert(rotated, PLACE) is None
    with pytest.raises(SealError):
        both.convert(sealed, "popups/8/message")
    assert Vault([NEW], seals=False).convert(rotated, PLACE) == b"secret"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = connect(tmp_path / "popbridge.db", migrations, durable=False, vault=Vault([OLD]))
    yield made
    made.conn.close()


def test_rows_swapped_by_whoever_can_write_the_file_are_refused(db: Database) -> None:
    store = SessionStore(db)
    ids = [
        store.reserve_popup("s", "a", Popup(id=0, kind="t", title=title, body="b", actions=[]), None, None)[0]
        for title in ("one", "two")
    ]
    db.execute("UPDATE popups SET message = (SELECT message FROM popups WHERE id = ?) WHERE id = ?", ids)
    with pytest.raises(UnreadableRow):
        store.popup(ids[1])
    one = store.popup(ids[0])
    assert one is not None
    db.execute("UPDATE popups SET state = message WHERE id = ?", ids[:1])
    with pytest.raises(UnreadableRow):
        store.popup(ids[0])


def test_every_column_with_bytes_is_encrypted_or_known_to_hold_digests(db: Database) -> None:
    found = {
        (table.name, column.name)
        for table in db.tables
        for column in table.columns
        if column.type.upper() == "BLOB"
    }
    declared = {(name, column) for name, table in TABLES.items() for column in table.columns}
    digests = {("jobs", "digest"), ("marks", "mark"), ("tokens", "stored_key"), ("tokens", "server_key")}
    assert found - declared == digests | {("encryption", "value")}


def test_the_digest_of_a_request_confirms_no_guess(db: Database, tmp_path: Path) -> None:
    guess = hashlib.sha256(b"the request").digest()
    journal.accept(db, asked("k", digest=guess), "s", 1)
    (stored,) = db.execute("SELECT digest FROM jobs").fetchone()
    assert guess not in stored
    # A row of an earlier version, with the digest itself, is still found by its key.
    db.execute("UPDATE jobs SET digest = ?", [guess])
    assert not journal.accept(db, asked("k", digest=guess), "s", 2).is_new
    other = connect(tmp_path / "other.db", migrations, durable=False, vault=Vault([OLD]))
    assert stored_digest(other.conn, guess) != stored
    other.conn.close()


async def filled(process: ProcessDaemon) -> str:
    """The id of the key of a database with a popup, whose daemon has ended."""
    async with session(process.start()) as wire:
        await popup(wire, title="kept")
        until(lambda: form(process.paths), "the rows to be encrypted")
    process.stop()
    return needs(process.paths) or ""


def lose(paths: Paths) -> None:
    (paths.data / "master.key").unlink()


def mistake(paths: Paths) -> None:
    write_keys(paths.data / "master.key", [NEW])


def garble(paths: Paths) -> None:
    (paths.data / "master.key").write_text("this was a letter to grandmother\n")


class Done(NamedTuple):
    returncode: int
    stderr: str


def command(paths: Paths, *words: str) -> Done:
    """What `popbridge WORDS` ends with, in this process; on a thread, as it runs an event loop of its own."""
    assert paths.home is not None
    errors = io.StringIO()
    with pytest.MonkeyPatch.context() as environment, contextlib.redirect_stderr(errors):
        environment.setenv("POPBRIDGE_HOME", str(paths.home))
        with ThreadPoolExecutor(1) as thread:
            return Done(thread.submit(cli.main, words).result(), errors.getvalue())


@pytest.mark.parametrize("spoil", [lose, mistake, garble])
async def test_a_lost_or_wrong_key_is_told_destroys_nothing_and_is_restored_from_a_copy(
    process: ProcessDaemon, tmp_path: Path, spoil: Callable[[Paths], None]
) -> None:
    paths = process.paths
    key = await filled(process)
    assert stat.S_IMODE((paths.data / "master.key").stat().st_mode) == 0o600 or sys.platform == "win32"
    copy = tmp_path / "copy.key"
    assert command(paths, "keys", "export", str(copy)).returncode == 0
    whole = paths.database.read_bytes()
    spoil(paths)
    spoilt = (paths.data / "master.key").read_bytes() if spoil is not lose else None
    assert process.spawn().wait(60) == 2
    said = process.output.read_text()
    assert "master.key" in said and "popbridge db reset" in said
    assert paths.database.read_bytes() == whole
    # No new key takes the place of the lost one.
    assert (spoilt is None) != (paths.data / "master.key").exists()
    assert spoilt is None or (paths.data / "master.key").read_bytes() == spoilt
    if spoil is garble:
        shutil.copyfile(copy, paths.data / "master.key")
    else:
        assert command(paths, "keys", "status").returncode == 1
        assert command(paths, "receipts").returncode == 2
        assert command(paths, "keys", "import", str(copy)).returncode == 0
    assert command(paths, "keys", "status").returncode == 0
    async with session(process.start()):
        assert needs(paths) == key
    assert titles(paths) == ["kept"]


@pytest.mark.parametrize("spoil", [lose, garble])
async def test_the_daemon_starts_without_the_old_content_if_the_user_says_so(
    process: ProcessDaemon, spoil: Callable[[Paths], None]
) -> None:
    paths = process.paths
    key = await filled(process)
    old = rows(paths.database)
    spoil(paths)
    assert command(paths, "db", "reset", "--yes").returncode == 0
    (aside,) = paths.data.glob("popbridge.db.old-*")
    assert rows(aside) == old
    async with session(process.start()) as wire:
        await popup(wire, title="new")
    process.stop()
    assert titles(paths) == ["new"]
    assert needs(paths) not in (None, key)
    # What was set aside isn't touched, though its key is unknown.
    assert rows(aside) == old


def rows(database: Path) -> list[str]:
    """All rows as statements, without where the audit log ends, which tells of the command."""
    return [line for line in content(database) if 'INTO "audit_head"' not in line]


def titles(paths: Paths) -> list[str]:
    db = open_readonly(paths.database)
    assert db is not None
    with contextlib.closing(db.conn):
        rows = db.query("SELECT id, message FROM popups ORDER BY id")
        return [unpack(opened(db.conn, "popups", row)["message"], Popup).title for row in rows]


async def test_a_backup_of_another_key_is_restored_once_that_key_is_there(
    process: ProcessDaemon, tmp_path: Path
) -> None:
    paths = process.paths
    await filled(process)
    backup, copy = tmp_path / "far.db", tmp_path / "copy.key"
    assert command(paths, "db", "backup", str(backup)).returncode == 0
    assert command(paths, "keys", "export", str(copy)).returncode == 0
    assert command(paths, "keys", "rotate").returncode == 0
    refused = command(paths, "db", "restore", str(backup))
    assert refused.returncode == 2 and "popbridge keys import" in refused.stderr
    assert command(paths, "keys", "import", str(copy)).returncode == 0
    assert command(paths, "db", "restore", str(backup)).returncode == 0
    assert titles(paths) == ["kept"]
    process.start()
    # Then it is converted to the current key, and the imported one goes.
    until(lambda: len(MasterKey.find(paths.data, home=True).read().keys) == 1, "the old key to go")
    process.stop()
    assert titles(paths) == ["kept"]


def test_a_key_in_the_environment_or_a_named_file_comes_first_and_takes_over(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = MasterKey.find(home, environment={}, home=True).create()
    named = tmp_path / "secret"
    write_keys(named, [NEW])
    ring = MasterKey.find(home, str(named), environment={}, home=True).read()
    assert ring.keys == (NEW, *first.keys)
    words = {"POPBRIDGE_MASTER_KEY": master_key.format_key(OLD)}
    master = MasterKey.find(home, str(named), environment=words, home=True)
    assert master.read().keys == (OLD, NEW, *first.keys) and master.read().kind == "environment"
    with pytest.raises(UserError):
        master.add(new_key())
    assert master.retire([key_id(OLD), key_id(NEW), key_id(first.keys[0])])
    assert master.read().keys == (OLD,)
    master.point()
    # Commands know where it was expected.
    assert MasterKey.find(home, environment={}).read().kind == "environment"


@pytest.mark.parametrize(
    "content",
    ["short", "0000:AAAA", f"{key_id(OLD)}:{'A' * 43}", "ü" * 43],
    ids=["short", "another id", "another key", "no ASCII"],
)
def test_a_damaged_key_is_refused_and_named(content: str) -> None:
    with pytest.raises(UserError, match="the place"):
        parse_keys(content, "the place")


class PlaintextKeyring:
    """What `keyrings.alt` brings."""

    __module__ = "keyrings.alt.file"


class Impostor(null.Keyring):
    """A backend of another package under a known name."""

    __module__ = "keyring.backends.SecretService"
    __qualname__ = "Keyring"


def test_only_keyrings_that_encrypt_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SecretService()
    for refused in (
        PlaintextKeyring(),
        null.Keyring(),
        Impostor(),
        type("Sub", (SecretService,), {})(),
        None,
    ):
        assert accepted_backend(refused) is None
    assert accepted_backend(real) is real
    chain = chainer.ChainerBackend()
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [PlaintextKeyring(), real])
    assert accepted_backend(chain) is real
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [PlaintextKeyring()])
    assert accepted_backend(chain) is None


@pytest.mark.parametrize("backend", ["keyring.backends.null.Keyring", "tests.security.test_keys.Plain"])
def test_a_plaintext_keyring_of_the_system_gets_no_key(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    ring = MasterKey.find(tmp_path, environment={}).create()
    assert ring.kind == "file" and key_id(ring.keys[0]) in (tmp_path / "master.key").read_text()
    assert Plain.content is None


class Plain(null.Keyring):
    """Stores everything in plain text."""

    priority = 9  # type: ignore[assignment]
    content: str | None = None

    def set_password(self, service: str, username: str, password: str) -> None:
        Plain.content = password


class Locked:
    """A keyring that asks its user for a password."""

    def get_password(self, service: str, username: str) -> str:
        time.sleep(60)
        raise AssertionError


class Box:
    """A keyring that works."""

    def __init__(self) -> None:
        self.content: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.content.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.content[service, username] = password


def test_a_key_in_the_keyring_isnt_in_the_folder_and_a_locked_keyring_doesnt_hang_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box()
    monkeypatch.setattr(master_key, "keyring_backend", lambda: box)
    master = MasterKey.find(tmp_path, environment={})
    ring = master.create()
    assert ring.kind == "keyring" and len(ring.keys) == 1
    secret = master_key.format_key(ring.keys[0]).partition(":")[2]
    assert secret not in (tmp_path / "master.key").read_text()
    stamp = master.stamp()
    assert master.add(NEW).keys == (NEW, *ring.keys)
    # A running daemon sees it.
    assert master.stamp() != stamp
    master.retire([key_id(ring.keys[0])])
    assert master.read().keys == (NEW,)
    monkeypatch.setattr(master_key, "keyring_backend", Locked)
    monkeypatch.setattr(master_key, "KEYRING_TIMEOUT_S", 0.1)
    begin = time.monotonic()
    with pytest.raises(UserError, match="keyring"):
        master.read()
    assert time.monotonic() - begin < 2
    # A first start with a locked keyring takes the file.
    assert MasterKey.find(tmp_path / "other", environment={}).create().kind == "file"


def test_a_rotation_that_is_killed_at_any_point_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "home")
    first = MasterKey.find(paths.data, home=True).create().keys[0]
    expected = fill(paths, 400)
    make_backup(paths.database)
    environment = {**os.environ, "POPBRIDGE_HOME": str(paths.data)}
    kills = 0
    for delay_s in (0.0, 0.05, 0.15, 0.35):
        keys = MasterKey.find(paths.data, home=True).read().keys
        running = subprocess.Popen(
            [sys.executable, "-m", "bridge.cli", "keys", "rotate"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while MasterKey.find(paths.data, home=True).read().keys == keys:
            assert running.poll() is None
            time.sleep(0.002)
        time.sleep(delay_s)
        running.kill()
        kills += running.wait(60) != 0
        # Whatever was reached, everything can be read.
        assert titles(paths) == expected
    assert kills >= 2
    assert command(paths, "keys", "rotate").returncode == 0
    (key,) = MasterKey.find(paths.data, home=True).read().keys
    assert titles(paths) == expected
    assert form(paths) == key_id(key) != key_id(first)
    for file in (paths.database, *(paths.data / "backups").glob("*.db")):
        assert bytes.fromhex(key_id(first)) not in file.read_bytes()
    assert not list(paths.data.glob(".popbridge.db.*"))


def fill(paths: Paths, count: int) -> list[str]:
    db = open_database(paths.database)
    with contextlib.closing(db.conn):
        store = SessionStore(db)
        with db.atomic():
            for number in range(count):
                store.reserve_popup(
                    "s",
                    "a",
                    Popup(id=0, kind="t", title=f"popup {number}", body="b", actions=[]),
                    {"x": "y" * 500},
                    None,
                )
    return [f"popup {number}" for number in range(count)]


async def test_a_rotation_under_load_keeps_answering_and_deletes_the_old_key(process: ProcessDaemon) -> None:
    paths = process.paths
    MasterKey.find(paths.data, home=True).create()
    fill(paths, 600)
    async with session(process.start()) as wire:
        until(lambda: form(paths), "the rows to be encrypted")
        (old,) = MasterKey.find(paths.data, home=True).read().keys
        rotating = subprocess.Popen(
            [sys.executable, "-m", "bridge.cli", "keys", "rotate"],
            env={**os.environ, "POPBRIDGE_HOME": str(paths.data)},
        )
        number = 0
        while rotating.poll() is None:
            number += 1
            answer = await wire.request(number, "bridge.echo", {"value": number}, key=f"k{number}")
            assert answer["value"] == number
        assert rotating.returncode == 0
        assert number > 10
        shown = await popup(wire, title="after")
        process.kill()
    (new,) = MasterKey.find(paths.data, home=True).read().keys
    assert new != old and form(paths) == key_id(new)
    assert titles(paths)[-1] == "after" and len(titles(paths)) == 601 and shown
    with contextlib.closing(sqlite3.connect(paths.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert bytes.fromhex(key_id(old)) not in paths.database.read_bytes()
