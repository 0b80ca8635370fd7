"""The lock of PopBridge's folders, which one process holds, whatever is deleted meanwhile."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from bridge.core.errors import UserError
from bridge.paths import Paths
from bridge.store import home
from bridge.store.home import HomeInUseError, HomeLock, create_folders
from tests.messages import in_chinese, is_chinese

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no file that is open")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(None, tmp_path / "run", tmp_path / "data", tmp_path / "cache", tmp_path / "start.json")
    create_folders(paths)
    return paths


def is_free(paths: Paths) -> bool:
    try:
        with HomeLock(paths):
            return True
    except HomeInUseError:
        return False


def test_one_process_holds_it_and_then_another(paths: Paths) -> None:
    with HomeLock(paths) as lock:
        assert not is_free(paths) and lock.renew()
    assert is_free(paths)


def test_it_holds_off_older_versions_and_they_hold_it_off(paths: Paths) -> None:
    with HomeLock(paths), pytest.raises(Timeout):
        FileLock(paths.lock_file).acquire(timeout=0)
    with FileLock(paths.lock_file):
        assert not is_free(paths)
    assert is_free(paths)


@posix
def test_what_was_deleted_is_locked_again(paths: Paths) -> None:
    with HomeLock(paths) as lock:
        paths.lock_file.unlink()
        assert not is_free(paths) and not paths.lock_file.exists()
        assert lock.renew() and paths.lock_file.exists()
        with pytest.raises(Timeout):
            FileLock(paths.lock_file).acquire(timeout=0)
        shutil.rmtree(paths.runtime)
        assert lock.renew() and paths.lock_file.stat().st_mode & 0o077 == 0
        assert paths.runtime.stat().st_mode & 0o077 == 0
        shutil.rmtree(paths.data)
        assert lock.renew() and not paths.data.exists()
        create_folders(paths)
        assert lock.renew() and not is_free(paths)
    assert is_free(paths)


@posix
@pytest.mark.parametrize("name", ["lock_file", "data"])
def test_who_is_too_slow_to_lock_it_again_is_told(paths: Paths, name: str) -> None:
    place = paths.lock_file if name == "lock_file" else paths.data
    with HomeLock(paths) as lock:
        place.rename(place.with_name("old"))
        create_folders(paths)
        if name == "lock_file":
            with FileLock(paths.lock_file):
                assert not lock.renew()
        else:
            paths.lock_file.unlink()
            with HomeLock(paths):
                assert not lock.renew()


@posix
def test_where_something_is_in_the_way_it_is_tried_again(paths: Paths) -> None:
    with HomeLock(paths) as lock:
        paths.lock_file.unlink()
        paths.lock_file.mkdir()
        assert lock.renew()
        paths.lock_file.rmdir()
        assert lock.renew() and paths.lock_file.is_file()


@posix
def test_a_link_in_the_place_of_the_lock_file_isnt_followed(paths: Paths) -> None:
    paths.lock_file.symlink_to(paths.data / "made")
    with pytest.raises(OSError), HomeLock(paths):
        pass
    assert not (paths.data / "made").exists()


@posix
def test_a_file_system_that_locks_no_folders_leaves_the_lock_file(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    real = fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        if os.path.isdir(f"/dev/fd/{descriptor}"):
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with HomeLock(paths) as lock:
        assert not is_free(paths) and lock.renew()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError) as raised, HomeLock(paths):
        pass
    assert raised.value.filename == str(paths.lock_file)


@posix
def test_a_lock_file_that_is_deleted_while_it_is_locked_is_made_anew(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    real, deleted = fcntl.flock, []

    def flock(descriptor: int, how: int) -> None:
        if not deleted and paths.lock_file.exists():
            deleted.append(paths.lock_file.unlink())
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with HomeLock(paths):
        assert deleted and not is_free(paths)
        with pytest.raises(Timeout):
            FileLock(paths.lock_file).acquire(timeout=0)


@posix
def test_folders_of_others_are_refused_in_the_readers_language(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.cache.chmod(0o722)
    with pytest.raises(UserError) as refused:
        create_folders(paths)
    assert is_chinese(in_chinese(refused.value)) and str(paths.cache) in str(refused.value)
    paths.cache.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    with pytest.raises(UserError) as refused:
        create_folders(paths)
    assert is_chinese(in_chinese(refused.value)) and "4000000000" in str(refused.value)
    assert paths.cache.stat().st_mode & 0o777 == 0o755


@posix
def test_logs_are_closed_with_their_older_parts(paths: Paths, tmp_path: Path) -> None:
    for name in ("daemon.log", "daemon.log.1", "other.log"):
        (tmp_path / name).touch(0o644)
        (tmp_path / name).chmod(0o644)
    home.close_files(paths, str(tmp_path / "daemon.log"))
    home.close_files(paths, str(tmp_path / "gone" / "daemon.log"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*.log*")}
    assert modes == {"daemon.log": 0o600, "daemon.log.1": 0o600, "other.log": 0o644}
