"""What goes and what stays: nothing that is named, pinned, in use or young ever goes."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import shutil
import tempfile
import time
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from bridge.core.errors import RequestError
from bridge.core.settings import MIN_BLOB_KEEP_S
from bridge.store import blobs as module
from bridge.store.blobs import BlobClock, BlobStore, Sweep
from bridge.store.uploads import PART_KEEP_S

DAY_S = 86_400.0


def look(store: BlobStore, named: set[str] = frozenset(), keep_s: float = DAY_S) -> Sweep:  # type: ignore[assignment]
    sweep = Sweep(store, named, keep_s)
    while sweep.step():
        pass
    return sweep


def relieve(sweep: Sweep, size: int) -> int:
    freed = 0
    while freed < size and sweep.candidates:
        freed += sweep.relieve(size - freed)
    return freed


def put(store: BlobStore, data: bytes, age_s: float) -> str:
    name = store.put(data)
    then = time.time() - age_s
    os.utime(store.path(name), (then, then))
    return name


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path, 1000)


def test_what_nobody_used_for_a_day_goes_unless_something_names_it(store: BlobStore) -> None:
    old, named = put(store, b"old", DAY_S + 60), put(store, b"named", DAY_S + 60)
    young, pinned = put(store, b"young", DAY_S - 60), put(store, b"pinned", DAY_S + 60)
    with store.pin(pinned):
        look(store, {named})
    assert not store.has(old)
    assert all(map(store.has, (named, young, pinned)))
    assert (store.count, store.size, store.removed) == (3, len(b"namedyoungpinned"), 1)


def test_a_look_counts_what_an_earlier_daemon_kept(store: BlobStore) -> None:
    put(store, b"12345", 0)
    again = BlobStore(store.folder, 1000)
    assert again.count == 0
    look(again)
    assert (again.count, again.size) == (1, 5)


def test_however_short_the_time_is_set_what_was_just_used_stays(store: BlobStore) -> None:
    young, older = put(store, b"young", 60), put(store, b"older", MIN_BLOB_KEEP_S + 60)
    look(store, keep_s=0)
    assert store.has(young) and not store.has(older)


def test_what_was_used_longest_ago_makes_room_first(store: BlobStore) -> None:
    names = [put(store, bytes([age]) * 10, age * 3600) for age in (3, 5, 4)]
    assert relieve(look(store), 15) == 20
    assert [store.has(name) for name in names] == [True, False, False]


def test_what_was_used_after_the_look_makes_no_room(store: BlobStore) -> None:
    name = put(store, b"x", 3600)
    sweep = look(store)
    store.use(name)
    assert relieve(sweep, 1) == 0 and store.has(name)


def test_what_is_named_pinned_or_young_makes_no_room(store: BlobStore) -> None:
    named, pinned, young = put(store, b"1", 3600), put(store, b"2", 3600), put(store, b"3", 60)
    with store.pin(pinned):
        assert relieve(look(store, {named}), 100) == 0
    assert all(map(store.has, (named, pinned, young)))


def test_what_a_worker_that_was_ended_had_begun_to_write_goes_after_a_while(store: BlobStore) -> None:
    drafts = [store.folder / f".{letter * 32}.part" for letter in "ab"]
    for draft, age_s in zip(drafts, (MIN_BLOB_KEEP_S + 60, MIN_BLOB_KEEP_S - 60), strict=True):
        draft.write_bytes(b"half")
        os.utime(draft, (time.time() - age_s,) * 2)
    look(store)
    assert [draft.exists() for draft in drafts] == [False, True] and store.count == 0


def test_empty_names_that_a_lost_power_left_go(store: BlobStore) -> None:
    path = store.folder / ("0" * 64)
    path.touch()
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))
    nothing = put(store, b"", 3600)
    look(store)
    assert not path.exists() and store.has(nothing)


def test_uploads_that_never_went_on_go(store: BlobStore) -> None:
    with store.receive("0" * 64) as upload:
        upload.write(b"half")
    (part,) = (store.folder / "uploads").iterdir()
    then = time.time() - PART_KEEP_S - 60
    os.utime(part, (then, then))
    look(store)
    assert store.used == 0 and not part.exists()


def test_what_holds_nothing_goes_like_everything_else(store: BlobStore) -> None:
    nothing = put(store, b"", 2 * DAY_S)
    look(store)
    assert not store.has(nothing) and store.count == 0


def test_other_files_are_nobodys_business(store: BlobStore) -> None:
    other = store.folder / "desktop.ini"
    other.write_bytes(b"x")
    os.utime(other, (0, 0))
    look(store)
    assert other.exists() and store.count == 0


def test_a_folder_that_was_removed_is_made_anew_and_that_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = BlobStore(tmp_path / "blobs", 1000)
    lost = put(store, b"lost", 0)
    for _ in range(2):
        shutil.rmtree(store.folder)
        look(store)
        assert not store.has(lost) and store.count == 0
    shutil.rmtree(store.folder)
    assert store.has(store.put(b"new"))
    shutil.rmtree(store.folder / "uploads")
    look(store)
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) == 1 and str(store.folder) in told[0]


def test_many_are_looked_at_slice_by_slice(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILES_PER_STEP", 2)
    names = [put(store, bytes([n]), 3600) for n in range(5)]
    sweep = Sweep(store, set(), DAY_S)
    steps = 0
    while sweep.step():
        steps += 1
    assert steps == 3 and store.count == 5
    assert sweep.relieve(5) == 2
    assert sum(map(store.has, names)) == 3


def test_a_clock_that_is_put_forward_takes_nothing_away(tmp_path: Path) -> None:
    wall = [time.time()]
    store = BlobStore(tmp_path, 1000, ages=BlobClock(lambda: wall[0]))
    name = store.put(b"x")
    wall[0] += 10 * DAY_S
    look(store)
    assert store.has(name)


# Whatever happens in whatever order.


class Machine(RuleBasedStateMachine):
    """A store whose clock is the test's, and what must hold of it."""

    QUOTA = 120
    names = Bundle("names")
    parts = Bundle("parts")
    pins = Bundle("pins")
    works = Bundle("works")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.time = 2e9
        self.named: set[str] = set()
        self.pinned: Counter[str] = Counter()
        self.began: list[float] = []
        self.used: dict[str, float] = {}
        self.dated: dict[Path, int] = {}
        self.open()

    def open(self) -> None:
        self.store = BlobStore(self.folder, 100, self.QUOTA, BlobClock(lambda: self.time, lambda: self.time))

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def date(self) -> None:
        """What was written or dated by the real clock gets the time of the test's."""
        for path in [*self.folder.iterdir(), *(self.folder / "uploads").iterdir()]:
            if path.is_file() and self.dated.get(path) != path.stat().st_mtime_ns:
                os.utime(path, (self.time, self.time))
                self.dated[path] = path.stat().st_mtime_ns
                if path.parent == self.folder:
                    self.used[path.name] = self.time

    def safe(self, age_s: float) -> set[str]:
        """What must not go."""
        before = min([self.time - age_s, *self.began])
        young = {name for name, used in self.used.items() if used >= before}
        return {n for n in (young | self.named | set(self.pinned)) if (self.folder / n).is_file()}

    @rule(target=names, size=st.integers(0, 50), seed=st.integers(0, 5))
    def put(self, size: int, seed: int) -> str:
        data = bytes([seed]) * size
        name = hashlib.sha256(data).hexdigest()
        there = self.store.has(name)
        try:
            assert self.store.put(data) == name
        except RequestError as error:
            assert error.code.name == "storage_full" and not there
            assert self.store.used + size > self.QUOTA
        else:
            assert there or self.store.used <= self.QUOTA
        self.date()
        return name

    @rule(target=names, size=st.integers(0, 30), seed=st.integers(0, 5))
    def output(self, size: int, seed: int) -> str:
        """A worker writes into the folder by itself, as accel/outputs.py does; it knows of no quota."""
        data = bytes([seed]) * size
        name = hashlib.sha256(data).hexdigest()
        if not self.store.has(name):
            (self.folder / name).write_bytes(data)
            self.store.came(name, size)
        self.date()
        return name

    @rule(target=parts, size=st.integers(1, 50), seed=st.integers(0, 5), share=st.floats(0, 1))
    def upload(self, size: int, seed: int, share: float) -> bytes:
        data = bytes([seed]) * size
        try:
            with self.store.receive(hashlib.sha256(data).hexdigest()) as upload:
                upload.write(data[: int(size * share)])
        except RequestError as error:
            assert error.code.name == "storage_full"
        self.date()
        return data

    @rule(target=names, data=parts)
    def resume(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        offset = self.store.parts.offset(name)
        part = self.store.parts.take(name, offset)
        assert part is not None and part.path.read_bytes() == data[:offset] if offset else part
        try:
            with self.store.receive(name, part) as upload:
                upload.write(data[offset:])
                upload.commit()
        except RequestError as error:
            assert error.code.name == "storage_full"
        else:
            assert self.store.path(name).read_bytes() == data
        self.date()
        return name

    @rule(name=names)
    def use(self, name: str) -> None:
        if self.store.has(name):
            self.store.use(name)
            self.date()

    @rule(name=names)
    def name(self, name: str) -> None:
        self.named.add(name)

    @rule(name=names)
    def settle(self, name: str) -> None:
        self.named.discard(name)

    @rule(target=pins, name=names)
    def pin(self, name: str) -> tuple[str, AbstractContextManager[None]]:
        pin = self.store.pin(name)
        pin.__enter__()
        self.pinned[name] += 1
        return name, pin

    @rule(pin=consumes(pins))
    def unpin(self, pin: tuple[str, AbstractContextManager[None]]) -> None:
        pin[1].__exit__(None, None, None)
        self.pinned -= Counter([pin[0]])

    @rule(target=works)
    def begin(self) -> tuple[float, AbstractContextManager[None]]:
        work = self.store.working()
        work.__enter__()
        self.began.append(self.time)
        return self.time, work

    @rule(work=consumes(works))
    def end(self, work: tuple[float, Any]) -> None:
        work[1].__exit__(None, None, None)
        self.began.remove(work[0])

    @rule(seconds=st.sampled_from([1.0, MIN_BLOB_KEEP_S, 3600.0, DAY_S, 3 * DAY_S]))
    def wait(self, seconds: float) -> None:
        self.time += seconds

    @rule()
    def sweep(self) -> None:
        safe = self.safe(DAY_S)
        look(self.store, self.named)
        assert all(map(self.store.has, safe))
        if not self.began:
            kept = {path.name for path in self.folder.iterdir() if path.is_file()}
            assert kept == safe | (kept & {n for n, at in self.used.items() if at == self.time - DAY_S})

    @rule(target=names, size=st.integers(0, 30), seed=st.integers(0, 5), when=st.integers(0, 6))
    def sweep_while_it_comes(self, size: int, seed: int, when: int) -> str:
        """A worker's file may be found by the look before it is told, or be told before it is found."""
        data = bytes([seed]) * size
        name = hashlib.sha256(data).hexdigest()
        with patch.object(module, "FILES_PER_STEP", 1), self.store.working():
            look = Sweep(self.store, self.named, DAY_S)
            steps = itertools.count()
            is_new = False
            while True:
                if next(steps) == when // 2 and (is_new := not self.store.has(name)):
                    (self.folder / name).write_bytes(data)
                    self.date()
                    if when % 2:
                        self.store.came(name, size)
                if not look.step():
                    break
            if is_new and not when % 2:
                self.store.came(name, size)
        return name

    @rule(size=st.integers(1, 100))
    def make_room(self, size: int) -> None:
        safe = self.safe(MIN_BLOB_KEEP_S)
        relieve(look(self.store, self.named), size)
        assert all(map(self.store.has, safe))

    @precondition(lambda self: not self.pinned and not self.began)
    @rule()
    def restart(self) -> None:
        self.open()
        look(self.store, {path.name for path in self.folder.iterdir()})

    @invariant()
    def every_byte_is_counted(self) -> None:
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        assert self.store.used == sum(path.stat().st_size for path in found)
        assert self.store.count == sum(path.parent == self.folder for path in found)


TestWhateverHappens = Machine.TestCase
