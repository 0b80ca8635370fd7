"""`popbridge run --daemon`: the same through a running daemon."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve

from bridge.client import transfer
from bridge.commands.run import remote
from bridge.host import host
from bridge.paths import ConnectionFile
from tests.advisors import pictures
from tests.commands.run import workloads
from tests.commands.shell import one_line
from tests.server import daemons
from tests.server.daemons import ProcessDaemon, ThreadDaemon, until
from tests.server.test_uploads import tmpfs
from tests.server.wire import offer


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    found = workloads.registry()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daemons, "registry", lambda: found)
        running = ThreadDaemon(tmp_path_factory.mktemp("remote") / "home").start()
    yield running
    running.stop()


@pytest.fixture
def there(daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch, ours: None) -> None:
    """The daemon is the one that commands find."""
    monkeypatch.setenv("POPBRIDGE_HOME", str(daemon.paths.data))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with a MiB of its own."""
    folder = tmp_path / "small"
    if not tmpfs(folder, "1m"):
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of two."""
    path = tmp_path / "large.png"
    path.write_bytes(b"x" * (2 << 20))
    return path


def _gone(*_: object) -> str:
    raise FileNotFoundError(2, "gone")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.webp")}


def lines(out: str) -> list[dict[str, Any]]:
    """Lines of JSON without what differs from run to run."""
    found = [json.loads(line) for line in out.splitlines()]
    for line in found:
        line.get("meta", {}).pop("queued_ms", None)
        line.get("meta", {}).pop("run_ms", None)
    return found


@pytest.mark.usefixtures("there")
class TestTheSame:
    def test_values_failures_and_exit_codes_are_those_of_a_run_without_it(
        self, popbridge: Any, textures: Path
    ) -> None:
        files = [str(textures), str(textures / "notes.txt"), str(textures / "gone.png")]
        given = ("run", "image.inspect", *files, "-r", "--json")
        alone, through = popbridge(*given, "--workers", "1"), popbridge(*given, "--daemon")
        assert lines(through[1]) == lines(alone[1])
        assert through[0] == alone[0] == 1

    @pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8"])
    def test_parameters_that_dont_go_together_are_told_as_without_it(
        self, popbridge: Any, textures: Path, monkeypatch: pytest.MonkeyPatch, locale: str
    ) -> None:
        monkeypatch.setenv("LC_ALL", locale)
        given = ("run", "image.resize", str(textures / "wall.png"))
        assert popbridge(*given, "--daemon") == popbridge(*given, "--workers", "1")

    def test_outputs_are_those_of_a_run_without_it(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        given = ("run", "image.convert+image.convert", str(textures), "-r", "--param", "format=webp")
        assert popbridge(*given, "--out", str(tmp_path / "a"), "--workers", "1")[0] == 0
        assert popbridge(*given, "--out", str(tmp_path / "b"), "--daemon")[0] == 0
        assert contents(tmp_path / "a") == contents(tmp_path / "b") and len(contents(tmp_path / "a")) == 4
        assert popbridge(*given, "--out", str(tmp_path / "b"), "--daemon", "--resume")[2].startswith(
            "popbridge: 0 done, 4 unchanged"
        )

    def test_a_run_leaves_no_session_behind(
        self, popbridge: Any, textures: Path, daemon: ThreadDaemon
    ) -> None:
        assert popbridge("run", "image.inspect", str(textures), "-r", "--daemon")[0] == 0
        until(lambda: not len(daemon.bridge.sessions), "the end of the runs' sessions")

    def test_several_files_of_one_job_and_files_that_nobody_keeps(
        self, popbridge: Any, textures: Path
    ) -> None:
        files = [str(textures / "wall.png"), str(textures / "stone" / "rock.png")]
        code, out, err = popbridge("run", "test.measure", *files, "--daemon", "--json")
        assert (code, lines(out)[0]["value"]) == (0, {"names": files})
        code, out, err = popbridge("run", "test.sheet", *files, "--daemon")
        assert code == 0 and "were dropped" in err

    @pytest.mark.skipif(
        sys.platform in ("win32", "darwin"), reason="names are Unicode there, links need rights"
    )
    def test_files_that_cant_be_named_to_it_are_sent(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        pictures.save(tmp_path / "elsewhere" / "moon.png", pictures.noise(3, 5))
        (textures / "moon.png").symlink_to(tmp_path / "elsewhere" / "moon.png")
        (textures / "b\udcff.png").write_bytes((textures / "wall.png").read_bytes())
        names = ["moon.png", "b\udcff.png", "wall.png", f"{'long' * 40}.png"]
        (textures / names[-1]).write_bytes((textures / "wall.png").read_bytes())
        files = [str(textures / name) for name in names]
        code, out, _ = popbridge("run", "image.inspect", *files, "--daemon", "--json")
        assert code == 0 and [line["value"]["width"] for line in lines(out)] == [5, 8, 8, 8]
        for name in names[1:]:
            (textures / name).write_bytes(b"no picture")
        code, _, err = popbridge("run", "image.inspect", *files[1:], "--daemon")
        assert code == 1
        assert all(
            line.endswith(".png: isn't an image of a format known here") for line in err.splitlines()[:3]
        )

    def test_a_file_that_vanishes_before_it_is_sent_is_told(
        self, popbridge: Any, textures: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(remote, "MAX_PATH", 1)
        monkeypatch.setattr(transfer, "put", _gone)
        code, _, err = popbridge("run", "image.inspect", str(textures / "wall.png"), "--daemon")
        assert (code, err) == (1, f"{textures / 'wall.png'}: can't be read (gone)\n")

    def test_a_job_that_takes_too_long_is_told_with_what_allows_more(
        self, popbridge: Any, textures: Path
    ) -> None:
        slow = str((textures / "wall.png").rename(textures / "slow.png"))
        code, _, err = popbridge("run", "test.slow", slow, "--daemon", "--timeout", "0.2")
        says = "took longer than 0.2 s; --timeout or the setting deadline_ms allows more"
        assert (code, err) == (1, f"{slow}: {says}\n")

    def test_more_files_than_one_request_takes_are_refused(self, popbridge: Any, textures: Path) -> None:
        wall = str(textures / "wall.png")
        assert popbridge("run", "test.count", *[wall] * 64, "--daemon")[1].endswith(": 64\n")
        code, _, err = popbridge("run", "test.count", *[wall] * 65, "--daemon")
        assert code == 1 and "at most 64 files per job" in err
        assert popbridge("run", "test.count", *[wall] * 65, "--workers", "1")[1].endswith(": 65\n")

    def test_a_value_that_no_answer_holds_is_refused_with_what_helps(
        self, popbridge: Any, textures: Path
    ) -> None:
        command = ("run", "test.long", str(textures / "wall.png"), "--param", f"text={'x' * 300}")
        code, _, err = popbridge(*command, "--daemon")
        assert code == 1 and "262144 bytes" in err and "Run it without --daemon." in err
        assert popbridge(*command, "--workers", "1")[0] == 0

    def test_a_workload_that_the_daemon_lacks_is_told(
        self, popbridge: Any, textures: Path, daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tests.accel.workloads import crash

        monkeypatch.setattr(host, "load", lambda: host.Registry(workloads={"test.crash": crash.workload}))
        code, _, err = popbridge("run", "test.crash", str(textures / "wall.png"), "--daemon")
        assert code == 2 and one_line(err) and "The daemon has no workload 'test.crash'" in err

    @pytest.mark.skipif(sys.platform == "win32", reason="mounts a small disk")
    def test_a_full_disk_of_the_outputs_is_told_as_theirs(
        self, popbridge: Any, small_disk: Path, large: Path
    ) -> None:
        for how in ("--daemon", "--workers=1"):
            code, _, err = popbridge("run", "test.sheet", str(large), how, "--out", str(small_disk / "out"))
            assert code in (1, 2) and err.count("\n") == 1 and "Traceback" not in err
            assert "no space left on device" in err.lower()
            assert "space on the disk of --out" in err and "blobs.quota" not in err


def test_a_full_daemon_is_told_as_the_daemons_with_its_folder(
    popbridge: Any, textures: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, ours: None
) -> None:
    found = workloads.registry()
    monkeypatch.setattr(daemons, "registry", lambda: found)
    running = ThreadDaemon(home, blobs__quota=1000).start()
    try:
        running.bridge.blobs.put(b"x" * 1000)
        given = ("run", "test.sheet", str(textures / "wall.png"), "--out", str(tmp_path / "out"))
        code, _, err = popbridge(*given, "--daemon")
    finally:
        running.stop()
    assert code == 1 and all(each in err for each in ("blobs.quota", "1000 of 1000 bytes", str(home)))


TOKEN = "local.secret"
HELLO = {
    "type": "hello", "protocol": 1, "features": [], "heartbeat_s": 20,
    "server": {"name": "s", "version": "1", "instance": "i"},
    "limits": {"frame": 262_144, "inline": 1, "inflight": 4},
}  # fmt: skip
ECHO = {"name": "bridge.echo", "version": 1, "summary": ""}
READY = {"type": "ready", "session": "s", "resume_token": "t", "resumed": False, "workloads": [ECHO]}
FULL = {"type": "error", "code": "overloaded", "message": "The bridge is full.", "retryable": True}


HANG_UP: dict[str, Any] = {}
NOT_TAKEN: dict[str, Any] = {}


class Scripted:
    """A daemon that answers each request with the next of its answers, and hangs up after the last."""

    def __init__(self, home: Path, answers: list[dict[str, Any]]) -> None:
        self._home = home
        self._answers = answers
        self.asked = 0
        self.deadlines: list[int] = []
        self.keys: list[str] = []
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Scripted:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()
        async with serve(self._handle, "127.0.0.1", 0, subprotocols=["bridge.v1.msgpack"]) as running:  # type: ignore[list-item]
            port = next(iter(running.sockets)).getsockname()[1]
            self._home.mkdir(exist_ok=True)
            file = ConnectionFile(f"ws://127.0.0.1:{port}/ws", "http://127.0.0.1:9", TOKEN, 1, 1)
            file.write(self._home / "connection.json")
            self._ready.set()
            await self._stop.wait()

    async def _handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        await socket.send(msgpack.packb({**HELLO, "auth": offer(socket.request.path, TOKEN)}))
        await socket.recv()
        await socket.send(msgpack.packb(READY))
        async for frame in socket:
            message = msgpack.unpackb(frame)
            if message["type"] != "request":
                continue
            self.asked += 1
            self.deadlines.append(message["deadline_ms"])
            self.keys.append(message["key"])
            if self._answers and self._answers[0] is NOT_TAKEN:
                await socket.close(4005, "field 'params': too odd")
                break
            if not self._answers or self._answers[0] is HANG_UP:
                del self._answers[:1]
                break
            await socket.send(msgpack.packb({**self._answers.pop(0), "id": message["id"]}))


def test_a_daemon_that_is_full_is_asked_again_when_it_says(popbridge: Any, home: Path) -> None:
    answers = [{**FULL, "retry_after_ms": 1}, FULL, {"type": "result", "value": 7}]
    with Scripted(home, answers) as scripted:
        assert popbridge("run", "bridge.echo", "--daemon") == (0, "bridge.echo: 7\n", "")
    assert scripted.asked == 3
    # Editors' requests are short, and those at a shell needn't be.
    assert set(scripted.deadlines) == {3_600_000}


def test_a_daemon_that_stays_full_is_told_in_the_end(
    popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPBRIDGE_DEADLINE_MS", "1000")
    with Scripted(home, [{**FULL, "retry_after_ms": 1100}] * 3) as scripted:
        assert popbridge("run", "bridge.echo", "--daemon") == (1, "", "bridge.echo: The bridge is full\n")
    assert scripted.asked == 2


def test_a_daemon_that_is_gone_ends_the_run(
    popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.commands.connection.GONE_S", 0.5)
    with Scripted(home, []):
        code, _, err = popbridge("run", "bridge.echo", "--daemon")
    assert code == 2 and one_line(err) and "The daemon is gone" in err


def test_a_daemon_that_hangs_up_and_says_why_is_quoted(popbridge: Any, home: Path) -> None:
    with Scripted(home, [NOT_TAKEN]) as scripted:
        code, out, err = popbridge("run", "bridge.echo", "--daemon")
    assert (code, out, scripted.asked) == (1, "", 1)
    assert err.startswith("bridge.echo: ") and "4005 field 'params': too odd" in err


def test_a_daemon_that_hangs_up_is_asked_again_by_the_same_key(popbridge: Any, home: Path) -> None:
    with Scripted(home, [HANG_UP, HANG_UP, {"type": "result", "value": 7}]) as scripted:
        assert popbridge("run", "bridge.echo", "--daemon") == (0, "bridge.echo: 7\n", "")
    assert len(scripted.keys) == 3
    assert len(set(scripted.keys)) == 1


class Served(ProcessDaemon):
    """`popbridge serve`."""

    command = ("-m", "bridge.cli", "serve", "--port", "0", "--workers", "1")


def test_a_daemon_killed_in_the_middle_of_a_run_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, popbridge: Any
) -> None:
    process = Served(tmp_path / "home")
    process.start()
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(30):
        pictures.save(folder / f"{number}.png", pictures.noise(3, 300 + number))

    def kill() -> None:
        for least in (2, 15):
            until(lambda least=least: len(list((tmp_path / "out").rglob("*.webp"))) >= least, "outputs")  # type: ignore[misc]
            process.kill()
            process.start()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        code, _, err = popbridge(
            *("run", "image.convert", str(folder), "-r", "--param", "format=webp"),
            *("--daemon", "--out", str(tmp_path / "out")),
        )
    finally:
        killer.join(120)
        process.end()
    # What is told meanwhile is in test_lasting.py: of a quick machine nobody knows when it looks.
    assert code == 0 and err.splitlines()[-1].startswith("popbridge: 30 done"), err
    assert len(contents(tmp_path / "out")) == 30
