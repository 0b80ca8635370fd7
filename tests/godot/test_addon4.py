"""The Godot 4 addon in the real headless editor, against a daemon that says what the test tells it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.godot.godot3.daemon import Daemon
from tests.godot.godot3.editor import until
from tests.godot.godot4.editor import Editor, Project, program, require
from tools import engines

pytestmark = pytest.mark.engine

POPUP: dict[str, Any] = {
    "type": "popup",
    "id": 7,
    "kind": "import",
    "title": "A normal map is imported as colour",
    "body": "**rock.png** has `flags/srgb` 2: see https://docs.godotengine.org.",
    "actions": [
        {"id": "apply", "label": "Apply", "style": "primary", "default": True},
        {"id": "later", "label": "Not now"},
    ],
}
DEADLINE_MS = 15_000
VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture
def godot() -> list[str]:
    return program()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    project.add_texture("textures/rock.png")
    return project


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def apply(seq: int, *changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A `texture.apply`; its id is 100 above its number."""
    asked = [{"path": path, "options": options} for path, options in changes]
    return command(seq, "texture.apply", {"changes": asked})


def command(seq: int, name: str, args: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "command",
        "id": 100 + seq,
        "seq": seq,
        "name": name,
        "args": args,
        "deadline_ms": DEADLINE_MS,
    }


def test_no_script_of_the_addon_gives_a_warning(godot: list[str], project: Project) -> None:
    strict = (Path(__file__).parent / "godot4" / "strict.godot").read_text(encoding="utf-8")
    with (project.root / "project.godot").open("a", encoding="utf-8") as settings:
        settings.write(strict)
    # Scripts are compiled when the editor loads the addon, warnings as errors.
    ran = subprocess.run(
        [*godot, "--headless", "--path", str(project.root), "--editor", "--quit"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [line for line in (ran.stdout + ran.stderr).splitlines() if "SCRIPT ERROR" in line] == []


async def test_it_says_who_it_is(godot: list[str], project: Project, home: Path) -> None:
    async with Daemon(home) as daemon, Editor(project, home, command=godot):
        said = await daemon.hear("identify")
        assert said["client"] == {"kind": "editor", "name": "popbridge-godot", "version": "0.1.0"}
        assert said["engine"]["name"] == "godot"
        assert re.fullmatch(r"4\.\d+(\.\d+)?\.stable\.\S+", said["engine"]["version"])
        root = str(project.root)
        project_id = hashlib.sha256(root.encode()).hexdigest()
        assert said["project"] == {"id": project_id, "name": "Test project", "root": root}
        assert said["auth"] == {"token": Daemon.token}
        assert len(said["instance"]) == 32
        assert said["locale"].startswith("en")
        assert "resume" not in said
        assert await daemon.hear_event("editor.phase") == {"phase": "idle"}


async def test_it_reports_what_was_imported_once_with_all_options(
    godot: list[str], project: Project, home: Path
) -> None:
    async with Daemon(home) as daemon:
        async with Editor(project, home, command=godot):
            report = await daemon.hear_event("asset.imported")
            (asset,) = report["assets"]
            assert report["more"] is False
            assert (asset["path"], asset["file"]) == ("res://textures/rock.png", "textures/rock.png")
            assert asset["type"] == "texture"
            assert asset["options"]["compress/mode"] == 0
            assert asset["options"]["compress/lossy_quality"] == pytest.approx(0.7)
            assert asset["options"]["process/fix_alpha_border"] is True
            assert len(asset["options"]) >= 18
            imported_at = int(project.import_mark("textures/rock.png").stat().st_mtime)
            await until(lambda: project.reported_at() >= imported_at)
        project.add_texture("new.png")
        async with Editor(project, home, command=godot):
            # The old one is imported already: only the new one is news.
            report = await daemon.hear_event("asset.imported")
            assert [asset["path"] for asset in report["assets"]] == ["res://new.png"]


async def test_an_import_of_many_files_comes_in_small_frames(
    godot: list[str], project: Project, home: Path
) -> None:
    for number in range(30):
        project.add_texture(f"many/{number}.png", size=8)
    async with Daemon(home, frame=8192) as daemon, Editor(project, home, command=godot):
        reports = [await daemon.hear_event("asset.imported")]
        while reports[-1]["more"]:
            reports.append(await daemon.hear_event("asset.imported"))
        assert len(reports) > 3
        assert {report["batch"] for report in reports} == {reports[0]["batch"]}
        assert all(len(msgpack.packb(report)) <= 4096 for report in reports)
        assert len({asset["path"] for report in reports for asset in report["assets"]}) == 31


async def test_a_popup_is_answered_and_the_answer_kept_until_it_is_confirmed(
    godot: list[str], project: Project, home: Path
) -> None:
    async with Daemon(home) as daemon, Editor(project, home, command=godot, answer="later"):
        await daemon.hear("identify")
        await daemon.hear_event("editor.phase")
        await daemon.say(**POPUP, seq=1)
        answer = await daemon.hear("answer")
        assert answer == {"type": "answer", "id": 7, "state": "answered", "action": "later"}
        assert await daemon.hear("ack") == {"type": "ack", "seq": 1}
        await daemon.stop()
        await daemon.start()
        resume = (await daemon.hear("identify"))["resume"]
        assert resume == {"session": "s1", "token": "r1", "last_seq": 1}
        assert await daemon.hear("answer") == answer
        await daemon.say(type="popup_close", id=7, reason="answered")
        await daemon.say(type="event", name="session.opened", seq=2)
        await daemon.hear("ack")
        await daemon.stop()
        await daemon.start()
        await daemon.hear("identify")
        await daemon.hear_event("editor.phase")
        assert sum(message["type"] == "answer" for message in daemon.said) == 2


async def test_settings_are_applied_and_the_observed_state_answered(
    godot: list[str], project: Project, home: Path
) -> None:
    async with Daemon(home) as daemon, Editor(project, home, command=godot):
        await daemon.hear_event("asset.imported")
        asked = {"compress/mode": 2, "mipmaps/generate": True, "compress/lossy_quality": 1, "no/such": 3}
        await daemon.say(
            **apply(
                1,
                ("res://textures/rock.png", asked),
                ("res://gone.png", {"compress/mode": 2}),
                ("res://../outside.png", {"compress/mode": 2}),
            )
        )
        value = (await daemon.hear("result", lambda message: message["id"] == 101))["value"]
        path = "res://textures/rock.png"
        before = {
            "compress/mode": 0,
            "mipmaps/generate": False,
            "compress/lossy_quality": pytest.approx(0.7),
            "no/such": None,
        }
        after = {"compress/mode": 2, "mipmaps/generate": True, "compress/lossy_quality": 1.0, "no/such": None}
        assert value["before"] == [{"path": path, "options": before}]
        assert value["after"] == [{"path": path, "options": after}]
        assert isinstance(value["after"][0]["options"]["compress/lossy_quality"], float)
        assert [error["path"] for error in value["errors"]] == ["res://gone.png", "res://../outside.png"]
        assert project.settings("textures/rock.png")["compress/mode"] == "2"
        assert await daemon.hear("ack") == {"type": "ack", "seq": 1}


async def test_a_value_of_the_wrong_type_is_refused_and_nothing_written(
    godot: list[str], project: Project, home: Path
) -> None:
    async with Daemon(home) as daemon, Editor(project, home, command=godot):
        await daemon.hear_event("asset.imported")
        as_it_was = project.settings("textures/rock.png")
        await daemon.say(**apply(1, ("res://textures/rock.png", {"compress/mode": "VRAM"})))
        value = (await daemon.hear("result"))["value"]
        assert (value["before"], value["after"]) == ([], [])
        assert "compress/mode" in value["errors"][0]["message"]
        assert project.settings("textures/rock.png") == as_it_was


async def test_options_are_read_and_other_commands_refused(
    godot: list[str], project: Project, home: Path
) -> None:
    async with Daemon(home) as daemon, Editor(project, home, command=godot):
        report = await daemon.hear_event("asset.imported")
        paths = ["res://textures/rock.png", "res://project.godot"]
        await daemon.say(**command(1, "texture.options", {"paths": paths}))
        value = (await daemon.hear("result"))["value"]
        assert value["assets"] == report["assets"]
        assert [error["path"] for error in value["errors"]] == ["res://project.godot"]
        await daemon.say(**command(2, "mesh.apply", {}))
        assert (await daemon.hear("error"))["code"] == "unsupported"
        await daemon.say(**command(3, "texture.options", {"paths": [1]}))
        assert (await daemon.hear("error"))["code"] == "bad_params"


async def test_a_repeated_command_gets_the_same_answer_and_changes_nothing(
    godot: list[str], project: Project, home: Path
) -> None:
    asked = apply(1, ("res://textures/rock.png", {"mipmaps/generate": True}))
    async with Daemon(home) as daemon:
        async with Editor(project, home, command=godot):
            await daemon.hear_event("asset.imported")
            await daemon.say(**asked)
            reply = await daemon.hear("result")
            written = project.import_mark("textures/rock.png").stat().st_mtime_ns
            await daemon.say(**asked)
            assert await daemon.hear("result") == reply
        async with Editor(project, home, command=godot):
            # An editor that was started anew still knows what it did.
            await daemon.hear("identify")
            await daemon.hear_event("editor.phase")
            await daemon.say(**asked)
            assert await daemon.hear("result") == reply
            assert project.import_mark("textures/rock.png").stat().st_mtime_ns == written


async def test_an_editor_killed_in_the_middle_of_a_command_answers_the_state_before_it(
    godot: list[str], project: Project, home: Path
) -> None:
    project.add_texture("large.png", size=1024)
    asked = apply(1, ("res://large.png", {"compress/mode": 2, "compress/normal_map": 1}))
    async with Daemon(home) as daemon:
        async with Editor(project, home, command=godot) as editor:
            await daemon.hear_event("asset.imported")
            mark = project.import_mark("large.png")
            await daemon.say(**asked)
            await until(lambda: not mark.exists())
            await editor.kill()
            assert project.settings("large.png")["compress/mode"] == "2"
        async with Editor(project, home, command=godot):
            assert (await daemon.hear("identify"))["resume"]["last_seq"] == 0
            await daemon.hear_event("editor.phase")
            await daemon.say(**asked)
            value = (await daemon.hear("result"))["value"]
            assert value["before"][0]["options"] == {"compress/mode": 0, "compress/normal_map": 0}
            assert value["after"][0]["options"] == {"compress/mode": 2, "compress/normal_map": 1}


async def test_the_editors_language_is_told_as_a_bcp_47_tag(
    godot: list[str], project: Project, home: Path
) -> None:
    project.set_language(home, "zh_CN")
    async with Daemon(home) as daemon, Editor(project, home, command=godot):
        assert (await daemon.hear("identify"))["locale"] == "zh-CN"


@pytest.mark.parametrize("present", ["dock", "modal", "toast"])
async def test_enter_presses_the_default_button_of_a_popup_with_its_preview(
    godot: list[str], project: Project, home: Path, display: str, present: str
) -> None:
    preview = (project.root / "textures/rock.png").read_bytes()
    sha256 = hashlib.sha256(preview).hexdigest()
    async with Daemon(home) as daemon, Editor(project, home, command=godot).on_display(display):
        daemon.blobs[sha256] = preview
        await daemon.hear_event("asset.imported")
        await daemon.say(**POPUP, seq=1, image=sha256, present=present)
        await daemon.hear("ack")
        await until(lambda: daemon.fetched == [sha256])
        answer = await pressing("Return", display, daemon.hear("answer"))
        assert answer == {"type": "answer", "id": 7, "state": "answered", "action": "apply"}


async def pressing(key: str, display: str, outcome: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Presses until `outcome` comes: a key that arrives before the window takes keys is lost."""
    waiting = asyncio.create_task(outcome)
    while not waiting.done():
        press = await asyncio.create_subprocess_exec(
            "xdotool", "key", key, env={**os.environ, "DISPLAY": display}
        )
        await press.wait()
        await asyncio.wait([waiting], timeout=0.5)
    return waiting.result()


@pytest.fixture
def display() -> Iterator[str]:
    """A display of its own, gone after the test."""
    if not engines.have_display_tools():
        require("Xvfb, xdotool and ImageMagick aren't all here: `python tools/engines.py` brings them")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as number:
            yield f":{number.readline().strip()}"
        server.terminate()


async def test_a_session_that_the_daemon_lost_is_opened_anew(
    godot: list[str], project: Project, home: Path
) -> None:
    async with Daemon(home) as daemon, Editor(project, home, command=godot):
        await daemon.hear("identify")
        await daemon.hear_event("editor.phase")
        await daemon.say(**POPUP, seq=1)
        await daemon.hear("ack")
        await daemon.stop()
        daemon.refuse_resume = True
        await daemon.start()
        assert "resume" in await daemon.hear("identify")
        assert "resume" not in await daemon.hear("identify")
        # Numbers begin again: 1 is new.
        await daemon.hear_event("editor.phase")
        await daemon.say(**command(1, "texture.options", {"paths": []}))
        assert (await daemon.hear("result"))["id"] == 101


async def test_an_editor_started_first_finds_the_daemon_later(
    godot: list[str], project: Project, home: Path
) -> None:
    async with Editor(project, home, command=godot):
        await until((project.root / ".godot/popbridge.state").exists)
        async with Daemon(home) as daemon:
            report = await daemon.hear_event("asset.imported")
            assert report["assets"][0]["path"] == "res://textures/rock.png"


def test_the_codec_reads_and_writes_the_same_bytes_as_pythons(godot: list[str], project: Project) -> None:
    vectors = json.loads((VECTORS / "msgpack.json").read_text(encoding="utf-8"))
    accept, reject = vectors["accept"], vectors["reject"]
    answers = in_engine(godot, project, [vector["hex"] for vector in accept + reject])
    assert answers[: len(accept)] == [f"again: {vector.get('again', vector['hex'])}" for vector in accept]
    read_all_the_same = [
        vector["name"]
        for vector, answer in zip(reject, answers[len(accept) :], strict=True)
        if not answer.startswith("refused: ")
    ]
    assert read_all_the_same == []


def test_the_codec_takes_what_is_large(godot: list[str], project: Project) -> None:
    values = ["d" * 65536, b"y" * 65536, [0] * 65536, {str(n): n for n in range(65536)}]
    frames = [msgpack.packb(value).hex() for value in values]
    assert in_engine(godot, project, frames) == [f"again: {frame}" for frame in frames]


def test_the_codec_reads_every_message_of_the_vectors(godot: list[str], project: Project) -> None:
    files = sorted((VECTORS / "messages").glob("*.json"))
    every = [vector for file in files for vector in json.loads(file.read_text(encoding="utf-8"))]
    vectors = [v for v in every if v["name"].startswith("accept") and "client" in v["receivers"]]
    assert vectors
    answers = in_engine(godot, project, [vector["msgpack"] for vector in vectors])
    assert [answer for answer in answers if answer.startswith("refused: ")] == []


def in_engine(godot: list[str], project: Project, lines: list[str]) -> list[str]:
    """What codec.gd says to each line of hex; an empty one stands for no byte at all."""
    (project.root / "vectors.txt").write_text("\n".join(line or " " for line in lines), encoding="ascii")
    script = Path(__file__).parent / "godot4" / "codec.gd"
    (project.root / "codec.gd").write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    ran = subprocess.run(
        [*godot, "--headless", "--path", str(project.root), "-s", "res://codec.gd"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "ERROR" not in ran.stdout + ran.stderr, "Godot complained about what the codec had refused"
    return [line for line in ran.stdout.splitlines() if line.startswith(("again: ", "refused: "))]
