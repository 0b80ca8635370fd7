"""`popbridge service`, with each system's files and a stand-in for its service manager."""

from __future__ import annotations

import json
import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bridge.commands import service
from bridge.paths import ConnectionFile, Paths, daemon_command
from tests.commands.shell import one_line

SYSTEMCTL = """#!/bin/sh
# Writes down its calls; a unit is enabled while the file beside it says so.
echo "$@" >>{log}
case "$*" in
  *is-enabled*) test -e {state} ;;
  *enable*) test ! -e {refuses} || {{ echo "no bus" >&2; exit 1; }}; touch {state} ;;
  *restart*) {started} || true ;;
  *disable*) rm -f {state} ;;
esac
"""


@pytest.fixture
def systemctl(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that starts a daemon by writing its connection.json; returns the file with its calls."""
    if sys.platform == "win32":
        pytest.skip("systemd is for Linux")
    monkeypatch.setattr(sys, "platform", "linux")
    folder = tmp_path / "bin"
    folder.mkdir()
    home.mkdir(exist_ok=True)
    log = tmp_path / "calls"
    log.touch()
    ready = tmp_path / "ready.json"
    ConnectionFile("ws://127.0.0.1:1/ws", "http://127.0.0.1:1", "t", 1, 1).write(ready)
    names = {
        "log": log,
        "state": tmp_path / "enabled",
        "refuses": tmp_path / "refuses",
        "started": f"cp {shlex.quote(str(ready))} {shlex.quote(str(home / 'connection.json'))}",
    }
    file = folder / "systemctl"
    file.write_text(SYSTEMCTL.format(**names))
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return log


def test_the_daemon_starts_now_and_at_login_until_the_service_is_removed(
    popbridge: Any, systemctl: Path, tmp_path: Path, home: Path
) -> None:
    assert popbridge("service", "status")[0] == 1
    code, out, _ = popbridge("service", "install")
    unit = tmp_path / "config" / "systemd" / "user" / "popbridge.service"
    assert code == 0 and "ws://127.0.0.1:1/ws" in out and str(unit) in out
    assert json.loads((home / "start.json").read_bytes())["command"] == daemon_command()
    code, out, _ = popbridge("service", "status", "--json")
    state = json.loads(out)
    assert code == 0 and state["installed"] and state["current"] and state["address"]
    assert popbridge("service", "remove")[0] == 0
    assert not unit.exists() and popbridge("service", "status")[0] == 1
    assert "disable --now" in systemctl.read_text()


def test_a_daemon_that_runs_already_is_left_alone(popbridge: Any, systemctl: Path, home: Path) -> None:
    ConnectionFile("ws://127.0.0.1:2/ws", "http://127.0.0.1:2", "t", 1, 1).write(home / "connection.json")
    code, out, _ = popbridge("service", "install")
    assert code == 0 and "ws://127.0.0.1:2/ws" in out
    assert "restart" not in systemctl.read_text()


def test_what_the_system_refuses_leaves_nothing_behind(
    popbridge: Any, systemctl: Path, tmp_path: Path
) -> None:
    (tmp_path / "refuses").touch()
    code, _, err = popbridge("service", "install")
    assert code == 2 and one_line(err) and "no bus" in err
    assert not list((tmp_path / "config").rglob("*.service"))


def test_a_unit_of_another_installation_is_told(popbridge: Any, systemctl: Path, tmp_path: Path) -> None:
    popbridge("service", "install")
    unit = next((tmp_path / "config").rglob("popbridge.service"))
    unit.write_text(unit.read_text().replace(sys.executable, "/opt/old/python"))
    state = json.loads(popbridge("service", "status", "--json")[1])
    assert state["installed"] and not state["current"]


def test_a_daemon_that_does_not_start_is_told(
    popbridge: Any, systemctl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ready.json").unlink()
    monkeypatch.setattr(service, "START_S", 0.3)
    code, _, err = popbridge("service", "install")
    assert code == 1 and "popbridge serve" in err


def test_without_a_service_manager_the_command_is_named(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", "")
    code, _, err = popbridge("service", "install")
    assert code == 2 and "-m bridge.cli serve" in err


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd's own check")
def test_systemd_accepts_the_unit_with_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    program = tmp_path / 'a "b" 50% $x' / "python"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "popbridge.service"
    unit.write_bytes(service.Systemd().content([str(program), "serve"]))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(unit)], capture_output=True, text=True, timeout=60
    )
    assert "popbridge.service" not in done.stderr, done.stderr


def test_the_launch_agent_has_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = plistlib.loads(service.LaunchAgent().content(["/a b/python", "serve"]))
    assert agent["ProgramArguments"] == ["/a b/python", "serve"] and agent["RunAtLoad"]


def test_the_task_has_the_command_and_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERDOMAIN", "STUDIO")
    monkeypatch.setenv("USERNAME", "a&b")
    content = service.TaskScheduler(Paths.find()).content(["C:\\a b\\pythonw.exe", "-m", "bridge", "x y"])
    task = ElementTree.fromstring(content.decode("utf-16"))
    texts = {element.tag.rpartition("}")[2]: element.text for element in task.iter()}
    assert texts["Command"] == "C:\\a b\\pythonw.exe" and texts["Arguments"] == '-m bridge "x y"'
    assert texts["UserId"] == "STUDIO\\a&b"
