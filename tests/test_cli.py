"""The `popbridge` command itself: help, mistakes, exit codes."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge import cli
from bridge.commands import receipts
from bridge.core.errors import EDITOR_GONE, FORBIDDEN, RequestError
from tests.advisors import pictures
from tests.commands.conftest import home, popbridge
from tests.commands.shell import one_line

__all__ = ["home", "popbridge"]  # fixtures


class TestAsAProgram:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "bridge.cli", *arguments], capture_output=True, timeout=60
        )

    def test_help_names_every_command(self) -> None:
        done = self.run("--help")
        assert done.returncode == 0
        assert all(name.encode() in done.stdout for name in cli.COMMANDS)

    def test_the_version_is_the_distributions(self) -> None:
        assert self.run("--version").stdout.decode().startswith("popbridge, version ")

    def test_a_mistake_is_one_line_and_exit_code_2(self) -> None:
        done = self.run("run", "image.none", "x.png")
        assert done.returncode == 2
        assert one_line(done.stderr.decode())

    def test_names_in_any_script_come_out_of_a_pipe_as_utf8(self, tmp_path: Path) -> None:
        path = pictures.save(tmp_path / "岩石.png", pictures.noise(3, 8))
        done = self.run("run", "image.inspect", str(path), "--json", "--workers", "1")
        assert json.loads(done.stdout.decode("utf-8"))["file"] == str(path)

    def test_help_costs_no_imports_that_only_a_daemon_needs(self) -> None:
        script = (
            "import sys; from bridge.cli import main; main(['--help']);"
            "bad = {'numpy', 'pyvips', 'uvicorn', 'websockets', 'rich', 'sqlite_utils'} & set(sys.modules);"
            "sys.exit(','.join(bad) or 0)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr


class TestMistakes:
    @pytest.mark.parametrize(
        "arguments",
        [["nonsense"], ["run"], ["revert", "x"], ["revert", "9" * 21], ["revert", str(2**53)],
         ["revert", "0"], ["receipts", "--limit", "0"], ["demo", "--nonsense"]],
    )  # fmt: skip
    def test_a_wrong_call_is_one_line_that_names_the_help(self, popbridge: Any, arguments: list[str]) -> None:
        code, _, err = popbridge(*arguments)
        assert code == 2 and one_line(err)
        command = f"popbridge {arguments[0]}" if arguments[0] != "nonsense" else "popbridge"
        assert f"`{command} --help`" in err

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device there")
    @pytest.mark.parametrize("arguments", [["config"], ["workloads"], ["run", "bridge.echo"]])
    def test_a_full_disk_is_one_line(self, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "bridge.cli", *arguments]
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60, text=True)
        assert one_line(done.stderr) and "(No space left on" in done.stderr
        assert done.returncode == 2

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device there")
    def test_a_full_disk_is_told_in_the_readers_language(self) -> None:
        command, chinese = [sys.executable, "-m", "bridge.cli", "config"], {**os.environ, "LC_ALL": "zh_CN"}
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                command, stdout=full, stderr=subprocess.PIPE, timeout=60, encoding="utf-8", env=chinese
            )
        assert done.returncode == 2 and "无法写出输出（No space left on device）。" in done.stderr

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows says other things of it")
    @pytest.mark.parametrize(
        "arguments",
        [["audit"], ["audit", ".", "--html"], ["db", "backup"], ["db", "restore"], ["models", "import"],
         ["run", "image.inspect"], ["install", "godot"], ["demo", "--out"]],
    )  # fmt: skip
    def test_a_name_that_no_file_can_have_is_one_line(
        self, popbridge: Any, home: Path, arguments: list[str]
    ) -> None:
        home.mkdir()
        (home / "popbridge.db").touch()
        code, _, err = popbridge(*arguments, "x" * 5_000)
        assert code == 2 and one_line(err) and "x" * 100 in err

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows says other things of it")
    @pytest.mark.parametrize(
        "command", ["receipts", "db check", "revert 1", "config", "models list", "run bridge.echo", "serve"]
    )
    def test_a_home_that_cant_be_is_one_line(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        monkeypatch.setenv("POPBRIDGE_HOME", "/" + "x" * 5_000)
        code, _, err = popbridge(*command.split())
        assert code == 2 and one_line(err) and "(File name too long)" in err and "Errno" not in err

    @pytest.mark.parametrize(
        ("arguments", "code"), [(["audit", "no such folder"], 2), (["nonsense"], 2), (["config"], 0)]
    )
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device there")
    def test_what_cant_be_said_on_stderr_changes_no_exit_code(self, arguments: list[str], code: int) -> None:
        command = [sys.executable, "-m", "bridge.cli", *arguments]
        with Path("/dev/full").open("wb") as full:
            assert subprocess.run(command, stdout=subprocess.PIPE, stderr=full, timeout=60).returncode == code

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    @pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["config"], ["audit", "--help"], []])
    def test_a_pipe_that_nobody_reads_ends_a_command_without_a_word(
        self, arguments: list[str], unbuffered: str
    ) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        command = [sys.executable, "-X", "dev", "-m", "bridge.cli", *arguments]
        try:
            done = subprocess.run(
                command,
                stdout=writing,
                stderr=subprocess.PIPE,
                timeout=60,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            )
        finally:
            os.close(writing)
        assert done.returncode == 2 and bool(done.stderr) == (arguments == [])

    @pytest.mark.skipif(sys.platform == "win32", reason="only POSIX shells close outputs")
    @pytest.mark.parametrize("arguments", [["config"], ["workloads"], ["plugins"]])
    def test_a_closed_output_is_no_traceback(self, arguments: list[str]) -> None:
        shell = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "bridge.cli", *arguments]
        done = subprocess.run(shell, stderr=subprocess.PIPE, timeout=60, text=True)
        assert done.stderr == "" and done.returncode == 0

    @pytest.mark.skipif(sys.platform == "win32", reason="only POSIX shells close outputs")
    @pytest.mark.parametrize("closed", ["2>&-", "2>&- <&-", ">&- 2>&- <&-"])
    def test_workers_work_without_a_stderr(self, tmp_path: Path, closed: str) -> None:
        path = pictures.save(tmp_path / "a.png", pictures.noise(3, 8))
        arguments = ["run", "image.thumbnail", str(path), "--out", str(tmp_path / "out"), "--workers", "1"]
        shell = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "bridge.cli", *arguments]
        assert subprocess.run(shell, stdout=subprocess.PIPE, timeout=60).returncode == 0
        assert list((tmp_path / "out").iterdir())

    @pytest.mark.skipif(sys.platform == "win32", reason="only POSIX shells close outputs")
    def test_no_file_gets_the_descriptor_of_a_closed_output(self) -> None:
        script = (
            "import os, sys; from bridge import cli; cli.main(['--version']);"
            "print('lost', file=sys.stderr, flush=True);"
            "sys.exit(os.open('/', os.O_RDONLY) < 3 or not os.get_inheritable(2))"
        )
        shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", sys.executable, "-c", script]
        assert subprocess.run(shell, timeout=60).returncode == 0

    def test_an_argument_that_windows_refuses_is_no_closed_pipe(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

        monkeypatch.setattr(receipts, "read_receipts", fail)
        with pytest.raises(OSError, match="Invalid argument"):
            popbridge("receipts")
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(write=fail))
        assert cli.main(["receipts"]) == 2

    def test_other_exit_codes_stay(self, popbridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise SystemExit(3)

        monkeypatch.setattr(receipts, "read_receipts", fail)
        with pytest.raises(SystemExit, match="3"):
            popbridge("receipts")

    def test_a_bare_call_shows_the_help(self, popbridge: Any) -> None:
        code, out, err = popbridge()
        assert code == 2 and "audit " in out + err

    def test_help_is_the_same_for_every_command(self, popbridge: Any) -> None:
        for name in cli.COMMANDS:
            code, out, _ = popbridge(name, "-h")
            assert code == 0 and out.startswith(f"Usage: popbridge {name}")
        assert "popbridge run image.inspect rock.png --json" in popbridge("run", "--help")[1]
        assert "[default: demo-output]" in re.sub(r"\n +", "", popbridge("demo", "-h")[1])

    @pytest.mark.parametrize(
        ("error", "code", "says"),
        [
            (
                RequestError(EDITOR_GONE, editor="Godot"),
                1,
                "popbridge: Godot isn't connected. Open the project",
            ),
            (RequestError(FORBIDDEN, name="x", reason="no"), 2, "popbridge: x: no."),
            (KeyboardInterrupt(), 130, ""),
            (BrokenPipeError(), 2, ""),
            (
                PermissionError(errno.EACCES, "Permission denied", "a.db"),
                2,
                "popbridge: Can't use a.db (Permission denied).",
            ),
            (
                OSError(errno.ENOSPC, "No space left", "a.db"),
                2,
                "popbridge: Can't write a.db (No space left).",
            ),
            (
                OSError(errno.EBADF, "Invalid handle", "aux"),
                2,
                "popbridge: Can't use aux (Invalid handle).",
            ),
            (OSError(errno.EIO, "I/O error", "a.db"), 2, "popbridge: Can't use a.db (I/O error)."),
            (BrokenPipeError(errno.EPIPE, "Broken pipe"), 2, ""),
        ],
    )
    def test_what_ends_a_command_early_is_no_traceback(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, says: str
    ) -> None:
        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(receipts, "read_receipts", fail)
        monkeypatch.setattr(sys, "stdout", sys.stdout)
        given, _, err = popbridge("receipts")
        assert given == code and err.startswith(says)
