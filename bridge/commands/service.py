"""`popbridge service`: starts the daemon when the user logs in, through what each system has for that."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn
from xml.sax.saxutils import escape

import click
from msgspec import Struct

from accel.text import AnyText, text
from bridge.commands.options import as_json, print_json
from bridge.commands.terminal import say
from bridge.core.errors import UserError
from bridge.paths import ConnectionFile, Paths, daemon_command, record_start_command

UNIT: Final = "popbridge.service"
AGENT: Final = "com.popbridge.daemon"
TASK: Final = "PopBridge"
START_S = 15.0
"""Time that a started daemon has to write `connection.json`; a cold disk needs several seconds."""
CALL_S = 30.0

SYSTEMD = """[Unit]
Description=PopBridge, the texture checker's daemon

[Service]
ExecStart={command}
Restart=on-failure
RestartSec=5
# Another daemon runs, or a setting is wrong.
RestartPreventExitStatus=2

[Install]
WantedBy=default.target
"""

TASK_XML = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers><LogonTrigger><Enabled>true</Enabled><UserId>{user}</UserId></LogonTrigger></Triggers>
  <Principals><Principal id="Author"><UserId>{user}</UserId><LogonType>InteractiveToken</LogonType>
    <RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings><MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>3</Count></RestartOnFailure></Settings>
  <Actions><Exec><Command>{program}</Command><Arguments>{arguments}</Arguments></Exec></Actions>
</Task>
"""
"""A trigger for this user alone: `schtasks /SC ONLOGON` is for every user and needs an administrator."""


class ServiceError(UserError):
    """The system's service manager refused."""


class Manager(ABC):
    """What starts programs at login on one system."""

    name: AnyText
    file: Path
    """Exists while the service is installed."""
    keeps_logs = False
    """Whether it stores what the daemon prints."""

    @abstractmethod
    def content(self, command: Sequence[str]) -> bytes:
        """Returns the file's content for a daemon that starts with `command`."""

    @abstractmethod
    def enable(self, *, start: bool) -> None:
        """Registers the file; with `start`, starts the daemon now."""

    @abstractmethod
    def disable(self) -> None:
        """Ends the daemon that the manager runs, and unregisters the file."""

    @abstractmethod
    def enabled(self) -> bool:
        """Whether the manager will start the daemon at the next login."""


class Systemd(Manager):
    """User units of systemd."""

    name = text("systemd user unit")
    keeps_logs = True

    def __init__(self) -> None:
        base = os.environ.get("XDG_CONFIG_HOME", "")
        config = Path(base) if base.startswith("/") else Path.home() / ".config"
        self.file = config / "systemd" / "user" / UNIT

    def content(self, command: Sequence[str]) -> bytes:
        return SYSTEMD.format(command=" ".join(map(_unit_word, command))).encode()

    def enable(self, *, start: bool) -> None:
        if not _succeeds("systemctl", "--user", "show-environment"):
            raise ServiceError(
                text(
                    "No systemd user session runs here, as in a container or after `sudo`. Log in normally, "
                    "or run `popbridge serve`."
                )
            )
        _call("systemctl", "--user", "daemon-reload")
        _call("systemctl", "--user", "enable", UNIT)
        if start:
            # A unit that failed earlier isn't started again by `start`.
            _call("systemctl", "--user", "restart", UNIT)

    def disable(self) -> None:
        _call("systemctl", "--user", "disable", "--now", UNIT)

    def enabled(self) -> bool:
        return _succeeds("systemctl", "--user", "is-enabled", "--quiet", UNIT)


class LaunchAgent(Manager):
    """Launch agents of macOS."""

    name = text("launch agent")

    def __init__(self) -> None:
        self.file = Path.home() / "Library" / "LaunchAgents" / f"{AGENT}.plist"
        self._domain = f"gui/{os.getuid()}" if sys.platform != "win32" else ""

    def content(self, command: Sequence[str]) -> bytes:
        return plistlib.dumps(
            {
                "Label": AGENT,
                "ProgramArguments": [*command],
                "RunAtLoad": True,
                "KeepAlive": {"Crashed": True},
                "ProcessType": "Background",
            }
        )

    def enable(self, *, start: bool) -> None:
        # launchd reads the file at the next login.
        if start:
            # An agent that is loaded has the command of an earlier installation.
            _succeeds("launchctl", "bootout", f"{self._domain}/{AGENT}")
            _call("launchctl", "bootstrap", self._domain, str(self.file))

    def disable(self) -> None:
        _succeeds("launchctl", "bootout", f"{self._domain}/{AGENT}")

    def enabled(self) -> bool:
        return self.file.exists()


class TaskScheduler(Manager):
    """Task Scheduler of Windows."""

    name = text("scheduled task")

    def __init__(self, paths: Paths) -> None:
        self.file = paths.data / "service.xml"

    def content(self, command: Sequence[str]) -> bytes:
        domain, user = os.environ.get("USERDOMAIN", ""), os.environ.get("USERNAME", "")
        values = {
            "user": f"{domain}\\{user}" if domain else user,
            "program": command[0],
            "arguments": subprocess.list2cmdline(command[1:]),
        }
        return TASK_XML.format(**{name: escape(value) for name, value in values.items()}).encode("utf-16")

    def enable(self, *, start: bool) -> None:
        _call("schtasks", "/Create", "/TN", TASK, "/XML", str(self.file), "/F")
        if start:
            _call("schtasks", "/Run", "/TN", TASK)

    def disable(self) -> None:
        _succeeds("schtasks", "/End", "/TN", TASK)
        _call("schtasks", "/Delete", "/TN", TASK, "/F")

    def enabled(self) -> bool:
        return _succeeds("schtasks", "/Query", "/TN", TASK)


class ServiceState(Struct, frozen=True):
    """What `popbridge service status` found."""

    manager: AnyText
    file: str
    installed: bool
    """Whether the daemon will start at the next login."""
    current: bool
    """Whether it is this installation of PopBridge that starts."""
    address: str
    """Of the daemon that runs now, whoever started it; empty if none does."""


@click.group()
def service() -> None:
    """Start the daemon when you log in.

    Nothing needs an administrator: a systemd user unit, a launch agent of macOS, or a scheduled task of
    Windows, for this user alone.
    """


@service.command("install")
def install_service() -> int:
    """Start the daemon now and at each login.

    Run it again after PopBridge moved to another folder; updates in place need nothing.
    """
    paths = Paths.find()
    manager = _manager(paths)
    command = _command(manager, paths)
    already = _running(paths)
    before = manager.file.read_bytes() if manager.file.exists() else None
    manager.file.parent.mkdir(parents=True, exist_ok=True)
    manager.file.write_bytes(manager.content(command))
    try:
        manager.enable(start=not already)
    except ServiceError:
        if before is None:
            manager.file.unlink()
        else:
            manager.file.write_bytes(before)
        raise
    record_start_command(paths, daemon_command())
    click.echo(
        say(
            text(
                "The daemon starts at each login ({manager} {file}).", manager=manager.name, file=manager.file
            )
        )
    )
    if already:
        notice = text("One already runs at {address}; the next login starts the service's.", address=already)
        click.echo(say(notice))
        return 0
    if address := _await_daemon(paths):
        click.echo(say(text("It runs now, at {address}.", address=address)))
        return 0
    click.echo(
        say(
            text(
                "It hasn't started within {seconds} s. Try `popbridge serve` to see why.",
                seconds=int(START_S),
            )
        ),
        err=True,
    )
    return 1


@service.command("remove")
def remove_service() -> None:
    """Stop the daemon that the service runs, and don't start it at login any more."""
    paths = Paths.find()
    manager = _manager(paths)
    if not manager.file.exists() and not manager.enabled():
        click.echo(say(text("The service isn't installed.")))
        return
    manager.disable()
    manager.file.unlink(missing_ok=True)
    click.echo(say(text("The daemon no longer starts at login.")))


@service.command("status")
@as_json
def service_status(as_json: bool) -> int:
    """Show whether the daemon starts at login. Exit code 1 if it doesn't."""
    paths = Paths.find()
    manager = _manager(paths)
    try:
        current = manager.file.read_bytes() == manager.content(_command(manager, paths))
    except OSError:
        current = False
    state = ServiceState(manager.name, str(manager.file), manager.enabled(), current, _running(paths))
    if as_json:
        print_json(state)
    else:
        for line in _describe(state):
            click.echo(say(line))
    return 0 if state.installed else 1


def _describe(state: ServiceState) -> list[AnyText]:
    lines: list[AnyText] = []
    if not state.installed:
        lines.append(text("The daemon doesn't start at login. Install: `popbridge service install`"))
    elif state.current:
        lines.append(
            text("The daemon starts at login ({manager} {file}).", manager=state.manager, file=state.file)
        )
    else:
        lines.append(
            text("Another installation of PopBridge starts at login. Replace it: `popbridge service install`")
        )
    if state.address:
        lines.append(text("It runs now, at {address}.", address=state.address))
    else:
        lines.append(text("No daemon runs now."))
    return lines


def _command(manager: Manager, paths: Paths) -> list[str]:
    return [
        *daemon_command(),
        *([] if manager.keeps_logs else ["--log-file", str(paths.data / "daemon.log")]),
    ]


def _manager(paths: Paths) -> Manager:
    if sys.platform == "win32":
        return TaskScheduler(paths)
    if sys.platform == "darwin":
        return LaunchAgent()
    if shutil.which("systemctl") is None:
        raise UserError(
            text(
                "This system has no systemd. Let your desktop start `{command}` at login.",
                command=" ".join(daemon_command()),
            )
        )
    return Systemd()


def _unit_word(word: str) -> str:
    """Quotes a word of a command line in a unit file (systemd.service(5), systemd.syntax(7))."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if plain and not set(plain) & set(" \t\"'\\;"):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _call(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=CALL_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        _refused(command, str(error))
    if done.returncode:
        _refused(command, (done.stderr or done.stdout).strip() or f"exit code {done.returncode}")


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=CALL_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _refused(command: Sequence[str], reason: str) -> NoReturn:
    raise ServiceError(
        text("`{command}` failed: {reason}", command=" ".join(command), reason=reason)
    ) from None


def _running(paths: Paths) -> str:
    """Returns the address of the daemon that runs, or an empty string."""
    try:
        return ConnectionFile.read(paths.connection_file).ws
    except UserError:
        return ""


def _await_daemon(paths: Paths) -> str:
    until = time.monotonic() + START_S
    while not (address := _running(paths)) and time.monotonic() < until:
        time.sleep(0.1)
    return address
