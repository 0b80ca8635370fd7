"""A link that takes the place of a project's file, folder or root leads no workload out of the project."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accel import confinement
from accel.confinement import opened
from accel.workload import Input, WorkloadError
from bridge.core.errors import RequestError
from bridge.server.project_paths import confine
from tests.server.daemons import ThreadDaemon
from tests.server.wire import session

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")

SECRET = b"a secret of the user"
RACE_S = 0.8


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    pass


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(tmp_path_factory.mktemp("races") / "home").start()
    yield running
    running.stop()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (made / "art").mkdir(parents=True)
    (made / "art" / "a.png").write_bytes(b"pixels")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.png").write_bytes(SECRET)
    return made


def swap_file(root: Path) -> Callable[[int], None]:
    outside, place = root.parent / "outside" / "a.png", root / "art" / "a.png"

    def swap(number: int) -> None:
        draft = root / "art" / ".draft"
        if number % 2:
            draft.symlink_to(outside)
        else:
            draft.write_bytes(b"pixels")
        draft.replace(place)

    return swap


def swap_folder(root: Path) -> Callable[[int], None]:
    link, away, place = root / ".link", root / ".away", root / "art"
    link.symlink_to(root.parent / "outside")

    def swap(number: int) -> None:
        if number % 2:
            place.rename(away)
            link.rename(place)
        else:
            place.rename(link)
            away.rename(place)

    return swap


@contextlib.contextmanager
def racing(swap: Callable[[int], None]) -> Iterator[None]:
    """Swaps as fast as it can until the end."""
    ended = threading.Event()

    def race() -> None:
        number = 0
        while not ended.is_set() or number % 2:
            number += 1
            swap(number)

    thread = threading.Thread(target=race)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize("kind", [swap_file, swap_folder])
@pytest.mark.parametrize("workload", ["test.read", "test.note"])
async def test_no_workload_reads_what_a_link_leads_to_that_came_after_the_check(
    daemon: ThreadDaemon, root: Path, kind: Callable[[Path], Callable[[int], None]], workload: str
) -> None:
    project = {"id": str(root), "name": "P", "root": str(root)}
    seen: dict[str, int] = {}
    params: dict[str, Any] = {"log": str(root.parent / "log")} if workload == "test.note" else {}
    async with session(daemon.file, project=project) as wire:
        with racing(kind(root)):
            until, number = time.monotonic() + RACE_S, 0
            # The first request waits for a worker process.
            while time.monotonic() < until or (not seen.get("read") and number < 1000):
                number += 1
                inputs = [{"name": "a", "path": "art/a.png"}]
                answer = await wire.request(number, workload, params, inputs=inputs)
                assert SECRET not in repr(answer).encode()
                seen[answer.get("code", "read")] = seen.get(answer.get("code", "read"), 0) + 1
    assert seen.get("read") and set(seen) <= {"read", "forbidden", "not_found", "bad_input"}, seen


def test_a_file_is_read_where_it_was_found_or_not_at_all(root: Path) -> None:
    place = root / "art" / "a.png"
    source = Input("a", os.path.realpath(place), confined=True)
    with opened([source]) as (found,):
        # The open file counts, whatever takes its place.
        place.unlink()
        place.symlink_to(root.parent / "outside" / "a.png")
        assert Path(found.path).read_bytes() == b"pixels"
    with pytest.raises(WorkloadError) as caught, opened([source]):
        pytest.fail("opened a link")
    assert caught.value.code == "forbidden" and caught.value.name == "a"
    place.unlink()
    with pytest.raises(WorkloadError) as caught, opened([source]):
        pytest.fail("opened nothing")
    assert caught.value.code == "not_found"
    os.mkfifo(place)
    with pytest.raises(WorkloadError) as caught, opened([source]):
        pytest.fail("opened a pipe")
    assert caught.value.code == "forbidden"
    # What the user names in a terminal may have links.
    place.unlink()
    place.symlink_to(root.parent / "outside" / "a.png")
    with opened([Input("a", str(place))]) as (found,):
        assert Path(found.path).read_bytes() == SECRET


def test_a_folder_on_the_way_that_became_a_link_leads_nowhere(root: Path) -> None:
    source = Input("a", os.path.realpath(root / "art" / "a.png"), confined=True)
    (root / "art").rename(root / "before")
    (root / "art").symlink_to(root.parent / "outside")
    with pytest.raises(WorkloadError) as caught, opened([source]):
        pytest.fail("opened through a link")
    assert caught.value.code == "forbidden"


def test_where_open_files_have_no_path_of_their_own_a_copy_is_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = root / "art" / "a.png"
    monkeypatch.setattr(confinement.sys, "platform", "freebsd14")
    with opened([Input("a", os.path.realpath(place), confined=True)]) as (found,):
        assert found.path != str(place) and Path(found.path).read_bytes() == b"pixels"
    assert not Path(found.path).exists()


def test_a_root_that_became_a_link_has_no_files(root: Path) -> None:
    known = Path(os.path.realpath(root))
    assert confine("art/a.png", known, fixed=True)
    root.rename(root.with_name("before"))
    root.symlink_to(root.parent / "outside", target_is_directory=True)
    with pytest.raises(RequestError) as caught:
        confine("a.png", known, fixed=True)
    assert caught.value.code.name == "forbidden"
