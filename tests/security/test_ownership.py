"""Sessions, popups and changes belong to a token, and projects are read only if the user has said so."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from bridge.core import auth
from bridge.server.access.authenticator import Credential
from bridge.server.access.roots import ALLOW, KIND, NOT_NOW
from bridge.store.database import open_database
from bridge.store.roots import RootStore, open_roots, resolved_root
from tests.server.advised import PUT_BACK, answered, applied, popup
from tests.server.daemons import ThreadDaemon
from tests.server.wire import Wire, dial, identity, resume, session

ENGINE = {"name": "fake", "version": "2.1"}
Start = Callable[..., ThreadDaemon]


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    pass


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[ThreadDaemon] = []

    def begin(**settings: Any) -> ThreadDaemon:
        running.append(ThreadDaemon(tmp_path / "home", **settings).start())
        return running[-1]

    yield begin
    for each in running:
        each.stop()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a texture and its import settings."""
    made = tmp_path / "project"
    (made / "first").mkdir(parents=True)
    (made / "first" / "a.png").write_bytes(b"pixels")
    (made / "first" / "a.png.json").write_text(json.dumps({"mode": 0, "other": 5}))
    return made


def token(daemon: ThreadDaemon, *scopes: str) -> str:
    """A token that isn't the user's own, as for somebody else or a program."""
    made = f"{secrets.token_urlsafe(6)}.{secrets.token_urlsafe(32)}"
    name = auth.token_id(made)
    credential = Credential(name, "guest", scopes or ("editor",), auth.verifier(made))
    daemon.look(lambda: daemon.bridge.authenticator.add(credential))
    return made


def editor(
    daemon: ThreadDaemon, root: Path | str, own: str = "", **more: Any
) -> AbstractAsyncContextManager[Wire]:
    project = {"id": "p", "name": "P", "root": str(root)}
    given = {"auth": {"token": own}} if own else {}
    return session(daemon.file, **{"engine": ENGINE, "project": project, **given, **more})


def register(daemon: ThreadDaemon, root: Path, own: str) -> None:
    """What `popbridge roots add ROOT --token ID` does."""
    with open_roots(daemon.paths.database) as store:
        store.add(resolved_root(root), "terminal", auth.token_id(own))


async def reads(wire: Wire, path: object, number: int = 77) -> str:
    """The code of the error with which a path is refused; empty if it is read."""
    inputs = [{"name": "a", "path": str(path)}]
    return str((await wire.request(number, "test.read", inputs=inputs)).get("code", ""))


async def imported(wire: Wire, **options: Any) -> None:
    asset = {"path": "watch://first/a.png", "file": "first/a.png", "type": "texture", "options": options}
    await wire.send("event", name="asset.imported", data={"batch": 1, "more": False, "assets": [asset]})


async def test_a_client_of_another_token_that_claims_a_project_sees_and_answers_nothing_of_it(
    start: Start, root: Path
) -> None:
    daemon = start()
    guest = token(daemon)
    register(daemon, root, guest)
    async with editor(daemon, root) as own, editor(daemon, root, guest) as thief:
        shown = await popup(own)
        assert await thief.quiet()
        await thief.send("answer", id=shown["id"], state="answered", action="yes")
        assert (await thief.until("popup_close", id=shown["id"]))["reason"] == "unknown"
        assert await own.quiet()
        assert (await answered(own, shown)) == "answered"
    # Nor once the editor is gone.
    async with editor(daemon, root) as own:
        left = await popup(own)
    daemon.look(lambda: daemon.bridge.sessions.forget(own.ready["session"]))
    daemon.call(daemon.bridge.sessions.settle(own.ready["session"], leaves_popups=True))
    async with editor(daemon, root, guest) as thief:
        assert await thief.quiet()
    async with editor(daemon, root) as heir:
        assert (await heir.until("popup"))["id"] == left["id"]


async def test_an_editor_cant_answer_for_another_that_has_another_project(
    start: Start, tmp_path: Path
) -> None:
    daemon = start()
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    async with editor(daemon, one) as victim, editor(daemon, other) as forger:
        shown = await popup(victim)
        for state, action in (("answered", "yes"), ("undeliverable", None), ("dismissed", None)):
            await forger.send("answer", id=shown["id"], state=state, **({"action": action} if action else {}))
            assert (await forger.until("popup_close", id=shown["id"]))["reason"] == "unknown"
        assert await victim.quiet()
        assert await answered(victim, shown) == "answered"


async def test_changes_of_another_token_are_neither_listed_nor_reverted_nor_carried_out(
    start: Start, root: Path
) -> None:
    daemon = start()
    guest = token(daemon)
    register(daemon, root, guest)
    async with editor(daemon, root) as own:
        made = await applied(own)
        await own.request(1, "bridge.echo")
        async with editor(daemon, root, guest) as thief:
            assert (await thief.request(1, "receipts.list"))["value"]["receipts"] == []
            for number, more in enumerate(({}, {"editor": own.ready["session"]}), 2):
                refused = await thief.request(number, "receipts.revert", {"id": made, **more})
                assert refused["code"] == "not_found"
            # Its own editor does it, though another claims the project.
            await own.send("request", id=5, workload="receipts.revert", params={"id": made})
            assert (await own.until("command"))["args"] == {"changes": PUT_BACK}
            await own.socket.close()
            assert await thief.quiet()
            async with session(daemon.file, client={"kind": "tool", "name": "t", "version": "1"}) as tool:
                named = {"id": made, "editor": thief.ready["session"]}
                for number, params in enumerate(({"id": made}, named)):
                    assert (await tool.request(number, "receipts.revert", params))["code"] == "editor_gone"
            assert await thief.quiet()


async def test_a_token_reverts_its_own_changes_in_their_project_only_and_an_admin_reverts_all(
    start: Start, root: Path, tmp_path: Path
) -> None:
    daemon = start()
    guest = token(daemon)
    async with editor(daemon, root, guest) as first:
        made = await applied(first)
        await first.request(1, "bridge.echo")
        assert [each["id"] for each in (await first.request(2, "receipts.list"))["value"]["receipts"]] == [
            made
        ]
        project = {"id": "q", "name": "P"}
        async with editor(daemon, root, guest, project=project) as second:
            refused = await second.request(1, "receipts.revert", {"id": made})
            assert refused["code"] == "forbidden"
        async with session(daemon.file, client={"kind": "tool", "name": "t", "version": "1"}) as admin:
            await admin.send("request", id=1, workload="receipts.revert", params={"id": made})
            assert (await first.until("command"))["args"] == {"changes": PUT_BACK}


async def test_what_the_daemon_saw_before_a_change_counts_not_what_the_editor_says(
    start: Start, root: Path
) -> None:
    daemon = start()
    async with editor(daemon, root) as wire:
        await imported(wire, mode=0, other=5)
        await answered(wire, await wire.until("popup"))
        command = await wire.until("command")
        settings = root / "first" / "a.png.json"
        settings.write_text(json.dumps({"mode": 2, "other": 6}))
        told = [
            {"path": "watch://first/a.png", "options": {"mode": 9, "other": 99, "extra": "forged"}},
            {"path": "watch://first/b.png", "options": {"mode": 1}},
        ]
        forged = {"before": told, "after": [{**told[0], "options": {"mode": 2, "other": 6}}, told[1]]}
        await wire.send("result", id=command["id"], value=forged)
        await wire.request(99, "test.ask")
        receipt = daemon.receipt(command["id"])
        assert receipt is not None and receipt.state == "applied"
        assert receipt.before == [{"path": "watch://first/a.png", "options": {"mode": 0, "other": 5}}]
        assert receipt.after == [{"path": "watch://first/a.png", "options": {"mode": 2, "other": 6}}]
        assert {each["path"] for each in receipt.errors} == {"watch://first/a.png", "watch://first/b.png"}


@pytest.mark.parametrize("claimed", ["/", "home", "above", "data", "data/blobs"])
async def test_no_client_gets_a_drive_a_home_or_the_daemons_own_folder_as_its_project(
    start: Start, tmp_path: Path, claimed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "users" / "ada"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    daemon = start(roots=["/", str(tmp_path)])
    folder = {
        "/": Path(tmp_path.anchor), "home": home, "above": home.parent, "data": daemon.paths.data,
        "data/blobs": daemon.paths.blobs,
    }[claimed]  # fmt: skip
    image = folder / "image.png"
    if claimed != "/":
        image.write_bytes(b"secret")
    own = tmp_path / "home" / "image.png"
    for more in ({}, {"client": {"kind": "tool", "name": "t", "version": "1"}}):
        async with editor(daemon, folder, **more) as wire:
            assert await reads(wire, image) == "forbidden" and await reads(wire, own, 78) == "forbidden"
            assert ("notice" in wire.ready) and await wire.quiet()
    # Files of its own aren't a project's either, wherever the root is.
    (daemon.paths.data / "image.png").write_bytes(b"secret")
    async with editor(daemon, tmp_path) as wire:
        refused = await wire.request(1, "test.read", inputs=[{"name": "a", "path": "home/image.png"}])
        assert refused["code"] == "forbidden"


async def test_a_project_is_read_once_the_user_allows_it_in_the_editor_without_a_reconnect(
    start: Start, root: Path
) -> None:
    daemon = start(roots=[])
    async with editor(daemon, root) as first, editor(daemon, root, instance="two") as second:
        assert "popbridge roots add" in first.ready["notice"]
        asked, copy = await first.until("popup"), await second.until("popup")
        assert asked["kind"] == KIND and str(root) in asked["body"]
        await imported(first, mode=0, other=5)
        assert await reads(first, "first/a.png") == "forbidden" and await first.quiet()
        await first.send("answer", id=asked["id"], state="answered", action=ALLOW)
        # What was imported meanwhile is checked now.
        advice = await first.until("popup")
        assert advice["kind"] != KIND and await reads(first, "first/a.png") == ""
        assert (await second.until("popup_close", id=copy["id"]))["reason"] == "superseded"
        assert (await second.until("popup"))["id"] == advice["id"]
        assert await reads(second, "first/a.png") == ""
    daemon.stop()
    daemon.stop = lambda: None  # type: ignore[method-assign]
    again = start(roots=[])
    async with editor(again, root, resume=resume(first, 99)) as wire:
        assert await reads(wire, "first/a.png") == "" and "notice" not in wire.ready


async def test_who_says_not_now_isnt_asked_again_until_the_editor_is_opened_anew(
    start: Start, root: Path
) -> None:
    daemon = start(roots=[])
    async with editor(daemon, root) as wire:
        asked = await wire.until("popup")
        await wire.send("answer", id=asked["id"], state="answered", action=NOT_NOW)
        await wire.until("popup_close")
        await imported(wire, mode=0)
        assert await reads(wire, "first/a.png") == "forbidden"
        await wire.socket.close()
        async with editor(daemon, root, resume=resume(wire, asked["seq"] + 1)) as back:
            # Other advisors' popups may come again; the question doesn't.
            await back.send("request", id=999_999, workload="test.inline")
            while (message := await back.receive()).get("id") != 999_999:
                assert message.get("kind") != KIND
            assert await reads(back, "first/a.png") == "forbidden"
    async with editor(daemon, root, instance="opened anew") as anew:
        assert (await anew.until("popup"))["kind"] == KIND


async def test_a_client_with_another_token_or_without_a_screen_cant_allow_anything(
    start: Start, root: Path
) -> None:
    daemon = start(roots=[])
    guest = token(daemon)
    tool = {"client": {"kind": "tool", "name": "t", "version": "1"}}
    for own, more in ((guest, {}), ("", tool), (guest, tool)):
        async with editor(daemon, root, own, **more) as wire:
            assert await reads(wire, "first/a.png") == "forbidden" and await wire.quiet()
    register(daemon, root, guest)
    async with editor(daemon, root, guest) as wire:
        assert await reads(wire, "first/a.png") == ""
    # What one token may read, another may not.
    async with editor(daemon, root) as wire:
        assert await reads(wire, "first/a.png") == "forbidden"


async def test_what_is_registered_in_a_terminal_counts_at_once_and_what_is_removed_no_more(
    start: Start, root: Path
) -> None:
    daemon = start(roots=[])
    async with editor(daemon, root) as wire:
        asked = await wire.until("popup")
        with open_roots(daemon.paths.database) as store:
            store.add(resolved_root(root.parent / "project"), "terminal")
        assert (await wire.until("popup_close", id=asked["id"]))["reason"] == "superseded"
        assert await reads(wire, "first/a.png") == ""
    with open_roots(daemon.paths.database) as store:
        assert store.remove(resolved_root(root)) == 1
    daemon.stop()
    daemon.stop = lambda: None  # type: ignore[method-assign]
    again = start(roots=[])
    live = again.bridge.sessions.by_id[wire.ready["session"]]
    assert live.root is None
    async with editor(again, root, resume=resume(wire, 99)) as back:
        assert (await back.until("popup"))["kind"] == KIND


async def test_a_stolen_resume_token_is_of_no_use_to_another_token(start: Start, root: Path) -> None:
    daemon = start()
    guest = token(daemon)
    async with editor(daemon, root) as victim:
        shown = await popup(victim)
        async with dial(daemon.file) as thief:
            claim = {"auth": {"token": guest}, "resume": resume(victim)}
            await thief.send("identify", **identity(daemon.file, engine=ENGINE, **claim))
            assert (await thief.closed())[0] == 4011
        assert await victim.quiet() and await answered(victim, shown) == "answered"


async def test_a_key_of_another_token_gives_no_answer(start: Start, root: Path) -> None:
    daemon = start()
    guest = token(daemon)
    register(daemon, root, guest)
    for project in ({}, {"project": {"id": "p", "name": "P"}}):
        async with session(daemon.file, **project) as own:
            secret = await own.request(1, "bridge.echo", {"value": "secret"}, key="k")
        async with session(daemon.file, auth={"token": guest}, **project) as thief:
            answer = await thief.request(1, "bridge.echo", {"value": "other"}, key="k")
        assert (secret["value"], answer.get("value")) == ("secret", "other")


async def test_a_project_id_cant_name_another_tokens_project(start: Start, root: Path) -> None:
    daemon = start()
    async with dial(daemon.file) as wire:
        project = {"id": "p\0guest", "name": "P"}
        await wire.send("identify", **identity(daemon.file, project=project))
        assert (await wire.closed())[0] == 4005


def test_a_store_of_the_release_before_gets_owners_and_keeps_its_rows(tmp_path: Path) -> None:
    db = open_database(tmp_path / "a.db")
    columns = {column.name: column.default_value for column in db.table("receipts").columns}
    assert columns["owner"] == "'local'" and RootStore(db).all() == []
    db.conn.close()
