"""Imports are judged by what else was seen of their project."""

from __future__ import annotations

import asyncio
import logging
import os
import pathlib
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from accel.texture import context
from accel.texture.kinds import Classification
from accel.texture.workloads import Examination, examine
from bridge.advisors import import_advisor, import_batch, import_project
from bridge.advisors.import_advisor import TextureImportAdvisor
from bridge.advisors.import_project import ContextReader, SeenTextures
from bridge.paths import Paths
from tests.advisors import pictures
from tests.advisors.desk import Bench
from tests.advisors.examinations import classified, imagined

ANY = imagined("any.png", None)
WIDGETS = {f"{place}.png": classified("ui") for place in range(40)}


def doubtful() -> Classification:
    found = classified("sprite", 0.5)
    return Classification("sprite", {**found.probabilities, "ui": 0.45}, False, [])


def of(found: Classification) -> Examination:
    return msgspec.structs.replace(ANY, classification=found)


def seen_of(found: Mapping[str, Classification], seen: SeenTextures | None = None) -> SeenTextures:
    seen = seen or SeenTextures()
    for file, one in found.items():
        seen.add(file, of(one))
    return seen


def kind_of_a_doubtful(seen: SeenTextures) -> str:
    seen.add("a.png", of(doubtful()))
    return seen.judge(["a.png"], [of(doubtful())])[0].kind


@pytest.fixture
def judged_with(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files were known at each judgement."""
    counts: list[int] = []
    real = SeenTextures.judge

    def judge(seen: SeenTextures, *asked: Any) -> list[Classification]:
        counts.append(len(seen._files))
        return real(seen, *asked)

    monkeypatch.setattr(SeenTextures, "judge", judge)
    return counts


def test_a_doubtful_import_among_widgets_is_one() -> None:
    seen = seen_of(WIDGETS)
    assert kind_of_a_doubtful(seen) == "ui"
    assert seen.judge(["0.png"], [of(WIDGETS["0.png"])])[0].kind == "ui"


def test_one_that_comes_first_is_what_its_pixels_say() -> None:
    assert seen_of({"a.png": doubtful()}).judge(["a.png"], [of(doubtful())]) == [doubtful()]


def test_a_file_that_is_imported_again_counts_once() -> None:
    seen = SeenTextures()
    for _ in range(100):
        seen.add("0.png", of(classified("ui")))
    seen.add("a.png", of(doubtful()))
    assert seen.judge(["a.png"], [of(doubtful())]) == [doubtful()]


def test_what_was_seen_first_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_project, "MAX_FILES", 40)
    seen = seen_of({f"s{place}.png": classified("sprite") for place in range(39)}, seen_of(WIDGETS))
    seen.trim()
    assert kind_of_a_doubtful(seen) == "sprite"


async def test_more_in_a_batch_than_is_remembered_is_judged_by_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judged_with: list[int]
) -> None:
    monkeypatch.setattr(import_project, "MAX_FILES", 2)
    advisor = TextureImportAdvisor()
    bench = Bench(tmp_path, advisor)
    await bench.imported(*(bench.texture(f"{place}.png", pictures.noise(3)) for place in range(5)))
    assert judged_with == [5]
    assert len(advisor._reader.seen_in(tmp_path)._files) == 2


@pytest.mark.parametrize("name", ["menu/./a.png", "menu//a.png", "./menu/a.png"])
def test_a_file_is_the_same_however_an_editor_writes_its_folder(name: str) -> None:
    seen = SeenTextures()
    seen.add("menu/a.png", of(classified("ui")))
    seen.add(name, of(classified("sprite")))
    assert list(seen._files) == ["menu/a.png"]


@pytest.mark.skipif(os.name != "nt", reason="a backslash parts folders on Windows alone")
def test_backslashes_part_folders() -> None:
    seen = SeenTextures()
    seen.add("menu\\a.png", of(classified("ui")))
    assert list(seen._files) == ["menu/a.png"]


def test_thousands_of_files_take_little_memory() -> None:
    seen = SeenTextures()
    seen.add("a.png", of(doubtful()))
    tracemalloc.start()
    try:
        for place in range(1000):
            seen.add(f"{place}.png", of(classified("ui", 0.9)))
        # In pathlib, Python's table of all interned strings may happen to grow, by megabytes.
        others = [tracemalloc.Filter(False, pathlib.__file__)]
        kept = tracemalloc.take_snapshot().filter_traces(others).statistics("filename")
        assert 100 * 1000 < sum(each.size for each in kept) < 600 * 1000
    finally:
        tracemalloc.stop()


def test_projects_know_nothing_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_project, "MAX_PROJECTS", 2)
    projects = ContextReader()
    first = projects.seen_in(Path("a"))
    assert projects.seen_in(Path("b")) is not first
    assert projects.seen_in(Path("a")) is first
    projects.seen_in(Path("c"))
    assert projects.seen_in(Path("a")) is first
    assert projects.seen_in(Path("b")) is not first


def test_a_damaged_installation_costs_only_the_context(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(context, "load_context_model", lambda: context.read(tmp_path / "gone.npz"))
    with caplog.at_level(logging.WARNING):
        alone = list(WIDGETS.values())
        found = [of(one) for one in alone]
        seen = seen_of(WIDGETS)
        files = list(WIDGETS)
        assert seen.judge(files, found) == seen.judge(files, found) == alone
    assert caplog.text.count("install popbridge again") == 1


async def test_the_advisor_remembers_what_it_saw(tmp_path: Path) -> None:
    advisor = TextureImportAdvisor()
    bench = Bench(tmp_path, advisor)
    await bench.imported(bench.texture("a.png", pictures.noise(3)), bench.texture("b.png", pictures.noise(4)))
    assert set(advisor._reader.seen_in(tmp_path)._files) == {"a.png", "b.png"}


async def test_what_comes_in_one_batch_is_judged_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judged_with: list[int]
) -> None:
    monkeypatch.setattr(import_batch, "JUDGED_AT_ONCE", 1)
    bench = Bench(tmp_path, TextureImportAdvisor())
    await bench.imported(*(bench.texture(f"{place}.png", pictures.noise(3)) for place in range(3)))
    assert judged_with == [3, 3, 3]


async def test_others_are_heard_while_thousands_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_batch, "JUDGED_AT_ONCE", 2)
    heard, real = [0], import_batch._judge

    def judge(*args: Any) -> Any:
        asyncio.get_running_loop().call_soon(lambda: heard.append(heard[-1] + 1))
        turns.append(len(heard))
        return real(*args)

    turns: list[int] = []
    monkeypatch.setattr(import_batch, "_judge", judge)
    bench = Bench(tmp_path, TextureImportAdvisor())
    await bench.imported(*(bench.texture(f"{place}.png", pictures.noise(3)) for place in range(6)))
    assert turns == [1, 1, 3, 3, 5, 5]


def kept_in(cache: Path, root: Path, found: Mapping[str, Classification]) -> None:
    taken = import_project.AuditResultsWriter()
    for file, one in found.items():
        taken.add(file, of(one))
    taken.write(cache, root)


async def primed(cache: Path, root: Path) -> SeenTextures:
    projects = ContextReader(cache)
    seen = projects.seen_in(root)
    await asyncio.gather(*projects._loading)
    return seen


async def test_what_an_audit_saw_is_known_when_the_daemon_begins(tmp_path: Path) -> None:
    kept_in(tmp_path / "cache", tmp_path / "game", WIDGETS)
    assert kind_of_a_doubtful(await primed(tmp_path / "cache", tmp_path / "game")) == "ui"
    assert kind_of_a_doubtful(await primed(tmp_path / "cache", tmp_path / "other")) == "sprite"


async def test_what_was_seen_meanwhile_counts_instead_of_what_the_audit_saw(tmp_path: Path) -> None:
    kept_in(tmp_path, tmp_path, {"a.png": classified("normal"), **WIDGETS})
    projects = ContextReader(tmp_path)
    seen = seen_of({"a.png": classified("ui")}, projects.seen_in(tmp_path))
    await asyncio.gather(*projects._loading)
    alike = seen_of({**WIDGETS, "a.png": classified("ui")})
    assert list(seen._files) == list(alike._files)
    # Kept as float32.
    around, expected = (one._context._neighbours.sums(list(one._files)) for one in (seen, alike))
    assert around == pytest.approx(expected, rel=1e-6)
    seen_of(dict.fromkeys(seen._files, classified("sprite")), seen)
    assert kind_of_a_doubtful(seen) == "sprite"


async def test_no_more_of_an_audit_is_remembered_than_of_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_project, "MAX_FILES", 10)
    kept_in(tmp_path, tmp_path, WIDGETS)
    seen = await primed(tmp_path, tmp_path)
    await seen.know(["more.png"], *import_project.read_audit(tmp_path, tmp_path)[1:])  # type: ignore[index]
    assert list(seen._files) == [f"{place}.png" for place in range(10)]
    assert seen._context._neighbours.count == 10


async def test_what_an_audit_saw_joins_in_parts_while_others_are_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_project, "KNOWN_AT_ONCE", 7)
    kept_in(tmp_path, tmp_path, WIDGETS)
    seen, sizes = SeenTextures(), []
    task = asyncio.create_task(seen.know(*import_project.read_audit(tmp_path, tmp_path)))  # type: ignore[misc]
    while not task.done():
        await asyncio.sleep(0)
        sizes.append(len(seen._files))
    assert list(seen._files) == list(WIDGETS)
    assert {7, 14, 21, 28, 35, 40} <= set(sizes)


@pytest.mark.parametrize(
    "damage",
    ["nothing", "version", "judged_by", "kinds", "cut", "shares", "nan", "extents", "odd", "few", "text"],
)
async def test_what_an_audit_kept_in_another_form_or_damaged_says_nothing(
    tmp_path: Path, damage: str
) -> None:
    kept_in(tmp_path, tmp_path, WIDGETS)
    (file,) = (tmp_path / "kinds").iterdir()
    known = msgspec.msgpack.decode(file.read_bytes(), type=import_project.AuditResults)
    changed = {
        "version": {"version": 0},
        "judged_by": {"judged_by": known.judged_by[:-1]},
        "kinds": {"kinds": [*known.kinds[1:], known.kinds[0]]},
        "shares": {"shares": known.shares[:-1]},
        "nan": {"shares": b"\xff" * len(known.shares)},
        "extents": {"extents": known.extents[:-1]},
        "odd": {"extents": known.extents[:-4]},
        "few": {"extents": known.extents[:-8]},
    }
    data = msgspec.msgpack.encode(msgspec.structs.replace(known, **changed.get(damage, {})))
    file.write_bytes({"cut": data[:-1], "text": b"{"}.get(damage, data))
    found = import_project.read_audit(tmp_path, tmp_path)
    assert (found is None) == (damage != "nothing")


@pytest.mark.parametrize("changed", ["reading", "code", "model"])
async def test_what_an_audit_kept_says_nothing_once_textures_are_read_or_judged_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    kept_in(tmp_path, tmp_path, WIDGETS)
    assert import_project.read_audit(tmp_path, tmp_path) is not None
    record = examine.workload
    if changed == "reading":
        monkeypatch.setattr("accel.image.records.VERSION", 99)
    elif changed == "code":
        monkeypatch.setattr(examine, "workload", msgspec.structs.replace(record, version=99))
    else:
        monkeypatch.setattr(import_project, "models_of", lambda name: [])
    assert import_project.read_audit(tmp_path, tmp_path) is None


async def test_the_advisor_of_a_daemon_that_starts_knows_what_an_audit_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    kept_in(Paths.find().cache, tmp_path, WIDGETS)
    (advisor,) = import_advisor.popbridge_advisors()
    assert isinstance(advisor, TextureImportAdvisor)
    bench = Bench(tmp_path, advisor)
    await bench.imported(bench.texture("a.png", pictures.noise(3)))
    await asyncio.gather(*advisor._reader._loading)
    assert set(advisor._reader.seen_in(tmp_path)._files) == {*WIDGETS, "a.png"}
