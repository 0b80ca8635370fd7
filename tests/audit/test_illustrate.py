"""The pictures and diffs of a report's page, made by real workers of real textures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accel.workload import Limits
from bridge.audit import audit, illustrate
from bridge.audit.audit import Plan, ProgressCallbacks
from bridge.audit.examine import Workers
from bridge.audit.project import scope_name
from bridge.audit.results import Report, Row
from bridge.demo.textures import disc, noise, normals, save
from bridge.host import host
from bridge.project.config import read
from tests.audit.projects import GODOT4, imported

BLOCKS = {"compress/mode=0": "compress/mode=2", "mipmaps/generate=false": "mipmaps/generate=true"}
NORMAL = {**BLOCKS, "compress/normal_map=0": "compress/normal_map=1"}


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DirectX normal map, a surface without mipmaps, and a small image in blocks."""
    root = tmp_path_factory.mktemp("game")
    (root / "project.godot").write_text(GODOT4.format("4.6"), encoding="utf-8")
    surface = normals(noise(1), 3.0)
    surface[..., 1] = 1 - surface[..., 1]
    for file, pixels, lines in (
        ("art/rock_normal.png", surface, NORMAL),
        ("art/rock_albedo.png", 0.3 + 0.4 * noise(2)[..., None] * [1, 0.8, 0.6], {}),
        ("ui/icon.png", disc(64), BLOCKS),
    ):
        save(pixels, root / file)
        imported(root, file, "4.6", lines)
    return root


Look = Callable[..., Any]


@pytest.fixture
def look(game: Path, tmp_path: Path) -> Look:
    async def look(**changed: Any) -> Report:
        plan = Plan(workers=1, limits=Limits(), cache=tmp_path / "cache", pictures=True, **changed)
        registry = host.load()
        return await audit.audit(
            scope_name(registry, str(game)), plan, registry, ProgressCallbacks(), read(game)
        )

    return look


def row_of(report: Report, name: str) -> Row:
    (found,) = [row for row in report.rows if row.file.endswith(name)]
    return found


def is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


async def test_a_texture_is_shown_as_its_fix_changes_it(look: Look) -> None:
    report = await look()
    scenes = {row.file.rpartition("/")[2]: row.lit and row.lit.scene for row in report.rows}
    assert scenes["rock_normal.png"] == "lit" and scenes["rock_albedo.png"] == "far"
    normal = row_of(report, "rock_normal.png")
    assert normal.lit and is_webp(normal.lit.before) and is_webp(normal.lit.after)
    assert normal.lit.before != normal.lit.after and all(is_webp(row.picture) for row in report.rows)
    assert report.unlit == 0


async def test_a_fix_that_removes_mipmaps_is_not_shown_from_a_distance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(illustrate, "LEAST_DIFFERENCES", {"far": 0.0})
    (tmp_path / "project.godot").write_text(GODOT4.format("4.6"), encoding="utf-8")
    save(disc(128), tmp_path / "ui/button_panel.png")
    imported(tmp_path, "ui/button_panel.png", "4.6", {"mipmaps/generate=false": "mipmaps/generate=true"})
    registry = host.load()
    project = scope_name(registry, str(tmp_path))
    plan = Plan(workers=1, limits=Limits(), pictures=True)
    (row,) = (await audit.audit(project, plan, registry, ProgressCallbacks(), read(tmp_path))).rows
    assert [issue.code for issue in row.issues] == ["ui_mipmaps"] and row.picture
    assert row.lit is None


async def test_the_diff_is_what_fix_would_write(look: Look, game: Path) -> None:
    before = (game / "art/rock_normal.png.import").read_bytes()
    row = row_of(await look(), "rock_normal.png")
    changed = [line for line in row.diff.splitlines() if line[0] in "+-"]
    assert changed == ["-process/normal_map_invert_y=false", "+process/normal_map_invert_y=true"]
    assert (game / "art/rock_normal.png.import").read_bytes() == before


async def test_each_finding_has_its_part_of_the_options_and_memory(look: Look) -> None:
    row = row_of(await look(), "rock_albedo.png")
    assert list(row.fixes) == [issue.code for issue in row.issues if issue.fixable]
    options = {name: value for fix in row.fixes.values() for name, value in fix.options.items()}
    assert options == row.options and len(row.fixes) == 2
    assert sum(fix.saved for fix in row.fixes.values()) == row.memory - row.memory_after
    assert row.fixes["uncompressed"].saved > 0 > row.fixes["no_mipmaps"].saved


async def test_what_the_page_has_no_room_for_is_counted(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(illustrate, "MAX_LIT", 2)
    report = await look()
    # Each problem's first texture comes before the second of another.
    assert report.unlit == 1 and row_of(report, "rock_normal.png").lit
    monkeypatch.setattr(illustrate, "MAX_LIT_BYTES", 1)
    report = await look()
    assert report.unlit == 3 and not any(row.lit for row in report.rows)


async def test_pictures_come_from_the_cache(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await look()

    async def fails(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(Workers, "run", fails)
    after = await look()
    assert [(row.picture, row.lit) for row in after.rows] == [(row.picture, row.lit) for row in before.rows]


async def test_an_adapter_that_fails_costs_the_diffs_alone(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge_godot.support import GodotSupport

    def fails(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(GodotSupport, "apply", fails)
    report = await look()
    assert len(report.rows) == 3 and not any(row.diff for row in report.rows)


async def test_folders_have_the_memory_of_all_their_textures(look: Look) -> None:
    report = await look()
    assert {name: folder.textures for name, folder in report.folders.items()} == {"art": 2, "ui": 1}
    assert sum(folder.memory for folder in report.folders.values()) == report.memory
