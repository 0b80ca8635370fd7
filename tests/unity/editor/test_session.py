"""The package's session beside a real daemon."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from pathlib import Path

import msgspec
import pytest

from bridge.paths import ConnectionFile
from bridge_unity.plugin import UnityProjects
from tests.unity.editor.conftest import NORMAL_MAP, Connect, Daemon
from tests.unity.editor.session import Session

PROGRESS_S = 30.0


def report(session: Session, project: Path) -> list[str]:
    """Reports the normal map; returns the popup's id, kind and number of items."""
    asset = UnityProjects().texture(project, NORMAL_MAP)
    assert asset is not None and asset.options is not None
    session.order("import", NORMAL_MAP, json.dumps(dict(asset.options)))
    return session.wait("popup")


def apply(session: Session, popup_id: str) -> None:
    session.order("answer", popup_id, "apply")
    session.wait("command", "texture.apply")


def applied() -> str:
    """A reply of an editor that has changed the type of the texture; without spaces, which part orders."""
    after = {"path": NORMAL_MAP, "options": {"textureType": "NormalMap"}}
    before = {**after, "options": {"textureType": "Default"}}
    return json.dumps({"before": [before], "after": [after], "errors": []}, separators=(",", ":"))


def test_an_import_is_answered_by_a_popup_and_its_answer_by_a_command(join: Connect, project: Path) -> None:
    session = join()
    _, resumed = session.wait("opened")
    assert resumed == "False"
    popup_id, _, items = report(session, project)
    assert int(items) > 0
    apply(session, popup_id)
    session.order("reply", applied())
    # What came of it replaces the first popup.
    assert session.wait("popup")[0] != popup_id


def test_a_domain_reload_resumes_the_session_and_repeats_the_command(join: Connect, project: Path) -> None:
    before = join()
    (session_id, _) = before.wait("opened")
    popup_id, *_ = report(before, project)
    apply(before, popup_id)
    before.close()
    after = join()
    assert after.wait("opened") == [session_id, "True"]
    after.wait("command", "texture.apply")
    after.order("reply", applied())
    after.wait("popup")


def test_a_reply_is_sent_again_after_a_crash(connect: Connect, project: Path, daemon: Daemon) -> None:
    before = connect()
    before.wait("opened")
    popup_id, *_ = report(before, project)
    apply(before, popup_id)
    daemon.end(kill=True)
    before.wait("lost")
    # Stored, but nobody takes it.
    before.order("reply", applied())
    before.wait("replied")
    before.kill()
    daemon.start()
    after = connect("two")
    after.wait("opened")
    after.wait("popup")
    assert not any(event[0] == "command" for event in after.seen)


def test_it_finds_the_daemon_again(connect: Connect, daemon: Daemon) -> None:
    session = connect()
    (session_id, _) = session.wait("opened")
    daemon.end()
    session.wait("lost")
    daemon.start()
    assert session.wait("opened") == [session_id, "True"]


def test_a_forgotten_session_starts_anew(connect: Connect, daemon: Daemon) -> None:
    session = connect()
    (session_id, _) = session.wait("opened")
    daemon.end()
    session.wait("lost")
    daemon.paths.database.unlink()
    daemon.start()
    session.wait("forgotten")
    assert session.wait("opened")[0] != session_id


def test_an_answer_that_is_refused_is_not_sent_for_ever(join: Connect, project: Path) -> None:
    session = join()
    session.wait("opened")
    popup_id, *_ = report(session, project)
    session.order("answer", popup_id, "no_such_action")
    session.wait("status", "Retrying")
    session.wait("opened")
    apply(session, popup_id)


def test_questions_are_answered_or_told_to_be_lost(connect: Connect, daemon: Daemon) -> None:
    session = connect()
    session.wait("opened")
    session.order("ask", "no.such.workload", "1")
    assert session.wait("answered") == ["1", "unknown_workload"]
    daemon.end()
    session.wait("lost")
    session.order("ask", "image.inspect", "2")
    assert session.wait("answered") == ["2", "lost"]


def test_blobs_are_fetched_by_the_sessions_own_token(join: Connect) -> None:
    session = join()
    session.wait("opened")
    session.order("blob", hashlib.sha256(b"nothing like it").hexdigest())
    assert session.wait("blob") == ["none"]


def test_ticks_without_news_allocate_nothing(join: Connect) -> None:
    session = join()
    session.wait("opened")
    session.order("idle")
    session.wait("idle")
    session.order("idle")
    assert session.wait("idle") == ["0"]


def test_another_program_on_the_port_learns_nothing(connect: Connect, daemon: Daemon) -> None:
    session = connect()
    session.wait("opened")
    file = ConnectionFile.read(daemon.file)
    daemon.end()
    session.wait("lost")
    said = b""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PROGRESS_S)

        def listen() -> None:
            nonlocal said
            peer, _ = server.accept()
            with peer:
                peer.settimeout(PROGRESS_S)
                said += peer.recv(65536)
                peer.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

        thread = threading.Thread(target=listen)
        thread.start()
        port = server.getsockname()[1]
        msgspec.structs.replace(file, ws=f"ws://127.0.0.1:{port}/ws", http=f"http://127.0.0.1:{port}").write(
            daemon.file
        )
        thread.join(PROGRESS_S)
    secret = file.token.partition(".")[2]
    assert b"GET /ws?token=local&nonce=" in said and secret.encode() not in said
    assert session.wait("status", "Retrying")[1] == "Refused"


@pytest.mark.parametrize("silence", [b"", b"HTTP/1.1 101 Switching Protocols\r\n"])
def test_a_silent_server_holds_nothing_up(connect: Connect, daemon: Daemon, silence: bytes) -> None:
    session = connect()
    session.wait("opened")
    file = ConnectionFile.read(daemon.file)
    daemon.end()
    session.wait("lost")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PROGRESS_S)
        port = server.getsockname()[1]
        msgspec.structs.replace(file, ws=f"ws://127.0.0.1:{port}/ws").write(daemon.file)
        peer, _ = server.accept()
        with peer:
            peer.sendall(silence)
            session.wait("status", "Connecting")
            # It still obeys, and ends at once.
            session.close()
