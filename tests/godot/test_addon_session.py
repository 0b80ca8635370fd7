"""The addons' session in the real headless editors, against a scripted daemon."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from bridge.core import auth
from bridge_godot import project as projects
from bridge_godot.support import GodotSupport
from tests.godot.conftest import Live
from tests.godot.daemon import NONCE, Daemon
from tests.godot.editor import Editor, Project, until
from tests.godot.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


async def test_it_says_who_it_is(live: Live, engine: Engine) -> None:
    said, root = live.identify, str(live.project.root)
    addon = GodotSupport(engine.generation).addon()
    assert addon is not None and addon.name == "popbridge-godot"
    assert said["client"] == {"kind": "editor", "name": addon.name, "version": addon.version}
    assert said["engine"]["name"] == "godot"
    major = engine.name.removeprefix("Godot ")
    assert re.fullmatch(major + r"\.\d+(\.\d+)?\.stable\.\S+", said["engine"]["version"])
    project_id = hashlib.sha256(root.encode()).hexdigest()
    assert said["project"] == {"id": project_id, "name": "Test project", "root": root}
    (path, *_) = live.daemon.paths
    asked = dict(parse_qsl(urlsplit(path).query))
    assert (said["auth"]["id"], said["auth"]["nonce"]) == (asked["token"], asked["nonce"])
    message = auth.signed_message(asked["token"], asked["nonce"], NONCE)
    stored = auth.verifier(Daemon.token).stored_key
    assert auth.client_proof_matches(said["auth"]["proof"], stored, message)
    assert Daemon.token not in str(live.daemon.said)
    assert len(said["instance"]) == 32
    assert "resume" not in said


async def test_the_editors_language_is_told_as_a_bcp_47_tag(live: Live) -> None:
    assert live.identify["locale"] == "zh-CN"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
async def test_a_project_behind_a_link_is_the_same_to_the_editor_and_to_its_stand_in(
    project: Project, home: Path
) -> None:
    real = project.root
    project.root = real.with_name("link")
    project.root.symlink_to(real, target_is_directory=True)
    async with Daemon(home) as daemon, Editor(project, home):
        said = (await daemon.hear("identify"))["project"]
    assert (said["id"], said["root"]) == (projects.identity(project.root), projects.root(project.root))


async def test_an_answer_is_kept_until_it_is_confirmed(project: Project, home: Path) -> None:
    async with Daemon(home) as daemon, Editor(project, home, answer="later"):
        await daemon.settled()
        daemon.open_popups = []
        popup = await daemon.popup()
        answer = await daemon.hear("answer")
        assert answer == {"type": "answer", "id": popup["id"], "state": "answered", "action": "later"}
        await daemon.acknowledged(popup)
        await daemon.stop()
        await daemon.start()
        resume = (await daemon.hear("identify"))["resume"]
        assert resume == {"session": "s1", "token": "r1", "last_seq": popup["seq"]}
        assert await daemon.hear("answer") == answer
        await daemon.say(type="popup_close", id=popup["id"], reason="answered")
        # It is handled after what was said before it.
        await daemon.settled()
        await daemon.stop()
        await daemon.start()
        await daemon.hear("identify")
        await daemon.settled()
        assert sum(message["type"] == "answer" for message in daemon.said) == 2


@pytest.mark.parametrize("says", [True, False])
async def test_what_was_closed_while_the_editor_was_away_goes_from_its_screen(
    project: Project, home: Path, says: bool
) -> None:
    async with Daemon(home) as daemon, Editor(project, home, answer="apply"):
        await daemon.settled()
        still, closed = [await daemon.popup(actions=[{"id": "no", "label": "No"}]) for _ in range(2)]
        await daemon.acknowledged(closed)
        await daemon.stop()
        daemon.open_popups = [still["id"]] if says else None
        await daemon.start()
        await daemon.hear("identify")
        # Of each id one card is shown, and what is shown is answered at once where that can be.
        for shown in (still, closed):
            await daemon.popup(id=shown["id"])
        last = await daemon.popup()
        await daemon.hear("answer", lambda answer: answer["id"] == last["id"])
        answers = [said["id"] for said in daemon.said if said["type"] == "answer"]
        assert answers == ([closed["id"]] if says else []) + [last["id"]]


async def test_a_session_that_the_daemon_lost_is_opened_anew(live: Live) -> None:
    daemon = live.daemon
    await daemon.acknowledged(await daemon.popup())
    await daemon.stop()
    daemon.refuse_resume = True
    await daemon.start()
    assert "resume" in await daemon.hear("identify")
    assert "resume" not in await daemon.hear("identify")
    await daemon.settled()
    # Numbers begin again: 1 is new.
    asked = await daemon.command("texture.apply", changes=[])
    assert asked["seq"] == 1
    await daemon.outcome(asked)


async def test_what_a_daemon_may_not_have_heard_before_it_was_killed_is_told_to_the_next(
    project: Project, home: Path
) -> None:
    async with Daemon(home) as daemon, Editor(project, home):
        report = await daemon.hear_event("asset.imported")
        await daemon.stop()
        daemon.instance = "i2"
        await daemon.start()
        assert (await daemon.hear_event("asset.imported"))["assets"] == report["assets"]
        # The same daemon behind a new socket has heard it.
        await daemon.stop()
        await daemon.start()
        await daemon.settled()
        await daemon.settled()
        assert sum(message.get("name") == "asset.imported" for message in daemon.said) == 2


@pytest.mark.parametrize("left", [None, b"half a sta"], ids=["missing", "broken"])
async def test_the_session_outlives_an_editor_that_was_killed_while_it_wrote_its_state(
    project: Project, home: Path, left: bytes | None
) -> None:
    async with Daemon(home) as daemon:
        async with Editor(project, home):
            await daemon.hear_event("asset.imported")
        project.state.rename(f"{project.state}.tmp")
        if left is not None:
            project.state.write_bytes(left)
        async with Editor(project, home):
            await daemon.hear("identify", lambda said: said.get("resume", {}).get("session") == "s1")
            await daemon.settled()


async def test_what_was_imported_is_reported_once_also_to_a_daemon_that_came_later(
    project: Project, home: Path
) -> None:
    daemon = Daemon(home)
    async with Editor(project, home):
        await until(project.state.exists)
        async with daemon:
            assert (await daemon.hear("identify"))["locale"] == "en"
            report = await daemon.hear_event("asset.imported")
            assert [asset["path"] for asset in report["assets"]] == ["res://textures/rock.png"]
            # Commands are looked at in a later frame, when the addon has noted what it reported.
            await daemon.settled()
    # The times of imports are whole seconds to Godot: what is imported in the same one isn't newer.
    imported_at = int(project.import_mark("textures/rock.png").stat().st_mtime)
    await until(lambda: time.time() >= imported_at + 1)
    project.add_texture("new.png")
    async with daemon, Editor(project, home):
        report = await daemon.hear_event("asset.imported")
        assert [asset["path"] for asset in report["assets"]] == ["res://new.png"]
