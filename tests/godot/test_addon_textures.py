"""Textures and their settings in the real headless editors, against a scripted daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack
import pytest

from bridge.core.revert import revert_command
from tests.godot.conftest import SMALL_FRAME, Live
from tests.godot.daemon import Daemon
from tests.godot.editor import Editor, Project, until
from tests.godot.engine import GODOT4, Engine

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

ROCK = "res://rock.png"
NOT_A_TEXTURE = "This file isn't an imported texture of the project."
OTHER_TYPE = "{option} is {now}; {value} has another type."
CHANGED = "{option} was changed meanwhile: it is {now}, not {expected}. Left unchanged."
UNSET = "{option} is {now} but wasn't set before: Godot or somebody else set it. Left unchanged."
NOT_SET = "{option} is {now}, not {wanted}."
MORE_ERRORS = "More errors, not listed: {n}"


def in_chinese(project: Project, template: str, **values: object) -> str:
    """What the addon says in a Chinese editor."""
    catalogue = project.root / "addons/popbridge/locale/zh_CN.json"
    said: str = json.loads(catalogue.read_text(encoding="utf-8"))[template].format(**values)
    return said


async def apply(daemon: Daemon, *changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Gives the command that it said."""
    asked = [{"path": path, "options": options} for path, options in changes]
    return await daemon.command("texture.apply", changes=asked)


async def test_it_reports_what_was_imported_with_all_options(live: Live, engine: Engine) -> None:
    assets = [asset for report in live.imported for asset in report["assets"]]
    (rock,) = (asset for asset in assets if asset["path"] == ROCK)
    options = rock["options"]
    assert rock == {"path": ROCK, "file": "rock.png", "type": "texture", "options": options}
    assert options["compress/mode"] == 0
    assert options["compress/lossy_quality"] == pytest.approx(0.7)
    assert options[engine.on_from_the_start] is True
    assert len(options) >= 18


async def test_an_import_of_many_files_comes_in_small_frames(live: Live) -> None:
    reports = live.imported
    assert len(reports) > 3
    assert [report["more"] for report in reports] == [True] * (len(reports) - 1) + [False]
    assert len({report["batch"] for report in reports}) == 1
    assert all(len(msgpack.packb(report)) <= SMALL_FRAME // 2 for report in reports)
    paths = [asset["path"] for report in reports for asset in report["assets"]]
    assert sorted(paths) == sorted([ROCK, *(f"res://many/{number}.png" for number in range(30))])


async def test_settings_are_applied_and_the_observed_state_answered(live: Live, engine: Engine) -> None:
    wanted = {"compress/mode": 2, engine.mipmaps: True, "compress/lossy_quality": 1, "no/such": 3}
    elsewhere = [(path, {"compress/mode": 2}) for path in ("res://gone.png", "res://../outside.png")]
    path = "res://many/1.png"
    asked = await apply(live.daemon, (path, wanted), *elsewhere)
    value = (await live.daemon.outcome(asked))["value"]
    before = {"compress/mode": 0, engine.mipmaps: False, "compress/lossy_quality": pytest.approx(0.7)}
    after = {"compress/mode": 2, engine.mipmaps: True, "compress/lossy_quality": 1.0}
    assert value["before"] == [{"path": path, "options": {**before, "no/such": None}}]
    assert value["after"] == [{"path": path, "options": {**after, "no/such": None}}]
    assert isinstance(value["after"][0]["options"]["compress/lossy_quality"], float)
    *others, unset = value["errors"]
    assert [error["path"] for error in others] == [path for path, _ in elsewhere]
    assert {error["message"] for error in others} == {in_chinese(live.project, NOT_A_TEXTURE)}
    # Godot has no such option.
    said = in_chinese(live.project, NOT_SET, option="no/such", now="–", wanted=3)
    assert unset == {"path": path, "message": said}
    assert live.project.settings("many/1.png")["compress/mode"] == "2"
    await live.daemon.acknowledged(asked)


async def test_a_value_of_the_wrong_type_is_refused_and_nothing_written(live: Live) -> None:
    as_it_was = live.project.settings("many/2.png")
    asked = await apply(live.daemon, ("res://many/2.png", {"compress/mode": "VRAM"}))
    value = (await live.daemon.outcome(asked))["value"]
    assert (value["before"], value["after"]) == ([], [])
    said = in_chinese(live.project, OTHER_TYPE, option="compress/mode", now=0, value='"VRAM"')
    assert value["errors"] == [{"path": "res://many/2.png", "message": said}]
    assert live.project.settings("many/2.png") == as_it_was


async def test_what_somebody_has_changed_since_stays_as_it_is_and_is_named(
    live: Live, engine: Engine
) -> None:
    paths = [f"res://many/{number}.png" for number in (3, 4, 5)]
    wanted = {"compress/mode": 2, engine.mipmaps: True, "compress/lossy_quality": 0.5}
    asked = await apply(live.daemon, *((path, wanted) for path in paths))
    made = (await live.daemon.outcome(asked))["value"]
    back = revert_command(made["before"], made["after"])
    somebodys = [
        (paths[0], {"compress/mode": 1}),
        (paths[1], {"compress/mode": 0, "compress/lossy_quality": 1}),
    ]
    await live.daemon.outcome(await apply(live.daemon, *somebodys))
    back[2]["expected"] = {name: 9 for name in back[2]["options"] if name != engine.mipmaps}
    back[2]["options"].pop(engine.mipmaps)
    value = (await live.daemon.outcome(await live.daemon.command("texture.revert", changes=back)))["value"]
    quality = pytest.approx(0.7)
    assert value["after"] == [
        {"path": paths[0], "options": {engine.mipmaps: False, "compress/lossy_quality": quality}},
        {"path": paths[1], "options": {"compress/mode": 0, engine.mipmaps: False}},
    ]
    left = [
        (paths[0], "compress/mode", 1, 2),
        (paths[1], "compress/lossy_quality", "1.0", "0.5"),
        (paths[2], "compress/mode", 2, 9),
        (paths[2], "compress/lossy_quality", "0.5", "9"),
    ]
    assert value["errors"] == [
        {
            "path": path,
            "message": in_chinese(live.project, CHANGED, option=option, now=now, expected=expected),
        }
        for path, option, now, expected in left
    ]
    assert live.project.settings("many/3.png")["compress/mode"] == "1"
    assert live.project.settings("many/5.png")["compress/mode"] == "2"


async def test_what_is_set_where_nothing_was_may_be_the_engines_own(live: Live) -> None:
    change = {
        "path": "res://many/7.png",
        "options": {"compress/mode": 2},
        "expected": {"compress/mode": None},
    }
    asked = await live.daemon.command("texture.revert", changes=[change])
    value = (await live.daemon.outcome(asked))["value"]
    said = in_chinese(live.project, UNSET, option="compress/mode", now=0)
    assert value["errors"] == [{"path": change["path"], "message": said}]
    assert value["before"] == value["after"] == []


async def test_of_more_errors_than_a_frame_holds_some_are_left_out_and_nothing_else(live: Live) -> None:
    path = "res://many/6.png"
    unset = {f"no/{number}": number for number in range(130)}
    change = {
        "path": path,
        "options": {**unset, "compress/mode": 2},
        "expected": {name: -1 for name in unset},
    }
    value = (await live.daemon.outcome(await live.daemon.command("texture.revert", changes=[change])))[
        "value"
    ]
    assert value["before"] == [{"path": path, "options": {"compress/mode": 0}}]
    assert value["after"] == [{"path": path, "options": {"compress/mode": 2}}]
    *told, last = value["errors"]
    assert 30 < len(told) < 130 and "no/0" in told[0]["message"]
    more = in_chinese(live.project, MORE_ERRORS, n=130 - len(told))
    assert last == {"path": "", "message": more}


async def test_what_was_written_can_be_put_back_although_the_import_failed(
    project: Project, home: Path
) -> None:
    file, path = project.root / "textures/rock.png", "res://textures/rock.png"
    whole = file.read_bytes()
    async with Daemon(home) as daemon, Editor(project, home, broken_files=True):
        await daemon.hear_event("asset.imported")
        file.write_bytes(whole[:20])
        asked = await apply(daemon, (path, {"compress/mode": 2}))
        value = (await daemon.outcome(asked))["value"]
        assert [error["path"] for error in value["errors"]] == [path]
        assert value["before"] == [{"path": path, "options": {"compress/mode": 0}}]
        assert value["after"] == [{"path": path, "options": {"compress/mode": 2}}]
        file.write_bytes(whole)
        asked = await daemon.command("texture.revert", changes=value["before"])
        value = (await daemon.outcome(asked))["value"]
        assert value["errors"] == []
        assert project.settings("textures/rock.png")["compress/mode"] == "0"


async def test_what_godot_cant_import_is_answered_as_that_without_a_wait(
    project: Project, home: Path
) -> None:
    path = "res://textures/rock.png"
    async with Daemon(home) as daemon, Editor(project, home, broken_files=True):
        await daemon.hear_event("asset.imported")
        # As where a file's name is so long that Godot's own, which adds to it, is none.
        mark = project.import_mark("textures/rock.png")
        mark.unlink()
        (mark / "held").mkdir(parents=True)
        asked = await apply(daemon, (path, {"compress/mode": 2}))
        value = (await daemon.outcome(asked))["value"]
        (error,) = value["errors"]
        assert error["path"] == path and error["message"]
        assert value["after"] == [{"path": path, "options": {"compress/mode": 2}}]


async def test_settings_that_cant_be_written_are_told_with_what_to_do(live: Live, engine: Engine) -> None:
    if engine is GODOT4:
        pytest.skip("nothing that a test could do keeps it from writing as an administrator")
    path = "many/28.png"
    as_it_was = live.project.settings(path)
    # Godot 3 writes beside the file first, which fails for everyone.
    (live.project.root / f"{path}.import.tmp").mkdir()
    asked = await apply(live.daemon, (f"res://{path}", {"compress/mode": 2}))
    value = (await live.daemon.outcome(asked))["value"]
    assert value["before"] == value["after"] == []
    (error,) = value["errors"]
    assert error["path"] == f"res://{path}" and f"{path}.import" in error["message"]
    assert live.project.settings(path) == as_it_was


async def test_settings_of_a_file_that_is_gone_are_left_alone(live: Live) -> None:
    path = "many/29.png"
    as_it_was = live.project.settings(path)
    (live.project.root / path).unlink()
    asked = await apply(live.daemon, (f"res://{path}", {"compress/mode": 2}))
    value = (await live.daemon.outcome(asked))["value"]
    assert value["before"] == value["after"] == []
    said = in_chinese(live.project, NOT_A_TEXTURE)
    assert [error["message"] for error in value["errors"]] == [said]
    assert live.project.settings(path) == as_it_was


async def test_other_commands_are_refused(live: Live) -> None:
    unknown = await live.daemon.command("mesh.apply")
    refusal = await live.daemon.outcome(unknown, "error")
    assert refusal["code"] == "unsupported" and "mesh.apply" in refusal["message"]
    malformed = await live.daemon.command("texture.apply", changes=[1])
    assert (await live.daemon.outcome(malformed, "error"))["code"] == "bad_params"


async def test_a_repeated_command_gets_the_same_answer_and_changes_nothing(
    engine: Engine, project: Project, home: Path
) -> None:
    async with Daemon(home) as daemon:
        async with Editor(project, home):
            await daemon.hear_event("asset.imported")
            asked = await apply(daemon, ("res://textures/rock.png", {engine.mipmaps: True}))
            reply = await daemon.outcome(asked)
            written = project.import_mark("textures/rock.png").stat().st_mtime_ns
            await daemon.say(**asked)
            assert await daemon.outcome(asked) == reply
        async with Editor(project, home):
            # An editor that was started anew still knows what it did.
            await daemon.hear("identify")
            await daemon.settled()
            await daemon.say(**asked)
            assert await daemon.outcome(asked) == reply
            assert project.import_mark("textures/rock.png").stat().st_mtime_ns == written


async def test_an_editor_killed_in_the_middle_of_a_command_answers_the_state_before_it(
    engine: Engine, project: Project, home: Path
) -> None:
    project.add_texture("large.png", size=1024)
    async with Daemon(home) as daemon:
        async with Editor(project, home) as editor:
            imported = {
                asset["path"]: asset for asset in (await daemon.hear_event("asset.imported"))["assets"]
            }
            before = {key: imported["res://large.png"]["options"][key] for key in engine.slow}
            asked = await apply(daemon, ("res://large.png", dict(engine.slow)))
            await until(lambda: project.settings("large.png").get("compress/mode") == "2")
            await editor.kill()
        async with Editor(project, home):
            assert (await daemon.hear("identify"))["resume"]["last_seq"] == 0
            await daemon.settled()
            await daemon.say(**asked)
            value = (await daemon.outcome(asked))["value"]
            assert value["before"][0]["options"] == before
            assert value["after"][0]["options"] == engine.slow


async def test_an_editor_killed_in_the_middle_of_putting_back_says_of_nothing_that_somebody_changed_it(
    engine: Engine, project: Project, home: Path
) -> None:
    project.add_texture("large.png", size=1024)
    file = project.root / "large.png.import"
    async with Daemon(home) as daemon:
        async with Editor(project, home) as editor:
            await daemon.hear_event("asset.imported")
            await daemon.outcome(await apply(daemon, ("res://large.png", {engine.mipmaps: True})))
            change = {"path": "res://large.png", "options": {**engine.slow, engine.mipmaps: None}}
            back = {**change, "expected": {engine.mipmaps: True}}
            asked = await daemon.command("texture.revert", changes=[back])
            await until(lambda: project.settings("large.png").get("compress/mode") == "2")
            await editor.kill()
        # As Godot writes its own value where there is none.
        lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith(engine.mipmaps)]
        file.write_text("\n".join([*lines, f"{engine.mipmaps}=false", ""]), "utf-8")
        async with Editor(project, home):
            await daemon.hear("identify")
            await daemon.settled()
            await daemon.say(**asked)
            value = (await daemon.outcome(asked))["value"]
            assert value["errors"] == []
            assert value["before"][0]["options"][engine.mipmaps] is True


async def test_a_command_is_not_carried_out_again_by_an_editor_that_was_killed_before_it_could_answer(
    engine: Engine, project: Project, home: Path
) -> None:
    project.add_texture("large.png", size=1024)
    async with Daemon(home) as daemon:
        async with Editor(project, home) as editor:
            await daemon.hear_event("asset.imported")
            asked = await apply(daemon, ("res://large.png", dict(engine.slow)))
            await until(lambda: project.settings("large.png").get("compress/mode") == "2")
            await daemon.stop()
            await until(lambda: project.kept_replies() != [])
            await editor.kill()
        (kept,) = project.kept_replies()
        await daemon.start()
        async with Editor(project, home):
            assert (await daemon.hear("identify"))["resume"]["last_seq"] == 0
            await daemon.settled()
            # Godot 3 itself imports again what a killed editor had imported last.
            written = project.import_mark("large.png").stat().st_mtime_ns
            await daemon.say(**asked)
            assert await daemon.outcome(asked) == kept
            # What it acknowledges it has done with.
            await daemon.acknowledged(asked)
        assert kept["value"]["after"][0]["options"] == engine.slow
        assert project.import_mark("large.png").stat().st_mtime_ns == written
        assert project.kept_replies() == [kept]
