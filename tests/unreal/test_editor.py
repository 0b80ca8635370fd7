"""The plugin beside a real daemon: import, question, answer, change, revert, restarts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from bridge.paths import ConnectionFile
from tests.unreal.conftest import ASSET, NORMAL_MAP, WAIT_S, Daemon, Editor, Open, every_runtime

AS_NORMAL_MAP = {
    "compression_settings": "TC_NORMALMAP", "srgb": False, "lod_group": "TEXTUREGROUP_WORLD_NORMAL_MAP",
}  # fmt: skip
AS_COLOUR = {"compression_settings": "TC_DEFAULT", "srgb": True, "lod_group": "TEXTUREGROUP_WORLD"}
QUESTION = "Show open questions"


def import_normal_map(editor: Editor, project: Path, way: str = "import") -> None:
    editor.order("import", ASSET, str(project / NORMAL_MAP), way, "")


def part(properties: dict[str, object]) -> dict[str, object]:
    return {name: properties[name] for name in AS_NORMAL_MAP}


def answer_yes(editor: Editor) -> None:
    editor.order("answer", "YES")
    editor.order("press", "ShowQuestions")
    editor.wait("dialog")


@every_runtime
def test_an_import_is_asked_about_fixed_and_reverted(
    open_editor: Open, project: Path, daemon: Daemon
) -> None:
    editor = open_editor()
    import_normal_map(editor, project, "reimport")
    editor.order("saved", ASSET)
    editor.wait("log", QUESTION)
    assert part(editor.properties()) == AS_COLOUR
    answer_yes(editor)
    editor.wait("saved", ASSET)
    assert part(editor.properties()) == AS_NORMAL_MAP
    # What came of it, from what the editor observed.
    editor.wait("log", "PopBridge: ")
    command = [sys.executable, "-m", "bridge.cli", "revert", "1"]
    done = subprocess.run(command, env=daemon.env, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    editor.wait("saved", ASSET)
    assert part(editor.properties()) == AS_COLOUR


def test_a_failed_import_is_no_texture(open_editor: Open, project: Path) -> None:
    editor = open_editor()
    editor.order("failed import")
    import_normal_map(editor, project)
    editor.wait("log", QUESTION)


def test_settings_that_the_person_changed_since_stay(open_editor: Open, project: Path) -> None:
    editor = open_editor()
    import_normal_map(editor, project)
    editor.wait("log", QUESTION)
    editor.order("set", ASSET, "srgb", False)
    answer_yes(editor)
    editor.wait("progress")
    assert editor.properties()["srgb"] is False


def test_what_has_unsaved_changes_isnt_saved(open_editor: Open, project: Path) -> None:
    editor = open_editor()
    import_normal_map(editor, project)
    editor.wait("log", QUESTION)
    editor.order("dirty", ASSET)
    answer_yes(editor)
    editor.wait("progress")
    assert part(editor.properties()) == AS_NORMAL_MAP
    assert not [event for event in editor.seen if event[0] == "saved"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything")
def test_a_read_only_asset_stays(open_editor: Open, project: Path) -> None:
    editor = open_editor()
    import_normal_map(editor, project)
    editor.wait("log", QUESTION)
    (project / "Content/Textures/brick_normal.uasset").chmod(0o444)
    answer_yes(editor)
    editor.wait("progress")
    assert part(editor.properties()) == AS_COLOUR


def test_an_asset_under_version_control_is_checked_out(open_editor: Open, project: Path) -> None:
    editor = open_editor()
    file = project / "Content/Textures/brick_normal.uasset"
    file.chmod(0o444)
    editor.order("control", True)
    import_normal_map(editor, project)
    editor.wait("log", QUESTION)
    answer_yes(editor)
    assert editor.wait("checkout") == [str(file)]
    assert part(editor.properties()) == AS_NORMAL_MAP


def test_a_cancelled_fix_changes_nothing(open_editor: Open, project: Path) -> None:
    editor = open_editor()
    editor.order("cancel", 0)
    import_normal_map(editor, project)
    editor.wait("log", QUESTION)
    answer_yes(editor)
    editor.wait("progress")
    assert part(editor.properties()) == AS_COLOUR


def test_nobody_is_asked_in_an_unattended_editor(open_editor: Open, project: Path) -> None:
    editor = open_editor("-unattended")
    import_normal_map(editor, project)
    assert QUESTION not in editor.wait("log")[0]
    assert not [event for event in editor.seen if event[0] == "dialog"]


def test_a_commandlet_has_no_plugin(open_editor: Open, runtime: str) -> None:
    editor = open_editor("-run=pythonscript")
    assert editor.seen[0] == ["started", 0]


def test_a_restarted_daemon_is_found_and_the_question_stays(
    open_editor: Open, project: Path, daemon: Daemon
) -> None:
    editor = open_editor()
    import_normal_map(editor, project)
    editor.wait("log", QUESTION)
    daemon.end(kill=True)
    daemon.start()
    answer_yes(editor)
    editor.order("saved", ASSET)
    editor.wait("progress")
    assert part(editor.properties()) == AS_NORMAL_MAP


def test_a_killed_editor_gets_its_question_again(open_editor: Open, project: Path) -> None:
    editor = open_editor()
    import_normal_map(editor, project)
    editor.wait("log", QUESTION)
    editor.kill()
    again = open_editor()
    again.wait("log", QUESTION)


@every_runtime
def test_the_end_takes_no_time_and_leaves_no_thread(open_editor: Open, project: Path) -> None:
    editor = open_editor()
    import_normal_map(editor, project)
    editor.wait("log", QUESTION)
    editor.order("end")
    quick, threads = editor.wait("ended")
    # The main thread, and the one that reads orders.
    assert quick and threads <= 2


def test_another_program_on_the_port_learns_nothing(open_editor: Open, daemon: Daemon) -> None:
    file = ConnectionFile.read(daemon.file)
    daemon.end()
    said = b""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT_S)

        def listen() -> None:
            nonlocal said
            peer, _ = server.accept()
            with peer:
                peer.settimeout(WAIT_S)
                said += peer.recv(65536)
                peer.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

        thread = threading.Thread(target=listen)
        thread.start()
        url = f"ws://127.0.0.1:{server.getsockname()[1]}/ws"
        msgspec.structs.replace(file, ws=url).write(daemon.file)
        editor = open_editor()
        editor.wait("log", "403")
        thread.join(WAIT_S)
    secret = file.token.partition(".")[2]
    assert b"GET /ws?token=local&nonce=" in said and secret.encode() not in said


def mislead(daemon: Daemon, file: ConnectionFile) -> None:
    """Has editors read another file: the daemon would mend its own within a second."""
    home = daemon.file.parent.with_name("elsewhere")
    home.mkdir()
    file.write(home / "connection.json")
    daemon.env = {**daemon.env, "POPBRIDGE_HOME": str(home)}


def test_a_daemon_that_doesnt_know_the_token_is_a_stranger(open_editor: Open, daemon: Daemon) -> None:
    file = ConnectionFile.read(daemon.file)
    mislead(daemon, msgspec.structs.replace(file, token=file.token[:-4] + "AAAA"))
    editor = open_editor()
    assert "Another program" in editor.wait("log")[0]


@pytest.mark.parametrize("runtime", ["3.7", "3.11"], indirect=True)
def test_it_connects_by_tls_and_trusts_one_certificate_only(
    open_editor: Open, project: Path, daemon: Daemon
) -> None:
    daemon.end()
    daemon.env["POPBRIDGE_TLS"] = "on"
    command = [sys.executable, "-m", "bridge.cli", "certs", "init"]
    subprocess.run(command, env=daemon.env, check=True, capture_output=True, timeout=WAIT_S)
    daemon.start()
    file = ConnectionFile.read(daemon.file)
    assert file.ws.startswith("wss:") and file.fingerprint
    editor = open_editor()
    import_normal_map(editor, project)
    editor.wait("log", QUESTION)
    editor.close()
    mislead(daemon, msgspec.structs.replace(file, fingerprint="0" * 64))
    editor = open_editor()
    assert "Another program" in editor.wait("log")[0]
