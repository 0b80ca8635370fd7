"""The daemon as a process: its port, its file, its line, its signals, and what keeps it from starting."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bridge import __version__
from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, resolve
from bridge.host.host import Registry
from bridge.server import serve
from bridge.store.home import HomeLock, create_folders
from tests.server.daemons import ProcessDaemon, paths_in, until
from tests.server.wire import deaf, dial, identity, session, stall

pytestmark = pytest.mark.own_workers


def begin(home: Path, **flags: object) -> None:
    """Serves in this process; for what raises before there is anything to serve."""
    serve.main(resolve(SETTINGS, {"port": 0, "workers": 1, **flags}), paths_in(home), Registry(), print)


def test_the_first_line_says_where_on_what_and_with_what(process: ProcessDaemon) -> None:
    file = process.start()
    line = until(process.output.read_text, "the first line").splitlines()[0]
    assert file.ws in line
    assert re.search(r"\| (CPU|GPU|CUDA|NVIDIA)[^|]*: ", line), line
    assert "adapters: fake2 (>=2,<3)" in line
    assert re.search(r"workloads: \d+ \(see `popbridge workloads`\)$", line), line
    assert file.token not in process.output.read_text()


def test_the_connection_file_is_its_owners_alone(process: ProcessDaemon) -> None:
    file = process.start()
    assert process.process is not None
    assert file.pid == process.process.pid
    if sys.platform != "win32":
        assert stat.S_IMODE(process.paths.connection_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(process.paths.data.stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="no signal there reaches a process without a console")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_under_load_ends_it_in_order(process: ProcessDaemon, number: int) -> None:
    file = process.start()
    async with session(file) as wire:
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 0.5})
        await wire.send("request", id=2, workload="bridge.echo")
        await wire.until("result", id=2)
        assert process.process is not None
        process.process.send_signal(number)
        assert (await wire.until("result", id=1))["value"] == "awake"
        code, reason = await wire.closed()
        assert code == 1012
        assert "resume" in (reason or "")
    assert process.process.wait(30) == 0
    assert not process.paths.connection_file.exists()
    output = process.output.read_text()
    assert "Traceback" not in output
    assert output.splitlines()[-1] == "PopBridge has stopped."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_log_tells_of_its_start_and_its_end_and_why(tmp_path: Path, number: int) -> None:
    log = tmp_path / "daemon.log"
    asked = {"POPBRIDGE_LOG_LEVEL": "info", "POPBRIDGE_LOG_FILE": str(log), "POPBRIDGE_WORKERS": "2"}
    process = ProcessDaemon(tmp_path / "home", **asked)
    try:
        file = process.start()
        started = f"started at {file.ws} (data: {tmp_path / 'home'}, workers: 2, process {file.pid})"
        until(lambda: started in log.read_text(), "the line of its start")
        assert process.stop(number) == 0
    finally:
        process.end()
    told = [line.partition("INFO bridge.server.serve: ")[2] for line in log.read_text().splitlines()]
    assert told[0] == f"PopBridge {__version__} {started}"
    name = signal.Signals(number).name
    assert [line for line in told if "stop" in line] == [
        f"PopBridge is stopping: {name}",
        "PopBridge stopped",
    ]


async def test_a_peer_that_doesnt_read_doesnt_keep_it_from_stopping(process: ProcessDaemon) -> None:
    file = process.start()
    async with dial(file, sock=deaf(file)) as wire:
        await wire.send("identify", **identity(file))
        sending = asyncio.create_task(stall(wire))
        await asyncio.wait([sending], timeout=0.5)
        assert await asyncio.to_thread(process.stop) == 0
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        wire.socket.transport.abort()


def test_its_workers_end_with_it_even_when_it_is_killed(process: ProcessDaemon) -> None:
    file = process.start()
    workers = until(lambda: psutil.Process(file.pid).children(), "its workers")
    process.kill()
    until(
        lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers),
        "their end",
    )


def test_a_second_daemon_is_told_where_the_first_is(process: ProcessDaemon) -> None:
    file = process.start()
    with pytest.raises(UserError) as caught:
        begin(process.paths.data)
    assert file.ws in str(caught.value)
    assert str(file.pid) in str(caught.value)


def test_a_second_daemon_as_a_process_says_so_in_one_line(process: ProcessDaemon) -> None:
    process.start()
    environment = {**os.environ, "POPBRIDGE_HOME": str(process.paths.data)}
    second = subprocess.run(
        [sys.executable, "-m", "tests.server.daemon"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 2
    assert len(second.stdout.splitlines()) == 1
    assert "Traceback" not in second.stderr


def test_a_second_daemon_while_the_first_has_no_file_yet(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    create_folders(paths)
    with HomeLock(paths), pytest.raises(UserError, match="already running") as caught:
        begin(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_killed_daemons_files_are_in_nobodys_way(process: ProcessDaemon) -> None:
    first = process.start()
    process.kill()
    draft = process.paths.blobs / ".0.part"
    draft.touch()
    second = process.start()
    assert first.token != second.token
    assert not draft.exists()


def test_a_port_that_is_held_is_left_to_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        process = ProcessDaemon(tmp_path / "home", POPBRIDGE_PORT=str(port))
        try:
            file = process.start()
            line = process.output.read_text().splitlines()[0]
            assert f"Port {port} is used by " in line
            assert f"(process {os.getpid()})" in line
            assert f":{port}/" not in file.ws
            assert re.search(r":(\d+)/", file.ws)[1] in line  # type: ignore[index]
        finally:
            process.end()


def test_a_holder_that_isnt_known_is_another_program() -> None:
    assert serve.port_owner(1) == "another program"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::", ""])
def test_only_loopback_is_served_without_tls(tmp_path: Path, host: str) -> None:
    with pytest.raises(UserError, match="popbridge certs init"):
        begin(tmp_path, host=host)


def test_a_loopback_address_that_isnt_here_is_an_error_in_words(tmp_path: Path) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        pytest.skip("IPv6 works here")
    except OSError:
        with pytest.raises(UserError, match="Can't listen on ::1"):
            begin(tmp_path, host="::1")


def test_a_port_that_nobody_may_have_is_an_error_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(UserError, match=r"Can't listen on 127\.0\.0\.1 port 0: Permission denied"):
        begin(tmp_path)


def test_a_database_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "popbridge.db").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(UserError, match=r"popbridge\.db is damaged"):
        begin(tmp_path)


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(UserError, match="home is not a folder"):
        begin(tmp_path / "home")


@pytest.fixture
def fixed(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own that may only be read."""
    folder = tmp_path / "home"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk may be mounted here")
    (folder / "cache").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_home_that_may_only_be_read_is_named_and_not_a_file_in_it(fixed: Path) -> None:
    with pytest.raises(UserError) as caught:
        begin(fixed)
    assert f"Can't write to the folder {fixed} (Read-only file system)" in str(caught.value)


def test_a_lock_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "popbridge.lock").mkdir()
    with pytest.raises(UserError, match=r"^Can't use the file .*popbridge\.lock"):
        begin(tmp_path)


def test_a_blob_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "blobs").touch()
    with pytest.raises(UserError, match="blobs"):
        begin(tmp_path)


def test_a_log_level_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="log_level"):
        begin(tmp_path, log_level="loud")


def test_a_start_that_fails_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(self: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("accel.execution.executor.LocalExecutor.start", refuse)
    with pytest.raises(UserError, match="worker processes can't be started"):
        begin(tmp_path)
    assert not (tmp_path / "connection.json").exists()


def test_a_connection_file_that_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "connection.json").mkdir()
    with pytest.raises(UserError, match=r"Can't write .*connection\.json"):
        begin(tmp_path)


def test_a_broken_plugin_stands_in_the_first_line() -> None:
    from accel.devices import Device
    from bridge.host.discovery import PluginRecord

    broken = Registry(plugins=(PluginRecord("acme", "acme", "1", status="disabled", reason="x"),))
    line = serve.startup_line("ws://[::1]:7757/ws", Device("CPU", "no CUDA driver found"), broken)
    assert "ws://[::1]:7757/ws" in line
    assert "CPU: no CUDA driver found" in line
    assert "adapters: none" in line
    assert "disabled plugins: acme (see `popbridge plugins`)" in line


@pytest.mark.parametrize(
    ("device", "gpu", "says"),
    [
        (("CUDA", "NVIDIA H100"), True, "CPU, and CUDA on NVIDIA H100 where it is faster"),
        (("CUDA", "NVIDIA H100"), False, "CPU: NVIDIA H100 is disabled by the setting gpu"),
        (("CoreML", "macOS"), True, "CPU: no workload uses CoreML yet (macOS)"),
    ],
)
def test_the_first_line_says_what_a_gpu_is_used_for(device: tuple[str, str], gpu: bool, says: str) -> None:
    from accel.devices import Device

    assert says in serve.startup_line("ws://127.0.0.1:1/ws", Device(*device), Registry(), gpu=gpu)


def test_on_windows_asyncios_own_loop_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert serve._loop_factory() is None


def test_the_first_line_says_if_workers_are_not_restricted() -> None:
    from accel.devices import Device

    device = Device("CPU", "no CUDA driver found")
    assert "restricted" not in serve.startup_line("127.0.0.1:1", device, Registry())
    line = serve.startup_line("127.0.0.1:1", device, Registry(), sandbox="this kernel has no Landlock")
    assert "this kernel has no Landlock" in line
