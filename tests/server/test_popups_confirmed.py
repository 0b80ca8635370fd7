"""What clients say of popups is confirmed once it is kept, and till then their sessions don't end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.core.errors import StoreError
from bridge.core.messages import DONE_CODE, DONE_REASON
from tests.server.advised import popup
from tests.server.daemons import ThreadDaemon
from tests.server.test_advisors import lines
from tests.server.test_popups_shared import editor
from tests.server.test_sessions_ending import lost


@contextmanager
def full(daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    async def write(work: object, **_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(daemon.bridge.store, "write", write)
        yield


async def test_what_one_editor_cant_show_is_confirmed_once_it_is_anothers(
    daemon: ThreadDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with editor(daemon.file, tmp_path) as first, editor(daemon.file, tmp_path) as second:
        shown = await popup(first)
        await second.until("popup")
        with full(daemon, monkeypatch):
            for _ in range(2):
                await first.send("answer", id=shown["id"], state="undeliverable")
            assert await first.quiet()
        assert (await first.until("popup_close", id=shown["id"]))["reason"] == "undeliverable"
        stored = daemon.popup(shown["id"])
        assert stored is not None and (stored.status, stored.session) == ("open", second.ready["session"])
        assert await second.quiet()


async def test_the_session_of_a_client_that_is_done_stays_until_its_answer_is_kept(
    daemon: ThreadDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    async with editor(daemon.file, tmp_path) as only:
        shown = await popup(only, state={"log": str(log), "tag": "kept"})
        await only.send("ack", seq=shown["seq"])
        with full(daemon, monkeypatch):
            await only.send("answer", id=shown["id"], state="answered", action="yes")
            await only.socket.close(DONE_CODE, DONE_REASON)
            await lost(daemon, only.ready["session"])
            assert only.ready["session"] in daemon.bridge.sessions.by_id
    assert await lines(log, 1) == ["answered yes kept"]


async def test_a_popup_that_was_closed_without_a_choice_does_nothing_whatever_its_client_names(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with editor(daemon.file, tmp_path) as only:
        shown = await popup(only, state={"log": str(log), "tag": "closed"})
        await only.send("answer", id=shown["id"], state="dismissed", action="yes", values={"a": 1})
        assert (await only.until("popup_close"))["reason"] == "dismissed"
    assert await lines(log, 1) == ["dismissed - closed"]
