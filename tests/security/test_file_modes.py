"""Other users of the machine: they read none of PopBridge's files, and put none in their place."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, resolve
from bridge.host.host import Registry
from bridge.paths import ConnectionFile, Paths, record_start_command, write_private
from bridge.server import serve
from bridge.store.database import copy_database, open_database
from bridge.store.home import HomeLock, close_files, create_folders
from tests.server.daemons import ProcessDaemon, ThreadDaemon, paths_in, until
from tests.server.wire import session

pytestmark = [
    pytest.mark.own_workers,
    pytest.mark.skipif(sys.platform == "win32", reason="profile folders are closed to other users there"),
]

NOBODY = 65_534


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """That of most systems, under which new files can be read by everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """As version 0.2.0 left it, if the folder was there before."""
    home = tmp_path / "home"
    for folder in ("blobs", "blobs/uploads", "backups", "cache/kinds", "models/tiny"):
        (home / folder).mkdir(parents=True, exist_ok=True)
        (home / folder / "file").write_bytes(b"private")
    for name in ("settings.toml", "popbridge.db.before-20260101-000000"):
        (home / name).write_bytes(b"")
    (home / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(b"public")
    return home


def open_to_others(folder: Path) -> list[str]:
    """What is in a folder, and the folder itself, that other users may read, write or enter."""
    found = [path for path in (folder, *folder.rglob("*")) if not path.is_symlink()]
    return [str(path.relative_to(folder)) for path in found if path.stat().st_mode & 0o077]


def begin(paths: Paths) -> None:
    serve.main(resolve(SETTINGS, {"port": 0, "workers": 1}), paths, Registry(), print)


async def test_nothing_of_the_daemon_can_be_read_by_others(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "daemon.log"
    log.parent.mkdir()
    for name in ("daemon.log", "daemon.log.1"):
        (log.parent / name).write_text("private")
    daemon = ProcessDaemon(home, POPBRIDGE_LOG_FILE=str(log), POPBRIDGE_LOG_LEVEL="info")
    try:
        file = daemon.start()
        async with session(file) as wire:
            await wire.send("request", id=1, workload="test.sleep", params={"seconds": 0})
            await wire.until("result", id=1)
        if sys.platform == "linux":
            masks = {
                re.search(r"^Umask:\s*(\d+)", Path(f"/proc/{process.pid}/status").read_text(), re.M)[1]  # type: ignore[index]
                for process in (psutil.Process(file.pid), *psutil.Process(file.pid).children())
            }
            assert masks == {"0077"}, "workers have the same"
        assert (home / "popbridge.db-wal").exists()
        assert open_to_others(home) == [] and open_to_others(log) == []
        assert log.with_name("daemon.log.1").stat().st_mode & 0o077 == 0
        assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o644, "a link's target isn't PopBridge's"
    finally:
        daemon.end()
    assert os.umask(0o022) == 0o022


def test_a_folder_of_blobs_is_looked_through_once(home: Path) -> None:
    """A hundred thousand files are worth a second once, but not at each start."""
    blob = home / "blobs" / "file"
    paths = paths_in(home)
    create_folders(paths)
    close_files(paths)
    assert blob.stat().st_mode & 0o777 == 0o600 and (home / "blobs").stat().st_mode & 0o777 == 0o700
    blob.chmod(0o644)
    (home / "backups" / "file").chmod(0o644)
    close_files(paths)
    assert open_to_others(home) == ["blobs/file"]


def test_the_command_line_writes_private_files_too(tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "home")
    record_start_command(paths, ["popbridge"])
    database = open_database(paths.database)
    database.execute("CREATE TABLE t (x)")
    copy_database(database.conn, paths.data / "copy.db")
    assert open_to_others(paths.data) == []
    database.conn.close()


@pytest.mark.parametrize("mode", [0o777, 0o703, 0o1777])
def test_a_home_that_everybody_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    with pytest.raises(UserError) as refused:
        begin(paths_in(home))
    assert str(home) in str(refused.value) and list(home.iterdir()) == []
    assert stat.S_IMODE(home.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_home_of_another_user_is_refused_and_their_files_stay_as_they_are(home: Path) -> None:
    os.chown(home / "settings.toml", NOBODY, NOBODY)
    os.chown(home / "cache", NOBODY, NOBODY)
    with pytest.raises(UserError) as refused:
        begin(paths_in(home))
    assert str(home / "cache") in str(refused.value)
    assert (home / "cache").stat().st_mode & 0o777 == 0o755
    os.chown(home / "cache", 0, 0)
    daemon = ProcessDaemon(home)
    try:
        daemon.start()
        assert open_to_others(home) == ["settings.toml"]
    finally:
        daemon.end()


def test_a_link_in_the_place_of_connection_json_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / "connection.json"
    victim.write_bytes(b"theirs")
    for name in ("connection.json", "connection.tmp", f".connection.json.{os.getpid()}"):
        (tmp_path / name).symlink_to(victim)
    write_private(file, b"mine")
    assert victim.read_bytes() == b"theirs" and file.read_bytes() == b"mine" and not file.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (tmp_path / "gone").symlink_to(tmp_path / "dangling")
    write_private(tmp_path / "gone", b"mine")
    assert not (tmp_path / "dangling").exists()


def test_another_users_connection_json_is_refused_by_clients() -> None:
    """Nobody's user reads a file of root's: such a file may name another user's program."""
    with contextlib.ExitStack() as stack:
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
            stack.callback(os.seteuid, 0)
        with pytest.raises(UserError) as refused:
            ConnectionFile.read(Path("/etc/passwd"))
    # The file is no JSON either, which isn't what is told.
    assert refused.value.text.values == {"path": "/etc/passwd"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessDaemon]:
    daemon = ProcessDaemon(tmp_path_factory.mktemp("daemon") / "home")
    daemon.start()
    yield daemon
    daemon.end()


@pytest.mark.parametrize("attack", ["delete", "overwrite", "link", "folder"])
def test_connection_json_is_written_again(daemon: ProcessDaemon, tmp_path: Path, attack: str) -> None:
    path = daemon.paths.connection_file
    before = path.read_bytes()
    forged = json.dumps({**json.loads(before), "ws": "ws://127.0.0.1:1/ws"}).encode()
    if attack == "overwrite":
        path.write_bytes(forged)
    else:
        path.unlink()
    if attack == "link":
        (tmp_path / "forged").write_bytes(forged)
        path.symlink_to(tmp_path / "forged")
    elif attack == "folder":
        # It is in the way until somebody removes it.
        path.mkdir()
        time.sleep(1.2)
        path.rmdir()
    until(lambda: path.is_file() and path.read_bytes() == before, "the daemon's own file")
    assert not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) == 0o600
    if attack == "link":
        assert (tmp_path / "forged").read_bytes() == forged


def test_without_its_lock_file_no_second_daemon_gets_in(daemon: ProcessDaemon) -> None:
    file = ConnectionFile.read(daemon.paths.connection_file)
    daemon.paths.lock_file.unlink()
    daemon.paths.connection_file.unlink()
    with pytest.raises(UserError) as refused:
        begin(daemon.paths)
    assert file.ws in str(refused.value) and str(file.pid) in str(refused.value), "it says who runs"
    until(daemon.paths.lock_file.exists, "another lock file, for programs that know no other lock")
    assert ConnectionFile.read(daemon.paths.connection_file) == file


def test_another_runtime_folder_is_no_way_in(daemon: ProcessDaemon, tmp_path: Path) -> None:
    """A login over ssh has no XDG_RUNTIME_DIR, but the same data."""
    home = daemon.paths.data
    elsewhere = Paths(None, tmp_path / "run", home, home / "cache", home / "start.json")
    with pytest.raises(UserError) as refused:
        begin(elsewhere)
    assert str(home) in str(refused.value)
    assert daemon.process is not None and daemon.process.poll() is None


def test_a_daemon_whose_folders_another_one_has_taken_ends(daemon: ProcessDaemon, tmp_path: Path) -> None:
    assert daemon.process is not None
    home = daemon.paths.data
    # Made beside it, so that the daemon can't be faster.
    other = home.with_name("other")
    create_folders(paths_in(other))
    with contextlib.ExitStack() as stack:
        (other / "connection.json").write_text("{}")
        stack.enter_context(HomeLock(paths_in(other)))
        home.rename(home.with_name("old"))
        other.rename(home)
        daemon.process.wait(30)
    assert (home / "connection.json").read_text() == "{}"


def test_to_look_costs_an_idle_daemon_nothing_to_speak_of(tmp_path: Path) -> None:
    daemon = ThreadDaemon(tmp_path / "home").start()
    try:
        with HomeLock(daemon.paths) as lock:
            daemon.server.lock = lock
            began = time.thread_time()
            for _ in range(100):
                daemon.server._check_home()
            each = (time.thread_time() - began) / 100
            daemon.server.lock = None
    finally:
        daemon.stop()
    assert each < 0.001, "0.1 % of a core, as it looks once a second"
