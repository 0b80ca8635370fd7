"""An answer about textures that aren't any more what was asked about."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.advisors.import_advisor import TextureImportAdvisor
from bridge.advisors.imported_assets import RACY_NS, settled_file_stamp, stamp
from bridge.advisors.texts import say
from bridge.api import TextureAsset
from tests.advisors import pictures
from tests.advisors.desk import WRONG, Bench, FakeEngine
from tests.advisors.test_import_advisor import normal

CHANGED = f"`res://{{}}`: {say('changed_since', 'en')}"


class Files:
    """The project's own files, as far as the advisor asks for them."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        options = self._bench.options.get(f"res://{file}")
        return TextureAsset(f"res://{file}", file, options)

    def uses(self, project: Path) -> Mapping[str, Any]:
        return {}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path, TextureImportAdvisor())
    monkeypatch.setattr(FakeEngine, "editor", Files(made))
    return made


def replace(bench: Bench, path: str) -> None:
    """Another picture in the texture's place, which its editor hasn't seen yet."""
    pictures.save(bench.root / path.removeprefix("res://"), pictures.normal_map(64))


def aged(bench: Bench, path: str) -> None:
    """As if it had been there for long."""
    at = time.time_ns() - 10 * RACY_NS
    os.utime(bench.root / path.removeprefix("res://"), ns=(at, at))


async def test_a_replaced_file_is_left_alone_and_looked_at_again(bench: Bench) -> None:
    kept, replaced = normal(bench), normal(bench, "wall_n.png")
    await bench.imported(kept, replaced)
    replace(bench, replaced)
    await bench.answer("apply")
    assert bench.options[kept]["normal_map"] and bench.options[replaced] == WRONG
    toast, asks = bench.shown[1:]
    assert (toast.title, toast.body.splitlines()[0]) == (
        say("applied_partly", "en", done=1, count=2),
        CHANGED.format("wall_n.png"),
    )
    assert (asks.title, asks.kind) == ("Import settings to fix: wall_n.png", "texture.import")
    await bench.answer("apply")
    assert bench.options[replaced]["normal_map"] is True


async def test_where_all_have_changed_nothing_is_sent_and_no_failure_is_told(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    replace(bench, path)
    await bench.answer("apply")
    assert bench.commands == []
    assert (bench.shown[1].title, bench.shown[1].severity) == ("Nothing was fixed", "warning")


async def test_a_chinese_editor_reads_it_in_chinese(bench: Bench) -> None:
    bench.view = msgspec.structs.replace(bench.view, locale="zh-CN")
    path = normal(bench)
    await bench.imported(path)
    replace(bench, path)
    await bench.answer("apply")
    assert bench.shown[1].body.endswith(say("changed_since", "zh-CN"))


async def test_settings_that_were_changed_elsewhere_are_left_alone(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    bench.options[path]["mipmaps"] = "by hand"
    await bench.answer("apply")
    assert bench.options[path] == {**WRONG, "mipmaps": "by hand"}
    assert bench.shown[1].body == CHANGED.format("textures/rock_n.png")


async def test_a_file_that_was_removed_is_told_and_not_looked_at_again(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    (bench.root / "textures/rock_n.png").unlink()
    await bench.answer("apply")
    assert bench.commands == [] and len(bench.shown) == 2
    assert bench.shown[1].body == f"`res://textures/rock_n.png`: {say('gone_since', 'en')}"


async def test_a_file_that_was_saved_anew_with_the_same_content_is_the_same(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    aged(bench, path)
    await bench.answer("apply")
    assert bench.options[path]["normal_map"] is True


async def test_a_file_that_was_saved_anew_with_the_same_content_is_asked_about_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.advisors.imported_assets.RACY_NS", 0)
    path = normal(bench)
    await bench.imported(path)
    aged(bench, path)
    await bench.imported(path)
    assert len(bench.shown) == 1


async def test_a_file_of_the_same_time_and_size_isnt_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.advisors.imported_assets.RACY_NS", 0)
    path = normal(bench)
    await bench.imported(path)
    with monkeypatch.context() as patch:
        patch.setattr("hashlib.file_digest", None)
        await bench.answer("apply")
    assert bench.options[path]["normal_map"] is True


async def test_always_holds_for_what_has_changed_too(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    replace(bench, path)
    await bench.answer("always")
    assert set(bench.rule_table["textures"]) == {"normal_as_color", "no_mipmaps"}
    assert bench.options[path]["normal_map"] is True
    assert "without asking" in bench.shown[-1].body


async def test_an_answer_that_is_acted_on_once_more_takes_its_own_change_for_none(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    ((popup, state),) = bench.popups.values()
    await bench.answer("apply")
    await bench.answer_once_more(TextureImportAdvisor(), popup, state, "apply")
    assert [popup.title for popup in bench.shown[1:]] == ["Fixed rock_n.png"] * 2
    assert len(bench.commands) == 1


async def test_what_changed_after_it_was_set_is_told_as_set_by_an_answer_that_is_acted_on_once_more(
    bench: Bench,
) -> None:
    path = normal(bench)
    await bench.imported(path)
    ((popup, state),) = bench.popups.values()
    await bench.answer("apply")
    replace(bench, path)
    await bench.answer_once_more(TextureImportAdvisor(), popup, state, "apply")
    assert len(bench.commands) == 1
    assert [(toast.title, len(toast.body.splitlines())) for toast in bench.shown[1:]] == [
        ("Fixed rock_n.png", 1)
    ] * 2


async def test_settings_that_cant_be_read_here_keep_nobody_from_applying(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    path = normal(bench)
    await bench.imported(path)
    monkeypatch.setattr(Files, "texture", broken)
    await bench.answer("apply")
    assert bench.options[path]["normal_map"] is True


async def test_of_what_has_no_import_file_the_content_counts_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = normal(bench)
    await bench.imported(path)
    monkeypatch.setattr(Files, "texture", lambda *_: TextureAsset(path, "textures/rock_n.png"))
    await bench.answer("apply")
    assert bench.options[path]["normal_map"] is True


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
async def test_what_is_imported_as_something_else_since_is_told_so_and_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    bench.view = msgspec.structs.replace(bench.view, locale=locale)
    path, other = normal(bench), normal(bench, "lut_n.png")
    await bench.imported(path, other)
    real = Files.texture
    monkeypatch.setattr(Files, "texture", lambda *args: None if args[-1] == "lut_n.png" else real(*args))
    await bench.answer("apply")
    assert bench.options[path]["normal_map"] is True and bench.options[other] == WRONG
    assert bench.asking.body.splitlines()[0] == f"`res://lut_n.png`: {say('other_since', locale)}"
    assert len(bench.shown) == 2


async def test_a_plugin_that_reads_no_single_texture_is_no_trouble(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = normal(bench)
    await bench.imported(path)
    monkeypatch.delattr(Files, "texture")
    await bench.answer("apply")
    assert bench.options[path]["normal_map"] is True and not caplog.records


def test_a_file_that_has_just_changed_is_read_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.png"
    assert settled_file_stamp(file) is None
    file.write_bytes(b"x")
    assert settled_file_stamp(file) is None
    later = time.time_ns() + 2 * RACY_NS
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert settled_file_stamp(file) == stamp(file)
